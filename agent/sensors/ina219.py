"""INA219 power monitors, read over I2C.

Source: TI SBOS448G, 8.6; drivers/hwmon/ina2xx.c. All registers have 16 bits, the high byte first.

| register | what | scale |
|---|---|---|
| 00 | configuration: BRNG 13, PG 12:11, BADC 10:7, SADC 6:3, MODE 2:0; 0x399F after power-up | writing it begins a new conversion |
| 01 | shunt voltage, signed; clips at 40, 80, 160 or 320 mV, as PG says | 10 uV |
| 02 | bus voltage in bits 15:3, without sign; CNVR bit 1 (new results), OVF bit 0 | 4 mV |
| 03 | power | |
| 05 | calibration, bit 0 always 0; 0 after power-up | 4096 makes the current register equal the shunt's |

Traps: there is no id. What is checked is that the bits which are always 0 are 0, and that what is written is read back; an INA226
has bit 14 of its configuration set. By the data sheet CNVR is cleared by reading the power register (so saw INA219_WE, pull request
12), by TI's own test by reading the bus register (e2e.ti.com 647053): both are read, the bus first. OVF tells of the chip's own
arithmetic, which is not used. Nothing that is read at every reading tells of a dip of the supply: the check once a second does, and
until then the scales are the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from agent.sensors import _ina, _monitor
from agent.sensors._i2c import Register, signed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.core.record import Reads
    from agent.core.sensor import Surroundings

METRICS = _ina.METRICS
MANY = True

_CONFIGURATION: Final = Register(0x00)
_SHUNT: Final = Register(0x01)
_BUS: Final = Register(0x02)
_POWER: Final = Register(0x03)
_CALIBRATION: Final = Register(0x05)

_SHUNT_VOLTS: Final = 10e-6
_BUS_VOLTS: Final = 4e-3
# PG's ranges in steps of the shunt register: 40, 80, 160 and 320 mV.
_RANGES: Final = (4000, 8000, 16_000, 32_000)
# BADC and SADC: code, how many conversions, how long they take. With one: of 9, 10, 11 and 12 bits.
_CONVERSIONS: Final = (
    (0x0, 1, 84),
    (0x1, 1, 148),
    (0x2, 1, 276),
    (0x3, 1, 532),
    (0x9, 2, 1060),
    (0xA, 4, 2130),
    (0xB, 8, 4260),
    (0xC, 16, 8510),
    (0xD, 32, 17_020),
    (0xE, 64, 34_050),
    (0xF, 128, 68_100),
)
# BRNG: 32 V, and MODE 111: shunt and bus, continuously.
_CONTINUOUS: Final = 0x2007
_EQUAL_TO_SHUNT: Final = 4096
_NEW_RESULTS: Final = 0x0002


class Config(_ina.ShuntConfig, frozen=True, kw_only=True):
    """Voltage, current and power of a rail with an INA219."""

    averages: ClassVar[tuple[int, ...]] = tuple(dict.fromkeys(count for _, count, _ in _CONVERSIONS))
    full_scale_volts: ClassVar[float] = 0.32


def find(config: Config, surroundings: Surroundings) -> _monitor.Monitor:
    """Return the INA219 at the configured address; raises `Absent` where it is not."""
    return _monitor.find(Ina219(config), config, surroundings)


def _timings() -> Iterator[_ina.Timing]:
    for bus_code, bus_count, bus in _CONVERSIONS:
        for shunt_code, shunt_count, shunt in _CONVERSIONS:
            yield _ina.Timing(
                bits=bus_code << 7 | shunt_code << 3,
                averaging=shunt_count if shunt_count == bus_count else None,
                shunt_microseconds=shunt,
                span_microseconds=bus + shunt,
            )


class Ina219:
    """What an INA219's registers mean."""

    def __init__(self, config: Config) -> None:
        """Take the table of one chip."""
        timing = _ina.fit(_timings(), config.period, config.averaging)
        gain = next((code for code, steps in enumerate(_RANGES) if config.fits(steps * _SHUNT_VOLTS)), len(_RANGES) - 1)
        self.layout = _monitor.Layout(
            title="INA219",
            marks=(
                _monitor.Mark(register=_CONFIGURATION, allowed=(0,), bits=0xC000),
                _monitor.Mark(register=_CALIBRATION, allowed=(0,), bits=0x0001),
            ),
            settings=(
                _monitor.Setting(register=_CALIBRATION, value=_EQUAL_TO_SHUNT),
                _monitor.Setting(register=_CONFIGURATION, value=_CONTINUOUS | gain << 11 | timing.bits),
            ),
            registers=(_BUS, _POWER, _SHUNT),
            ready=_NEW_RESULTS,
            kept=0,
            span_seconds=timing.span_seconds,
        )
        self._rail = config.rail
        self._most = _RANGES[gain]
        self._amperes = _SHUNT_VOLTS / config.shunt
        self._span_seconds = timing.span_seconds

    def decode(self, values: tuple[int, ...]) -> Reads:
        """Return voltage, current and power."""
        bus, _, shunt = values
        volts = (bus >> 3) * _BUS_VOLTS
        steps = signed(shunt, 16)
        if abs(steps) >= self._most:
            return _ina.saturated(self._rail, volts, self._most * self._amperes, self._span_seconds)
        return _ina.measured(self._rail, volts, steps * self._amperes, self._span_seconds)

    def restarted(self) -> None:
        """Nothing is counted."""
