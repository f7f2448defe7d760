from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from planting import planted

from agent.core.errors import Absent
from agent.core.sensor import Surroundings
from agent.sensors import iio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.record import Reads
    from agent.core.tree import Tree
    from agent.sensors._channel import Channels

    Plant = Callable[[dict[str, str | bytes]], Tree]

DRIVER = "sys/bus/i2c/drivers/ina3221x"
JETPACK_4 = f"{DRIVER}/6-0040/iio:device0"


def rail(
    folder: str, number: int, name: str, volts: str | bytes = "5000", amperes: str | bytes = "200", watts: str | bytes = "1000"
) -> dict[str, str | bytes]:
    return {
        f"{folder}/rail_name_{number}": f"{name}\n",
        f"{folder}/in_voltage{number}_input": volts,
        f"{folder}/in_current{number}_input": amperes,
        f"{folder}/in_power{number}_input": watts,
    }


def find(tree: Tree) -> Channels:
    return iio.find(iio.Config(), Surroundings(board=tree, machine=tree))


def values(reads: Reads, metric: str) -> dict[str, float]:
    return {reading.name: reading.value for reading in reads.readings if reading.metric == metric}


def test_a_jetson_nanos_rails_are_read_once_though_they_stand_in_two_places(tmp_path: Path) -> None:
    with planted("jetson_nano_jp4", tmp_path / "root") as tree:
        reads = find(tree).read()
    assert values(reads, "power_watts") == {"POM_5V_IN": 1.022, "POM_5V_GPU": 0.0, "POM_5V_CPU": 0.204}
    assert values(reads, "voltage_volts") == {"POM_5V_IN": 5.112, "POM_5V_GPU": 5.112, "POM_5V_CPU": 5.112}
    assert values(reads, "current_amperes") == {"POM_5V_IN": 0.2, "POM_5V_GPU": 0.0, "POM_5V_CPU": 0.04}
    assert reads.faults == ()


def test_boards_with_another_driver_have_no_such_sensor(tmp_path: Path) -> None:
    for board in ("orin_nano_jp5", "rpi5", "laptop_x86"):
        with planted(board, tmp_path / board) as tree, pytest.raises(Absent, match="no ina3221x driver"):
            find(tree)


@pytest.mark.parametrize(
    "folder",
    [
        JETPACK_4,
        f"{DRIVER}/6-0040/iio_device",
        f"{DRIVER}/6-0040/iio/iio:device0",
        f"{DRIVER}/6-0040",
        "sys/bus/iio/devices/iio:device3",
    ],
)
def test_a_rail_is_found_wherever_a_kernel_puts_it(plant: Plant, folder: str) -> None:
    assert values(find(plant(rail(folder, 0, "POM_5V_IN"))).read(), "power_watts") == {"POM_5V_IN": 1.0}


def test_another_iio_device_is_none(plant: Plant) -> None:
    with pytest.raises(Absent):
        find(plant({"sys/bus/iio/devices/iio:device0/in_voltage0_raw": "512", "sys/bus/iio/devices/iio:device0/name": "ads1015"}))


def test_a_tx2s_four_chips_are_all_read(plant: Plant) -> None:
    files: dict[str, str | bytes] = {}
    for chip, names in {
        "0-0040": ("VDD_SYS_GPU", "VDD_SYS_SOC", "VDD_4V0_WIFI"),
        "0-0041": ("VDD_IN", "VDD_SYS_CPU", "VDD_SYS_DDR"),
        "0-0042": ("VDD_MUX", "VDD_5V0_IO_SYS", "VDD_3V3_SYS"),
        "0-0043": ("VDD_3V3_IO_SLP", "VDD_1V8_IO", "VDD_M2_IN"),
    }.items():
        for number, name in enumerate(names):
            files |= rail(f"{DRIVER}/{chip}/iio:device{int(chip[-1]) + 1}", number, name)
    reads = find(plant(files)).read()
    assert len(values(reads, "power_watts")) == 12
    assert len(reads.readings) == 36


def test_a_rail_that_is_not_connected_is_absent(plant: Plant) -> None:
    reads = find(plant({**rail(JETPACK_4, 0, "VDD_IN"), **rail(JETPACK_4, 1, "NC")})).read()
    assert {reading.name for reading in reads.readings} == {"VDD_IN"}


def test_two_rails_of_one_name_are_told_apart_by_their_chips(plant: Plant) -> None:
    reads = find(plant({**rail(f"{DRIVER}/0-0040/iio:device0", 0, "VDD"), **rail(f"{DRIVER}/0-0041/iio:device1", 0, "VDD")})).read()
    assert set(values(reads, "power_watts")) == {"VDD.0-0040", "VDD.0-0041"}


def test_a_rail_without_a_readable_name_is_called_by_its_number(plant: Plant) -> None:
    files = rail(JETPACK_4, 2, "x")
    files[f"{JETPACK_4}/rail_name_2"] = b"\xff"
    assert values(find(plant(files)).read(), "power_watts") == {"rail2": 1.0}


def test_a_driver_without_a_power_file_gives_voltage_times_current(plant: Plant) -> None:
    files = rail(JETPACK_4, 0, "VDD_IN", volts="5112", amperes="-200")
    del files[f"{JETPACK_4}/in_power0_input"]
    assert values(find(plant(files)).read(), "power_watts") == {"VDD_IN": -1.0224}


@pytest.mark.parametrize("content", [b"", b"\xff", b"1" * 1_000_000, b"1.5", b"200000000"], ids=lambda content: repr(content[:8]))
def test_a_bad_file_touches_its_own_rail_alone(plant: Plant, content: bytes) -> None:
    reads = find(plant({**rail(JETPACK_4, 0, "A", watts=content), **rail(JETPACK_4, 1, "B")})).read()
    assert values(reads, "power_watts") == {"B": 1.0}
    assert values(reads, "voltage_volts") == {"A": 5.0, "B": 5.0}
    assert [fault.name for fault in reads.faults] == ["A"]


def test_a_rail_that_vanishes_is_a_fault_and_a_chip_that_vanishes_is_gone(plant: Plant) -> None:
    tree = plant({**rail(JETPACK_4, 0, "A"), **rail(JETPACK_4, 1, "B")})
    source = find(tree)
    for file in tree.path(JETPACK_4).glob("in_*0_input"):
        file.unlink()
    assert [fault.name for fault in source.read().faults] == ["A"]
    for file in tree.path(JETPACK_4).iterdir():
        file.unlink()
    with pytest.raises(Absent, match="gone"):
        source.read()
