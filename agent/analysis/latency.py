"""What a window says about durations: exact percentiles and the histogram that is merged later."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

import numpy as np

from agent.core.histogram import nearest_rank
from agent.core.message import Latency, Rolling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    _Piece = tuple[NDArray[np.int64], NDArray[np.int64]]

SECONDS_PER_NANOSECOND: Final = 1e-9
# A p99 of fewer than 100 values is their maximum under another name.
P99_FROM: Final = 100
P999_FROM: Final = 1000
MOST_ROLLING: Final = 1_000_000


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
    """Exact percentiles over the last stretch of time, at most the last 1,000,000 values: pieces as they came, and a sort.

    Memory is what the stretch really holds, 16 bytes a value.
    """

    def __init__(self, span_seconds: float) -> None:
        """Take the length of the stretch."""
        self._span_nanoseconds = round(span_seconds / SECONDS_PER_NANOSECOND)
        self._pieces: deque[_Piece] = deque()
        self._count = 0

    def add(self, ends: NDArray[np.int64], nanoseconds: NDArray[np.int64]) -> None:
        """Add values with the moments at which they ended, which must not go back."""
        if len(ends):
            # Copied: a slice would keep all of the array that it was cut from.
            self._pieces.append((ends[-MOST_ROLLING:].copy(), nanoseconds[-MOST_ROLLING:].copy()))
            self._count += len(self._pieces[-1][0])
        while self._count > MOST_ROLLING:
            self._forget(self._count - MOST_ROLLING)

    def at(self, now_nanoseconds: int) -> Rolling | None:
        """Return the percentiles of what ended within the stretch before `now`, or None where nothing did."""
        moment = now_nanoseconds - self._span_nanoseconds
        while self._pieces and self._pieces[0][0][0] <= moment:
            self._forget(int(np.searchsorted(self._pieces[0][0], moment, side="right")))
        if not self._pieces:
            return None
        ordered = np.concatenate([values for _, values in self._pieces])
        ordered.sort()
        reach = min(now_nanoseconds - int(self._pieces[0][0][0]), self._span_nanoseconds)
        return Rolling(
            span_seconds=round(reach * SECONDS_PER_NANOSECOND, 3),
            count=self._count,
            p50=_at(ordered, 500),
            p90=_at(ordered, 900),
            p95=_at(ordered, 950),
            p99=_at(ordered, 990) if self._count >= P99_FROM else None,
            p999=_at(ordered, 999) if self._count >= P999_FROM else None,
            max=_seconds(ordered[-1]),
        )

    def _forget(self, most: int) -> None:
        """Drop up to so many of the oldest values, of the oldest piece only."""
        ends, values = self._pieces.popleft()
        gone = min(most, len(ends))
        if gone < len(ends):
            self._pieces.appendleft((ends[gone:].copy(), values[gone:].copy()))
        self._count -= gone


def _at(ordered: NDArray[np.int64], thousandths: int) -> float:
    return _seconds(ordered[nearest_rank(len(ordered), thousandths) - 1])


def _seconds(nanoseconds: np.int64) -> float:
    # Nanoseconds have nine decimals; the rest would be the float's noise on the wire.
    return round(int(nanoseconds) * SECONDS_PER_NANOSECOND, 9)
