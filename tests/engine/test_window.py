from __future__ import annotations

import dataclasses
import json
from typing import Any

import msgspec
import numpy as np
import pytest

from agent.analysis.work import Work
from agent.boards.board import Board
from agent.core.message import Pressure, SensorHealth, Window
from agent.core.metric import Fold
from agent.core.record import Fault, Inferences, Label, Reading, Reads, Sample
from agent.engine import catalogue
from agent.engine.about import About
from agent.engine.sampler import Hanging
from agent.engine.window import AGENT, Assembly, Member, Moment

SECOND = 1_000_000_000
# What every window says.
ALWAYS = {
    "v",
    "boot_id",
    "start",
    "end",
    "monotonic_end_seconds",
    "clock_synced",
    "board",
    "workloads",
    "sensors",
}
ABOUT = About(
    site="lab",
    device="pi5-03",
    identity_source="serial number",
    version="1",
    board=Board(name="Raspberry Pi 5 Model B", clock_is_measured=False),
    os="o",
    kernel="k",
    machine="aarch64",
    python="3",
    boot_id="boot",
    source_root=None,
)
MEMBER = Member(model="digits", model_sha256="ab", runtime="litert 2", threads=3, pid=812, restarts=2)
NOBODY = Member(model="digits", model_sha256=None, runtime=None, threads=3, pid=None, restarts=0)
FOLDS = {metric.name: metric.fold for kind in catalogue.kinds().values() for metric in kind.METRICS}


def assembly(*names: str, shared_core: bool = False, about: About = ABOUT) -> Assembly:
    made = Assembly(about, FOLDS, {name: Work(rolling_seconds=300) for name in names}, shared_core)
    made.begin(0)
    return made


def at(seconds: float, *, synced: bool = True) -> Moment:
    return Moment(monotonic_nanoseconds=round(seconds * SECOND), wall_seconds=1_763_800_000 + seconds, clock_synced=synced)


def close(made: Assembly, seconds: float, *, hung: tuple[Hanging, ...] = (), partial: bool = False) -> Window:
    return made.close(at(seconds), dict.fromkeys(made.works, MEMBER), hung, partial=partial)


def wire(window: Window) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(msgspec.json.encode(window))
    return decoded


def sample(sensor: str, *readings: Reading, at_seconds: float = 0.5, faults: int = 0, **others: Any) -> Sample:
    reads = Reads(readings=readings, faults=tuple(Fault(name=f"f{index}", reason="x") for index in range(faults)))
    return Sample(sensor=sensor, at_seconds=at_seconds, reads=reads, **others)


def reading(metric: str, value: float, name: str = "x", instance: int = 0) -> Reading:
    return Reading(metric=metric, name=name, value=value, instance=instance)


def inferences(*starts_seconds: float, invoke: int = 1_000_000) -> Inferences:
    starts = np.array([round(start * SECOND) for start in starts_seconds], dtype=np.int64)
    same = np.full(len(starts), invoke, dtype=np.int64)
    zero = np.zeros(len(starts), dtype=np.int64)
    return Inferences(
        start_nanoseconds=starts,
        invoke_nanoseconds=same,
        late_nanoseconds=zero,
        input_nanoseconds=zero,
        output_nanoseconds=zero,
        flags=zero,
    )


# What is not known is not there.


def test_a_window_in_which_nothing_was_seen_says_only_when_and_where_it_was() -> None:
    said = wire(close(assembly(), 10.0))
    assert set(said) - {"agent"} == ALWAYS
    assert said.get("agent", {}) == {}
    assert said["sensors"] == {}
    assert said["workloads"] == {}


def test_nothing_that_was_not_measured_is_null() -> None:
    def nulls(value: object, path: str = "") -> list[str]:
        if isinstance(value, dict):
            return [found for key, inner in value.items() for found in nulls(inner, f"{path}.{key}")]
        return [path] if value is None else []

    made = assembly("default")
    made.sample(sample("thermal", reading("temperature_celsius", 45.0)))
    made.inferences("default", inferences(1.0))
    assert nulls(wire(close(made, 10.0))) == []
    assert nulls(wire(made.close(at(20.0), {"default": NOBODY}, (), partial=True))) == []


def test_a_workload_without_inferences_has_counts_and_no_figures() -> None:
    made = assembly("default")
    (work,) = wire(made.close(at(10.0), {"default": NOBODY}, (), partial=False))["workloads"].values()
    assert work == {
        "kind": "loop",
        "model": "digits",
        "threads": 3,
        "restarts": 0,
        "inferences": 0,
        "errors": 0,
        "lost_records": 0,
        "wrong_outputs": 0,
        "throughput_hertz": 0.0,
    }


