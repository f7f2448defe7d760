"""One workload's share of a window: inferences are added, a window's figures come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from agent.analysis.latency import SECONDS_PER_NANOSECOND, RollingPercentiles, summarise
from agent.core.histogram import Histogram
from agent.core.record import Inferences
from agent.core.ring import Flag

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from agent.core.message import Latency, Rolling


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkFigures:
    """What a window says about one workload's inferences; see `message.WorkloadWindow` for the meanings."""

    inferences: int
    errors: int
    lost_records: int
    wrong_outputs: int
    deadline_misses: int | None
    throughput_hertz: float
    latency_seconds: Latency | None = None
    rolling_seconds: Rolling | None = None
    histogram: Histogram | None = None
    response_seconds: Latency | None = None
    response_histogram: Histogram | None = None
    start_late_seconds: Latency | None = None
    input_seconds: float | None = None
    output_seconds: float | None = None


@dataclass(slots=True)
class Work:
    """Collects a workload's inferences; those that end after a window's end wait for the next one."""

    rolling_seconds: float
    deadline_seconds: float | None = None
    _waiting: list[Inferences] = field(default_factory=list)
    _rolling: RollingPercentiles = field(init=False)

    def __post_init__(self) -> None:
        """Begin with an empty stretch."""
        self._rolling = RollingPercentiles(self.rolling_seconds)

    def add(self, inferences: Inferences) -> None:
        """Take inferences in the order in which they were made."""
        if len(inferences) or inferences.lost:
            self._waiting.append(inferences)

    def first_start_nanoseconds(self) -> int | None:
        """Return when the first inference that waits for a window began."""
        return next((int(part.start_nanoseconds[0]) for part in self._waiting if len(part)), None)

    def close(self, end_nanoseconds: int, length_seconds: float) -> WorkFigures:
        """Return the figures of all inferences that ended up to a moment of CLOCK_MONOTONIC, and forget those."""
        ended, lost = self._take_until(end_nanoseconds)
        failed = (ended.flags & Flag.FAILED) != 0
        errors = int(failed.sum())
        good = ~failed
        took = ended.invoke_nanoseconds[good]
        count = len(took)
        self._rolling.add(ended.end_nanoseconds[good], took)
        wrong = int(((ended.flags & Flag.WRONG_OUTPUT) != 0).sum())
        paced = bool((ended.flags & Flag.PACED).any())
        if not count:
            return WorkFigures(
                inferences=0,
                errors=errors,
                lost_records=lost,
                wrong_outputs=wrong,
                deadline_misses=None if self.deadline_seconds is None else 0,
                throughput_hertz=0.0,
            )
        response = ended.response_nanoseconds[good]
        return WorkFigures(
            inferences=count,
            errors=errors,
            lost_records=lost,
            wrong_outputs=wrong,
            deadline_misses=self._misses(response if paced else took),
            throughput_hertz=round(count / length_seconds, 6),
            latency_seconds=summarise(took),
            rolling_seconds=self._rolling.at(end_nanoseconds),
            histogram=histogram(took),
            response_seconds=summarise(response) if paced else None,
            response_histogram=histogram(response) if paced else None,
            start_late_seconds=summarise(ended.late_nanoseconds[good]) if paced else None,
            input_seconds=_mean_seconds(ended.input_nanoseconds[good]),
            output_seconds=_mean_seconds(ended.output_nanoseconds[good]),
        )

    def _misses(self, judged: NDArray[np.int64]) -> int | None:
        if self.deadline_seconds is None:
            return None
        return int((judged > round(self.deadline_seconds / SECONDS_PER_NANOSECOND)).sum())

    def _take_until(self, moment: int) -> tuple[Inferences, int]:
        lost = sum(part.lost for part in self._waiting)
        everything = join(self._waiting)
        # Ends rise, as a workload makes one inference after the other.
        cut = int(np.searchsorted(everything.end_nanoseconds, moment, side="right"))
        rest = everything.cut(cut, len(everything))
        self._waiting = [rest] if len(rest) else []
        return everything.cut(0, cut), lost


def join(parts: list[Inferences]) -> Inferences:
    """Return runs of inferences as one. Losses are not carried over."""
    if not parts:
        return Inferences()
    return Inferences(
        start_nanoseconds=np.concatenate([part.start_nanoseconds for part in parts]),
        invoke_nanoseconds=np.concatenate([part.invoke_nanoseconds for part in parts]),
        late_nanoseconds=np.concatenate([part.late_nanoseconds for part in parts]),
        input_nanoseconds=np.concatenate([part.input_nanoseconds for part in parts]),
        output_nanoseconds=np.concatenate([part.output_nanoseconds for part in parts]),
        flags=np.concatenate([part.flags for part in parts]),
    )


def histogram(nanoseconds: NDArray[np.int64]) -> Histogram:
    """Return the histogram of durations in nanoseconds, in seconds."""
    counted = Histogram.of(nanoseconds.astype(np.float64) * SECONDS_PER_NANOSECOND)
    # The sum is exact in nanoseconds; adding floats up is not.
    return Histogram(
        scale=counted.scale,
        zero=counted.zero,
        offset=counted.offset,
        counts=counted.counts,
        sum_seconds=round(int(nanoseconds.sum()) * SECONDS_PER_NANOSECOND, 9),
    )


def _mean_seconds(nanoseconds: NDArray[np.int64]) -> float:
    return round(float(nanoseconds.mean()) * SECONDS_PER_NANOSECOND, 12)
