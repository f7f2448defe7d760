from __future__ import annotations

import pytest
from _inabench import Bench, faults, parse, values
from hypothesis import given
from hypothesis import strategies as st

from agent.sensors import ina238


def chip(**table: str) -> ina238.Ina238:
    return ina238.Ina238(parse("ina238", table))


ONE = chip()


def test_its_settings_are_written_and_the_conversions_last() -> None:
    bench = Bench("ina238")
    bench.find()
    # MODE 1011, 2074 us for the bus (6 << 9), 4120 us for the shunt (7 << 6), 16 averages (2).
    assert bench.chip.writes == [(0x00, 0x0000), (0x02, 4096), (0x0B, 0x8000), (0x01, 0xB000 | 6 << 9 | 7 << 6 | 2)]


@pytest.mark.parametrize(
    ("max_current", "config", "step"), [("4.09 A", 0x0010, 125e-6), ("4.096 A", 0x0000, 500e-6), ("8 A", 0x0000, 500e-6)]
)
def test_the_fine_range_is_taken_where_the_largest_current_fits_into_it(max_current: str, config: int, step: float) -> None:
    bench = Bench("ina238", {"max_current": max_current})
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    assert bench.chip.registers[0] == config
    assert values(monitor.read())["current_amperes"] == pytest.approx(1.0, abs=step / 2)
    bench.sets(5.0, step)
    bench.hand.advance(0.1)
    assert values(monitor.read())["current_amperes"] == pytest.approx(step)


@pytest.mark.parametrize("max_current", ["4 A", "8 A"])
def test_the_calibration_makes_the_chips_own_current_equal_its_shunt_in_either_range(max_current: str) -> None:
    """SHUNT_CAL = 819.2e6 x step x shunt, four times that in the fine range: 4096 where the step is the shunt register's."""
    assert round(819.2e6 * (5e-6 / 0.01) * 0.01) == 4096
    assert round(819.2e6 * (1.25e-6 / 0.01) * 0.01 * 4) == 4096
    bench = Bench("ina238", {"max_current": max_current})
    bench.sets(5.0, -1.5)
    bench.found().read()
    assert bench.chip.registers[7] == bench.chip.registers[4]


@pytest.mark.parametrize("device", [0x2380, 0x2381, 0x2370, 0x2371])
def test_an_ina238_and_an_ina237_of_any_revision_are_known(device: int) -> None:
    bench = Bench("ina238")
    bench.chip.registers[0x3F] = device
    bench.find()


def test_a_bus_that_is_a_step_below_zero_is_not_two_hundred_volts() -> None:
    assert values(chip().decode((0x8003, 0, 0xFFFF)))["voltage_volts"] == pytest.approx(-0.003125)
    assert values(chip().decode((0x8003, 0, 27_200)))["voltage_volts"] == 85.0


@pytest.mark.parametrize("shunt", [0x7FFF, 0x8000])
@pytest.mark.parametrize(("max_current", "most"), [("4 A", "4.096"), ("8 A", "16.38")])
def test_a_shunt_at_its_full_scale_has_no_current_but_a_voltage(shunt: int, max_current: str, most: str) -> None:
    reads = chip(max_current=max_current).decode((0x8003, shunt, 1600))
    assert values(reads) == {"voltage_volts": 5.0}
    assert faults(reads) == {"vin": f"saturated: {most} A or more"}


def test_a_chip_whose_trim_memory_is_damaged_is_not_believed() -> None:
    bench = Bench("ina238")
    monitor = bench.found()
    bench.chip.registers[0x0B] &= ~0x0001
    reads = monitor.read()
    assert reads.readings == ()
    assert faults(reads) == {"vin": "the chip's trim memory is damaged (MEMSTAT)"}


def test_the_latch_is_set_because_the_readiness_is_cleared_by_reading_only_then() -> None:
    bench = Bench("ina238")
    bench.chip.registers[0x0B] |= 0x0002
    assert bench.chip.read(0x0B) & 0x0002
    assert bench.chip.read(0x0B) & 0x0002
    monitor = bench.found()
    assert monitor.read().readings
    assert not monitor.read().readings


def test_the_time_of_the_temperature_that_is_not_converted_may_be_any() -> None:
    bench = Bench("ina238")
    monitor = bench.found()
    bench.chip.registers[1] |= 5 << 3
    for _ in range(11):
        bench.hand.advance(0.1)
        assert monitor.read().faults == ()


@given(status=st.integers(0, 0xFFFF), shunt=st.integers(0, 0xFFFF), bus=st.integers(0, 0xFFFF))
def test_any_registers_are_a_load_within_the_chips_range_or_told(status: int, shunt: int, bus: int) -> None:
    reads = ONE.decode((status, shunt, bus))
    seen = values(reads)
    assert bool(reads.faults) == ("current_amperes" not in seen)
    assert abs(seen.get("current_amperes", 0.0)) <= 16.384
