"""The p50 that emberd records, over that of a loop in C."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from agent.workload import model as models
from agent.workload.plan import Plan, Ready

from . import figure
from .anchor import compile_library
from .launch import Comparing
from .settings import say
from .task import Outcome, Task

if TYPE_CHECKING:
    from pathlib import Path

    from .settings import Settings

BUDGET_RATIO: Final = 1.03
# Where a process's memory comes to lie moves both loops by more than the noise of one process, so several are asked.
PROCESSES: Final = 8
FEWEST_BLOCKS: Final = 40
SEGMENT_SECONDS: Final = 0.04
# The budget is for models that take at least this long; shorter ones are printed all the same.
SHORTEST_SECONDS: Final = 200e-6
_START_SECONDS: Final = 1.5
_WARMUP: Final = 50


def measure(settings: Settings) -> dict[str, object]:
    """Return a figure for each runtime and model."""
    library = compile_library(settings.folder)
    share = settings.seconds / max(len(settings.usable) * len(settings.models), 1)
    seconds = max(share / PROCESSES - _START_SECONDS, 0.0)
    figures: dict[str, object] = {
        f"{runtime} {models.title(model)}": _compare(settings, runtime, model, library, seconds)
        for runtime in settings.usable
        for model in settings.models
    }
    figures.update(dict.fromkeys(settings.missing, "not installed"))
    return {
        "how": (
            "blocks A B B A in one process on one core. A: the product's own loop; its service times are read back from the "
            "ring. B: the same number of calls from C, clock_gettime around each (tflite: Invoke of the same interpreter "
            "object; LiteRT: LiteRtRunCompiledModel of libLiteRt.so). A block's value is the p50 of its A over the p50 of its "
            "B; a_a is the same with A in both places. The blocks come from several processes, and the bootstrap draws both"
        ),
        "processes": PROCESSES,
        "figures": figures,
    }


def _compare(settings: Settings, runtime: str, model: Path, library: Path, seconds: float) -> figure.Figure:
    processes = []
    for index in range(PROCESSES):
        say(f"loop: {runtime} {model.name}, process {index + 1} of {PROCESSES}")
        ready, outcome = _run(settings, runtime, model, library, seconds, settings.seed + index)
        processes.append(outcome.blocks)
    p50_seconds = np.median(np.concatenate([blocks.first for blocks in processes])) / 1e9
    c_seconds = np.median(np.concatenate([blocks.second for blocks in processes])) / 1e9
    medians = [figure.tidy(np.median(np.divide(blocks.first, blocks.second))) for blocks in processes]
    return figure.of_ratio(
        figure.Frame(what="recorded p50 over a C loop", unit="ratio", budget=BUDGET_RATIO, seed=settings.seed),
        processes,
        {
            "runtime": ready.runtime,
            "recorded_p50_seconds": figure.tidy(p50_seconds),
            "c_p50_seconds": figure.tidy(c_seconds),
            "inferences_per_segment": outcome.segment_inferences,
            "median_of_each_process": medians,
            "budget_applies": bool(p50_seconds >= SHORTEST_SECONDS),
        },
    )


def _run(settings: Settings, runtime: str, model: Path, library: Path, seconds: float, seed: int) -> tuple[Ready, Outcome]:
    result = settings.folder / f"loop-{seed}.json"
    result.unlink(missing_ok=True)
    plan = Plan(
        name="default",
        title=models.title(model),
        model=str(model),
        runtime=runtime,
        delegates=(),
        threads=1,
        cores=(max(os.sched_getaffinity(0)),),
        period_seconds=None,
        inputs="random",
        warmup=_WARMUP,
        seed=seed,
    )
    task = Task(
        comparison="loop",
        result=str(result),
        seconds=seconds,
        fewest=FEWEST_BLOCKS // PROCESSES,
        noise_ratio=1.0,
        rounds=1,
        segment_seconds=SEGMENT_SECONDS,
        seed=seed,
        model=str(model),
        library=str(library),
    )
    process = Comparing.start(plan, task, settings.usable[runtime])
    try:
        answer = process.wait_answer()
        if not isinstance(answer, Ready):
            raise RuntimeError(  # noqa: TRY004 - what came is well-formed, but no good news
                f"{model.name} on {runtime}: {answer.reason if answer else task.last_words()}"
            )
        if process.process.wait():
            raise RuntimeError(f"{model.name} on {runtime}: {task.last_words()}")
    finally:
        process.kill()
    return answer, msgspec.json.decode(result.read_bytes(), type=Outcome)
