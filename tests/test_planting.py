from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest
from planting import TREES, names, plant, planted, record, refusing

from agent.boards import board
from agent.core.errors import SensorFault

if TYPE_CHECKING:
    from pathlib import Path

MODELS = {
    "agx_orin_jp6": "NVIDIA Jetson AGX Orin Developer Kit",
    "agx_thor_jp7": "NVIDIA Jetson AGX Thor Developer Kit",
    "jetson_nano_jp4": "NVIDIA Jetson Nano Developer Kit",
    "laptop_x86": "Example Laptop 14",
    "orin_nano_jp5": "NVIDIA Orin Nano Developer Kit",
    "orin_nano_jp6": "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
    "orin_nano_jp7": "NVIDIA Jetson Orin Nano Developer Kit",
    "rpi4": "Raspberry Pi 4 Model B Rev 1.4",
    "rpi5": "Raspberry Pi 5 Model B Rev 1.0",
}


@pytest.mark.parametrize("name", MODELS)
def test_a_recorded_board_is_known_by_its_name_and_says_where_it_is_from(name: str, tmp_path: Path) -> None:
    with planted(name, tmp_path / "root") as tree:
        assert board.recognise(tree, "x86_64").name == MODELS[name]
    origin = (TREES / name / "ORIGIN.md").read_text(encoding="utf-8")
    assert "onstructed" in origin


def test_no_board_is_without_its_test() -> None:
    assert names() == tuple(sorted(MODELS))


@pytest.mark.parametrize("name", MODELS)
def test_every_link_of_a_recorded_board_leads_to_something_within_it(name: str, tmp_path: Path) -> None:
    with planted(name, tmp_path / "root"):
        for folder, folders, files in os.walk(tmp_path / "root"):
            for entry in (*folders, *files):
                path = os.path.join(folder, entry)  # noqa: PTH118 - as os.walk gives them
                if os.path.islink(path):  # noqa: PTH114
                    assert os.path.exists(path), path  # noqa: PTH110
                    assert os.path.realpath(path).startswith(os.path.realpath(tmp_path / "root"))


def test_files_that_could_not_be_read_answer_as_they_did_and_only_while_planted(tmp_path: Path) -> None:
    with planted("agx_orin_jp6", tmp_path / "root") as tree:
        with pytest.raises(SensorFault, match=r"^ENODATA"):
            tree.integer("sys/class/hwmon/hwmon2/in3_input")
        with pytest.raises(SensorFault, match=r"^EIO"):
            tree.text("sys/bus/i2c/drivers/ina3221/1-0041/power/autosuspend_delay_ms")
        with pytest.raises(SensorFault, match=r"^EAGAIN"):
            tree.integer("sys/class/thermal/thermal_zone1/temp")
    with pytest.raises(SensorFault, match="empty"):
        tree.integer("sys/class/hwmon/hwmon2/in3_input")


def test_zeros_and_lines_ends_stand_in_a_file_as_the_kernel_writes_them(tmp_path: Path) -> None:
    assert plant(["# nothing", "", "[a]", r"b = one\0two\0", r"c = one\ntwo", "d =", "e = x = y -> z"], tmp_path) == {}
    contents = {path.name: path.read_bytes() for path in (tmp_path / "a").iterdir()}
    assert contents == {"b": b"one\0two\0", "c": b"one\ntwo\n", "d": b"\n", "e": b"x = y -> z\n"}


def test_a_line_that_says_nothing_is_not_passed_over(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="line 2"):
        plant(["a = 1", "nonsense"], tmp_path)


def test_a_recording_of_paths_and_values_is_planted(tmp_path: Path) -> None:
    tree = record(
        "# made\n/sys/class/powercap/intel-rapl:0/name:package-0\n/sys/a/iio:device0/x:!EIO\n/sys/class/z -> powercap", tmp_path
    )
    assert tree.text("sys/class/z/intel-rapl:0/name") == "package-0"
    assert not tree.path("sys/a").exists()


def test_a_refusal_is_met_by_any_path_that_leads_to_the_file(tmp_path: Path) -> None:
    tree = record("/sys/a/b:1\n/sys/c -> a", tmp_path)
    with refusing({tree.path("sys/c/b"): errno.EACCES}), pytest.raises(SensorFault, match=r"^EACCES"):
        tree.integer("sys/a/b")
    assert tree.integer("sys/a/b") == 1
