"""What a window says about durations: exact percentiles and the histogram that is merged later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from agent.core.histogram import nearest_rank
from agent.core.message import Latency, Rolling

if TYPE_CHECKING:
    from numpy.typing import NDArray

SECONDS_PER_NANOSECOND: Final = 1e-9
# A p99 of fewer than 100 values is their maximum under another name.
P99_FROM: Final = 100
P999_FROM: Final = 1000
MOST_ROLLING: Final = 1_000_000
_FIRST_CAPACITY: Final = 4096


def summarise(nanoseconds: NDArray[np.int64]) -> Latency | None:
    """Return exact nearest-rank percentiles in seconds, or None of nothing."""
    if not len(nanoseconds):
        return None
    ordered = np.sort(nanoseconds)
    return Latency(
        min=_seconds(ordered[0]),
        mean=round(float(ordered.mean()) * SECONDS_PER_NANOSECOND, 12),
        std=round(float(ordered.std()) * SECONDS_PER_NANOSECOND, 12),
        p50=_at(ordered, 500),
        p90=_at(ordered, 900),
        p95=_at(ordered, 950),
        p99=_at(ordered, 990) if len(ordered) >= P99_FROM else None,
        p999=_at(ordered, 999) if len(ordered) >= P999_FROM else None,
        max=_seconds(ordered[-1]),
    )


class RollingPercentiles:
    """Exact percentiles over the last stretch of time, at most the last 1,000,000 values: a ring and a sort.

    Memory grows with what the stretch really holds, 16 bytes a value.
    """

    def __init__(self, span_seconds: float) -> None:
        """Take the length of the stretch."""
        self._span_nanoseconds = round(span_seconds / SECONDS_PER_NANOSECOND)
        self._ends: NDArray[np.int64] = np.empty(_FIRST_CAPACITY, dtype=np.int64)
        self._values: NDArray[np.int64] = np.empty(_FIRST_CAPACITY, dtype=np.int64)
        self._first = 0
        self._stop = 0

    def add(self, ends: NDArray[np.int64], nanoseconds: NDArray[np.int64]) -> None:
        """Add values with the moments at which they ended, which must not go back."""
        ends, nanoseconds = ends[-MOST_ROLLING:], nanoseconds[-MOST_ROLLING:]
        if self._stop + len(ends) > len(self._ends):
            self._make_room(len(ends))
        self._ends[self._stop : self._stop + len(ends)] = ends
        self._values[self._stop : self._stop + len(ends)] = nanoseconds
        self._stop += len(ends)
        self._first = max(self._first, self._stop - MOST_ROLLING)

    def at(self, now_nanoseconds: int) -> Rolling | None:
        """Return the percentiles of what ended within the stretch before `now`, or None where nothing did."""
        self._forget_before(now_nanoseconds - self._span_nanoseconds)
        held = self._stop - self._first
        if not held:
            return None
        ordered = np.sort(self._values[self._first : self._stop])
        reach = min(now_nanoseconds - int(self._ends[self._first]), self._span_nanoseconds)
        return Rolling(
            span_seconds=round(reach * SECONDS_PER_NANOSECOND, 3),
            count=held,
            p50=_at(ordered, 500),
            p90=_at(ordered, 900),
            p95=_at(ordered, 950),
            p99=_at(ordered, 990) if held >= P99_FROM else None,
            p999=_at(ordered, 999) if held >= P999_FROM else None,
            max=_seconds(ordered[-1]),
        )

    def _forget_before(self, moment: int) -> None:
        ends = self._ends[self._first : self._stop]
        self._first += int(np.searchsorted(ends, moment, side="right"))

    def _make_room(self, more: int) -> None:
        """Move what is held to the front, into larger arrays where it would not leave half of them free."""
        held = self._stop - self._first
        kept = slice(self._first, self._stop)
        capacity = len(self._ends)
        while capacity < 2 * (held + more):
            capacity *= 2
        for name in ("_ends", "_values"):
            larger = np.empty(capacity, dtype=np.int64)
            larger[:held] = getattr(self, name)[kept]
            setattr(self, name, larger)
        self._first, self._stop = 0, held


def _at(ordered: NDArray[np.int64], thousandths: int) -> float:
    return _seconds(ordered[nearest_rank(len(ordered), thousandths) - 1])


def _seconds(nanoseconds: np.int64) -> float:
    # Nanoseconds have nine decimals; the rest would be the float's noise on the wire.
    return round(int(nanoseconds) * SECONDS_PER_NANOSECOND, 9)
