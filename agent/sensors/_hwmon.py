"""The devices of `sys/class/hwmon`, each with its name and its channels; see hwmon."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault
from agent.sensors._channel import Channel
from agent.sensors._names import Candidate, clean, device, told_apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.core.tree import Tree

_FOLDER: Final = "sys/class/hwmon"
# What a file's name begins with → metric and how many of its unit make one of the metric's. First what matters most: that is
# kept where there is too much.
_QUANTITIES: Final = {
    "power": ("power_watts", 1_000_000),
    "temp": ("temperature_celsius", 1000),
    "energy": ("energy_joules_total", 1_000_000),
    "fan": ("fan_rpm", 1),
    "curr": ("current_amperes", 1000),
    "in": ("voltage_volts", 1000),
}
ORDER: Final = tuple(metric for metric, _ in _QUANTITIES.values())
_INPUT: Final = re.compile(r"(power|temp|energy|fan|curr|in)(\d{1,3})_(input|average)")
_ALARM: Final = re.compile(r"in0_lcrit_alarm|curr[123]_(?:max|crit)_alarm")
_ZONE: Final = re.compile(r"thermal_zone\d+")
# Drivers' word for a temperature that is not there: JetPack 5, mainline.
_NO_TEMPERATURE: Final = frozenset({-256_000, -274_000})
# Texas Instruments' shunt monitors: ina209 to ina780.
_SHUNT_MONITOR: Final = re.compile(r"ina\d")
# An INA3221 has three rails. Its in4 to in6 are shunt voltages, in7 and curr4 sums: Documentation/hwmon/ina3221.rst
_TRIPLE: Final = "ina3221"
_RAILS: Final = 3
_LONGEST_AVERAGE_MILLISECONDS: Final = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A hwmon device.

    Attributes:
        kind: what its driver calls it.
        identity: what stays the same of it when its driver is loaded again.
        name: what its readings are called by.
        folder: where its files are.
        channels: what it measures.
        alarms: its alarm files that mean a limit of power.
    """

    kind: str
    identity: str
    name: str
    folder: str
    channels: tuple[Channel, ...]
    alarms: tuple[str, ...]

    def since(self, before: Device) -> Device:
        """Return this device with what it had before: what vanished keeps being looked for, and names stay."""
        old = {(channel.metric, channel.files): channel for channel in before.channels}
        new = {
            (channel.metric, channel.files): replace(channel, name=old.get((channel.metric, channel.files), channel).name)
            for channel in self.channels
        }
        keys = {channel.key for channel in new.values()}
        lost = [channel for place, channel in old.items() if place not in new and channel.key not in keys]
        return replace(self, channels=(*new.values(), *lost))


def devices(tree: Tree, known: Mapping[str, str]) -> dict[str, Device]:
    """Return identity → device of all that measure something that no other source shows. `known`: identity → name."""
    found = {}
    kinds = {}
    candidates = []
    zones = _zone_kinds(tree)
    for entry in tree.names(_FOLDER):
        folder = _folder_of_files(tree, f"{_FOLDER}/{entry}")
        kind = clean(tree.text_or_none(f"{folder}/name")) or device(tree, f"{_FOLDER}/{entry}")
        if _is_mirror(tree, f"{_FOLDER}/{entry}", kind, zones):
            continue
        place = _place(tree, f"{_FOLDER}/{entry}")
        identity = f"{kind} at {place}"
        if identity in found:
            identity += f"/{entry}"
        found[identity] = folder
        kinds[identity] = kind
        behind = clean(place.rpartition("/")[2])
        # Such as coretemp.1 and nvme0, which say it themselves.
        longer = behind if behind.startswith(kind) else f"{kind}.{behind}"
        candidates.append(Candidate(identity=identity, names=(kind, longer, f"{longer}.{entry}")))
    names = told_apart(candidates, known)
    return {
        identity: Device(
            kind=kinds[identity],
            identity=identity,
            name=names[identity],
            folder=folder,
            channels=tuple(_Files(tree, folder, kinds[identity], names[identity]).channels()),
            alarms=tuple(f"{folder}/{file}" for file in _listed(tree, folder) if _ALARM.fullmatch(file)),
        )
        for identity, folder in found.items()
    }


def _folder_of_files(tree: Tree, folder: str) -> str:
    """Return where a device's files are: older drivers put them into the folder of the device behind it."""
    behind = f"{folder}/device"
    if any(_INPUT.fullmatch(file) for file in _listed(tree, folder)):
        return folder
    return behind if any(_INPUT.fullmatch(file) for file in _listed(tree, behind)) else folder


def _listed(tree: Tree, folder: str) -> tuple[str, ...]:
    try:
        return tree.names(folder)
    except SensorFault:
        return ()


def _place(tree: Tree, folder: str) -> str:
    """Return the path of the device behind a hwmon folder; without one, the folder's own place less the number it has today."""
    link = tree.path(f"{folder}/device")
    if link.is_symlink():
        return _inside(tree, str(link))
    place = _inside(tree, str(tree.path(folder)))
    return place if place == folder else re.sub(r"(/hwmon)?/hwmon\d+$", "", place)


