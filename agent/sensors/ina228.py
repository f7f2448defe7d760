"""INA228 power and energy monitors, read over I2C.

Source: TI SLYS021A, 7.6 and 8.1.2; drivers/hwmon/ina238.c of recent kernels. The high byte comes first.

| register | what | scale |
|---|---|---|
| 00 | CONFIG: RSTACC bit 14 (energy and charge to 0), ADCRANGE bit 4; 0 after power-up | |
| 01 | ADC_CONFIG: MODE 15:12, VBUSCT 11:9, VSHCT 8:6, AVG 2:0; 0xFB68 after power-up | writing it begins a new conversion |
| 02 | SHUNT_CAL; 4096 after power-up | 4096 makes CURRENT equal VSHUNT, in either range |
| 04 | VSHUNT, 24 bits: signed in 23:4 | 312.5 nV to 163.84 mV, or with ADCRANGE 78.125 nV to 40.96 mV |
| 05 | VBUS, 24 bits: signed in 23:4 and never below 0 | 195.3125 uV |
| 09 | ENERGY, 40 bits, begins anew at 0 | 16 x 3.2 x the current that one step of CURRENT is |
| 0B | DIAG_ALRT: ALATCH 15, CNVRF 1 (new results), MEMSTAT 0 (the chip's own trim is intact) | |
| 3E, 3F | manufacturer 0x5449, device 0x228x (the last digit is the revision) | |

With SHUNT_CAL = 4096 a step of CURRENT is a step of VSHUNT over the shunt: the arithmetic of ENERGY then overflows no earlier than
the shunt's range. Traps: ENERGY counts what flows back as if it flowed forward, and runs by the chip's own clock (0.5 %); reading
DIAG_ALRT clears CNVRF only while ALATCH is set, which has no other effect while no limit is set, and whose loss tells of a dip of
the supply.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from agent.core.metric import Fold, Metric
from agent.core.record import Fault, Reading, Reads
from agent.sensors import _ina, _monitor
from agent.sensors._i2c import Register, signed

if TYPE_CHECKING:
    from agent.core.sensor import Surroundings

METRICS = (
    *_ina.METRICS,
    Metric(
        name="energy_joules_total",
        fold=Fold.INCREASE,
        describes="Energy that the chip itself has added up, of every conversion it made.",
    ),
)
MANY = True

_CONFIG: Final = Register(0x00)
_ADC_CONFIG: Final = Register(0x01)
_SHUNT_CAL: Final = Register(0x02)
_VSHUNT: Final = Register(0x04, 3)
_VBUS: Final = Register(0x05, 3)
_ENERGY: Final = Register(0x09, 5)
_DIAG_ALRT: Final = Register(0x0B)
_MANUFACTURER: Final = Register(0x3E)
_DEVICE: Final = Register(0x3F)

_SHUNT_VOLTS: Final = 312.5e-9
_FINE_SHUNT_VOLTS: Final = 78.125e-9
_FINE_FULL_SCALE_VOLTS: Final = 0.04096
_BUS_VOLTS: Final = 195.3125e-6
_JOULES_PER_AMPERE: Final = 16 * 3.2
_CONVERSIONS: Final = (50, 84, 150, 280, 540, 1052, 2074, 4120)
_FINE_RANGE: Final = 0x0010
_CLEAR_COUNTERS: Final = 0x4000
# MODE 1011: shunt and bus, continuously, without the temperature.
_CONTINUOUS: Final = 0xB000
_EQUAL_TO_SHUNT: Final = 4096
_LATCH: Final = 0x8000
_NEW_RESULTS: Final = 0x0002
_TRIM_INTACT: Final = 0x0001
_HIGHEST: Final = 0x7FFFF
_LOWEST: Final = 0x80000
_COUNTS: Final = 1 << 40
# At full scale the counter rises by 2^20 a second: by this much in 18 hours. A rise beyond it was a counter that began anew.
_MOST_RISE: Final = 1 << 36


class Config(_ina.ShuntConfig, frozen=True, kw_only=True):
    """Voltage, current, power and energy of a rail with an INA228."""

    full_scale_volts: ClassVar[float] = 0.16384


def find(config: Config, surroundings: Surroundings) -> _monitor.Monitor:
    """Return the INA228 at the configured address; raises `Absent` where it is not."""
    # Whoever is found anew may have been without power meanwhile: its counter is another one.
    life = surroundings.clock.monotonic_nanoseconds()
    return _monitor.find(Ina228(config, life), config, surroundings)


class Ina228:
    """What an INA228's registers mean."""

    def __init__(self, config: Config, life: int = 0) -> None:
        """Take the table of one chip, and what tells the lives of its counter apart."""
        choices = _ina.timings(_CONVERSIONS, bus_bit=9, shunt_bit=6, averaging_bit=0)
        timing = _ina.fit(choices, config.period, config.averaging)
        fine = config.fits(_FINE_FULL_SCALE_VOLTS)
        shunt_range = _FINE_RANGE if fine else 0
        self.layout = _monitor.Layout(
            title="INA228",
            marks=(
                _monitor.Mark(register=_MANUFACTURER, allowed=(0x5449,)),
                _monitor.Mark(register=_DEVICE, allowed=(0x2280,), bits=0xFFF0),
            ),
            settings=(
                _monitor.Setting(register=_CONFIG, value=shunt_range),
                _monitor.Setting(register=_SHUNT_CAL, value=_EQUAL_TO_SHUNT),
                _monitor.Setting(register=_DIAG_ALRT, value=_LATCH, bits=0),
                # The time of a temperature that is never converted stays as it is.
                _monitor.Setting(register=_ADC_CONFIG, value=_CONTINUOUS | timing.bits, bits=0xFFC7),
                # What was counted under other settings is worth something else.
                _monitor.Setting(register=_CONFIG, value=shunt_range | _CLEAR_COUNTERS, bits=0),
                _monitor.Setting(register=_CONFIG, value=shunt_range, bits=0),
            ),
            registers=(_DIAG_ALRT, _VSHUNT, _VBUS, _ENERGY),
            ready=_NEW_RESULTS,
            kept=_LATCH,
            span_seconds=timing.span_seconds,
        )
        self._rail = config.rail
        self._amperes = (_FINE_SHUNT_VOLTS if fine else _SHUNT_VOLTS) / config.shunt
        self._span_seconds = timing.span_seconds
        self._life = life
        self._count = 0
        self._total = 0

    def decode(self, values: tuple[int, ...]) -> Reads:
        """Return voltage, current, power and energy."""
        status, shunt, bus, count = values
        if not status & _TRIM_INTACT:
            return Reads(faults=(Fault(name=self._rail, reason="the chip's trim memory is damaged (MEMSTAT)"),))
        volts = signed(bus >> 4, 20) * _BUS_VOLTS
        steps = shunt >> 4
        if steps in {_HIGHEST, _LOWEST}:
            reads = _ina.saturated(self._rail, volts, _HIGHEST * self._amperes, self._span_seconds)
        else:
            reads = _ina.measured(self._rail, volts, signed(steps, 20) * self._amperes, self._span_seconds)
        joules = self._counted(count) * _JOULES_PER_AMPERE * self._amperes
        energy = Reading(metric="energy_joules_total", name=self._rail, value=joules, instance=self._life)
        return Reads(readings=(*reads.readings, energy), faults=reads.faults)

    def _counted(self, count: int) -> int:
        """Return the total, given the chip's counter."""
        rise = (count - self._count) % _COUNTS
        self._total += rise if rise <= _MOST_RISE else count
        self._count = count
        return self._total

    def restarted(self) -> None:
        """Go on from the total: the counter began at zero."""
        self._count = 0
