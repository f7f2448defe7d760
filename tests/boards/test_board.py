from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.boards.board import Board, recognise
from agent.core.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

    Plant = Callable[[dict[str, str | bytes]], Tree]

MODEL = "proc/device-tree/model"
COMPATIBLE = "proc/device-tree/compatible"
RELEASE = "etc/nv_tegra_release"
DMI = "sys/class/dmi/id"
CPUFREQ = "sys/devices/system/cpu/cpufreq"


# Names.


def test_a_board_with_a_device_tree_is_called_what_the_tree_says(plant: Plant) -> None:
    board = recognise(plant({MODEL: b"Radxa ROCK 5B\0", COMPATIBLE: b"radxa,rock-5b\0rockchip,rk3588\0"}), "aarch64")
    assert (board.name, board.family, board.model) == ("Radxa ROCK 5B", "generic", "")
    assert not board.clock_is_measured


def test_a_pc_is_called_what_its_maker_says_and_its_clock_is_measured(plant: Plant) -> None:
    board = recognise(plant({f"{DMI}/sys_vendor": "Intel\n", f"{DMI}/product_name": "NUC11TNK\n"}), "x86_64")
    assert (board.name, board.family, board.clock_is_measured) == ("Intel NUC11TNK", "x86", True)


@pytest.mark.parametrize("word", ["To Be Filled By O.E.M.", "Default string", "System Product Name", "", "Not Specified"])
def test_what_a_maker_left_to_be_filled_in_is_no_name(plant: Plant, word: str) -> None:
    board = recognise(plant({f"{DMI}/sys_vendor": f"{word}\n", f"{DMI}/product_name": f"{word}\n"}), "x86_64")
    assert board.name == "x86_64"


@pytest.mark.parametrize(("machine", "family"), [("x86_64", "x86"), ("aarch64", "generic"), ("riscv64", "generic")])
def test_a_machine_without_any_name_is_called_by_its_architecture(plant: Plant, machine: str, family: str) -> None:
    board = recognise(plant({}), machine)
    assert (board.name, board.family, board.max_clock_hertz) == (machine, family, None)
    assert board.clock_is_measured == (machine == "x86_64")


def test_a_simulated_board_is_itself_whatever_machine_it_stands_on(plant: Plant) -> None:
    board = recognise(plant({MODEL: "Raspberry Pi 5 Model B Rev 1.0", f"{DMI}/product_name": "NUC"}), "x86_64")
    assert (board.name, board.family, board.clock_is_measured) == ("Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi", False)
    board = recognise(plant({MODEL: "Radxa ROCK 5B"}), "x86_64")
    assert (board.name, board.family, board.clock_is_measured) == ("Radxa ROCK 5B", "generic", False)


# Raspberry Pi.


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Raspberry Pi 5 Model B Rev 1.0", "rpi5"),
        ("Raspberry Pi 4 Model B Rev 1.4", "rpi4"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "rpi3"),
        ("Raspberry Pi 3 Model A Plus Rev 1.0", "rpi3"),
        ("Raspberry Pi 2 Model B Rev 1.1", "rpi2"),
        ("Raspberry Pi Model B Plus Rev 1.2", "rpi1"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "rpi-zero2"),
        ("Raspberry Pi Zero W Rev 1.1", "rpi-zero"),
        ("Raspberry Pi Compute Module 5 Rev 1.0", "rpi-cm5"),
        ("Raspberry Pi Compute Module 3 Plus Rev 1.0", "rpi-cm3"),
        ("Raspberry Pi Compute Module Rev 1.0", "rpi-cm1"),
        ("Raspberry Pi 400 Rev 1.0", "rpi400"),
        ("Raspberry Pi 500 Rev 1.0", "rpi500"),
    ],
)
def test_every_raspberry_pi_has_its_key(plant: Plant, name: str, model: str) -> None:
    board = recognise(plant({MODEL: f"{name}\0"}), "aarch64")
    assert (board.family, board.model, board.name) == ("raspberry-pi", model, name)
    assert (board.l4t, board.jetpack) == (None, None)


def test_a_clone_that_is_compatible_by_name_alone_is_of_the_family(plant: Plant) -> None:
    board = recognise(plant({MODEL: "Acme gateway", COMPATIBLE: b"raspberrypi,4-compute-module\0brcm,bcm2711\0"}), "aarch64")
    assert (board.name, board.family, board.model) == ("Acme gateway", "raspberry-pi", "")


# Jetson.


