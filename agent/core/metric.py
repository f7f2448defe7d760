"""What a figure is called, how its readings become one entry of a window, and what it means."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Fold(enum.Enum):
    """How the readings of one name within a window become what is published."""

    GAUGE = "last, min, mean and max over the window"
    LAST = "the last reading"
    INCREASE = "how much a counter rose over the window"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One family of readings; `name` is the window's field and carries the unit."""

    name: str
    fold: Fold
    describes: str
