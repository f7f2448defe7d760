from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planting import refusing

from agent.core.errors import Absent
from agent.core.record import Fault, Reading
from agent.core.tree import Tree
from agent.sensors._channel import Channel, Channels, Counter, is_off

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Gate = Callable[[Path], None]

VOLTAGE = Channel(metric="voltage_volts", name="rail", files=("mv",), per_unit=1000)
CURRENT = Channel(metric="current_amperes", name="rail", files=("ma",), per_unit=1000)
POWER = Channel(metric="power_watts", name="rail", files=("mv", "ma"), per_unit=1_000_000)
ENERGY = Channel(metric="energy_joules_total", name="rail", files=("uj",), per_unit=1_000_000, wraps_at=1_000_000_000)
HEAT = Channel(metric="temperature_celsius", name="chip", files=("t",), per_unit=1000, placeholders=frozenset({-256_000}))


def test_the_unit_is_changed_once_and_a_product_is_of_the_numbers_shown_beside_it(plant: Plant) -> None:
    reads = Channels(plant({"mv": "12040\n", "ma": "640\n"}), (POWER, VOLTAGE, CURRENT)).read()
    assert {reading.metric: reading.value for reading in reads.readings} == {
        "power_watts": 7.7056,
        "voltage_volts": 12.04,
        "current_amperes": 0.64,
    }


def test_each_file_is_read_once(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = plant({"mv": "5000", "ma": "1"})
    channels = Channels(tree, (POWER, VOLTAGE, CURRENT))
    opened = []
    really = Tree.integer
    monkeypatch.setattr(Tree, "integer", lambda self, path: opened.append(path) or really(self, path))
    channels.read()
    assert sorted(opened) == ["ma", "mv"]


def test_negative_power_is_a_value_and_so_is_zero(plant: Plant) -> None:
    tree = plant({"mv": "5000", "ma": "-80"})
    assert Channels(tree, (POWER,)).read().readings == (Reading(metric="power_watts", name="rail", value=-0.4),)
    plant({"ma": "0"})
    assert Channels(tree, (POWER,)).read().readings[0].value == 0


def test_one_name_that_fails_in_several_ways_is_one_fault(plant: Plant) -> None:
    reads = Channels(plant({"ma": "1"}), (POWER, VOLTAGE, CURRENT)).read()
    assert [reading.metric for reading in reads.readings] == ["current_amperes"]
    assert [fault.name for fault in reads.faults] == ["rail"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"12.5\n", "not a number"),
        (b"\xff\x80", "not text"),
        (b"5" * 1_000_000, "more than 65536 bytes"),
        (b"1000001\n", "implausible 1000 volts"),
        (b"-99999999999\n", "implausible -1e+08 volts"),
    ],
    ids=["empty", "fraction", "binary", "a megabyte", "high", "low"],
)
def test_what_cannot_be_is_a_fault(plant: Plant, content: bytes, reason: str) -> None:
    reads = Channels(plant({"mv": content, "ma": "1"}), (VOLTAGE, CURRENT)).read()
    assert reads.faults == (Fault(name="rail", reason=reason),)
    assert [reading.metric for reading in reads.readings] == ["current_amperes"]


@pytest.mark.parametrize("content", ["0", "-40001", "150001", "-650788984"])
def test_no_chip_has_that_temperature(plant: Plant, content: str) -> None:
    reads = Channels(plant({"t": content}), (HEAT,)).read()
    assert reads.readings == ()
    assert reads.faults[0].reason.startswith("implausible")


def test_a_placeholder_is_absent_and_no_fault(plant: Plant) -> None:
    reads = Channels(plant({"t": "-256000"}), (HEAT,)).read()
    assert (reads.readings, reads.faults) == ((), ())


def test_what_is_switched_off_is_absent_and_what_stops_answering_is_a_fault(plant: Plant) -> None:
    tree = plant({"mv": "5000", "ma": "1"})
    channels = Channels(tree, (VOLTAGE, CURRENT))
    with refusing({tree.path("mv"): errno.ENODATA}):
        assert channels.read().faults == ()
    assert len(channels.read().readings) == 2
    with refusing({tree.path("mv"): errno.ENODATA}):
        assert channels.read().faults[0].reason.startswith("ENODATA")


def test_what_has_no_power_is_absent_as_often_as_it_likes(plant: Plant, gate: Gate) -> None:
    tree = plant({"mv": "5000", "ma": "1"})
    channels = Channels(tree, (VOLTAGE, CURRENT))
    channels.read()
    gate(tree.path("mv"))
    reads = channels.read()
    assert ([reading.metric for reading in reads.readings], reads.faults) == (["current_amperes"], ())


