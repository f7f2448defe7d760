"""An absolute schedule: late starts stay late and move nothing."""

from __future__ import annotations

import itertools
import signal
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.workload.schedule import Schedule

if TYPE_CHECKING:
    from types import FrameType

SECOND = 1_000_000_000
# So long ago that every start is overdue and nothing sleeps.
LONG_AGO = 1


def test_the_first_start_is_due_when_the_schedule_begins() -> None:
    schedule = Schedule(0.02)
    schedule.restart(LONG_AGO)
    assert schedule.next() == LONG_AGO


@settings(deadline=None)
@given(period=st.floats(1e-6, 1e-3), count=st.integers(1, 200))
def test_each_start_is_due_its_number_of_periods_after_the_beginning(period: float, count: int) -> None:
    schedule = Schedule(period)
    schedule.restart(LONG_AGO)
    due = [schedule.next() for _ in range(count)]
    assert due == [LONG_AGO + round(index * period * SECOND) for index in range(count)]


def test_a_period_that_is_no_whole_number_of_nanoseconds_does_not_drift() -> None:
    """A third of a microsecond, 300,000 times, is a tenth of a second; rounded each time it would be 0.0999."""
    schedule = Schedule(1e-6 / 3)
    schedule.restart(LONG_AGO)
    last = next(itertools.islice(iter(schedule.next, None), 300_000, None))
    assert last == LONG_AGO + SECOND // 10


def test_a_late_start_moves_none_of_those_after_it() -> None:
    period = 0.004
    schedule = Schedule(period)
    begin = time.monotonic_ns()
    schedule.restart(begin)
    assert schedule.next() == begin
    time.sleep(3.5 * period)  # the first inference takes far too long
    assert [schedule.next() for _ in range(5)] == [begin + round(index * period * SECOND) for index in range(1, 6)]


def test_what_is_overdue_is_not_slept_for() -> None:
    schedule = Schedule(3600.0)
    schedule.restart(time.monotonic_ns() - 10_000 * SECOND)
    begin = time.monotonic_ns()
    assert schedule.next() < schedule.next() < schedule.next() < begin
    assert time.monotonic_ns() - begin < 1800 * SECOND


def test_nothing_starts_before_it_is_due() -> None:
    schedule = Schedule(0.002)
    schedule.restart(time.monotonic_ns())
    for _ in range(50):
        due = schedule.next()
        assert time.monotonic_ns() >= due


def test_a_signal_does_not_make_a_start_early() -> None:
    """clock_nanosleep(2) returns early then; it is called again."""
    seen: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)

    before = signal.signal(signal.SIGALRM, note)
    try:
        schedule = Schedule(0.06)
        schedule.restart(time.monotonic_ns())
        schedule.next()
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        due = schedule.next()
        assert time.monotonic_ns() >= due
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert seen


def test_a_restart_begins_anew() -> None:
    schedule = Schedule(0.001)
    schedule.restart(LONG_AGO)
    for _ in range(10):
        schedule.next()
    later = LONG_AGO + 5 * SECOND
    schedule.restart(later)
    assert schedule.next() == later
    assert schedule.next() == later + SECOND // 1000


@pytest.mark.parametrize("period", [1e-6, 1 / 30, 1.0, 86_400.0])
def test_short_and_long_periods_are_kept(period: float) -> None:
    schedule = Schedule(period)
    schedule.restart(LONG_AGO)
    schedule.next()
    # One that is not overdue would be slept for: only those that are.
    if period < time.monotonic():
        assert schedule.next() == LONG_AGO + round(period * SECOND)
