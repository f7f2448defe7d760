"""From the start of the command to the first inference that is measured, less loading and warming the model up."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from agent.core.message import Window
from agent.workload.plan import Ready

from . import figure
from .settings import environment, say

if TYPE_CHECKING:
    from .settings import Settings

BUDGET_SECONDS: Final = 2.0
FEWEST: Final = 10
MOST: Final = 40
# The run itself, and the start that it is about.
_EACH_SECONDS: Final = 3.0
_MOST_SECONDS: Final = 60.0


def measure(settings: Settings) -> dict[str, object]:
    """Start emberd many times."""
    count = min(max(int(settings.seconds / _EACH_SECONDS), FEWEST), MOST)
    beyond, total, model = [], [], []
    for index in range(count):
        say(f"start: {index + 1} of {count}")
        whole, own = _once(settings, index)
        total.append(whole)
        model.append(own)
        beyond.append(whole - own)
    seen = figure.of_values(
        figure.Frame(
            what="command start to first record, beyond model load and warm-up",
            unit="second",
            budget=BUDGET_SECONDS,
            seed=settings.seed,
        ),
        beyond,
        {
            "max_seconds": figure.tidy(max(beyond)),
            "max_met": max(beyond) <= BUDGET_SECONDS,
            "total_median_seconds": figure.tidy(float(np.median(total))),
            "load_and_warm_up_median_seconds": figure.tidy(float(np.median(model))),
        },
    )
    return {
        "how": (
            "from just before the process is spawned to the start of the first window, which is the start of the first measured "
            "inference, both on CLOCK_MONOTONIC; less what the workload of the same start says its loading, first inference and "
            "warm-up took. The command is `emberd run` with its default model; the files are in the page cache. a_a: what one "
            "start and the next differ by"
        ),
        "figures": {"default": seen},
    }


def _once(settings: Settings, index: int) -> tuple[float, float]:
    """Return how long one start took, and how much of it was loading and warming up, in seconds."""
    said = settings.folder / f"start-{index}.json"
    command = ["-m", "_benchmark.told", str(said), "run", "--json", "--duration", "1s", "--window", "1s"]
    begin = time.monotonic()
    done = subprocess.run(
        [sys.executable, *command],
        check=False,
        capture_output=True,
        timeout=_MOST_SECONDS,
        cwd=settings.folder,
        env=environment(EMBERD_CONFIG=settings.defaults, EMBERD_SPOOL__PATH=str(settings.folder / "start-spool")),
    )
    if done.returncode or not done.stdout:
        raise RuntimeError(f"emberd run ended with {done.returncode}: {done.stderr.decode().strip()}")
    window = msgspec.json.decode(done.stdout.splitlines()[0], type=Window)
    ready = msgspec.json.decode(said.read_bytes(), type=Ready)
    first = window.monotonic_end_seconds - (window.end - window.start)
    own = ready.init_seconds + ready.first_inference_seconds + ready.warmup_count * ready.warmup_mean_seconds
    return first - begin, own
