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
    Summary = Callable[[NDArray[np.float64]], np.float64]

SEGMENTS: Final = 4


class Blocks(msgspec.Struct, kw_only=True):
    """The value of both sides in each block of one process, all in one unit.

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


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """How the blocks are laid out.

    Attributes:
        count: blocks that compare.
        noise_count: blocks that show the noise.
        rounds: how many times a block goes A B B A.
        seed: of the order of the two kinds.
    """

    count: int
    noise_count: int
    rounds: int = 1
    seed: int = 0


def interleave(first: Segment, second: Segment, shape: Shape, summary: Summary) -> Blocks:
    """Return the blocks of both kinds, made in an order drawn by the seed.

    Args:
        first: does A for one segment and returns its samples.
        second: does B.
        shape: how many of what.
        summary: makes one value of all samples that a block has of one side.
    """
    order = [False] * shape.count + [True] * shape.noise_count
    random.Random(shape.seed).shuffle(order)  # noqa: S311 - spreads blocks, guards nothing
    blocks = Blocks()
    for is_noise in order:
        outside, inside = _block(first, first if is_noise else second, shape.rounds)
        (blocks.outer if is_noise else blocks.first).append(float(summary(outside)))
        (blocks.inner if is_noise else blocks.second).append(float(summary(inside)))
    return blocks


def _block(outside: Segment, inside: Segment, rounds: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    outer, inner = [], []
    for _ in range(rounds):
        outer.append(outside())
        inner.append(inside())
        inner.append(inside())
        outer.append(outside())
    return np.concatenate(outer), np.concatenate(inner)
