from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fake_firmware import NOT_REGISTERED, Firmware, Machine, refusal
from hypothesis import given
from hypothesis import strategies as st

from agent.core.errors import Absent, SensorFault
from agent.core.sensor import Closing
from agent.core.tree import Tree
from agent.core.units import Seconds
from agent.sensors import _pmic, rpi

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.record import Reads

    Plant = Callable[[dict[str, str | bytes]], Tree]

CASES = Path(__file__).parent.parent / "cases/rpi"
MODEL = {"proc/device-tree/model": b"Raspberry Pi 4 Model B Rev 1.4\0"}
ALARM = {"sys/class/hwmon/hwmon3/name": "rpi_volt\n", "sys/class/hwmon/hwmon3/in0_lcrit_alarm": "0\n"}
DEPRECATED = "sys/devices/platform/soc/soc:firmware/get_throttled"
PI4 = {"get_throttled": "throttled=0x0", "measure_clock arm": "frequency(48)=1500345728", "measure_temp": "temp=48.5'C"}
PMIC = """\
 VDD_CORE_A current(7)=10.00000000A
  3V3_SYS_A current(1)=0.10000000A
 VDD_CORE_V volt(15)=0.90000000V
  3V3_SYS_V volt(9)=3.30000000V
    EXT5V_V volt(24)=5.10000000V
     BATT_V volt(25)=0.00341880V
"""
PI5 = {**PI4, "measure_clock arm": "frequency(0)=2400018688", "measure_temp pmic": "temp=52.1'C", "pmic_read_adc": PMIC}


