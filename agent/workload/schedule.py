"""An absolute schedule: the k-th start is due at begin + k periods, whatever the ones before it took.

A start that is late is recorded as late and never moved, so that a slow inference shows in the response time of those that had
to wait behind it (no coordinated omission).
"""

from __future__ import annotations

import ctypes
import time
from typing import Final

_CLOCK_MONOTONIC: Final = 1
_TIMER_ABSTIME: Final = 1
_PR_SET_TIMERSLACK: Final = 29
_EINTR: Final = 4
_NANOSECONDS: Final = 1_000_000_000


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class Schedule:
    """Sleeps until each start is due, with clock_nanosleep(2) on absolute time and without spinning."""

    def __init__(self, period_seconds: float) -> None:
        """Take the time between two starts. The schedule begins with `restart`."""
        self._period_seconds = period_seconds
        self._library = ctypes.CDLL(None, use_errno=True)
        self._begin = 0
        self._index = 0
        # By default the kernel may wake a sleeper 50 us late to save wake-ups: prctl(2), PR_SET_TIMERSLACK.
        self._library.prctl(_PR_SET_TIMERSLACK, ctypes.c_ulong(1), 0, 0, 0)

    def restart(self, at_nanoseconds: int) -> None:
        """Let the first start be due at a moment of CLOCK_MONOTONIC."""
        self._begin = at_nanoseconds
        self._index = 0

    def next(self) -> int:
        """Sleep until the next start is due and return when it was due. One that is overdue returns at once."""
        # From the index, not by adding up: a period that is no whole number of nanoseconds must not drift.
        due = self._begin + round(self._index * self._period_seconds * _NANOSECONDS)
        self._index += 1
        if time.monotonic_ns() < due:
            moment = _Timespec(due // _NANOSECONDS, due % _NANOSECONDS)
            while self._library.clock_nanosleep(_CLOCK_MONOTONIC, _TIMER_ABSTIME, ctypes.byref(moment), None) == _EINTR:
                pass
        return due
