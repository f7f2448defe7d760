"""The loop: what one inference leaves behind, when outputs are compared, when it gives up.

Nothing here looks at a real clock: the runtime is plain Python that moves a clock of its own, and the records go into a list,
which ends the loop by raising when it has enough.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agent.core.errors import WorkerLost
from agent.core.ring import WORD_HOLD, Flag
from agent.runtimes.runtime import Session, Tensor
from agent.workload import loop
from agent.workload.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from agent.workload.schedule import Schedule

MICRO = 1_000
MILLI = 1_000_000
SECOND = 1_000_000_000
BEGIN = 5_000 * SECOND


class Clock:
    """CLOCK_MONOTONIC as the loop sees it: it stands still unless something takes time."""

    def __init__(self) -> None:
        self.now = BEGIN
        self.slept = 0

    def monotonic_ns(self) -> int:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)
        self.slept += 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic_ns=clock.monotonic_ns, sleep=clock.sleep))
    return clock


@dataclass
class Model:
    """A runtime in plain Python. It answers with its input and what `bias` adds to it.

    `fails` is asked before each call, with the call's name and the number of the inference, and may raise.
    """

    clock: Clock
    feed_takes: int = 10 * MICRO
    invoke_takes: int = 1 * MILLI
    fetch_takes: int = 20 * MICRO
    fails: Callable[[str, int], None] = field(default=lambda _call, _number: None)
    bias: Callable[[int], float] = field(default=lambda _number: 0.0)
    fed: list[float] = field(default_factory=list)
    number: int = -1
    _input: float = 0.0

    def feed(self, arrays: Sequence[NDArray[Any]]) -> None:
        self.number += 1
        self._enter("feed", self.feed_takes)
        self._input = float(arrays[0][0])
        self.fed.append(self._input)

    def invoke(self) -> None:
        self._enter("invoke", self.invoke_takes)

    def fetch(self) -> tuple[NDArray[Any], ...]:
        self._enter("fetch", self.fetch_takes)
        return (np.array([self._input + self.bias(self.number)]),)

    def session(self) -> Session:
        tensor = Tensor(name="x", shape=(1,), signature=(1,), dtype=np.dtype(float), scale=0.0, zero_point=0)
        return Session(
            inputs=(tensor,),
            outputs=(tensor,),
            nodes=None,
            delegated_nodes=None,
            delegates=(),
            feed=self.feed,
            invoke=self.invoke,
            fetch=self.fetch,
        )

    def _enter(self, call: str, takes: int) -> None:
        self.fails(call, self.number)
        self.clock.now += takes


@dataclass(frozen=True)
class Record:
    start: int
    invoke: int
    late: int
    feed: int
    fetch: int
    flags: Flag


class Enough(Exception):  # noqa: N818 - it is no error
    """There are as many records as the test wanted."""


class Timetable:
    """A schedule whose starts are due as told; one that is early waits on the fake clock."""

    def __init__(self, clock: Clock, period: int) -> None:
        self.clock = clock
        self.period = period
        self.restarts: list[int] = []
        self._due = 0

    def restart(self, at_nanoseconds: int) -> None:
        self.restarts.append(at_nanoseconds)
        self._due = at_nanoseconds

    def next(self) -> int:
        due = self._due
        self._due += self.period
        self.clock.now = max(self.clock.now, due)
        return due


def items(count: int = 1) -> list[tuple[NDArray[Any], ...]]:
    return [(np.array([float(index)]),) for index in range(count)]


def known(count: int = 1, *, bias: float = 0.0) -> Reference:
    """Return what a model without faults answers to the first inputs."""
    reference = Reference()
    for index in range(count):
        reference.learn(index, (np.array([index + bias]),))
    return reference


def run(
    model: Model,
    wanted: int,
    *,
    item_count: int = 1,
    reference: Reference | None = None,
    schedule: Timetable | None = None,
    memory: dict[int, int] | None = None,
) -> list[Record]:
    """Run the loop until there are so many records."""
    records: list[Record] = []

    def write(start: int, invoke: int, late: int, feed: int, fetch: int, flags: int) -> None:
        records.append(Record(start, invoke, late, feed, fetch, Flag(flags)))
        if len(records) == wanted:
            raise Enough

    paced: Schedule | None = schedule  # type: ignore[assignment]
    with pytest.raises(Enough):
        loop.run(
            model.session(), items(item_count), reference or Reference(), {WORD_HOLD: 0} if memory is None else memory, write, paced
        )
    return records


# --- What is recorded -------------------------------------------------------------------------


def test_the_call_alone_is_the_latency_and_input_and_output_stand_beside_it(clock: Clock) -> None:
    records = run(Model(clock, feed_takes=10, invoke_takes=2_000, fetch_takes=30), 3)
    assert [(record.feed, record.invoke, record.fetch) for record in records] == [(10, 2_000, 30)] * 3
    assert [record.start for record in records] == [BEGIN + 10 + index * 2_040 for index in range(3)]


def test_back_to_back_nothing_is_late_and_nothing_is_paced(clock: Clock) -> None:
    for record in run(Model(clock), 5):
        assert record.late == 0
        assert record.flags == Flag(0)


def test_the_inputs_are_fed_in_turn(clock: Clock) -> None:
    model = Model(clock)
    run(model, 8, item_count=3)
    assert model.fed == [0, 1, 2, 0, 1, 2, 0, 1]


def test_paced_work_starts_when_it_is_due_and_says_that_it_is_paced(clock: Clock) -> None:
    records = run(Model(clock, feed_takes=0), 4, schedule=Timetable(clock, 20 * MILLI))
    assert [record.start - BEGIN for record in records] == [0, 20 * MILLI, 40 * MILLI, 60 * MILLI]
    assert [record.late for record in records] == [0] * 4
    assert {record.flags for record in records} == {Flag.PACED}


def test_a_slow_inference_makes_those_behind_it_late_until_they_have_caught_up(clock: Clock) -> None:
    slow = Model(clock, feed_takes=0, fetch_takes=0)

    def slow_once(call: str, number: int) -> None:
        slow.invoke_takes = 50 * MILLI if number == 0 else 5 * MILLI

    slow.fails = slow_once
    records = run(slow, 6, schedule=Timetable(clock, 20 * MILLI))
    assert [record.late // MILLI for record in records] == [0, 30, 15, 0, 0, 0]


def test_lateness_ends_where_feeding_the_input_begins(clock: Clock) -> None:
    timetable = Timetable(clock, 1 * MILLI)
    (_, second) = run(Model(clock, feed_takes=100, invoke_takes=2 * MILLI, fetch_takes=0), 2, schedule=timetable)
    assert second.late == 1 * MILLI + 100
    assert second.start == BEGIN + 1 * MILLI + second.late + second.feed


# --- Failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError, ValueError, MemoryError])
@pytest.mark.parametrize("failing", ["feed", "invoke", "fetch"])
def test_a_call_that_fails_is_recorded_as_failed_and_the_loop_goes_on(clock: Clock, failing: str, error: type[Exception]) -> None:
    def fail_second(call: str, number: int) -> None:
        if call == failing and number == 1:
            raise error("no")

    records = run(Model(clock, fails=fail_second), 3)
    assert [record.flags for record in records] == [Flag(0), Flag.FAILED, Flag(0)]
    failed = records[1]
    assert (failed.invoke, failed.feed, failed.fetch) == (0, 0, 0)
    assert records[0].start < failed.start < records[2].start


def test_a_paced_call_that_fails_says_both_and_how_late_it_was(clock: Clock) -> None:
    def fail_second(call: str, number: int) -> None:
        if call == "invoke" and number == 1:
            raise RuntimeError("no")

    timetable = Timetable(clock, 1 * MILLI)
    records = run(Model(clock, feed_takes=0, invoke_takes=3 * MILLI, fetch_takes=0, fails=fail_second), 2, schedule=timetable)
    assert records[1].flags == Flag.FAILED | Flag.PACED
    assert records[1].late == 2 * MILLI


def endless(*failing: range) -> Callable[[str, int], None]:
    def fail(call: str, number: int) -> None:
        if call == "invoke" and any(number in numbers for numbers in failing):
            raise RuntimeError(f"gave up at {number}")

    return fail


def test_twenty_failures_in_a_row_end_the_loop_with_the_last_reason(clock: Clock) -> None:
    written: list[int] = []

    def write(start: int, invoke: int, late: int, feed: int, fetch: int, flags: int) -> None:
        written.append(flags)

    model = Model(clock, fails=endless(range(3, 1_000)))
    with pytest.raises(WorkerLost, match="20 failures in a row: gave up at 22"):
        loop.run(model.session(), items(), Reference(), {WORD_HOLD: 0}, write, None)
    assert written == [0] * 3 + [Flag.FAILED] * 20


def test_nineteen_failures_in_a_row_do_not_end_it_however_often_they_come(clock: Clock) -> None:
    model = Model(clock, fails=endless(range(1, 20), range(21, 40), range(41, 60)))
    records = run(model, 61)
    assert sum(bool(record.flags & Flag.FAILED) for record in records) == 57


def test_a_failing_input_does_not_stop_the_others_from_coming_round(clock: Clock) -> None:
    def fail_third(call: str, number: int) -> None:
        if call == "invoke" and number % 3 == 2:
            raise RuntimeError("no")

    records = run(Model(clock, fails=fail_third), 60, item_count=3)
    assert [bool(record.flags & Flag.FAILED) for record in records] == [False, False, True] * 20


# --- The outputs ------------------------------------------------------------------------------


def test_outputs_are_checked_about_once_a_second(clock: Clock) -> None:
    model = Model(clock, feed_takes=0, invoke_takes=1 * MILLI, fetch_takes=0)
    records = run(model, 10_000, reference=known())
    checked = [index for index, record in enumerate(records) if record.flags & Flag.CHECKED]
    assert len(checked) == pytest.approx(10, abs=1)
    assert {later - earlier for earlier, later in itertools.pairwise(checked)} <= {1_000, 1_001}
    assert not any(record.flags & Flag.WRONG_OUTPUT for record in records)


def test_an_inference_longer_than_a_second_is_checked_each_time(clock: Clock) -> None:
    records = run(Model(clock, invoke_takes=3 * SECOND), 5, reference=known())
    assert {record.flags for record in records} == {Flag.CHECKED}


def test_a_wrong_output_is_noticed_within_a_second_and_flagged_until_one_is_right(clock: Clock) -> None:
    model = Model(clock, feed_takes=0, invoke_takes=1 * MILLI, fetch_takes=0, bias=lambda number: float(1_500 <= number < 2_600))
    records = run(model, 5_000, reference=known())
    wrong = [index for index, record in enumerate(records) if record.flags & Flag.WRONG_OUTPUT]
    assert 1_500 <= wrong[0] <= 2_100
    assert wrong == list(range(wrong[0], 2_600)), "after a wrong one all are checked"
    assert all(records[index].flags & Flag.CHECKED for index in wrong)
    after = [index for index in range(2_600, 5_000) if records[index].flags & Flag.CHECKED]
    assert after[0] == 2_600
    assert len(after) == pytest.approx(3, abs=1), "and then once a second again"


def test_a_paced_output_that_is_wrong_says_all_three(clock: Clock) -> None:
    model = Model(clock, bias=lambda _: 1.0)
    (record,) = run(model, 1, reference=known(), schedule=Timetable(clock, 20 * MILLI))
    assert record.flags == Flag.PACED | Flag.CHECKED | Flag.WRONG_OUTPUT


def test_the_time_of_the_check_is_no_part_of_the_record(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Reference):
        def holds(self, position: int, outputs: Sequence[NDArray[Any]]) -> bool:
            clock.now += 700 * MILLI
            return super().holds(position, outputs)

    reference = Slow()
    reference.learn(0, (np.array([0.0]),))
    (record,) = run(Model(clock, feed_takes=1, invoke_takes=2, fetch_takes=3), 1, reference=reference)
    assert (record.feed, record.invoke, record.fetch) == (1, 2, 3)
    assert record.flags == Flag.CHECKED


def test_a_model_that_does_not_repeat_itself_is_never_checked(clock: Clock) -> None:
    reference = known()
    reference.learn(0, (np.array([7.0]),))
    records = run(Model(clock, invoke_takes=1 * SECOND, bias=float), 20, reference=reference)
    assert {record.flags for record in records} == {Flag(0)}


def test_only_inputs_whose_answer_is_known_are_checked(clock: Clock) -> None:
    records = run(Model(clock, invoke_takes=2 * SECOND, bias=float), 6, item_count=3, reference=known(1))
    assert [bool(record.flags & Flag.CHECKED) for record in records] == [True, False, False, True, False, False]


def test_a_due_check_waits_for_an_input_whose_answer_is_known(clock: Clock) -> None:
    model = Model(clock, feed_takes=0, invoke_takes=600 * MILLI, fetch_takes=0)
    records = run(model, 12, item_count=4, reference=known(1))
    assert [index for index, record in enumerate(records) if record.flags & Flag.CHECKED] == [0, 4, 8]


# --- The hold word ----------------------------------------------------------------------------


class HoldWord(dict[int, int]):
    """The hold word, set once a number of loops have looked at it, and cleared after so many further looks."""

    def __init__(self, after: int, looks: int) -> None:
        self.after = after
        self.looks = looks

    def __getitem__(self, index: int, /) -> int:
        assert index == WORD_HOLD
        self.after -= 1
        if self.after >= 0:
            return 0
        self.looks -= 1
        return int(self.looks >= 0)


def test_the_loop_waits_while_it_is_held_and_goes_on_where_it_was(clock: Clock) -> None:
    model = Model(clock, feed_takes=0, invoke_takes=1 * MILLI, fetch_takes=0)
    records = run(model, 6, item_count=3, memory=HoldWord(after=2, looks=10))
    assert clock.slept >= 8
    assert model.fed == [0, 1, 2, 0, 1, 2]
    gaps = [later.start - earlier.start for earlier, later in itertools.pairwise(records)]
    assert [gap > 100 * MILLI for gap in gaps] == [False, True, False, False, False]
    assert all(record.late == 0 for record in records)


def test_what_was_due_while_it_was_held_is_not_late_but_let_go(clock: Clock) -> None:
    timetable = Timetable(clock, 20 * MILLI)
    records = run(Model(clock), 6, schedule=timetable, memory=HoldWord(after=3, looks=20))
    assert len(timetable.restarts) == 2
    assert timetable.restarts[0] == BEGIN
    assert timetable.restarts[1] > BEGIN + 300 * MILLI
    assert all(record.late == 0 for record in records)


# --- Warm-up ----------------------------------------------------------------------------------


def test_warm_up_runs_the_first_inference_and_then_as_many_as_asked(clock: Clock) -> None:
    model = Model(clock, feed_takes=500, fetch_takes=700)
    model.fails = lambda call, number: setattr(model, "invoke_takes", 90 * MILLI if number == 0 else (1 + number % 3) * MILLI)
    warm = loop.warm_up(model.session(), items(8), 30)
    assert len(model.fed) == 31
    assert warm.count == 30
    assert warm.first_seconds == pytest.approx(0.090)
    assert warm.min_seconds == pytest.approx(0.001)
    assert warm.max_seconds == pytest.approx(0.003)
    assert warm.mean_seconds == pytest.approx(0.002)


@pytest.mark.parametrize(("count", "item_count"), [(50, 8), (16, 8), (15, 8), (3, 8), (1, 8), (0, 8), (50, 1), (0, 1), (7, 1_000)])
def test_every_input_that_is_learnt_has_been_run_twice(clock: Clock, count: int, item_count: int) -> None:
    model = Model(clock)
    warm = loop.warm_up(model.session(), items(item_count), count)
    learnt = [index for index in range(item_count) if warm.reference.knows(index)]
    assert learnt
    assert all(model.fed.count(index) >= 2 for index in learnt)
    assert len(model.fed) == warm.count + 1 >= count + 1
    assert warm.reference.checks


def test_a_large_recording_does_not_make_warm_up_longer(clock: Clock) -> None:
    warm = loop.warm_up(Model(clock).session(), items(1_000), 50)
    assert warm.count == 50


@pytest.mark.parametrize("item_count", [1, 8])
def test_a_model_that_draws_random_numbers_shows_that_in_warm_up(clock: Clock, item_count: int) -> None:
    model = Model(clock, bias=float)
    assert not loop.warm_up(model.session(), items(item_count), 50).reference.checks
