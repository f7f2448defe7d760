"""What the benchmark tells a workload process that it changes into a comparison, and what that leaves behind."""

from __future__ import annotations

from pathlib import Path

import msgspec

from .blocks import Blocks


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Benchmark → workload process.

    Attributes:
        comparison: `loop` or `observer`.
        result: the file that the outcome is written to.
        seconds: how long all blocks together are to take.
        fewest: blocks that compare, whatever they take.
        noise_ratio: blocks that show the noise, for each block that compares.
        rounds: how many times a block goes A B B A.
        segment_seconds: how long a segment is to take at least.
        model: the file that both sides run.
        library: the compiled C loop (`loop` only).
    """

    comparison: str
    model: str
    result: str
    seconds: float
    fewest: int
    noise_ratio: float
    rounds: int
    segment_seconds: float
    seed: int
    library: str = ""

    @property
    def errors(self) -> Path:
        """Where the processes' stderr goes; the runtimes talk a lot when all is well."""
        return Path(self.result).with_suffix(".stderr")

    def last_words(self) -> str:
        """Return the last line of that."""
        lines = self.errors.read_text(encoding="utf-8", errors="replace").split("\n") if self.errors.exists() else []
        return next((line for line in reversed(lines) if line.strip()), "it said nothing")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Workload process → benchmark: the blocks in nanoseconds, and how many inferences a segment had."""

    blocks: Blocks
    segment_inferences: int
