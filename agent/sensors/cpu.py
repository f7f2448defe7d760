"""How busy each core is, from the kernel's own accounting (`/proc/stat`, read by psutil).

Idle is `idle` plus `iowait`: proc_stat(5). The list holds only the cores that are on; which those are says
`sys/devices/system/cpu/online`. The figures are this machine's, whatever `sensors.root` says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil

from agent.core import processors
from agent.core.metric import Fold, Metric
from agent.core.record import Reading, Reads
from agent.core.sensor import SensorConfig, Surroundings

if TYPE_CHECKING:
    from psutil._ntuples import scputimes

    from agent.core.tree import Tree

METRICS = (Metric(name="load_ratio", fold=Fold.GAUGE, describes="Share of time that a core, or all of them, was not idle."),)


class Config(SensorConfig, frozen=True, kw_only=True):
    """Load of each core and of all together."""


def find(config: SensorConfig, surroundings: Surroundings) -> CpuLoad:  # noqa: ARG001 - same for every sensor
    """Return the machine's cores."""
    return CpuLoad(surroundings.machine)


class CpuLoad:
    """Load since the reading before."""

    def __init__(self, machine: Tree) -> None:
        """Take the tree that says which cores are on."""
        self._machine = machine
        self._before: dict[int, tuple[float, float]] = {}

    def read(self) -> Reads:
        """Return the load of each core that was on now and at the reading before, and of all those together as `total`.

        The first reading has nothing to compare with and returns nothing.
        """
        times = psutil.cpu_times(percpu=True)
        cores = processors.online(self._machine) or frozenset(range(len(times)))
        if len(cores) != len(times):
            return Reads()  # one was switched between the two looks
        now = {core: _busy_and_all(spent) for core, spent in zip(sorted(cores), times, strict=True)}
        before, self._before = self._before, now
        # The kernel can count back a little (iowait): proc_stat(5).
        spent = {
            core: (max(busy - before[core][0], 0.0), max(whole - before[core][1], 0.0))
            for core, (busy, whole) in now.items()
            if core in before
        }
        loads = {f"core{core}": pair for core, pair in spent.items()}
        loads["total"] = (sum(busy for busy, _ in spent.values()), sum(whole for _, whole in spent.values()))
        ratios = {name: min(busy / whole, 1.0) for name, (busy, whole) in loads.items() if whole > 0}
        return Reads(readings=tuple(Reading(metric="load_ratio", name=name, value=ratio) for name, ratio in ratios.items()))


def _busy_and_all(times: scputimes) -> tuple[float, float]:
    # guest time is part of user time already: proc_stat(5).
    whole = times.user + times.nice + times.system + times.idle + times.iowait + times.irq + times.softirq + times.steal
    return whole - times.idle - times.iowait, whole