@pytest.mark.parametrize(
    ("name", "at_first", "later"),
    [
        ("EAGAIN", True, True),
        ("ENETDOWN", True, True),
        ("ENODATA", True, False),
        ("EINVAL", True, False),
        ("EIO", False, False),
        ("EACCES", False, False),
        ("ETIMEDOUT", False, False),
        ("implausible", False, False),
    ],
)
def test_what_an_errors_name_says(name: str, *, at_first: bool, later: bool) -> None:
    assert is_off(f"{name} (words)", has_answered=False) is at_first
    assert is_off(f"{name} (words)", has_answered=True) is later


def test_channels_that_come_and_go_as_one_are_gone_when_all_their_files_are(plant: Plant) -> None:
    tree = plant({"mv": "1", "ma": "1"})
    apart, as_one = Channels(tree, (VOLTAGE, CURRENT)), Channels(tree, (VOLTAGE, CURRENT), as_one=True)
    tree.path("mv").unlink()
    assert len(as_one.read().readings) == 1
    assert as_one.gone == 1
    tree.path("ma").unlink()
    assert [fault.name for fault in apart.read().faults] == ["rail"]
    with pytest.raises(Absent, match="gone"):
        as_one.read()


# Counters.


def joules(channels: Channels) -> float:
    (reading,) = channels.read().readings
    return reading.value


def test_a_counter_that_wraps_goes_on_and_one_that_began_anew_loses_nothing_it_had(plant: Plant) -> None:
    tree = plant({"uj": "999000000"})
    channels = Channels(tree, (ENERGY,))
    assert joules(channels) == 999.0
    plant({"uj": "500000"})
    assert joules(channels) == 1000.5
    plant({"uj": "100500000"})
    assert joules(channels) == 1100.5
    plant({"uj": "0"})  # reset: a wrap would have been a rise of 899.5 J
    assert joules(channels) == 1100.5
    plant({"uj": "2000000"})
    assert joules(channels) == 1102.5


def test_a_counter_that_was_unreadable_for_a_while_counts_on(plant: Plant) -> None:
    tree = plant({"uj": "1000000"})
    channels = Channels(tree, (ENERGY,))
    joules(channels)
    plant({"uj": "garbage"})
    assert channels.read().readings == ()
    plant({"uj": "3000000"})
    assert joules(channels) == 3.0


@pytest.mark.parametrize("content", ["-1", "99999999999999999999"])
def test_what_no_counter_shows_is_not_counted(plant: Plant, content: str) -> None:
    tree = plant({"uj": "1000000"})
    channels = Channels(tree, (ENERGY,))
    joules(channels)
    plant({"uj": content})
    assert channels.read().faults[0].reason.startswith("implausible")
    plant({"uj": "1000001"})
    assert joules(channels) == 1.000001


@given(rises=st.lists(st.integers(0, 499_999), max_size=50), begin=st.integers(0, 999_999))
def test_rises_below_half_the_range_are_never_lost(rises: list[int], begin: int) -> None:
    counter = Counter(wraps_at=1_000_000, total=begin, last=begin)
    total = begin
    for rise in rises:
        total += rise
        assert counter.continued(total % 1_000_000) == total


@given(counts=st.lists(st.integers(0, 2**40), max_size=50), wraps_at=st.sampled_from([0, 2**32, 2**40]))
def test_a_total_never_goes_back(counts: list[int], wraps_at: int) -> None:
    counter = Counter(wraps_at=wraps_at, total=0, last=0)
    totals = [counter.continued(count) for count in counts]
    assert totals == sorted(totals)


@given(content=st.binary(max_size=12))
def test_any_content_is_a_plausible_value_or_a_fault_or_absent(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.getbasetemp() / "any-channel"
    root.mkdir(exist_ok=True)
    for file in ("t", "mv", "uj"):
        (root / file).write_bytes(content)
    reads = Channels(Tree(root), (HEAT, VOLTAGE, ENERGY)).read()
    limits = {"temperature_celsius": (-40, 150), "voltage_volts": (-1000, 1000), "energy_joules_total": (0, 1e12)}
    assert len(reads.readings) + len(reads.faults) <= 3
    for reading in reads.readings:
        lowest, highest = limits[reading.metric]
        assert lowest <= reading.value <= highest
