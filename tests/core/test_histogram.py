from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.histogram import MOST_BUCKETS, SCALE, Histogram, bucket_of, nearest_rank

SCALES = range(SCALE + 1)
# The geometric middle of a bucket is this far from its edges, as a ratio: half a bucket in the logarithm.
HALF_BUCKET = math.log(2) / (1 << SCALE) / 2

# Durations from 100 ns to some minutes: 1,024 buckets of the finest scale hold them all at once.
DURATIONS = st.floats(min_value=1e-7, max_value=400.0)
MANY = st.lists(DURATIONS, min_size=1, max_size=200)


def array(values: list[float]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(values, dtype=np.float64)


def exact(values: list[float], thousandths: int) -> float:
    """Return the nearest-rank quantile by the book: the smallest value that at least so many are not above."""
    ordered = sorted(values)
    return next(value for rank, value in enumerate(ordered, 1) if 1000 * rank >= thousandths * len(ordered))


# Indexing.


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("power", [-1074, -1022, -30, -9, -1, 0, 1, 9, 1023])
def test_a_power_of_two_belongs_to_the_bucket_that_it_ends(scale: int, power: int) -> None:
    edge = math.ldexp(1.0, power)
    assert bucket_of(array([edge]), scale)[0] == (power << scale) - 1


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("power", [-1021, -30, -9, -1, 0, 1, 9, 1022])
def test_the_next_number_after_a_power_of_two_belongs_to_the_next_bucket(scale: int, power: int) -> None:
    edge = math.ldexp(1.0, power)
    after, before = math.nextafter(edge, math.inf), math.nextafter(edge, 0.0)
    assert bucket_of(array([before, after]), scale).tolist() == [(power << scale) - 1, power << scale]


@pytest.mark.parametrize("scale", SCALES)
def test_every_edge_between_two_powers_stands_where_it_belongs(scale: int) -> None:
    """These edges are no floats, so the floats on either side of each are looked at."""
    for index in range(-3 << scale, 3 << scale):
        edge = 2.0 ** (index / (1 << scale))
        below, above = edge * (1 - 4e-16), edge * (1 + 4e-16)
        assert bucket_of(array([below, above]), scale).tolist() == [index - 1, index]


@given(value=st.floats(min_value=5e-324, allow_infinity=False), scale=st.sampled_from(SCALES))
def test_every_positive_value_lies_within_its_bucket(value: float, scale: int) -> None:
    index = int(bucket_of(array([value]), scale)[0])
    position = math.log2(value) * (1 << scale)
    assert index - 1e-9 * (1 << scale) <= position <= index + 1 + 1e-9 * (1 << scale)


@given(value=st.floats(min_value=1e-300, max_value=1e300), scale=st.integers(0, SCALE - 1))
def test_two_neighbours_are_one_bucket_of_the_next_lower_scale(value: float, scale: int) -> None:
    assert int(bucket_of(array([value]), scale + 1)[0]) >> 1 == int(bucket_of(array([value]), scale)[0])


# Counting.


def test_nothing_is_an_empty_histogram() -> None:
    empty = Histogram.of(array([]))
    assert (empty.count, empty.zero, empty.counts, empty.sum_seconds) == (0, 0, (), 0.0)
    with pytest.raises(ValueError, match="no values"):
        empty.quantile(500)


def test_zeros_are_counted_apart_and_are_exact() -> None:
    counted = Histogram.of(array([0.0, 0.0, 0.0, 1.5]))
    assert (counted.zero, sum(counted.counts), counted.count) == (3, 1, 4)
    assert counted.quantile(750) == 0.0
    assert counted.quantile(751) == pytest.approx(1.5, rel=0.011)


def test_zeros_alone_have_no_buckets() -> None:
    counted = Histogram.of(array([0.0, 0.0]))
    assert (counted.zero, counted.counts, counted.quantile(999)) == (2, (), 0.0)


def test_the_counts_begin_and_end_with_a_bucket_that_holds_something_and_have_no_holes() -> None:
    counted = Histogram.of(array([0.001, 0.001, 0.002]))
    assert counted.counts[0] == 2
    assert counted.counts[-1] == 1
    assert len(counted.counts) == (1 << SCALE) + 1
    assert sum(counted.counts) == 3


@given(values=MANY)
def test_no_value_is_lost_and_the_sum_is_that_of_the_values(values: list[float]) -> None:
    counted = Histogram.of(array(values))
    assert counted.count == len(values)
    assert counted.sum_seconds == pytest.approx(math.fsum(values), rel=1e-12)
    assert all(type(count) is int for count in counted.counts)


@given(values=st.lists(st.floats(min_value=0.0, max_value=1e300), max_size=50), scale=st.sampled_from(SCALES))
def test_there_are_never_more_than_1024_buckets(values: list[float], scale: int) -> None:
    counted = Histogram.of(array(values), scale)
    assert len(counted.counts) <= MOST_BUCKETS == 1024
    assert counted.count == len(values)


def test_what_is_too_small_is_counted_in_the_first_bucket_and_the_large_end_stays_exact() -> None:
    counted = Histogram.of(array([1e-30, 1e-29, 1e-12, 8.0, 8.1]))
    assert len(counted.counts) == MOST_BUCKETS
    assert counted.counts[0] == 3
    assert counted.offset + len(counted.counts) - 1 == int(bucket_of(array([8.1]), SCALE)[0])
    assert counted.quantile(1000) == pytest.approx(8.1, rel=0.011)


# Quantiles.


@pytest.mark.parametrize(
    ("count", "thousandths", "rank"),
    [
        (1, 0, 1),
        (1, 1000, 1),
        (100, 990, 99),
        (100, 70, 7),
        (1000, 999, 999),
        (1001, 999, 1000),
        (3, 500, 2),
        (4, 500, 2),
        (10, 1, 1),
    ],
)
def test_the_nearest_rank_is_the_first_that_reaches_the_share(count: int, thousandths: int, rank: int) -> None:
    assert nearest_rank(count, thousandths) == rank


def test_no_values_have_no_rank() -> None:
    with pytest.raises(ValueError, match="no values"):
        nearest_rank(0, 500)


@given(values=MANY, thousandths=st.integers(0, 1000))
def test_a_quantile_is_at_most_half_a_bucket_from_the_exact_one(values: list[float], thousandths: int) -> None:
    """Half a bucket is 1.083 % in the logarithm: at most 1.089 % above a value and 1.077 % below it."""
    estimate, truth = Histogram.of(array(values)).quantile(thousandths), exact(values, max(thousandths, 1))
    assert abs(math.log(estimate / truth)) <= HALF_BUCKET + 1e-9
    assert estimate == pytest.approx(truth, rel=0.011)


def test_half_a_bucket_is_the_documented_error() -> None:
    assert round(HALF_BUCKET, 5) == 0.01083


# Merging.


@given(parts=st.lists(st.lists(st.one_of(st.just(0.0), DURATIONS), max_size=40), max_size=5))
def test_a_merge_is_the_histogram_of_everything(parts: list[list[float]]) -> None:
    merged = Histogram.merge(Histogram.of(array(part)) for part in parts)
    whole = Histogram.of(array([value for part in parts for value in part]))
    assert msgspec.structs.replace(merged, sum_seconds=0.0) == msgspec.structs.replace(whole, sum_seconds=0.0)
    assert merged.sum_seconds == pytest.approx(whole.sum_seconds, rel=1e-12, abs=1e-12)


@given(first=MANY, second=MANY, scales=st.tuples(st.sampled_from(SCALES), st.sampled_from(SCALES)))
def test_different_scales_merge_at_the_lower_one(first: list[float], second: list[float], scales: tuple[int, int]) -> None:
    merged = Histogram.merge([Histogram.of(array(first), scales[0]), Histogram.of(array(second), scales[1])])
    whole = Histogram.of(array(first + second), min(scales))
    assert merged.scale == min(scales)
    assert (merged.offset, merged.counts) == (whole.offset, whole.counts)


@given(values=MANY, scale=st.sampled_from(SCALES))
def test_a_lower_scale_afterwards_is_a_lower_scale_from_the_start(values: list[float], scale: int) -> None:
    afterwards, before = Histogram.of(array(values)).at_scale(scale), Histogram.of(array(values), scale)
    assert (afterwards.scale, afterwards.offset, afterwards.counts) == (before.scale, before.offset, before.counts)


def test_a_histogram_cannot_be_refined() -> None:
    with pytest.raises(ValueError, match="cannot be refined"):
        Histogram.of(array([1.0]), 3).at_scale(4)


def test_the_order_and_the_grouping_of_a_merge_do_not_matter() -> None:
    generator = np.random.default_rng(7)
    parts = [Histogram.of(generator.lognormal(-4, 2, 500), scale) for scale in (5, 3, 4, 5)]
    at_once = Histogram.merge(parts)
    in_pairs = Histogram.merge([Histogram.merge(parts[:2]), Histogram.merge(reversed(parts[2:]))])
    assert in_pairs.counts == at_once.counts
    assert in_pairs.offset == at_once.offset
    assert in_pairs.sum_seconds == pytest.approx(at_once.sum_seconds)


def test_merging_nothing_is_empty() -> None:
    assert Histogram.merge([]).count == 0
    assert Histogram.merge([Histogram.of(array([]))]).count == 0


def test_a_merge_of_parts_far_apart_clamps_the_small_end_and_loses_nothing() -> None:
    merged = Histogram.merge([Histogram.of(array([1e-20, 2e-20])), Histogram.of(array([1e-3])), Histogram.of(array([100.0]))])
    assert len(merged.counts) == MOST_BUCKETS
    assert merged.counts[0] == 2
    assert merged.count == 4
    assert merged.quantile(1000) == pytest.approx(100.0, rel=0.011)


def test_merged_percentiles_keep_their_error_on_a_stream_with_one_percent_of_outliers() -> None:
    """The stream on which sketches by rank lost their p99 after a single merge."""
    generator = np.random.default_rng(1)
    parts = []
    for _ in range(60):
        usual = generator.normal(0.005, 0.0002, 2_000)
        usual[generator.random(2_000) < 0.0101] = 0.5
        parts.append(np.abs(usual))
    everything = np.sort(np.concatenate(parts))
    merged = Histogram.merge(Histogram.of(part) for part in parts)
    assert merged.count == len(everything)
    for thousandths in (1, 500, 900, 950, 990, 999, 1000):
        truth = everything[nearest_rank(len(everything), thousandths) - 1]
        assert merged.quantile(thousandths) == pytest.approx(truth, rel=0.011)


def test_a_histogram_survives_the_wire() -> None:
    counted = Histogram.of(array([0.0, 0.001, 0.002, 5.0]))
    assert msgspec.json.decode(msgspec.json.encode(counted), type=Histogram) == counted
