from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.analysis.gauge import Increase, Readings, tidy
from agent.core.message import Gauge
from agent.core.metric import Fold
from agent.core.record import Reading

FOLDS = {"temperature_celsius": Fold.GAUGE, "rss_bytes": Fold.LAST, "cpu_seconds_total": Fold.INCREASE}


def celsius(value: float, name: str = "zone") -> Reading:
    return Reading(metric="temperature_celsius", name=name, value=value)


def used(value: float, instance: int = 1, name: str = "agent") -> Reading:
    return Reading(metric="cpu_seconds_total", name=name, value=value, instance=instance)


@pytest.fixture
def readings() -> Readings:
    return Readings(FOLDS)


# Gauges.


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_a_gauge_is_last_least_mean_and_most(values: list[float]) -> None:
    folded = Readings(FOLDS)
    folded.add("thermal.", [celsius(value) for value in values], 1.0)
    gauges = folded.gauges("temperature_celsius")
    assert gauges is not None
    gauge = gauges["thermal.zone"]
    assert gauge.last == pytest.approx(values[-1], rel=1e-8, abs=1e-9)
    assert gauge.min == pytest.approx(min(values), rel=1e-8, abs=1e-9)
    assert gauge.max == pytest.approx(max(values), rel=1e-8, abs=1e-9)
    assert gauge.mean == pytest.approx(math.fsum(values) / len(values), rel=1e-6, abs=1e-6)


def test_names_are_told_apart_and_begin_with_their_sensor(readings: Readings) -> None:
    readings.add("thermal.", [celsius(40.0, "cpu"), celsius(50.0, "gpu")], 1.0)
    readings.add("hwmon.", [celsius(60.0, "cpu")], 1.0)
    gauges = readings.gauges("temperature_celsius")
    assert gauges is not None
    assert {name: gauge.last for name, gauge in gauges.items()} == {"thermal.cpu": 40.0, "thermal.gpu": 50.0, "hwmon.cpu": 60.0}


def test_what_was_not_read_is_none_and_not_empty(readings: Readings) -> None:
    assert readings.gauges("temperature_celsius") is None
    assert readings.last("rss_bytes") is None
    assert readings.increase("cpu_seconds_total", "process.agent") is None


def test_a_gauge_does_not_outlive_its_window(readings: Readings) -> None:
    readings.add("thermal.", [celsius(40.0)], 1.0)
    readings.clear()
    assert readings.gauges("temperature_celsius") is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_no_reading(readings: Readings, value: float) -> None:
    readings.add("thermal.", [celsius(value)], 1.0)
    assert readings.gauges("temperature_celsius") is None
    readings.add("thermal.", [celsius(40.0), celsius(value)], 2.0)
    assert readings.gauges("temperature_celsius") == {"thermal.zone": Gauge(last=40.0, min=40.0, mean=40.0, max=40.0)}


def test_a_counter_that_is_no_number_is_passed_over(readings: Readings) -> None:
    readings.add("process.", [used(1.0)], 0.0)
    readings.add("process.", [used(math.nan)], 1.0)
    readings.add("process.", [used(3.0)], 2.0)
    assert readings.increase("cpu_seconds_total", "process.agent") == Increase(amount=2.0, seconds=2.0)


def test_zero_and_negative_values_are_values(readings: Readings) -> None:
    readings.add("thermal.", [celsius(0.0), celsius(-5.0)], 1.0)
    assert readings.gauges("temperature_celsius") == {"thermal.zone": Gauge(last=-5.0, min=-5.0, mean=-2.5, max=0.0)}


def test_a_metric_that_nobody_declared_is_passed_over(readings: Readings) -> None:
    readings.add("x.", [Reading(metric="unheard_of", name="x", value=1.0)], 1.0)
    assert readings.gauges("unheard_of") is None


# The last one.


def test_of_some_metrics_only_the_last_reading_counts(readings: Readings) -> None:
    for value in (10.0, 30.0, 20.0):
        readings.add("process.", [Reading(metric="rss_bytes", name="agent", value=value)], value)
    assert readings.last("rss_bytes") == {"process.agent": 20.0}
    readings.clear()
    assert readings.last("rss_bytes") is None


# Counters.


def test_a_counter_rises_by_what_lies_between_its_first_and_last_reading(readings: Readings) -> None:
    for at, value in ((1.0, 100.0), (2.0, 101.0), (3.0, 104.0)):
        readings.add("process.", [used(value)], at)
    increase = readings.increase("cpu_seconds_total", "process.agent")
    assert increase == Increase(amount=4.0, seconds=2.0)
    assert increase.per_second == 2.0


