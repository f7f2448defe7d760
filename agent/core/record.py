"""Records that cross from one part of emberd to the next, all frozen.

`Reading` → `Sample` come from sensors, `Inferences` from a workload's ring. What leaves the device is in `message`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One value that was really read. What could not be read has no `Reading`.

    `metric` is the name of a `Metric` and carries the unit; `name` tells the zone, rail, core or process apart. `instance` tells
    two lives of one name apart (a restarted process): counters of different instances are not compared. `covers_seconds` is how
    long before the sample's moment the value is the mean of; None where it is a point in time or nothing is known.
    """

    metric: str
    name: str
    value: float
    instance: int = 0
    covers_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """A word that was read, such as the CPU governor."""

    metric: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flags:
    """Bits that were read together, such as a firmware's throttle word. What each bit means is the metric's to say."""

    metric: str
    bits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One part of a source that was there and could not be read this time."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """What a source saw in one reading: values, words, and the parts that failed."""

    readings: tuple[Reading, ...] = ()
    labels: tuple[Label, ...] = ()
    flags: tuple[Flags, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One reading of one source, with what the reading itself cost and how late it was.

    Attributes:
        sensor: the source's name, which is its file's name.
        part: its rail, where there may be several of its kind.
        at_seconds: CLOCK_MONOTONIC when the reading ended.
        reads: what was read.
        late_seconds: how long after its deadline the reading began.
        missed: deadlines that passed unused before this one.
        read_seconds: wall time of the reading.
        cpu_seconds: CPU time of the reading.
    """

    sensor: str
    at_seconds: float
    reads: Reads
    part: str = ""
    late_seconds: float = 0.0
    missed: int = 0
    read_seconds: float = 0.0
    cpu_seconds: float = 0.0


def _nothing() -> NDArray[np.int64]:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inferences:
    """A run of inferences in the order they were made; every array has the same length.

    Attributes:
        start_nanoseconds: CLOCK_MONOTONIC when the runtime was called.
        invoke_nanoseconds: how long the call took.
        late_nanoseconds: from the scheduled to the real start (paced work only, else 0).
        input_nanoseconds: time spent handing the inputs over.
        output_nanoseconds: time spent taking the outputs.
        flags: bits of `agent.core.ring.Flag`.
        lost: records that the writer overwrote before they were read.
    """

    start_nanoseconds: NDArray[np.int64] = field(default_factory=_nothing)
    invoke_nanoseconds: NDArray[np.int64] = field(default_factory=_nothing)
    late_nanoseconds: NDArray[np.int64] = field(default_factory=_nothing)
    input_nanoseconds: NDArray[np.int64] = field(default_factory=_nothing)
    output_nanoseconds: NDArray[np.int64] = field(default_factory=_nothing)
    flags: NDArray[np.int64] = field(default_factory=_nothing)
    lost: int = 0

    def __len__(self) -> int:
        """Return the number of inferences."""
        return len(self.start_nanoseconds)

    @property
    def end_nanoseconds(self) -> NDArray[np.int64]:
        """CLOCK_MONOTONIC when the outputs had been taken."""
        return self.start_nanoseconds + self.invoke_nanoseconds + self.output_nanoseconds

    @property
    def response_nanoseconds(self) -> NDArray[np.int64]:
        """From the scheduled start to the outputs taken."""
        return self.late_nanoseconds + self.input_nanoseconds + self.invoke_nanoseconds + self.output_nanoseconds

    def cut(self, start: int, stop: int) -> Inferences:
        """Return the inferences from position `start` up to, not including, `stop`. Losses stay with the part that begins at 0."""
        return Inferences(
            start_nanoseconds=self.start_nanoseconds[start:stop],
            invoke_nanoseconds=self.invoke_nanoseconds[start:stop],
            late_nanoseconds=self.late_nanoseconds[start:stop],
            input_nanoseconds=self.input_nanoseconds[start:stop],
            output_nanoseconds=self.output_nanoseconds[start:stop],
            flags=self.flags[start:stop],
            lost=self.lost if start == 0 else 0,
        )
