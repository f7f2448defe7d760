from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from planting import names, planted, record, refusing

from agent.core.errors import Absent
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.sensors import cooling, thermal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.record import Reads

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Gate = Callable[[Path], None]

FOLDER = "sys/class/thermal"


def cdev(number: int, kind: str, state: str | bytes = "0", most: str | bytes = "10") -> dict[str, str | bytes]:
    folder = f"{FOLDER}/cooling_device{number}"
    return {f"{folder}/type": f"{kind}\n", f"{folder}/cur_state": state, f"{folder}/max_state": most}


def zone(number: int, kind: str, *trips: tuple[str, str | bytes]) -> dict[str, str | bytes]:
    folder = f"{FOLDER}/thermal_zone{number}"
    files: dict[str, str | bytes] = {f"{folder}/type": f"{kind}\n", f"{folder}/temp": "45000\n"}
    for place, (name, temp) in enumerate(trips):
        files |= {f"{folder}/trip_point_{place}_type": f"{name}\n", f"{folder}/trip_point_{place}_temp": temp}
    return files


def find(tree: Tree) -> cooling.Cooling:
    return cooling.find(cooling.Config(), Surroundings(board=tree, machine=tree))


def levels(reads: Reads) -> dict[str, float]:
    return {reading.name: reading.value for reading in reads.readings if reading.metric == "cooling_level"}


def trips(reads: Reads) -> dict[str, float]:
    return {reading.name: reading.value for reading in reads.readings if reading.metric == "trip_celsius"}


def faults(reads: Reads) -> dict[str, str]:
    return {fault.name: fault.reason for fault in reads.faults}


# Boards.


