"""Time per inference with everything on, over a loop that does nothing but infer; and the memory that emberd's process takes."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from agent.workload import model as models

from . import figure, footprint
from .settings import environment, say
from .task import Outcome, Task

if TYPE_CHECKING:
    from pathlib import Path

    from .settings import Settings

BUDGET_RATIO: Final = 1.02
FEWEST_BLOCKS: Final = 40
# Short segments, so that a machine that changes its speed changes both sides; many of them in a block, so that the monitor, which
# looks at the ring every 0.5 s, works in each block.
SEGMENT_SECONDS: Final = 0.1
ROUNDS: Final = 4
_START_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.2
# A slow board takes longer than it was given: the fewest blocks are made all the same.
_PATIENCE_SECONDS: Final = 1200.0
_WINDOW: Final = '"10 s"'


def measure(settings: Settings) -> dict[str, object]:
    """Return both figures for each runtime and model."""
    pairs = [(runtime, model) for runtime in settings.usable for model in settings.models]
    share = settings.seconds / max(len(pairs), 1)
    seconds = max(share - _START_SECONDS - footprint.SECONDS, 0.0)
    figures: dict[str, object] = {
        f"{runtime} {models.title(model)}": {
            "time": _compare(settings, runtime, model, seconds),
            "memory": footprint.measure(settings, runtime, model),
        }
        for runtime, model in pairs
    }
    figures.update(dict.fromkeys(settings.missing, "not installed"))
    return {
        "how": (
            "blocks of four times A B B A in one workload process on its core, over one interpreter object. A: the product's own "
            "loop (four clock reads, ring record, output checks) while the product's monitor (engine, every sensor, spool) runs in "
            "a second process on another core, reading the ring. B: set_tensor, invoke, get_tensor in a plain loop while the "
            "monitor is stopped by SIGSTOP. A block's value is the time that inferences took in its A over that in its B; a_a has "
            "A in both places. A pays besides for a counter that ends the segment, for a check of an output at each segment's "
            "begin instead of one a second, and for what the monitor catches up on when it is continued"
        ),
        "figures": figures,
    }


def _compare(settings: Settings, runtime: str, model: Path, seconds: float) -> figure.Figure:
    say(f"observer: {runtime} {model.name}")
    result = settings.folder / "observer.json"
    result.unlink(missing_ok=True)
    task = Task(
        comparison="observer",
        result=str(result),
        seconds=seconds,
        fewest=FEWEST_BLOCKS,
        noise_ratio=0.5,
        rounds=ROUNDS,
        segment_seconds=SEGMENT_SECONDS,
        seed=settings.seed,
        model=str(model),
    )
    monitor = _start(settings, runtime, task)
    try:
        _wait_for(result, monitor, _PATIENCE_SECONDS + 2.0 * seconds)
    except RuntimeError as error:
        raise RuntimeError(f"{error}: {task.last_words()}") from None
    finally:
        _end(monitor)
    outcome = msgspec.json.decode(result.read_bytes(), type=Outcome)
    return figure.of_ratio(
        figure.Frame(
            what="time per inference, everything on, over the bare loop", unit="ratio", budget=BUDGET_RATIO, seed=settings.seed
        ),
        [outcome.blocks],
        {
            "observed_seconds": figure.tidy(np.median(outcome.blocks.first) / 1e9),
            "bare_seconds": figure.tidy(np.median(outcome.blocks.second) / 1e9),
            "inferences_per_segment": outcome.segment_inferences,
        },
    )


def _start(settings: Settings, runtime: str, task: Task) -> subprocess.Popen[bytes]:
    with task.errors.open("wb") as errors:
        return subprocess.Popen(
            [settings.usable[runtime], "-m", "_benchmark.monitored", msgspec.json.encode(task).decode()],
            stdin=subprocess.DEVNULL,
            stderr=errors,
            env=environment(
                EMBERD_SPOOL__PATH=str(settings.folder / "observer-spool"),
                EMBERD_WINDOW__LENGTH=_WINDOW,
                EMBERD_WORKLOAD__0__MODEL=task.model,
                EMBERD_WORKLOAD__0__RUNTIME=runtime,
            ),
        )


def _wait_for(result: Path, monitor: subprocess.Popen[bytes], most_seconds: float) -> None:
    until = time.monotonic() + most_seconds
    while not result.exists():
        if monitor.poll() is not None:
            raise RuntimeError(f"the monitor ended with {monitor.returncode}")
        if time.monotonic() > until:
            raise RuntimeError(f"no result after {most_seconds:.0f} s")
        time.sleep(_POLL_SECONDS)


def _end(monitor: subprocess.Popen[bytes]) -> None:
    monitor.send_signal(signal.SIGCONT)
    monitor.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        monitor.wait(10.0)
    monitor.kill()
    monitor.wait()