def _inside(tree: Tree, path: str) -> str:
    return os.path.relpath(os.path.realpath(path), os.path.realpath(tree.root))


def _is_mirror(tree: Tree, folder: str, kind: str, zones: frozenset[str]) -> bool:
    """Tell whether a thermal zone or a power supply shows the same: drivers/thermal/thermal_hwmon.c, power_supply_hwmon.c."""
    behind = tree.path(f"{folder}/device")
    places = [_inside(tree, str(tree.path(folder)))] + ([_inside(tree, str(behind))] if behind.is_symlink() else [])
    parts = {part for place in places for part in place.split("/")}
    if "power_supply" in parts or any(_ZONE.fullmatch(part) for part in parts):
        return True
    # Older kernels give a zone's mirror no device at all; it has the zone's type, with `_` for `-`.
    return not behind.is_symlink() and kind.replace("-", "_") in zones


def _zone_kinds(tree: Tree) -> frozenset[str]:
    folder = "sys/class/thermal"
    kinds = (tree.text_or_none(f"{folder}/{name}/type") for name in _listed(tree, folder) if _ZONE.fullmatch(name))
    return frozenset(kind.replace("-", "_") for kind in kinds if kind)


class _Files:
    """The files of one device, made into channels."""

    def __init__(self, tree: Tree, folder: str, kind: str, name: str) -> None:
        self._tree = tree
        self._folder = folder
        self._kind = kind
        self._name = name
        self._inputs: dict[tuple[str, int], str] = {}
        for file in _listed(tree, folder):
            match = _INPUT.fullmatch(file)
            if match is None or self._is_no_rail(match[1], int(match[2])):
                continue
            if match[3] == "input" or match[1] == "power":
                # A mean stands in where there is no momentary value; names come in order: `average` before `input`.
                self._inputs[match[1], int(match[2])] = file

    def channels(self) -> Iterator[Channel]:
        """Yield every channel, called by its label where it has one that no other has."""
        labels = {place: self._label(*place) for place in self._inputs}
        powers = [("power", index) for quantity, index in self._inputs if self._is_computed(quantity, index)]
        labels |= {place: self._label(*place) for place in powers}
        covers = self._covers_seconds()
        for quantity, (metric, per_unit) in _QUANTITIES.items():
            places = [place for place in labels if place[0] == quantity]
            for place in places:
                own = f"{quantity}{place[1]}"
                label = labels[place]
                if label.upper() == "NC" or "shunt" in label:
                    continue
                if label and [labels[other] for other in places].count(label) > 1:
                    label = f"{label}.{own}"
                computed = place not in self._inputs
                files = (self._inputs["in", place[1]], self._inputs["curr", place[1]]) if computed else (self._inputs[place],)
                yield Channel(
                    metric=metric,
                    name=f"{self._name}.{label or own}",
                    files=tuple(f"{self._folder}/{file}" for file in files),
                    per_unit=per_unit,
                    placeholders=_NO_TEMPERATURE if quantity == "temp" else frozenset(),
                    covers_seconds=covers if quantity in {"power", "curr", "in"} else None,
                )
        if "rpm" in _listed(self._tree, self._folder):
            # NVIDIA's pwm_tach, in place of fan1_input.
            yield Channel(metric="fan_rpm", name=f"{self._name}.rpm", files=(f"{self._folder}/rpm",))

    def _is_no_rail(self, quantity: str, index: int) -> bool:
        if self._kind == _TRIPLE:
            return index > _RAILS
        return quantity == "in" and index == 0 and self._is_shunt_monitor()

    def _is_shunt_monitor(self) -> bool:
        return _SHUNT_MONITOR.match(self._kind) is not None

    def _is_computed(self, quantity: str, index: int) -> bool:
        """Tell whether a power is to be had only as voltage times current: an INA3221's driver shows none."""
        return (
            self._kind == _TRIPLE and quantity == "in" and ("curr", index) in self._inputs and ("power", index) not in self._inputs
        )

    def _label(self, quantity: str, index: int) -> str:
        label = clean(self._tree.text_or_none(f"{self._folder}/{quantity}{index}_label"))
        if label or quantity == "temp" or not self._is_shunt_monitor():
            return label
        # Only the voltage of a rail has a label; a monitor of one rail may have one as a whole.
        label = clean(self._tree.text_or_none(f"{self._folder}/in{index}_label"))
        return label or (clean(self._tree.text_or_none(f"{self._folder}/label")) if self._kind != _TRIPLE else "")

    def _covers_seconds(self) -> float | None:
        """Return how long a shunt monitor averages, where it says so: all its conversions, in milliseconds."""
        if not self._is_shunt_monitor():
            return None
        try:
            milliseconds = self._tree.integer(f"{self._folder}/update_interval")
        except (Absent, SensorFault):
            return None
        return milliseconds / 1000 if 0 < milliseconds <= _LONGEST_AVERAGE_MILLISECONDS else None