def test_a_gauge_of_one_window_is_absent_from_the_next_if_nothing_was_read() -> None:
    made = assembly()
    made.sample(sample("thermal", reading("temperature_celsius", 45.0, "cpu")))
    gauge = {"last": 45.0, "min": 45.0, "mean": 45.0, "max": 45.0}
    assert wire(close(made, 10.0))["temperature_celsius"] == {"thermal.cpu": gauge, "board.soc": gauge}
    assert "temperature_celsius" not in wire(close(made, 20.0))


def test_a_word_of_one_window_is_absent_from_the_next_if_it_was_not_read() -> None:
    made = assembly()
    made.sample(Sample(sensor="cpufreq", at_seconds=1.0, reads=Reads(labels=(Label(metric="governor", text="ondemand"),))))
    assert close(made, 10.0).governor == "ondemand"
    assert close(made, 20.0).governor is None


def test_what_sensors_said_before_the_first_window_is_in_no_window() -> None:
    made = Assembly(ABOUT, FOLDS, {}, shared_core=False)
    made.sample(sample("thermal", reading("temperature_celsius", 99.0), faults=1, missed=3))
    made.sample(sample("memory", reading("memory_bytes", 5.0, "total")))
    made.sample(Sample(sensor="cpufreq", at_seconds=1.0, reads=Reads(labels=(Label(metric="governor", text="ondemand"),))))
    made.begin(5 * SECOND)
    window = close(made, 10.0)
    assert (window.temperature_celsius, window.memory_bytes, window.governor) == (None, None, None)
    assert all((health.reads, health.faults, health.late) == (0, 0, 0) for health in window.sensors.values())


def test_what_sensors_said_before_the_first_window_is_where_counters_start() -> None:
    made = Assembly(ABOUT, FOLDS, {}, shared_core=False)
    made.sample(sample("pressure", reading("pressure_seconds_total", 100.0, "cpu"), at_seconds=1.0))
    made.begin(2 * SECOND)
    made.sample(sample("pressure", reading("pressure_seconds_total", 101.0, "cpu"), at_seconds=6.0))
    assert close(made, 10.0).pressure_ratio == Pressure(cpu=0.2)


# When.


def test_windows_lie_end_to_end_on_the_monotonic_clock_and_start_follows_from_their_length() -> None:
    made = assembly()
    first, second = close(made, 10.0), close(made, 25.0, partial=True)
    assert (first.start, first.end, first.monotonic_end_seconds) == (1_763_800_000.0, 1_763_800_010.0, 10.0)
    assert (second.start, second.end, second.monotonic_end_seconds) == (1_763_800_010.0, 1_763_800_025.0, 25.0)
    assert (first.partial, second.partial) == (False, True)


def test_a_wall_clock_that_jumped_moves_the_start_and_does_not_stretch_the_window() -> None:
    made = assembly()
    close(made, 10.0)
    window = made.close(Moment(monotonic_nanoseconds=20 * SECOND, wall_seconds=5_000.0, clock_synced=False), {}, (), partial=False)
    assert (window.start, window.end, window.clock_synced) == (4_990.0, 5_000.0, False)


def test_a_window_says_where_it_was_made() -> None:
    said = wire(close(assembly(), 1.0))
    assert (said["board"], said["boot_id"]) == ("Raspberry Pi 5 Model B", "boot")
    assert "source_root" not in said
    assert "simulated" not in said
    elsewhere = msgspec.structs.asdict(close(assembly(about=dataclasses.replace(ABOUT, source_root="/host", simulated=True)), 1.0))
    assert (elsewhere["source_root"], elsewhere["simulated"]) == ("/host", True)


# Workloads.


def test_a_workloads_figures_and_what_is_known_of_it_stand_together() -> None:
    made = assembly("default")
    made.inferences("default", inferences(1.0, 2.0, 3.0))
    work = close(made, 10.0).workloads["default"]
    assert (work.inferences, work.throughput_hertz, work.restarts, work.pid, work.threads) == (3, 0.3, 2, 812, 3)
    assert work.histogram is not None
    assert work.histogram.count == 3
    assert (work.model, work.model_sha256, work.runtime) == ("digits", "ab", "litert 2")


def test_workloads_are_told_apart() -> None:
    made = assembly("a", "b")
    made.inferences("a", inferences(1.0))
    made.sample(sample("process", reading("rss_bytes", 7.0, "b")))
    window = close(made, 10.0)
    assert [(work.inferences, work.rss_bytes) for work in window.workloads.values()] == [(1, None), (0, 7)]


