"""The memory that emberd and its workloads may have and do have: their control group, `sys/fs/cgroup`, in bytes.

Source: Documentation/admin-guide/cgroup-v2.rst, cgroups(7). `proc/self/cgroup` names the group (`0::/system.slice/emberd.service`).
Its folder has memory.current, memory.max (`max`: no limit, and no reading), memory.peak (since Linux 5.19), and in memory.events
how often the kernel killed one of its processes for memory. Version 1 of control groups is not read. The firmware of a Raspberry
Pi adds cgroup_disable=memory to the kernel's command line; cgroup_enable=memory after it undoes that, on most kernels.
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
        name="cgroup_memory_bytes",
        fold=Fold.LAST,
        describes="Memory of emberd's control group: `current`, `max` that it may have, `peak` that it had.",
    ),
    Metric(
        name="oom_kills_total",
        fold=Fold.LAST,
        describes="How often a process of emberd's control group was killed because memory ran out.",
    ),
)

_FOLDER: Final = "sys/fs/cgroup"
_GROUP: Final = re.compile(r"^0::(/.*)$", re.MULTILINE)
_VERSION_1: Final = re.compile(r"^\d+:(?:[^:\n]*,)?memory(?:,[^:\n]*)?:", re.MULTILINE)
_KILLS: Final = re.compile(r"^oom_kill (\d{1,20})$", re.MULTILINE)
_UNLIMITED: Final = "max"
_FIGURES: Final = ("current", "max", "peak")


class Config(SensorConfig, frozen=True, kw_only=True):
    """Memory that emberd and its workloads may have and do have."""

    period: Seconds = Seconds(2)


def find(config: SensorConfig, surroundings: Surroundings) -> Group:  # noqa: ARG001 - same for every sensor
    """Return this process's control group; raises `Absent` where its memory is not accounted for."""
    tree = surroundings.machine
    folder = _group(tree)
    if not tree.path(f"{folder}/memory.current").exists():
        controllers = (tree.text_or_none(f"{_FOLDER}/cgroup.controllers") or "").split()
        if "memory" not in controllers:
            raise Absent(
                "the kernel does not account for the memory of control groups",
                mend="add cgroup_enable=memory to the kernel's command line (Raspberry Pi: cmdline.txt)",
            )
        raise Absent("the memory of this control group is not accounted for", mend="run as a service, with MemoryAccounting=yes")
    return Group(tree, folder)


def _group(tree: Tree) -> str:
    lines = tree.text_or_none("proc/self/cgroup") or ""
    if not lines:
        raise Absent("the kernel has no control groups")
    match = _GROUP.search(lines)
    if match is None or _VERSION_1.search(lines):
        raise Absent("memory is accounted for by version 1 of control groups", mend="boot with systemd.unified_cgroup_hierarchy=1")
    # Of a group outside this namespace only the way up is shown.
    if ".." in match[1].split("/"):
        raise Absent("this process's control group is not visible from here")
    return f"{_FOLDER}{match[1].rstrip('/')}"


class Group:
    """One control group."""

    def __init__(self, tree: Tree, folder: str) -> None:
        """Take its folder."""
        self._tree = tree
        self._folder = folder

    def read(self) -> Reads:
        """Return the group's memory; raises `Absent` when the group is gone."""
        readings = []
        faults = []
        for name in _FIGURES:
            try:
                value = self._bytes(f"{self._folder}/memory.{name}")
            except Absent:
                # memory.peak may not be there; without memory.current there is no group any more.
                if name == "current":
                    raise
                continue
            except SensorFault as error:
                faults.append(Fault(name=name, reason=str(error)))
                continue
            if value is not None:
                readings.append(Reading(metric="cgroup_memory_bytes", name=name, value=value))
        try:
            readings.append(Reading(metric="oom_kills_total", name="oom_kill", value=self._kills()))
        except (Absent, SensorFault) as error:
            faults.append(Fault(name="oom_kill", reason=str(error)))
        return Reads(readings=tuple(readings), faults=tuple(faults))

    def _bytes(self, path: str) -> float | None:
        text = self._tree.text(path)
        if text == _UNLIMITED:
            return None
        if not (text.isascii() and text.isdigit() and len(text) <= 20):  # noqa: PLR2004 - digits of a 64-bit number
            raise SensorFault("empty" if not text else "not a number of bytes")
        return float(text)

    def _kills(self) -> float:
        match = _KILLS.search(self._tree.text(f"{self._folder}/memory.events"))
        if match is None:
            raise SensorFault("no `oom_kill` line")
        return float(match[1])
