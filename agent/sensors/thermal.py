"""Thermal zones of the kernel: `sys/class/thermal/thermal_zone*/{type,temp}`, in thousandths of a degree Celsius.

Source: Documentation/driver-api/thermal/sysfs-api.rst. A zone is called by its type; where several share one, by the type and
the device behind the zone. Zones that are powered down answer EAGAIN (Jetson, JetPack 6) or -256000 (JetPack 5): they are
absent, which is no fault.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.record import Fault, Reading, Reads
from agent.core.sensor import SensorConfig, Surroundings
from agent.core.units import Seconds

if TYPE_CHECKING:
    from agent.core.tree import Tree

METRICS = (
    Metric(
        name="temperature_celsius",
        fold=Fold.GAUGE,
        describes="Temperature of each thermal zone, by the zone's type.",
    ),
)

_FOLDER: Final = "sys/class/thermal"
# Below: placeholders of drivers (-256000, -274000); above: no silicon works there. 0 is what a dead sensor often says.
_COLDEST_CELSIUS: Final = -40.0
_HOTTEST_CELSIUS: Final = 150.0
_POWERED_DOWN: Final = frozenset({-256_000, -274_000})
# A Jetson's power chip has no sensor that the kernel can read; its zone says one of these for ever.
_PMIC: Final = "PMIC"
_PMIC_PLACEHOLDERS: Final = frozenset({100_000, 50_000})
_REDISCOVER_READS: Final = 60


class Config(SensorConfig, frozen=True, kw_only=True):
    """Temperatures of the kernel's thermal zones."""

    period: Seconds = Seconds(0.5)


def find(config: SensorConfig, surroundings: Surroundings) -> ThermalZones:  # noqa: ARG001 - same for every sensor
    """Return the board's thermal zones; raises `Absent` where there are none."""
    zones = _zones(surroundings.board)
    if not zones:
        raise Absent("no thermal zones")
    return ThermalZones(surroundings.board, zones)


class ThermalZones:
    """All zones of a board, each read on its own."""

    def __init__(self, tree: Tree, zones: dict[str, str]) -> None:
        """Take zone name → folder."""
        self._tree = tree
        self._zones = zones
        self._reads = 0
        self._seen: set[str] = set()

    def read(self) -> Reads:
        """Return one temperature for every zone that has one."""
        self._reads += 1
        if self._reads % _REDISCOVER_READS == 0:
            # Zones that were there stay listed, so that one that vanished keeps counting as a fault.
            found = _zones(self._tree)
            known = set(found.values())
            self._zones = {**{name: folder for name, folder in self._zones.items() if folder not in known}, **found}
        readings = []
        faults = []
        for name, folder in self._zones.items():
            try:
                celsius = self._celsius(name, folder)
            except (Absent, SensorFault) as error:
                faults.append(Fault(name=name, reason=str(error)))
                continue
            if celsius is not None:
                self._seen.add(name)
                readings.append(Reading(metric="temperature_celsius", name=name, value=celsius))
        return Reads(readings=tuple(readings), faults=tuple(faults))

    def _celsius(self, name: str, folder: str) -> float | None:
        try:
            thousandths = self._tree.integer(f"{folder}/temp")
        except SensorFault as error:
            if _is_off(str(error), has_answered=name in self._seen):
                return None
            raise
        if thousandths in _POWERED_DOWN or (name.startswith(_PMIC) and thousandths in _PMIC_PLACEHOLDERS):
            return None
        celsius = thousandths / 1000
        if not _COLDEST_CELSIUS <= celsius <= _HOTTEST_CELSIUS or thousandths == 0:
            raise SensorFault(f"implausible {celsius:g} degrees Celsius")
        return celsius


def _is_off(reason: str, *, has_answered: bool) -> bool:
    """Tell a zone that is powered down or disabled from one that failed: a zone that has answered must go on answering."""
    return reason.startswith("EAGAIN") or (not has_answered and reason.startswith(("EINVAL", "ENODATA")))


def _zones(tree: Tree) -> dict[str, str]:
    """Return zone name → folder. A type that several zones share is followed by each one's device, else by its folder."""
    folders = [f"{_FOLDER}/{name}" for name in tree.names(_FOLDER) if name.startswith("thermal_zone")]
    types = {folder: tree.text_or_none(f"{folder}/type") or _last(folder) for folder in folders}
    kinds = list(types.values())
    names = {folder: kind if kinds.count(kind) == 1 else f"{kind}.{_device(tree, folder)}" for folder, kind in types.items()}
    taken = list(names.values())
    # A chip with several channels registers several zones of one type on one device.
    return {name if taken.count(name) == 1 else f"{types[folder]}.{_last(folder)}": folder for folder, name in names.items()}


def _device(tree: Tree, folder: str) -> str:
    try:
        return tree.path(f"{folder}/device").readlink().name
    except OSError:
        return _last(folder)


def _last(path: str) -> str:
    return path.rpartition("/")[2]
