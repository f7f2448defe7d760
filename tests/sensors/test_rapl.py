from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from planting import planted, record, refusing

from agent.core.errors import Absent
from agent.core.metric import Fold
from agent.core.sensor import Surroundings
from agent.sensors import rapl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.record import Reads
    from agent.core.tree import Tree
    from agent.sensors._channel import Channels

    Plant = Callable[[dict[str, str | bytes]], Tree]

FOLDER = "sys/class/powercap"
RANGE = 262_143_328_850  # node_exporter's recording


def domain(number: str, name: str, microjoules: str | bytes = "1000000", most: str | bytes = str(RANGE)) -> dict[str, str | bytes]:
    folder = f"{FOLDER}/intel-rapl:{number}"
    return {f"{folder}/name": f"{name}\n", f"{folder}/energy_uj": microjoules, f"{folder}/max_energy_range_uj": most}


def find(tree: Tree) -> Channels:
    return rapl.find(rapl.Config(), Surroundings(board=tree, machine=tree))


def joules(reads: Reads) -> dict[str, float]:
    assert all(reading.metric == "energy_joules_total" for reading in reads.readings)
    return {reading.name: reading.value for reading in reads.readings}


def test_a_laptops_domains_stand_below_their_package_and_are_read_once(tmp_path: Path) -> None:
    with planted("laptop_x86", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert joules(reads) == {
        "package-0": 240_422.366267,
        "package-0.core": 118_821.284256,
        "package-0.uncore": 5_123.456789,
        "package-0.dram": 31_234.56789,
        "psys": 200_000.0,
    }
    assert [metric.fold for metric in rapl.METRICS] == [Fold.INCREASE]


def test_node_exporters_recording_is_read(shared: Path, tmp_path: Path) -> None:
    text = (shared / "fixtures/sysfs/node_exporter_sysfs_thermal_hwmon_rapl_cpufreq.txt").read_text(encoding="utf-8")
    tree = record(text, tmp_path / "root")
    source = find(tree)
    assert joules(source.read()) == {"package-0": 240_422.366267, "package-0.core": 118_821.284256}
    # The counter begins anew at its range: 262143.328850 - 240422.366267 + 100 J later.
    tree.path(f"{FOLDER}/intel-rapl:0/energy_uj").write_text("100000000\n")
    assert joules(source.read())["package-0"] == pytest.approx(240_422.366267 + 21_720.962583 + 100)


def test_every_package_has_its_own_parts(plant: Plant) -> None:
    files = {**domain("0", "package-0"), **domain("0:0", "core"), **domain("1", "package-1"), **domain("1:0", "core")}
    assert set(joules(find(plant(files)).read())) == {"package-0", "package-0.core", "package-1", "package-1.core"}


def test_two_domains_of_one_name_are_both_read(plant: Plant) -> None:
    assert len(joules(find(plant({**domain("0", "package-0"), **domain("1", "package-0")})).read())) == 2


def test_a_domain_without_a_readable_name_is_called_by_its_folder(plant: Plant) -> None:
    files = {**domain("0", "x"), f"{FOLDER}/intel-rapl:0/name": b"\xff"}
    assert set(joules(find(plant(files)).read())) == {"intel-rapl:0"}


def test_a_board_without_counters_has_no_such_sensor(plant: Plant, tmp_path: Path) -> None:
    for files in ({}, {f"{FOLDER}/dtpm/enabled": "0"}, {f"{FOLDER}/intel-rapl:0/name": "package-0"}):
        with pytest.raises(Absent, match="no RAPL"):
            find(plant(dict(files)))
    with planted("rpi5", tmp_path / "rpi5") as tree, pytest.raises(Absent, match="no RAPL"):
        find(tree)


def test_counters_that_only_root_may_read_are_absent_and_the_mend_is_said(plant: Plant) -> None:
    tree = plant({**domain("0", "package-0"), **domain("0:0", "core")})
    files = [tree.path(f"{FOLDER}/intel-rapl:{number}/energy_uj") for number in ("0", "0:0")]
    with refusing(dict.fromkeys(files, errno.EACCES)), pytest.raises(Absent, match="root alone") as caught:
        find(tree)
    assert "chmod g+r" in caught.value.mend
    with refusing({files[1]: errno.EACCES}):
        assert joules(find(tree).read()) == {"package-0": 1.0}


def test_a_counter_that_wraps_goes_on(plant: Plant) -> None:
    source = find(plant(domain("0", "package-0", str(RANGE - 3_000_000))))
    assert joules(source.read())["package-0"] == pytest.approx(262_140.32885)
    plant(domain("0", "package-0", "4000000"))
    assert joules(source.read())["package-0"] == pytest.approx(262_147.32885)


def test_a_counter_that_was_reset_is_not_taken_for_one_that_wrapped(plant: Plant) -> None:
    """After a suspend the counter may be anywhere: a wrap of more than half its range in one second is none."""
    source = find(plant(domain("0", "package-0", "50000000000")))
    source.read()
    plant(domain("0", "package-0", "1000000"))
    assert joules(source.read())["package-0"] == 50_000.0
    plant(domain("0", "package-0", "3000000"))
    assert joules(source.read())["package-0"] == 50_002.0


@pytest.mark.parametrize("most", [b"", b"0", b"-1", b"\xff"])
def test_a_counter_whose_range_nobody_knows_never_goes_back(plant: Plant, most: bytes) -> None:
    source = find(plant(domain("0", "package-0", "5000000", most)))
    source.read()
    for count, total in (("1000000", 5.0), ("2000000", 6.0)):
        plant(domain("0", "package-0", count, most))
        assert joules(source.read())["package-0"] == total


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"1" * 1_000_000, b"-5", b"262143328851", b"1e9"], ids=lambda content: repr(content[:8])
)
def test_a_bad_counter_touches_its_own_domain_alone(plant: Plant, content: bytes) -> None:
    reads = find(plant({**domain("0", "package-0", content), **domain("1", "package-1")})).read()
    assert joules(reads) == {"package-1": 1.0}
    assert [fault.name for fault in reads.faults] == ["package-0"]


def test_a_domain_that_vanishes_is_a_fault_and_counters_that_all_vanish_are_gone(plant: Plant) -> None:
    tree = plant({**domain("0", "package-0"), **domain("1", "package-1")})
    source = find(tree)
    tree.path(f"{FOLDER}/intel-rapl:1/energy_uj").unlink()
    reads = source.read()
    assert (joules(reads), [fault.name for fault in reads.faults]) == ({"package-0": 1.0}, ["package-1"])
    tree.path(f"{FOLDER}/intel-rapl:0/energy_uj").unlink()
    with pytest.raises(Absent, match="gone"):
        source.read()
