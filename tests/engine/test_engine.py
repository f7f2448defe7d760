"""The engine with workloads that are only pretended, so that they can die, hang and answer as a test wants."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from agent.analysis.work import Work
from agent.boards.board import Board
from agent.core import ring
from agent.core.clock import SystemClock
from agent.core.errors import Unusable, WorkerLost
from agent.core.message import Event, Meta, Window
from agent.core.ring import Flag
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.engine import engine as engines
from agent.engine import supervisor
from agent.engine.about import About
from agent.engine.cores import CorePlan, Share
from agent.engine.engine import Engine, Health, Poked
from agent.engine.sampler import Sampler
from agent.workload.plan import Answer, Plan, Ready, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

ABOUT = About(
    site="lab",
    device="pi-1",
    identity_source="configuration",
    version="0",
    board=Board(name="bench", clock_is_measured=False),
    os="o",
    kernel="k",
    machine="m",
    python="3",
    boot_id="b",
    source_root=None,
)
READY = Ready(
    runtime="litert 2",
    model_sha256="0" * 64,
    nodes=6,
    delegated_nodes=5,
    delegates=("xnnpack",),
    input_kind="random",
    input_count=8,
    outputs_checked=True,
    init_seconds=0.1,
    first_inference_seconds=0.01,
    warmup_count=50,
    warmup_mean_seconds=0.001,
    warmup_max_seconds=0.002,
)


@dataclass
class PretendedLife:
    """A workload process that is none: answers what it is told to, writes the records it is given."""

    answers: list[Answer]
    death: str | None = None
    pid: int = 4242
    killed: bool = False
    pinned: tuple[int, ...] = ()
    _memory: memoryview = field(init=False)

    def __post_init__(self) -> None:
        self._memory = memoryview(bytearray(ring.HEADER_BYTES + 1024 * ring.SLOT_BYTES)).cast("Q")
        ring.format_ring(self._memory, 1024)
        self.write = ring.writer(self._memory, 1024)
        self.reader = ring.RingReader(self._memory)

    def answer(self) -> Answer | None:
        return self.answers.pop(0) if self.answers else None

    def ended(self) -> str | None:
        return self.death

    def kill(self) -> None:
        self.killed = True

    def pin(self, cores: tuple[int, ...]) -> None:
        self.pinned = cores

    def descriptors(self) -> tuple[int, ...]:
        return ()


def plan(name: str = "default") -> Plan:
    return Plan(
        name=name,
        title="digits",
        model="/m.tflite",
        runtime="auto",
        delegates=(),
        threads=1,
        cores=(1,),
        period_seconds=None,
        inputs="random",
        warmup=50,
    )


def build(
    start: Callable[[Plan], PretendedLife], *names: str, exits: bool = True, replan: CorePlan | None = None, **given: float
) -> Engine:
    plans = tuple(plan(name) for name in names)
    cores = CorePlan(monitor=(0,), workloads={name: Share(cores=(1,), threads=1) for name in names}, shared=False)
    tree = Tree(Path("/nowhere"))
    return Engine(
        about=ABOUT,
        board=tree,
        clock=SystemClock(),
        plans=plans,
        works={name: Work(rolling_seconds=300.0) for name in names},
        folds={},
        sampler=Sampler({}, {}, Surroundings(board=tree, machine=tree), SystemClock()),
        cores=cores,
        replan=lambda: replan or cores,
        roster={},
        window_seconds=given.get("window", 0.2),
        duration_seconds=given.get("duration", 0.4),
        exits=exits,
        start=start,
    )


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes minutes in the field takes milliseconds here."""
    monkeypatch.setattr(supervisor, "FIRST_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(supervisor, "LONGEST_RETRY_SECONDS", 0.02)
    monkeypatch.setattr(engines, "START_TICK_SECONDS", 0.005)
    monkeypatch.setattr(engines, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(engines, "BEGIN_ANYWAY_SECONDS", 0.1)


def now() -> int:
    return SystemClock().monotonic_nanoseconds()


def test_windows_lie_end_to_end_from_the_first_inference_on() -> None:
    life = PretendedLife([READY])
    life.write(now(), 1_000_000, 0, 0, 0, 0)
    records = list(build(lambda _: life, "default", window=0.15, duration=0.4).records())
    windows = [record for record in records if isinstance(record, Window)]
    assert [window.partial for window in windows] == [False, False, True]
    ends = np.array([window.monotonic_end_seconds for window in windows])
    assert np.allclose(np.diff(ends), [0.15, 0.1])
    assert [window.workloads["default"].inferences for window in windows] == [1, 0, 0]
    assert windows[1].workloads["default"].latency_seconds is None
    assert life.killed


def test_meta_tells_the_workload_once_it_is_ready_and_windows_carry_its_number() -> None:
    life = PretendedLife([READY])
    life.write(now(), 1_000_000, 0, 0, 0, 0)
    records = list(build(lambda _: life, "default").records())
    metas = [record for record in records if isinstance(record, Meta)]
    assert metas[0].workloads == {}
    assert metas[-1].workloads["default"].delegated_nodes == 5
    assert {window.meta_id for window in records if isinstance(window, Window)} == {metas[-1].meta_id}


def test_the_only_workload_that_dies_ten_times_without_an_inference_ends_the_run() -> None:
    engine = build(lambda _: PretendedLife([], death="killed by SIGABRT: boom"), "default", duration=60.0)
    records: list[object] = []
    with pytest.raises(WorkerLost, match="died 10 times in a row: killed by SIGABRT: boom"):
        records.extend(iter_into(engine, records))
    lost = [record for record in records if isinstance(record, Event)]
    assert [event.kind for event in lost] == ["workload_lost"] * 10


def test_as_a_service_it_goes_on_and_is_degraded() -> None:
    engine = build(lambda _: PretendedLife([], death="killed by SIGABRT"), "default", exits=False, window=0.3, duration=0.6)
    records = list(engine.records())
    assert Health(reasons=("workload default is lost",)) in records
    windows = [record for record in records if isinstance(record, Window)]
    assert len(windows) == 2
    assert windows[-1].workloads["default"].restarts > 10


def test_one_of_several_that_dies_does_not_end_the_run() -> None:
    healthy = PretendedLife([READY])
    healthy.write(now(), 1_000_000, 0, 0, 0, 0)

    def start(wanted: Plan) -> PretendedLife:
        return healthy if wanted.name == "healthy" else PretendedLife([], death="ended with exit code 1")

    records = list(build(start, "healthy", "sick", window=0.3, duration=0.6).records())
    windows = [record for record in records if isinstance(record, Window)]
    assert windows[0].workloads["healthy"].inferences == 1
    assert windows[-1].workloads["sick"].restarts > 10


def test_a_refused_workload_ends_the_run_in_the_foreground_only() -> None:
    with pytest.raises(Unusable, match="workload default: no model"):
        list(build(lambda _: PretendedLife([Refused(reason="no model")]), "default").records())
    engine = build(lambda _: PretendedLife([Refused(reason="no model")]), "default", exits=False)
    records = list(engine.records())
    assert Health(reasons=("workload default cannot run",)) in records
    assert [record.reason for record in records if isinstance(record, Event)] == ["no model"]


def test_a_wrong_output_is_counted_in_the_window_and_raised_as_an_event() -> None:
    life = PretendedLife([READY])
    for flags in (0, int(Flag.CHECKED | Flag.WRONG_OUTPUT), int(Flag.CHECKED)):
        life.write(now(), 1_000, 0, 0, 0, flags)
    records = list(build(lambda _: life, "default").records())
    assert [(record.kind, record.count) for record in records if isinstance(record, Event)] == [("wrong_output", 1)]
    assert next(record for record in records if isinstance(record, Window)).workloads["default"].wrong_outputs == 1


def test_inferences_of_a_life_that_ended_are_in_the_window() -> None:
    first = PretendedLife([READY])
    for _ in range(3):
        first.write(now(), 1_000, 0, 0, 0, 0)
    lives = [first, PretendedLife([READY])]

    def start(_: Plan) -> PretendedLife:
        return lives.pop(0)

    engine = build(start, "default")
    windows = []
    for record in engine.records():
        if isinstance(record, Meta) and record.workloads and not first.death:
            first.write(now(), 1_000, 0, 0, 0, 0)
            first.death = "killed by SIGKILL"
        if isinstance(record, Window):
            windows.append(record)
    assert sum(window.workloads["default"].inferences for window in windows) == 4


def test_stop_closes_a_partial_window_and_ends() -> None:
    life = PretendedLife([READY])
    life.write(now(), 1_000, 0, 0, 0, 0)
    engine = build(lambda _: life, "default", window=30.0, duration=60.0)
    windows = []
    for record in engine.records():
        if isinstance(record, Meta) and record.workloads:
            engine.poke()
        if isinstance(record, Poked):
            engine.stop()
        if isinstance(record, Window):
            windows.append(record)
    assert [window.partial for window in windows] == [True]


def test_a_workload_moves_when_cores_change_and_begins_anew_only_when_its_threads_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "REPLAN_SECONDS", 0.0)
    lives: list[PretendedLife] = []

    def start(_: Plan) -> PretendedLife:
        lives.append(PretendedLife([READY]))
        lives[-1].write(now(), 1_000, 0, 0, 0, 0)
        return lives[-1]

    moved = CorePlan(monitor=(0,), workloads={"default": Share(cores=(3,), threads=1)}, shared=False)
    windows = [r for r in build(start, "default", replan=moved).records() if isinstance(r, Window)]
    assert len(lives) == 1
    assert windows[-1].workloads["default"].restarts == 0

    lives.clear()
    wider = CorePlan(monitor=(0,), workloads={"default": Share(cores=(2, 3), threads=2)}, shared=False)
    windows = [r for r in build(start, "default", replan=wider).records() if isinstance(r, Window)]
    assert windows[-1].workloads["default"].threads == 2
    assert windows[-1].workloads["default"].restarts == 0


def iter_into(engine: Engine, records: list[object]) -> list[object]:
    """Run an engine and keep what it yielded even when it raises."""
    for record in engine.records():
        records.append(record)  # noqa: PERF402 - what came before an exception must stay
    return []
