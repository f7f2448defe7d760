from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.analysis.firmware import fold
from agent.core.message import Firmware

WORDS = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=12)
KNOWN = st.lists(st.integers(0, 15).flatmap(lambda now: st.integers(0, 15).map(lambda was: now | (was | now) << 16)), min_size=1)


def test_without_words_nothing_is_said() -> None:
    assert fold([]) is None
    assert fold([], before=0x50005, recent_before=1) is None


def test_a_calm_window_says_that_nothing_is_and_nothing_was() -> None:
    assert fold([0, 0, 0]) == Firmware(now=(), since_boot=(), edges={}, raw="0x0")


def test_the_bits_are_now_and_since_boot() -> None:
    folded = fold([0xF000F])
    every = ("under_voltage", "frequency_capped", "throttled", "soft_temp_limit")
    assert folded == Firmware(now=every, since_boot=every, edges={}, raw="0xf000f")
    for bit, name in enumerate(every):
        assert fold([1 << bit]) == Firmware(now=(name,), since_boot=(), edges={}, raw=f"{1 << bit:#x}")
        assert fold([1 << bit + 16]) == Firmware(now=(), since_boot=(name,), edges={}, raw=f"{1 << bit + 16:#x}")


def test_the_published_episode_of_a_pi_4_is_one_event_of_each_kind() -> None:
    """81.8 degrees 0x80000, 82.7 degrees 0xe0008, 80.3 degrees and 1.3 GHz 0xe0000: the bits of now are clear while it is slow.

    A soft limit on a board to which the documentation gives none: bits are decoded whatever the board.
    """
    words = [0x80000, 0xE0008, 0xE0000]
    assert fold(words) == Firmware(
        now=("soft_temp_limit",),
        since_boot=("frequency_capped", "throttled", "soft_temp_limit"),
        edges={"frequency_capped": 1, "throttled": 1, "soft_temp_limit": 1},
        raw="0xe0000",
    )
    # The same, cut into windows of one word each.
    assert [folded.edges for word, before in zip(words, [None, *words], strict=False) if (folded := fold([word], before))] == [
        {},
        {"frequency_capped": 1, "throttled": 1, "soft_temp_limit": 1},
        {},
    ]


def test_what_was_so_before_the_first_word_is_no_rise() -> None:
    assert fold([0x50005, 0x50005]) == Firmware(
        now=("under_voltage", "throttled"), since_boot=("under_voltage", "throttled"), edges={}, raw="0x50005"
    )


def test_a_rise_at_the_border_of_two_windows_is_counted_in_the_later_one() -> None:
    folded = fold([0x50005], before=0x0)
    assert folded is not None
    assert folded.edges == {"under_voltage": 1, "throttled": 1}


def test_each_time_a_bit_flaps_is_counted() -> None:
    folded = fold([0x50000, 0x50005, 0x50000, 0x50005, 0x50005, 0x50001, 0x50000], before=0x50000)
    assert folded is not None
    assert folded.edges == {"under_voltage": 2, "throttled": 2}
    assert folded.now == ("under_voltage", "throttled")


@pytest.mark.parametrize(
    ("words", "count"),
    [
        ([0x0, 0x10000], 1),  # between two looks
        ([0x0, 0x10001], 1),  # both bits at once are one event
        ([0x0, 0x1, 0x10000], 1),  # the bit since boot comes a moment later
        ([0x0, 0x1, 0x10001, 0x10000], 1),
        ([0x0, 0x10000, 0x10001], 2),  # one between two looks, another seen
        ([0x0, 0x10000, 0x0, 0x10000], 2),  # somebody cleared it with a mask
        ([0x10001, 0x10000, 0x10001], 1),
    ],
)
def test_an_event_is_counted_once_whichever_of_its_bits_was_seen(words: list[int], count: int) -> None:
    folded = fold(words)
    assert folded is not None
    assert folded.edges == {"under_voltage": count}


def test_bits_that_nobody_has_described_are_called_by_their_number() -> None:
    assert fold([0x0, 0x80100010]) == Firmware(
        now=("bit_4",), since_boot=("bit_20", "bit_31"), edges={"bit_4": 1, "bit_20": 1, "bit_31": 1}, raw="0x80100010"
    )


# What the kernel saw in its last two seconds.


def test_a_dip_that_only_the_kernel_saw_is_there() -> None:
    """After the first event of a boot the bit since boot carries no news, and a dip is shorter than our period."""
    assert fold([0x50000] * 4, before=0x50000, recent=[0, 1, 1, 0], recent_before=0) == Firmware(
        now=("under_voltage",), since_boot=("under_voltage", "throttled"), edges={"under_voltage": 1}, raw="0x50000"
    )


@pytest.mark.parametrize(("recent", "count"), [([0, 1], 1), ([0, 0], 1), ([0, 1, 0, 1], 2)])
def test_an_event_that_both_saw_is_one(recent: list[int], count: int) -> None:
    folded = fold([0x0, 0x10001], recent=recent)
    assert folded is not None
    assert folded.edges == {"under_voltage": count}


def test_where_only_the_kernel_can_be_asked_nothing_is_said_of_the_time_since_boot() -> None:
    assert fold([], recent=[0, 0b1001], recent_before=0) == Firmware(
        now=("under_voltage", "soft_temp_limit"), edges={"under_voltage": 1, "soft_temp_limit": 1}
    )
    assert fold([], recent=[0]) == Firmware(now=(), edges={})


# In general.


@given(words=WORDS, before=st.none() | st.integers(0, 2**32 - 1))
def test_every_bit_of_every_word_is_told_somewhere(words: list[int], before: int | None) -> None:
    folded = fold(words, before)
    assert folded is not None
    assert folded.raw == f"{words[-1]:#x}"
    low = 0
    for word in words:
        low |= word & 0xFFFF
    assert len(folded.now or ()) == low.bit_count()
    assert len(folded.since_boot or ()) == (words[-1] >> 16).bit_count()
    pairs = len(words) - (before is None)
    assert all(0 < count <= pairs for count in (folded.edges or {}).values())


@given(words=KNOWN, cut=st.integers(0, 20))
def test_windows_count_together_what_one_long_window_counts(words: list[int], cut: int) -> None:
    whole = fold(words)
    first, second = words[:cut], words[cut:]
    parts = [fold(first), fold(second, first[-1] if first else None)]
    assert whole is not None
    for name in ("under_voltage", "frequency_capped", "throttled", "soft_temp_limit"):
        assert (whole.edges or {}).get(name, 0) == sum((part.edges or {}).get(name, 0) for part in parts if part)
