"""Everything that arrived during a stretch of time, made into one `Window`.

Pure: time comes in with the records and with `close`, so that a live run and a replay share it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agent.analysis import firmware
from agent.analysis.gauge import Readings, tidy
from agent.core.message import (
    VERSION,
    AgentWindow,
    Cgroup,
    Firmware,
    Gauge,
    Memory,
    Pressure,
    SensorHealth,
    Throttle,
    Window,
    WorkloadWindow,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.analysis.work import Work, WorkFigures
    from agent.core.metric import Fold
    from agent.core.record import Inferences, Sample
    from agent.engine.about import About
    from agent.engine.sampler import Hanging

# The name under which the monitor's own figures arrive.
AGENT: Final = "agent"
# The words of a Raspberry Pi's firmware, and what the kernel saw of them in its last seconds.
FIRMWARE: Final = "firmware"
FIRMWARE_RECENT: Final = "firmware_recent"
_PROCESS: Final = "process."
_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """What is known of a workload when a window closes."""

    model: str
    model_sha256: str | None
    runtime: str | None
    threads: int
    pid: int | None
    restarts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A window's end: on both clocks, and whether the wall clock can be believed."""

    monotonic_nanoseconds: int
    wall_seconds: float
    clock_synced: bool


@dataclass(slots=True)
class _Health:
    reads: int = 0
    faults: int = 0
    late: int = 0
    read_seconds: float = 0.0
    cpu_seconds: float = 0.0


