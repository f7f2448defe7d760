"""Notices when a source, or a part of one, goes and when it is back: once each way, not once a reading.

A bus that drops one reading in five is not lost. Lost is what failed several times in a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.core.record import Sample
    from agent.engine.sampler import Hanging

LOST_AFTER: Final = 3
FORGOTTEN_AFTER: Final = 10
HANGS_AFTER_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A source, or `source.part`, that was lost or is back."""

    sensor: str
    lost: bool
    reason: str | None
    away_seconds: float | None


@dataclass(slots=True)
class _State:
    failures: int = 0
    silences: int = 0
    lost: bool = False
    since_seconds: float = 0.0


@dataclass(slots=True)
class Watch:
    """Follows every source through its samples."""

    _states: dict[str, _State] = field(default_factory=dict)

    @property
    def lost(self) -> tuple[str, ...]:
        """Sources that are lost now, whole or in part."""
        return tuple(sorted(name for name, state in self._states.items() if state.lost))

    def sample(self, sample: Sample) -> list[Turn]:
        """Take one sample and return what changed by it."""
        turns = []
        failed = set()
        for fault in sample.reads.faults:
            name = f"{sample.sensor}.{fault.name}" if fault.name else sample.sensor
            failed.add(name)
            turns += self._failed(name, fault.reason, sample.at_seconds)
        reads = sample.reads
        answered = {f"{sample.sensor}.{reading.name}" for reading in reads.readings}
        answered |= {f"{sample.sensor}.{flags.metric}" for flags in reads.flags}
        answered |= {f"{sample.sensor}.{label.metric}" for label in reads.labels}
        if sample.sensor not in failed:
            answered.add(sample.sensor)
        for name in answered - failed:
            turns += self._answered(name, sample.at_seconds)
        if not sample.part:  # one of several knows nothing of the others
            self._forget_silent(sample.sensor, failed | answered)
        return turns

    def _forget_silent(self, sensor: str, spoken: set[str]) -> None:
        """Stop calling a part lost that its source no longer tells of, neither as read nor as failed: it was switched off."""
        for name, state in list(self._states.items()):
            if not name.startswith(f"{sensor}."):
                continue
            state.silences = 0 if name in spoken else state.silences + 1
            if state.silences >= FORGOTTEN_AFTER:
                del self._states[name]

    def hanging(self, hung: Iterable[Hanging], now_seconds: float) -> list[Turn]:
        """Take the sensors that do not answer, and return which of them are lost by that."""
        turns = []
        for sensor in hung:
            name = f"{sensor.sensor}.{sensor.part}" if sensor.part else sensor.sensor
            state = self._states.setdefault(name, _State(since_seconds=now_seconds - sensor.seconds))
            if not state.lost:
                state.failures = LOST_AFTER - 1
                state.since_seconds = now_seconds - sensor.seconds
                turns += self._failed(name, f"has not answered for {sensor.seconds:.0f} s", now_seconds)
        return turns

    def _failed(self, name: str, reason: str, at_seconds: float) -> list[Turn]:
        state = self._states.setdefault(name, _State())
        if not state.failures:
            state.since_seconds = at_seconds
        state.failures += 1
        if state.lost or state.failures < LOST_AFTER:
            return []
        state.lost = True
        return [Turn(sensor=name, lost=True, reason=reason, away_seconds=None)]

    def _answered(self, name: str, at_seconds: float) -> list[Turn]:
        state = self._states.pop(name, None)
        if state is None or not state.lost:
            return []
        return [Turn(sensor=name, lost=False, reason=None, away_seconds=at_seconds - state.since_seconds)]
