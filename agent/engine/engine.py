"""The engine: workloads run, sensors are read, windows come out. One thread owns everything here.

`records` is the whole interface: what it yields goes to whoever asked, and nothing comes back but `stop`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from agent.core.clock import NANOSECONDS
from agent.core.errors import Unusable, WorkerLost
from agent.core.message import Event, Meta, Window
from agent.core.ring import Flag
from agent.engine import description
from agent.engine.supervisor import MOST_BARREN_LIVES, Began, Change, Died, Gone, Supervised
from agent.engine.timekeeper import Stepped, Timekeeper
from agent.engine.wake import Wake
from agent.engine.watch import HANGS_AFTER_SECONDS, Turn, Watch
from agent.engine.window import Assembly, Member

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from agent.analysis.work import Work
    from agent.core.clock import Clock
    from agent.core.metric import Fold
    from agent.core.tree import Tree
    from agent.engine.about import About
    from agent.engine.cores import CorePlan
    from agent.engine.process import Life
    from agent.engine.sampler import Sampler
    from agent.workload.plan import Plan

LOGGER: Final = logging.getLogger(__name__)
TICK_SECONDS: Final = 0.5
# On one core the monitor's own wake-ups are taken from the workload.
SHARED_TICK_SECONDS: Final = 1.0
START_TICK_SECONDS: Final = 0.05
# What ended before a window's end is given this long to appear in the ring.
GRACE_SECONDS: Final = 0.03
# A board that cannot infer is still worth watching: without an inference the first window begins after this.
BEGIN_ANYWAY_SECONDS: Final = 10.0
REPLAN_SECONDS: Final = 5.0


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Why the device is not as it should be; nothing, when it is."""

    reasons: tuple[str, ...] = ()


class Poked(msgspec.Struct, frozen=True):
    """Somebody called `poke`: here is the caller's turn."""


Record = Window | Event | Meta | Health | Poked


