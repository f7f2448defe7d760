from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from agent.core.clock import SystemClock
from agent.core.errors import SensorFault
from agent.core.record import Fault, Reading, Reads, Sample
from agent.core.sensor import SensorConfig, Surroundings
from agent.core.tree import Tree
from agent.core.units import Seconds
from agent.engine.sampler import Hanging, Sampler
from agent.engine.watch import LOST_AFTER, Turn, Watch
from agent.sensors import thermal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.sensor import Kind, Source


def sample(at_seconds: float, *, faults: tuple[str, ...] = (), names: tuple[str, ...] = (), sensor: str = "thermal") -> Sample:
    return Sample(
        sensor=sensor,
        at_seconds=at_seconds,
        reads=Reads(
            readings=tuple(Reading(metric="temperature_celsius", name=name, value=1.0) for name in names),
            faults=tuple(Fault(name=name, reason=f"no {name or 'answer'}") for name in faults),
        ),
    )


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_a_source_is_lost_after_three_failures_in_a_row_and_told_once(watch: Watch) -> None:
    turns = [watch.sample(sample(float(at), faults=("",))) for at in range(6)]
    assert LOST_AFTER == 3
    assert turns[2] == [Turn(sensor="thermal", lost=True, reason="no answer", away_seconds=None)]
    assert [turn for index, turn in enumerate(turns) if index != 2] == [[]] * 5
    assert watch.lost == ("thermal",)


def test_a_bus_that_drops_one_reading_in_two_is_not_lost(watch: Watch) -> None:
    for at in range(20):
        assert watch.sample(sample(float(at), faults=("",) if at % 2 else (), names=() if at % 2 else ("cpu",))) == []
    assert watch.lost == ()


def test_a_source_that_answers_again_is_back_and_how_long_it_was_away_is_told(watch: Watch) -> None:
    for at in (10.0, 11.0, 12.0, 13.0):
        watch.sample(sample(at, faults=("",)))
    assert watch.sample(sample(15.5, names=("cpu",))) == [Turn(sensor="thermal", lost=False, reason=None, away_seconds=5.5)]
    assert watch.lost == ()
    assert watch.sample(sample(16.0, names=("cpu",))) == []


def test_a_source_can_be_lost_again(watch: Watch) -> None:
    for at in (0.0, 1.0, 2.0):
        watch.sample(sample(at, faults=("",)))
    watch.sample(sample(3.0))
    lost = [watch.sample(sample(at, faults=("",))) for at in (4.0, 5.0, 6.0)]
    assert [len(turns) for turns in lost] == [0, 0, 1]
    (turn,) = watch.sample(sample(7.0))
    assert turn.away_seconds == 3.0


def test_a_part_is_lost_and_back_without_its_source(watch: Watch) -> None:
    for at in (0.0, 1.0):
        assert watch.sample(sample(at, faults=("gpu",), names=("cpu",))) == []
    assert watch.sample(sample(2.0, faults=("gpu",), names=("cpu",))) == [
        Turn(sensor="thermal.gpu", lost=True, reason="no gpu", away_seconds=None)
    ]
    assert watch.lost == ("thermal.gpu",)
    assert watch.sample(sample(3.0, names=("cpu", "gpu"))) == [
        Turn(sensor="thermal.gpu", lost=False, reason=None, away_seconds=3.0)
    ]


def test_several_parts_are_told_apart_and_listed_in_order(watch: Watch) -> None:
    for at in (0.0, 1.0, 2.0):
        watch.sample(sample(at, faults=("b", "a")))
        watch.sample(sample(at, faults=("x",), sensor="cpufreq"))
    assert watch.lost == ("cpufreq.x", "thermal.a", "thermal.b")


def test_a_part_that_is_read_and_faulty_at_once_is_faulty(watch: Watch) -> None:
    for at in (0.0, 1.0):
        watch.sample(sample(at, faults=("a",), names=("a",)))
    assert len(watch.sample(sample(2.0, faults=("a",), names=("a",)))) == 1


def test_a_sensor_that_hangs_is_lost_since_it_began_to_and_back_with_its_next_answer(watch: Watch) -> None:
    hung = Hanging(sensor="thermal", seconds=6.0, missed=12)
    assert watch.hanging([hung], 106.0) == [Turn(sensor="thermal", lost=True, reason="has not answered for 6 s", away_seconds=None)]
    assert watch.hanging([Hanging(sensor="thermal", seconds=7.0, missed=14)], 107.0) == []
    assert watch.lost == ("thermal",)
    assert watch.sample(sample(109.0, names=("cpu",))) == [Turn(sensor="thermal", lost=False, reason=None, away_seconds=9.0)]


def test_one_of_several_sources_that_hangs_is_lost_under_its_own_name(watch: Watch) -> None:
    (turn,) = watch.hanging([Hanging(sensor="ina226", part="usb", seconds=6.0, missed=6)], 6.0)
    assert turn.sensor == "ina226.usb"
    assert watch.sample(sample(7.0, names=("vin",), sensor="ina226")) == []
    assert watch.lost == ("ina226.usb",)
    (turn,) = watch.sample(sample(8.0, names=("usb",), sensor="ina226"))
    assert (turn.sensor, turn.lost, turn.away_seconds) == ("ina226.usb", False, 8.0)


