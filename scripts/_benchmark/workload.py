"""`python -m _benchmark.workload SOCKET RING TASK`: emberd's workload process, with its endless loop cut into segments.

Everything up to the loop is the product's own start-up: affinity, loading, warm-up, ring, garbage collection off. In place of
the loop runs a comparison, which calls the product's loop for a segment at a time and something else in between.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from unittest import mock

import msgspec
import numpy as np

from agent.core.ring import Flag, RingReader
from agent.workload import __main__ as worker
from agent.workload import loop

from .anchor import anchor
from .blocks import SEGMENTS, Shape, interleave
from .task import Outcome, Task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from agent.runtimes.runtime import Session
    from agent.workload.loop import Write
    from agent.workload.reference import Reference
    from agent.workload.schedule import Schedule

# A median of fewer says little.
FEWEST_INFERENCES: Final = 16
# At the beginning of a segment the caches still hold the other side's data.
SETTLE_INFERENCES: Final = 3
# A monitor that was stopped needs a moment to be off its core.
_STOP_SECONDS: Final = 0.002

_product_loop: Final = loop.run


class _SegmentEnd(Exception):  # noqa: N818 - no error, the only way out of an endless loop
    """The loop has made as many records as it was to make."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """How much is done: inferences in a segment, and the blocks."""

    inferences: int
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the product hands to its loop."""

    session: Session
    items: Sequence[tuple[NDArray[Any], ...]]
    reference: Reference
    memory: memoryview
    write: Write

    def infer(self, count: int) -> None:
        """Let the product's loop make `count` records."""
        left = count
        write = self.write

        def counted(start: int, invoke: int, late: int, feed: int, fetch: int, flags: int) -> None:
            nonlocal left
            write(start, invoke, late, feed, fetch, flags)
            left -= 1
            if not left:
                raise _SegmentEnd

        try:
            _product_loop(self.session, self.items, self.reference, self.memory, counted, None)
        except _SegmentEnd:
            return

    def infer_bare(self, count: int) -> None:
        """Infer without looking: set the inputs, invoke, get the outputs, with the interpreter's own methods."""
        interpreter: Any = self.session.invoke.__self__  # type: ignore[attr-defined]
        set_tensor, invoke, get_tensor = interpreter.set_tensor, interpreter.invoke, interpreter.get_tensor
        inputs = [detail["index"] for detail in interpreter.get_input_details()]
        outputs = [detail["index"] for detail in interpreter.get_output_details()]
        for item in itertools.islice(itertools.cycle(self.items), count):
            for index, array in zip(inputs, item, strict=True):
                set_tensor(index, array)
            invoke()
            for index in outputs:
                get_tensor(index)

    def size(self, task: Task) -> _Size:
        """Return how many inferences make a segment, and how many blocks there is time for."""
        begin = time.monotonic()
        self.infer_bare(FEWEST_INFERENCES)
        each_seconds = (time.monotonic() - begin) / FEWEST_INFERENCES
        inferences = max(round(task.segment_seconds / each_seconds), FEWEST_INFERENCES)
        block_seconds = task.rounds * SEGMENTS * (inferences + SETTLE_INFERENCES) * each_seconds
        count = max(round(task.seconds / block_seconds / (1.0 + task.noise_ratio)), task.fewest)
        shape = Shape(count=count, noise_count=round(count * task.noise_ratio), rounds=task.rounds, seed=task.seed)
        return _Size(inferences=inferences, shape=shape)


def against_c(work: Work, task: Task) -> Outcome:
    """Compare the service times that the ring holds with those of the C loop."""
    size = work.size(task)
    count = size.inferences
    reader = RingReader(work.memory)
    time_calls = anchor(Path(task.library), work.session, Path(task.model), work.items)

    def recorded() -> NDArray[np.float64]:
        work.infer(SETTLE_INFERENCES + count)
        records = reader.read()
        if len(records) != SETTLE_INFERENCES + count or records.lost or (records.flags & Flag.FAILED).any():
            raise RuntimeError("the ring does not hold what the loop recorded")
        return records.invoke_nanoseconds[SETTLE_INFERENCES:].astype(np.float64)

    def in_c() -> NDArray[np.float64]:
        return time_calls(SETTLE_INFERENCES + count)[SETTLE_INFERENCES:].astype(np.float64)

    blocks = interleave(recorded, in_c, size.shape, np.median)
    return Outcome(blocks=blocks, segment_inferences=count)


@dataclass(slots=True)
class _Monitor:
    """The monitor: the process that started this one. It is stopped while the bare loop runs, so that only A bears it."""

    process: int = field(default_factory=os.getppid)
    runs: bool = True

    def run(self) -> None:
        if not self.runs:
            os.kill(self.process, signal.SIGCONT)
            self.runs = True

    def stop(self) -> None:
        if self.runs:
            os.kill(self.process, signal.SIGSTOP)
            self.runs = False
            time.sleep(_STOP_SECONDS)


def against_bare(work: Work, task: Task) -> Outcome:
    """Compare the time per inference with everything on with that of a bare loop and no monitor."""
    size = work.size(task)
    count = size.inferences
    monitor = _Monitor()

    def observed() -> NDArray[np.float64]:
        monitor.run()
        begin = time.monotonic_ns()
        work.infer(count)
        return np.array([(time.monotonic_ns() - begin) / count])

    def bare() -> NDArray[np.float64]:
        monitor.stop()
        begin = time.monotonic_ns()
        work.infer_bare(count)
        return np.array([(time.monotonic_ns() - begin) / count])

    try:
        blocks = interleave(observed, bare, size.shape, np.mean)
    finally:
        monitor.run()
    return Outcome(blocks=blocks, segment_inferences=count)


def main(arguments: list[str]) -> int:
    """Be a workload process whose loop is a comparison."""
    task = msgspec.json.decode(arguments[2], type=Task)

    def instead(
        session: Session,
        items: Sequence[tuple[NDArray[Any], ...]],
        reference: Reference,
        memory: memoryview,
        write: Write,
        schedule: Schedule | None,  # noqa: ARG001 - the product's signature; segments are back to back
    ) -> None:
        work = Work(session=session, items=items, reference=reference, memory=memory, write=write)
        outcome = against_c(work, task) if task.comparison == "loop" else against_bare(work, task)
        unfinished = Path(task.result).with_suffix(".unfinished")
        unfinished.write_bytes(msgspec.json.encode(outcome))
        unfinished.rename(task.result)
        if task.comparison == "observer":
            signal.pause()  # A monitor would start another in place of one that ended.

    with mock.patch.object(loop, "run", instead):
        return worker.main(arguments[:2])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
