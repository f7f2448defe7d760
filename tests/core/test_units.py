from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.units import Bytes, Hertz, Quantity, Seconds

KINDS = (Seconds, Hertz, Bytes)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("30", 30.0),
        ("30s", 30.0),
        ("30 s", 30.0),
        ("  30   s  ", 30.0),
        ("33 ms", 0.033),
        ("250us", 0.00025),
        ("10m", 600.0),
        ("5 min", 300.0),
        ("1.5 h", 5400.0),
        ("2 d", 172_800.0),
        (".5 s", 0.5),
        ("5. s", 5.0),
        ("1e3 ms", 1.0),
        ("+4 s", 4.0),
        ("0", 0.0),
        (30, 30.0),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read_as_people_write_it(written: object, seconds: float) -> None:
    assert Seconds.parse(written) == pytest.approx(seconds, rel=1e-12)


@pytest.mark.parametrize(
    ("written", "hertz"),
    [("30 Hz", 30.0), ("1.5kHz", 1500.0), ("2400 MHz", 2.4e9), ("2.4 GHz", 2.4e9), ("100 mHz", 0.1)],
)
def test_a_rate_is_read_with_its_unit(written: str, hertz: float) -> None:
    assert Hertz.parse(written) == pytest.approx(hertz, rel=1e-12)


@pytest.mark.parametrize(
    ("written", "size"),
    [("100 MB", 100e6), ("64 KiB", 65_536.0), ("1 GiB", 2.0**30), ("2MiB", 2.0**21), ("5 kB", 5000.0), ("7", 7.0), ("3 GB", 3e9)],
)
def test_decimal_and_binary_sizes_are_told_apart(written: str, size: float) -> None:
    assert Bytes.parse(written) == size


def test_milli_and_mega_are_told_apart_by_case_alone() -> None:
    assert Hertz.parse("1 mHz") == 0.001
    assert Hertz.parse("1 MHz") == 1_000_000.0


@pytest.mark.parametrize("written", ["30", 30, 30.0])
def test_a_rate_without_a_unit_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="has no unit; write it like '30 Hz'"):
        Hertz.parse(written)


@pytest.mark.parametrize(
    ("kind", "written", "meant"),
    [
        (Hertz, "30 Hx", "30 Hz"),
        (Hertz, "30 hz", "30 Hz"),
        (Seconds, "10 sec", "10 s"),
        (Seconds, "5 minutes", "5 min"),
        (Seconds, "33 msec", "33 ms"),
        (Seconds, "1 hour", "1 h"),
        (Bytes, "100 Mb", "100 MB"),
    ],
)
def test_a_wrong_unit_is_answered_with_the_one_that_was_meant(kind: type[Quantity], written: str, meant: str) -> None:
    with pytest.raises(ValueError, match=f'did you mean "{meant}"'):
        kind.parse(written)


def test_a_unit_that_resembles_none_is_answered_with_all_of_them() -> None:
    with pytest.raises(ValueError, match="units are Hz, kHz, MHz, GHz, mHz"):
        Hertz.parse("30 pigs")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "written",
    [
        "",
        "   ",
        "fast",
        "s",
        "--3 s",
        "3,5 s",
        "3 s s",
        "1 2 s",
        "0x10 s",
        "1_000 s",
        "nan s",
        "inf",
        None,
        [],
        {},
        True,
        False,
        b"3",
    ],
)
def test_what_is_no_number_is_refused(kind: type[Quantity], written: object) -> None:
    with pytest.raises(ValueError, match="is not a"):
        kind.parse(written)


@pytest.mark.parametrize("written", ["-1 s", -1, -0.5, math.nan, math.inf, -math.inf, "1e999 s"])
def test_a_duration_is_finite_and_not_negative(written: object) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        Seconds.parse(written)


@pytest.mark.parametrize("written", ["1e308 d", "1e308 h"])
def test_a_duration_that_is_only_finite_in_its_own_unit_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        Seconds.parse(written)


def test_a_whole_number_beyond_every_float_is_refused() -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        Seconds.parse(10**400)


@given(
    kind=st.sampled_from(KINDS), written=st.one_of(st.text(), st.from_regex(r"\s*[-+]?\d{1,5}\.?\d{0,5}(e\d{1,2})?\s*\w{0,3}\s*"))
)
def test_any_text_is_a_finite_value_or_an_error(kind: type[Quantity], written: str) -> None:
    try:
        value = kind.parse(written)
    except ValueError:
        return
    assert isinstance(value, kind)
    assert math.isfinite(value)
    assert value >= 0


@given(
    kind=st.sampled_from(KINDS),
    written=st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.binary(), st.dates(), st.lists(st.integers()), st.just({"s": 1})
    ),
)
def test_any_other_value_is_a_finite_value_or_an_error(kind: type[Quantity], written: object) -> None:
    try:
        value = kind.parse(written)
    except ValueError:
        return
    assert math.isfinite(value)


@given(kind=st.sampled_from(KINDS), number=st.one_of(st.just(0.0), st.floats(min_value=1e-12, max_value=1e18)))
def test_what_is_written_is_read_back(kind: type[Quantity], number: float) -> None:
    assert kind.parse(str(kind(number))) == pytest.approx(number, rel=1e-8)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (Seconds(0), "0 s"),
        (Seconds(60), "1 min"),
        (Seconds(300), "5 min"),
        (Seconds(90), "90 s"),
        (Seconds(0.033), "33 ms"),
        (Seconds(0.5), "0.5 s"),
        (Seconds(3600), "1 h"),
        (Bytes(100e6), "100 MB"),
        (Bytes(65536), "64 KiB"),
        (Hertz(30), "30 Hz"),
        (Hertz(1e-4), "0.1 mHz"),
    ],
)
def test_a_value_is_written_in_the_unit_that_keeps_it_short(value: Quantity, written: str) -> None:
    assert str(value) == written


def test_a_value_counts_in_its_base_unit() -> None:
    assert 1 / Hertz.parse("50 Hz") == pytest.approx(Seconds.parse("20 ms"))
