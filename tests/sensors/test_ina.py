"""What the tables of all power monitors have in common, and how their averaging is chosen."""

from __future__ import annotations

import functools
import math

import pytest
from _inabench import KINDS, Bench, parse
from hypothesis import given
from hypothesis import strategies as st

from agent.core import configfile
from agent.core.errors import ConfigError
from agent.core.units import Amperes, Ohms, Seconds
from agent.sensors import _ina

ALL = tuple(KINDS)
CONVERSIONS = (140, 204, 332, 588, 1100, 2116, 4156, 8244)


@functools.cache
def choices(channels: int = 1) -> list[_ina.Timing]:
    return list(_ina.timings(CONVERSIONS, bus_bit=6, shunt_bit=3, averaging_bit=9, channels=channels))


def by_bits(bits: int, channels: int = 1) -> _ina.Timing:
    return next(choice for choice in choices(channels) if choice.bits == bits)


# Timing.


@pytest.mark.parametrize(
    ("bits", "microseconds"),
    [
        (0x4127 & 0x0FF8, 2200),  # after power-up: 1100 + 1100, once
        (1 << 9 | 3 << 6 | 3 << 3, 4704),  # (588 + 588) x 4
        (0, 280),  # the fastest
        (0x0FF8, 16_883_712),  # the slowest: (8244 + 8244) x 1024
    ],
)
def test_a_result_takes_as_long_as_its_conversions(bits: int, microseconds: int) -> None:
    assert by_bits(bits).span_microseconds == microseconds
    assert by_bits(bits, channels=3).span_microseconds == 3 * microseconds


def test_every_combination_is_a_choice_and_has_its_own_bits() -> None:
    assert len({choice.bits for choice in choices()}) == len(choices()) == 8 * 8 * 8


@pytest.mark.parametrize(
    ("period", "bits", "microseconds"),
    [
        (0.1, 4 << 9 | 0 << 6 | 3 << 3, 93_184),  # (140 + 588) x 128
        (0.001, 0 << 9 | 2 << 6 | 3 << 3, 920),  # (332 + 588) x 1: a thousand a second
        (1.0, 7 << 9 | 2 << 6 | 3 << 3, 942_080),  # (332 + 588) x 1024
        (0.0022, 0x0120, 2200),  # exactly the period
        (3600.0, 0x0FF8, 16_883_712),  # no longer one exists
    ],
)
def test_auto_takes_the_longest_result_that_the_period_holds(period: float, bits: int, microseconds: int) -> None:
    timing = _ina.fit(choices(), Seconds(period), "auto")
    assert (timing.bits, timing.span_microseconds) == (bits, microseconds)
    assert timing.span_seconds == microseconds / 1e6


@given(period=st.floats(0.001, 30.0), channels=st.integers(1, 3))
def test_auto_leaves_no_longer_result_unused(period: float, channels: int) -> None:
    timing = _ina.fit(choices(channels), Seconds(period), "auto")
    rounded = round(period * 1e6)
    better = [c for c in choices(channels) if timing.span_microseconds < c.span_microseconds <= rounded]
    assert not better
    assert timing.span_microseconds <= rounded


@given(period=st.floats(0.001, 30.0), averaging=st.sampled_from(_ina.AVERAGES))
def test_a_number_of_conversions_is_kept_and_their_time_is_chosen(period: float, averaging: int) -> None:
    timing = _ina.fit(choices(), Seconds(period), averaging)
    assert timing.averaging == averaging
    assert timing.span_microseconds <= max(round(period * 1e6), 280 * averaging)


def test_of_equal_results_the_one_with_more_time_for_the_shunt_is_taken() -> None:
    timing = _ina.fit(choices(), Seconds(0.1), "auto")
    assert timing.shunt_microseconds == 588 * 128


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("period", ["10 ms", "100 ms", "1 s"])
def test_a_chip_covers_most_of_the_period_by_itself(kind: str, period: str) -> None:
    bench = Bench(kind, {"period": period})
    bench.find()
    covered = bench.span_seconds / float(bench.config.period)
    # An INA219 cannot average longer than 136.2 ms.
    assert (0.8 if bench.config.period < 0.5 or kind != "ina219" else 0.13) < covered <= 1.0


@pytest.mark.parametrize("kind", ALL)
def test_a_thousand_readings_a_second_are_possible(kind: str) -> None:
    bench = Bench(kind, {"period": "1 ms"})
    monitor = bench.find()
    readings = 0
    for _ in range(500):
        bench.hand.advance(0.001)
        readings += bool(monitor.read().readings)
    assert readings == 500
    # One transfer each, and one for each check of a second.
    assert bench.wire.transfers <= 503


# Tables.


@pytest.mark.parametrize("kind", ALL)
def test_a_table_may_be_empty(kind: str) -> None:
    config = parse(kind, {})
    assert (config.bus, config.address, config.rail, config.averaging) == ("/dev/i2c-1", 0x40, "vin", "auto")
    assert config.period == 0.1


