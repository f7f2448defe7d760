from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.errors import Absent
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.core.units import Seconds
from agent.sensors import _nvpmodel, jetson

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.core.record import Reads

    Plant = Callable[[dict[str, str | bytes]], Tree]

CASES = Path(__file__).parent.parent / "cases/jetson"
RELEASE = {"etc/nv_tegra_release": "# R36 (release), REVISION: 4.4, GCID: 41062509, BOARD: generic\n"}
OC = "sys/class/hwmon/hwmon4"
COUNTERS = {f"{OC}/name": "soctherm_oc\n", f"{OC}/oc1_event_cnt": "0\n", f"{OC}/oc2_event_cnt": "0\n", f"{OC}/oc3_event_cnt": "7\n"}
GPU = "sys/class/devfreq/17000000.gpu"
POLICY = "sys/devices/system/cpu/cpufreq/policy0/cpuinfo_cur_freq"
MODES = {"etc/nvpmodel.conf": "< POWER_MODEL ID=0 NAME=15W >\n< POWER_MODEL ID=1 NAME=25W >\n"}
STATUS = "var/lib/nvpmodel/status"


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic_nanoseconds(self) -> int:
        return round(self.seconds * 1e9)

    def wall_seconds(self) -> float:
        return 0.0


class Nvpmodel:
    """The command, saying what it is told to say; None: it is not there."""

    def __init__(self, says: str | OSError | None = None) -> None:
        self.says = says
        self.calls = 0

    def run(self, words: Sequence[str], seconds: float) -> str:
        assert list(words) == ["nvpmodel", "-q"]
        assert 0 < seconds <= 10
        self.calls += 1
        if self.says is None:
            raise FileNotFoundError(errno.ENOENT, "no such command")
        if isinstance(self.says, OSError):
            raise self.says
        return self.says


class Board:
    """A sensor on a board whose every part is at hand."""

    def __init__(self, tree: Tree, says: str | OSError | None = None, **keys: Any) -> None:
        self.clock = Clock()
        self.command = Nvpmodel(says)
        surroundings = Surroundings(board=tree, machine=tree, clock=self.clock, run=self.command.run)
        self.source = jetson.find(jetson.Config(**keys), surroundings)

    def read(self, *, after: float = 1.0) -> Reads:
        self.clock.seconds += after
        return self.source.read()


def told(reads: Reads) -> dict[str, Any]:
    """Return what was read, by metric and name; what is not there is left out."""
    found: dict[str, Any] = {}
    for reading in reads.readings:
        assert reading.name not in found.setdefault(reading.metric, {})
        found[reading.metric][reading.name] = reading.value
    if reads.labels:
        found["labels"] = {label.metric: label.text for label in reads.labels}
    if reads.faults:
        found["faults"] = {fault.name: fault.reason for fault in reads.faults}
    return found


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_recorded_board_reads_as_a_person_reads_it(case: str) -> None:
    folder = CASES / case
    assert (folder / "ORIGIN.md").is_file()
    command = folder / "nvpmodel.txt"
    board = Board(Tree(folder / "tree"), command.read_text() if command.is_file() else None)
    seen = told(board.read())
    expected = json.loads((folder / "expected.json").read_text())
    assert seen.keys() == expected.keys()
    for metric, values in expected.items():
        assert seen[metric] == (values if metric == "labels" else pytest.approx(values))


def test_the_published_evidence_of_a_throttle_is_read_where_it_stands(shared: Path, plant: Plant) -> None:
    lines = (shared / "fixtures/sysfs/jetson_throttle_evidence.txt").read_text().splitlines()
    files = dict(line.lstrip("/").rsplit(":", 1) for line in lines if line.startswith("/sys/"))
    seen = told(Board(plant({**RELEASE, **files})).read())
    assert seen == {"over_current_total": {"oc1": 0.0, "oc2": 0.0, "oc3": 27390.0}}


# Which boards.


@pytest.mark.parametrize(
    "files",
    [
        RELEASE,
        {"proc/device-tree/compatible": b"acme,carrier\0nvidia,p3767-0000\0nvidia,tegra234\0"},
        {"sys/firmware/devicetree/base/model": b"NVIDIA Jetson Xavier NX Developer Kit\0"},
    ],
)
def test_a_jetson_is_known_by_its_release_or_its_device_tree(plant: Plant, files: dict[str, str | bytes]) -> None:
    assert told(Board(plant({**files, **COUNTERS})).read())["over_current_total"]["oc3"] == 7


def test_other_boards_have_no_such_sensor_and_nothing_is_started(plant: Plant) -> None:
    command = Nvpmodel("NV Power Mode: 25W\n1\n")
    for files in ({}, {"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0", **COUNTERS}):
        tree = plant(dict(files))
        with pytest.raises(Absent, match="not a Jetson"):
            jetson.find(jetson.Config(), Surroundings(board=tree, machine=tree, run=command.run))
    assert command.calls == 0


def test_a_jetson_that_shows_nothing_has_no_such_sensor(plant: Plant) -> None:
    with pytest.raises(Absent, match="shows none") as absent:
        Board(plant(dict(RELEASE)))
    assert "container" in absent.value.mend


