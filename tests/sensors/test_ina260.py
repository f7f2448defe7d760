from __future__ import annotations

import pytest
from _inabench import Bench, faults, parse, values

from agent.core.errors import ConfigError
from agent.sensors import ina260


def chip() -> ina260.Ina260:
    return ina260.Ina260(ina260.Config())


def test_its_settings_are_written_and_the_configuration_last_because_it_begins_a_conversion() -> None:
    bench = Bench("ina260")
    bench.find()
    # 0x6007: reserved bits as they read and continuous; (140 + 588 us) x 128.
    assert bench.chip.writes == [(0x06, 0x0001), (0x00, 0x681F)]


@pytest.mark.parametrize(
    ("current", "amperes"), [(0x0001, 0.00125), (0xFFFF, -0.00125), (12_000, 15.0), (0xD120, -15.0), (0, 0.0), (0x7FFE, 40.9575)]
)
def test_the_current_is_read_as_the_chip_gives_it(current: int, amperes: float) -> None:
    assert values(chip().decode((0x0009, current, 4000)))["current_amperes"] == pytest.approx(amperes)


@pytest.mark.parametrize("current", [0x7FFF, 0x8000])
def test_a_current_at_the_registers_end_is_none(current: int) -> None:
    reads = chip().decode((0x0009, current, 4000))
    assert values(reads) == {"voltage_volts": 5.0}
    assert faults(reads) == {"vin": "saturated: 40.96 A or more"}


@pytest.mark.parametrize("die", [0x2270, 0x2271, 0x227F])
def test_every_revision_of_the_chip_is_known(die: int) -> None:
    bench = Bench("ina260")
    bench.chip.registers[0xFF] = die
    bench.find()


@pytest.mark.parametrize("shunt", ["0.01 ohm", "1.9 mohm"])
def test_another_shunt_than_the_one_inside_is_refused(shunt: str) -> None:
    with pytest.raises(ConfigError, match="the shunt of an INA260 is inside and has 2 mohm"):
        parse("ina260", {"shunt": shunt, "max_current": "1 A"})


def test_the_shunt_inside_may_be_written() -> None:
    assert parse("ina260", {"shunt": "0.002 ohm"}) == parse("ina260", {})
    assert parse("ina260", {}).max_current == 15.0
