"""Readings folded over a window, each by the rule that its metric declares."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent.core.message import Gauge
from agent.core.metric import Fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent.core.record import Reading

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Increase:
    """How much a counter rose, and over how many seconds that was seen."""

    amount: float
    seconds: float

    @property
    def per_second(self) -> float:
        """The mean rate."""
        return self.amount / self.seconds


@dataclass(slots=True)
class _Spread:
    count: int = 0
    sum: float = 0.0
    min: float = math.inf
    max: float = -math.inf
    last: float = math.nan

    def add(self, value: float) -> None:
        self.count += 1
        self.sum += value
        self.min = min(self.min, value)
        self.max = max(self.max, value)
        self.last = value


@dataclass(slots=True, frozen=True)
class _Mark:
    at_seconds: float
    value: float
    instance: int


@dataclass(slots=True)
class Readings:
    """Folds readings; `clear` begins the next window. Counters are compared with the last reading of the window before."""

    folds: Mapping[str, Fold]
    _spreads: dict[Key, _Spread] = field(default_factory=dict)
    _last: dict[Key, float] = field(default_factory=dict)
    _begins: dict[Key, _Mark] = field(default_factory=dict)
    _ends: dict[Key, _Mark] = field(default_factory=dict)

    def add(self, prefix: str, readings: Iterable[Reading], at_seconds: float) -> None:
        """Take the readings of one sample; each is called `prefix` + its own name from here on."""
        for reading in readings:
            fold = self.folds.get(reading.metric)
            if fold is None or not math.isfinite(reading.value):
                continue
            key = (reading.metric, prefix + reading.name)
            if fold is Fold.GAUGE:
                self._spreads.setdefault(key, _Spread()).add(reading.value)
            elif fold is Fold.LAST:
                self._last[key] = reading.value
            else:
                self._count(key, _Mark(at_seconds, reading.value, reading.instance))

    def _count(self, key: Key, mark: _Mark) -> None:
        before = self._ends.get(key) or self._begins.get(key)
        if before is None or before.instance != mark.instance or mark.value < before.value:
            # A counter that began anew: what it had before says nothing about it.
            self._begins[key] = mark
            self._ends.pop(key, None)
        else:
            self._ends[key] = mark

    def gauges(self, metric: str) -> dict[str, Gauge] | None:
        """Return name → figures of a metric, or None where nothing was read."""
        found = {
            name: Gauge(last=tidy(spread.last), min=tidy(spread.min), mean=tidy(spread.sum / spread.count), max=tidy(spread.max))
            for (of, name), spread in self._spreads.items()
            if of == metric
        }
        return found or None

    def last(self, metric: str) -> dict[str, float] | None:
        """Return name → last reading of a metric, or None where nothing was read."""
        return {name: value for (of, name), value in self._last.items() if of == metric} or None

    def increase(self, metric: str, name: str) -> Increase | None:
        """Return how much a counter rose, or None where it was not read twice."""
        begin, end = self._begins.get((metric, name)), self._ends.get((metric, name))
        if begin is None or end is None or end.at_seconds <= begin.at_seconds:
            return None
        return Increase(amount=end.value - begin.value, seconds=end.at_seconds - begin.at_seconds)

    def clear(self) -> None:
        """Begin the next window."""
        self._spreads.clear()
        self._last.clear()
        self._begins = {**self._begins, **self._ends}
        self._ends.clear()


def tidy(value: float) -> float:
    """Return a value without the digits that no sensor has: nine significant ones, and nothing below a billionth."""
    return float(f"{value:.9g}") if abs(value) >= 1e-9 else 0.0  # noqa: PLR2004 - what a difference of floats leaves behind
