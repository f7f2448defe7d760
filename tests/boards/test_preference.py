from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.boards.board import recognise
from agent.boards.preference import INPUT, choose, is_estimate

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.boards.board import Board
    from agent.core.tree import Tree

    Plant = Callable[[dict[str, str | bytes]], Tree]

MODELS = {
    "rpi4": "Raspberry Pi 4 Model B Rev 1.4",
    "rpi5": "Raspberry Pi 5 Model B Rev 1.0",
    "nano": "NVIDIA Jetson Nano Developer Kit",
    "tx2": "NVIDIA Jetson TX2",
    "agx": "NVIDIA Jetson AGX Orin",
    "orin": "NVIDIA Jetson Orin Nano",
    "thor": "NVIDIA Jetson AGX Thor Developer Kit",
    "rock": "Radxa ROCK 5B",
    "pc": "",
}


@pytest.fixture
def board(plant: Plant) -> Callable[[str], Board]:
    """Return a function that returns a board by its short name."""

    def make(name: str) -> Board:
        model = MODELS[name]
        return recognise(plant({"proc/device-tree/model": model} if model else {}), "aarch64" if model else "x86_64")

    return make


@pytest.mark.parametrize(
    ("name", "names", "chosen"),
    [
        ("rpi4", ["thermal.cpu-thermal", "rpi.soc"], "thermal.cpu-thermal"),
        ("rpi4", ["rpi.soc"], "rpi.soc"),
        # The RP1 chip and the power chip are not the SoC.
        ("rpi5", ["hwmon.rp1_adc.temp1", "rpi.pmic", "rpi.soc"], "rpi.soc"),
        ("rpi5", ["hwmon.rp1_adc.temp1", "rpi.pmic", "hwmon.nvme.Composite"], None),
        (
            "orin",
            ["thermal.cpu-thermal", "thermal.gpu-thermal", "thermal.soc0-thermal", "thermal.tj-thermal"],
            "thermal.tj-thermal",
        ),
        ("orin", ["tegrastats.cpu", "tegrastats.tj", "tegrastats.tboard"], "tegrastats.tj"),
        ("nano", ["thermal.AO-therm", "thermal.CPU-therm", "thermal.PMIC-Die", "thermal.thermal-fan-est"], "thermal.CPU-therm"),
        ("nano", ["thermal.cpu", "thermal.gpu", "thermal.mem", "thermal.pllx"], "thermal.cpu"),
        ("nano", ["tegrastats.cpu", "tegrastats.pmic", "tegrastats.thermal"], "tegrastats.cpu"),
        ("nano", ["thermal.PMIC-Die", "thermal.thermal-fan-est", "thermal.iwlwifi_1"], None),
        ("tx2", ["thermal.BCPU-therm", "thermal.MCPU-therm", "thermal.Tboard_tegra"], "thermal.BCPU-therm"),
        ("pc", ["thermal.acpitz", "thermal.x86_pkg_temp", "hwmon.coretemp.Core 0"], "thermal.x86_pkg_temp"),
        ("pc", ["hwmon.coretemp.Core 0", "hwmon.coretemp.Package id 0"], "hwmon.coretemp.Package id 0"),
        ("pc", ["hwmon.k10temp.Tccd1", "hwmon.k10temp.Tctl", "hwmon.amdgpu.edge"], "hwmon.k10temp.Tctl"),
        ("pc", ["hwmon.k10temp.temp1"], "hwmon.k10temp.temp1"),
        ("pc", ["thermal.acpitz", "hwmon.nvme.Composite"], None),
        # Two processors: the first, in numerical order.
        ("pc", ["thermal.x86_pkg_temp.thermal_zone10", "thermal.x86_pkg_temp.thermal_zone2"], "thermal.x86_pkg_temp.thermal_zone2"),
        ("rock", ["thermal.bigcore0-thermal", "thermal.gpu-thermal", "thermal.soc-thermal"], "thermal.soc-thermal"),
        ("rock", ["thermal.cpu0-thermal", "thermal.gpu-thermal"], "thermal.cpu0-thermal"),
        ("rock", ["thermal.battery"], None),
        ("rock", [], None),
    ],
)
def test_the_socs_temperature_is_chosen_by_what_the_board_calls_it(
    board: Callable[[str], Board], name: str, names: list[str], chosen: str | None
) -> None:
    for seed in range(3):
        random.Random(seed).shuffle(names)
        assert board(name).choose_soc(names) == chosen


