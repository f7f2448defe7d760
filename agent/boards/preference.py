"""Which of a board's figures stand for the board: the temperature of its SoC, and the rail that feeds all of it.

Preferences are patterns of the names that a window uses, in the shell's manner, best first. Case does not matter: JetPack 4
writes `CPU-therm` and JetPack 6 `cpu-thermal`.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from agent.core.tree import numerically

if TYPE_CHECKING:
    from collections.abc import Iterable

# A zone whose type another one has is followed by its device: hence the `*` at the end.
SOC_RASPBERRY_PI: Final = (
    "thermal.cpu-thermal*",
    "thermal.cpu_thermal*",
    "thermal.bcm2835_thermal*",
    "rpi.soc",
    "hwmon.cpu_thermal.*",
)
# tj is the hottest of all zones, and so the one that meets its limit first. Zones of earlier boards: CPU-therm, on a TX2 BCPU and
# MCPU. `thermal-fan-est` is a mean of others, and PMIC-Die a constant.
SOC_JETSON: Final = (
    "thermal.tj-therm*",
    "thermal.cpu-therm*",
    "thermal.[bm]cpu-therm*",
    "thermal.cpu",
    "tegrastats.tj",
    "tegrastats.cpu",
    "tegrastats.[bm]cpu",
    "thermal.soc0-therm*",
)
# acpitz is left out: it is a spot on the mainboard, or a constant.
SOC_X86: Final = (
    "thermal.x86_pkg_temp*",
    "hwmon.coretemp*.package*",
    "hwmon.k10temp*.tctl",
    "hwmon.k10temp*.tdie",
    "hwmon.k10temp*",
    "hwmon.zenpower*",
    "hwmon.coretemp*",
    "thermal.tcpu*",
)
SOC_GENERIC: Final = (
    "thermal.cpu-thermal*",
    "thermal.cpu_thermal*",
    "thermal.soc-thermal*",
    "thermal.soc_thermal*",
    "thermal.package-thermal*",
    "thermal.cpu*",
    "thermal.soc*",
    "thermal.*cpu*",
    "hwmon.cpu*",
    "hwmon.soc*",
)

# What a rail is called that feeds a whole board. VDD_IN: TX1, TX2, both NX, Orin Nano. POM_5V_IN: Nano. VIN: Thor, and what people
# call it themselves. AGX Xavier and AGX Orin measure no such rail: SYS5V and VIN_SYS_5V0 are parts of what they take in, and a sum
# of parts would leave some out and count others twice. Nothing but a name is trusted: a shunt without one may stand in any rail,
# and that of a battery hat measures the battery.
_INPUT_WORDS: Final = ("vdd_in", "pom_5v_in", "vin", "dc_in", "5v_in", "input")
_KERNEL: Final = ("hwmon.*.", "hwmon.", "iio.*.", "iio.")
# Chips that we read ourselves, then the text of a program that prints old figures when it has no new ones.
_OTHERS: Final = ("ina*.", "tegrastats.")
_INPUT_OF_KERNEL: Final = tuple(f"{source}{word}" for source in _KERNEL for word in _INPUT_WORDS)
_INPUT_OF_OTHERS: Final = tuple(f"{source}{word}" for source in _OTHERS for word in _INPUT_WORDS)
INPUT: Final = (*_INPUT_OF_KERNEL, *_INPUT_OF_OTHERS)
# Thor's only chip of this kind measures what the module takes in, and has no label.
INPUT_THOR: Final = (*_INPUT_OF_KERNEL, "hwmon.ina238.*", *_INPUT_OF_OTHERS)
# The sum of the rails behind the power chip: less than what goes in.
PMIC_SUM: Final = "rpi.pmic_sum"
INPUT_RASPBERRY_PI: Final = (*INPUT, PMIC_SUM)


def choose(patterns: Iterable[str], names: Iterable[str]) -> str | None:
    """Return the name that the first pattern that fits any of them fits; of several, the first in numerical order."""
    ordered = sorted(names, key=numerically)
    return next((name for pattern in patterns for name in ordered if fnmatchcase(name.lower(), pattern)), None)


def is_estimate(rail: str) -> bool:
    """Return whether a rail is not measured where it feeds the board, but made up of what comes after."""
    return rail == PMIC_SUM
