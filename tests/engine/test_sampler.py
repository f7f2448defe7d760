from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from agent.core.choice import Enabled
from agent.core.clock import SystemClock
from agent.core.errors import Absent, SensorFault, Unusable
from agent.core.record import Reading, Reads, Sample
from agent.core.sensor import SensorConfig, Surroundings
from agent.core.tree import Tree
from agent.core.units import Seconds
from agent.engine import sampler as sampling
from agent.engine.sampler import Sampler

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from agent.core.sensor import Kind, Source

    Make = Callable[..., Sampler]

PERIOD = 0.01
ONE = Reads(readings=(Reading(metric="temperature_celsius", name="cpu", value=45.0),))


class Fake:
    """A sensor's file whose source does as it is told. `find` and `read` may be replaced while it runs."""

    def __init__(self, read: Callable[[], Reads] = lambda: ONE, *, period: float = PERIOD, enabled: bool | None = None) -> None:
        self.configs: tuple[SensorConfig, ...] = (SensorConfig(period=Seconds(period), enabled=Enabled(enabled)),)
        self.read = read
        self.finds = 0
        self.reads = 0

    def find(self, config: SensorConfig, surroundings: Surroundings) -> Source:
        self.finds += 1
        return cast("Source", SimpleNamespace(read=self._read))

    def _read(self) -> Reads:
        self.reads += 1
        return self.read()


