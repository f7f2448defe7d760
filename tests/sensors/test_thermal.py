from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.errors import Absent
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.sensors import thermal

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.record import Reads

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Gate = Callable[[Path], None]


def zone(number: int, kind: str, temp: str | bytes = "45000\n") -> dict[str, str | bytes]:
    folder = f"sys/class/thermal/thermal_zone{number}"
    return {f"{folder}/type": f"{kind}\n", f"{folder}/temp": temp}


def temp_of(tree: Tree, number: int) -> Path:
    return tree.path(f"sys/class/thermal/thermal_zone{number}/temp")


def find(tree: Tree) -> thermal.ThermalZones:
    return thermal.find(thermal.Config(), Surroundings(board=tree, machine=tree))


def temperatures(reads: Reads) -> dict[str, float]:
    assert all(reading.metric == "temperature_celsius" for reading in reads.readings)
    return {reading.name: reading.value for reading in reads.readings}


def faults(reads: Reads) -> dict[str, str]:
    return {fault.name: fault.reason for fault in reads.faults}


def test_thousandths_become_degrees_by_the_zones_type(plant: Plant) -> None:
    reads = find(
        plant({**zone(0, "cpu-thermal", "48312\n"), **zone(1, "Tboard Temp", "-5500\n"), **zone(10, "pmic", "150000")})
    ).read()
    assert temperatures(reads) == {"cpu-thermal": 48.312, "Tboard Temp": -5.5, "pmic": 150.0}
    assert reads.faults == ()


def test_a_board_without_zones_has_no_such_sensor(plant: Plant) -> None:
    for files in ({}, {"sys/class/thermal/cooling_device0/type": "Fan"}):
        with pytest.raises(Absent, match="no thermal zones"):
            find(plant(dict(files)))


def test_a_zone_that_vanishes_is_a_fault_of_its_own_and_is_read_again_when_it_is_back(plant: Plant) -> None:
    tree = plant({**zone(0, "cpu"), **zone(1, "gpu")})
    zones = find(tree)
    temp_of(tree, 1).unlink()
    reads = zones.read()
    assert temperatures(reads) == {"cpu": 45.0}
    assert list(faults(reads)) == ["gpu"]
    plant(zone(1, "gpu", "50000"))
    reads = zones.read()
    assert temperatures(reads) == {"cpu": 45.0, "gpu": 50.0}
    assert reads.faults == ()


def test_a_zone_that_appears_later_is_found(plant: Plant) -> None:
    zones = find(plant(zone(0, "cpu")))
    plant(zone(1, "gpu", "50000"))
    seen = [set(temperatures(zones.read())) for _ in range(130)]
    assert seen[0] == {"cpu"}
    assert seen[-1] == {"cpu", "gpu"}


def test_a_zone_that_vanished_is_not_forgotten_by_looking_for_new_ones(plant: Plant) -> None:
    tree = plant({**zone(0, "cpu"), **zone(1, "gpu")})
    zones = find(tree)
    for file in temp_of(tree, 1).parent.iterdir():
        file.unlink()
    temp_of(tree, 1).parent.rmdir()
    assert all(list(faults(zones.read())) == ["gpu"] for _ in range(130))


def test_a_zone_without_power_is_absent_and_no_fault(plant: Plant, gate: Gate) -> None:
    """JetPack 6 answers EAGAIN for a block that is switched off, and answers again when it is on."""
    tree = plant({**zone(0, "cpu-thermal"), **zone(1, "cv0-thermal")})
    gate(temp_of(tree, 1))
    zones = find(tree)
    reads = zones.read()
    assert temperatures(reads) == {"cpu-thermal": 45.0}
    assert reads.faults == ()
    temp_of(tree, 1).unlink()
    plant(zone(1, "cv0-thermal", "41000"))
    assert temperatures(zones.read())["cv0-thermal"] == 41.0
    gate(temp_of(tree, 1))
    reads = zones.read()
    assert (list(temperatures(reads)), reads.faults) == (["cpu-thermal"], ())