# Its files.


def test_the_counters_are_found_by_the_chips_name_and_by_its_place(plant: Plant) -> None:
    other = {"sys/class/hwmon/hwmon0/name": "ina3221\n", "sys/class/hwmon/hwmon0/oc9_event_cnt": "5\n"}
    assert told(Board(plant({**RELEASE, **other, **COUNTERS})).read())["over_current_total"] == {"oc1": 0, "oc2": 0, "oc3": 7}


@pytest.mark.parametrize(
    ("device", "is_gpu"),
    [
        ("17000000.gpu", True),
        ("17000000.ga10b", True),
        ("17000000.gv11b", True),
        ("17000000.gp10b", True),
        ("57000000.gpu", True),
        ("gpu-gpc-0", True),
        ("gpu-nvd-0", False),
        ("15340000.vic", False),
        ("154c0000.nvenc", False),
        ("13e00000.host1x", False),
        ("158c0000.nvdla0", False),
    ],
)
def test_the_gpu_is_known_by_its_devices_name(plant: Plant, device: str, *, is_gpu: bool) -> None:
    seen = told(Board(plant({**RELEASE, **COUNTERS, f"sys/class/devfreq/{device}/cur_freq": "305000000\n"})).read())
    assert seen.get("frequency_hertz") == ({"gpu": 305e6} if is_gpu else None)


@pytest.mark.parametrize(
    "path",
    [
        f"{GPU}/device/load",
        "sys/devices/platform/gpu.0/load",
        "sys/devices/gpu.0/load",
        "sys/devices/platform/bus@0/17000000.gpu/load",
    ],
)
def test_the_load_is_thousandths_wherever_it_stands(plant: Plant, path: str) -> None:
    seen = told(Board(plant({**RELEASE, f"{GPU}/cur_freq": "0\n", path: "39\n"})).read())
    # A clock that is switched off is a measured zero.
    assert seen == {"frequency_hertz": {"gpu": 0.0}, "load_ratio": {"gpu": pytest.approx(0.039)}}


@pytest.mark.parametrize("path", ["sys/kernel/debug/bpmp/debug/clk/emc/rate", "sys/kernel/debug/clk/override.emc/clk_rate"])
def test_the_memorys_clock_is_read_where_root_runs_us(plant: Plant, path: str) -> None:
    assert told(Board(plant({**RELEASE, path: "1600000000\n"})).read()) == {"frequency_hertz": {"emc": 1.6e9}}


