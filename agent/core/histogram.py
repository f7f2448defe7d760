"""The exponential histogram that is stored, sent and merged: OpenTelemetry's indexing.

At scale s the base is b = 2^(2^-s), and bucket i covers (b^i, b^(i+1)]. Two histograms merge by adding counts, after the finer
one is brought to the coarser one's scale; the error of a percentile is that of a bucket's geometric middle, at most 1.083 % at
scale 5, and does not grow by merging. Source: OpenTelemetry metrics data model, "ExponentialHistogram".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

SCALE: Final = 5
MOST_BUCKETS: Final = 1024

_bounds: Final = {scale: np.exp2(np.arange(1 << scale) / (1 << scale)) for scale in range(SCALE + 1)}


class Histogram(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Counts of durations by size.

    Attributes:
        scale: the resolution; b = 2^(2^-scale).
        zero: how many were exactly 0.
        offset: index of the first bucket in `counts`.
        counts: a count per bucket without holes; at most 1,024, values beyond them counted in the end buckets.
        sum_seconds: sum of all values.
    """

    scale: int
    zero: int
    offset: int
    counts: tuple[int, ...]
    sum_seconds: float

    @property
    def count(self) -> int:
        """How many values were counted."""
        return self.zero + sum(self.counts)

    @classmethod
    def of(cls, seconds: NDArray[np.float64], scale: int = SCALE) -> Histogram:
        """Count values in seconds, which must be finite and not negative."""
        positive = seconds[seconds > 0]
        zero = len(seconds) - len(positive)
        total = float(seconds.sum())
        if not len(positive):
            return cls(scale=scale, zero=zero, offset=0, counts=(), sum_seconds=total)
        indexes = bucket_of(positive, scale)
        # The large end is kept exact: the percentiles people ask for are there.
        low = max(int(indexes.min()), int(indexes.max()) - MOST_BUCKETS + 1)
        counts = np.bincount(np.maximum(indexes, low) - low)
        return cls(scale=scale, zero=zero, offset=low, counts=tuple(counts.tolist()), sum_seconds=total)

    @classmethod
    def merge(cls, parts: Iterable[Histogram]) -> Histogram:
        """Add histograms up. Of different scales, the lowest wins. No parts give an empty histogram."""
        listed = tuple(parts)
        scale = min((part.scale for part in listed), default=SCALE)
        zero = sum(part.zero for part in listed)
        total = math.fsum(part.sum_seconds for part in listed)
        filled = [part.at_scale(scale) for part in listed if part.counts]
        if not filled:
            return cls(scale=scale, zero=zero, offset=0, counts=(), sum_seconds=total)
        high = max(part.offset + len(part.counts) for part in filled)
        low = max(min(part.offset for part in filled), high - MOST_BUCKETS)
        counts = np.zeros(high - low, dtype=np.int64)
        for part in filled:
            np.add.at(counts, np.maximum(np.arange(part.offset, part.offset + len(part.counts)) - low, 0), part.counts)
        return cls(scale=scale, zero=zero, offset=low, counts=tuple(counts.tolist()), sum_seconds=total)

    def at_scale(self, scale: int) -> Histogram:
        """Return the same counts in buckets of a lower scale. Each step down joins buckets 2i and 2i + 1."""
        if scale > self.scale:
            raise ValueError(f"a histogram of scale {self.scale} cannot be refined to {scale}")
        if scale == self.scale or not self.counts:
            return msgspec.structs.replace(self, scale=scale)
        indexes = np.arange(self.offset, self.offset + len(self.counts)) >> (self.scale - scale)
        counts = np.bincount(indexes - indexes[0], weights=self.counts).astype(np.int64)
        return msgspec.structs.replace(self, scale=scale, offset=int(indexes[0]), counts=tuple(counts.tolist()))

    def quantile(self, thousandths: int) -> float:
        """Return the nearest-rank quantile in seconds; 999 asks for p99.9. A bucket stands for its geometric middle.

        Raises:
            ValueError: the histogram is empty.
        """
        rank = nearest_rank(self.count, thousandths)
        if rank <= self.zero:
            return 0.0
        position = int(np.searchsorted(np.cumsum(self.counts), rank - self.zero))
        return float(2.0 ** ((self.offset + position + 0.5) / (1 << self.scale)))


def bucket_of(seconds: NDArray[np.float64], scale: int) -> NDArray[np.int64]:
    """Return the bucket index of each positive value.

    The one place where values become indexes. The exponent is taken out exactly and the rest compared with the bucket edges;
    a logarithm would put about one exact edge in twenty a bucket too high.
    """
    mantissa, exponent = np.frexp(seconds)
    within = np.searchsorted(_bounds[scale], mantissa * 2.0, side="left")
    indexes: NDArray[np.int64] = (exponent.astype(np.int64) - 1) * (1 << scale) + within - 1
    return indexes


def nearest_rank(count: int, thousandths: int) -> int:
    """Return the rank, from 1, of a quantile among `count` values. In integers: 0.07 x 100 is more than 7 in floats.

    Raises:
        ValueError: there is no value.
    """
    if count < 1:
        raise ValueError("no values, no quantile")
    return max(-(-count * thousandths // 1000), 1)
