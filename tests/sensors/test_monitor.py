"""What all power monitors do alike, tried on a register model of each."""

from __future__ import annotations

import errno
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from _chips import SystemHand
from _inabench import KINDS, Bench, faults, values
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.clock import SystemClock
from agent.core.errors import Absent, SensorFault
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.engine.sampler import Sampler
from agent.sensors import ina226

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.core.record import Reads, Sample
    from agent.sensors._monitor import Monitor

CASES = Path(__file__).parent.parent / "cases/ina"
ALL = tuple(KINDS)
# Chips with a bit that is read at every reading and lost with the supply.
WITH_LATCH = tuple(kind for kind in ALL if kind != "ina219")
# A step of the voltage and one of the current at 10 mohm (INA260: at its own 2 mohm), from the data sheets.
STEPS = {
    "ina219": (4e-3, 1e-3),
    "ina226": (1.25e-3, 0.25e-3),
    "ina228": (195.3125e-6, 31.25e-6),
    "ina238": (3.125e-3, 0.5e-3),
    "ina260": (1.25e-3, 1.25e-3),
    "ina3221": (8e-3, 4e-3),
}
CONFIGURATION = {"ina219": 0, "ina226": 0, "ina228": 1, "ina238": 1, "ina260": 0, "ina3221": 0}


@pytest.fixture(params=ALL)
def bench(request: pytest.FixtureRequest) -> Bench:
    return Bench(request.param)


def read_for(bench: Bench, monitor: Monitor, seconds: float) -> list[Reads]:
    """Read ten times a second."""
    reads = []
    for _ in range(round(seconds * 10)):
        bench.hand.advance(0.1)
        reads.append(monitor.read())
    return reads


# Readings.


def test_a_rail_has_a_voltage_a_current_and_their_product(bench: Bench) -> None:
    bench.sets(5.0, 1.2)
    reads = bench.found().read()
    seen = values(reads)
    seen.pop("energy_joules_total", None)
    assert seen == pytest.approx({"voltage_volts": 5.0, "current_amperes": 1.2, "power_watts": 6.0}, rel=1e-6)
    assert reads.faults == ()


def test_a_current_that_flows_back_is_a_value(bench: Bench) -> None:
    bench.sets(5.0, -2.4)
    seen = values(bench.found().read())
    assert (seen["current_amperes"], seen["power_watts"]) == pytest.approx((-2.4, -12.0), rel=1e-6)


def test_no_current_is_a_measured_zero(bench: Bench) -> None:
    bench.sets(5.0, 0.0)
    seen = values(bench.found().read())
    assert (seen["current_amperes"], seen["power_watts"]) == (0.0, 0.0)


@given(kind=st.sampled_from(ALL), volts=st.floats(0, 26), amperes=st.floats(-7.9, 7.9))
def test_any_load_is_read_to_half_a_step(kind: str, volts: float, amperes: float) -> None:
    bench = Bench(kind)
    bench.sets(volts, amperes)
    seen = values(bench.found().read())
    volts_step, amperes_step = STEPS[kind]
    assert seen["voltage_volts"] == pytest.approx(volts, abs=volts_step * 0.500001)
    assert seen["current_amperes"] == pytest.approx(amperes, abs=amperes_step * 0.500001)
    assert seen["power_watts"] == seen["voltage_volts"] * seen["current_amperes"]


def test_readings_are_called_by_the_rail_and_say_how_long_they_cover(bench: Bench) -> None:
    named = Bench(bench.kind, {"rail": "gpu_5v"})
    named.sets(5.0, 1.0)
    reads = named.found().read()
    measured = [reading for reading in reads.readings if reading.metric != "energy_joules_total"]
    assert {reading.name for reading in reads.readings} == {"gpu_5v"}
    assert [reading.covers_seconds for reading in measured] == [pytest.approx(named.span_seconds)] * 3
    assert 0.05 <= named.span_seconds <= 0.1


# New results, and none.


def test_what_was_read_is_not_read_again_as_if_it_were_new(bench: Bench) -> None:
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    assert len(monitor.read().readings) >= 3
    for _ in range(3):
        bench.hand.advance(bench.span_seconds / 10)
        reads = monitor.read()
        assert (reads.readings, reads.faults) == ((), ())
    bench.sets(12.0, 2.0)
    bench.hand.advance(bench.span_seconds)
    assert values(monitor.read())["voltage_volts"] == 12.0


