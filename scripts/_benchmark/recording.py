"""`python -m _benchmark.recording CONDITION`: times the product's `write` on a real ring that another process reads."""

from __future__ import annotations

import contextlib
import gc
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from agent.core import ring
from agent.runtimes import runtime as runtimes
from agent.workload import inputs
from agent.workload.schedule import Schedule

from .blocks import Blocks, Shape, interleave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from agent.workload.loop import Write

FEWEST: Final = 24
_PERIOD_SECONDS: Final = 1e-3
_MOST_PER_SEGMENT: Final = 20_000
_EMPTY_SEGMENTS: Final = 8
# Of the size that real ones have: Python's integers get slower with it.
_INVOKE_NANOSECONDS: Final = 3_712_345
_FEED_NANOSECONDS: Final = 20_321
_FETCH_NANOSECONDS: Final = 10_654


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """What lies between two records: `back_to_back`, `every_millisecond` or `after_inference`."""

    pause: str
    blocks: int
    segment_seconds: float
    seed: int
    model: str


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """The blocks in nanoseconds, the tails over all of them, an empty call in the record's place, and what the reader got."""

    blocks: Blocks
    segment_records: int
    p99_nanoseconds: float
    empty_call_p50_nanoseconds: float
    clock_p99_nanoseconds: float
    read: int
    lost: int


def measure(condition: Condition) -> Recorded:
    """Time records under one condition, on the highest core this process may use."""
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cores[-1:])
    descriptor = ring.create()
    memory = ring.attach(descriptor)
    ring.format_ring(memory, ring.MOST_RECORDS)
    write = ring.writer(memory, ring.MOST_RECORDS)
    for _ in range(ring.MOST_RECORDS):
        # Once round, as the ring is after half a minute: the first touch of a page is the kernel's to pay, and paid once.
        write(time.monotonic_ns(), _INVOKE_NANOSECONDS, 0, _FEED_NANOSECONDS, _FETCH_NANOSECONDS, 0)
    pause, each_seconds = _pause(condition)
    count = min(max(round(condition.segment_seconds / each_seconds), FEWEST), _MOST_PER_SEGMENT)
    with_record: list[NDArray[np.float64]] = []
    without: list[NDArray[np.float64]] = []
    clock = time.monotonic_ns

    def call(function: Write) -> NDArray[np.float64]:
        took = np.zeros(count)
        for index in range(count):
            pause()
            begin = clock()
            function(begin, _INVOKE_NANOSECONDS, 0, _FEED_NANOSECONDS, _FETCH_NANOSECONDS, 0)
            took[index] = clock() - begin
        return took

    def record() -> NDArray[np.float64]:
        with_record.append(call(write))
        return with_record[-1]

    def look() -> NDArray[np.float64]:
        took = np.zeros(count)
        for index in range(count):
            pause()
            begin = clock()
            took[index] = clock() - begin
        without.append(took)
        return took

    gc.collect()
    gc.freeze()
    gc.disable()
    shape = Shape(count=condition.blocks, noise_count=condition.blocks, seed=condition.seed)
    with _reader(descriptor, cores[0]) as process:
        blocks = interleave(record, look, shape, np.median)
        empty = np.concatenate([call(_do_nothing) for _ in range(_EMPTY_SEGMENTS)])
        read, lost = _ask(process)
    return Recorded(
        blocks=blocks,
        segment_records=count,
        p99_nanoseconds=float(np.percentile(np.concatenate(with_record), 99)),
        empty_call_p50_nanoseconds=float(np.median(empty)),
        clock_p99_nanoseconds=float(np.percentile(np.concatenate(without), 99)),
        read=read,
        lost=lost,
    )


def _do_nothing(start: int, invoke: int, late: int, feed: int, fetch: int, flags: int) -> None:
    """Cost no more than any call in Python does."""


def _pause(condition: Condition) -> tuple[Callable[[], object], float]:
    """Return what is done between two records, and about how long it takes with the record."""
    if condition.pause == "back_to_back":
        return int, 1.5e-6
    if condition.pause == "every_millisecond":
        schedule = Schedule(_PERIOD_SECONDS)

        def sleep() -> None:
            # Anew each time: a segment that begins late must not make up for it back to back.
            schedule.restart(time.monotonic_ns() + round(_PERIOD_SECONDS * 1e9))
            schedule.next()

        return sleep, _PERIOD_SECONDS
    session = runtimes.choose("auto", runtimes.find).load(
        runtimes.Request(
            model=Path(condition.model),
            threads=1,
            delegates=(),
            shapes=lambda tensors: [tensor.shape for tensor in tensors],
        )
    )
    item = inputs.items(None, session.inputs, condition.seed)[0]

    def infer() -> None:
        session.feed(item)
        session.invoke()
        session.fetch()

    infer()
    begin = time.monotonic()
    infer()
    return infer, time.monotonic() - begin


@contextlib.contextmanager
def _reader(descriptor: int, core: int) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "_benchmark.reading", str(descriptor), str(core)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        pass_fds=(descriptor,),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _ask(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """End the reader and return how many records it got and how many it lost."""
    said, _ = process.communicate()
    read, lost = said.split()
    return int(read), int(lost)


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(measure(msgspec.json.decode(sys.argv[1], type=Condition))).decode())
