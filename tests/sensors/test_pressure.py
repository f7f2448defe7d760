from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.errors import Absent, SensorFault
from agent.core.sensor import Surroundings
from agent.sensors import pressure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.record import Reads
    from agent.core.tree import Tree

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Gate = Callable[[Path], None]

# Kernels before 5.13 have no `full` line for the processor.
CPU = "some avg10=0.13 avg60=0.68 avg300=0.28 total=1195993\n"
MEMORY = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
IO = "some avg10=0.00 avg60=1.11 avg300=0.68 total=2828208\nfull avg10=0.00 avg60=0.91 avg300=0.56 total=2334731\n"
ALL: dict[str, str | bytes] = {"proc/pressure/cpu": CPU, "proc/pressure/memory": MEMORY, "proc/pressure/io": IO}


def find(tree: Tree) -> pressure.Pressure:
    return pressure.find(pressure.Config(), Surroundings(board=tree, machine=tree))


def seconds(reads: Reads) -> dict[str, float]:
    assert all(reading.metric == "pressure_seconds_total" for reading in reads.readings)
    return {reading.name: reading.value for reading in reads.readings}


def test_microseconds_in_which_some_task_waited_become_seconds(plant: Plant) -> None:
    reads = find(plant(ALL)).read()
    assert seconds(reads) == pytest.approx({"cpu": 1.195993, "memory": 0.0, "io": 2.828208})
    assert reads.faults == ()


def test_a_kernel_without_pressure_files_has_no_such_sensor_and_says_how_it_could(plant: Plant) -> None:
    with pytest.raises(Absent, match="no pressure stall information") as caught:
        find(plant({"proc/meminfo": ""}))
    assert "psi=1" in f"{caught.value} {caught.value.mend}"


def test_a_resource_that_is_not_accounted_for_is_absent_alone(plant: Plant) -> None:
    reads = find(plant({"proc/pressure/cpu": CPU, "proc/pressure/irq": "full avg10=0.00 total=5\n"})).read()
    assert set(seconds(reads)) == {"cpu"}
    assert reads.faults == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no `some` line"),
        (b"full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n", "no `some` line"),
        (b"some avg10=0.00\n", "no `some` line"),
        (b"some total=\n", "no `some` line"),
        (b"some total=-5\n", "no `some` line"),
        (b"\xff", "not text"),
        (b"some total=1\n" * 10_000, "more than 65536 bytes"),
    ],
)
def test_a_bad_file_touches_its_own_resource_alone(plant: Plant, content: bytes, reason: str) -> None:
    reads = find(plant({**ALL, "proc/pressure/io": content})).read()
    assert set(seconds(reads)) == {"cpu", "memory"}
    assert {fault.name: fault.reason for fault in reads.faults} == {"io": reason}


def test_a_resource_that_vanishes_or_refuses_is_a_fault_of_its_own(plant: Plant, gate: Gate) -> None:
    tree = plant(ALL)
    source = find(tree)
    tree.path("proc/pressure/cpu").unlink()
    gate(tree.path("proc/pressure/io"))
    reads = source.read()
    assert set(seconds(reads)) == {"memory"}
    assert [fault.name for fault in reads.faults] == ["cpu", "io"]


@given(st.integers(0, 10**19))
def test_any_total_is_read(total: int) -> None:
    assert pressure.parse(f"some avg10=0.00 avg60=0.00 avg300=0.00 total={total}") == pytest.approx(total / 1e6)


@given(st.text())
def test_any_text_is_seconds_or_a_fault(text: str) -> None:
    try:
        assert pressure.parse(text) >= 0
    except SensorFault:
        return
