from __future__ import annotations

import pytest

from agent.core.choice import Choice, Deadline, Enabled, Pace, Threads
from agent.core.units import Hertz, Seconds


@pytest.mark.parametrize(("written", "value"), [("auto", None), (True, True), (False, False)])
def test_enabled_is_one_of_three(written: object, value: object) -> None:
    assert Enabled.parse(written).value is value


@pytest.mark.parametrize("written", ["maybe", "true", "AUTO", "", 1, 0, None, 1.0, []])
def test_enabled_is_nothing_else(written: object) -> None:
    with pytest.raises(ValueError, match='is not "auto", true or false'):
        Enabled.parse(written)


def test_false_is_a_value_and_not_the_word() -> None:
    assert Enabled(False).written() is False
    assert Enabled().written() == "auto"


@pytest.mark.parametrize(("written", "value"), [("auto", None), (1, 1), (4, 4), (1024, 1024), ("4", 4)])
def test_threads_are_a_number_or_auto(written: object, value: int | None) -> None:
    assert Threads.parse(written).value == value


@pytest.mark.parametrize("written", [0, -1, 1025, True, False, 2.0, "two", "", "-1", "²", "1.5", None, 10**30, "9" * 5000])
def test_a_number_of_threads_that_cannot_be_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Threads.parse(written)


@pytest.mark.parametrize(
    ("written", "value"),
    [("sustained", None), ("30 Hz", Hertz(30)), ("0.1 mHz", Hertz(1e-4)), ("100 kHz", Hertz(1e5)), ("2kHz", Hertz(2000))],
)
def test_pace_is_sustained_or_a_rate(written: str, value: Hertz | None) -> None:
    assert Pace.parse(written).value == value


@pytest.mark.parametrize("written", ["0 Hz", "0.01 mHz", "1 MHz"])
def test_a_rate_that_cannot_be_kept_is_refused_with_the_range(written: str) -> None:
    with pytest.raises(ValueError, match=r"is not between 0\.1 mHz and 100 kHz"):
        Pace.parse(written)


@pytest.mark.parametrize("written", ["30", 30, "30 Hx", "fast", True, None])
def test_a_wrong_pace_is_told_of_the_word_too(written: object) -> None:
    with pytest.raises(ValueError, match=r'\(or "sustained"\)'):
        Pace.parse(written)


@pytest.mark.parametrize(("written", "value"), [("none", None), ("33 ms", Seconds(0.033)), (2, Seconds(2)), ("1 min", Seconds(60))])
def test_a_deadline_is_none_or_a_duration(written: object, value: Seconds | None) -> None:
    assert Deadline.parse(written).value == value


@pytest.mark.parametrize("written", ["0 s", 0, -1, "soon", "33 Hz", True, None])
def test_a_deadline_that_cannot_be_met_or_read_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Deadline.parse(written)


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (Threads(), "auto"),
        (Threads(3), 3),
        (Pace(), "sustained"),
        (Pace(Hertz(30)), "30 Hz"),
        (Deadline(), "none"),
        (Deadline(Seconds(0.033)), "33 ms"),
        (Enabled(True), True),
    ],
)
def test_a_choice_is_written_as_it_is_read(choice: Choice[object], written: object) -> None:
    assert choice.written() == written
    assert type(choice).parse(written) == choice  # type: ignore[attr-defined]
    assert repr(choice) == f"{type(choice).__name__}({written!r})"


def test_choices_are_compared_by_key_and_value() -> None:
    assert Threads(2) == Threads(2)
    assert hash(Threads(2)) == hash(Threads(2))
    assert Threads(2) != Threads(3)
    assert Threads(2) != Threads()
    assert Pace() != Deadline()
    assert Threads(2) != 2
