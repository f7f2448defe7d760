"""Questions to a Raspberry Pi's firmware that have one number for an answer, and how the answer is read.

Source: `vcgencmd` in the Raspberry Pi documentation, and recorded answers.

- `get_throttled` → `throttled=0x50005`: a word of bits
- `measure_clock arm` → `frequency(48)=1500345728`: hertz. The number in brackets is the clock's: 45 up to the Pi 3, 48 on a
  Pi 4, 0 on a Pi 5
- `measure_temp` → `temp=48.5'C`
- `measure_volts core` → `volt=0.8600V`
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.core.errors import SensorFault
from agent.core.record import Reading

if TYPE_CHECKING:
    from agent.sensors._vcio import Link

_WORD: Final = re.compile(r"throttled=0x([0-9a-fA-F]{1,8})")
_TEMPERATURE: Final = re.compile(r"temp=(-?\d{1,4}\.\d{1,3})'C")
_MOST_QUOTED: Final = 60


@dataclass(frozen=True, slots=True)
class Figure:
    """A question, and between what its number can be believed."""

    metric: str
    name: str
    command: str
    pattern: re.Pattern[str]
    least: float
    most: float

    def ask(self, link: Link) -> Reading:
        """Return the answer.

        Raises:
            SensorFault: there is none, or none that can be believed; as `Link.ask` otherwise.
        """
        value = float(_matched(self.pattern, link.ask(self.command)))
        # 0 is what a dead sensor says.
        if value == 0 or not self.least <= value <= self.most:
            raise SensorFault(f"implausible {value:g}")
        return Reading(metric=self.metric, name=self.name, value=value)


ARM: Final = Figure("frequency_hertz", "arm", "measure_clock arm", re.compile(r"frequency\(\d{1,3}\)=(\d{1,12})"), 1e6, 1e10)
SOC: Final = Figure("temperature_celsius", "soc", "measure_temp", _TEMPERATURE, -40.0, 150.0)
PMIC: Final = Figure("temperature_celsius", "pmic", "measure_temp pmic", _TEMPERATURE, -40.0, 150.0)
CORE: Final = Figure("voltage_volts", "core", "measure_volts core", re.compile(r"volt=(\d{1,2}\.\d{1,8})V"), 0.1, 3.0)


def throttled(link: Link) -> int:
    """Return the word of bits.

    Raises:
        SensorFault: the answer is none; as `Link.ask` otherwise.
    """
    return int(_matched(_WORD, link.ask("get_throttled")), 16)


def _matched(pattern: re.Pattern[str], said: str) -> str:
    match = pattern.fullmatch(said)
    if match is None:
        raise SensorFault(f"unexpected answer {said[:_MOST_QUOTED]!r}")
    return match[1]