@pytest.mark.parametrize("placeholder", ["-256000", "-274000"])
def test_the_placeholder_of_a_powered_down_zone_is_absent_and_no_fault(plant: Plant, placeholder: str) -> None:
    reads = find(plant({**zone(0, "cpu"), **zone(1, "gpu", placeholder)})).read()
    assert (temperatures(reads), reads.faults) == ({"cpu": 45.0}, ())


@pytest.mark.parametrize("temp", ["0", "-40001", "150001", "-650788984", "-32768000", "85000000", "200000"])
def test_what_no_board_can_have_is_a_fault_and_not_a_temperature(plant: Plant, temp: str) -> None:
    reads = find(plant({**zone(0, "cpu"), **zone(1, "gpu", temp)})).read()
    assert temperatures(reads) == {"cpu": 45.0}
    assert faults(reads)["gpu"].startswith("implausible")


@pytest.mark.parametrize(
    ("temp", "reason"),
    [
        (b"", "empty"),
        (b"\n", "empty"),
        (b"\xff\x00\x10\x80", "not text"),
        (b"1" * 1_000_000, "more than 65536 bytes"),
        (b"45.5\n", "not a number"),
        (b"45 C\n", "not a number"),
        (b"<html>", "not a number"),
    ],
    ids=["empty", "blank", "binary", "a megabyte", "fraction", "unit", "markup"],
)
def test_a_bad_file_touches_its_own_zone_alone(plant: Plant, temp: bytes, reason: str) -> None:
    reads = find(plant({**zone(0, "cpu"), **zone(1, "gpu", temp), **zone(2, "soc", "46000")})).read()
    assert temperatures(reads) == {"cpu": 45.0, "soc": 46.0}
    assert faults(reads) == {"gpu": reason}


def test_a_folder_in_the_place_of_a_temperature_touches_its_own_zone_alone(plant: Plant) -> None:
    tree = plant({**zone(0, "cpu"), "sys/class/thermal/thermal_zone1/type": "gpu", "sys/class/thermal/thermal_zone1/temp/x": ""})
    reads = find(tree).read()
    assert temperatures(reads) == {"cpu": 45.0}
    assert faults(reads)["gpu"].startswith("EISDIR")


