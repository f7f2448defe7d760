"""How often an x86 processor slowed itself down for heat: `sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count`.

Source: drivers/thermal/intel/therm_throt.c (before Linux 5.6 in arch/x86/kernel/cpu/mce/), which counts interrupts since boot.
The threads of a core share its thermal status, and the cores of a package share the package's, so that every CPU shows its core's
and its package's count: the highest of them counts, not the sum. A CPU that was switched off may begin anew: no count goes back.
At most 40 counts are read, packages first.
"""

from __future__ import annotations

import re
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
        name="throttle_events_total",
        fold=Fold.LAST,
        describes="How often since boot each processor package (`package0`), and each core of it, slowed down for heat.",
    ),
)

_FOLDER: Final = "sys/devices/system/cpu"
_CPU: Final = re.compile(r"cpu\d+")
_MOST_COUNTS: Final = 40


class Config(SensorConfig, frozen=True, kw_only=True):
    """How often an x86 processor slowed itself down for heat."""

    period: Seconds = Seconds(2)


def find(config: SensorConfig, surroundings: Surroundings) -> ThrottleCounts:  # noqa: ARG001 - same for every sensor
    """Return the processor's counts; raises `Absent` where it keeps none."""
    counts = _counts(surroundings.board)
    if not counts:
        raise Absent("the processor does not count how often it throttled")
    return ThrottleCounts(surroundings.board, dict(list(counts.items())[:_MOST_COUNTS]))


class ThrottleCounts:
    """The counts of every package and core."""

    def __init__(self, tree: Tree, counts: dict[str, list[str]]) -> None:
        """Take name → the CPUs that show the count, each as the path of its folder's file."""
        self._tree = tree
        self._counts = counts
        self._highest: dict[str, int] = {}

    def read(self) -> Reads:
        """Return every count. Of CPUs that are switched off the others of their package speak."""
        readings = []
        faults = []
        for name, paths in self._counts.items():
            found = []
            reasons = []
            for path in paths:
                try:
                    found.append(self._count(path))
                except (Absent, SensorFault) as error:
                    if not self._is_switched_off(path):
                        reasons.append(str(error))
            if found:
                self._highest[name] = max(*found, self._highest.get(name, 0))
                readings.append(Reading(metric="throttle_events_total", name=name, value=float(self._highest[name])))
            if reasons:
                faults.append(Fault(name=name, reason=reasons[0]))
        return Reads(readings=tuple(readings), faults=tuple(faults))

    def _count(self, path: str) -> int:
        count = self._tree.integer(path)
        if not 0 <= count < 2**63:
            raise SensorFault(f"implausible {count}")
        return count

    def _is_switched_off(self, path: str) -> bool:
        cpu = path.removeprefix(f"{_FOLDER}/").partition("/")[0]
        return self._tree.text_or_none(f"{_FOLDER}/{cpu}/online") == "0"


def _counts(tree: Tree) -> dict[str, list[str]]:
    """Return name → files of the count; packages before cores."""
    packages: dict[str, list[str]] = {}
    cores: dict[str, list[str]] = {}
    for cpu in tree.names(_FOLDER):
        if not _CPU.fullmatch(cpu):
            continue
        files = f"{_FOLDER}/{cpu}/thermal_throttle"
        package = _number(tree, f"{_FOLDER}/{cpu}/topology/physical_package_id")
        core = _number(tree, f"{_FOLDER}/{cpu}/topology/core_id")
        if tree.path(f"{files}/package_throttle_count").exists():
            name = "package" if package is None else f"package{package}"
            packages.setdefault(name, []).append(f"{files}/package_throttle_count")
        if tree.path(f"{files}/core_throttle_count").exists():
            name = cpu if package is None or core is None else f"package{package}.core{core}"
            cores.setdefault(name, []).append(f"{files}/core_throttle_count")
    return packages | cores


def _number(tree: Tree, path: str) -> int | None:
    try:
        number = tree.integer(path)
    except (Absent, SensorFault):
        return None
    return number if number >= 0 else None
