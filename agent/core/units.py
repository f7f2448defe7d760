"""Physical values as people write them, turned once into base units.

`30`, `30s`, `33 ms`, `5 min` become seconds; `30 Hz`, `0.01 ohm`, `8 A`, `100 MB` their own types. Each type is a float in
the base unit, so arithmetic needs no conversion and the type says what the number is.
"""

from __future__ import annotations

import difflib
import math
import re
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from typing_extensions import Self

_WRITTEN = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([^\d\s].*?)?\s*")


class Quantity(float):
    """A number in a base unit that knows how its unit is written.

    `units` maps each accepted spelling to its size in the base unit. `bare_allowed` says whether a number without a unit means
    the base unit.
    """

    noun: ClassVar[str] = "a number"
    example: ClassVar[str] = "1"
    units: ClassVar[dict[str, float]] = {}
    bare_allowed: ClassVar[bool] = False

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read a value as a person wrote it.

        Raises:
            ValueError: it is not a number, its unit is unknown, or it has none and needs one. The message names the nearest
                unit.
        """
        if isinstance(written, (int, float)) and not isinstance(written, bool):
            return cls._of(written, None, written)
        if not isinstance(written, str):
            raise ValueError(f"{written!r} is not {cls.noun}; write it like {cls.example!r}")  # noqa: TRY004 - a wrong value
        match = _WRITTEN.fullmatch(written)
        if match is None:
            raise ValueError(f"{written!r} is not {cls.noun}; write it like {cls.example!r}")
        return cls._of(float(match[1]), match[2], written)

    @classmethod
    def _of(cls, number: float, unit: str | None, written: object) -> Self:
        cls._verify(number, written)
        if unit is None:
            if not cls.bare_allowed:
                raise ValueError(f"{written!r} has no unit; write it like {cls.example!r}")
            return cls(number)
        if unit not in cls.units:
            near = difflib.get_close_matches(unit, cls.units, n=1, cutoff=0.3)
            hint = f'did you mean "{number:g} {near[0]}"?' if near else f"units are {', '.join(cls.units)}"
            raise ValueError(f"{written!r} is not {cls.noun}; {hint}")
        size = number * cls.units[unit]
        cls._verify(size, written)
        return cls(size)

    @classmethod
    def _verify(cls, number: float, written: object) -> None:
        try:
            good = math.isfinite(number) and number >= 0
        except OverflowError:  # a whole number beyond every float
            good = False
        if not good:
            shown = repr(written) if isinstance(written, (str, float)) else "a number that large"
            raise ValueError(f"{shown} is not {cls.noun}; it must be finite and not negative")

    def __str__(self) -> str:
        """Write the value in the largest unit that keeps it short, as `parse` reads it."""
        spelled = [f"{float(self) / size:.9g} {unit}" for unit, size in self.units.items()]
        return min(spelled, key=lambda text: (len(text.split()[0]), "e" in text))


class Seconds(Quantity):
    """A duration."""

    noun = "a duration"
    example = "30 s"
    units: ClassVar[dict[str, float]] = {
        "s": 1.0,
        "min": 60.0,
        "m": 60.0,
        "ms": 1e-3,
        "us": 1e-6,
        "h": 3600.0,
        "d": 86400.0,
    }
    bare_allowed = True


class Hertz(Quantity):
    """A rate or a clock."""

    noun = "a rate"
    example = "30 Hz"
    units: ClassVar[dict[str, float]] = {"Hz": 1.0, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9, "mHz": 1e-3}


class Bytes(Quantity):
    """An amount of storage."""

    noun = "a size"
    example = "100 MB"
    units: ClassVar[dict[str, float]] = {
        "B": 1.0,
        "kB": 1e3,
        "MB": 1e6,
        "GB": 1e9,
        "KiB": 1024.0,
        "MiB": 1024.0**2,
        "GiB": 1024.0**3,
    }
    bare_allowed = True


class Ohms(Quantity):
    """A resistance."""

    noun = "a resistance"
    example = "0.01 ohm"
    units: ClassVar[dict[str, float]] = {"ohm": 1.0, "mohm": 1e-3, "uohm": 1e-6, "Ω": 1.0, "mΩ": 1e-3}


class Amperes(Quantity):
    """A current."""

    noun = "a current"
    example = "8 A"
    units: ClassVar[dict[str, float]] = {"A": 1.0, "mA": 1e-3, "uA": 1e-6}
