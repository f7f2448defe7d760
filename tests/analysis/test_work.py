from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.analysis.latency import summarise
from agent.analysis.work import Work, WorkFigures, histogram, join
from agent.core.histogram import Histogram
from agent.core.record import Inferences
from agent.core.ring import Flag

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
PACED = int(Flag.PACED)
FAILED = int(Flag.FAILED)


def inferences(
    starts: list[int],
    invoke: int | list[int] = MILLISECOND,
    *,
    late: int | list[int] = 0,
    feed: int = 0,
    fetch: int = 0,
    flags: int | list[int] = 0,
    lost: int = 0,
) -> Inferences:
    def column(value: int | list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return np.array(value if isinstance(value, list) else [value] * len(starts), dtype=np.int64)

    return Inferences(
        start_nanoseconds=column(starts),
        invoke_nanoseconds=column(invoke),
        late_nanoseconds=column(late),
        input_nanoseconds=column(feed),
        output_nanoseconds=column(fetch),
        flags=column(flags),
        lost=lost,
    )


def work(*parts: Inferences, deadline_seconds: float | None = None) -> Work:
    made = Work(rolling_seconds=300, deadline_seconds=deadline_seconds)
    for part in parts:
        made.add(part)
    return made


# Which window.


def test_an_inference_belongs_to_the_window_in_which_it_ends() -> None:
    half = SECOND // 2
    busy = work(inferences([0, half, SECOND - 1, SECOND + half], half))
    assert busy.close(SECOND, 1.0).inferences == 2
    assert busy.close(2 * SECOND, 1.0).inferences == 2
    assert busy.close(3 * SECOND, 1.0).inferences == 0


def test_the_end_is_when_the_outputs_were_taken() -> None:
    assert work(inferences([0], SECOND - 10, fetch=10)).close(SECOND, 1.0).inferences == 1
    assert work(inferences([0], SECOND - 10, fetch=11)).close(SECOND, 1.0).inferences == 0


@settings(deadline=None)
@given(
    gaps=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=5),
    length=st.integers(1, 300),
)
def test_no_inference_is_lost_or_counted_twice_however_they_arrive(
    gaps: list[tuple[int, int]], cuts: list[int], length: int
) -> None:
    starts, took, now = [], [], 0
    for gap, invoke in gaps:
        starts.append(now + gap)
        took.append(invoke)
        now += gap + invoke
    whole = inferences(starts, took)
    ends = [start + invoke for start, invoke in zip(starts, took, strict=True)]
    edges = [0, *sorted(cut for cut in cuts if cut <= len(starts)), len(starts)]
    busy = work(*(whole.cut(first, stop) for first, stop in itertools.pairwise(edges)))
    begin = 0
    while begin <= now:
        figures = busy.close(begin + length, length / SECOND)
        expected = [invoke for end, invoke in zip(ends, took, strict=True) if begin < end <= begin + length or (end == 0 == begin)]
        assert figures.inferences == len(expected)
        assert figures.latency_seconds == summarise(np.array(expected, dtype=np.int64))
        begin += length


def test_the_first_start_that_waits_is_told() -> None:
    busy = Work(rolling_seconds=300)
    assert busy.first_start_nanoseconds() is None
    busy.add(Inferences(lost=3))
    assert busy.first_start_nanoseconds() is None
    busy.add(inferences([7, 20]))
    assert busy.first_start_nanoseconds() == 7


# Failures, losses, wrong outputs.


def test_failed_inferences_are_counted_and_are_in_no_figure() -> None:
    figures = work(inferences([0, 10, 20], [5, 0, 7], flags=[0, FAILED, 0])).close(SECOND, 1.0)
    assert (figures.inferences, figures.errors, figures.throughput_hertz) == (2, 1, 2.0)
    assert figures.histogram is not None
    assert (figures.histogram.count, figures.histogram.zero) == (2, 0)
    assert figures.latency_seconds is not None
    assert figures.latency_seconds.min == 5e-9
    assert figures.rolling_seconds is not None
    assert figures.rolling_seconds.count == 2


@pytest.mark.parametrize("deadline_seconds", [None, 0.001])
def test_a_window_of_failures_alone_has_no_latency(deadline_seconds: float | None) -> None:
    figures = work(inferences([0, 10], 0, late=SECOND, flags=FAILED | PACED), deadline_seconds=deadline_seconds).close(SECOND, 1.0)
    assert figures == WorkFigures(
        inferences=0,
        errors=2,
        lost_records=0,
        wrong_outputs=0,
        deadline_misses=None if deadline_seconds is None else 0,
        throughput_hertz=0.0,
    )


def test_lost_records_are_counted_once_in_the_window_in_which_they_were_noticed() -> None:
    busy = work(inferences([0, 2 * SECOND], 10, lost=3), Inferences(lost=4))
    assert busy.close(SECOND, 1.0).lost_records == 7
    second = busy.close(3 * SECOND, 2.0)
    assert (second.lost_records, second.inferences) == (0, 1)


def test_losses_alone_are_told_too() -> None:
    figures = work(Inferences(lost=2)).close(SECOND, 1.0)
    assert (figures.inferences, figures.lost_records) == (0, 2)


