"""INA260 power monitors, read over I2C; their shunt of 2 mohm is inside.

Source: TI SBOS656C, 8.6; the ids are also what Adafruit_INA260.cpp asks for. All registers have 16 bits, the high byte first.

| register | what | scale |
|---|---|---|
| 00 | configuration: 14:12 read 110, AVG 11:9, VBUSCT 8:6, ISHCT 5:3, MODE 2:0; 0x6127 after power-up | |
| 01 | current, signed | 1.25 mA |
| 02 | bus voltage, bit 15 always 0 | 1.25 mV |
| 06 | mask/enable: CVRF bit 3 (new results, cleared by reading it), LEN bit 0 (latch) | |
| FE, FF | manufacturer 0x5449, die 0x227x (the last digit is the revision) | |

Traps: the current stands where other chips have the shunt's voltage. The chip carries 15 A; its register goes on to 40.96 A. LEN
has no effect while no alert is chosen: it is set so that its loss tells of a dip of the supply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from agent.core.units import Amperes, Ohms
from agent.sensors import _ina, _monitor
from agent.sensors._i2c import Register, signed

if TYPE_CHECKING:
    from agent.core.record import Reads
    from agent.core.sensor import Surroundings

METRICS = _ina.METRICS
MANY = True

_CONFIGURATION: Final = Register(0x00)
_CURRENT: Final = Register(0x01)
_BUS: Final = Register(0x02)
_MASK: Final = Register(0x06)
_MANUFACTURER: Final = Register(0xFE)
_DIE: Final = Register(0xFF)

_AMPERES: Final = 1.25e-3
_BUS_VOLTS: Final = 1.25e-3
_CONVERSIONS: Final = (140, 204, 332, 588, 1100, 2116, 4156, 8244)
_INSIDE: Final = Ohms(0.002)
# Bits 14:12 as they read, and MODE 111: current and bus, continuously.
_CONTINUOUS: Final = 0x6007
_NEW_RESULTS: Final = 0x0008
_LATCH: Final = 0x0001
_HIGHEST: Final = 0x7FFF
_LOWEST: Final = 0x8000


class Config(_ina.ShuntConfig, frozen=True, kw_only=True):
    """Voltage, current and power of a rail with an INA260; its shunt is inside and cannot be another."""

    full_scale_volts: ClassVar[float] = 0.08192

    shunt: Ohms = _INSIDE
    max_current: Amperes = Amperes(15.0)

    def __post_init__(self) -> None:
        """Refuse another shunt."""
        super().__post_init__()
        if self.shunt != _INSIDE:
            raise ValueError(f"shunt {self.shunt}: the shunt of an INA260 is inside and has {_INSIDE}")


def find(config: Config, surroundings: Surroundings) -> _monitor.Monitor:
    """Return the INA260 at the configured address; raises `Absent` where it is not."""
    return _monitor.find(Ina260(config), config, surroundings)


class Ina260:
    """What an INA260's registers mean."""

    def __init__(self, config: Config) -> None:
        """Take the table of one chip."""
        choices = _ina.timings(_CONVERSIONS, bus_bit=6, shunt_bit=3, averaging_bit=9)
        timing = _ina.fit(choices, config.period, config.averaging)
        self.layout = _monitor.Layout(
            title="INA260",
            marks=(
                _monitor.Mark(register=_MANUFACTURER, allowed=(0x5449,)),
                _monitor.Mark(register=_DIE, allowed=(0x2270,), bits=0xFFF0),
            ),
            settings=(
                _monitor.Setting(register=_MASK, value=_LATCH, bits=0),
                _monitor.Setting(register=_CONFIGURATION, value=_CONTINUOUS | timing.bits, bits=0x0FFF),
            ),
            registers=(_MASK, _CURRENT, _BUS),
            ready=_NEW_RESULTS,
            kept=_LATCH,
            span_seconds=timing.span_seconds,
        )
        self._rail = config.rail
        self._span_seconds = timing.span_seconds

    def decode(self, values: tuple[int, ...]) -> Reads:
        """Return voltage, current and power."""
        _, current, bus = values
        volts = bus * _BUS_VOLTS
        if current in {_HIGHEST, _LOWEST}:
            return _ina.saturated(self._rail, volts, _HIGHEST * _AMPERES, self._span_seconds)
        return _ina.measured(self._rail, volts, signed(current, 16) * _AMPERES, self._span_seconds)

    def restarted(self) -> None:
        """Nothing is counted."""