def test_what_root_alone_may_read_is_absent_and_no_fault(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = plant({**RELEASE, **COUNTERS, POLICY: "1728000\n", "sys/kernel/debug/bpmp/debug/clk/emc/rate": "1\n"})
    really = os.open

    def refuse(path: Path, flags: int) -> int:
        if Path(path).name in {"cpuinfo_cur_freq", "rate"}:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return really(path, flags)

    monkeypatch.setattr(os, "open", refuse)
    board = Board(tree)
    assert all(told(board.read()) == {"over_current_total": {"oc1": 0, "oc2": 0, "oc3": 7}} for _ in range(130))


@pytest.mark.parametrize(
    ("path", "name", "content", "reason"),
    [
        (f"{OC}/oc3_event_cnt", "oc3", "-1\n", "implausible -1"),
        (f"{OC}/oc3_event_cnt", "oc3", "", "empty"),
        (f"{GPU}/cur_freq", "gpu", "-1\n", "implausible -1"),
        (f"{GPU}/cur_freq", "gpu", b"\xff\xfe", "not text"),
        (f"{GPU}/device/load", "gpu", "1001\n", "implausible 1001"),
        (POLICY, "policy0", "<unknown>\n", "not a number"),
        (POLICY, "policy0", "0\n", "implausible 0"),
    ],
)
def test_a_bad_file_is_a_fault_of_its_own_figure_alone(
    plant: Plant, path: str, name: str, content: str | bytes, reason: str
) -> None:
    files = {**RELEASE, **COUNTERS, f"{GPU}/cur_freq": "305000000\n", f"{GPU}/device/load": "500\n", POLICY: "1728000\n"}
    board = Board(plant(dict(files)))
    whole = len(board.read().readings)
    plant({path: content})
    reads = board.read(after=5.0)
    assert {fault.name: fault.reason for fault in reads.faults} == {name: reason}
    assert len(reads.readings) == whole - 1


def test_a_file_that_vanishes_is_a_fault_however_often_new_ones_are_looked_for(plant: Plant) -> None:
    tree = plant({**RELEASE, **COUNTERS, f"{GPU}/cur_freq": "305000000\n"})
    board = Board(tree)
    tree.path(f"{GPU}/cur_freq").unlink()
    assert all(list(told(board.read())["faults"]) == ["gpu"] for _ in range(130))
    plant({f"{GPU}/cur_freq": "306000000\n"})
    assert told(board.read())["frequency_hertz"] == {"gpu": 306e6}


def test_a_gpu_whose_driver_is_loaded_later_is_found(plant: Plant) -> None:
    board = Board(plant({**RELEASE, **COUNTERS}))
    assert "load_ratio" not in told(board.read())
    plant({f"{GPU}/cur_freq": "305000000\n", f"{GPU}/device/load": "500\n"})
    seen = [told(board.read()) for _ in range(65)]
    assert seen[-1]["load_ratio"] == {"gpu": 0.5}


def test_the_cores_are_disturbed_at_the_clocks_own_period_only(plant: Plant) -> None:
    board = Board(plant({**RELEASE, **COUNTERS, POLICY: "1510400\n"}), clock_period=Seconds(5))
    seen = ["frequency_hertz" in told(board.read()) for _ in range(11)]
    assert seen == [True, *[False] * 4] * 2 + [True]
    with pytest.raises(ValueError, match="clock_period"):
        jetson.Config(clock_period=Seconds(0.0))


# Its power mode.


@pytest.mark.parametrize(
    ("says", "mode"),
    [
        ("NV Power Mode: 25W\n1\n", "25W"),
        ("NV Power Mode: MAXN\r\n0\r\n", "MAXN"),
        ("NV Power Mode:15W\n2\n", "15W"),
        ("NVPM WARN: fan mode is not set!\nNV Power Mode: MODE_15W_DESKTOP\n2\n", "MODE_15W_DESKTOP"),
        ("NV Fan Mode:quiet\nNV Power Mode: MODE 30W ALL\n3\n", "MODE 30W ALL"),
    ],
)
def test_the_mode_is_the_name_that_the_command_prints(plant: Plant, says: str, mode: str) -> None:
    assert told(Board(plant(dict(RELEASE)), says).read()) == {"labels": {"power_mode": mode}}


def test_the_command_is_started_once_a_minute_and_the_mode_is_told_with_every_reading(plant: Plant) -> None:
    board = Board(plant(dict(RELEASE)), "NV Power Mode: 25W\n1\n")
    assert all(told(board.read())["labels"] == {"power_mode": "25W"} for _ in range(181))
    assert board.command.calls == 4
    board.command.says = "NV Power Mode: 7W\n3\n"
    assert [told(board.read())["labels"]["power_mode"] for _ in range(60)][-1] == "7W"


def test_a_mode_that_is_changed_is_seen_at_once(plant: Plant) -> None:
    board = Board(plant({**RELEASE, STATUS: "pmode:0001\n"}), "NV Power Mode: 25W\n1\n")
    board.read()
    board.command.says = "NV Power Mode: 15W\n0\n"
    plant({STATUS: "pmode:0000\n"})
    assert told(board.read())["labels"] == {"power_mode": "15W"}
    assert board.command.calls == 2


@pytest.mark.parametrize("says", [None, "", "NVPM ERROR: Error opening /var/lib/nvpmodel\n", TimeoutError("took longer than 5 s")])
def test_where_the_command_does_not_say_the_files_do(plant: Plant, says: str | OSError | None) -> None:
    tree = plant({**RELEASE, **MODES, STATUS: "pmode:0001 fmode:quiet\n"})
    assert told(Board(tree, says).read()) == {"labels": {"power_mode": "25W"}}


@pytest.mark.parametrize(
    "says", ["", "NVPM ERROR: failed\n", TimeoutError("nvpmodel took longer than 5 s"), PermissionError(13, "no")]
)
def test_a_mode_that_cannot_be_had_is_a_fault_each_time_it_is_asked_for(plant: Plant, says: str | OSError) -> None:
    board = Board(plant({**RELEASE, **COUNTERS}), says)
    faults = [list(told(board.read()).get("faults", {})) for _ in range(61)]
    assert faults == [["power_mode"], *[[]] * 59, ["power_mode"]]


def test_a_mode_that_was_had_and_cannot_be_had_any_more_is_not_told(plant: Plant) -> None:
    board = Board(plant({**RELEASE, **COUNTERS}), "NV Power Mode: 25W\n1\n")
    board.read()
    board.command.says = TimeoutError("nvpmodel took longer than 5 s")
    assert told(board.read())["labels"] == {"power_mode": "25W"}
    assert told(board.read(after=60.0))["faults"] == {"power_mode": "nvpmodel took longer than 5 s"}
    assert "labels" not in told(board.read())


def test_a_board_without_modes_has_none_and_no_fault(plant: Plant) -> None:
    assert "faults" not in told(Board(plant({**RELEASE, **COUNTERS})).read())
    for status, modes in (("pmode:0007\n", MODES), ("", MODES), ("pmode:0001\n", {})):
        board = Board(plant({**RELEASE, **COUNTERS, "etc/nvpmodel.conf": "", **modes, STATUS: status}))
        assert told(board.read()) == {"over_current_total": {"oc1": 0, "oc2": 0, "oc3": 7}}


@given(status=st.text(max_size=40), modes=st.text(max_size=80))
def test_any_files_are_a_mode_or_none(status: str, modes: str) -> None:
    assert _nvpmodel.named(status, modes) is None or "POWER_MODEL" in modes
