"""INA226 power monitors, read over I2C.

Source: TI SBOS547, register maps and 6.5; drivers/hwmon/ina2xx.c. All registers have 16 bits, the high byte first.

| register | what | scale |
|---|---|---|
| 00 | configuration: AVG 11:9, VBUSCT 8:6, VSHCT 5:3, MODE 2:0; 0x4127 after power-up | writing it begins a new conversion |
| 01 | shunt voltage, signed | 2.5 uV |
| 02 | bus voltage, bit 15 always 0 | 1.25 mV |
| 05 | calibration; 0 after power-up | 2048 makes the current register equal the shunt's |
| 06 | mask/enable: CVRF bit 3 (new results, cleared by reading it), LEN bit 0 (latch) | |
| FE, FF | manufacturer 0x5449, die 0x2260 | |

Traps: the shunt's range is 81.92 mV, which is 0.819 A with 0.1 ohm; copies with other ids are sold under the name; registers are
read one by one and may belong to two conversions. LEN has no effect while no alert is chosen: it is set so that its loss tells of
a dip of the supply. The calibration is for other programs that read the chip; nothing here needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from agent.sensors import _ina, _monitor
from agent.sensors._i2c import Register, signed

if TYPE_CHECKING:
    from agent.core.record import Reads
    from agent.core.sensor import Surroundings

METRICS = _ina.METRICS
MANY = True

_CONFIGURATION: Final = Register(0x00)
_SHUNT: Final = Register(0x01)
_BUS: Final = Register(0x02)
_CALIBRATION: Final = Register(0x05)
_MASK: Final = Register(0x06)
_MANUFACTURER: Final = Register(0xFE)
_DIE: Final = Register(0xFF)

_SHUNT_VOLTS: Final = 2.5e-6
_BUS_VOLTS: Final = 1.25e-3
_CONVERSIONS: Final = (140, 204, 332, 588, 1100, 2116, 4156, 8244)
# The reserved bits 14:12 as they read, and MODE 111: shunt and bus, continuously.
_CONTINUOUS: Final = 0x4007
_EQUAL_TO_SHUNT: Final = 2048
_NEW_RESULTS: Final = 0x0008
_LATCH: Final = 0x0001
_HIGHEST: Final = 0x7FFF
_LOWEST: Final = 0x8000


class Config(_ina.ShuntConfig, frozen=True, kw_only=True):
    """Voltage, current and power of a rail with an INA226."""

    full_scale_volts: ClassVar[float] = 0.08192


def find(config: Config, surroundings: Surroundings) -> _monitor.Monitor:
    """Return the INA226 at the configured address; raises `Absent` where it is not."""
    return _monitor.find(Ina226(config), config, surroundings)


class Ina226:
    """What an INA226's registers mean."""

    def __init__(self, config: Config) -> None:
        """Take the table of one chip."""
        choices = _ina.timings(_CONVERSIONS, bus_bit=6, shunt_bit=3, averaging_bit=9)
        timing = _ina.fit(choices, config.period, config.averaging)
        self.layout = _monitor.Layout(
            title="INA226",
            marks=(_monitor.Mark(register=_MANUFACTURER, allowed=(0x5449,)), _monitor.Mark(register=_DIE, allowed=(0x2260,))),
            settings=(
                _monitor.Setting(register=_CALIBRATION, value=_EQUAL_TO_SHUNT),
                _monitor.Setting(register=_MASK, value=_LATCH, bits=0),
                _monitor.Setting(register=_CONFIGURATION, value=_CONTINUOUS | timing.bits, bits=0x0FFF),
            ),
            registers=(_MASK, _SHUNT, _BUS),
            ready=_NEW_RESULTS,
            kept=_LATCH,
            span_seconds=timing.span_seconds,
        )
        self._rail = config.rail
        self._amperes = _SHUNT_VOLTS / config.shunt
        self._span_seconds = timing.span_seconds

    def decode(self, values: tuple[int, ...]) -> Reads:
        """Return voltage, current and power."""
        _, shunt, bus = values
        volts = bus * _BUS_VOLTS
        if shunt in {_HIGHEST, _LOWEST}:
            return _ina.saturated(self._rail, volts, _HIGHEST * self._amperes, self._span_seconds)
        return _ina.measured(self._rail, volts, signed(shunt, 16) * self._amperes, self._span_seconds)

    def restarted(self) -> None:
        """Nothing is counted."""