def test_before_the_first_result_there_is_nothing(bench: Bench) -> None:
    bench.sets(5.0, 1.0)
    monitor = bench.find()
    assert monitor.read() == monitor.read()
    assert (monitor.read().readings, monitor.read().faults) == ((), ())


def test_a_chip_that_stops_is_a_fault_after_three_periods_until_it_goes_on(bench: Bench) -> None:
    monitor = bench.found()
    monitor.read()
    bench.chip.stopped = True
    seen = []
    for _ in range(5):
        bench.hand.advance(0.1)
        seen.append(faults(monitor.read()))
    assert seen[:3] == [{}, {}, {}]
    assert seen[3] == {"vin": "no new result for 0.4 s"}
    assert seen[4] == {"vin": "no new result for 0.5 s"}
    bench.chip.stopped = False
    bench.hand.advance(0.1)
    assert values(monitor.read())


def test_a_transfer_that_took_long_is_not_taken_for_a_chip_that_stopped(bench: Bench) -> None:
    """A reader without a core for twelve periods, between asking for the time and asking the chip, was told of a silent chip."""
    monitor = bench.found()
    carry = bench.wire.carry

    def slowly(messages: Sequence[Any]) -> None:
        bench.hand.advance(1.2)
        carry(messages)

    bench.wire.carry = slowly  # type: ignore[method-assign]
    assert monitor.read().readings
    bench.wire.carry = carry  # type: ignore[method-assign]
    bench.hand.advance(bench.span_seconds / 10)
    reads = monitor.read()
    assert (reads.readings, reads.faults) == ((), ())


@pytest.mark.parametrize("kind", ["ina226", "ina228", "ina238", "ina260", "ina3221"])
def test_results_that_were_asked_for_more_rarely_than_the_period_are_no_fault(kind: str) -> None:
    bench = Bench(kind, {"averaging": 1024, "period": "10 ms"})
    monitor = bench.find()
    reads = []
    for _ in range(100):
        bench.hand.advance(0.01)
        reads.append(monitor.read())
    assert bench.span_seconds > 0.1
    assert all(read.faults == () for read in reads)
    assert sum(bool(read.readings) for read in reads) == int(1.0 / bench.span_seconds)


# Settings.


def test_a_dip_of_the_supply_is_one_fault_and_mended(bench: Bench) -> None:
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    wanted = monitor._chip.layout.span_seconds
    bench.chip.brown_out()
    reads = read_for(bench, monitor, 3.0)
    told = [fault.reason for read in reads for fault in read.faults]
    assert len(told) == 1
    assert told[0].startswith("lost its settings (")
    assert bench.span_seconds == pytest.approx(wanted)
    assert values(reads[-1])["current_amperes"] == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("kind", WITH_LATCH)
def test_a_dip_of_the_supply_is_seen_at_the_very_next_reading_and_nothing_is_taken_from_it(kind: str) -> None:
    bench = Bench(kind)
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    monitor.read()
    bench.chip.brown_out()
    bench.hand.advance(0.1)
    reads = monitor.read()
    assert faults(reads)["vin"].startswith("lost its settings (0x")
    assert faults(reads)["vin"].endswith("); they were written again")
    assert reads.readings == ()
    bench.hand.advance(0.1)
    assert values(monitor.read())["current_amperes"] == pytest.approx(1.0, rel=1e-6)


def test_settings_that_another_program_wrote_are_seen_within_a_second_and_written_again(bench: Bench) -> None:
    monitor = bench.found()
    register = CONFIGURATION[bench.kind]
    ours = bench.chip.registers[register]
    bench.chip.write(register, ours & ~0x7007 | 0x0001 if register == 0 else 0)  # other conversions, or none
    told = [fault for reads in read_for(bench, monitor, 1.1) for fault in reads.faults]
    assert any(f"{register:#04x} = " in fault.reason and f"instead of {ours:#06x}" in fault.reason for fault in told)
    assert bench.chip.registers[register] == ours


def test_settings_that_are_there_are_left_alone(bench: Bench) -> None:
    """Writing them would throw away the conversion that runs."""
    bench.find()
    written = list(bench.chip.writes)
    read_for(bench, bench.found(), 3.0)
    assert bench.chip.writes == written


