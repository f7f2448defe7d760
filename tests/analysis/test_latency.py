from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.analysis import latency
from agent.analysis.latency import RollingPercentiles, summarise

Array = np.ndarray[tuple[int], np.dtype[np.int64]]

SECOND = 1_000_000_000
# Up to 18 minutes, the longest call that a record holds.
NANOSECONDS = st.integers(0, 1 << 40)


def array(values: list[int] | range) -> Array:
    return np.array(values, dtype=np.int64)


def nearest_rank(values: list[int], thousandths: int) -> float:
    """Return the smallest value that at least so many are not above, in seconds."""
    ordered = sorted(values)
    return next(value for rank, value in enumerate(ordered, 1) if 1000 * rank >= thousandths * len(ordered)) / 1e9


# One window.


@given(values=st.lists(NANOSECONDS, min_size=1, max_size=300))
def test_percentiles_are_the_nearest_ranks_to_the_nanosecond(values: list[int]) -> None:
    found = summarise(array(values))
    assert found is not None
    assert (found.min, found.max) == (min(values) / 1e9, max(values) / 1e9)
    assert (found.p50, found.p90, found.p95) == tuple(nearest_rank(values, thousandths) for thousandths in (500, 900, 950))
    assert found.p99 == (nearest_rank(values, 990) if len(values) >= 100 else None)
    assert found.p999 is None


@given(values=st.lists(NANOSECONDS, min_size=1, max_size=300))
def test_mean_and_deviation_are_those_of_the_values(values: list[int]) -> None:
    found = summarise(array(values))
    assert found is not None
    assert found.mean == pytest.approx(sum(values) / len(values) / 1e9, rel=1e-9, abs=1e-12)
    assert found.std == pytest.approx(float(np.std(array(values))) / 1e9, rel=1e-9, abs=1e-12)
    assert found.min - 1e-9 <= found.mean <= found.max + 1e-9


def test_nothing_has_no_percentiles() -> None:
    assert summarise(array([])) is None


@pytest.mark.parametrize(
    ("count", "has_p99", "has_p999"), [(1, False, False), (99, False, False), (100, True, False), (999, True, False)]
)
def test_a_percentile_that_would_be_the_maximum_under_another_name_is_absent(count: int, *, has_p99: bool, has_p999: bool) -> None:
    found = summarise(array(range(count)))
    assert found is not None
    assert (found.p99 is not None, found.p999 is not None) == (has_p99, has_p999)


def test_the_ranks_of_a_thousand_are_the_ones_one_counts_to() -> None:
    found = summarise(array(range(1, 1001)))
    assert found is not None
    assert [found.p50, found.p90, found.p95, found.p99, found.p999] == [rank / 1e9 for rank in (500, 900, 950, 990, 999)]


def test_the_order_in_which_values_came_does_not_matter_and_they_are_left_as_they_were() -> None:
    values = array([5, 1, 4, 2, 3])
    assert summarise(values) == summarise(np.sort(values))
    assert values.tolist() == [5, 1, 4, 2, 3]


# A stretch of time.


@settings(deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.lists(st.tuples(st.integers(0, 3 * SECOND), NANOSECONDS), max_size=30), st.integers(0, 5 * SECOND)),
        max_size=12,
    ),
    span=st.sampled_from([1, 10, 300]),
)
def test_rolling_percentiles_are_exact_over_the_span(steps: list[tuple[list[tuple[int, int]], int]], span: int) -> None:
    rolling = RollingPercentiles(span)
    everything: list[tuple[int, int]] = []
    now = 0
    for added, pause in steps:
        for gap, value in added:
            now += gap
            everything.append((now, value))
        rolling.add(array([end for end, _ in everything[len(everything) - len(added) :]]), array([value for _, value in added]))
        now += pause
        held = [(end, value) for end, value in everything if now - span * SECOND < end <= now]
        found = rolling.at(now)
        if not held:
            assert found is None
            continue
        assert found is not None
        values = [value for _, value in held]
        assert found.count == len(held)
        assert found.span_seconds == pytest.approx((now - held[0][0]) / 1e9, abs=0.001)
        assert found.span_seconds <= span
        assert (found.p50, found.p90, found.p95) == tuple(nearest_rank(values, thousandths) for thousandths in (500, 900, 950))
        assert (found.p99, found.max) == (nearest_rank(values, 990) if len(held) >= 100 else None, max(values) / 1e9)


def test_what_ended_one_span_ago_is_just_out() -> None:
    rolling = RollingPercentiles(10)
    rolling.add(array([0, 1]), array([7, 8]))
    found = rolling.at(10 * SECOND)
    assert found is not None
    assert (found.count, found.max) == (1, 8e-9)
    assert rolling.at(10 * SECOND + 1) is None


def test_before_anything_ended_there_are_no_rolling_percentiles() -> None:
    rolling = RollingPercentiles(10)
    assert rolling.at(0) is None
    rolling.add(array([]), array([]))
    assert rolling.at(SECOND) is None


def test_many_windows_of_few_values_are_held_as_well_as_one_of_many() -> None:
    rolling = RollingPercentiles(1_000)
    for index in range(5_000):
        rolling.add(array([index * SECOND // 10]), array([index]))
    found = rolling.at(500 * SECOND)
    assert found is not None
    assert (found.count, found.p50, found.p999, found.max) == (5_000, 2_499e-9, 4_994e-9, 4_999e-9)


def test_after_a_long_silence_nothing_of_before_is_held() -> None:
    rolling = RollingPercentiles(10)
    rolling.add(array(range(1000)), array(range(1000)))
    rolling.add(array([100 * SECOND]), array([5]))
    found = rolling.at(100 * SECOND)
    assert found is not None
    assert (found.count, found.span_seconds, found.p50) == (1, 0.0, 5e-9)


def test_at_most_the_last_million_values_are_held_and_the_span_says_how_far_they_reach() -> None:
    rolling = RollingPercentiles(300)
    million = 1_000_000
    ends = np.arange(million + 5, dtype=np.int64) * 200_000  # 5,000 a second: a million is 200 s
    values = np.arange(million + 5, dtype=np.int64)
    rolling.add(ends[:10], values[:10])
    rolling.add(ends[10:], values[10:])
    now = int(ends[-1])
    found = rolling.at(now)
    assert found is not None
    assert found.count == million
    assert found.span_seconds == pytest.approx(200.0, abs=0.001)
    assert (found.p50, found.max) == ((5 + million // 2 - 1) / 1e9, (million + 4) / 1e9)


@settings(deadline=None, max_examples=50)
@given(sizes=st.lists(st.integers(0, 40), max_size=20), most=st.integers(1, 60))
def test_the_cap_keeps_the_newest_however_they_came(sizes: list[int], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(latency, "MOST_ROLLING", most)
        rolling = RollingPercentiles(1_000)
        total = 0
        for size in sizes:
            fresh = array(range(total, total + size))
            rolling.add(fresh, fresh)
            total += size
            found = rolling.at(total)
            assert (found.count if found else 0) == min(total, most)
            if found:
                assert found.max == (total - 1) / 1e9
                assert found.p50 == nearest_rank(list(range(total - min(total, most), total)), 500)


def test_values_may_be_changed_by_their_owner_once_they_were_added() -> None:
    ends, values = array([1, 2, 3]), array([10, 20, 30])
    rolling = RollingPercentiles(10)
    rolling.add(ends, values)
    values[:] = 0
    found = rolling.at(3)
    assert found is not None
    assert found.p50 == 20e-9