class Clock:
    """Stands still until it is told."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def monotonic_nanoseconds(self) -> int:
        return round(self.seconds * 1e9)

    def wall_seconds(self) -> float:
        return 0.0


class Pi:
    """A sensor on a board whose every part is at hand."""

    def __init__(
        self,
        tree: Tree,
        answers: dict[str, Any],
        *,
        nodes: dict[str, OSError | None] | None = None,
        works: bool = False,
        **keys: Any,
    ) -> None:
        self.clock = Clock()
        self.firmware = Firmware(dict(answers))
        self.machine = Machine(self.firmware, {"vcio_gencmd": None} if nodes is None else nodes, works=works)
        self.source = rpi.find(rpi.Config(**keys), self.machine.surroundings(tree, self.clock))

    def read(self, *, after: float = 1.0) -> Reads:
        self.clock.seconds += after
        return self.source.read()


def told(reads: Reads) -> dict[str, Any]:
    """Return what was read, by metric and name; what is not there is left out."""
    found: dict[str, Any] = {}
    for reading in reads.readings:
        assert reading.name not in found.setdefault(reading.metric, {})
        found[reading.metric][reading.name] = reading.value
    if reads.flags:
        found["flags"] = {flags.metric: flags.bits for flags in reads.flags}
    if reads.faults:
        found["faults"] = {fault.name: fault.reason for fault in reads.faults}
    return found


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_a_recorded_board_reads_as_a_person_reads_it(case: str) -> None:
    folder = CASES / case
    assert (folder / "ORIGIN.md").is_file()
    answers = json.loads((folder / "firmware.json").read_text())
    has_node = any(answers)
    pi = Pi(Tree(folder / "tree"), answers[0], nodes=None if has_node else {})
    for said, expected in zip(answers, json.loads((folder / "expected.json").read_text()), strict=True):
        pi.firmware.answers = dict(said)
        seen = told(pi.read())
        assert seen.keys() == expected.keys()
        for metric, values in expected.items():
            assert seen[metric] == (values if metric in {"flags", "faults"} else pytest.approx(values, abs=1e-9))


# Which boards.


def test_other_boards_have_no_such_sensor_and_are_not_asked(plant: Plant) -> None:
    for files in ({}, {"proc/device-tree/model": "NVIDIA Jetson Orin Nano"}, {"sys/class/dmi/id/product_name": "NUC"}):
        machine = Machine(Firmware(PI4), {"vcio": None}, works=True)
        with pytest.raises(Absent, match="not a Raspberry Pi"):
            rpi.find(rpi.Config(), machine.surroundings(plant(dict(files))))
        assert (machine.opened, machine.commands) == ([], [])
        plant({"proc/device-tree/model": ""})


def test_a_container_that_hides_the_device_tree_is_known_by_the_node(plant: Plant) -> None:
    assert told(Pi(plant({"dev/vcio_gencmd": ""}), PI4).read())["flags"] == {"firmware": 0}


@pytest.mark.parametrize("model", ["Raspberry Pi Zero 2 W Rev 1.0", "Raspberry Pi Compute Module 5 Rev 1.0", "Raspberry Pi 500"])
def test_every_board_of_the_family_is_asked(plant: Plant, model: str) -> None:
    tree = plant({"sys/firmware/devicetree/base/model": f"{model}\0"})
    assert told(Pi(tree, PI4).read()) == {
        "frequency_hertz": {"arm": 1500345728.0},
        "temperature_celsius": {"soc": 48.5},
        "flags": {"firmware": 0},
    }


def test_a_board_whose_firmware_may_not_be_asked_says_how_it_may(plant: Plant) -> None:
    machine = Machine(Firmware(PI4), {"vcio_gencmd": refusal(errno.EACCES)})
    with pytest.raises(Absent, match="EACCES") as absent:
        rpi.find(rpi.Config(), machine.surroundings(plant(dict(MODEL))))
    assert "group video" in absent.value.mend


def test_a_board_with_neither_firmware_nor_kernel_files_has_no_such_sensor(plant: Plant) -> None:
    with pytest.raises(Absent, match="no mailbox of the firmware and no vcgencmd"):
        rpi.find(rpi.Config(), Machine(Firmware({}), {}).surroundings(plant(dict(MODEL))))


# What it is asked.


def test_the_words_of_the_past_are_never_cleared_and_the_core_is_asked_only_on_demand(plant: Plant) -> None:
    answers = {**PI4, "measure_volts core": "volt=0.8600V"}
    pi = Pi(plant(dict(MODEL)), answers)
    pi.read()
    assert set(pi.firmware.asked) == {"get_throttled", "measure_clock arm", "measure_temp", "pmic_read_adc"}
    assert told(Pi(plant(dict(MODEL)), answers, volts=True).read())["voltage_volts"] == {"core": 0.86}


def test_without_a_node_the_command_gives_the_same_figures(plant: Plant) -> None:
    tree = plant(dict(MODEL))
    assert told(Pi(tree, PI5, nodes={}, works=True).read()) == told(Pi(tree, PI5).read())


@pytest.mark.parametrize(("says", "bits"), [("throttled=0x0", 0), ("throttled=0x50005", 0x50005), ("throttled=0xE0008", 0xE0008)])
def test_the_word_is_passed_on_whole(plant: Plant, says: str, bits: int) -> None:
    assert told(Pi(plant(dict(MODEL)), {**PI4, "get_throttled": says}).read())["flags"] == {"firmware": bits}


@pytest.mark.parametrize(
    ("command", "name", "says", "reason"),
    [
        ("get_throttled", "firmware", "throttled=50005", "unexpected answer"),
        ("get_throttled", "firmware", "throttled=0x123456789", "unexpected answer"),
        ("get_throttled", "firmware", NOT_REGISTERED, "Command not registered"),
        ("measure_clock arm", "arm", "frequency(48)=0", "implausible 0"),
        ("measure_clock arm", "arm", "frequency(48)=", "unexpected answer"),
        ("measure_clock arm", "arm", "frequency(48)=99999999999", "implausible 1e\\+11"),
        ("measure_temp", "soc", "temp=0.0'C", "implausible 0"),
        ("measure_temp", "soc", "temp=-273.1'C", "implausible -273.1"),
        ("measure_temp", "soc", "temp=nan'C", "unexpected answer"),
        ("measure_temp", "soc", "frequency(48)=1500345728", "unexpected answer"),
        ("measure_temp", "soc", "", "empty"),
    ],
)
def test_an_answer_that_is_none_costs_its_own_figure_alone(plant: Plant, command: str, name: str, says: str, reason: str) -> None:
    whole = told(Pi(plant(dict(MODEL)), PI4).read())
    pi = Pi(plant(dict(MODEL)), PI4)
    pi.firmware.answers[command] = says
    reads = pi.read()
    assert [fault.name for fault in reads.faults] == [name]
    assert re.search(reason, reads.faults[0].reason)
    seen = told(reads)
    kept = {metric: values for metric, values in whole.items() if name not in values}
    assert {metric: values for metric, values in seen.items() if metric != "faults"} == kept


# The way to it is lost, or found late.


def test_a_mailbox_that_fails_is_one_fault_and_is_opened_anew_with_the_next_reading(plant: Plant) -> None:
    pi = Pi(plant({**MODEL, **ALARM}), PI4)
    pi.read()
    pi.firmware.answers["measure_clock arm"] = [refusal(errno.ETIMEDOUT), "frequency(48)=1500000000"]
    seen = told(pi.read())
    assert seen == {
        "flags": {"firmware": 0, "firmware_recent": 0},
        "faults": {"firmware": "ETIMEDOUT (Connection timed out)"},
    }
    assert told(pi.read()) == {
        "frequency_hertz": {"arm": 1.5e9},
        "temperature_celsius": {"soc": 48.5},
        "flags": {"firmware": 0, "firmware_recent": 0},
    }
    assert [node.closed for node in pi.machine.opened] == [True, False]


def test_a_mailbox_that_goes_is_a_fault_until_it_is_back(plant: Plant) -> None:
    pi = Pi(plant(dict(MODEL)), PI4)
    pi.firmware.answers["get_throttled"] = refusal(errno.ENODEV)
    pi.machine.nodes = {}
    assert [list(told(pi.read())["faults"]) for _ in range(3)] == [["firmware"]] * 3
    pi.firmware.answers = dict(PI4)
    pi.machine.nodes = {"vcio": None}
    assert "faults" not in told(pi.read())


def test_a_node_that_comes_after_us_is_found_and_its_absence_is_told_once(plant: Plant) -> None:
    """At boot the daemon may be there before udev has given the node to its group."""
    pi = Pi(plant({**MODEL, **ALARM}), PI4, nodes={"vcio_gencmd": refusal(errno.EACCES)})
    first = pi.read()
    assert "EACCES" in first.faults[0].reason
    assert "group video" in first.faults[0].reason
    assert all(told(pi.read()) == {"flags": {"firmware_recent": 0}} for _ in range(5))
    pi.machine.nodes = {"vcio_gencmd": None}
    assert told(pi.read())["flags"] == {"firmware": 0, "firmware_recent": 0}
    # The command was tried once: looking again must not start a process each second.
    assert len(pi.machine.commands) == 1


def test_a_mailbox_that_is_broken_from_the_start_goes_on_being_a_fault(plant: Plant) -> None:
    pi = Pi(plant({**MODEL, **ALARM}), {"get_throttled": refusal(errno.EIO)})
    for _ in range(3):
        seen = told(pi.read())
        assert seen["flags"] == {"firmware_recent": 0}
        assert seen["faults"]["firmware"].endswith("vcio_gencmd: EIO (Input/output error)")


def test_a_source_that_is_given_up_leaves_nothing_open(plant: Plant) -> None:
    pi = Pi(plant(dict(MODEL)), PI4)
    pi.read()
    assert isinstance(pi.source, Closing)
    pi.source.close()
    assert [node.closed for node in pi.machine.opened] == [True]
    without = Pi(plant({**MODEL, **ALARM}), PI4, nodes={})
    without.source.close()


# What the kernel saw.


@pytest.mark.parametrize(("alarm", "bits"), [("0\n", 0), ("1\n", 1)])
def test_the_alarm_of_the_last_two_seconds_stands_beside_the_word(plant: Plant, alarm: str, bits: int) -> None:
    tree = plant({**MODEL, **ALARM, "sys/class/hwmon/hwmon3/in0_lcrit_alarm": alarm})
    assert told(Pi(tree, PI4).read())["flags"] == {"firmware": 0, "firmware_recent": bits}


def test_an_alarm_that_cannot_be_read_is_a_fault_of_its_own(plant: Plant) -> None:
    tree = plant({**MODEL, **ALARM, "sys/class/hwmon/hwmon3/in0_lcrit_alarm": "N/A\n"})
    seen = told(Pi(tree, PI4).read())
    assert seen["faults"] == {"firmware_recent": "not a number"}
    assert seen["flags"] == {"firmware": 0}


@pytest.mark.parametrize(
    ("text", "bits"), [("0\n", 0), ("80008\n", 0b1000), ("50005\n", 0b0101), ("50000\n", 0b0101), ("e0000", 0b1110)]
)
def test_the_deprecated_file_tells_of_the_last_two_seconds_where_nothing_else_does(plant: Plant, text: str, bits: int) -> None:
    tree = plant({**MODEL, DEPRECATED: text})
    assert told(Pi(tree, PI4, nodes={}).read())["flags"] == {"firmware_recent": bits}
    # Its upper bits are not those since boot: where the firmware itself can be asked it is left alone.
    assert told(Pi(tree, PI4).read())["flags"] == {"firmware": 0}


def test_alarm_and_deprecated_file_are_one_word(plant: Plant) -> None:
    tree = plant({**MODEL, **ALARM, "sys/class/hwmon/hwmon3/in0_lcrit_alarm": "1", DEPRECATED: "80008"})
    assert told(Pi(tree, PI4, nodes={}).read())["flags"] == {"firmware_recent": 0b1001}


@pytest.mark.parametrize("text", [b"", b"0x50005\n", b"\xff", b"123456789\n", b"-1\n"])
def test_a_deprecated_file_that_holds_no_word_is_a_fault(plant: Plant, text: bytes) -> None:
    seen = told(Pi(plant({**MODEL, DEPRECATED: text}), PI4, nodes={}).read())
    assert "firmware_recent" in seen["faults"]
    assert "flags" not in seen


# The power chip.


def test_the_chip_is_read_at_its_own_pace(plant: Plant) -> None:
    pi = Pi(plant(dict(MODEL)), PI5, pmic_period=Seconds(5))
    assert ["power_watts" in told(pi.read()) for _ in range(11)] == [True, *[False] * 4] * 2 + [True]
    assert told(pi.read(after=5.0))["power_watts"] == pytest.approx({"vdd_core": 9.0, "3v3_sys": 0.33, "pmic_sum": 9.33})


def test_a_board_without_the_chip_is_asked_for_it_every_ten_minutes_and_never_for_its_temperature(plant: Plant) -> None:
    pi = Pi(plant(dict(MODEL)), PI4)
    reads = [pi.read() for _ in range(1300)]
    assert pi.firmware.asked.count("pmic_read_adc") == 3
    assert "measure_temp pmic" not in pi.firmware.asked
    assert all(not read.faults for read in reads)


def test_without_a_battery_there_is_no_voltage_of_one(plant: Plant) -> None:
    assert told(Pi(plant(dict(MODEL)), PI5).read())["voltage_volts"] == {"ext5v": 5.1}


@pytest.mark.parametrize("gone", ["3V3_SYS_A current(1)=nanA", "3V3_SYS_A current(1)=0.1", "", "3V3_SYS_A current(1)=99.0A"])
def test_a_rail_that_goes_takes_the_sum_with_it_until_it_is_back(plant: Plant, gone: str) -> None:
    pi = Pi(plant(dict(MODEL)), PI5)
    pi.read()
    pi.firmware.answers["pmic_read_adc"] = PMIC.replace("3V3_SYS_A current(1)=0.10000000A", gone)
    seen = told(pi.read(after=5.0))
    assert seen["power_watts"] == pytest.approx({"vdd_core": 9.0})
    assert seen["faults"] == {"pmic_sum": "without 3v3_sys"}
    pi.firmware.answers["pmic_read_adc"] = PMIC
    assert told(pi.read(after=5.0))["power_watts"]["pmic_sum"] == pytest.approx(9.33)


def test_a_sum_without_the_core_is_none(plant: Plant) -> None:
    answers = {**PI5, "pmic_read_adc": PMIC.replace("10.00000000A", "nanA")}
    seen = told(Pi(plant(dict(MODEL)), answers).read())
    assert seen["power_watts"] == pytest.approx({"3v3_sys": 0.33})
    assert seen["faults"] == {"pmic_sum": "without vdd_core"}


def test_a_rail_that_never_was_a_number_is_absent_and_no_fault(plant: Plant) -> None:
    answers = {**PI5, "pmic_read_adc": PMIC + "  DDR_VDDQ_A current(4)=nanA\n  DDR_VDDQ_V volt(12)=0.60000000V\n"}
    seen = told(Pi(plant(dict(MODEL)), answers).read())
    assert seen["power_watts"] == pytest.approx({"vdd_core": 9.0, "3v3_sys": 0.33, "pmic_sum": 9.33})
    assert "faults" not in seen


@pytest.mark.parametrize("says", ["", "hello", NOT_REGISTERED, "VDD_CORE_A current(7)=1.0"])
def test_a_chip_that_stops_answering_is_a_fault_of_its_sum(plant: Plant, says: str) -> None:
    pi = Pi(plant(dict(MODEL)), PI5)
    pi.read()
    pi.firmware.answers["pmic_read_adc"] = says
    seen = told(pi.read(after=5.0))
    assert list(seen["faults"]) == ["pmic_sum"]
    assert "power_watts" not in seen
    assert seen["frequency_hertz"] == {"arm": 2400018688.0}


@given(
    text=st.one_of(st.text(max_size=80), st.lists(st.sampled_from([*PMIC.splitlines(), "nan", "X_V volt(1)=1.0V"])).map("\n".join))
)
def test_any_answer_of_the_chip_is_rails_or_a_fault(text: str) -> None:
    try:
        rails = _pmic.parse(text)
    except SensorFault:
        return
    assert rails.watts.keys() == rails.volts.keys() & rails.amperes.keys()
    assert all(abs(value) <= 30 for value in (*rails.volts.values(), *rails.amperes.values()))


def test_the_recorded_answer_of_a_busy_pi_5_comes_to_the_sum_that_was_worked_out_for_it(shared: Path, plant: Plant) -> None:
    answers = {**PI5, "pmic_read_adc": (shared / "fixtures/sysfs/pi5_pmic_read_adc_A.txt").read_text()}
    for works in (False, True):
        seen = told(Pi(plant(dict(MODEL)), answers, nodes={} if works else None, works=works).read())
        assert len(seen["power_watts"]) == 12 + 1
        assert seen["power_watts"]["vdd_core"] == pytest.approx(9.761433, abs=1e-6)
        assert seen["power_watts"]["pmic_sum"] == pytest.approx(10.799894, abs=1e-6)
        assert seen["voltage_volts"] == {"ext5v": 5.06788, "batt": 3.01110800}


def test_a_period_of_the_chip_that_nothing_keeps_is_refused() -> None:
    for written in (0.01, 3601.0):
        with pytest.raises(ValueError, match="pmic_period"):
            rpi.Config(pmic_period=Seconds(written))
