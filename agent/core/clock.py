"""The two clocks: monotonic for every duration and join, wall time as a label."""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from agent.core.tree import Tree

NANOSECONDS: Final = 1_000_000_000
# timex.status, linux/timex.h: the kernel's clock is not disciplined by anything.
_STA_UNSYNC: Final = 0x0040


class Clock(Protocol):
    """Time as emberd needs it."""

    def monotonic_nanoseconds(self) -> int:
        """Return CLOCK_MONOTONIC, the same for all processes of a boot."""
        ...

    def wall_seconds(self) -> float:
        """Return seconds since 1970 as the machine believes them."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic_nanoseconds(self) -> int:
        """Return CLOCK_MONOTONIC in nanoseconds."""
        return time.monotonic_ns()

    def wall_seconds(self) -> float:
        """Return CLOCK_REALTIME in seconds."""
        return time.time()


class _Timex(ctypes.Structure):
    """`struct timex`, adjtimex(2), as far as `status`; the rest is room for what the kernel writes."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def kernel_is_synced() -> bool:
    """Return whether something disciplines the kernel's clock (adjtimex(2), STA_UNSYNC clear)."""
    timex = _Timex()
    if ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(timex)) < 0:
        return False
    return not timex.status & _STA_UNSYNC


def is_synced(tree: Tree) -> bool:
    """Return whether the wall clock has been set from outside during this boot.

    systemd-timesyncd leaves a file when it got its first reply; chrony and ntpd leave none, and then the kernel is asked. A tree
    that is not the machine's own answers by its file alone.
    """
    if tree.path("run/systemd/timesync/synchronized").exists():
        return True
    return str(tree.root) == "/" and kernel_is_synced()
