"""Which processor cores there are and which are switched on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.core.tree import Tree

_FOLDER: Final = "sys/devices/system/cpu"


def online(machine: Tree) -> frozenset[int] | None:
    """Return the cores that are switched on, or None where the kernel does not tell.

    A Jetson switches some off by power mode. Source: Documentation/admin-guide/cputopology.rst.
    """
    text = machine.text_or_none(f"{_FOLDER}/online")
    if not text:
        return None
    found: set[int] = set()
    try:
        for part in text.split(","):
            first, _, last = part.partition("-")
            found.update(range(int(first), int(last or first) + 1))
    except ValueError:
        return None
    return frozenset(found)


def capacities(machine: Tree, cores: Sequence[int]) -> dict[int, int]:
    """Return each core's relative speed (`cpu_capacity`, 1024 for the fastest) where the kernel tells it."""
    found = {}
    for core in cores:
        try:
            found[core] = machine.integer(f"{_FOLDER}/cpu{core}/cpu_capacity")
        except (Absent, SensorFault):
            continue
    return found
