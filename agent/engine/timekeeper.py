"""Both clocks held against each other: notices when the wall clock is set, and when it is synchronised for the first time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.core.clock import NANOSECONDS, is_synced
from agent.engine.window import Moment

if TYPE_CHECKING:
    from agent.core.clock import Clock
    from agent.core.tree import Tree

STEP_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """The wall clock was set by so many seconds."""

    step_seconds: float


@dataclass(frozen=True, slots=True)
class Synced:
    """The wall clock can be believed from now on."""


@dataclass(slots=True)
class Timekeeper:
    """Knows what time it is, and what is to be thought of that.

    Attributes:
        offset_seconds: wall clock less monotonic clock when it was synchronised or last set after that; None before. It is kept
            as it was then, since a clock that is being slewed has another offset at every look.
    """

    clock: Clock
    board: Tree
    offset_seconds: float | None = None
    _synced: bool = False
    _before_seconds: float | None = None

    def now_seconds(self) -> float:
        """Return CLOCK_MONOTONIC in seconds."""
        return self.clock.monotonic_nanoseconds() / NANOSECONDS

    def moment(self, monotonic_seconds: float) -> Moment:
        """Return a moment that has just passed, on both clocks."""
        return Moment(
            monotonic_nanoseconds=round(monotonic_seconds * NANOSECONDS),
            wall_seconds=self.clock.wall_seconds() - (self.now_seconds() - monotonic_seconds),
            clock_synced=self._synced,
        )

    def look(self) -> list[Stepped | Synced]:
        """Return what happened to the wall clock since the last look. The first look only notes how things are."""
        offset = self.clock.wall_seconds() - self.now_seconds()
        before, self._before_seconds = self._before_seconds, offset
        happened: list[Stepped | Synced] = []
        if before is not None and abs(offset - before) > STEP_SECONDS:
            happened.append(Stepped(step_seconds=round(offset - before, 3)))
            if self._synced:
                self.offset_seconds = round(offset, 3)
        if not self._synced and is_synced(self.board):
            self._synced = True
            self.offset_seconds = round(offset, 3)
            if before is not None:
                happened.append(Synced())
        return happened