def test_a_chip_that_does_not_keep_its_settings_is_a_fault(bench: Bench) -> None:
    bench.chip.writable = {}
    with pytest.raises(SensorFault, match="does not keep its settings: 0x"):
        bench.find()
    assert bench.wire.left_open == 0


@pytest.mark.parametrize("kind", WITH_LATCH)
def test_a_copy_in_which_the_latch_does_not_stay_is_read_all_the_same(kind: str) -> None:
    bench = Bench(kind)
    mask = {"ina226": 6, "ina260": 6, "ina3221": 15}.get(kind, 11)
    bench.chip.writable = {**bench.chip.writable, mask: 0}
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    assert values(monitor.read())["voltage_volts"] == 5.0
    bench.chip.brown_out()
    assert sum(len(reads.faults) for reads in read_for(bench, monitor, 2.0)) == 1


@pytest.mark.parametrize("kind", ["ina226", "ina260"])
def test_settings_that_equal_those_after_power_up_are_no_lost_settings(kind: str) -> None:
    bench = Bench(kind, {"period": "2.2 ms", "averaging": 1})
    monitor = bench.find()
    assert bench.chip.registers[0] == bench.chip.power_up[0]
    bench.hand.advance(0.0022)
    assert monitor.read().faults == ()


# Who is there.


@pytest.mark.parametrize(
    ("kind", "register", "answer", "wanted"),
    [
        ("ina226", 0xFF, 0x0006, "0x2260"),
        ("ina226", 0xFE, 0x4954, "0x5449"),
        ("ina226", 0xFF, 0x2270, "0x2260"),
        ("ina260", 0xFF, 0x2260, "0x2270"),
        ("ina3221", 0xFF, 0x2260, "0x3220"),
        ("ina228", 0x3F, 0x2381, "0x2280"),
        ("ina238", 0x3F, 0x2281, "0x2380"),
        ("ina219", 0x00, 0x4127, "0x0000 in the bits 0xc000"),
    ],
)
def test_another_chip_is_refused_with_what_it_says_and_what_was_wanted(kind: str, register: int, answer: int, wanted: str) -> None:
    bench = Bench(kind)
    bench.chip.registers[register] = answer
    with pytest.raises(Absent) as refused:
        bench.find()
    assert f"{register:#04x} = {answer:#06x}" in str(refused.value)
    assert wanted in str(refused.value)
    assert "at 0x40 on /dev/i2c-1" in str(refused.value)
    assert bench.chip.writes == []
    assert bench.wire.left_open == 0


@pytest.mark.parametrize("kind", WITH_LATCH)
def test_a_chip_that_was_swapped_for_another_ends_the_source(kind: str) -> None:
    bench = Bench(kind)
    monitor = bench.found()
    monitor.read()
    other = Bench("ina260" if kind != "ina260" else "ina226", hand=bench.hand)
    bench.wire.chips[0x40] = other.chip
    with pytest.raises(Absent, match="is no INA"):
        read_for(bench, monitor, 1.2)
    assert other.chip.writes == []
    assert bench.wire.left_open == 0


def test_nobody_at_the_address_is_absent_and_says_where_to_look(bench: Bench) -> None:
    bench.wire.chips.clear()
    with pytest.raises(Absent, match="nothing answers at 0x40 on /dev/i2c-1: EREMOTEIO") as absent:
        bench.find()
    assert "i2cdetect" in absent.value.mend
    assert bench.wire.left_open == 0


@pytest.mark.parametrize("number", [errno.ENXIO, errno.EIO])
def test_adapters_that_say_no_acknowledge_otherwise_are_understood(bench: Bench, number: int) -> None:
    bench.wire.fails = number
    with pytest.raises(Absent, match="nothing answers"):
        bench.find()


def test_a_bus_that_hangs_is_a_fault_and_not_absent(bench: Bench) -> None:
    bench.wire.fails = errno.ETIMEDOUT
    with pytest.raises(SensorFault, match="ETIMEDOUT"):
        bench.find()
    assert bench.wire.left_open == 0


def test_an_adapter_without_plain_messages_is_absent(bench: Bench) -> None:
    bench.wire.fails = errno.EOPNOTSUPP
    with pytest.raises(Absent, match="carries no plain I2C messages"):
        bench.find()