def test_a_raspberry_pi_5_has_one_fan_however_many_links_lead_to_it_and_nothing_that_slows_it(tmp_path: Path) -> None:
    with planted("rpi5", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert levels(reads) == {"fan.pwm-fan": 2.0}
    assert trips(reads) == {"cpu-thermal.critical": 110.0, "cpu-thermal.active": 50.0}
    assert reads.faults == ()


def test_a_raspberry_pi_4_has_a_fan_and_its_trip_point(tmp_path: Path) -> None:
    with planted("rpi4", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert (levels(reads), trips(reads)) == ({"fan.gpio-fan": 1.0}, {"cpu-thermal.active": 70.0})


def test_a_jetson_nanos_disabled_trip_point_is_absent(tmp_path: Path) -> None:
    with planted("jetson_nano_jp4", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert (levels(reads), trips(reads), reads.faults) == ({"fan.pwm-fan": 3.0}, {}, ())


def test_an_orin_says_which_of_its_parts_is_slowed(tmp_path: Path) -> None:
    with planted("orin_nano_jp6", tmp_path / "root") as tree:
        source = find(tree)
        reads = source.read()
        tree.path(f"{FOLDER}/cooling_device4/cur_state").write_text("1\n")  # gpu-throttle-alert
        slowed = {name for name, level in levels(source.read()).items() if level and not name.startswith("fan.")}
    assert set(levels(reads)) == {
        *(f"{part}-throttle-alert" for part in ("cpu", "gpu", "cv0", "cv1", "cv2", "soc0", "soc1", "soc2")),
        *("cpufreq-cpu0", "cpufreq-cpu4", "devfreq-17000000.gpu", "hot-surface-alert", "fan.pwm-fan"),
    }
    assert levels(reads)["fan.pwm-fan"] == 1.0
    assert slowed == {"gpu-throttle-alert"}
    assert trips(reads)["cpu-thermal.passive"] == 99.0
    assert trips(reads)["cpu-thermal.critical"] == 104.5
    assert trips(reads)["tj-thermal.active"] == 74.0
    # A zone without power still has trip points.
    assert trips(reads)["cv0-thermal.passive"] == 99.0
    assert reads.faults == ()


def test_a_thor_has_one_critical_temperature_for_all_and_thirteen_clocks_in_order(tmp_path: Path) -> None:
    with planted("agx_thor_jp7", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert trips(reads) == {f"{part}-thermal.critical": 114.5 for part in ("tj", "gpu", "cpu", "soc012", "soc345")}
    found = levels(reads)
    assert [name for name in found if name.startswith("cpufreq")] == [f"cpufreq-cpu{number}" for number in range(13)]
    assert list(found)[-1] == "fan.pwm-fan"
    assert len(found) == 20


def test_a_laptop_has_a_processor_for_each_core_and_no_level_of_an_idle_powerclamp(tmp_path: Path) -> None:
    with planted("laptop_x86", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert levels(reads) == {
        "Processor.LNXCPU:00": 0.0,
        "Processor.LNXCPU:01": 0.0,
        "Processor.LNXCPU:02": 1.0,
        "Processor.LNXCPU:03": 0.0,
        "LCD": 45.0,
        "fan.Fan": 1.0,
    }
    # acpitz' active and both of x86_pkg_temp are 0 or -274000: not set.
    assert trips(reads) == {"acpitz.critical": 107.0, "B0D4.critical": 115.05, "B0D4.hot": 106.05, "B0D4.passive": 103.05}
    assert reads.faults == ()


@pytest.mark.parametrize("board", names())
def test_a_trip_points_zone_is_called_as_the_zones_temperature_is(board: str, tmp_path: Path) -> None:
    with planted(board, tmp_path / "root") as tree:
        for path in tree.path(FOLDER).glob("thermal_zone*/temp"):
            if not path.is_file():
                path.unlink()
            path.write_text("45000\n")
        heat = thermal.find(thermal.Config(), Surroundings(board=tree, machine=tree)).read()
        assert {name.rpartition(".")[0] for name in trips(find(tree).read())} <= {reading.name for reading in heat.readings}


def test_node_exporters_recording_is_read(shared: Path, tmp_path: Path) -> None:
    text = (shared / "fixtures/sysfs/node_exporter_sysfs_thermal_hwmon_rapl_cpufreq.txt").read_text(encoding="utf-8")
    reads = find(record(text, tmp_path / "root")).read()
    assert (levels(reads), trips(reads), reads.faults) == ({"Processor": 0.0}, {}, ())


def test_a_board_that_does_nothing_against_heat_has_no_such_sensor(plant: Plant) -> None:
    for files in ({}, zone(0, "cpu-thermal")):
        with pytest.raises(Absent, match="no cooling devices"):
            find(plant(dict(files)))


# Cooling devices.


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("pwm-fan", "fan.pwm-fan"),
        ("gpio-fan", "fan.gpio-fan"),
        ("Fan", "fan.Fan"),
        ("rpi-poe-fan", "fan.rpi-poe-fan"),
        ("bcpu-throttle-alert", "bcpu-throttle-alert"),
        ("cpufreq-cpu0", "cpufreq-cpu0"),
        ("devfreq-gpu-gpc-0", "devfreq-gpu-gpc-0"),
        ("Processor", "Processor"),
    ],
)
def test_a_fan_is_not_called_like_what_slows_something(plant: Plant, kind: str, name: str) -> None:
    assert levels(find(plant(cdev(0, kind, "3"))).read()) == {name: 3.0}


def test_devices_of_one_type_without_devices_behind_are_told_apart_by_their_folders(plant: Plant) -> None:
    reads = find(plant({**cdev(2, "pwm-fan", "1"), **cdev(10, "pwm-fan", "2")})).read()
    assert levels(reads) == {"fan.pwm-fan.cooling_device2": 1.0, "fan.pwm-fan.cooling_device10": 2.0}


def test_two_links_to_one_device_are_one_device(plant: Plant) -> None:
    tree = plant({"sys/devices/fan/type": "pwm-fan", "sys/devices/fan/cur_state": "1", "sys/devices/fan/max_state": "4"})
    tree.path(FOLDER).mkdir(parents=True)
    for number in (0, 1):
        tree.path(f"{FOLDER}/cooling_device{number}").symlink_to("../../devices/fan")
    assert levels(find(tree).read()) == {"fan.pwm-fan": 1.0}


@pytest.mark.parametrize("state", [b"", b"\xff", b"1" * 1_000_000, b"11", b"-2", b"on"], ids=lambda state: repr(state[:8]))
def test_a_bad_state_touches_its_own_device_alone(plant: Plant, state: bytes) -> None:
    reads = find(plant({**cdev(0, "cpufreq-cpu0", state), **cdev(1, "pwm-fan", "1"), **zone(0, "cpu", ("hot", "90000"))})).read()
    assert (levels(reads), trips(reads)) == ({"fan.pwm-fan": 1.0}, {"cpu.hot": 90.0})
    assert list(faults(reads)) == ["cpufreq-cpu0"]


@pytest.mark.parametrize("most", [b"", b"\xff", b"0", b"none"])
def test_a_device_that_does_not_say_how_far_it_goes_is_read(plant: Plant, most: bytes) -> None:
    assert levels(find(plant(cdev(0, "cpufreq-cpu0", "7", most))).read()) == {"cpufreq-cpu0": 7.0}


def test_a_device_that_is_disabled_is_absent_and_no_fault(plant: Plant, gate: Gate) -> None:
    tree = plant({**cdev(0, "cpufreq-cpu0"), **cdev(1, "devfreq-gpu"), **cdev(2, "pwm-fan")})
    gate(tree.path(f"{FOLDER}/cooling_device1/cur_state"))
    with refusing({tree.path(f"{FOLDER}/cooling_device0/cur_state"): errno.EINVAL}):
        reads = find(tree).read()
    assert (levels(reads), reads.faults) == ({"fan.pwm-fan": 0.0}, ())


def test_a_device_that_vanishes_is_a_fault_and_takes_no_trip_point_with_it(plant: Plant) -> None:
    tree = plant({**cdev(0, "pwm-fan"), **zone(0, "cpu", ("critical", "110000"))})
    source = find(tree)
    for file in tree.path(f"{FOLDER}/cooling_device0").iterdir():
        file.unlink()
    tree.path(f"{FOLDER}/cooling_device0").rmdir()
    for _ in range(130):
        reads = source.read()
        assert (list(faults(reads)), trips(reads)) == (["fan.pwm-fan"], {"cpu.critical": 110.0})
    plant(cdev(0, "pwm-fan", "2"))
    assert levels(source.read()) == {"fan.pwm-fan": 2.0}


def test_a_device_that_comes_back_under_another_number_is_the_same_within_five_seconds(plant: Plant) -> None:
    tree = plant({**cdev(0, "cpufreq-cpu0"), **cdev(3, "pwm-fan", "1")})
    source = find(tree)
    source.read()
    for file in tree.path(f"{FOLDER}/cooling_device3").iterdir():
        file.unlink()
    tree.path(f"{FOLDER}/cooling_device3").rmdir()
    plant(cdev(5, "pwm-fan", "2"))
    reads = [source.read() for _ in range(6)]
    assert list(faults(reads[0])) == ["fan.pwm-fan"]
    assert (levels(reads[-1]), faults(reads[-1])) == ({"cpufreq-cpu0": 0.0, "fan.pwm-fan": 2.0}, {})


def test_a_device_that_appears_later_is_found(plant: Plant) -> None:
    source = find(plant(cdev(0, "cpufreq-cpu0")))
    plant({**cdev(1, "cpufreq-cpu0"), **zone(0, "cpu", ("passive", "80000"))})
    seen = [source.read() for _ in range(61)]
    assert levels(seen[0]) == {"cpufreq-cpu0": 0.0}
    assert levels(seen[-1]) == {"cpufreq-cpu0": 0.0, "cpufreq-cpu0.cooling_device1": 0.0}
    assert trips(seen[-1]) == {"cpu.passive": 80.0}


@pytest.mark.parametrize("kind", [b"", b"\xff", b"x" * 100_000], ids=["empty", "binary", "long"])
def test_a_device_without_a_readable_type_is_called_by_its_folder(plant: Plant, kind: bytes) -> None:
    assert levels(find(plant({**cdev(3, "x"), f"{FOLDER}/cooling_device3/type": kind})).read()) == {"cooling_device3": 0.0}


def test_a_server_does_not_burst_the_window_and_keeps_what_proves_a_throttle(plant: Plant) -> None:
    files: dict[str, str | bytes] = {}
    for number in range(60):
        files |= cdev(number, "Fan") if number < 30 else cdev(number, f"Processor{number}")
    files |= cdev(99, "gpu-throttle-alert")
    for number in range(60):
        files |= zone(number, f"zone{number}", ("critical", "100000"))
    reads = find(plant(files)).read()
    assert len(levels(reads)) == len(trips(reads)) == 40
    assert "gpu-throttle-alert" in levels(reads)
    assert sum(name.startswith("Processor") for name in levels(reads)) == 30


# Trip points.


def test_of_several_trip_points_of_a_type_the_lowest_counts(plant: Plant) -> None:
    points = (("active", "75000"), ("active", "50000"), ("critical", "110000"), ("active", "60000"))
    assert trips(find(plant(zone(0, "cpu-thermal", *points))).read()) == {"cpu-thermal.active": 50.0, "cpu-thermal.critical": 110.0}


@pytest.mark.parametrize("temp", ["-274000", "-40000", "-32768000", "0", "2147483647", "2147483", "65261850", "-1"])
def test_a_trip_point_that_is_not_set_is_absent_and_no_fault(plant: Plant, temp: str) -> None:
    reads = find(plant(zone(0, "cpu", ("passive", temp), ("critical", "110000")))).read()
    assert (trips(reads), reads.faults) == ({"cpu.critical": 110.0}, ())


@pytest.mark.parametrize("temp", [b"", b"\xff", b"1" * 1_000_000, b"85.5"], ids=lambda temp: repr(temp[:8]))
def test_a_bad_trip_point_touches_itself_alone(plant: Plant, temp: bytes) -> None:
    reads = find(plant(zone(0, "cpu", ("passive", temp), ("passive", "90000"), ("critical", "110000")))).read()
    assert trips(reads) == {"cpu.passive": 90.0, "cpu.critical": 110.0}
    assert list(faults(reads)) == ["cpu.trip_point_0"]


def test_trip_points_are_repeated_and_read_again_every_minute(plant: Plant) -> None:
    source = find(plant(zone(0, "cpu", ("passive", "80000"))))
    seen = []
    for number in range(61):
        seen.append(trips(source.read())["cpu.passive"])
        if number == 0:
            plant(zone(0, "cpu", ("passive", "85000")))
    assert set(seen[:60]) == {80.0}
    assert seen[60] == 85.0


def test_zones_of_one_type_are_told_apart_by_their_devices(plant: Plant) -> None:
    tree = plant({**zone(0, "acpitz", ("critical", "100000")), **zone(1, "acpitz", ("critical", "101000"))})
    for number in (0, 1):
        tree.path(f"sys/devices/LNXTHERM:0{number}").mkdir(parents=True)
        tree.path(f"{FOLDER}/thermal_zone{number}/device").symlink_to(tree.path(f"sys/devices/LNXTHERM:0{number}"))
    assert trips(find(tree).read()) == {"acpitz.LNXTHERM:00.critical": 100.0, "acpitz.LNXTHERM:01.critical": 101.0}


@given(state=st.binary(max_size=10), temp=st.binary(max_size=10))
def test_any_content_is_plausible_or_a_fault_or_absent(state: bytes, temp: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.getbasetemp() / "any-cooling"
    for name, content in {**cdev(0, "pwm-fan", state), **zone(0, "cpu", ("passive", temp))}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    reads = find(Tree(root)).read()
    assert all(0 <= level <= 10 for level in levels(reads).values())
    assert all(0 < celsius <= 150 for celsius in trips(reads).values())
