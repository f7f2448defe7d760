"""What one record costs the workload."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from . import figure
from .blocks import SEGMENTS
from .recording import Condition, Recorded
from .settings import environment, say

if TYPE_CHECKING:
    from .settings import Settings

BUDGET_NANOSECONDS: Final = 1000.0
BLOCKS: Final = 40
_SEGMENTS: Final = 2 * SEGMENTS * BLOCKS
_WORDS: Final = {
    "back_to_back": "one record right after the other",
    "every_millisecond": "one record per millisecond, asleep in between",
    "after_inference": "one record after each inference, whose data has the caches",
}


def measure(settings: Settings) -> dict[str, object]:
    """Return a figure for each condition."""
    segment_seconds = settings.seconds / (len(_WORDS) * _SEGMENTS * 1.1)
    figures = {}
    for name, words in _WORDS.items():
        say(f"ring: {words}")
        condition = Condition(
            pause=name, blocks=BLOCKS, segment_seconds=segment_seconds, seed=settings.seed, model=str(settings.models[0])
        )
        done = subprocess.run(
            [sys.executable, "-m", "_benchmark.recording", msgspec.json.encode(condition).decode()],
            check=True,
            stdout=subprocess.PIPE,
            env=environment(),
        )
        recorded = msgspec.json.decode(done.stdout, type=Recorded)
        clock = float(np.median(recorded.blocks.second))
        figures[name] = figure.of_difference(
            figure.Frame(what=f"p50 of a record, {words}", unit="nanosecond", budget=BUDGET_NANOSECONDS, seed=settings.seed),
            [recorded.blocks],
            {
                "clock_p50_nanoseconds": figure.tidy(clock),
                "p99_nanoseconds": figure.tidy(recorded.p99_nanoseconds - clock),
                "clock_p99_nanoseconds": figure.tidy(recorded.clock_p99_nanoseconds),
                "records_per_segment": recorded.segment_records,
                "empty_call_p50_nanoseconds": figure.tidy(recorded.empty_call_p50_nanoseconds - clock),
                "read_by_other_process": recorded.read,
                "lost": recorded.lost,
            },
        )
    return {
        "model": settings.models[0].name,
        "how": (
            "blocks A B B A in one process on one core. A: clock, write, clock; B: clock, clock. A block's value is the p50 of "
            "its A less the p50 of its B, so the clock's own cost is out; p99 is of all A, less the clock's p50; empty_call is "
            "what a Python function that does nothing costs in the record's place. The ring is a real memfd ring of 131,072 "
            "slots that was filled once before; a second process on another core reads it every 0.5 s"
        ),
        "figures": figures,
    }