@pytest.mark.parametrize(
    ("name", "compatible", "model"),
    [
        (
            "NVIDIA Jetson Nano Developer Kit",
            "nvidia,p3449-0000-b00+p3448-0000-b00 nvidia,jetson-nano nvidia,tegra210",
            "jetson-nano",
        ),
        ("jetson_tx1", "nvidia,jetson-cv nvidia,tegra210", "tx1"),
        ("NVIDIA Jetson TX1 Developer Kit", "nvidia,p2371-2180 nvidia,tegra210", "tx1"),
        ("quill", "nvidia,p2597-0000+p3310-1000 nvidia,quill nvidia,tegra186", "tx2"),
        ("lightning", "nvidia,p3509-0000+p3636-0001 nvidia,tegra186", "tx2-nx"),
        ("NVIDIA Jetson Xavier NX Developer Kit", "nvidia,p3449-0000+p3668-0000 nvidia,tegra194", "xavier-nx"),
        ("Jetson-AGX", "nvidia,p2972-0000 nvidia,tegra194", "agx-xavier"),
        ("NVIDIA Orin Nano Developer Kit", "nvidia,p3768-0000+p3767-0005 nvidia,p3767-0005 nvidia,tegra234", "orin-nano"),
        ("NVIDIA Orin NX Developer Kit", "nvidia,p3768-0000+p3767-0000 nvidia,p3767-0000 nvidia,tegra234", "orin-nx"),
        ("NVIDIA Jetson AGX Orin Developer Kit", "nvidia,p3737-0000+p3701-0005 nvidia,p3701-0005 nvidia,tegra234", "agx-orin"),
        ("NVIDIA Jetson AGX Thor Developer Kit", "nvidia,p4071-0000+p3834-0008 nvidia,p3834-0008 nvidia,tegra264", "thor"),
        # A carrier board of another maker: the module tells.
        ("Acme camera", "acme,carrier nvidia,p3767-0001 nvidia,tegra234", "orin-nx"),
        # A tree that has a name alone.
        ("NVIDIA Jetson Orin NX Engineering Reference Developer Kit", "", "orin-nx"),
        ("NVIDIA Jetson AGX Orin", "", "agx-orin"),
        ("NVIDIA Jetson Something New", "nvidia,p9999-0000 nvidia,tegra300", ""),
    ],
)
def test_every_jetson_has_its_key_by_its_module(plant: Plant, name: str, compatible: str, model: str) -> None:
    board = recognise(plant({MODEL: f"{name}\0", COMPATIBLE: compatible.replace(" ", "\0") + "\0"}), "aarch64")
    assert (board.name, board.family, board.model) == (name, "jetson", model)
    assert not board.clock_is_measured


def test_a_jetson_without_a_device_tree_is_known_by_its_release(plant: Plant) -> None:
    board = recognise(
        plant({RELEASE: "# R36 (release), REVISION: 4.4, GCID: 41062509, BOARD: generic, EABI: aarch64\n"}), "aarch64"
    )
    assert (board.name, board.family, board.model, board.l4t) == ("aarch64", "jetson", "", "36.4.4")


# Clocks.


def test_the_highest_clock_is_that_of_the_fastest_cores(plant: Plant) -> None:
    files = {f"{CPUFREQ}/policy0/cpuinfo_max_freq": "1800000\n", f"{CPUFREQ}/policy4/cpuinfo_max_freq": "2400000\n"}
    assert recognise(plant(files), "aarch64").max_clock_hertz == 2.4e9


@pytest.mark.parametrize("content", ["", "0\n", "-5\n", "fast\n"])
def test_a_clock_that_cannot_be_read_is_not_known(plant: Plant, content: str) -> None:
    assert recognise(plant({f"{CPUFREQ}/policy0/cpuinfo_max_freq": content}), "aarch64").max_clock_hertz is None


CLOCKS = ("cpufreq.policy0", "cpufreq.policy4", "rpi.arm", "jetson.policy0", "jetson.policy4", "jetson.gpu", "jetson.emc")


@pytest.mark.parametrize(
    ("files", "machine", "clocks"),
    [
        ({MODEL: "Raspberry Pi 4 Model B"}, "aarch64", ("rpi.arm",)),
        ({MODEL: "NVIDIA Jetson Nano"}, "aarch64", ("jetson.policy0", "jetson.policy4")),
        ({}, "x86_64", ("cpufreq.policy0", "cpufreq.policy4")),
        ({}, "aarch64", ()),
    ],
)
def test_the_clocks_that_can_be_believed_are_the_boards(
    plant: Plant, files: dict[str, str | bytes], machine: str, clocks: tuple[str, ...]
) -> None:
    assert recognise(plant(files), machine).choose_true_clocks(CLOCKS) == clocks


def test_a_board_that_is_made_up_for_a_test_needs_a_name_and_no_more() -> None:
    board = Board(name="Test", clock_is_measured=True)
    assert (board.family, board.model, board.choose_input(["process.agent"])) == ("generic", "", None)


@given(content=st.dictionaries(st.sampled_from([MODEL, COMPATIBLE, RELEASE, f"{DMI}/sys_vendor"]), st.binary(max_size=60)))
def test_any_files_are_some_board(content: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path_factory.mktemp("board")
    for name, text in content.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text)
    board = recognise(Tree(root), "aarch64")
    assert board.name
    assert board.family in {"raspberry-pi", "jetson", "generic"}
