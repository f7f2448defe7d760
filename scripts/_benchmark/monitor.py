"""What the monitor process costs: time on a core, and memory."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import msgspec

from agent.core.message import Window

from . import figure
from .settings import environment, say

if TYPE_CHECKING:
    from .settings import Settings

BUDGET_RATIO: Final = 0.005
BUDGET_BYTES: Final = 50_000_000
WINDOW_SECONDS: Final = 10.0
# Starting up, and the first window, in which sensors look around.
_START_SECONDS: Final = 15.0
_FEWEST_SLICES: Final = 4
_END_SECONDS: Final = 15.0
_NOTE: Final = (
    "with the sources of this machine only. The budget is for a simulated Pi 5, an INA226 at 10 Hz and tegrastats at 1 Hz, and "
    "the memory's for an hour with TLS: those sources are not in this figure"
)


def measure(settings: Settings) -> dict[str, object]:
    """Run emberd and watch its monitor from outside."""
    count = max(int((settings.seconds - _START_SECONDS) / WINDOW_SECONDS), _FEWEST_SLICES)
    say(f"monitor: {count} windows of {WINDOW_SECONDS:.0f} s")
    model = settings.models[0]
    process = subprocess.Popen(
        [sys.executable, "-m", "agent.commands.main", "run", "--json", "--window", f"{WINDOW_SECONDS:.0f}s"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=settings.folder,
        env=environment(
            EMBERD_CONFIG=settings.defaults,
            EMBERD_SPOOL__PATH=str(settings.folder / "monitor-spool"),
            EMBERD_WORKLOAD__0__MODEL=str(model),
        ),
    )
    windows: list[Window] = []
    threading.Thread(target=_read, args=(process.stdout, windows), daemon=True).start()
    try:
        time.sleep(_START_SECONDS)
        seen = len(windows)
        early = _resident(process.pid)
        moments = [_Moment(process.pid)]
        for _ in range(count):
            time.sleep(WINDOW_SECONDS)
            moments.append(_Moment(process.pid))
        memory = _resident(process.pid)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_SECONDS)
        process.kill()
    shares = [
        (after.cpu_seconds - before.cpu_seconds) / (after.at_seconds - before.at_seconds)
        for before, after in itertools.pairwise(moments)
    ]
    whole = moments[-1].at_seconds - moments[0].at_seconds
    ticks = (moments[-1].tick_seconds - moments[0].tick_seconds) / whole
    kept = windows[seen : seen + count]
    cpu = figure.of_values(
        figure.Frame(what="CPU time of the monitor as a share of one core", unit="ratio", budget=BUDGET_RATIO, seed=settings.seed),
        shares,
        {
            "mean_by_utime_and_stime": figure.tidy(ticks),
            "seconds_watched": figure.tidy(whole),
            "model": model.name,
            "sensors": _sensors(kept),
        },
    )
    return {
        "how": (
            "`emberd run --json` with 10 s windows; the monitor's threads are read from /proc/PID/task/*/schedstat every 10 s, "
            "start-up excluded. a_a: what one slice of 10 s and the next differ by"
        ),
        "note": _NOTE,
        "figures": {
            "cpu": cpu,
            "memory": {
                "what": "resident memory of the monitor",
                "unit": "byte",
                "value": memory["VmRSS"],
                "budget": BUDGET_BYTES,
                "met": memory["VmRSS"] <= BUDGET_BYTES,
                "details": {"at_begin": early, "at_end": memory},
            },
        },
    }


class _Moment:
    """What a process had used at a moment, in seconds: exactly by its threads, and by the kernel's own sum."""

    def __init__(self, process: int) -> None:
        folder = Path(f"/proc/{process}")
        self.cpu_seconds = sum(_thread_nanoseconds(task) for task in (folder / "task").iterdir()) / 1e9
        words = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        self.tick_seconds = (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
        self.at_seconds = time.monotonic()


def _thread_nanoseconds(task: Path) -> int:
    with contextlib.suppress(OSError):
        return int((task / "schedstat").read_text(encoding="ascii").split()[0])
    return 0


def _resident(process: int) -> dict[str, int]:
    """Return a process's resident memory in bytes, by kind: proc_pid_status(5)."""
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return {key: 1024 * int(amount) for key, amount in re.findall(r"^(Vm(?:RSS|HWM)|Rss\w+):\s+(\d+) kB", text, re.MULTILINE)}


def _read(stream: IO[bytes] | None, windows: list[Window]) -> None:
    for line in stream or ():
        windows.append(msgspec.json.decode(line, type=Window))  # noqa: PERF401 - others look at the list meanwhile


def _sensors(windows: list[Window]) -> dict[str, dict[str, float]]:
    """Return what each sensor's readings cost, by its own account in the windows."""
    seconds = sum(window.end - window.start for window in windows) or 1.0
    names = sorted({name for window in windows for name in window.sensors})
    found = {}
    for name in names:
        own = [window.sensors[name] for window in windows if name in window.sensors]
        reads = sum(health.reads for health in own)
        cpu = sum(health.cpu_seconds or 0.0 for health in own)
        found[name] = {
            "reads": reads,
            "cpu_seconds": figure.tidy(cpu),
            "cpu_seconds_per_read": figure.tidy(cpu / reads if reads else 0.0),
            "core_ratio": figure.tidy(cpu / seconds),
        }
    return found
