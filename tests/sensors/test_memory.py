from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.errors import Absent, SensorFault
from agent.core.sensor import Surroundings
from agent.sensors import memory

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.tree import Tree

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Gate = Callable[[Path], None]

MEMINFO = """\
MemTotal:        8245436 kB
MemFree:          312368 kB
MemAvailable:    5920104 kB
Buffers:          215864 kB
SwapCached:            0 kB
SwapTotal:        204784 kB
SwapFree:         104784 kB
HugePages_Total:       0
Hugepagesize:       2048 kB
DirectMap4k:      123456 kB
"""


def find(tree: Tree) -> memory.BoardMemory:
    return memory.find(memory.Config(), Surroundings(board=tree, machine=tree))


def test_kibibytes_become_bytes() -> None:
    assert memory.parse(MEMINFO) == {"total": 8245436 * 1024.0, "available": 5920104 * 1024.0, "swap_used": 100_000 * 1024.0}


def test_the_board_is_read_and_not_this_machine(plant: Plant) -> None:
    reads = find(plant({"proc/meminfo": MEMINFO})).read()
    assert {(reading.metric, reading.name) for reading in reads.readings} == {
        ("memory_bytes", "total"),
        ("memory_bytes", "available"),
        ("memory_bytes", "swap_used"),
    }
    assert reads.readings[0].value == 8245436 * 1024.0


def test_a_board_without_swap_uses_a_measured_zero_of_it() -> None:
    assert memory.parse("MemTotal: 1 kB\nSwapTotal:       0 kB\nSwapFree:        0 kB\n")["swap_used"] == 0.0


@pytest.mark.parametrize("missing", ["MemTotal", "MemAvailable", "SwapTotal", "SwapFree"])
def test_what_a_kernel_does_not_tell_is_absent_and_the_rest_is_there(missing: str) -> None:
    found = memory.parse("".join(f"{line}\n" for line in MEMINFO.splitlines() if not line.startswith(f"{missing}:")))
    gone = {"MemTotal": "total", "MemAvailable": "available"}.get(missing, "swap_used")
    assert set(found) == {"total", "available", "swap_used"} - {gone}


def test_a_line_that_is_no_number_is_absent_alone() -> None:
    assert set(memory.parse(MEMINFO.replace("5920104 kB", "many kB"))) == {"total", "swap_used"}


@given(st.text())
def test_any_text_is_parsed_without_a_traceback(text: str) -> None:
    assert set(memory.parse(text)) <= {"total", "available", "swap_used"}


def test_a_tree_without_meminfo_has_no_such_sensor(plant: Plant) -> None:
    with pytest.raises(Absent, match="no proc/meminfo"):
        find(plant({}))


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"nothing\n", b"MemTotal: 1 kB\n" * 10_000], ids=["empty", "binary", "odd", "long"]
)
def test_a_file_that_tells_nothing_is_a_fault(plant: Plant, content: bytes) -> None:
    with pytest.raises(SensorFault):
        find(plant({"proc/meminfo": content})).read()


def test_a_file_that_vanishes_or_refuses_is_a_fault_and_is_read_again_when_it_is_back(plant: Plant, gate: Gate) -> None:
    tree = plant({"proc/meminfo": MEMINFO})
    source = find(tree)
    tree.path("proc/meminfo").unlink()
    with pytest.raises(SensorFault, match="gone"):
        source.read()
    gate(tree.path("proc/meminfo"))
    with pytest.raises(SensorFault, match="EAGAIN"):
        source.read()
    tree.path("proc/meminfo").unlink()
    plant({"proc/meminfo": MEMINFO})
    assert len(source.read().readings) == 3