@pytest.mark.parametrize(
    ("name", "names", "chosen"),
    [
        # The kernel's own files, then chips, then the program's text.
        ("orin", ["tegrastats.vdd_in", "hwmon.ina3221.VDD_IN", "ina226.vin"], "hwmon.ina3221.VDD_IN"),
        (
            "orin",
            ["tegrastats.vdd_in", "hwmon.ina3221.1-0040.VDD_IN", "hwmon.ina3221.1-0040.VDD_SOC"],
            "hwmon.ina3221.1-0040.VDD_IN",
        ),
        ("orin", ["tegrastats.vdd_in", "ina226.vin", "iio.ina3221x.VDD_IN"], "iio.ina3221x.VDD_IN"),
        ("orin", ["tegrastats.vdd_in", "ina226.vin"], "ina226.vin"),
        ("orin", ["tegrastats.vdd_cpu_gpu_cv", "tegrastats.vdd_in", "tegrastats.vdd_soc"], "tegrastats.vdd_in"),
        ("orin", ["hwmon.ina3221.VDD_CPU_GPU_CV", "hwmon.ina3221.VDD_SOC"], None),
        ("nano", ["tegrastats.pom_5v_in", "tegrastats.pom_5v_cpu", "tegrastats.pom_5v_gpu"], "tegrastats.pom_5v_in"),
        ("nano", ["iio.POM_5V_CPU", "iio.POM_5V_IN", "tegrastats.pom_5v_in"], "iio.POM_5V_IN"),
        ("nano", ["iio.ina3221x.POM_5V_IN", "tegrastats.pom_5v_in"], "iio.ina3221x.POM_5V_IN"),
        # An AGX measures parts of what it takes in, and no sum of them is the whole.
        ("agx", ["tegrastats.vdd_gpu_soc", "tegrastats.vdd_cpu_cv", "tegrastats.vin_sys_5v0"], None),
        ("agx", ["hwmon.ina3221.VIN_SYS_5V0", "hwmon.ina3221.VDD_GPU_SOC", "ina228.vin"], "ina228.vin"),
        ("agx", ["tegrastats.sys5v", "tegrastats.gpu", "tegrastats.cpu"], None),
        ("thor", ["hwmon.ina3221.VDD_GPU", "hwmon.ina3221.VIN_SYS_5V0", "hwmon.ina238.power1"], "hwmon.ina238.power1"),
        ("thor", ["tegrastats.vin", "tegrastats.vin_sys_5v0"], "tegrastats.vin"),
        ("orin", ["hwmon.ina238.power1"], None),
        # The power chip of a Pi 5 goes last: it is an estimate.
        ("rpi5", ["rpi.pmic_sum", "rpi.vdd_core", "ina219.vin"], "ina219.vin"),
        ("rpi5", ["rpi.pmic_sum", "rpi.vdd_core"], "rpi.pmic_sum"),
        ("rpi5", ["rpi.vdd_core", "rpi.3v3_sys"], None),
        ("rpi4", ["ina219.battery"], None),
        ("rpi4", ["hwmon.ina219.power1"], None),
        ("pc", ["rapl.package-0", "hwmon.amdgpu.PPT"], None),
        ("pc", ["ina226.5V_IN"], "ina226.5V_IN"),
        ("rock", ["rpi.pmic_sum"], None),
    ],
)
def test_the_input_is_the_one_rail_that_feeds_the_whole_board_or_none(
    board: Callable[[str], Board], name: str, names: list[str], chosen: str | None
) -> None:
    for seed in range(3):
        random.Random(seed).shuffle(names)
        assert board(name).choose_input(names) == chosen


def test_only_the_power_chips_sum_is_an_estimate() -> None:
    assert is_estimate("rpi.pmic_sum")
    assert not any(is_estimate(name) for name in ("hwmon.ina3221.VDD_IN", "ina226.vin", "tegrastats.vdd_in", "rpi.vdd_core"))


@given(names=st.lists(st.text(max_size=20)))
def test_what_is_chosen_is_one_of_the_names(names: list[str]) -> None:
    assert choose(["*"], names) == (None if not names else choose(["*"], sorted(names)))
    assert choose(INPUT, names) in {None, *names}