def test_one_of_several_sources_that_failed_is_not_back_because_another_answers(watch: Watch) -> None:
    for at in (0.0, 1.0, 2.0):
        watch.sample(sample(at, faults=("usb",), sensor="ina226"))
    for at in range(3, 20):
        assert watch.sample(sample(float(at), names=("vin",), sensor="ina226")) == []
        watch.sample(sample(float(at), faults=("usb",), sensor="ina226"))
    assert watch.lost == ("ina226.usb",)


def test_a_sensor_that_hangs_and_then_fails_stays_lost_without_being_told_again(watch: Watch) -> None:
    watch.hanging([Hanging(sensor="thermal", seconds=6.0, missed=1)], 6.0)
    assert watch.sample(sample(7.0, faults=("",))) == []
    assert watch.lost == ("thermal",)


def test_a_zone_that_was_lost_and_is_now_switched_off_is_not_lost_for_ever(
    watch: Watch, plant: Callable[[dict[str, str | bytes]], Tree], gate: Callable[[Path], None]
) -> None:
    """A zone that failed and is then powered down is neither read nor faulty: it is absent, and a board is not degraded by that."""
    zones = [f"sys/class/thermal/thermal_zone{number}" for number in (0, 1)]
    tree = plant({f"{zone}/{file}": text for zone in zones for file, text in (("type", zone[-1]), ("temp", "45000"))})
    source = thermal.find(thermal.Config(), Surroundings(board=tree, machine=tree))
    temp = tree.path(f"{zones[1]}/temp")
    temp.unlink()
    for at in range(5):
        watch.sample(Sample(sensor="thermal", at_seconds=float(at), reads=source.read()))
    assert watch.lost == ("thermal.1",)
    gate(temp)
    for at in range(5, 20):
        watch.sample(Sample(sensor="thermal", at_seconds=float(at), reads=source.read()))
    assert watch.lost == ()


# Several sources of one kind, as the sampler tells of them: each by itself, the quick ones far more often.


class RailConfig(SensorConfig, frozen=True, kw_only=True):
    rail: str


class Rails:
    """A sensor's file of which there may be several sources, each for a rail of its own."""

    MANY = True
    METRICS = ()
    Config = RailConfig

    def __init__(self, **reads: Callable[[], Reads]) -> None:
        self.reads = reads

    def find(self, config: SensorConfig, surroundings: Surroundings) -> Source:
        assert isinstance(config, RailConfig)
        return cast("Source", SimpleNamespace(read=self.reads[config.rail]))


def one_volt() -> Reads:
    return Reads(readings=(Reading(metric="voltage_volts", name="vin", value=1.0),))


def watch_rails(watch: Watch, root: Path, samples: int, other: Callable[[], Reads], other_period: float) -> list[Turn]:
    """Watch a quick rail `vin` and another one `usb` for so many samples of the quick one, and return what was told."""
    tree = Tree(root)
    tables = (RailConfig(rail="vin", period=Seconds(0.001)), RailConfig(rail="usb", period=Seconds(other_period)))
    kinds = cast("dict[str, Kind]", {"ina226": Rails(vin=one_volt, usb=other)})
    sampler = Sampler(kinds, {"ina226": tables}, Surroundings(board=tree, machine=tree), SystemClock())
    turns: list[Turn] = []
    quick = 0
    deadline = time.monotonic() + 5
    sampler.start()
    try:
        while (quick < samples or not turns) and time.monotonic() < deadline:
            for taken in sampler.take():
                quick += bool(taken.reads.readings)
                turns += watch.sample(taken)
            turns += watch.hanging([hung for hung in sampler.hanging() if hung.part == "usb"], time.monotonic())
            time.sleep(0.002)
    finally:
        sampler.stop()
    return turns


def test_a_slow_source_that_fails_is_lost_however_much_a_quick_one_of_its_kind_answers_meanwhile(
    watch: Watch, tmp_path: Path
) -> None:
    def fail() -> Reads:
        raise SensorFault("EIO")

    turns = watch_rails(watch, tmp_path, 200, fail, 0.03)
    assert [(turn.sensor, turn.lost) for turn in turns] == [("ina226.usb", True)]
    assert watch.lost == ("ina226.usb",)


def test_a_source_that_hangs_is_told_once_however_much_another_of_its_kind_answers_meanwhile(watch: Watch, tmp_path: Path) -> None:
    release = threading.Event()

    def hang() -> Reads:
        release.wait()
        return Reads()

    turns = watch_rails(watch, tmp_path, 100, hang, 0.001)
    release.set()
    assert [(turn.sensor, turn.lost) for turn in turns] == [("ina226.usb", True)]
    assert watch.lost == ("ina226.usb",)
