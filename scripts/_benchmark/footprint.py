"""`python -m _benchmark.footprint RUNTIME MODEL`: the memory of emberd's workload process over that of a bare loop.

A program of its own, since the product starts workloads under the Python that it runs under itself.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from agent.core.ring import HEADER_BYTES, SLOT_BYTES, WORD_CAPACITY
from agent.engine.process import ChildProcess
from agent.workload import model as models
from agent.workload.plan import Plan, Ready

from . import bare, figure
from .settings import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .settings import Settings

BUDGET_BYTES: Final = 5_000_000
PAIRS: Final = 4
# What both have when they have settled.
SETTLE_SECONDS: Final = 2.5
SECONDS: Final = PAIRS * (SETTLE_SECONDS + 1.5)
_READY_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_PARTS: Final = {"rss": "VmRSS", "anonymous": "RssAnon", "file": "RssFile", "shared": "RssShmem"}
_PACKAGES: Final = {"litert": "ai_edge_litert", "tflite": "tflite_runtime"}


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The memory of emberd's workload and of a bare loop in bytes, by kind, and what the ring has when it is full."""

    workload: dict[str, int]
    bare: dict[str, int]
    ring_bytes: int

    @property
    def extra_bytes(self) -> int:
        """What emberd's has more. The ring fills in 30 s: what is not there yet will be."""
        missing = max(self.ring_bytes - self.workload["shared"], 0)
        return self.workload["rss"] + missing - self.bare["rss"]


def measure(settings: Settings, runtime: str, model: Path) -> figure.Figure:
    """Return the figure, measured under the interpreter that has the runtime."""
    done = subprocess.run(
        [settings.usable[runtime], "-m", "_benchmark.footprint", runtime, str(model)],
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"footprint of {model.name} on {runtime}: {done.stderr.strip().splitlines()[-1:]}")
    pairs = msgspec.json.decode(done.stdout, type=list[Pair])
    return figure.of_values(
        figure.Frame(
            what="resident memory of the workload process, ring full, less that of a bare loop over the same model; a pair of "
            "fresh processes makes a block",
            unit="byte",
            budget=BUDGET_BYTES,
            seed=settings.seed,
        ),
        [pair.extra_bytes for pair in pairs],
        {
            "workload_bytes": {kind: int(np.median([pair.workload[kind] for pair in pairs])) for kind in _PARTS},
            "bare_bytes": {kind: int(np.median([pair.bare[kind] for pair in pairs])) for kind in _PARTS},
            "ring_bytes": pairs[0].ring_bytes,
        },
    )


def compare(runtime: str, model: Path) -> list[Pair]:
    """Run one of each side by side until they have settled, several times."""
    pairs = []
    for _ in range(PAIRS):
        with _bare(runtime, model) as process:
            life = ChildProcess.start(_plan(runtime, model), environment())
            try:
                _wait_ready(life)
                time.sleep(SETTLE_SECONDS)
                ring_bytes = HEADER_BYTES + SLOT_BYTES * _slots(life)
                pairs.append(Pair(workload=_memory(life.pid), bare=_memory(process.pid), ring_bytes=ring_bytes))
            finally:
                life.kill()
    return pairs


@contextlib.contextmanager
def _bare(runtime: str, model: Path) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-I", bare.__file__, str(model), _PACKAGES[runtime]],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _plan(runtime: str, model: Path) -> Plan:
    return Plan(
        name="default",
        title=models.title(model),
        model=str(model),
        runtime=runtime,
        delegates=(),
        threads=1,
        cores=(max(os.sched_getaffinity(0)),),
        period_seconds=None,
        inputs="random",
        warmup=50,
    )


def _wait_ready(life: ChildProcess) -> None:
    until = time.monotonic() + _READY_SECONDS
    while not isinstance(answer := life.answer(), Ready):
        ended = life.ended()
        if answer or ended or time.monotonic() > until:
            raise RuntimeError(f"the workload is not ready: {answer or ended}")
        time.sleep(_POLL_SECONDS)


def _slots(life: ChildProcess) -> int:
    return int(life.reader._words[WORD_CAPACITY])  # noqa: SLF001 - nobody else asks for it


def _memory(process: int) -> dict[str, int]:
    """Return the resident memory of a process by kind: proc_pid_status(5)."""
    text = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = {kind: re.search(rf"{key}:\s+(\d+) kB", text) for kind, key in _PARTS.items()}
    return {kind: 1024 * int(match[1]) if match else 0 for kind, match in found.items()}


if __name__ == "__main__":
    sys.stdout.write(msgspec.json.encode(compare(sys.argv[1], Path(sys.argv[2]))).decode())