def test_wrong_outputs_are_counted_and_stay_in_the_figures() -> None:
    figures = work(inferences([0, 10, 20], 5, flags=[int(Flag.CHECKED), int(Flag.CHECKED | Flag.WRONG_OUTPUT), 0])).close(
        SECOND, 1.0
    )
    assert (figures.inferences, figures.wrong_outputs) == (3, 1)


# Deadlines.


def test_without_a_deadline_there_are_no_misses_and_not_zero_misses() -> None:
    assert work(inferences([0])).close(SECOND, 1.0).deadline_misses is None


def test_the_deadline_judges_the_latency_of_sustained_work() -> None:
    limit = MILLISECOND
    sustained = inferences([0, 10 * limit, 20 * limit], [limit, limit + 1, limit - 1], feed=5 * limit, fetch=5 * limit)
    assert work(sustained, deadline_seconds=0.001).close(SECOND, 1.0).deadline_misses == 1


def test_the_deadline_judges_the_response_of_paced_work() -> None:
    third = MILLISECOND // 4
    paced = inferences([0, SECOND // 4, SECOND // 2], third, late=[third, third + 1, 0], feed=third, fetch=third, flags=PACED)
    assert work(paced, deadline_seconds=0.001).close(SECOND, 1.0).deadline_misses == 1


@pytest.mark.parametrize("written", [0.033, 0.001, 0.1, 0.3, 1 / 30, 7.7])
def test_what_takes_just_the_deadline_keeps_it(written: float) -> None:
    limit = round(written * 1e9)
    figures = work(inferences([0, 10 * SECOND], [limit, limit + 1]), deadline_seconds=written).close(100 * SECOND, 1.0)
    assert figures.deadline_misses == 1


# Paced and sustained.


def test_sustained_work_has_no_response_and_no_lateness() -> None:
    figures = work(inferences([0, 10], feed=64, fetch=128)).close(SECOND, 1.0)
    assert (figures.response_seconds, figures.response_histogram, figures.start_late_seconds) == (None, None, None)
    assert (figures.input_seconds, figures.output_seconds) == (64e-9, 128e-9)


def test_the_response_of_paced_work_runs_from_the_scheduled_start_to_the_outputs() -> None:
    figures = work(inferences([0], 1000, late=300, feed=20, fetch=4, flags=PACED)).close(SECOND, 1.0)
    assert figures.response_seconds is not None
    assert figures.response_seconds.max == 1324e-9
    assert figures.latency_seconds is not None
    assert figures.latency_seconds.max == 1000e-9
    assert figures.start_late_seconds is not None
    assert figures.start_late_seconds.max == 300e-9
    assert figures.response_histogram is not None
    assert figures.response_histogram.sum_seconds == 1324e-9


# Sums.


@given(took=st.lists(st.integers(0, 1 << 40), max_size=100))
def test_the_histogram_holds_exactly_the_inferences_and_their_sum(took: list[int]) -> None:
    values = np.array(took, dtype=np.int64)
    counted, directly = histogram(values), Histogram.of(values / 1e9)
    assert counted.count == len(took)
    assert counted.zero == took.count(0)
    assert counted.sum_seconds == pytest.approx(sum(took) / 1e9, rel=1e-12)
    assert (counted.offset, counted.counts) == (directly.offset, directly.counts)


@pytest.mark.parametrize("power", range(10))
def test_a_duration_that_is_just_an_edge_belongs_below_it(power: int) -> None:
    """A whole number of nanoseconds can be a power of two of seconds, and must not be pushed over by the way it is converted."""
    nanoseconds = SECOND >> power
    assert histogram(np.array([nanoseconds], dtype=np.int64)).offset == -32 * power - 1


@settings(deadline=None)
@given(flags=st.lists(st.sampled_from([0, FAILED, PACED, PACED | FAILED, int(Flag.CHECKED)]), min_size=1, max_size=50))
def test_inferences_are_what_the_histogram_holds_and_throughput_is_theirs(flags: list[int]) -> None:
    figures = work(inferences([index * 1000 for index in range(len(flags))], 500, flags=flags)).close(SECOND, 2.0)
    assert figures.inferences == (figures.histogram.count if figures.histogram else 0)
    assert figures.inferences + figures.errors == len(flags)
    assert figures.throughput_hertz == figures.inferences / 2.0


def test_rolling_percentiles_reach_over_windows() -> None:
    busy = work(inferences([0], 1000))
    busy.close(SECOND, 1.0)
    busy.add(inferences([SECOND], 3000))
    rolling = busy.close(2 * SECOND, 1.0).rolling_seconds
    assert rolling is not None
    assert (rolling.count, rolling.p50, rolling.max) == (2, 1e-6, 3e-6)


def test_joining_nothing_is_nothing_and_joining_keeps_the_order() -> None:
    assert len(join([])) == 0
    joined = join([inferences([1, 2]), Inferences(lost=9), inferences([3])])
    assert joined.start_nanoseconds.tolist() == [1, 2, 3]
    assert joined.lost == 0
