"""INA237 and INA238 power monitors, read over I2C.

Source: TI SLYS025B (INA238), 6.6; drivers/hwmon/ina238.c, Adafruit_INA237.h for the INA237's id. Registers have 16 bits, the high
byte first.

| register | what | scale |
|---|---|---|
| 00 | CONFIG: ADCRANGE bit 4; 0 after power-up | |
| 01 | ADC_CONFIG: MODE 15:12, VBUSCT 11:9, VSHCT 8:6, AVG 2:0; 0xFB68 after power-up | writing it begins a new conversion |
| 02 | SHUNT_CAL; 4096 after power-up | 4096 makes CURRENT equal VSHUNT, in either range |
| 04 | VSHUNT, signed | 5 uV to 163.84 mV, or with ADCRANGE 1.25 uV to 40.96 mV |
| 05 | VBUS, signed and never below 0 | 3.125 mV |
| 0B | DIAG_ALRT: ALATCH 15, CNVRF 1 (new results), MEMSTAT 0 (the chip's own trim is intact) | |
| 3E, 3F | manufacturer 0x5449, device 0x238x or 0x237x (the last digit is the revision) | |

Trap: reading DIAG_ALRT clears CNVRF only while ALATCH is set. It has no other effect while no limit is set, and its loss tells of a
dip of the supply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from agent.core.record import Fault, Reads
from agent.sensors import _ina, _monitor
from agent.sensors._i2c import Register, signed

if TYPE_CHECKING:
    from agent.core.sensor import Surroundings

METRICS = _ina.METRICS
MANY = True

_CONFIG: Final = Register(0x00)
_ADC_CONFIG: Final = Register(0x01)
_SHUNT_CAL: Final = Register(0x02)
_VSHUNT: Final = Register(0x04)
_VBUS: Final = Register(0x05)
_DIAG_ALRT: Final = Register(0x0B)
_MANUFACTURER: Final = Register(0x3E)
_DEVICE: Final = Register(0x3F)

_SHUNT_VOLTS: Final = 5e-6
_FINE_SHUNT_VOLTS: Final = 1.25e-6
_FINE_FULL_SCALE_VOLTS: Final = 0.04096
_BUS_VOLTS: Final = 3.125e-3
_CONVERSIONS: Final = (50, 84, 150, 280, 540, 1052, 2074, 4120)
_FINE_RANGE: Final = 0x0010
# MODE 1011: shunt and bus, continuously, without the temperature.
_CONTINUOUS: Final = 0xB000
_EQUAL_TO_SHUNT: Final = 4096
_LATCH: Final = 0x8000
_NEW_RESULTS: Final = 0x0002
_TRIM_INTACT: Final = 0x0001
_HIGHEST: Final = 0x7FFF
_LOWEST: Final = 0x8000


class Config(_ina.ShuntConfig, frozen=True, kw_only=True):
    """Voltage, current and power of a rail with an INA237 or INA238."""

    full_scale_volts: ClassVar[float] = 0.16384


def find(config: Config, surroundings: Surroundings) -> _monitor.Monitor:
    """Return the INA237 or INA238 at the configured address; raises `Absent` where it is not."""
    return _monitor.find(Ina238(config), config, surroundings)


class Ina238:
    """What an INA238's registers mean."""

    def __init__(self, config: Config) -> None:
        """Take the table of one chip."""
        choices = _ina.timings(_CONVERSIONS, bus_bit=9, shunt_bit=6, averaging_bit=0)
        timing = _ina.fit(choices, config.period, config.averaging)
        fine = config.fits(_FINE_FULL_SCALE_VOLTS)
        self.layout = _monitor.Layout(
            title="INA237 or INA238",
            marks=(
                _monitor.Mark(register=_MANUFACTURER, allowed=(0x5449,)),
                _monitor.Mark(register=_DEVICE, allowed=(0x2380, 0x2370), bits=0xFFF0),
            ),
            settings=(
                _monitor.Setting(register=_CONFIG, value=_FINE_RANGE if fine else 0),
                _monitor.Setting(register=_SHUNT_CAL, value=_EQUAL_TO_SHUNT),
                _monitor.Setting(register=_DIAG_ALRT, value=_LATCH, bits=0),
                # The time of a temperature that is never converted stays as it is.
                _monitor.Setting(register=_ADC_CONFIG, value=_CONTINUOUS | timing.bits, bits=0xFFC7),
            ),
            registers=(_DIAG_ALRT, _VSHUNT, _VBUS),
            ready=_NEW_RESULTS,
            kept=_LATCH,
            span_seconds=timing.span_seconds,
        )
        self._rail = config.rail
        self._amperes = (_FINE_SHUNT_VOLTS if fine else _SHUNT_VOLTS) / config.shunt
        self._span_seconds = timing.span_seconds

    def decode(self, values: tuple[int, ...]) -> Reads:
        """Return voltage, current and power."""
        status, shunt, bus = values
        if not status & _TRIM_INTACT:
            return Reads(faults=(Fault(name=self._rail, reason="the chip's trim memory is damaged (MEMSTAT)"),))
        volts = signed(bus, 16) * _BUS_VOLTS
        if shunt in {_HIGHEST, _LOWEST}:
            return _ina.saturated(self._rail, volts, _HIGHEST * self._amperes, self._span_seconds)
        return _ina.measured(self._rail, volts, signed(shunt, 16) * self._amperes, self._span_seconds)

    def restarted(self) -> None:
        """Nothing is counted."""