@dataclass(slots=True, kw_only=True)
class Engine:
    """Runs workloads and sensors until it is stopped.

    Attributes:
        about: what is true of the device.
        board: the tree in which the board is looked up.
        plans: a plan for each workload.
        works: where each workload's inferences are folded.
        folds: how each metric's readings are folded.
        sampler: reads the sensors; not started yet.
        cores: who runs where.
        replan: returns who should run where now; asked every few seconds, since cores go on- and offline.
        roster: is told which process each workload is, for the sensors.
        window_seconds: how long a window is.
        duration_seconds: how long to run, from the first inference; None: until stopped.
        exits: whether a hopeless workload ends the run (in the foreground) or only degrades it (as a service).
        start: starts a workload process.
    """

    about: About
    board: Tree
    clock: Clock
    plans: tuple[Plan, ...]
    works: Mapping[str, Work]
    folds: Mapping[str, Fold]
    sampler: Sampler
    cores: CorePlan
    replan: Callable[[], CorePlan]
    roster: dict[str, int]
    window_seconds: float
    duration_seconds: float | None
    exits: bool
    start: Callable[[Plan], Life]
    _workers: dict[str, Supervised] = field(init=False)
    _assembly: Assembly = field(init=False)
    _watch: Watch = field(default_factory=Watch)
    _meta: Meta | None = None
    _health: Health = field(default_factory=Health)
    _wake: Wake = field(default_factory=Wake)
    _time: Timekeeper = field(init=False)
    _stopping: bool = False
    _poked: bool = False
    _replanned_seconds: float = 0.0
    _begin: float | None = None
    _closed: int = 0

    def __post_init__(self) -> None:
        """Prepare; nothing is started."""
        self._workers = {plan.name: Supervised(plan, self.start) for plan in self.plans}
        self._time = Timekeeper(self.clock, self.board)
        self._assembly = Assembly(self.about, self.folds, self.works, self.cores.shared)

    def stop(self) -> None:
        """Ask `records` to close the last window and end. May be called from a signal handler."""
        self._stopping = True
        self._wake.ring()

    def poke(self) -> None:
        """Let `records` yield `Poked` soon. May be called from a signal handler."""
        self._poked = True
        self._wake.ring()

    def records(self) -> Iterator[Record]:
        """Run, and yield what there is to tell.

        Raises:
            Unusable: something asked for by name cannot be used here (a workload: only where `exits`).
            WorkerLost: the only workload died again and again without an inference (only where `exits`).
        """
        try:
            try:
                self.sampler.start()
            except Unusable as error:
                if self.exits:
                    raise
                LOGGER.error("%s", error)  # noqa: TRY400 - one line, not a traceback
            yield from self._run()
        finally:
            self.sampler.stop()
            for worker in self._workers.values():
                worker.end()
            self._wake.close()

    def _run(self) -> Iterator[Record]:
        started = self._time.now_seconds()
        if not self._workers:
            self._begin_windows(started)
        yield from self._tell_meta()
        while True:
            now = self._time.now_seconds()
            yield from self._watch_clock()
            yield from self._supervise(now)
            yield from self._sense(now)
            yield from self._drain()
            if self._poked:
                self._poked = False
                yield Poked()
            if self._begin is None:
                self._look_for_begin(started, now)
            due = self._due()
            if due is not None and now >= due + GRACE_SECONDS:
                yield from self._tell_meta()
                yield self._close(due, partial=due < self._full_end() - 1e-6)
                if self.duration_seconds is not None and due >= self._last_end():
                    return
            elif self._stopping:
                yield from self._finish()
                return
            else:
                self._wait(now, due)

    def _finish(self) -> Iterator[Record]:
        now = self._time.now_seconds()
        for worker in self._workers.values():
            worker.end()
        yield from self._drain()
        if self._begin is not None and now > self._full_end() - self.window_seconds:
            yield self._close(now, partial=True)

    # Windows: they lie end to end from `_begin` on, and the last may be cut by the end of the run.

    def _begin_windows(self, at_seconds: float) -> None:
        self._begin = at_seconds
        self._assembly.begin(round(at_seconds * NANOSECONDS))

    def _look_for_begin(self, started: float, now: float) -> None:
        starts = [start for work in self.works.values() if (start := work.first_start_nanoseconds()) is not None]
        if starts:
            self._begin_windows(min(starts) / NANOSECONDS)
        elif now - started > BEGIN_ANYWAY_SECONDS and all(worker.idle for worker in self._workers.values()):
            self._begin_windows(now)

    def _full_end(self) -> float:
        return (self._begin or 0.0) + (self._closed + 1) * self.window_seconds

    def _last_end(self) -> float:
        return (self._begin or 0.0) + (self.duration_seconds or 0.0)

    def _due(self) -> float | None:
        if self._begin is None:
            return None
        return self._full_end() if self.duration_seconds is None else min(self._full_end(), self._last_end())

    def _close(self, end: float, *, partial: bool) -> Window:
        members = {
            name: Member(
                model=worker.plan.title,
                model_sha256=worker.described.model_sha256 if worker.described else None,
                runtime=worker.described.runtime if worker.described else None,
                threads=worker.plan.threads,
                pid=worker.pid,
                restarts=worker.restarts,
            )
            for name, worker in self._workers.items()
        }
        window = self._assembly.close(self._time.moment(end), members, self.sampler.hanging(), partial=partial)
        self._closed += 1
        return msgspec.structs.replace(window, meta_id=self._meta.meta_id if self._meta else "")

    # Workloads.

    def _supervise(self, now: float) -> Iterator[Record]:
        if now - self._replanned_seconds >= REPLAN_SECONDS:
            self._replanned_seconds = now
            self._move(self.replan(), now)
        for worker in self._workers.values():
            for change in worker.poll(now):
                yield from self._changed(worker, change)
            if worker.pid is None:
                self.roster.pop(worker.name, None)
            else:
                self.roster[worker.name] = worker.pid

    def _move(self, cores: CorePlan, now: float) -> None:
        """Carry out a new core plan: a workload moves while it runs, and begins anew where its number of threads changed."""
        if cores == self.cores:
            return
        LOGGER.warning("cores changed: monitor on %s, %s", cores.monitor, {n: s.cores for n, s in cores.workloads.items()})
        self.cores = cores
        for name, share in cores.workloads.items():
            self._workers[name].move(share.cores, share.threads, now)

    def _drain(self) -> Iterator[Record]:
        for name, worker in self._workers.items():
            wrong = 0
            for inferences in worker.take():
                self._assembly.inferences(name, inferences)
                wrong += int(((inferences.flags & Flag.WRONG_OUTPUT) != 0).sum())
            if wrong:
                LOGGER.error("workload %s: %d output(s) differ from those of warm-up", name, wrong)
                yield self.event("wrong_output", workload=name, count=wrong)

    def _changed(self, worker: Supervised, change: Change) -> Iterator[Record]:
        if isinstance(change, Began):
            LOGGER.info(
                "workload %s: %s on %s, %d thread(s) on core(s) %s, %.3f ms when warm",
                change.workload,
                worker.plan.title,
                change.ready.runtime,
                worker.plan.threads,
                ",".join(map(str, worker.plan.cores)),
                change.ready.warmup_mean_seconds * 1e3,
            )
            yield from self._tell_meta()
            if change.away_seconds is not None:
                yield self.event("workload_back", workload=change.workload, duration_seconds=round(change.away_seconds, 3))
        elif isinstance(change, Died):
            LOGGER.warning("workload %s: %s; again in %.0f s", change.workload, change.reason, change.again_seconds)
            yield self.event("workload_lost", workload=change.workload, reason=change.reason)
            if self.exits and len(self._workers) == 1 and change.barren_lives >= MOST_BARREN_LIVES:
                raise WorkerLost(f"workload {change.workload} died {change.barren_lives} times in a row: {change.reason}")
        elif isinstance(change, Gone):
            if self.exits:
                raise Unusable(f"workload {change.workload}: {change.reason}")
            LOGGER.error("workload %s cannot run: %s", change.workload, change.reason)
            yield self.event("workload_lost", workload=change.workload, reason=change.reason)
        yield from self._tell_health()

    # Sensors and clocks.

    def _sense(self, now: float) -> Iterator[Record]:
        turns: list[Turn] = []
        for sample in self.sampler.take():
            self._assembly.sample(sample)
            turns += self._watch.sample(sample)
        turns += self._watch.hanging([sensor for sensor in self.sampler.hanging() if sensor.seconds > HANGS_AFTER_SECONDS], now)
        for turn in turns:
            if turn.lost:
                LOGGER.warning("sensor %s lost: %s", turn.sensor, turn.reason)
                yield self.event("sensor_lost", sensor=turn.sensor, reason=turn.reason)
            else:
                LOGGER.warning("sensor %s is back", turn.sensor)
                yield self.event("sensor_back", sensor=turn.sensor, duration_seconds=round(turn.away_seconds or 0.0, 3))
        if turns:
            yield from self._tell_health()

    def _watch_clock(self) -> Iterator[Record]:
        for happened in self._time.look():
            if isinstance(happened, Stepped):
                LOGGER.warning("the wall clock was set by %+.1f s", happened.step_seconds)
                yield self.event("clock_step", duration_seconds=happened.step_seconds)
            else:
                yield self.event("clock_synced")
            yield from self._tell_meta()

    # What is told besides windows.

    def _tell_health(self) -> Iterator[Record]:
        reasons = [
            f"workload {worker.name} {'cannot run' if worker.refused else 'is lost'}"
            for worker in self._workers.values()
            if worker.refused is not None or worker.is_lost
        ]
        reasons += [f"sensor {name} is lost" for name in self._watch.lost]
        health = Health(reasons=tuple(reasons))
        if health != self._health:
            self._health = health
            yield health

    def _tell_meta(self) -> Iterator[Record]:
        meta = description.meta(
            self.about, self._workers.values(), self.sampler.found(), self.window_seconds, self._time.offset_seconds
        )
        if self._meta is None or meta.meta_id != self._meta.meta_id:
            self._meta = meta
            yield meta

    def event(self, kind: str, **details: object) -> Event:
        """Return an event of this device that happens now; `details` are fields of `Event`."""
        meta_id = self._meta.meta_id if self._meta else ""
        return description.event(kind, self.about, meta_id, self._time.moment(self._time.now_seconds()), **details)

    def _wait(self, now: float, due: float | None) -> None:
        """Sleep until something is due, a workload says something, or `stop` is called."""
        if due is None:
            tick = START_TICK_SECONDS
        else:
            tick = SHARED_TICK_SECONDS if self.cores.shared else TICK_SECONDS
            tick = min(tick, max(due + GRACE_SECONDS - now, 0.001))
        self._wake.sleep(tick, [descriptor for worker in self._workers.values() for descriptor in worker.descriptors()])
