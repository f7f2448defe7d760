"""Batteries and supplies that measure: `sys/class/power_supply/*/{voltage,current,power}_now`, in microvolts, -amperes, -watts.

Source: Documentation/ABI/testing/sysfs-class-power. Where a supply has no power_now, its power is voltage times current. A
battery's current and power are negative while it is discharged: so the ABI says, but ACPI shows amounts only, and some drivers
the opposite, so the sign is taken from `status` where that says Charging or Discharging. Left out are

- UCSI ports (`ucsi-source-psy-*`; AGX Orin, AGX Thor, laptops): they show what a USB-C supply offered, not what flows;
- batteries of other devices (`scope` Device: mice, headsets);
- how full a battery is: no matter of power.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent
from agent.core.metric import Fold, Metric
from agent.core.sensor import SensorConfig, Surroundings
from agent.core.units import Seconds
from agent.sensors._channel import Channel, Channels
from agent.sensors._names import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.core.record import Reading, Reads
    from agent.core.tree import Tree

METRICS = (
    Metric(
        name="power_watts",
        fold=Fold.GAUGE,
        describes="Power of each battery or supply; negative out of a battery.",
    ),
    Metric(name="voltage_volts", fold=Fold.GAUGE, describes="Voltage of each battery or supply."),
    Metric(
        name="current_amperes",
        fold=Fold.GAUGE,
        describes="Current of each battery or supply; negative out of a battery.",
    ),
)

_FOLDER: Final = "sys/class/power_supply"
_BATTERIES: Final = frozenset({"Battery", "UPS"})
_MICRO: Final = 1_000_000
_SIGNS: Final = {"Charging": 1, "Discharging": -1}
_MOST_SUPPLIES: Final = 13  # of three readings each
_LOOK_READS: Final = 30


class Config(SensorConfig, frozen=True, kw_only=True):
    """Batteries and supplies that measure what flows."""

    period: Seconds = Seconds(2)


def find(config: SensorConfig, surroundings: Surroundings) -> Supplies:  # noqa: ARG001 - same for every sensor
    """Return the board's supplies; raises `Absent` where none measures."""
    source = Supplies(surroundings.board)
    if source.is_empty:
        raise Absent("no battery or supply that measures")
    return source


def _kind(tree: Tree, folder: str) -> str:
    """Return what a supply is, or nothing where it is none of this board's or measures nothing."""
    kind = tree.text_or_none(f"{_FOLDER}/{folder}/type") or ""
    if folder.startswith("ucsi") or tree.text_or_none(f"{_FOLDER}/{folder}/scope") == "Device":
        return ""
    # Old kernels have a type for each way to charge by USB: USB_DCP, USB_PD.
    return kind if kind in _BATTERIES | {"Mains"} or kind.startswith("USB") else ""


def _channels(tree: Tree, folder: str) -> Iterator[Channel]:
    name = clean(folder)
    place = f"{_FOLDER}/{folder}"
    now = {
        quantity: f"{place}/{quantity}_now"
        for quantity in ("power", "voltage", "current")
        if tree.path(f"{place}/{quantity}_now").exists()
    }
    if "power" in now:
        yield Channel(metric="power_watts", name=name, files=(now["power"],), per_unit=_MICRO)
    elif len(now) == 2:  # noqa: PLR2004 - voltage and current
        yield Channel(metric="power_watts", name=name, files=(now["voltage"], now["current"]), per_unit=_MICRO**2)
    if "voltage" in now:
        yield Channel(metric="voltage_volts", name=name, files=(now["voltage"],), per_unit=_MICRO)
    if "current" in now:
        yield Channel(metric="current_amperes", name=name, files=(now["current"],), per_unit=_MICRO)


class Supplies:
    """Every supply of a board."""

    def __init__(self, tree: Tree) -> None:
        """Look for them."""
        self._tree = tree
        self._found: dict[str, tuple[Channel, ...]] = {}
        self._batteries: set[str] = set()
        self._channels = Channels(tree, as_one=True)
        self._reads = 0
        self._look()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read."""
        return not self._found

    def read(self) -> Reads:
        """Return what flows; raises `Absent` when every supply is gone."""
        self._reads += 1
        if self._reads % _LOOK_READS == 0:
            self._look()
        reads = self._channels.read()
        signs = {
            clean(folder): _SIGNS.get(self._tree.text_or_none(f"{_FOLDER}/{folder}/status") or "", 0) for folder in self._batteries
        }
        return replace(reads, readings=tuple(_signed(reading, signs.get(reading.name, 0)) for reading in reads.readings))

    def _look(self) -> None:
        # What was there stays listed, so that what vanished keeps counting as a fault.
        for folder in self._tree.names(_FOLDER):
            kind = _kind(self._tree, folder)
            channels = tuple(_channels(self._tree, folder)) if kind else ()
            if channels and (folder in self._found or len(self._found) < _MOST_SUPPLIES):
                known = {channel.key: channel for channel in self._found.get(folder, ())}
                self._found[folder] = tuple((known | {channel.key: channel for channel in channels}).values())
                if kind in _BATTERIES:
                    self._batteries.add(folder)
        self._channels.take(channel for channels in self._found.values() for channel in channels)


def _signed(reading: Reading, sign: int) -> Reading:
    if sign == 0 or reading.metric == "voltage_volts":
        return reading
    return replace(reading, value=sign * abs(reading.value) if reading.value else 0.0)