def test_a_processes_figures_are_of_the_window() -> None:
    made = assembly("default")
    for at_seconds, faults, used in ((0.0, 100, 50.0), (5.0, 103, 60.0)):
        made.sample(
            sample(
                "process",
                reading("rss_bytes", 1e6 + at_seconds, "default"),
                reading("rss_peak_bytes", 2e6, "default"),
                reading("pss_bytes", 3e6, "default"),
                reading("major_faults_total", faults, "default"),
                reading("cpu_seconds_total", used, "default"),
                at_seconds=at_seconds,
            )
        )
    work = close(made, 10.0).workloads["default"]
    assert (work.rss_bytes, work.rss_peak_bytes, work.pss_bytes) == (1_000_005, 2_000_000, 3_000_000)
    assert (work.major_faults, work.cpu_ratio) == (3, 2.0)


@pytest.mark.parametrize(
    ("used", "waited", "ratio"),
    [(3.0, 1.0, 0.25), (0.0, 2.0, 1.0), (2.0, 0.0, 0.0), (0.0, 0.0, None)],
)
def test_the_wait_ratio_is_the_share_of_wanting_to_run_that_was_waiting(used: float, waited: float, ratio: float | None) -> None:
    made = assembly("default")
    for at_seconds, part in ((1.0, 0.0), (9.0, 1.0)):
        made.sample(
            sample(
                "process",
                reading("cpu_seconds_total", 100.0 + used * part, "default"),
                reading("runqueue_wait_seconds_total", 50.0 + waited * part, "default"),
                at_seconds=at_seconds,
            )
        )
    assert close(made, 10.0).workloads["default"].runqueue_wait_ratio == ratio


def test_without_the_kernels_waiting_times_there_is_no_wait_ratio() -> None:
    made = assembly("default")
    for at_seconds in (1.0, 9.0):
        made.sample(sample("process", reading("cpu_seconds_total", at_seconds, "default"), at_seconds=at_seconds))
    work = close(made, 10.0).workloads["default"]
    assert (work.cpu_ratio, work.runqueue_wait_ratio) == (1.0, None)


def test_counters_of_a_process_and_of_the_one_that_took_its_place_are_not_mixed() -> None:
    made = assembly("default")
    for at_seconds, value, instance in ((1.0, 100.0, 1), (2.0, 500.0, 2), (4.0, 501.0, 2)):
        made.sample(sample("process", reading("cpu_seconds_total", value, "default", instance), at_seconds=at_seconds))
    assert close(made, 10.0).workloads["default"].cpu_ratio == 0.5


def test_the_work_of_a_workload_counts_as_unknown_throttling_and_the_board_alone_as_none() -> None:
    throttle = close(assembly("default"), 10.0).throttle
    assert throttle is not None
    assert (throttle.state, throttle.reference) == ("unknown", "none")
    assert close(assembly(), 10.0).throttle is None


# The board.


def test_memory_and_pressure_are_those_of_the_board_and_partly_absent() -> None:
    made = assembly()
    for at_seconds, waited in ((1.0, 0.0), (9.0, 2.0)):
        made.sample(sample("memory", reading("memory_bytes", 8e9, "total"), reading("memory_bytes", 0.0, "swap_used")))
        made.sample(sample("pressure", reading("pressure_seconds_total", waited, "io"), at_seconds=at_seconds))
    said = wire(close(made, 10.0))
    assert said["memory_bytes"] == {"total": 8_000_000_000, "swap_used": 0}
    assert said["pressure_ratio"] == {"io": 0.25}


@pytest.mark.parametrize("metric", ["temperature_celsius", "frequency_hertz", "requested_frequency_hertz", "load_ratio"])
def test_every_gauge_that_a_sensor_makes_arrives_under_its_own_name(metric: str) -> None:
    made = assembly()
    made.sample(sample("s", reading(metric, 1.5, "n")))
    assert wire(close(made, 10.0))[metric]["s.n"]["mean"] == 1.5


def test_no_gauge_of_a_real_sensor_gets_lost_on_the_way() -> None:
    made = assembly()
    gauges = [name for name, fold in FOLDS.items() if fold is Fold.GAUGE]
    for metric in gauges:
        made.sample(sample("s", reading(metric, 1.0)))
    assert set(gauges) <= set(wire(close(made, 10.0)))


# The monitor itself.