def test_two_chips_on_one_bus_are_read_side_by_side() -> None:
    first = Bench("ina226")
    second = Bench("ina226", {"address": 0x41, "rail": "gpu"}, hand=first.hand)
    first.wire.chips |= second.wire.chips
    second.wire = first.wire
    first.sets(5.0, 1.0)
    second.sets(12.0, 2.0)
    readers = [first.find(), second.find()]
    first.hand.advance(0.1)
    assert values(readers[0].read())["voltage_volts"] == 5.0
    assert values(readers[1].read(), "gpu")["voltage_volts"] == 12.0


# Kernel drivers.


def test_an_address_that_a_kernel_driver_has_is_left_alone(bench: Bench) -> None:
    bench.wire.driven = {0x40}
    with pytest.raises(Absent, match="belongs to a kernel driver") as absent:
        bench.find()
    assert "use its hwmon files" in absent.value.mend
    assert bench.wire.transfers == 0
    assert bench.wire.left_open == 0


def test_a_driver_that_comes_later_ends_the_source_within_a_second(bench: Bench) -> None:
    monitor = bench.found()
    monitor.read()
    bench.wire.driven = {0x40}
    with pytest.raises(Absent, match="belongs to a kernel driver"):
        read_for(bench, monitor, 1.1)
    assert bench.wire.left_open == 0


# The bus.


def test_a_bus_is_looked_up_below_the_boards_root(bench: Bench) -> None:
    bench.find()
    assert bench.wire.paths == ["/board/dev/i2c-1"]


@pytest.mark.parametrize(
    ("number", "says", "mend"),
    [
        (errno.ENOENT, "/dev/i2c-1 is not there", "dtparam=i2c_arm=on"),
        (errno.ENODEV, "/dev/i2c-1 is not there", "dtparam=i2c_arm=on"),
        (errno.ENXIO, "/dev/i2c-1 is not there", "dtparam=i2c_arm=on"),
        (errno.EACCES, "/dev/i2c-1 may not be opened", "group i2c"),
        (errno.EPERM, "/dev/i2c-1 may not be opened", "group i2c"),
    ],
)
def test_a_bus_that_cannot_be_opened_is_absent_and_says_how_to_mend_it(bench: Bench, number: int, says: str, mend: str) -> None:
    bench.wire.refuses = number
    with pytest.raises(Absent, match=says) as absent:
        bench.find()
    assert mend in absent.value.mend


def test_a_bus_that_refuses_for_another_reason_is_a_fault(bench: Bench) -> None:
    bench.wire.refuses = errno.EMFILE
    with pytest.raises(SensorFault, match="EMFILE"):
        bench.find()


def test_without_any_buses_a_monitor_is_absent() -> None:
    tree = Tree(Path("/"))
    with pytest.raises(Absent, match="is not there"):
        ina226.find(ina226.Config(), Surroundings(board=tree, machine=tree))


@pytest.mark.parametrize("number", [errno.EREMOTEIO, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY])
def test_a_transfer_that_fails_is_counted_and_then_the_chip_is_asked_who_it_is(bench: Bench, number: int) -> None:
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    monitor.read()
    bench.wire.fails = number
    bench.hand.advance(0.1)
    reads = monitor.read()
    assert reads.readings == ()
    assert faults(reads)["vin"].startswith(errno.errorcode[number])
    # Meanwhile the chip lost its supply.
    bench.wire.fails = 0
    bench.chip.brown_out()
    bench.hand.advance(0.1)
    assert faults(monitor.read())["vin"].startswith("lost its settings (")
    bench.hand.advance(0.1)
    assert values(monitor.read())["current_amperes"] == pytest.approx(1.0, rel=1e-6)
    assert len(bench.wire.openings) == 1


def test_a_bus_that_drops_one_transfer_in_five_goes_on(bench: Bench) -> None:
    monitor = bench.found()
    bench.wire.fails, bench.wire.every = errno.EREMOTEIO, 5
    reads = read_for(bench, monitor, 10.0)
    assert sum(bool(read.faults) for read in reads) == 20
    assert sum(bool(read.readings) for read in reads) == 80


@pytest.mark.parametrize("number", [errno.EREMOTEIO, errno.ETIMEDOUT])
def test_three_failures_in_a_row_end_the_source_so_that_it_is_looked_for_anew(bench: Bench, number: int) -> None:
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    bench.wire.fails = number
    assert [len(monitor.read().faults) for _ in range(2)] == [1, 1]
    with pytest.raises(SensorFault, match=errno.errorcode[number]):
        monitor.read()
    assert bench.wire.left_open == 0
    with pytest.raises((Absent, SensorFault)):
        bench.find()
    bench.wire.fails = 0
    assert values(bench.found().read())["voltage_volts"] == 5.0


