"""One measured figure with its uncertainty, the noise it stands in, and the budget it is held against."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from .blocks import Blocks

    Groups = Sequence[NDArray[np.float64]]

_RESAMPLES: Final = 10_000
_CHUNK: Final = 500
_DIGITS: Final = 6


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """A median over blocks, and the 95 % interval of it that resampling the blocks gives."""

    median: float
    interval_95: tuple[float, float]
    blocks: int


class Figure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is printed of one figure.

    Attributes:
        what: the figure in words.
        unit: of `median`, `interval_95`, `upper_bound`, `budget` and `a_a`.
        median: over blocks.
        interval_95: its bootstrap interval.
        upper_bound: the interval's upper end; this is held against the budget.
        blocks: how many.
        a_a: A measured against itself in the same run and in the same way.
        budget: the most it may be.
        met: whether it is.
        details: levels and counts behind it.
    """

    what: str
    unit: str
    median: float
    interval_95: tuple[float, float]
    upper_bound: float
    blocks: int
    a_a: Spread | None
    budget: float
    met: bool
    details: dict[str, object] = {}


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a figure beforehand."""

    what: str
    unit: str
    budget: float
    seed: int


def of_ratio(frame: Frame, processes: Sequence[Blocks], details: dict[str, object]) -> Figure:
    """Return A over B, block by block."""
    compared = [np.divide(blocks.first, blocks.second) for blocks in processes]
    noise = [np.divide(blocks.outer, blocks.inner) for blocks in processes]
    return _figure(frame, compared, noise, details)


def of_difference(frame: Frame, processes: Sequence[Blocks], details: dict[str, object]) -> Figure:
    """Return A less B, block by block, in the blocks' unit."""
    compared = [np.subtract(blocks.first, blocks.second) for blocks in processes]
    noise = [np.subtract(blocks.outer, blocks.inner) for blocks in processes]
    return _figure(frame, compared, noise, details)


def of_values(frame: Frame, values: Sequence[float], details: dict[str, object]) -> Figure:
    """Return a level that has nothing to be compared with; its noise is what neighbours in time differ by."""
    array = np.asarray(values, dtype=np.float64)
    return _figure(frame, [array], [array[1::2] - array[: len(array) - 1 : 2]], details)


def spread(groups: Groups, seed: int) -> Spread | None:
    """Return the median and its bootstrap interval, or None of nothing.

    Args:
        groups: the blocks' values, by the process that they come from. Blocks of one process have its luck in common (where its
            memory came to lie), so processes are drawn first, and then blocks of those.
        seed: of the resampling.
    """
    kept = [group for group in groups if len(group)]
    if not kept:
        return None
    values = np.concatenate(kept)
    lengths = np.array([len(group) for group in kept])
    firsts = np.cumsum(lengths) - lengths
    each = -(-len(values) // len(kept))
    generator = np.random.default_rng(seed)
    medians = []
    for _ in range(_RESAMPLES // _CHUNK):
        process = generator.integers(0, len(kept), (_CHUNK, len(kept), 1))
        block = (generator.random((_CHUNK, len(kept), each)) * lengths[process]).astype(np.int64)
        medians.append(np.median(values[firsts[process] + block], axis=(1, 2)))
    low, high = np.percentile(np.concatenate(medians), (2.5, 97.5))
    return Spread(median=tidy(np.median(values)), interval_95=(tidy(low), tidy(high)), blocks=len(values))


def tidy(value: float | np.floating) -> float:
    """Return a value with as many digits as are worth reading."""
    return float(f"{float(value):.{_DIGITS}g}")


def _figure(frame: Frame, values: Groups, noise: Groups, details: dict[str, object]) -> Figure:
    seen = spread(values, frame.seed)
    if seen is None:
        raise RuntimeError(f"{frame.what}: nothing was measured")
    return Figure(
        what=frame.what,
        unit=frame.unit,
        median=seen.median,
        interval_95=seen.interval_95,
        upper_bound=seen.interval_95[1],
        blocks=seen.blocks,
        a_a=spread(noise, frame.seed),
        budget=frame.budget,
        met=seen.interval_95[1] <= frame.budget,
        details=details,
    )
