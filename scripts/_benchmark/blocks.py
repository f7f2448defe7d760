"""Two ways of doing the same, taken in turns so that a machine that changes its speed changes both.

A block is four segments in the order A B B A; among them stand blocks A A A A, whose outer and inner segments do the same thing.
What those show is noise.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Segment = Callable[[], NDArray[np.float64]]

SEGMENTS: Final = 4


class Blocks(msgspec.Struct, kw_only=True):
    """The median of both sides in each block of one process, all in one unit.

    Attributes:
        first: A in each block A B B A.
        second: B in it.
        outer: the outer A of each block A A A A.
        inner: the inner A of it.
    """

    first: list[float] = []
    second: list[float] = []
    outer: list[float] = []
    inner: list[float] = []


def interleave(first: Segment, second: Segment, count: int, noise_count: int, seed: int) -> Blocks:
    """Return `count` blocks A B B A and `noise_count` blocks A A A A, in an order drawn by the seed.

    Args:
        first: does A for one segment and returns its samples.
        second: does B.
        count: of blocks that compare.
        noise_count: of blocks that show the noise.
        seed: of the order.
    """
    order = [False] * count + [True] * noise_count
    random.Random(seed).shuffle(order)  # noqa: S311 - spreads blocks, guards nothing
    blocks = Blocks()
    for is_noise in order:
        outside, inside = _block(first, first if is_noise else second)
        (blocks.outer if is_noise else blocks.first).append(outside)
        (blocks.inner if is_noise else blocks.second).append(inside)
    return blocks


def _block(outside: Segment, inside: Segment) -> tuple[float, float]:
    begin = outside()
    middle = np.concatenate((inside(), inside()))
    return float(np.median(np.concatenate((begin, outside())))), float(np.median(middle))
