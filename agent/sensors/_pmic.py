"""What a Raspberry Pi 5's power chip says of its rails: the answer to `pmic_read_adc`.

Source: the documentation of `vcgencmd` and recorded answers. A line is ` VDD_CORE_A current(7)=10.87674000A` or
` VDD_CORE_V volt(15)=0.89745940V`, set to the right. A rail's two lines belong together by their name: the numbers in brackets
are channels of the converter, and their order differs between currents and voltages (3V3_DAC is 17 and 20, 0V8_AON 16 and 19).
The 5 V input (EXT5V) and the clock's battery (BATT) have a voltage alone, so that what the board takes in is not measured.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from agent.core.errors import SensorFault

_LINE: Final = re.compile(
    r"^[ \t]*(?P<rail>[A-Z0-9][A-Z0-9_]{0,31})_"
    r"(?:A[ \t]+current\(\d+\)=(?P<amperes>nan|-?\d+\.\d+)A|V[ \t]+volt\(\d+\)=(?P<volts>nan|-?\d+\.\d+)V)[ \t\r]*$",
    re.MULTILINE,
)
# More than any rail of a board that is fed with 5 V and 5 A: what is beyond is no reading.
_MOST_VOLTS: Final = 30.0
_MOST_AMPERES: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rails:
    """One answer: rail → volts and rail → amperes, by the names in lower case. What was not a number is not here."""

    volts: dict[str, float]
    amperes: dict[str, float]

    @property
    def watts(self) -> dict[str, float]:
        """Rail → power of the rails that have both."""
        return {name: amperes * self.volts[name] for name, amperes in self.amperes.items() if name in self.volts}


def parse(text: str) -> Rails:
    """Return the rails of an answer. Lines that it does not know, or that were cut off, are passed over.

    Raises:
        SensorFault: there is no rail in it.
    """
    volts: dict[str, float] = {}
    amperes: dict[str, float] = {}
    lines = 0
    for match in _LINE.finditer(text):
        lines += 1
        into, most = (volts, _MOST_VOLTS) if match["volts"] else (amperes, _MOST_AMPERES)
        value = float(match["volts"] or match["amperes"])
        # Nor is it where the converter says nan, which is neither more nor less than anything.
        if abs(value) <= most:
            into[match["rail"].lower()] = value
    if not lines:
        raise SensorFault(f"unexpected answer {text[:60]!r}")
    return Rails(volts=volts, amperes=amperes)
