"""What the figures were measured on, and how quiet it was."""

from __future__ import annotations

import os
import platform
import re
import time
from pathlib import Path
from typing import Final

_LOOK_SECONDS: Final = 1.0
# More than this share of one core used by others is not quiet.
_QUIET_RATIO: Final = 0.1


def describe() -> dict[str, object]:
    """Return the machine in words. Takes a second: it looks how busy the machine is before anything is measured."""
    others = Others()
    time.sleep(_LOOK_SECONDS)
    used = others.cores()
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "allowed_cores": sorted(os.sched_getaffinity(0)),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average_before": load_average(),
        "cores_used_by_others_before": used,
        "otherwise_busy": used > _QUIET_RATIO,
    }


class Others:
    """How many cores others used since this was made. What this process's ended children used is its own."""

    def __init__(self) -> None:
        """Begin to look."""
        self._begin = time.monotonic()
        self._before = _busy_seconds() - _own_seconds()

    def cores(self) -> float:
        """Return the mean until now."""
        used = _busy_seconds() - _own_seconds() - self._before
        return round(max(used, 0.0) / (time.monotonic() - self._begin), 3)


def load_average() -> list[float]:
    """Return the mean number of tasks that ran or wanted to, over 1, 5 and 15 minutes."""
    return [round(value, 2) for value in os.getloadavg()]


def _cpu() -> str:
    """Return the processor's name; boards with a device tree have it there."""
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    if found:
        return found[1].strip()
    tree = Path("/proc/device-tree/model")
    return tree.read_text(encoding="utf-8").strip("\0\n") if tree.is_file() else "unknown"


def _own_seconds() -> float:
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _busy_seconds() -> float:
    """Return the time all cores have worked since boot: proc_stat(5), user to softirq without idle and iowait, and steal."""
    words = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    user, nice, system, _idle, _wait, interrupts, soft, steal = (int(word) for word in words[1:9])
    return (user + nice + system + interrupts + soft + steal) / os.sysconf("SC_CLK_TCK")
