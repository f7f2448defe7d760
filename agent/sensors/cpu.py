"""How busy each core is, from the kernel's own accounting (`/proc/stat`, read by psutil).

Idle is `idle` plus `iowait`: proc_stat(5). The figures are this machine's, whatever `sensors.root` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from agent.core.metric import Fold, Metric
from agent.core.record import Reading, Reads
from agent.core.sensor import SensorConfig, Surroundings

if TYPE_CHECKING:
    from psutil._ntuples import scputimes

METRICS = (Metric(name="load_ratio", fold=Fold.GAUGE, describes="Share of time that a core, or all of them, was not idle."),)


class Config(SensorConfig, frozen=True, kw_only=True):
    """Load of each core and of all together."""


def find(config: SensorConfig, surroundings: Surroundings) -> CpuLoad:  # noqa: ARG001 - same for every sensor
    """Return the machine's cores."""
    return CpuLoad()


class CpuLoad:
    """Load since the reading before."""

    def __init__(self) -> None:
        """Begin with no earlier reading."""
        self._before: dict[str, tuple[float, float]] = {}

    def read(self) -> Reads:
        """Return the load of `total` and of each core. The first reading has nothing to compare with and returns nothing."""
        now = {f"core{index}": _busy_and_all(times) for index, times in enumerate(psutil.cpu_times(percpu=True))}
        now["total"] = (sum(busy for busy, _ in now.values()), sum(whole for _, whole in now.values()))
        readings = []
        for name, (busy, whole) in now.items():
            before = self._before.get(name)
            if before is not None and whole > before[1]:
                ratio = min(max((busy - before[0]) / (whole - before[1]), 0.0), 1.0)
                readings.append(Reading(metric="load_ratio", name=name, value=ratio))
        self._before = now
        return Reads(readings=tuple(readings))


def _busy_and_all(times: scputimes) -> tuple[float, float]:
    # guest time is part of user time already: proc_stat(5).
    whole = times.user + times.nice + times.system + times.idle + times.iowait + times.irq + times.softirq + times.steal
    return whole - times.idle - times.iowait, whole