@pytest.mark.parametrize("number", [errno.EIO, errno.ENXIO, errno.ENODEV])
def test_an_adapter_that_is_gone_is_closed_at_once_and_opened_and_claimed_anew(bench: Bench, number: int) -> None:
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    monitor.read()
    bench.wire.fails = number
    with pytest.raises(SensorFault, match=errno.errorcode[number]):
        monitor.read()
    assert bench.wire.left_open == 0
    bench.wire.fails = 0
    assert values(bench.found().read())["voltage_volts"] == 5.0
    assert [opening.claimed for opening in bench.wire.openings] == [{0x40}, {0x40}]


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(ALL),
    weather=st.lists(
        st.sampled_from(["fair", "fair", "fair", "nack", "timeout", "gone", "dip", "stop", "driver", "meddle"]),
        min_size=10,
        max_size=60,
    ),
)
def test_in_any_weather_a_reading_is_the_load_and_everything_else_is_told(kind: str, weather: list[str]) -> None:
    bench = Bench(kind)
    bench.sets(5.0, 1.0)
    monitor = bench.find()
    for day in weather:
        bench.wire.fails = {"nack": errno.EREMOTEIO, "timeout": errno.ETIMEDOUT, "gone": errno.ENODEV}.get(day, 0)
        bench.wire.driven = {0x40} if day == "driver" else set()
        bench.chip.stopped = day == "stop"
        if day == "dip":
            bench.chip.brown_out()
        if day == "meddle":
            bench.chip.write(CONFIGURATION[kind], 0)
        bench.hand.advance(0.1)
        try:
            reads = monitor.read()
        except (Absent, SensorFault):
            assert bench.wire.left_open == 0
            bench.wire.fails, bench.wire.driven = 0, set()
            monitor = bench.find()
            continue
        for metric, value in values(reads).items():
            if metric != "energy_joules_total":
                assert value == pytest.approx(1.0 if metric == "current_amperes" else 5.0, rel=1e-6)
    assert bench.wire.left_open == 1


def test_the_sampler_reads_it_under_its_files_name_and_its_rail() -> None:
    bench = Bench("ina226", {"rail": "board", "period": "5 ms", "enabled": True})
    bench.sets(5.0, 1.0)
    bench.chip.clock = SystemHand()
    tree = Tree(Path("/board"))
    sampler = Sampler(
        {"ina226": ina226}, {"ina226": (bench.config,)}, Surroundings(board=tree, machine=tree, bus=bench.wire.open), SystemClock()
    )
    sampler.start()
    samples: list[Sample] = []
    until = time.monotonic() + 10
    while not any(sample.reads.readings for sample in samples) and time.monotonic() < until:
        time.sleep(0.005)
        samples += sampler.take()
    sampler.stop()
    assert bench.wire.left_open == 0
    assert sampler.found() == ("ina226.board",)
    assert {sample.sensor for sample in samples} == {"ina226"}
    assert values(samples[-1].reads, "board")["power_watts"] == pytest.approx(5.0)


# Recorded chips.


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_a_recorded_chip_is_read_as_it_was_worked_out_by_hand(case: str) -> None:
    told = json.loads((CASES / case / "case.json").read_text())
    bench = Bench(told["kind"], told["table"])
    recorded = {int(register, 16): int(value, 16) for register, value in told["registers"].items()}
    bench.chip.registers |= recorded
    if "refused" in told:
        with pytest.raises(Absent) as refused:
            bench.find()
        assert all(word in str(refused.value) for word in told["refused"])
        return
    monitor = bench.find()
    for register, value in told.get("written", {}).items():
        assert bench.chip.registers[int(register, 16)] == int(value, 16)
    bench.chip.pinned = {register: value for register, value in recorded.items() if register not in bench.chip.writable}
    bench.hand.advance(monitor._chip.layout.span_seconds)
    assert values(monitor.read()) == pytest.approx(told["readings"], rel=1e-6)


def test_every_recorded_chip_says_where_it_is_from() -> None:
    for case in CASES.iterdir():
        assert (case / "ORIGIN.md").is_file(), case
