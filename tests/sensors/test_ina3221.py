from __future__ import annotations

import pytest
from _inabench import Bench, faults, parse, values
from hypothesis import given
from hypothesis import strategies as st

from agent.core.errors import ConfigError
from agent.sensors import ina3221

THREE = {"rail": "vin", "rails": ["vin", "gpu", "cpu"]}


def chip(**table: object) -> ina3221.Ina3221:
    return ina3221.Ina3221(parse("ina3221", table))


ALL_CHANNELS = chip(**THREE)


def test_its_settings_are_written_and_the_configuration_last_because_it_begins_a_conversion() -> None:
    bench = Bench("ina3221")
    bench.find()
    # Channel 1 alone (0x4000), (140 + 588 us) x 128, continuous.
    assert bench.chip.writes == [(0x0F, 0x0800), (0x00, 0x481F)]


def test_without_names_channel_one_is_the_rail() -> None:
    bench = Bench("ina3221", {"rail": "usb"})
    bench.chip.loads = [(5.0, 1.0), (12.0, 2.0), (3.3, 3.0)]
    reads = bench.found().read()
    assert values(reads, "usb") == pytest.approx({"voltage_volts": 5.0, "current_amperes": 1.0, "power_watts": 5.0})
    assert {reading.name for reading in reads.readings} == {"usb"}


def test_three_channels_have_three_names() -> None:
    bench = Bench("ina3221", THREE)
    bench.chip.loads = [(5.0, 1.0), (12.0, -2.0), (3.304, 3.0)]
    reads = bench.found().read()
    assert bench.chip.registers[0] & 0x7000 == 0x7000
    assert values(reads, "vin")["power_watts"] == pytest.approx(5.0)
    assert values(reads, "gpu")["power_watts"] == pytest.approx(-24.0)
    assert values(reads, "cpu") == pytest.approx({"voltage_volts": 3.304, "current_amperes": 3.0, "power_watts": 9.912})


def test_a_channel_without_a_name_is_off_and_costs_no_time() -> None:
    bench = Bench("ina3221", {"rail": "cpu", "rails": ["", "", "cpu"]})
    bench.chip.loads = [(5.0, 1.0), (12.0, 2.0), (3.304, 3.0)]
    reads = bench.found().read()
    assert bench.chip.registers[0] & 0x7000 == 0x1000
    assert {reading.name for reading in reads.readings} == {"cpu"}
    assert values(reads, "cpu")["current_amperes"] == pytest.approx(3.0)


def test_three_channels_take_three_times_as_long() -> None:
    bench = Bench("ina3221", THREE)
    bench.find()
    single = Bench("ina3221")
    single.chip.registers[0] = bench.chip.registers[0] & ~0x3000
    assert bench.span_seconds == pytest.approx(3 * single.span_seconds)
    assert 0.09 < bench.span_seconds <= 0.1


def test_channels_may_have_different_shunts() -> None:
    bench = Bench("ina3221", THREE | {"shunts": ["10 mohm", "5 mohm", "0.1 ohm"], "max_current": "1.6 A"})
    bench.chip.shunts = [0.01, 0.005, 0.1]
    bench.chip.loads = [(5.0, 1.0), (5.0, 1.0), (5.0, 1.0)]
    reads = bench.found().read()
    assert [values(reads, rail)["current_amperes"] for rail in ("vin", "gpu", "cpu")] == pytest.approx([1.0, 1.0, 1.0])


def test_a_saturated_channel_is_its_own_fault_alone() -> None:
    bench = Bench("ina3221", THREE)
    bench.chip.loads = [(5.0, 1.0), (12.0, 20.0), (3.304, 3.0)]
    reads = bench.found().read()
    assert faults(reads) == {"gpu": "saturated: 16.38 A or more"}
    assert values(reads, "gpu") == {"voltage_volts": 12.0}
    assert values(reads, "cpu")["current_amperes"] == pytest.approx(3.0)


@pytest.mark.parametrize(("shunt", "amperes"), [(0xC180, -8.0), (0x3E80, 8.0), (0x0008, 0.004), (0xFFF8, -0.004), (0, 0.0)])
def test_the_shunts_register_begins_at_bit_three_and_has_a_sign(shunt: int, amperes: float) -> None:
    """0xC180 is the data sheet's own example of -80 mV."""
    assert values(chip().decode((0x0803, shunt, 0)))["current_amperes"] == pytest.approx(amperes)


@pytest.mark.parametrize(("bus", "volts"), [(0x0008, 0.008), (0x1388, 5.0), (0x7FF8, 32.76), (0, 0.0)])
def test_the_bus_register_begins_at_bit_three(bus: int, volts: float) -> None:
    assert values(chip().decode((0x0803, 0, bus)))["voltage_volts"] == pytest.approx(volts)


@pytest.mark.parametrize("shunt", [0x7FF8, 0x8000])
def test_a_shunt_at_its_full_scale_has_no_current_but_a_voltage(shunt: int) -> None:
    reads = chip().decode((0x0803, shunt, 0x1388))
    assert values(reads) == {"voltage_volts": 5.0}
    assert faults(reads) == {"vin": "saturated: 16.38 A or more"}


def test_a_dip_of_the_supply_is_told_by_the_rail() -> None:
    bench = Bench("ina3221", {"rail": "gpu", "rails": ["vin", "gpu", ""]})
    monitor = bench.found()
    monitor.read()
    bench.chip.brown_out()
    bench.hand.advance(0.1)
    assert list(faults(monitor.read())) == ["gpu"]


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"rails": ["gpu", "cpu", ""]}, "rail 'vin' is none of rails 'gpu', 'cpu'"),
        ({"rails": ["", "", ""]}, "rail 'vin' is none of rails"),
        ({"rails": ["vin", "vin", ""]}, "two channels are named 'vin'"),
        ({"rails": ["vin", "a b", ""]}, "'a b' is no name"),
        ({"rails": ["vin", "", "", ""]}, r"rails: Expected `array` of length <= 3"),
        ({"shunts": ["10 mohm"]}, "shunts has 1 values"),
        ({"shunts": ["10 mohm", "10 mohm", "0 ohm"]}, "shunt must be more than 0 ohm"),
        ({"shunts": ["10 mohm", "10 mohm", "0.1 ohm"]}, "the 1.638 A at which a shunt of 0.1 ohm"),
        ({"shunts": [0.01, 0.01, 0.01]}, "has no unit"),
        ({"address": 0x44}, "address"),
    ],
)
def test_names_and_shunts_that_do_not_fit_are_refused(table: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse("ina3221", table)


def test_fewer_names_leave_the_other_channels_off() -> None:
    assert len(chip(rails=["vin"])._channels) == 1
    assert [channel.number for channel in chip(rails=["vin", "gpu"])._channels] == [0, 1]


@given(registers=st.lists(st.integers(0, 0xFFFF), min_size=6, max_size=6))
def test_any_registers_are_loads_within_the_chips_range_or_saturated(registers: list[int]) -> None:
    reads = ALL_CHANNELS.decode((0x0803, *registers))
    for rail in ("vin", "gpu", "cpu"):
        seen = values(reads, rail)
        assert abs(seen.get("current_amperes", 0.0)) <= 16.38
        assert ("current_amperes" in seen) != (rail in faults(reads))
