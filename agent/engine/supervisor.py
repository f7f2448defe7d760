"""Keeps every workload running: starts it, notices when it died or hangs, starts it again with growing patience."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from agent.workload.plan import Plan, Ready, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from agent.core.record import Inferences
    from agent.engine.process import Life

FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 60.0
# A workload that lived this long has earned a quick restart again.
PROVEN_AFTER_SECONDS: Final = 60.0
# Deaths in a row without one measured inference after which there is nothing to hope for.
MOST_BARREN_LIVES: Final = 10
# Loading and warming a large model up from a slow card.
START_SECONDS: Final = 600.0
# Without an inference for this long, or for so many times the slowest of warm-up, a workload hangs.
SILENT_SECONDS: Final = 10.0
SILENT_INFERENCES: Final = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Began:
    """A workload is warm and infers."""

    workload: str
    ready: Ready
    away_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Died:
    """A workload ended or hung; it will be started again."""

    workload: str
    reason: str
    again_seconds: float
    barren_lives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """A workload cannot run here, and will not be started again."""

    workload: str
    reason: str


Change = Began | Died | Gone


@dataclass(slots=True)
class Supervised:
    """One workload through all its lives. `poll` and `take` are called by one thread.

    Attributes:
        life: the process that runs now.
        ready: what that process said of itself, once it was warm.
        described: what the last process that became warm said of itself.
        refused: why it cannot run here at all.
    """

    plan: Plan
    start: Callable[[Plan], Life]
    life: Life | None = None
    ready: Ready | None = None
    described: Ready | None = None
    refused: str | None = None
    restarts: int = 0
    _due_seconds: float = 0.0
    _born_seconds: float = 0.0
    _lost_seconds: float | None = None
    _deaths: int = 0
    _barren: int = 0
    _head: int = 0
    _moved_seconds: float = 0.0
    _last_words: list[Inferences] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The workload's name."""
        return self.plan.name

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        return self.life.pid if self.life else None

    @property
    def is_lost(self) -> bool:
        """Whether it died and does not infer again yet."""
        return self._lost_seconds is not None

    @property
    def idle(self) -> bool:
        """Whether there is no process that could infer soon: it is lost, or cannot run."""
        return self.refused is not None or self.is_lost

    def descriptors(self) -> tuple[int, ...]:
        """Return what becomes readable when the process says something or ends."""
        return self.life.descriptors() if self.life else ()

    def poll(self, now_seconds: float) -> list[Change]:
        """Do what is due, and return what changed."""
        if self.refused is not None:
            return []
        if self.life is None:
            return self._begin(now_seconds) if now_seconds >= self._due_seconds else []
        changes: list[Change] = []
        # In this order: what a process said just before it ended is there once it has ended.
        ended = self.life.ended()
        answer = self.life.answer()
        if isinstance(answer, Ready):
            changes.append(self._began(answer, now_seconds))
        elif isinstance(answer, Refused):
            self.refused = answer.reason
            self.end()
            return [Gone(workload=self.name, reason=answer.reason)]
        ended = ended or self._hangs(now_seconds)
        if ended:
            changes.append(self._died(ended, now_seconds))
        return changes

    def take(self) -> Iterable[Inferences]:
        """Return the inferences that arrived since the last call, those of an ended life included."""
        said, self._last_words = self._last_words, []
        yield from said
        if self.life is not None:
            yield self.life.reader.read()

    def end(self) -> None:
        """End the process, if there is one, keeping what it recorded."""
        if self.life is None:
            return
        self.life.kill()
        self._last_words += self.life.reader.read_to_end()
        self.life = None
        self.ready = None

    def move(self, cores: tuple[int, ...], threads: int, now_seconds: float) -> None:
        """Move to other cores: at once where the number of threads stays, else by beginning anew. Neither is a death."""
        same_threads = threads == self.plan.threads
        self.plan = msgspec.structs.replace(self.plan, cores=cores, threads=threads)
        if self.life is None:
            return
        if same_threads:
            self.life.pin(cores)
        else:
            self.end()
            self._due_seconds = now_seconds

    def _begin(self, now_seconds: float) -> list[Change]:
        self._born_seconds = self._moved_seconds = now_seconds
        self.ready = None
        self._head = 0
        try:
            self.life = self.start(self.plan)
        except OSError as error:
            # A board that is short of processes, memory or descriptors may not be so in a second.
            return [self._died(f"cannot be started: {error.strerror}", now_seconds)]
        return []

    def _began(self, ready: Ready, now_seconds: float) -> Began:
        self.ready = self.described = ready
        self._moved_seconds = now_seconds
        away = None if self._lost_seconds is None else now_seconds - self._lost_seconds
        self._lost_seconds = None
        return Began(workload=self.name, ready=ready, away_seconds=away)

    def _hangs(self, now_seconds: float) -> str | None:
        life = self.life
        if life is None:
            return None
        if self.ready is None:
            waited = now_seconds - self._born_seconds
            return f"was not ready after {waited:.0f} s" if waited > START_SECONDS else None
        head = life.reader.head
        if head != self._head:
            self._head, self._moved_seconds = head, now_seconds
        silent = now_seconds - self._moved_seconds
        patience = max(SILENT_SECONDS, SILENT_INFERENCES * self.ready.warmup_max_seconds, 3 * (self.plan.period_seconds or 0.0))
        return f"made no inference for {silent:.0f} s" if silent > patience else None

    def _died(self, reason: str, now_seconds: float) -> Died:
        infers = self.life is not None and self.life.reader.head > 0
        lived = now_seconds - self._born_seconds
        self.end()
        self._barren = 0 if infers else self._barren + 1
        self._deaths = 1 if infers and lived >= PROVEN_AFTER_SECONDS else self._deaths + 1
        self._lost_seconds = self._lost_seconds if self._lost_seconds is not None else now_seconds
        again = min(FIRST_RETRY_SECONDS * 2.0 ** (self._deaths - 1), LONGEST_RETRY_SECONDS)
        self._due_seconds = now_seconds + again
        self.restarts += 1
        return Died(workload=self.name, reason=reason, again_seconds=again, barren_lives=self._barren)