def raises(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return a function that makes a sampler of fakes by name; every one of them is stopped."""
    made = []

    def sampler(**fakes: Fake) -> Sampler:
        tree = Tree(tmp_path)
        one = Sampler(
            cast("dict[str, Kind]", fakes),
            {name: fake.configs for name, fake in fakes.items()},
            Surroundings(board=tree, machine=tree),
            SystemClock(),
        )
        made.append(one)
        return one

    yield sampler
    for one in made:
        one.stop()


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again for what is not there after a moment, not after seconds."""
    monkeypatch.setattr(sampling, "LOOK_AGAIN_SECONDS", 2 * PERIOD)


def until(holds: Callable[[], object]) -> None:
    """Wait for something that must happen soon; how soon is not judged."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.002)


class RailConfig(SensorConfig, frozen=True, kw_only=True):
    rail: str


class FakeRails(Fake):
    """A sensor's file of which there may be several sources, each for a rail of its own."""

    MANY = True

    def __init__(self, **reads: Callable[[], Reads]) -> None:
        super().__init__()
        self.reads_by_rail = reads
        self.configs = tuple(RailConfig(rail=rail, period=Seconds(PERIOD)) for rail in reads)

    def find(self, config: SensorConfig, surroundings: Surroundings) -> Source:
        assert isinstance(config, RailConfig)
        return cast("Source", SimpleNamespace(read=self.reads_by_rail[config.rail]))


class Taker:
    """Takes samples and keeps them by sensor."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler
        self.samples: list[Sample] = []

    def of(self, sensor: str) -> list[Sample]:
        self.samples += self.sampler.take()
        return [sample for sample in self.samples if sample.sensor == sensor]

    def faults(self, sensor: str) -> list[str]:
        return [fault.reason for sample in self.of(sensor) for fault in sample.reads.faults]


def test_every_sensor_is_read_again_and_again_with_what_the_reading_cost(make: Make) -> None:
    sampler = make(a=Fake(), b=Fake(period=0.005))
    taker = Taker(sampler)
    before = time.monotonic()
    sampler.start()
    until(lambda: len(taker.of("a")) >= 5 and len(taker.of("b")) >= 5)
    after = time.monotonic()
    assert sampler.found() == ("a", "b")
    times = [sample.at_seconds for sample in taker.of("a")]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= after
    for sample in taker.samples:
        assert sample.reads == ONE
        assert 0 <= sample.read_seconds < 20
        assert 0 <= sample.cpu_seconds < 20


def test_each_sample_is_taken_once_and_in_order(make: Make) -> None:
    sampler = make(a=Fake())
    sampler.start()
    seen: list[Sample] = []
    while len(seen) < 5:
        seen += sampler.take()
        time.sleep(0.002)
    assert len({sample.at_seconds for sample in seen}) == len(seen)


def test_a_sensor_that_hangs_delays_no_other_and_is_told_of_while_it_hangs(make: Make) -> None:
    release = threading.Event()

    def hang() -> Reads:
        release.wait()
        return ONE

    sampler = make(stuck=Fake(hang), alive=Fake())
    taker = Taker(sampler)
    sampler.start()
    until(sampler.hanging)
    seen = len(taker.of("alive"))
    until(lambda: len(taker.of("alive")) >= seen + 10)
    (hung,) = sampler.hanging()
    assert hung.sensor == "stuck"
    assert hung.missed == int(hung.seconds / PERIOD) >= 9
    assert taker.of("stuck") == []
    release.set()
    until(lambda: len(taker.of("stuck")) >= 3)
    until(lambda: not sampler.hanging())


def test_a_reading_that_takes_longer_than_its_period_costs_deadlines_that_are_counted_and_not_made_up_for(make: Make) -> None:
    pauses = iter([0.2])

    def slow_once() -> Reads:
        time.sleep(next(pauses, 0.0))
        return ONE

    sampler = make(a=Fake(slow_once, period=0.02))
    taker = Taker(sampler)
    sampler.start()
    until(lambda: len(taker.of("a")) >= 3)
    slow, next_one, *_ = taker.of("a")
    assert slow.read_seconds >= 0.2
    assert (slow.missed, slow.late_seconds) == (0, 0.0)
    assert next_one.missed >= 7
    assert next_one.late_seconds >= 0.14


def test_a_sensor_that_hangs_while_it_is_looked_for_delays_no_other_and_is_told_of(make: Make) -> None:
    release = threading.Event()
    stuck = Fake()
    really = stuck.find

    def hang(config: SensorConfig, surroundings: Surroundings) -> Source:
        release.wait()
        return really(config, surroundings)

    stuck.find = hang  # type: ignore[method-assign]
    sampler = make(stuck=stuck, alive=Fake())
    taker = Taker(sampler)
    sampler.start()
    until(lambda: len(taker.of("alive")) >= 5)
    until(sampler.hanging)
    assert sampler.found() == ("alive",)
    release.set()
    until(lambda: taker.of("stuck"))


@pytest.mark.parametrize("error", [SensorFault("EIO (Input/output error)"), KeyError("x"), ValueError("odd"), OSError(5, "bus")])
def test_a_source_that_raises_is_a_fault_and_is_looked_for_again(make: Make, error: Exception) -> None:
    fake, other = Fake(raises(error)), Fake()
    sampler = make(a=fake, b=other)
    taker = Taker(sampler)
    sampler.start()
    until(lambda: len(taker.faults("a")) >= 2)
    assert taker.faults("a")[0] == str(error)
    assert taker.of("a")[0].reads.faults[0].name == ""
    assert fake.finds >= 2
    fake.read = lambda: ONE
    until(lambda: any(sample.reads == ONE for sample in taker.of("a")))
    until(lambda: len(taker.of("b")) >= 3)
    assert taker.faults("b") == []


def test_an_error_without_a_message_is_called_by_its_kind(make: Make) -> None:
    sampler = make(a=Fake(raises(NotImplementedError())))
    taker = Taker(sampler)
    sampler.start()
    until(lambda: taker.faults("a"))
    assert taker.faults("a")[0] == "NotImplementedError"


def test_a_lost_source_is_looked_for_soon_however_rarely_it_is_read(make: Make) -> None:
    """At least every 5 s, also where the period is an hour. (5 s are a moment here.)"""
    errors = iter([SensorFault("gone for a moment")])

    def fail_once() -> Reads:
        for error in errors:
            raise error
        return ONE

    fake = Fake(fail_once, period=3600.0)
    sampler = make(a=fake)
    taker = Taker(sampler)
    sampler.start()
    until(lambda: taker.faults("a"))
    deadline = time.monotonic() + 3
    while fake.finds < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    assert fake.finds >= 2


def test_a_source_that_is_not_here_is_quiet_and_found_when_it_appears(make: Make) -> None:
    fake = Fake()
    really = fake.find
    fake.find = raises(Absent("no such bus"))  # type: ignore[method-assign]
    sampler = make(a=fake, b=Fake())
    taker = Taker(sampler)
    sampler.start()
    until(lambda: len(taker.of("b")) >= 10)
    assert taker.of("a") == []
    assert sampler.found() == ("b",)
    fake.find = really  # type: ignore[method-assign]
    until(lambda: taker.of("a"))
    assert sampler.found() == ("a", "b")


def test_a_source_that_was_here_and_is_gone_is_a_fault_each_time_it_is_not_found(make: Make) -> None:
    fake = Fake()
    sampler = make(a=fake)
    taker = Taker(sampler)
    sampler.start()
    until(lambda: taker.of("a"))
    fake.find = raises(Absent("unplugged"))  # type: ignore[method-assign]
    fake.read = raises(SensorFault("ENODEV"))
    until(lambda: taker.faults("a").count("gone: unplugged") >= 2)
    assert taker.faults("a")[0] == "ENODEV"


def test_a_sensor_whose_search_fails_is_a_fault_and_not_a_dead_thread(make: Make) -> None:
    fake = Fake()
    really = fake.find
    fake.find = raises(RuntimeError("a bug in the sensor"))  # type: ignore[method-assign]
    sampler = make(a=fake)
    taker = Taker(sampler)
    sampler.start()
    until(lambda: "a bug in the sensor" in taker.faults("a"))
    assert sampler.found() == ()
    fake.find = really  # type: ignore[method-assign]
    until(lambda: any(sample.reads == ONE for sample in taker.of("a")))


def test_a_sensor_that_is_off_is_never_looked_for(make: Make) -> None:
    off = Fake(enabled=False)
    sampler = make(a=off, b=Fake())
    taker = Taker(sampler)
    sampler.start()
    until(lambda: len(taker.of("b")) >= 3)
    assert (off.finds, off.reads, sampler.found()) == (0, 0, ("b",))


def test_a_sensor_that_was_asked_for_by_name_and_is_here_is_found_before_start_returns(make: Make) -> None:
    sampler = make(a=Fake(enabled=True))
    sampler.start()
    assert sampler.found() == ("a",)


@pytest.mark.parametrize("error", [Absent("no such bus"), SensorFault("EIO"), RuntimeError("EIO")])
def test_a_sensor_that_was_asked_for_by_name_and_is_not_here_is_unusable(make: Make, error: Exception) -> None:
    fake = Fake(enabled=True)
    fake.find = raises(error)  # type: ignore[method-assign]
    with pytest.raises(Unusable, match=f"sensor a is enabled, but not here: {error}"):
        make(a=fake).start()


def test_a_sensor_that_was_asked_for_by_name_and_does_not_answer_is_unusable(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "FIND_SECONDS", 0.05)
    release = threading.Event()
    fake = Fake(enabled=True)
    fake.find = lambda *_: release.wait()  # type: ignore[assignment, method-assign]
    with pytest.raises(Unusable, match="sensor a is enabled, but does not answer"):
        make(a=fake).start()
    release.set()


def test_several_sources_of_one_kind_are_told_apart_by_their_rails(make: Make) -> None:
    release = threading.Event()

    def hang() -> Reads:
        release.wait()
        return ONE

    sampler = make(ina226=FakeRails(vin=lambda: ONE, usb=raises(SensorFault("EIO")), gpu=hang))
    taker = Taker(sampler)
    sampler.start()
    until(lambda: taker.faults("ina226") and len(taker.of("ina226")) >= 5 and sampler.hanging())
    assert sampler.found() == ("ina226.vin", "ina226.usb", "ina226.gpu")
    assert {fault.name for sample in taker.samples for fault in sample.reads.faults} == {"usb"}
    assert {(hung.sensor, hung.part) for hung in sampler.hanging()} == {("ina226", "gpu")}
    release.set()


def test_stopping_ends_every_thread_but_one_that_hangs(make: Make) -> None:
    release = threading.Event()

    def hang() -> Reads:
        release.wait()
        return ONE

    sampler = make(stopping_a=Fake(), stopping_b=Fake(period=3600.0), stopping_c=Fake(hang))

    def alive() -> set[str]:
        return {thread.name for thread in threading.enumerate() if "stopping" in thread.name}

    sampler.start()
    until(sampler.hanging)
    sampler.stop()
    until(lambda: alive() == {"sensor stopping_c"})
    release.set()
    until(lambda: not alive())


def test_a_consumer_that_stopped_consuming_costs_old_samples_and_not_all_memory(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "MOST_WAITING", 5)
    fake = Fake(period=0.001)
    sampler = make(a=fake)
    sampler.start()
    until(lambda: fake.reads >= 20)
    assert len(sampler.take()) <= 5 + 1
