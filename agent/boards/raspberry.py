"""Which Raspberry Pi a board is, by the name its device tree gives it: `Raspberry Pi 5 Model B Rev 1.0`."""

from __future__ import annotations

import re
from typing import Final

_NAME: Final = re.compile(r"raspberry pi(?: (compute module|zero))?(?: (\d{1,3}))?")
_SHORT: Final = {"compute module": "cm", "zero": "zero"}


def is_one(said: str) -> bool:
    """Return whether a board is a Raspberry Pi; `said` is what its device tree calls itself, in lower case."""
    return "raspberry pi" in said or "raspberrypi," in said


def model(name: str) -> str:
    """Return the key of a board: `rpi5`, `rpi400`, `rpi-zero2`, `rpi-cm4`; the first ones have the number 1."""
    match = _NAME.search(name.lower())
    if match is None:
        return ""
    number = match[2] or "1"
    if match[1] is None:
        return f"rpi{number}"
    return f"rpi-{_SHORT[match[1]]}{'' if match[1] == 'zero' and number == '1' else number}"
