from __future__ import annotations

import pytest
from _inabench import Bench, faults, values
from hypothesis import given
from hypothesis import strategies as st

from agent.core.units import Amperes, Ohms
from agent.sensors import ina226


def chip(shunt: float = 0.01) -> ina226.Ina226:
    return ina226.Ina226(ina226.Config(shunt=Ohms(shunt), max_current=Amperes(0.08 / shunt)))


ONE = chip()


def test_its_settings_are_written_and_the_configuration_last_because_it_begins_a_conversion() -> None:
    bench = Bench("ina226")
    bench.find()
    # 0x4007: reserved bits and continuous; 128 averages (4 << 9), 140 us for the bus (0 << 6), 588 us for the shunt (3 << 3).
    assert bench.chip.writes == [(0x05, 2048), (0x06, 0x0001), (0x00, 0x481F)]


def test_the_calibration_of_the_data_sheets_formula_is_the_one_that_is_written() -> None:
    """CAL = 0.00512 / (current step x shunt): 0.1 ohm and a step of 24.99 uA give 2048."""
    assert int(0.00512 / (2.499e-5 * 0.1)) == 2048


def test_the_calibration_makes_the_chips_own_registers_agree_with_what_is_worked_out_here() -> None:
    bench = Bench("ina226", {"shunt": "0.01 ohm"})
    bench.sets(5.0, 1.2)
    seen = values(bench.found().read())
    # A step of its current is 2.5 uV / 10 mohm = 250 uA, of its power 25 times that: 6.25 mW.
    assert bench.chip.registers[4] * 250e-6 == pytest.approx(seen["current_amperes"])
    assert bench.chip.registers[3] * 6.25e-3 == pytest.approx(seen["power_watts"])


@pytest.mark.parametrize(
    ("shunt", "amperes"),
    [(0x1F40, 2.0), (0x8300, -8.0), (0xFFE7, -0.00625), (0x0001, 0.00025), (0xFFFF, -0.00025), (0x7FFE, 8.1915), (0, 0.0)],
)
def test_the_shunts_register_has_a_sign(shunt: int, amperes: float) -> None:
    """0x8300 is the data sheet's own example of -80 mV; -25 steps were once shown as 6551."""
    reads = chip().decode((0x0009, shunt, 4000))
    assert values(reads)["current_amperes"] == pytest.approx(amperes)
    assert values(reads)["voltage_volts"] == 5.0


def test_a_bus_above_twenty_volts_is_not_negative() -> None:
    assert values(chip().decode((0x0009, 0, 0x7FFF)))["voltage_volts"] == pytest.approx(40.95875)


@pytest.mark.parametrize("shunt", [0x7FFF, 0x8000])
def test_a_shunt_at_its_full_scale_has_no_current_but_a_voltage(shunt: int) -> None:
    reads = chip().decode((0x0009, shunt, 4000))
    assert values(reads) == {"voltage_volts": 5.0}
    assert faults(reads) == {"vin": "saturated: 8.192 A or more"}


def test_a_tenth_of_an_ohm_saturates_below_one_ampere() -> None:
    bench = Bench("ina226", {"shunt": "0.1 ohm", "max_current": "0.8 A"})
    bench.sets(5.0, 0.9)
    reads = bench.found().read()
    assert values(reads) == {"voltage_volts": 5.0}
    assert faults(reads) == {"vin": "saturated: 0.8192 A or more"}


def test_a_saturated_shunt_is_read_again_when_it_is_not() -> None:
    bench = Bench("ina226")
    bench.sets(5.0, 9.0)
    monitor = bench.found()
    assert "current_amperes" not in values(monitor.read())
    bench.sets(5.0, 1.0)
    bench.hand.advance(0.1)
    assert values(monitor.read())["current_amperes"] == pytest.approx(1.0)


@given(shunt=st.integers(0, 0xFFFF), bus=st.integers(0, 0x7FFF))
def test_any_registers_are_a_load_within_the_chips_range(shunt: int, bus: int) -> None:
    seen = values(ONE.decode((0x0009, shunt, bus)))
    assert 0.0 <= seen["voltage_volts"] <= 40.96
    if shunt not in (0x7FFF, 0x8000):
        assert abs(seen["current_amperes"]) <= 8.192
        assert seen["power_watts"] == seen["voltage_volts"] * seen["current_amperes"]


def test_the_readiness_is_read_before_the_results_and_clears_itself() -> None:
    bench = Bench("ina226")
    assert [register.pointer for register in chip().layout.registers] == [0x06, 0x01, 0x02]
    monitor = bench.found()
    monitor.read()
    assert not bench.chip.registers[6] & 0x0008