@given(temp=st.binary(max_size=12))
def test_any_content_is_a_plausible_temperature_or_a_fault_or_absent(temp: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.getbasetemp() / "any-temperature"
    folder = root / "sys/class/thermal/thermal_zone0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "type").write_text("cpu")
    (folder / "temp").write_bytes(temp)
    reads = find(Tree(root)).read()
    assert len(reads.readings) + len(reads.faults) <= 1
    for value in temperatures(reads).values():
        assert -40.0 <= value <= 150.0
        assert value != 0


# Names.


def test_zones_of_one_type_are_told_apart_by_their_devices(plant: Plant) -> None:
    tree = plant({**zone(0, "acpitz", "40000"), **zone(1, "acpitz", "50000"), **zone(2, "x86_pkg_temp", "60000")})
    for number, device in ((0, "LNXTHERM:00"), (1, "LNXTHERM:01")):
        target = tree.path(f"sys/devices/{device}")
        target.mkdir(parents=True)
        tree.path(f"sys/class/thermal/thermal_zone{number}/device").symlink_to(target)
    assert temperatures(find(tree).read()) == {"acpitz.LNXTHERM:00": 40.0, "acpitz.LNXTHERM:01": 50.0, "x86_pkg_temp": 60.0}


def test_zones_of_one_type_without_devices_are_told_apart_by_their_folders(plant: Plant) -> None:
    reads = find(plant({**zone(0, "x86_pkg_temp", "40000"), **zone(1, "x86_pkg_temp", "50000")})).read()
    assert temperatures(reads) == {"x86_pkg_temp.thermal_zone0": 40.0, "x86_pkg_temp.thermal_zone1": 50.0}


def test_two_zones_of_one_type_on_one_device_are_both_read(plant: Plant) -> None:
    """A chip with two channels registers two zones: same type, same device. Neither may hide the other."""
    tree = plant({**zone(0, "nct", "40000"), **zone(1, "nct", "50000")})
    tree.path("sys/devices/0-004c").mkdir(parents=True)
    for number in (0, 1):
        tree.path(f"sys/class/thermal/thermal_zone{number}/device").symlink_to(tree.path("sys/devices/0-004c"))
    reads = find(tree).read()
    assert sorted(reading.value for reading in reads.readings) == [40.0, 50.0]
    assert len(temperatures(reads)) == 2


def test_a_zone_is_listed_once_when_another_of_its_type_appears(plant: Plant) -> None:
    zones = find(plant(zone(0, "acpitz", "40000")))
    plant(zone(1, "acpitz", "50000"))
    for _ in range(130):
        reads = zones.read()
    assert sorted(reading.value for reading in reads.readings) == [40.0, 50.0]


@pytest.mark.parametrize("kind", [b"", b"\xff", b"x" * 100_000])
def test_a_zone_without_a_readable_type_is_called_by_its_folder(plant: Plant, kind: bytes) -> None:
    folder = "sys/class/thermal/thermal_zone7"
    assert temperatures(find(plant({f"{folder}/type": kind, f"{folder}/temp": "45000"})).read()) == {"thermal_zone7": 45.0}


def test_a_link_of_a_device_to_itself_stops_nothing(plant: Plant) -> None:
    tree = plant({**zone(0, "a", "40000"), **zone(1, "a", "50000")})
    tree.path("sys/class/thermal/thermal_zone0/device").symlink_to("device")
    assert sorted(temperatures(find(tree).read()).values()) == [40.0, 50.0]


# Zones that are switched off, and zones that fail.


def test_a_disabled_zone_is_absent_until_it_answers_and_a_fault_when_it_stops(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = plant({**zone(0, "cpu"), **zone(1, "gpu")})
    zones = find(tree)
    refuse = errors_for(tree, 1, 22)
    with monkeypatch.context() as patch:
        refuse(patch)
        reads = zones.read()
        assert (list(temperatures(reads)), reads.faults) == (["cpu"], ())
    assert list(temperatures(zones.read())) == ["cpu", "gpu"]
    refuse(monkeypatch)
    assert faults(zones.read())["gpu"].startswith("EINVAL")


@pytest.mark.parametrize(("number", "name"), [(110, "ETIMEDOUT"), (5, "EIO"), (19, "ENODEV"), (13, "EACCES")])
def test_a_zone_that_fails_is_a_fault_from_the_first_reading_on(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, number: int, name: str
) -> None:
    tree = plant({**zone(0, "cpu"), **zone(1, "gpu")})
    errors_for(tree, 1, number)(monkeypatch)
    reads = find(tree).read()
    assert list(temperatures(reads)) == ["cpu"]
    assert faults(reads)["gpu"].startswith(name)


def errors_for(tree: Tree, number: int, errno: int) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a function that lets the kernel refuse to read one zone's temperature."""
    refused = temp_of(tree, number)

    def install(patch: pytest.MonkeyPatch) -> None:
        really = os.open

        def refuse(path: str, flags: int) -> int:
            if Path(path) == refused:
                raise OSError(errno, os.strerror(errno))
            return really(path, flags)

        patch.setattr(os, "open", refuse)

    return install


def test_the_zone_of_a_jetsons_power_chip_that_always_says_the_same_is_absent(plant: Plant) -> None:
    for placeholder in ("100000", "50000"):
        reads = find(plant({**zone(0, "PMIC-Die", placeholder), **zone(1, "CPU-therm", "36500")})).read()
        assert temperatures(reads) == {"CPU-therm": 36.5}
        assert reads.faults == ()
    assert temperatures(find(plant({**zone(0, "PMIC-Die", "51234"), **zone(1, "CPU-therm", "100000")})).read()) == {
        "PMIC-Die": 51.234,
        "CPU-therm": 100.0,
    }
