"""The loop itself: feed, invoke, fetch, record. Nothing here allocates more than the runtime does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from agent.core.errors import WorkerLost
from agent.core.ring import WORD_HOLD, Flag
from agent.workload.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from agent.core.ring import Memory
    from agent.runtimes.runtime import Session
    from agent.workload.schedule import Schedule

    Write = Callable[[int, int, int, int, int, int], None]

# A check costs a copy of the outputs; once a second notices a sick board soon enough and cannot be measured.
CHECK_EVERY_SECONDS: Final = 1.0
# A runtime that fails this often in a row will not come back by itself.
MOST_FAILURES_IN_A_ROW: Final = 20
# Both runtimes keep the text of every error and repeat it all with the next one; only a new process forgets.
MOST_FAILURES: Final = 1_000
_HOLD_POLL_SECONDS: Final = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """What warm-up measured, in seconds, the first inference apart."""

    first_seconds: float
    count: int
    mean_seconds: float
    min_seconds: float
    max_seconds: float
    reference: Reference


def warm_up(session: Session, items: Sequence[tuple[NDArray[Any], ...]], count: int) -> WarmUp:
    """Run the first inference and then at least `count` more; learn what the outputs are.

    Every input that is learnt is run twice. The count is raised where it is too small for one input to come round.
    """
    reference = Reference()
    learnt = min(len(items), max(count // 2, 1))
    took: list[int] = []
    for index in range(max(count, 2 * learnt - 1) + 1):
        position = index % learnt
        session.feed(items[position])
        begin = time.monotonic_ns()
        session.invoke()
        took.append(time.monotonic_ns() - begin)
        reference.learn(position, session.fetch())
    warm = took[1:]
    return WarmUp(
        first_seconds=took[0] / 1e9,
        count=len(warm),
        mean_seconds=sum(warm) / len(warm) / 1e9,
        min_seconds=min(warm) / 1e9,
        max_seconds=max(warm) / 1e9,
        reference=reference,
    )


class Checker:
    """Decides which outputs are compared with the reference: one a second, and after a wrong one all until one is right."""

    def __init__(self, reference: Reference) -> None:
        """Take what warm-up learnt."""
        self._reference = reference
        self.due = 0 if reference.checks else 1 << 63

    def check(self, position: int, outputs: Sequence[NDArray[Any]], now: int) -> int:
        """Compare if this input is known, and return the flags that say so. Called when `now` has reached `due`."""
        if not self._reference.knows(position):
            return 0
        if self._reference.holds(position, outputs):
            self.due = now + int(CHECK_EVERY_SECONDS * 1e9)
            return int(Flag.CHECKED)
        self.due = 0
        return int(Flag.CHECKED | Flag.WRONG_OUTPUT)


def run(
    session: Session,
    items: Sequence[tuple[NDArray[Any], ...]],
    reference: Reference,
    memory: Memory,
    write: Write,
    schedule: Schedule | None,
) -> None:
    """Infer for ever, back to back or by schedule, one record each.

    A failed call is recorded as such and the loop goes on; the monitor ends it by ending the process.

    Raises:
        WorkerLost: the runtime failed many times in a row.
    """
    clock = time.monotonic_ns
    feed, invoke, fetch = session.feed, session.invoke, session.fetch
    checker = Checker(reference)
    check = checker.check
    failures = failed = 0
    told = ""
    position = -1
    last = len(items) - 1
    paced = int(Flag.PACED) if schedule else 0
    if schedule:
        schedule.restart(clock())
    while True:
        position = position + 1 if position < last else 0
        if memory[WORD_HOLD]:
            _wait_while_held(memory)
            if schedule:
                schedule.restart(clock())
        due = schedule.next() if schedule else 0
        before = clock()
        late = before - due if due else 0
        try:
            feed(items[position])
            start = clock()
            invoke()
            end = clock()
            outputs = fetch()
            done = clock()
        except (RuntimeError, ValueError, MemoryError) as error:
            failures += 1
            failed += 1
            told, before_that = str(error), told
            write(before, 0, late, 0, 0, int(Flag.FAILED) | paced)
            if failures >= MOST_FAILURES_IN_A_ROW or failed >= MOST_FAILURES:
                many = f"{failures} failures in a row" if failures >= MOST_FAILURES_IN_A_ROW else f"{failed} failures"
                raise WorkerLost(f"{many}: {told.removeprefix(before_that)}") from error
            continue
        failures = 0
        flags = paced if done < checker.due else paced | check(position, outputs, done)
        write(start, end - start, late, start - before, done - end, flags)


def _wait_while_held(memory: Memory) -> None:
    while memory[WORD_HOLD]:
        time.sleep(_HOLD_POLL_SECONDS)
