"""One line per window, for a terminal that has nothing better."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from agent.core.message import Event, Window

if TYPE_CHECKING:
    from agent.core.message import Gauge, WorkloadWindow


def line(record: Window | Event) -> str:
    """Return a window or an event in words."""
    if isinstance(record, Event):
        what = " ".join(word for word in (record.kind, record.workload or record.sensor, record.reason) if word)
        return f"{_clock(record.ts)}  {what}"
    parts = [_work(name, work) for name, work in record.workloads.items()]
    hottest = _largest(record.temperature_celsius)
    if hottest:
        parts.append(f"{hottest[1].last:.1f} °C {hottest[0]}")
    clocks = _largest(record.frequency_hertz or record.requested_frequency_hertz)
    if clocks:
        parts.append(f"{clocks[1].last / 1e6:.0f} MHz")
    if record.load_ratio and "cpu.total" in record.load_ratio:
        parts.append(f"load {record.load_ratio['cpu.total'].mean:.0%}")
    if record.memory_bytes and record.memory_bytes.available is not None:
        parts.append(f"{record.memory_bytes.available / 1e6:.0f} MB free")
    return f"{_clock(record.end)}  " + "  ".join(parts) + ("  (partial)" if record.partial else "")


def _work(name: str, work: WorkloadWindow) -> str:
    if work.latency_seconds is None:
        return f"{name}: no inference"
    latency = work.latency_seconds
    tail = f" p99 {_duration(latency.p99)}" if latency.p99 is not None else f" max {_duration(latency.max)}"
    rest = "".join(
        f"  {count} {what}"
        for count, what in ((work.errors, "errors"), (work.wrong_outputs, "WRONG"), (work.lost_records, "lost"))
        if count
    )
    memory = f"  {work.rss_bytes / 1e6:.0f} MB" if work.rss_bytes else ""
    return f"{name}: {work.throughput_hertz:.1f}/s  p50 {_duration(latency.p50)}{tail}{memory}{rest}"


def _duration(seconds: float) -> str:
    for size, unit in ((1.0, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{seconds / size:.2f} {unit}"
    return f"{seconds * 1e6:.1f} us"


def _largest(gauges: dict[str, Gauge] | None) -> tuple[str, Gauge] | None:
    return max(gauges.items(), key=lambda pair: pair[1].last) if gauges else None


def _clock(wall_seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(wall_seconds))
