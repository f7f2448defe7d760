from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planting import planted

from agent.core.errors import Absent
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.sensors import cgroup

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.record import Reads

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Gate = Callable[[Path], None]

GROUP = "sys/fs/cgroup/system.slice/emberd.service"
EVENTS = "low 0\nhigh 0\nmax 3\noom 2\noom_kill 1\noom_group_kill 0\n"
ALL: dict[str, str | bytes] = {
    "proc/self/cgroup": "0::/system.slice/emberd.service\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
    f"{GROUP}/memory.current": "104857600\n",
    f"{GROUP}/memory.max": "536870912\n",
    f"{GROUP}/memory.peak": "131072000\n",
    f"{GROUP}/memory.events": EVENTS,
}


def find(machine: Tree) -> cgroup.Group:
    board = Tree(machine.root / "nothing-is-looked-up-here")
    return cgroup.find(cgroup.Config(), Surroundings(board=board, machine=machine))


def everything(reads: Reads) -> dict[tuple[str, str], float]:
    return {(reading.metric, reading.name): reading.value for reading in reads.readings}


def memory(reads: Reads) -> dict[str, float]:
    return {reading.name: reading.value for reading in reads.readings if reading.metric == "cgroup_memory_bytes"}


def absent(machine: Tree) -> Absent:
    with pytest.raises(Absent) as caught:
        find(machine)
    return caught.value


def test_the_group_of_this_process_is_read(tmp_path: Path) -> None:
    with planted("laptop_x86", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert everything(reads) == {
        ("cgroup_memory_bytes", "current"): 104_857_600.0,
        ("cgroup_memory_bytes", "max"): 536_870_912.0,
        ("cgroup_memory_bytes", "peak"): 131_072_000.0,
        ("oom_kills_total", "oom_kill"): 1.0,
    }
    assert reads.faults == ()


def test_no_limit_is_absent_and_not_a_number(plant: Plant) -> None:
    reads = find(plant({**ALL, f"{GROUP}/memory.max": "max\n"})).read()
    assert memory(reads) == {"current": 104_857_600.0, "peak": 131_072_000.0}
    assert reads.faults == ()


def test_a_kernel_that_keeps_no_peak_has_none(plant: Plant) -> None:
    files = dict(ALL)
    del files[f"{GROUP}/memory.peak"]
    reads = find(plant(files)).read()
    assert set(memory(reads)) == {"current", "max"}
    assert reads.faults == ()


def test_a_container_sees_its_group_as_the_root(plant: Plant) -> None:
    reads = find(
        plant(
            {
                "proc/self/cgroup": "0::/\n",
                "sys/fs/cgroup/memory.current": "1",
                "sys/fs/cgroup/memory.max": "max",
                "sys/fs/cgroup/memory.events": EVENTS,
            }
        )
    ).read()
    assert everything(reads) == {("cgroup_memory_bytes", "current"): 1.0, ("oom_kills_total", "oom_kill"): 1.0}


@pytest.mark.parametrize("board", ["rpi4", "rpi5"])
def test_a_raspberry_pi_whose_firmware_disables_it_says_how_to_have_it(board: str, tmp_path: Path) -> None:
    with planted(board, tmp_path / "root") as tree:
        error = absent(tree)
    assert "does not account" in str(error)
    assert "cgroup_enable=memory" in error.mend
    assert "cmdline.txt" in error.mend


def test_a_group_without_the_controller_says_how_to_have_it(plant: Plant) -> None:
    files = {name: content for name, content in ALL.items() if "memory." not in name}
    assert "MemoryAccounting" in absent(plant(files)).mend


@pytest.mark.parametrize(
    "lines",
    [
        "12:memory:/user.slice\n11:cpu,cpuacct:/user.slice\n1:name=systemd:/user.slice\n",
        "4:memory:/docker/1\n1:name=systemd:/x\n0::/system.slice/emberd.service\n",
        "3:cpu,memory,pids:/x\n0::/\n",
        "1:name=systemd:/\n",
    ],
)
def test_version_1_is_absent(plant: Plant, lines: str) -> None:
    error = absent(plant({**ALL, "proc/self/cgroup": lines}))
    assert "version 1" in str(error)
    assert "unified_cgroup_hierarchy" in error.mend


@pytest.mark.parametrize("lines", [b"", b"\xff", b"0::/x\n" * 100_000], ids=["empty", "binary", "long"])
def test_a_machine_without_control_groups_has_no_such_sensor(plant: Plant, lines: bytes) -> None:
    assert "no control groups" in str(absent(plant({**ALL, "proc/self/cgroup": lines})))


def test_a_group_outside_this_namespace_is_absent_and_nothing_outside_is_opened(plant: Plant) -> None:
    assert "not visible" in str(absent(plant({**ALL, "proc/self/cgroup": "0::/../../../etc\n"})))


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"1" * 1_000_000, b"-1", b"unlimited", b"1e9"], ids=lambda content: repr(content[:8])
)
def test_a_bad_file_touches_its_own_figure_alone(plant: Plant, content: bytes) -> None:
    reads = find(plant({**ALL, f"{GROUP}/memory.max": content})).read()
    assert set(memory(reads)) == {"current", "peak"}
    assert [fault.name for fault in reads.faults] == ["max"]


@pytest.mark.parametrize("content", [b"", b"oom 5\n", b"oom_kill\n", b"oom_kill -1\n", b"oom_group_kill 3\n", b"\xff"])
def test_bad_events_are_a_fault_of_their_own(plant: Plant, content: bytes) -> None:
    reads = find(plant({**ALL, f"{GROUP}/memory.events": content})).read()
    assert set(everything(reads)) == {("cgroup_memory_bytes", name) for name in ("current", "max", "peak")}
    assert [fault.name for fault in reads.faults] == ["oom_kill"]


def test_a_figure_that_cannot_be_read_is_a_fault_and_a_group_that_is_gone_is_absent(plant: Plant, gate: Gate) -> None:
    tree = plant(ALL)
    source = find(tree)
    gate(tree.path(f"{GROUP}/memory.peak"))
    tree.path(f"{GROUP}/memory.events").unlink()
    reads = source.read()
    assert set(memory(reads)) == {"current", "max"}
    assert [fault.name for fault in reads.faults] == ["peak", "oom_kill"]
    tree.path(f"{GROUP}/memory.current").unlink()
    with pytest.raises(Absent):
        source.read()


@given(lines=st.binary(max_size=60))
def test_any_list_of_groups_is_read_or_absent(lines: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.getbasetemp() / "any-group"
    (root / "proc/self").mkdir(parents=True, exist_ok=True)
    (root / "proc/self/cgroup").write_bytes(lines)
    with pytest.raises(Absent):
        find(Tree(root))
