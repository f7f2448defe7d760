from __future__ import annotations

import _chips as chips
import pytest
from _inabench import Bench, faults, parse, values
from hypothesis import given
from hypothesis import strategies as st

from agent.core.errors import Absent
from agent.core.units import Amperes, Ohms, Seconds
from agent.sensors import ina219


def chip(shunt: float = 0.1, most: float = 3.2) -> ina219.Ina219:
    return ina219.Ina219(ina219.Config(shunt=Ohms(shunt), max_current=Amperes(most)))


ONE = chip()


def test_a_bus_voltage_with_its_highest_bit_set_is_not_negative() -> None:
    """ArduinoINA219#3 and #4: 0xC4C2 read as a signed number gave -6 V."""
    assert values(chip().decode((0xC4C2, 0, 0)))["voltage_volts"] == pytest.approx(25.184)


def test_the_flags_below_the_voltage_are_no_voltage() -> None:
    assert {values(chip().decode((0x5D98 | flags, 0, 0)))["voltage_volts"] for flags in range(4)} == {11.98}


def test_the_arithmetics_overflow_flag_says_nothing_about_what_is_worked_out_here() -> None:
    seen = chip().decode((0x5D98 | 0x3, 0xFFFF, 2000))
    assert seen.faults == ()
    assert values(seen)["current_amperes"] == pytest.approx(0.2)


def test_its_settings_are_written_and_the_configuration_last_because_it_begins_a_conversion() -> None:
    bench = Bench("ina219")
    bench.find()
    # 32 V (bit 13), 160 mV (2 << 11), 32 samples for the bus (0xD << 7), 128 for the shunt (0xF << 3), continuous.
    assert bench.chip.writes == [(0x05, 4096), (0x00, 1 << 13 | 2 << 11 | 0xD << 7 | 0xF << 3 | 7)]


@pytest.mark.parametrize(
    ("max_current", "gain", "clips_at"),
    [("0.3 A", 0, 0.4), ("0.4 A", 1, 0.8), ("0.79 A", 1, 0.8), ("1.5 A", 2, 1.6), ("1.6 A", 3, 3.2), ("3.2 A", 3, 3.2)],
)
def test_the_range_is_the_smallest_in_which_the_largest_current_can_be_told_from_more(
    max_current: str, gain: int, clips_at: float
) -> None:
    bench = Bench("ina219", {"shunt": "0.1 ohm", "max_current": max_current})
    bench.sets(5.0, clips_at * 0.999)
    monitor = bench.found()
    assert bench.chip.registers[0] >> 11 & 3 == gain
    assert values(monitor.read())["current_amperes"] == pytest.approx(clips_at * 0.999, abs=5e-5)
    bench.sets(5.0, -clips_at * 1.1)
    bench.hand.advance(0.1)
    reads = monitor.read()
    assert values(reads) == {"voltage_volts": 5.0}
    assert faults(reads) == {"vin": f"saturated: {clips_at:g} A or more"}


@pytest.mark.parametrize("cleared_by", [2, 3])
def test_either_way_of_clearing_the_readiness_is_understood(cleared_by: int) -> None:
    """The data sheet says that reading the power register clears it, TI's own test that reading the bus register does."""
    bench = Bench("ina219")
    bench.chip = chips.Ina219(bench.hand, 0.01, cleared_by=cleared_by)
    bench.wire.chips[0x40] = bench.chip
    bench.sets(5.0, 1.0)
    monitor = bench.found()
    results = 0
    for _ in range(100):
        results += bool(monitor.read().readings)
        bench.hand.advance(bench.span_seconds / 2)
    assert results == 50


@pytest.mark.parametrize("config", [0x399F, 0x019F, 0x2EFF, 0x0000, 0x3FFF])
def test_any_configuration_that_an_ina219_can_have_is_taken(config: int) -> None:
    bench = Bench("ina219")
    bench.chip.registers[0] = config
    bench.find()


@pytest.mark.parametrize("config", [0x4127, 0x6127, 0x7127, 0xFFFF, 0x8000])
def test_a_configuration_that_it_cannot_have_is_that_of_another_chip(config: int) -> None:
    bench = Bench("ina219")
    bench.chip.registers[0] = config
    with pytest.raises(Absent, match=f"0x00 = {config:#06x}"):
        bench.find()


def test_a_calibration_that_it_cannot_have_is_that_of_another_chip() -> None:
    bench = Bench("ina219")
    bench.chip.registers[5] = 0x1001
    with pytest.raises(Absent, match="0x05 = 0x1001"):
        bench.find()


@pytest.mark.parametrize(
    ("period", "bus", "shunt"),
    [
        ("100 ms", 0xD, 0xF),  # 17.02 + 68.1 ms
        ("1 s", 0xF, 0xF),  # it cannot average longer: 68.1 + 68.1 ms
        ("1 ms", 0x2, 0x3),  # 276 + 532 us
    ],
)
def test_samples_and_bits_are_chosen_by_the_period(period: str, bus: int, shunt: int) -> None:
    bench = Bench("ina219", {"period": period})
    bench.find()
    assert (bench.chip.registers[0] >> 7 & 15, bench.chip.registers[0] >> 3 & 15) == (bus, shunt)


@pytest.mark.parametrize(("averaging", "code"), [(2, 0x9), (4, 0xA), (8, 0xB), (16, 0xC), (32, 0xD), (64, 0xE), (128, 0xF)])
def test_a_number_of_samples_is_taken_for_both(averaging: int, code: int) -> None:
    bench = Bench("ina219", {"averaging": averaging, "period": "1 s"})
    bench.find()
    assert (bench.chip.registers[0] >> 7 & 15, bench.chip.registers[0] >> 3 & 15) == (code, code)


def test_one_sample_has_as_many_bits_as_the_period_allows() -> None:
    assert ina219.Ina219(parse("ina219", {"averaging": 1})).layout.span_seconds == 0.001064
    assert ina219.Ina219(ina219.Config(averaging=1, period=Seconds(0.001))).layout.span_seconds == 0.000808


@given(bus=st.integers(0, 0xFFFF), power=st.integers(0, 0xFFFF), shunt=st.integers(0, 0xFFFF))
def test_any_registers_are_a_load_within_the_chips_range_or_saturated(bus: int, power: int, shunt: int) -> None:
    reads = ONE.decode((bus, power, shunt))
    seen = values(reads)
    assert 0.0 <= seen["voltage_volts"] <= 32.764
    if reads.faults:
        assert list(seen) == ["voltage_volts"]
    else:
        assert abs(seen["current_amperes"]) < 3.2
