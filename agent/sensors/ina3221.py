"""INA3221 power monitors with three channels, read over I2C.

Source: TI SBOS576B, 8.6; drivers/hwmon/ina3221.c. All registers have 16 bits, the high byte first.

| register | what | scale |
|---|---|---|
| 00 | configuration: channels on 14:12, AVG 11:9, VBUSCT 8:6, VSHCT 5:3, MODE 2:0; 0x7127 after power-up | |
| 01, 03, 05 | shunt voltage of a channel, signed in bits 15:3 | 40 uV |
| 02, 04, 06 | bus voltage of a channel, bits 14:3 | 8 mV |
| 0F | mask/enable: CVRF bit 0 (new results, cleared by reading it), WEN bit 11 (warning latch); 0x0002 after power-up | |
| FE, FF | manufacturer 0x5449, die 0x3220 | |

The channels are converted one after the other: those that are off cost no time. A Jetson's own INA3221 has a kernel driver: its
hwmon files are read instead. Traps: 40 uV is coarse (4 mA with 10 mohm); there are no current, power and calibration registers.
WEN has no effect while no limit is set: it is set so that its loss tells of a dip of the supply.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import msgspec

from agent.core.config import WORD
from agent.core.record import Reads
from agent.core.units import Ohms  # noqa: TC001 - msgspec reads annotations when the class is made
from agent.sensors import _ina, _monitor
from agent.sensors._i2c import Register, signed

if TYPE_CHECKING:
    from agent.core.sensor import Surroundings

METRICS = _ina.METRICS
MANY = True

_CHANNELS: Final = 3
_CONFIGURATION: Final = Register(0x00)
_SHUNTS: Final = (Register(0x01), Register(0x03), Register(0x05))
_BUSES: Final = (Register(0x02), Register(0x04), Register(0x06))
_SWITCHES: Final = (0x4000, 0x2000, 0x1000)
_MASK: Final = Register(0x0F)
_MANUFACTURER: Final = Register(0xFE)
_DIE: Final = Register(0xFF)

_SHUNT_VOLTS: Final = 40e-6
_BUS_VOLTS: Final = 8e-3
_CONVERSIONS: Final = (140, 204, 332, 588, 1100, 2116, 4156, 8244)
# MODE 111: shunt and bus, continuously.
_CONTINUOUS: Final = 0x0007
_NEW_RESULTS: Final = 0x0001
_LATCH: Final = 0x0800
_HIGHEST: Final = 4095
_LOWEST: Final = -4096


class Config(_ina.ShuntConfig, frozen=True, kw_only=True):
    """Voltage, current and power of up to three rails with an INA3221."""

    full_scale_volts: ClassVar[float] = 0.1638

    address: Annotated[int, msgspec.Meta(ge=0x40, le=0x43, description="The chip's address, 0x40 (64) to 0x43 (67).")] = 0x40
    rails: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            max_length=_CHANNELS,
            description='The names of channels 1 to 3, "" for one that is off; `rail` must be one of them. []: channel 1 alone.',
        ),
    ] = ()
    shunts: Annotated[
        tuple[Ohms, ...], msgspec.Meta(max_length=_CHANNELS, description="The shunts of channels 1 to 3. []: all like `shunt`.")
    ] = ()

    def __post_init__(self) -> None:
        """Refuse names and shunts that do not fit three channels."""
        super().__post_init__()
        named = [name for name in self.rails if name]
        for name in named:
            if not re.fullmatch(WORD, name):
                raise ValueError(f"rails: {name!r} is no name: letters, digits, `.`, `_`, `-`")
            if named.count(name) > 1:
                raise ValueError(f"rails: two channels are named {name!r}")
        if self.rails and self.rail not in named:
            raise ValueError(
                f"rail {self.rail!r} is none of rails {', '.join(map(repr, named))}: faults of the chip are told by it"
            )
        if len(self.shunts) not in {0, _CHANNELS}:
            raise ValueError(f"shunts has {len(self.shunts)} values: it must have one for each of {_CHANNELS} channels, or none")
        for shunt in self.shunts:
            _ina.verify_shunt(shunt, self.max_current, self.full_scale_volts)


def find(config: Config, surroundings: Surroundings) -> _monitor.Monitor:
    """Return the INA3221 at the configured address; raises `Absent` where it is not."""
    return _monitor.find(Ina3221(config), config, surroundings)


@dataclass(frozen=True, slots=True)
class _Channel:
    number: int
    rail: str
    amperes: float


class Ina3221:
    """What an INA3221's registers mean."""

    def __init__(self, config: Config) -> None:
        """Take the table of one chip."""
        shunts = config.shunts or (config.shunt,) * _CHANNELS
        self._channels = tuple(
            _Channel(number, rail, _SHUNT_VOLTS / shunts[number])
            for number, rail in enumerate(config.rails or (config.rail,))
            if rail
        )
        choices = _ina.timings(_CONVERSIONS, bus_bit=6, shunt_bit=3, averaging_bit=9, channels=len(self._channels))
        timing = _ina.fit(choices, config.period, config.averaging)
        switches = sum(_SWITCHES[channel.number] for channel in self._channels)
        self.layout = _monitor.Layout(
            title="INA3221",
            marks=(_monitor.Mark(register=_MANUFACTURER, allowed=(0x5449,)), _monitor.Mark(register=_DIE, allowed=(0x3220,))),
            settings=(
                _monitor.Setting(register=_MASK, value=_LATCH, bits=0),
                _monitor.Setting(register=_CONFIGURATION, value=switches | timing.bits | _CONTINUOUS),
            ),
            registers=(
                _MASK,
                *(register for channel in self._channels for register in (_SHUNTS[channel.number], _BUSES[channel.number])),
            ),
            ready=_NEW_RESULTS,
            kept=_LATCH,
            span_seconds=timing.span_seconds,
        )
        self._span_seconds = timing.span_seconds

    def decode(self, values: tuple[int, ...]) -> Reads:
        """Return voltage, current and power of every channel that is on."""
        parts = [
            self._decode(channel, values[1 + 2 * position], values[2 + 2 * position])
            for position, channel in enumerate(self._channels)
        ]
        return Reads(
            readings=tuple(reading for part in parts for reading in part.readings),
            faults=tuple(fault for part in parts for fault in part.faults),
        )

    def _decode(self, channel: _Channel, shunt: int, bus: int) -> Reads:
        volts = (bus >> 3) * _BUS_VOLTS
        steps = signed(shunt, 16) >> 3
        if steps in {_HIGHEST, _LOWEST}:
            return _ina.saturated(channel.rail, volts, _HIGHEST * channel.amperes, self._span_seconds)
        return _ina.measured(channel.rail, volts, steps * channel.amperes, self._span_seconds)

    def restarted(self) -> None:
        """Nothing is counted."""
