from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.core.errors import Absent
from agent.core.record import Label
from agent.core.sensor import Surroundings
from agent.sensors import cpufreq

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.record import Reads
    from agent.core.tree import Tree

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Gate = Callable[[Path], None]

FOLDER = "sys/devices/system/cpu/cpufreq"


def policy(number: int, kilohertz: str | bytes = "1500000\n", governor: str | bytes = "ondemand\n") -> dict[str, str | bytes]:
    return {f"{FOLDER}/policy{number}/scaling_cur_freq": kilohertz, f"{FOLDER}/policy{number}/scaling_governor": governor}


def find(tree: Tree, *, measured: bool = False) -> cpufreq.CpuClocks:
    return cpufreq.find(cpufreq.Config(), Surroundings(board=tree, machine=tree, clock_is_measured=measured))


def clocks(reads: Reads) -> dict[str, float]:
    return {reading.name: reading.value for reading in reads.readings}


def test_kilohertz_become_hertz_for_every_frequency_domain(plant: Plant) -> None:
    reads = find(plant({**policy(0), **policy(4, "2400000"), **policy(10, "600000")})).read()
    assert clocks(reads) == {"policy0": 1.5e9, "policy4": 2.4e9, "policy10": 6e8}


@pytest.mark.parametrize(("measured", "metric"), [(True, "frequency_hertz"), (False, "requested_frequency_hertz")])
def test_a_clock_that_was_only_asked_for_is_not_called_a_measured_one(plant: Plant, metric: str, *, measured: bool) -> None:
    reads = find(plant(policy(0)), measured=measured).read()
    assert [reading.metric for reading in reads.readings] == [metric]


def test_a_board_without_frequency_scaling_has_no_such_sensor(plant: Plant) -> None:
    for files in ({}, {f"{FOLDER}/ondemand/up_threshold": "95"}):
        with pytest.raises(Absent, match="no CPU frequency scaling"):
            find(plant(dict(files)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<unknown>\n", "not a number"),
        (b"\xff\xfe", "not text"),
        (b"1" * 1_000_000, "more than 65536 bytes"),
        (b"0\n", "implausible 0 kHz"),
        (b"-1\n", "implausible -1 kHz"),
    ],
    ids=["empty", "unknown", "binary", "a megabyte", "zero", "negative"],
)
def test_a_bad_clock_is_a_fault_of_its_own_domain_alone(plant: Plant, content: bytes, reason: str) -> None:
    reads = find(plant({**policy(0, content), **policy(4)})).read()
    assert clocks(reads) == {"policy4": 1.5e9}
    assert {fault.name: fault.reason for fault in reads.faults} == {"policy0": reason}


def test_a_domain_that_vanishes_is_a_fault_of_its_own(plant: Plant) -> None:
    tree = plant({**policy(0), **policy(4)})
    found = find(tree)
    tree.path(f"{FOLDER}/policy4/scaling_cur_freq").unlink()
    reads = found.read()
    assert clocks(reads) == {"policy0": 1.5e9}
    assert [fault.name for fault in reads.faults] == ["policy4"]
    plant(policy(4))
    assert set(clocks(found.read())) == {"policy0", "policy4"}


def test_a_domain_without_power_is_a_fault_of_its_own(plant: Plant, gate: Gate) -> None:
    tree = plant({**policy(0), **policy(4)})
    gate(tree.path(f"{FOLDER}/policy4/scaling_cur_freq"))
    reads = find(tree).read()
    assert clocks(reads) == {"policy0": 1.5e9}
    assert reads.faults[0].reason.startswith("EAGAIN")


def test_one_governor_of_all_domains_is_named_once_and_several_in_order(plant: Plant) -> None:
    found = find(plant({**policy(0), **policy(4)}))
    assert found.read().labels == (Label(metric="governor", text="ondemand"),)
    plant(policy(4, governor="performance\n"))
    assert found.read().labels == (Label(metric="governor", text="ondemand,performance"),)


@pytest.mark.parametrize("governor", [b"", b"\xff", b"x" * 100_000])
def test_a_governor_that_cannot_be_read_is_absent_and_does_not_cost_the_clock(plant: Plant, governor: bytes) -> None:
    reads = find(plant(policy(0, governor=governor))).read()
    assert clocks(reads) == {"policy0": 1.5e9}
    assert (reads.labels, reads.faults) == ((), ())
