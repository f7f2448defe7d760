"""What leaves the device, as it stands on the wire: `window`, `event`, `status`, `meta`.

These structs are the schema. A field that is None was not measured and is not sent; 0 is a measured zero. Inside version 1
fields are only added, and readers ignore what they do not know. `v` has no default so that it is always written, first.
"""

from __future__ import annotations

from typing import Final

import msgspec

from agent.core.histogram import Histogram

VERSION: Final = 1
MOST_BYTES: Final = 16_384


class _Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    pass


class Gauge(_Part, frozen=True, kw_only=True):
    """Readings of one name over a window."""

    last: float
    min: float
    mean: float
    max: float


class Latency(_Part, frozen=True, kw_only=True):
    """Nearest-rank percentiles over the window, in seconds; p99 from 100 inferences on, p999 from 1,000."""

    min: float
    mean: float
    std: float
    p50: float
    p90: float
    p95: float
    p99: float | None = None
    p999: float | None = None
    max: float


class Rolling(_Part, frozen=True, kw_only=True):
    """Exact nearest-rank percentiles over the last `span_seconds`, at most the last 1,000,000 inferences."""

    span_seconds: float
    count: int
    p50: float
    p90: float
    p95: float
    p99: float | None = None
    p999: float | None = None
    max: float


class InferenceEnergy(_Part, frozen=True, kw_only=True):
    """Energy of one inference in joules: all the board drew, and what it drew beyond idle."""

    gross: float | None = None
    gross_interval_95: tuple[float, float] | None = None
    net: float | None = None
    net_interval_95: tuple[float, float] | None = None
    method: str | None = None
    shared_by: str | None = None


class WorkloadWindow(_Part, frozen=True, kw_only=True):
    """One workload over one window. With no inferences the latency, histogram and energy fields are absent.

    Attributes:
        kind: `loop` for a model that emberd runs itself.
        restarts: since the daemon's start; every other count is of the window.
        inferences: exactly what the histogram holds.
        lost_records: inferences that were made but overwritten in the ring before they were read.
        latency_seconds: the call of the runtime alone.
        response_seconds: paced work: from the scheduled start until the outputs were taken.
        start_late_seconds: paced work: from the scheduled to the real start.
        input_seconds: mean time to hand the inputs over.
        output_seconds: mean time to take the outputs.
        cpu_ratio: CPU seconds per second of the process, all threads; above 1 with several.
        runqueue_wait_ratio: of the time its threads wanted to run, the share they waited for a core.
    """

    kind: str
    model: str
    model_sha256: str | None = None
    runtime: str | None = None
    threads: int | None = None
    pid: int | None = None
    restarts: int
    inferences: int
    errors: int
    lost_records: int
    wrong_outputs: int
    deadline_misses: int | None = None
    throughput_hertz: float
    latency_seconds: Latency | None = None
    rolling_seconds: Rolling | None = None
    histogram: Histogram | None = None
    response_seconds: Latency | None = None
    response_histogram: Histogram | None = None
    start_late_seconds: Latency | None = None
    input_seconds: float | None = None
    output_seconds: float | None = None
    rss_bytes: int | None = None
    rss_peak_bytes: int | None = None
    pss_bytes: int | None = None
    major_faults: int | None = None
    cpu_ratio: float | None = None
    runqueue_wait_ratio: float | None = None
    energy_per_inference_joules: InferenceEnergy | None = None


class Energy(_Part, frozen=True, kw_only=True):
    """Joules of the board's input over the window."""

    rail: str
    joules: float
    joules_total: float
    coverage_ratio: float
    idle_watts: float | None = None
    idle_age_seconds: float | None = None
    estimate: bool = False
    battery_hours: float | None = None


class Firmware(_Part, frozen=True, kw_only=True):
    """What a Raspberry Pi's firmware says of under-voltage and throttling."""

    now: tuple[str, ...] | None = None
    since_boot: tuple[str, ...] | None = None
    edges: dict[str, int] | None = None
    raw: str | None = None


class Cause(_Part, frozen=True, kw_only=True):
    """One reason for a slow-down, its share of it, and what shows it."""

    cause: str
    share: float
    evidence: str


class Throttle(_Part, frozen=True, kw_only=True):
    """Whether the work is slower than its own reference, and why. Without a reference the state is `unknown`."""

    state: str
    causes: tuple[Cause, ...] | None = None
    episode: str | None = None
    slowdown_ratio: float | None = None
    reference: str = "none"
    headroom_celsius: float | None = None
    seconds_to_throttle: float | None = None
    sustainable_hertz: float | None = None
    steady: bool | None = None


class Memory(_Part, frozen=True, kw_only=True):
    """The board's memory."""

    total: int | None = None
    available: int | None = None
    swap_used: int | None = None


class Pressure(_Part, frozen=True, kw_only=True):
    """Share of the window in which at least one task waited for the resource (PSI `some`)."""

    cpu: float | None = None
    memory: float | None = None
    io: float | None = None


class SensorHealth(_Part, frozen=True, kw_only=True):
    """How a source did over the window."""

    reads: int
    faults: int
    late: int
    seconds_per_read: float | None = None
    cpu_seconds: float | None = None