def test_a_table_is_read_as_the_manual_writes_it() -> None:
    config = parse(
        "ina226",
        {
            "bus": "/dev/i2c-1",
            "address": 0x40,
            "shunt": "0.01 ohm",
            "max_current": "8 A",
            "averaging": "auto",
            "rail": "vin",
            "period": "100 ms",
        },
    )
    assert (config.shunt, config.max_current) == (0.01, 8.0)
    assert config == parse("ina226", {})


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("address", [0x3F, 0x50, 0, -1, 128, "0x40", 64.5, True])
def test_an_address_that_no_such_chip_can_have_is_refused(kind: str, address: object) -> None:
    with pytest.raises(ConfigError, match=rf"sensors\.{kind}\[0\]\.address"):
        parse(kind, {"address": address})


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("averaging", [0, 3, 5, 1025, "4", "automatic", "", True, 4.0])
def test_an_averaging_that_the_chip_has_not_is_refused(kind: str, averaging: object) -> None:
    with pytest.raises(ConfigError, match=r"averaging|int \| str"):
        parse(kind, {"averaging": averaging})


def test_a_refused_averaging_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match='averaging 32 is neither "auto" nor one of 1, 4, 16, 64, 128, 256, 512, 1024'):
        parse("ina226", {"averaging": 32})
    assert parse("ina219", {"averaging": 32}).averaging == 32


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("rail", ["", "a b", "ä", "vin\n", "x" * 49, "/"])
def test_a_rail_that_cannot_be_part_of_a_name_is_refused(kind: str, rail: str) -> None:
    with pytest.raises(ConfigError, match=rf"sensors\.{kind}\[0\]\.rail"):
        parse(kind, {"rail": rail})


@pytest.mark.parametrize("key", ["shunt", "max_current"])
@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("value", ["0 ohm", "0 A", "-1 A", "8", 8, "8 V", "inf ohm", True])
def test_a_shunt_and_a_current_are_positive_and_have_their_unit(kind: str, key: str, value: object) -> None:
    with pytest.raises(ConfigError):
        parse(kind, {key: value})


@pytest.mark.parametrize(
    ("kind", "table", "limit"),
    [
        ("ina226", {"shunt": "0.1 ohm", "max_current": "0.82 A"}, "the 0.8192 A at which a shunt of 0.1 ohm reaches the 81.92 mV"),
        ("ina226", {"max_current": "8.2 A"}, "the 8.192 A at which a shunt of 10 mohm reaches the 81.92 mV"),
        ("ina219", {"shunt": "0.1 ohm", "max_current": "3.3 A"}, "the 3.2 A at which a shunt of 0.1 ohm reaches the 320 mV"),
        ("ina228", {"max_current": "17 A"}, "the 16.38 A at which a shunt of 10 mohm reaches the 163.84 mV"),
        ("ina238", {"max_current": "17 A"}, "the 16.38 A at which a shunt of 10 mohm reaches the 163.84 mV"),
        ("ina3221", {"max_current": "17 A"}, "the 16.38 A at which a shunt of 10 mohm reaches the 163.8 mV"),
        ("ina260", {"max_current": "41 A"}, "the 40.96 A at which a shunt of 2 mohm reaches the 81.92 mV"),
    ],
)
def test_a_current_beyond_the_shunts_full_scale_is_refused_with_the_number(kind: str, table: dict[str, str], limit: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(kind, table)
    assert limit in str(refused.value)
    assert str(refused.value).startswith(f"sensors.{kind}[0]: max_current")


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("ina226", {"shunt": "0.1 ohm", "max_current": "0.8192 A"}),
        ("ina226", {"max_current": "8.192 A"}),
        ("ina219", {"shunt": "0.1 ohm", "max_current": "3.2 A"}),
        ("ina228", {"max_current": "16.384 A"}),
        ("ina3221", {"max_current": "16.38 A"}),
    ],
)
def test_a_current_at_the_shunts_full_scale_is_taken(kind: str, table: dict[str, str]) -> None:
    assert parse(kind, table).max_current > 0


@pytest.mark.parametrize("kind", ALL)
def test_a_period_is_checked_like_that_of_every_sensor(kind: str) -> None:
    with pytest.raises(ConfigError, match="between 1 ms and 1 h"):
        parse(kind, {"period": "0 s"})


@pytest.mark.parametrize("kind", ALL)
def test_what_a_table_says_is_written_back_as_it_is_read(kind: str) -> None:
    config = parse(kind, {})
    assert parse(kind, {key: value for key, value in configfile.plain(config).items() if key != "enabled"}) == config


# The units.


@pytest.mark.parametrize(
    ("written", "ohms"),
    [("0.01 ohm", 0.01), ("10 mohm", 0.01), ("0.1ohm", 0.1), ("500 uohm", 0.0005), ("10 mΩ", 0.01), ("2 Ω", 2.0)],
)
def test_a_resistance_is_read_with_its_unit(written: str, ohms: float) -> None:
    assert Ohms.parse(written) == pytest.approx(ohms, rel=1e-12)


@pytest.mark.parametrize(("written", "amperes"), [("8 A", 8.0), ("819.2 mA", 0.8192), ("50uA", 5e-5)])
def test_a_current_is_read_with_its_unit(written: str, amperes: float) -> None:
    assert Amperes.parse(written) == pytest.approx(amperes, rel=1e-12)


@given(number=st.floats(1e-6, 1e6))
def test_ohms_and_amperes_are_read_back_as_they_are_written(number: float) -> None:
    assert math.isclose(Ohms.parse(str(Ohms(number))), number, rel_tol=1e-8)
    assert math.isclose(Amperes.parse(str(Amperes(number))), number, rel_tol=1e-8)


def test_milliohms_are_never_taken_for_megohms_or_ohms() -> None:
    with pytest.raises(ValueError, match='did you mean "10 mohm"'):
        Ohms.parse("10 mOhm")
    with pytest.raises(ValueError, match=r"has no unit; write it like '0\.01 ohm'"):
        Ohms.parse("10")