def _monitor(made: Assembly) -> None:
    for at_seconds, used in ((1.0, 10.0), (9.0, 10.04)):
        made.sample(
            sample(
                "process",
                reading("cpu_seconds_total", used, AGENT),
                reading("rss_bytes", 4e7, AGENT),
                reading("written_bytes_total", 4096 * at_seconds, AGENT),
                at_seconds=at_seconds,
            )
        )


def test_the_monitors_own_figures_are_told() -> None:
    made = assembly()
    _monitor(made)
    assert wire(close(made, 10.0))["agent"] == {"cpu_ratio": 0.005, "rss_bytes": 40_000_000, "bytes_written": 32_768}


def test_a_monitor_on_the_workloads_only_core_tells_what_it_stole() -> None:
    made = assembly(shared_core=True)
    _monitor(made)
    assert wire(close(made, 10.0))["agent"]["stolen_ratio"] == 0.005


# The sensors.


def test_a_sensors_health_is_counted_over_the_window_and_begins_anew() -> None:
    made = assembly()
    made.sample(sample("thermal", read_seconds=0.002, cpu_seconds=0.001))
    made.sample(sample("thermal", faults=2, read_seconds=0.004, cpu_seconds=0.001))
    made.sample(sample("thermal", read_seconds=0.0, cpu_seconds=0.0, missed=3, late_seconds=1.7))
    assert close(made, 10.0).sensors == {
        "thermal": SensorHealth(reads=3, faults=2, late=4, seconds_per_read=0.002, cpu_seconds=0.002)
    }
    second = close(made, 20.0).sensors.get("thermal")
    assert second is None or (second.reads, second.faults, second.late) == (0, 0, 0)


def test_a_sensor_that_hangs_through_windows_is_late_once_for_each_deadline() -> None:
    """A reading began at 0.0 s, with a period of 1 s, and ended at 25.5 s: 25 deadlines passed, the 25th was met late."""
    made = assembly()
    late = []
    for end, seconds in ((10.0, 10.0), (20.0, 20.0)):
        hung = Hanging(sensor="thermal", seconds=seconds, missed=int(seconds))
        late.append(close(made, end, hung=(hung,)).sensors["thermal"].late)
    # The reading that hung was itself in time. The next one finds out how many deadlines have passed.
    made.sample(sample("thermal", read_seconds=25.5))
    made.sample(sample("thermal", missed=24, late_seconds=24.5))
    made.sample(sample("thermal"))
    late.append(close(made, 30.0).sensors["thermal"].late)
    assert late == [10, 10, 5]


def test_a_sensor_that_hangs_a_second_time_is_late_again() -> None:
    made = assembly()
    total = 0
    for begin in (0, 100):
        hung = Hanging(sensor="thermal", seconds=10.0, missed=10)
        total += close(made, begin + 10.0, hung=(hung,)).sensors["thermal"].late
        made.sample(sample("thermal", read_seconds=10.5))
        made.sample(sample("thermal", missed=9, late_seconds=9.5))
        made.sample(sample("thermal"))
        total += close(made, begin + 50.0).sensors["thermal"].late
    assert total == 20


def test_of_several_sources_that_hang_each_is_late_for_itself() -> None:
    hung = tuple(Hanging(sensor="ina226", part=part, seconds=10.0, missed=10) for part in ("vin", "usb"))
    assert close(assembly(), 10.0, hung=hung).sensors["ina226"].late == 20


def test_a_source_that_hangs_is_late_once_for_each_deadline_whatever_its_neighbours_answer() -> None:
    made = assembly()
    late = []
    for end in (10.0, 20.0, 30.0):
        made.sample(sample("ina226", reading("power_watts", 5.0, "vin")))
        made.sample(sample("ina226", reading("power_watts", 5.0, "vin")))
        hung = Hanging(sensor="ina226", part="usb", seconds=end, missed=int(end))
        late.append(close(made, end, hung=(hung,)).sensors["ina226"].late)
    assert late == [10, 10, 10]


def test_a_sensor_that_has_only_hung_has_no_cost_per_reading() -> None:
    health = wire(close(assembly(), 10.0, hung=(Hanging(sensor="thermal", seconds=3.0, missed=3),)))["sensors"]["thermal"]
    assert health == {"reads": 0, "faults": 0, "late": 3}


def test_sensors_come_in_alphabetical_order() -> None:
    made = assembly()
    for sensor in ("thermal", "cpu", "memory"):
        made.sample(sample(sensor))
    assert list(close(made, 10.0).sensors) == ["cpu", "memory", "thermal"]
