"""Real workload processes, all ended when the test ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from agent.engine.process import ChildProcess
from agent.runtimes import runtime as runtimes
from agent.workload import model as models
from agent.workload.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TESTS = Path(__file__).resolve().parents[1]


@pytest.fixture(params=[name for name in runtimes.AUTO_ORDER if runtimes.find(name)])
def runtime(request: pytest.FixtureRequest) -> str:
    """Return the name of each runtime that is installed, in turn; `tests/runtimes/test_runtime.py` says which is not."""
    return str(request.param)


@pytest.fixture
def plan() -> Callable[..., Plan]:
    """Return the function that makes a plan: the digits, back to back, on one core, unless told otherwise.

    A model is named as it is shipped, or as it stands among those of the tests, or given by its path.
    """

    def make(model: str | Path = "digits_int8", **changes: Any) -> Plan:
        if isinstance(model, str):
            model = TESTS / "fixtures" / "models" / f"{model}.tflite" if model not in models.shipped() else models.locate(model)
        values: dict[str, Any] = {
            "name": "default",
            "title": model.stem,
            "model": str(model),
            "runtime": "auto",
            "delegates": (),
            "threads": 1,
            "cores": tuple(sorted(os.sched_getaffinity(0)))[:1],
            "period_seconds": None,
            "inputs": "random",
            "warmup": 10,
        }
        return Plan(**{**values, **changes})

    return make


@pytest.fixture
def start(plan: Callable[..., Plan]) -> Iterator[Callable[..., ChildProcess]]:
    """Return the function that starts a workload process for such a plan."""
    started: list[ChildProcess] = []

    def begin(model: str | Path = "digits_int8", **changes: Any) -> ChildProcess:
        life = ChildProcess.start(plan(model, **changes), os.environ)
        started.append(life)
        return life

    yield begin
    for life in started:
        life.kill()


@pytest.fixture
def delegate(tmp_path: Path) -> Callable[[int], str]:
    """Return the function that makes an external delegate, see `tests/runtimes/delegate.c`; skips without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("EXTERNAL DELEGATES ARE NOT TESTED: there is no C compiler (cc)")

    def make(behaviour: int) -> str:
        library = tmp_path / f"delegate_{behaviour}.so"
        source = TESTS / "runtimes" / "delegate.c"
        subprocess.run([compiler, "-shared", "-fPIC", f"-DBEHAVIOUR={behaviour}", "-o", library, source], check=True)
        return str(library)

    return make


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    """Return the function that asks until it gets an answer, and fails after a time that is long for a machine under load."""

    def ask(question: Callable[[], Any], seconds: float = 30.0) -> Any:
        deadline = time.monotonic() + seconds
        while not (answer := question()):
            assert time.monotonic() < deadline, f"not within {seconds:g} s"
            time.sleep(0.005)
        return answer

    return ask