def test_a_counter_read_once_has_not_risen_by_anything_known(readings: Readings) -> None:
    readings.add("process.", [used(100.0)], 1.0)
    assert readings.increase("cpu_seconds_total", "process.agent") is None


def test_a_counter_that_stands_still_rose_by_a_measured_zero(readings: Readings) -> None:
    readings.add("process.", [used(100.0)], 1.0)
    readings.add("process.", [used(100.0)], 2.0)
    assert readings.increase("cpu_seconds_total", "process.agent") == Increase(amount=0.0, seconds=1.0)


def test_a_counter_is_compared_with_the_last_reading_of_the_window_before(readings: Readings) -> None:
    readings.add("process.", [used(1.0)], 1.0)
    readings.add("process.", [used(2.0)], 2.0)
    readings.clear()
    assert readings.increase("cpu_seconds_total", "process.agent") is None
    readings.add("process.", [used(5.0)], 3.0)
    assert readings.increase("cpu_seconds_total", "process.agent") == Increase(amount=3.0, seconds=1.0)


@given(rises=st.lists(st.lists(st.integers(0, 1000), max_size=5), min_size=1, max_size=10))
def test_the_windows_increases_add_up_to_the_counters_own(rises: list[list[int]]) -> None:
    folded = Readings(FOLDS)
    value = at = 0
    folded.add("process.", [used(value)], at)
    total = 0.0
    for window in rises:
        for rise in window:
            value, at = value + rise, at + 1
            folded.add("process.", [used(value)], at)
        increase = folded.increase("cpu_seconds_total", "process.agent")
        assert (increase is None) == (not window)
        total += increase.amount if increase else 0.0
        folded.clear()
    assert total == value


def test_a_window_without_a_reading_is_made_good_by_the_next_one(readings: Readings) -> None:
    readings.add("process.", [used(1.0)], 1.0)
    readings.clear()
    readings.clear()
    readings.add("process.", [used(4.0)], 4.0)
    assert readings.increase("cpu_seconds_total", "process.agent") == Increase(amount=3.0, seconds=3.0)


def test_a_new_process_under_an_old_name_begins_anew_even_if_it_has_used_more(readings: Readings) -> None:
    readings.add("process.", [used(1.0, instance=10)], 1.0)
    readings.clear()
    readings.add("process.", [used(50.0, instance=11)], 2.0)
    assert readings.increase("cpu_seconds_total", "process.agent") is None
    readings.add("process.", [used(51.0, instance=11)], 3.0)
    assert readings.increase("cpu_seconds_total", "process.agent") == Increase(amount=1.0, seconds=1.0)


def test_a_counter_that_went_back_begins_anew_and_never_rises_by_less_than_nothing(readings: Readings) -> None:
    for at, value in ((1.0, 100.0), (2.0, 110.0), (3.0, 5.0), (4.0, 8.0)):
        readings.add("process.", [used(value)], at)
    assert readings.increase("cpu_seconds_total", "process.agent") == Increase(amount=3.0, seconds=1.0)


def test_a_counter_that_went_back_between_two_windows_begins_anew(readings: Readings) -> None:
    readings.add("process.", [used(100.0)], 1.0)
    readings.add("process.", [used(110.0)], 2.0)
    readings.clear()
    readings.add("process.", [used(3.0)], 3.0)
    assert readings.increase("cpu_seconds_total", "process.agent") is None
    readings.clear()
    readings.add("process.", [used(7.0)], 4.0)
    assert readings.increase("cpu_seconds_total", "process.agent") == Increase(amount=4.0, seconds=1.0)


def test_two_readings_at_one_moment_have_no_rate(readings: Readings) -> None:
    readings.add("process.", [used(1.0)], 1.0)
    readings.add("process.", [used(2.0)], 1.0)
    assert readings.increase("cpu_seconds_total", "process.agent") is None


# Digits.


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_tidying_keeps_nine_significant_digits_down_to_a_billionth(value: float) -> None:
    assert tidy(value) == pytest.approx(value, rel=1e-8, abs=1e-9)
    assert tidy(tidy(value)) == tidy(value)


def test_tidying_removes_the_noise_of_floats() -> None:
    assert tidy(0.1 + 0.2) == 0.3