@dataclass(slots=True)
class Assembly:
    """Folds records until a window is closed, then begins the next."""

    about: About
    folds: Mapping[str, Fold]
    works: Mapping[str, Work]
    shared_core: bool
    _readings: Readings = field(init=False)
    _labels: dict[str, str] = field(default_factory=dict)
    _words: dict[str, list[int]] = field(default_factory=dict)
    _words_before: dict[str, int] = field(default_factory=dict)
    _health: dict[str, _Health] = field(default_factory=dict)
    _hung: dict[tuple[str, str], int] = field(default_factory=dict)
    _hung_before: frozenset[tuple[str, str]] = frozenset()
    _begin: int = 0

    def __post_init__(self) -> None:
        """Begin with nothing read."""
        self._readings = Readings(self.folds)

    def begin(self, monotonic_nanoseconds: int) -> None:
        """Let the first window begin. What sensors said before counts only as a starting point for counters."""
        self._begin = monotonic_nanoseconds
        self._readings.clear()
        self._labels.clear()
        self._health.clear()

    def inferences(self, workload: str, inferences: Inferences) -> None:
        """Take what a workload's ring held."""
        self.works[workload].add(inferences)

    def sample(self, sample: Sample) -> None:
        """Take what a sensor read."""
        self._readings.add(f"{sample.sensor}.", sample.reads.readings, sample.at_seconds)
        for label in sample.reads.labels:
            self._labels[label.metric] = label.text
        for flags in sample.reads.flags:
            self._words.setdefault(flags.metric, []).append(flags.bits)
        health = self._health.setdefault(sample.sensor, _Health())
        health.reads += 1
        health.faults += len(sample.reads.faults)
        health.late += self._not_yet_counted((sample.sensor, sample.part), sample.missed + (sample.late_seconds > 0))
        health.read_seconds += sample.read_seconds
        health.cpu_seconds += sample.cpu_seconds

    def close(self, end: Moment, members: Mapping[str, Member], hung: tuple[Hanging, ...], *, partial: bool) -> Window:
        """Return the window that ends now, and begin the next one there."""
        length_seconds = (end.monotonic_nanoseconds - self._begin) / _NANOSECONDS
        workloads = {
            name: self._workload(name, member, self.works[name].close(end.monotonic_nanoseconds, length_seconds))
            for name, member in members.items()
        }
        self._count_hung(hung)
        readings = self._readings
        temperatures = readings.gauges("temperature_celsius") or {}
        powers = readings.gauges("power_watts") or {}
        board = self.about.board
        window = Window(
            v=VERSION,
            boot_id=self.about.boot_id,
            start=round(end.wall_seconds - length_seconds, 6),
            end=round(end.wall_seconds, 6),
            monotonic_end_seconds=end.monotonic_nanoseconds / _NANOSECONDS,
            clock_synced=end.clock_synced,
            partial=partial,
            board=self.about.board.name,
            simulated=self.about.simulated,
            source_root=self.about.source_root,
            workloads=workloads,
            temperature_celsius=_with_chosen("board.soc", board.choose_soc(temperatures), temperatures),
            frequency_hertz=readings.gauges("frequency_hertz"),
            requested_frequency_hertz=readings.gauges("requested_frequency_hertz"),
            power_watts=_with_chosen("board.input", board.choose_input(powers), powers),
            voltage_volts=readings.gauges("voltage_volts"),
            current_amperes=readings.gauges("current_amperes"),
            load_ratio=readings.gauges("load_ratio"),
            fan_rpm=readings.gauges("fan_rpm"),
            firmware=self._firmware(),
            throttle=Throttle(state="unknown") if workloads else None,
            trip_celsius=readings.last("trip_celsius"),
            cooling_level=readings.last("cooling_level"),
            over_current_total=readings.last("over_current_total"),
            throttle_events_total=readings.last("throttle_events_total"),
            power_mode=self._labels.get("power_mode"),
            governor=self._labels.get("governor"),
            memory_bytes=self._memory(),
            cgroup_memory_bytes=self._cgroup(),
            pressure_ratio=self._pressure(),
            sensors=self._sensors(),
            agent=self._agent(),
        )
        self._begin = end.monotonic_nanoseconds
        readings.clear()
        self._labels.clear()
        self._words_before.update({metric: words[-1] for metric, words in self._words.items()})
        self._words.clear()
        # A source that is read more rarely than windows close is still here.
        self._health = {name: _Health() for name in self._health}
        return window

    def _count_hung(self, hung: tuple[Hanging, ...]) -> None:
        """Count the deadlines that a hanging sensor has missed since the window before."""
        now = frozenset((sensor.sensor, sensor.part) for sensor in hung)
        # What was counted is remembered for one window after the hang: the reading that tells how many it missed comes then.
        self._hung = {key: counted for key, counted in self._hung.items() if key in now | self._hung_before}
        self._hung_before = now
        for sensor in hung:
            key = (sensor.sensor, sensor.part)
            counted = self._hung.get(key, 0)
            self._health.setdefault(sensor.sensor, _Health()).late += max(sensor.missed - counted, 0)
            self._hung[key] = max(sensor.missed, counted)

    def _not_yet_counted(self, source: tuple[str, str], missed: int) -> int:
        """Return how many of the deadlines that a sample missed were not counted while its source hung."""
        counted = min(missed, self._hung.get(source, 0))
        if counted:
            self._hung[source] -= counted
        return missed - counted

    def _workload(self, name: str, member: Member, work: WorkFigures) -> WorkloadWindow:
        return WorkloadWindow(
            kind="loop",
            model=member.model,
            model_sha256=member.model_sha256,
            runtime=member.runtime,
            threads=member.threads,
            pid=member.pid,
            restarts=member.restarts,
            inferences=work.inferences,
            errors=work.errors,
            lost_records=work.lost_records,
            wrong_outputs=work.wrong_outputs,
            deadline_misses=work.deadline_misses,
            throughput_hertz=work.throughput_hertz,
            latency_seconds=work.latency_seconds,
            rolling_seconds=work.rolling_seconds,
            histogram=work.histogram,
            response_seconds=work.response_seconds,
            response_histogram=work.response_histogram,
            start_late_seconds=work.start_late_seconds,
            input_seconds=work.input_seconds,
            output_seconds=work.output_seconds,
            rss_bytes=self._bytes("rss_bytes", name),
            rss_peak_bytes=self._bytes("rss_peak_bytes", name),
            pss_bytes=self._bytes("pss_bytes", name),
            major_faults=self._rise("major_faults_total", name),
            cpu_ratio=self._ratio("cpu_seconds_total", _PROCESS + name),
            runqueue_wait_ratio=self._wait_ratio(name),
        )

    def _bytes(self, metric: str, name: str) -> int | None:
        value = (self._readings.last(metric) or {}).get(_PROCESS + name)
        return None if value is None else int(value)

    def _rise(self, metric: str, name: str) -> int | None:
        increase = self._readings.increase(metric, _PROCESS + name)
        return None if increase is None else int(increase.amount)

    def _ratio(self, metric: str, name: str) -> float | None:
        increase = self._readings.increase(metric, name)
        return None if increase is None else tidy(increase.per_second)

    def _wait_ratio(self, name: str) -> float | None:
        """Of the time its threads wanted to run, the share in which they had no core."""
        waited = self._readings.increase("runqueue_wait_seconds_total", _PROCESS + name)
        used = self._readings.increase("cpu_seconds_total", _PROCESS + name)
        if waited is None or used is None or waited.amount + used.amount <= 0:
            return None
        return tidy(waited.amount / (waited.amount + used.amount))

    def _memory(self) -> Memory | None:
        found = {name.removeprefix("memory."): int(value) for name, value in (self._readings.last("memory_bytes") or {}).items()}
        return Memory(**found) if found else None

    def _firmware(self) -> Firmware | None:
        return firmware.fold(
            self._words.get(FIRMWARE, ()),
            self._words_before.get(FIRMWARE),
            self._words.get(FIRMWARE_RECENT, ()),
            self._words_before.get(FIRMWARE_RECENT),
        )

    def _cgroup(self) -> Cgroup | None:
        found = {
            name.removeprefix("cgroup."): int(value)
            for name, value in (self._readings.last("cgroup_memory_bytes") or {}).items()
            if name.removeprefix("cgroup.") in Cgroup.__struct_fields__
        }
        kills = next(iter((self._readings.last("oom_kills_total") or {}).values()), None)
        if not found and kills is None:
            return None
        return Cgroup(**found, oom_kills=None if kills is None else int(kills))

    def _pressure(self) -> Pressure | None:
        seen = {name: self._ratio("pressure_seconds_total", f"pressure.{name}") for name in ("cpu", "memory", "io")}
        # The kernel's stamps and ours are some microseconds apart: a full stall may come to a little more than all of the time.
        ratios = {name: None if ratio is None else min(ratio, 1.0) for name, ratio in seen.items()}
        return Pressure(**ratios) if any(ratio is not None for ratio in ratios.values()) else None

    def _sensors(self) -> dict[str, SensorHealth]:
        return {
            name: SensorHealth(
                reads=health.reads,
                faults=health.faults,
                late=health.late,
                seconds_per_read=tidy(health.read_seconds / health.reads) if health.reads else None,
                cpu_seconds=tidy(health.cpu_seconds) if health.reads else None,
            )
            for name, health in sorted(self._health.items())
        }

    def _agent(self) -> AgentWindow:
        cpu_ratio = self._ratio("cpu_seconds_total", _PROCESS + AGENT)
        return AgentWindow(
            cpu_ratio=cpu_ratio,
            rss_bytes=self._bytes("rss_bytes", AGENT),
            bytes_written=self._rise("written_bytes_total", AGENT),
            stolen_ratio=cpu_ratio if self.shared_core else None,
        )


def _with_chosen(title: str, chosen: str | None, gauges: dict[str, Gauge]) -> dict[str, Gauge] | None:
    """Return gauges with the one that stands for the board repeated under its title."""
    if chosen is not None:
        return {**gauges, title: gauges[chosen]}
    return gauges or None
