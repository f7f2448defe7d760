from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import ring
from agent.core.ring import HEADER_BYTES, SLOT_BYTES, RingReader
from agent.engine.supervisor import Began, Change, Died, Gone, Supervised
from agent.workload.plan import Answer, Plan, Ready, Refused

if TYPE_CHECKING:
    from agent.core.record import Inferences

CAPACITY = 64
PLAN = Plan(
    name="default",
    title="digits",
    model="/m.tflite",
    runtime="auto",
    delegates=(),
    threads=2,
    cores=(1, 2),
    period_seconds=None,
    inputs="random",
    warmup=50,
)
READY = Ready(
    runtime="litert 2",
    model_sha256="0" * 64,
    nodes=6,
    delegated_nodes=5,
    delegates=(),
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
class FakeLife:
    """A workload process that does and says what a test lets it."""

    pid: int
    answers: list[Answer] = field(default_factory=list)
    death: str | None = None
    last_answer: Answer | None = None
    killed: bool = False
    pinned: list[tuple[int, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = memoryview(bytearray(HEADER_BYTES + CAPACITY * SLOT_BYTES)).cast("Q")
        ring.format_ring(self.memory, CAPACITY)
        self._write = ring.writer(self.memory, CAPACITY)
        self.reader = RingReader(self.memory)

    def infer(self, *starts: int) -> None:
        for start in starts:
            self._write(start, 1000, 0, 0, 0, 0)

    def answer(self) -> Answer | None:
        return self.answers.pop(0) if self.answers else None

    def ended(self) -> str | None:
        if self.death and self.last_answer:
            self.answers.append(self.last_answer)
            self.last_answer = None
        return self.death

    def kill(self) -> None:
        self.killed = True

    def pin(self, cores: tuple[int, ...]) -> None:
        self.pinned.append(cores)

    def descriptors(self) -> tuple[int, ...]:
        return (self.pid,)


class Stage:
    """A supervised workload whose lives are fakes, and a clock that only a test moves."""

    def __init__(self, plan: Plan = PLAN) -> None:
        self.lives: list[FakeLife] = []
        self.now = 1000.0
        self.worker = Supervised(plan, self._start)

    def _start(self, plan: Plan) -> FakeLife:
        self.lives.append(FakeLife(pid=100 + len(self.lives)))
        return self.lives[-1]

    @property
    def life(self) -> FakeLife:
        return self.lives[-1]

    def poll(self, after: float = 0.0) -> list[Change]:
        self.now += after
        return self.worker.poll(self.now)

    def begin(self) -> FakeLife:
        """Let the next life start and be ready."""
        self.poll()
        self.life.answers.append(READY)
        self.poll()
        return self.life

    def until_born(self, step: float = 0.25) -> float:
        """Wait for the next life and return how long that took."""
        lives, waited = len(self.lives), 0.0
        while len(self.lives) == lives:
            waited += step
            self.poll(step)
        return waited

    def taken(self) -> list[int]:
        return [int(start) for part in self.worker.take() for start in part.start_nanoseconds]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def the_death(changes: list[Change]) -> Died:
    (died,) = (change for change in changes if isinstance(change, Died))
    return died


# Beginning.


def test_a_workload_starts_at_once_and_has_begun_when_it_says_so(stage: Stage) -> None:
    assert stage.worker.pid is None
    assert stage.poll() == []
    assert stage.worker.pid == 100
    assert stage.poll(1.0) == []
    stage.life.answers.append(READY)
    assert stage.poll() == [Began(workload="default", ready=READY, away_seconds=None)]
    assert (stage.worker.ready, stage.worker.described) == (READY, READY)
    assert (stage.worker.restarts, stage.worker.is_lost, stage.worker.idle) == (0, False, False)


def test_each_inference_is_taken_once(stage: Stage) -> None:
    life = stage.begin()
    life.infer(1, 2, 3)
    assert stage.taken() == [1, 2, 3]
    assert stage.taken() == []
    life.infer(4)
    assert stage.taken() == [4]


def test_before_it_runs_there_is_nothing_to_take_or_to_listen_to(stage: Stage) -> None:
    assert stage.taken() == []
    assert stage.worker.descriptors() == ()
    stage.poll()
    assert stage.worker.descriptors() == (100,)


# Dying.


def test_a_dead_workload_is_told_of_and_starts_again_within_two_seconds(stage: Stage) -> None:
    life = stage.begin()
    life.infer(1)
    life.death = "killed by SIGSEGV"
    died = the_death(stage.poll(5.0))
    assert died.reason == "killed by SIGSEGV"
    assert died.again_seconds <= 2
    assert life.killed
    assert (stage.worker.is_lost, stage.worker.pid, stage.worker.restarts, stage.worker.idle) == (True, None, 1, True)
    assert stage.until_born() <= 2
    assert stage.worker.pid == 101
    stage.life.answers.append(READY)
    (began,) = stage.poll(3.0)
    assert isinstance(began, Began)
    assert began.away_seconds == pytest.approx(died.again_seconds + 3.0, abs=0.25)
    assert stage.worker.is_lost is False


def test_the_pause_doubles_up_to_a_minute(stage: Stage) -> None:
    pauses = []
    for _ in range(10):
        stage.poll()
        stage.life.death = "ended with exit code 1"
        pauses.append(the_death(stage.poll()).again_seconds)
        assert stage.until_born() == pytest.approx(pauses[-1], abs=0.25)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_a_life_that_was_long_and_useful_has_earned_a_quick_restart(stage: Stage) -> None:
    for _ in range(6):
        stage.begin().death = "x"
        stage.poll()
        stage.until_born()
    life = stage.begin()
    life.infer(1)
    for _ in range(30):
        stage.poll(5.0)
        life.infer(1)
    life.death = "x"
    assert the_death(stage.poll()).again_seconds <= 2


def test_deaths_without_an_inference_are_counted_in_a_row(stage: Stage) -> None:
    counted = []
    for inferences in (0, 0, 1, 0, 0, 0):
        life = stage.begin()
        life.infer(*range(1, inferences + 1))
        life.death = "x"
        counted.append(the_death(stage.poll()).barren_lives)
        stage.until_born()
    assert counted == [1, 2, 0, 1, 2, 3]


def test_a_workload_that_never_becomes_ready_is_away_from_its_first_death_on(stage: Stage) -> None:
    first = None
    for _ in range(3):
        stage.poll()
        stage.life.death = "x"
        stage.poll()
        first = stage.now if first is None else first
        stage.until_born()
    stage.life.answers.append(READY)
    (began,) = stage.poll()
    assert isinstance(began, Began)
    assert began.away_seconds == stage.now - (first or 0.0)


def test_a_life_that_is_ready_and_dead_at_once_began_and_died(stage: Stage) -> None:
    stage.poll()
    stage.life.answers.append(READY)
    stage.life.death = "x"
    began, died = stage.poll()
    assert isinstance(began, Began)
    assert isinstance(died, Died)
    assert stage.worker.is_lost


def test_a_process_that_cannot_even_be_started_is_a_death_and_not_the_end_of_the_monitor(stage: Stage) -> None:
    """Out of processes, memory or descriptors: fork(2) fails for a moment on a board that is short of them."""
    failures = [OSError(11, "Resource temporarily unavailable"), OSError(12, "Cannot allocate memory")]
    really = stage.worker.start

    def start(plan: Plan) -> FakeLife:
        if failures:
            raise failures.pop(0)
        return really(plan)  # type: ignore[return-value]

    stage.worker.start = start
    seen = [*stage.poll()]
    for _ in range(40):
        seen += stage.poll(0.25)
    assert stage.worker.pid == 100
    assert [change.reason for change in seen if isinstance(change, Died)]


# What an ended life recorded.


def test_inferences_of_a_life_that_ended_are_kept(stage: Stage) -> None:
    life = stage.begin()
    life.infer(1, 2)
    assert stage.taken() == [1, 2]
    life.infer(3, 4)
    life.death = "x"
    stage.poll()
    assert stage.taken() == [3, 4]
    assert stage.taken() == []


def test_inferences_of_an_ended_life_come_before_those_of_the_next(stage: Stage) -> None:
    life = stage.begin()
    life.infer(1, 2)
    life.death = "x"
    stage.poll()
    stage.until_born()
    stage.begin().infer(3)
    assert stage.taken() == [1, 2, 3]


def test_a_workload_that_is_ended_keeps_what_it_recorded(stage: Stage) -> None:
    life = stage.begin()
    life.infer(1)
    stage.worker.end()
    assert life.killed
    assert stage.taken() == [1]
    stage.worker.end()
    assert stage.taken() == []


def test_a_record_torn_by_the_death_does_not_hide_those_after_it(stage: Stage) -> None:
    """A monitor that stood still for a whole ring, and a process killed while it overwrote the oldest record."""
    life = stage.begin()
    life.infer(*range(1, CAPACITY + 1))
    life.memory[HEADER_BYTES // 8] = 999
    life.death = "killed by SIGKILL"
    stage.poll()
    parts: list[Inferences] = list(stage.worker.take())
    assert [int(start) for part in parts for start in part.start_nanoseconds] == list(range(2, CAPACITY + 1))
    assert sum(part.lost for part in parts) == 1


# Hanging.


def test_a_workload_without_an_inference_for_ten_seconds_hangs(stage: Stage) -> None:
    life = stage.begin()
    life.infer(1)
    assert stage.poll(0.5) == []
    assert stage.poll(9.9) == []
    died = the_death(stage.poll(0.2))
    assert died.reason.startswith("made no inference for 10 s")
    assert life.killed
    assert died.barren_lives == 0


def test_a_workload_that_becomes_ready_and_never_infers_hangs_and_was_barren(stage: Stage) -> None:
    stage.begin()
    assert stage.poll(10.0) == []
    assert the_death(stage.poll(0.5)).barren_lives == 1


def test_a_workload_that_infers_now_and_then_does_not_hang(stage: Stage) -> None:
    life = stage.begin()
    for start in range(20):
        life.infer(start)
        assert stage.poll(9.0) == []


def test_a_slow_model_is_given_twenty_of_its_slowest_inferences(stage: Stage) -> None:
    stage.poll()
    stage.life.answers.append(msgspec.structs.replace(READY, warmup_max_seconds=3.0))
    stage.poll()
    assert stage.poll(59.0) == []
    assert "no inference" in the_death(stage.poll(2.0)).reason


def test_a_slow_pace_is_given_three_periods() -> None:
    stage = Stage(msgspec.structs.replace(PLAN, period_seconds=100.0))
    stage.begin()
    assert stage.poll(299.0) == []
    assert "no inference" in the_death(stage.poll(2.0)).reason


def test_loading_may_take_ten_minutes_and_no_longer(stage: Stage) -> None:
    stage.poll()
    assert stage.poll(600.0) == []
    assert the_death(stage.poll(1.0)).reason == "was not ready after 601 s"


def test_warming_up_does_not_count_as_silence(stage: Stage) -> None:
    stage.poll()
    assert stage.poll(300.0) == []
    stage.life.answers.append(READY)
    assert isinstance(stage.poll()[0], Began)
    assert stage.poll(9.0) == []


def test_a_new_life_is_not_blamed_for_the_silence_of_the_last(stage: Stage) -> None:
    life = stage.begin()
    life.infer(*range(1, 6))
    stage.poll()
    stage.poll(10.5)
    stage.until_born()
    stage.begin()
    assert stage.poll(9.0) == []
    stage.life.infer(1)
    assert stage.poll(9.0) == []


# Refusing.


def test_a_workload_that_is_refused_is_not_started_again(stage: Stage) -> None:
    stage.poll()
    life = stage.life
    life.answers.append(Refused(reason="no such file"))
    assert stage.poll() == [Gone(workload="default", reason="no such file")]
    assert life.killed
    assert (stage.worker.refused, stage.worker.idle, stage.worker.pid) == ("no such file", True, None)
    for _ in range(20):
        assert stage.poll(60.0) == []
    assert len(stage.lives) == 1
    assert (stage.worker.restarts, stage.worker.is_lost) == (0, False)


def test_a_process_that_refuses_and_ends_between_two_looks_is_refused_and_not_dead(stage: Stage) -> None:
    stage.poll()
    stage.life.last_answer = Refused(reason="no such file")
    stage.life.death = "ended with exit code 3"
    assert stage.poll() == [Gone(workload="default", reason="no such file")]


# Moving.


def test_a_workload_moves_to_other_cores_while_it_runs(stage: Stage) -> None:
    life = stage.begin()
    stage.worker.move((2, 3), 2, stage.now)
    assert life.pinned == [(2, 3)]
    assert (stage.worker.plan.cores, stage.worker.pid, life.killed) == ((2, 3), 100, False)


def test_another_number_of_threads_is_a_new_life_at_once_and_no_death(stage: Stage) -> None:
    life = stage.begin()
    life.infer(1)
    stage.worker.move((1,), 1, stage.now)
    assert life.killed
    assert stage.poll() == []
    assert (stage.worker.pid, stage.worker.plan.threads) == (101, 1)
    assert (stage.worker.restarts, stage.worker.is_lost) == (0, False)
    stage.life.answers.append(READY)
    assert stage.poll() == [Began(workload="default", ready=READY, away_seconds=None)]
    assert stage.taken() == [1]


def test_a_workload_that_waits_for_its_next_life_takes_the_new_cores_into_it_and_is_not_hurried(stage: Stage) -> None:
    for _ in range(4):
        stage.begin().death = "x"
        stage.poll()
        stage.worker.move((3,), 1, stage.now)
        assert stage.poll() == []
        assert stage.worker.pid is None
        stage.until_born()
    assert (stage.worker.plan.cores, stage.worker.plan.threads) == ((3,), 1)


def test_a_refused_workload_is_not_revived_by_a_move(stage: Stage) -> None:
    stage.poll()
    stage.life.answers.append(Refused(reason="no such file"))
    stage.poll()
    stage.worker.move((3,), 1, stage.now)
    assert stage.poll(100.0) == []
    assert len(stage.lives) == 1


# Whatever happens.


@settings(deadline=None)
@given(
    happenings=st.lists(
        st.sampled_from(["ready", "infer", "die", "hang", "move", "replan", "wait", "take"]),
        max_size=60,
    )
)
def test_no_inference_is_lost_or_doubled_and_the_worker_always_comes_back(happenings: list[str]) -> None:
    stage = Stage()
    made = deaths = 0
    taken: list[int] = []
    for happening in happenings:
        life = stage.life if stage.worker.life else None
        if happening == "ready" and life and stage.worker.ready is None:
            life.answers.append(READY)
        elif happening == "infer" and life and stage.worker.ready:
            made += 1
            life.infer(made)
        elif happening == "die" and life:
            life.death = "x"
        elif happening == "move":
            stage.worker.move((2,), stage.worker.plan.threads, stage.now)
        elif happening == "replan":
            stage.worker.move((2,), 3 - stage.worker.plan.threads, stage.now)
        elif happening == "take":
            taken += stage.taken()
        changes = stage.poll({"hang": 11.0, "wait": 61.0}.get(happening, 0.1))
        deaths += sum(isinstance(change, Died) for change in changes)
        assert stage.worker.restarts == deaths
    taken += stage.taken()
    assert taken == list(range(1, made + 1))
    stage.poll(61.0)
    stage.poll(61.0)
    assert stage.worker.life is not None
