"""Which core runs what: one is kept for the monitor, the others are shared out among the workloads, each pinned to its own.

A runtime whose threads fill all cores collapses as soon as anything else runs: its workers spin for the one that was taken off
its core.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.core.choice import Threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The cores that a workload may use, and how many threads it runs on them."""

    cores: tuple[int, ...]
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CorePlan:
    """Who runs where.

    Attributes:
        monitor: cores of the monitor.
        workloads: by name.
        shared: the monitor has no core of its own and takes its time from a workload.
    """

    monitor: tuple[int, ...]
    workloads: Mapping[str, Share]
    shared: bool


def plan(allowed: Sequence[int], capacities: Mapping[int, int], wanted: Mapping[str, Threads]) -> CorePlan:
    """Share cores out.

    Args:
        allowed: cores that this process may use now.
        capacities: relative speed of cores, where the kernel tells (big and little ones).
        wanted: threads asked for, by workload.

    The monitor gets the slowest core. Workloads with a number get that many cores, those on `auto` what is left in equal parts;
    where there are fewer cores than workloads, several share one.
    """
    # Fast ones first; of equal ones the highest number, since interrupts are mostly served by the lowest.
    ranked = sorted(allowed, key=lambda core: (-capacities.get(core, 0), -core))
    if len(ranked) == 1 or not wanted:
        shares = {name: Share(cores=tuple(ranked), threads=threads.value or 1) for name, threads in wanted.items()}
        return CorePlan(monitor=tuple(sorted(ranked)), workloads=shares, shared=bool(wanted))
    monitor, pool = ranked[-1], ranked[:-1]
    free = list(pool)
    given: dict[str, Share] = {}
    for name, threads in wanted.items():
        if threads.value is None:
            continue
        if threads.value > len(pool):
            given[name] = Share(cores=tuple(sorted(ranked)), threads=threads.value)
            free.clear()
            continue
        # Where too few are free, the rest is shared with those who came before.
        cores = [*free, *(core for core in pool if core not in free)][: threads.value]
        free = [core for core in free if core not in cores]
        given[name] = Share(cores=tuple(sorted(cores)), threads=threads.value)
    automatic = [name for name, threads in wanted.items() if threads.value is None]
    for index, name in enumerate(automatic):
        mine = free[index :: len(automatic)] or [(free or pool)[index % len(free or pool)]]
        given[name] = Share(cores=tuple(sorted(mine)), threads=len(mine))
    shared = any(monitor in share.cores for share in given.values())
    return CorePlan(monitor=(monitor,), workloads={name: given[name] for name in wanted}, shared=shared)
