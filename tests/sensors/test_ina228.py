from __future__ import annotations

import errno
import itertools

import pytest
from _inabench import Bench, faults, parse, values
from hypothesis import given
from hypothesis import strategies as st

from agent.core.errors import SensorFault
from agent.sensors import ina228

# The shunt with which a step of the current register is 10 A / 2^19 in the coarse range.
TEN_AMPERES = {"shunt": "16.384 mohm", "max_current": "10 A"}
FULL = 1 << 40


def chip(**table: str) -> ina228.Ina228:
    return ina228.Ina228(parse("ina228", table))


def joules(reads: object) -> float:
    return values(reads)["energy_joules_total"]  # type: ignore[arg-type]


def test_its_settings_are_written_and_its_counters_cleared_last() -> None:
    bench = Bench("ina228")
    bench.find()
    conversions = 0xB000 | 6 << 9 | 7 << 6 | 2
    assert bench.chip.writes == [(0, 0), (2, 4096), (0x0B, 0x8000), (1, conversions), (0, 0x4000), (0, 0)]


@pytest.mark.parametrize(("max_current", "config", "step"), [("4 A", 0x0010, 7.8125e-6), ("8 A", 0x0000, 31.25e-6)])
def test_the_fine_range_is_taken_where_the_largest_current_fits_into_it(max_current: str, config: int, step: float) -> None:
    bench = Bench("ina228", {"max_current": max_current})
    bench.sets(5.0, step)
    monitor = bench.found()
    assert bench.chip.registers[0] == config
    assert values(monitor.read())["current_amperes"] == pytest.approx(step)


@pytest.mark.parametrize(
    ("shunt", "volts"), [(0x4BF000, 0.0972), (0xB41000, -0.0972), (0x000010, 312.5e-9), (0xFFFFF0, -312.5e-9), (0x00000F, 0.0)]
)
def test_the_shunts_register_has_twenty_bits_and_a_sign(shunt: int, volts: float) -> None:
    """0xB4100 is the data sheet's own example of -97.2 mV."""
    seen = values(chip().decode((0x8003, shunt, 0, 0)))
    assert seen["current_amperes"] == pytest.approx(volts / 0.01, abs=1e-12)


def test_the_bus_has_twenty_bits() -> None:
    assert values(chip().decode((0x8003, 0, 245_760 << 4, 0)))["voltage_volts"] == 48.0
    assert values(chip().decode((0x8003, 0, 0xFFFFF0, 0)))["voltage_volts"] == pytest.approx(-195.3125e-6)


@pytest.mark.parametrize("shunt", [0x7FFFF0, 0x800000])
def test_a_shunt_at_its_full_scale_has_no_current_but_a_voltage_and_what_was_counted(shunt: int) -> None:
    reads = chip().decode((0x8003, shunt, 245_760 << 4, 5))
    assert set(values(reads)) == {"voltage_volts", "energy_joules_total"}
    assert faults(reads) == {"vin": "saturated: 16.38 A or more"}


# Energy.


def test_a_step_of_the_energy_is_sixteen_steps_of_the_power() -> None:
    """A step of the current of 10 A / 2^19 = 19.0735 uA makes one of the power 61.035 uW and one of the energy 976.56 uJ."""
    current_step = 10 / 2**19
    assert current_step == pytest.approx(19.0735e-6, rel=1e-5)
    assert 3.2 * current_step == pytest.approx(61.035e-6, rel=1e-5)
    assert joules(chip(**TEN_AMPERES).decode((0x8003, 0, 0, 1))) == pytest.approx(976.5625e-6)


def test_a_full_counter_is_a_gigajoule() -> None:
    assert joules(chip(**TEN_AMPERES).decode((0x8003, 0, 0, FULL - 1))) == pytest.approx(1.0737e9, rel=1e-4)


def test_the_calibration_makes_the_chips_own_current_equal_its_shunt_in_either_range() -> None:
    """SHUNT_CAL = 13107.2e6 x step x shunt, four times that in the fine range."""
    assert round(13107.2e6 * (312.5e-9 / 0.01) * 0.01) == 4096
    assert round(13107.2e6 * (78.125e-9 / 0.01) * 0.01 * 4) == 4096