class Cgroup(_Part, frozen=True, kw_only=True):
    """Memory of the control group in which the daemon and its workloads run; `max` is absent where there is no limit."""

    current: int | None = None
    max: int | None = None
    peak: int | None = None
    oom_kills: int | None = None


class AgentWindow(_Part, frozen=True, kw_only=True):
    """The monitor itself over the window. `stolen_ratio`: of the workload's only core, where there is but one."""

    cpu_ratio: float | None = None
    rss_bytes: int | None = None
    spool_rows: int | None = None
    dropped: int | None = None
    bytes_written: int | None = None
    stolen_ratio: float | None = None


class Window(_Part, frozen=True, kw_only=True):
    """Everything about one stretch of time on one device.

    `site`, `device`, `stream` and `seq` are empty until the spool has numbered the window and the publisher sends it.
    """

    v: int
    site: str = ""
    device: str = ""
    boot_id: str
    stream: str = ""
    seq: int = 0
    meta_id: str = ""
    start: float
    end: float
    monotonic_end_seconds: float
    clock_synced: bool
    partial: bool = False
    historical: bool = False
    board: str
    simulated: bool = False
    source_root: str | None = None
    workloads: dict[str, WorkloadWindow]
    temperature_celsius: dict[str, Gauge] | None = None
    frequency_hertz: dict[str, Gauge] | None = None
    requested_frequency_hertz: dict[str, Gauge] | None = None
    power_watts: dict[str, Gauge] | None = None
    voltage_volts: dict[str, Gauge] | None = None
    current_amperes: dict[str, Gauge] | None = None
    load_ratio: dict[str, Gauge] | None = None
    fan_rpm: dict[str, Gauge] | None = None
    energy: Energy | None = None
    firmware: Firmware | None = None
    throttle: Throttle | None = None
    trip_celsius: dict[str, float] | None = None
    cooling_level: dict[str, float] | None = None
    over_current_total: dict[str, float] | None = None
    throttle_events_total: dict[str, float] | None = None
    power_mode: str | None = None
    governor: str | None = None
    memory_bytes: Memory | None = None
    cgroup_memory_bytes: Cgroup | None = None
    pressure_ratio: Pressure | None = None
    sensors: dict[str, SensorHealth]
    agent: AgentWindow | None = None


class Event(_Part, frozen=True, kw_only=True):
    """Something that happened at one moment."""

    v: int
    site: str = ""
    device: str = ""
    boot_id: str
    stream: str = ""
    seq: int = 0
    meta_id: str = ""
    kind: str
    ts: float
    monotonic_seconds: float
    clock_synced: bool
    workload: str | None = None
    sensor: str | None = None
    episode: str | None = None
    reason: str | None = None
    cause: str | None = None
    duration_seconds: float | None = None
    extra_latency_seconds: float | None = None
    late_inferences: int | None = None
    extra_joules: float | None = None
    count: int | None = None


class StreamRange(_Part, frozen=True, kw_only=True):
    """The first and last number of a stream that the spool still holds."""

    first: int
    last: int


class Status(_Part, frozen=True, kw_only=True):
    """The state of a device, retained. The broker publishes `lost` when the device does not say goodbye."""

    v: int
    state: str
    reasons: tuple[str, ...] | None = None
    streams: dict[str, StreamRange] | None = None
    ts: float | None = None


class WorkloadMeta(_Part, frozen=True, kw_only=True):
    """What a workload is, as it said itself once it was ready."""

    model: str
    model_sha256: str
    runtime: str
    threads: int
    cores: tuple[int, ...]
    nodes: int | None = None
    delegated_nodes: int | None = None
    delegates: tuple[str, ...] | None = None
    inputs: str
    input_count: int
    outputs_checked: bool
    period_seconds: float | None = None
    init_seconds: float
    first_inference_seconds: float
    warmup_count: int
    warmup_mean_seconds: float


class Meta(_Part, frozen=True, kw_only=True):
    """What a device is, retained; `meta_id` is the hash of all the rest."""

    v: int
    site: str
    device: str
    meta_id: str = ""
    identity: str
    version: str
    board: str
    simulated: bool = False
    os: str
    kernel: str
    machine: str
    python: str
    boot_id: str
    window_seconds: float
    workloads: dict[str, WorkloadMeta]
    sensors: tuple[str, ...]
    clock_synced: bool
    clock_offset_seconds: float | None = None


EVENT_KINDS: Final = {
    "sensor_lost": "A source that was read cannot be read any more; `sensor`, `reason`.",
    "sensor_back": "It can be read again; `sensor`, `duration_seconds` it was away.",
    "workload_lost": "A workload died or stopped answering and will be started again; `workload`, `reason`.",
    "workload_back": "It runs again; `workload`, `duration_seconds` it was away.",
    "wrong_output": "An output differs from the one recorded in warm-up for the same input; `workload`, `count`.",
    "clock_step": "The wall clock was set by more than a second; `duration_seconds` is the step.",
    "clock_synced": "The wall clock was synchronised for the first time in this boot.",
    "spool_overflow": "The spool reached its cap and the oldest rows went; `count`.",
    "config_reloaded": "The configuration was read again and is in force.",
    "config_rejected": "A changed configuration cannot be used; the old one stays in force; `reason`.",
}
