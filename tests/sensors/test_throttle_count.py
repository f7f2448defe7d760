from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from planting import planted, record

from agent.core.errors import Absent
from agent.core.sensor import Surroundings
from agent.sensors import throttle_count

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.record import Reads
    from agent.core.tree import Tree

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Gate = Callable[[Path], None]

FOLDER = "sys/devices/system/cpu"


def cpu(
    number: int, package: int, core: int, core_count: str | bytes, package_count: str | bytes, *, online: str = "1"
) -> dict[str, str | bytes]:
    folder = f"{FOLDER}/cpu{number}"
    return {
        f"{folder}/online": online,
        f"{folder}/topology/physical_package_id": str(package),
        f"{folder}/topology/core_id": str(core),
        f"{folder}/thermal_throttle/core_throttle_count": core_count,
        f"{folder}/thermal_throttle/package_throttle_count": package_count,
    }


def find(tree: Tree) -> throttle_count.ThrottleCounts:
    return throttle_count.find(throttle_count.Config(), Surroundings(board=tree, machine=tree))


def counts(reads: Reads) -> dict[str, float]:
    assert all(reading.metric == "throttle_events_total" for reading in reads.readings)
    return {reading.name: reading.value for reading in reads.readings}


def test_a_laptops_package_is_counted_once_and_its_cores_apart(tmp_path: Path) -> None:
    with planted("laptop_x86", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert counts(reads) == {
        "package0": 30.0,
        "package0.core0": 5.0,
        "package0.core1": 0.0,
        "package0.core2": 0.0,
        "package0.core3": 9.0,
    }
    assert reads.faults == ()


def test_node_exporters_recording_has_two_packages(shared: Path, tmp_path: Path) -> None:
    """The package's count stands at each of its CPUs: 30, 30, 6, 6. The excerpt has no topology; two packages are its authors'."""
    text = (shared / "fixtures/sysfs/node_exporter_sysfs_thermal_hwmon_rapl_cpufreq.txt").read_text(encoding="utf-8")
    tree = record(text, tmp_path / "root")
    assert counts(find(tree).read()) == {"package": 30.0, "cpu0": 5.0, "cpu1": 0.0, "cpu2": 0.0, "cpu3": 9.0}
    for number in range(4):
        topology = tree.path(f"{FOLDER}/cpu{number}/topology")
        topology.mkdir()
        (topology / "physical_package_id").write_text(f"{number // 2}\n")
        (topology / "core_id").write_text(f"{number % 2}\n")
    assert counts(find(tree).read()) == {
        "package0": 30.0,
        "package1": 6.0,
        "package0.core0": 5.0,
        "package0.core1": 0.0,
        "package1.core0": 0.0,
        "package1.core1": 9.0,
    }


def test_threads_of_a_core_are_counted_once(plant: Plant) -> None:
    reads = find(plant({**cpu(0, 0, 0, "4", "7"), **cpu(4, 0, 0, "5", "6"), **cpu(1, 0, 1, "0", "7")})).read()
    assert counts(reads) == {"package0": 7.0, "package0.core0": 5.0, "package0.core1": 0.0}


def test_boards_that_do_not_count_have_no_such_sensor(plant: Plant, tmp_path: Path) -> None:
    with pytest.raises(Absent, match="does not count"):
        find(plant({f"{FOLDER}/cpu0/topology/core_id": "0", f"{FOLDER}/cpufreq/boost": "1"}))
    with planted("orin_nano_jp6", tmp_path / "orin") as tree, pytest.raises(Absent, match="does not count"):
        find(tree)


def test_counts_never_go_back_when_a_cpu_was_off_and_began_anew(plant: Plant) -> None:
    tree = plant({**cpu(0, 0, 0, "1", "30"), **cpu(1, 0, 1, "9", "31")})
    source = find(tree)
    assert counts(source.read()) == {"package0": 31.0, "package0.core0": 1.0, "package0.core1": 9.0}
    plant(cpu(1, 0, 1, "0", "0", online="0"))
    for file in tree.path(f"{FOLDER}/cpu1/thermal_throttle").iterdir():
        file.unlink()
    reads = source.read()
    assert counts(reads) == {"package0": 31.0, "package0.core0": 1.0}
    assert reads.faults == ()
    plant(cpu(1, 0, 1, "2", "1"))
    assert counts(source.read()) == {"package0": 31.0, "package0.core0": 1.0, "package0.core1": 9.0}


def test_a_count_that_vanishes_though_its_cpu_is_on_is_a_fault(plant: Plant) -> None:
    tree = plant({**cpu(0, 0, 0, "1", "30"), **cpu(1, 0, 1, "9", "30")})
    source = find(tree)
    tree.path(f"{FOLDER}/cpu1/thermal_throttle/core_throttle_count").unlink()
    reads = source.read()
    assert counts(reads) == {"package0": 30.0, "package0.core0": 1.0}
    assert [fault.name for fault in reads.faults] == ["package0.core1"]


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"1" * 1_000_000, b"-1", b"99999999999999999999", b"x"], ids=lambda content: repr(content[:8])
)
def test_a_bad_count_touches_its_own_core_alone(plant: Plant, content: bytes) -> None:
    reads = find(plant({**cpu(0, 0, 0, content, "30"), **cpu(1, 0, 1, "9", "30")})).read()
    assert counts(reads) == {"package0": 30.0, "package0.core1": 9.0}
    assert [fault.name for fault in reads.faults] == ["package0.core0"]


def test_a_bad_count_of_a_package_is_told_by_its_other_cpus(plant: Plant, gate: Gate) -> None:
    tree = plant({**cpu(0, 0, 0, "1", "30"), **cpu(1, 0, 1, "9", "29")})
    gate(tree.path(f"{FOLDER}/cpu0/thermal_throttle/package_throttle_count"))
    reads = find(tree).read()
    assert counts(reads)["package0"] == 29.0
    assert reads.faults[0].reason.startswith("EAGAIN")


@pytest.mark.parametrize("package", ["-1", "", "x"])
def test_a_processor_without_a_topology_is_counted_as_one_package(plant: Plant, package: str) -> None:
    files = {**cpu(0, 0, 0, "1", "30"), **cpu(1, 0, 1, "9", "31")}
    files |= {f"{FOLDER}/cpu{number}/topology/physical_package_id": package for number in (0, 1)}
    assert counts(find(plant(files)).read()) == {"package": 31.0, "cpu0": 1.0, "cpu1": 9.0}


def test_a_server_does_not_burst_the_window_and_keeps_its_packages(plant: Plant) -> None:
    files: dict[str, str | bytes] = {}
    for number in range(128):
        files |= cpu(number, number // 64, number % 64, "0", "1")
    found = counts(find(plant(files)).read())
    assert len(found) == 40
    assert {"package0", "package1"} <= set(found)