@pytest.mark.parametrize("max_current", ["4 A", "8 A"])
def test_an_hour_of_a_load_is_its_power_times_an_hour(max_current: str) -> None:
    bench = Bench("ina228", {"max_current": max_current})
    bench.sets(5.0, 2.0)
    monitor = bench.found()
    first = joules(monitor.read())
    bench.hand.advance(3600.0)
    assert joules(monitor.read()) - first == pytest.approx(36_000.0, rel=1e-4)


def test_a_counter_that_is_full_goes_on() -> None:
    one = chip(**TEN_AMPERES)
    counts = [FULL - 1000, FULL - 1, 0, 1, 1000]
    seen = [joules(one.decode((0x8003, 0, 0, count))) for count in counts]
    rises = [round((after - before) / 976.5625e-6) for before, after in itertools.pairwise(seen)]
    assert rises == [999, 1, 1, 999]


@given(
    start=st.integers(0, FULL - 1),
    rises=st.lists(st.integers(0, 1 << 36), min_size=1, max_size=50),
)
def test_the_total_rises_by_what_was_counted_however_often_the_counter_wraps(start: int, rises: list[int]) -> None:
    one = chip(**TEN_AMPERES)
    first = round(joules(one.decode((0x8003, 0, 0, start))) / 976.5625e-6)
    count = start
    for rise in rises:
        count = (count + rise) % FULL
        last = joules(one.decode((0x8003, 0, 0, count)))
    assert round(last / 976.5625e-6) - first == sum(rises)


@given(counts=st.lists(st.integers(0, FULL - 1), min_size=2, max_size=50))
def test_whatever_the_counter_says_the_total_never_goes_back(counts: list[int]) -> None:
    one = chip()
    totals = [joules(one.decode((0x8003, 0, 0, count))) for count in counts]
    assert totals == sorted(totals)


def test_a_dip_of_the_supply_takes_nothing_from_the_total() -> None:
    bench = Bench("ina228")
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    bench.hand.advance(100.0)
    before = joules(monitor.read())
    bench.chip.brown_out()
    bench.hand.advance(0.1)
    assert faults(monitor.read())
    bench.hand.advance(10.0)
    after = joules(monitor.read())
    assert before == pytest.approx(500.0, rel=0.01)
    assert after - before == pytest.approx(50.0, rel=0.02)


def test_a_counter_that_another_program_cleared_takes_nothing_from_the_total() -> None:
    bench = Bench("ina228")
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    bench.hand.advance(100.0)
    before = joules(monitor.read())
    bench.chip.write(0, 0x4000)
    bench.hand.advance(1.0)
    assert joules(monitor.read()) - before == pytest.approx(5.0, rel=0.2)


def test_two_lives_of_a_counter_are_told_apart() -> None:
    """Whoever was lost and found again may have counted from zero meanwhile: readings of two lives are not compared."""
    bench = Bench("ina228")
    monitor = bench.found()
    first = next(reading for reading in monitor.read().readings if reading.metric == "energy_joules_total")
    bench.wire.fails = errno.ENODEV
    with pytest.raises(SensorFault):
        monitor.read()
    bench.wire.fails = 0
    bench.hand.advance(1.0)
    second = next(reading for reading in bench.found().read().readings if reading.metric == "energy_joules_total")
    assert first.instance != second.instance


def test_a_chip_with_its_settings_goes_on_counting_when_it_is_found_again() -> None:
    bench = Bench("ina228")
    bench.sets(5.0, 1.0)
    bench.find()
    bench.hand.advance(100.0)
    assert joules(bench.found().read()) == pytest.approx(500.0, rel=0.01)


@pytest.mark.parametrize("device", [0x2280, 0x2281])
def test_every_revision_of_the_chip_is_known(device: int) -> None:
    bench = Bench("ina228")
    bench.chip.registers[0x3F] = device
    bench.find()


def test_a_chip_whose_trim_memory_is_damaged_is_not_believed() -> None:
    reads = chip().decode((0x8002, 0x4BF000, 0x3C0000, 7))
    assert reads.readings == ()
    assert faults(reads) == {"vin": "the chip's trim memory is damaged (MEMSTAT)"}
