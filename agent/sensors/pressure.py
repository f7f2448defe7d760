"""Pressure stall information: `proc/pressure/{cpu,memory,io}`, `some ... total=` in microseconds.

Source: Documentation/accounting/psi.rst. Absent on a Raspberry Pi unless the kernel is started with `psi=1`.
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
        name="pressure_seconds_total",
        fold=Fold.INCREASE,
        describes="Time in which at least one task waited for `cpu`, `memory` or `io`.",
    ),
)

_FOLDER: Final = "proc/pressure"
_SOME: Final = re.compile(r"^some .*\btotal=(\d{1,20})\s*$", re.MULTILINE)
_SECONDS_PER_MICROSECOND: Final = 1e-6


class Config(SensorConfig, frozen=True, kw_only=True):
    """How long tasks waited for processor, memory and storage."""

    period: Seconds = Seconds(2)


def find(config: SensorConfig, surroundings: Surroundings) -> Pressure:  # noqa: ARG001 - same for every sensor
    """Return the kernel's pressure files; raises `Absent` where it keeps none."""
    resources = tuple(name for name in ("cpu", "memory", "io") if surroundings.board.path(f"{_FOLDER}/{name}").exists())
    if not resources:
        raise Absent("the kernel keeps no pressure stall information", mend="start it with psi=1 on its command line")
    return Pressure(surroundings.board, resources)


class Pressure:
    """Stall times of the whole machine."""

    def __init__(self, tree: Tree, resources: tuple[str, ...]) -> None:
        """Take the resources that the kernel accounts for."""
        self._tree = tree
        self._resources = resources

    def read(self) -> Reads:
        """Return the total stall time of each resource."""
        readings = []
        faults = []
        for name in self._resources:
            try:
                seconds = parse(self._tree.text(f"{_FOLDER}/{name}"))
            except (Absent, SensorFault) as error:
                faults.append(Fault(name=name, reason=str(error)))
                continue
            readings.append(Reading(metric="pressure_seconds_total", name=name, value=seconds))
        return Reads(readings=tuple(readings), faults=tuple(faults))


def parse(text: str) -> float:
    """Return the total of the `some` line in seconds; raises `SensorFault` where there is none."""
    match = _SOME.search(text)
    if match is None:
        raise SensorFault("no `some` line")
    return int(match[1]) * _SECONDS_PER_MICROSECOND
