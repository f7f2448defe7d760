"""The runtimes to test: those that this environment has."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.runtimes import runtime as runtimes
from agent.workload import inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.runtimes.runtime import Runtime, Session

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"


@pytest.fixture(params=[name for name in runtimes.AUTO_ORDER if runtimes.find(name)])
def runtime(request: pytest.FixtureRequest) -> Runtime:
    """Return each runtime that is installed, in turn; `test_runtime.py` says which is not."""
    found = runtimes.find(request.param)
    assert found is not None
    return found


@pytest.fixture
def load(runtime: Runtime) -> Callable[..., Session]:
    """Return the function that loads a model of the tests by its name, or a file by its path.

    Each input gets the model's own shape, or the one that is given for it.
    """

    def load(
        model: str | Path, shapes: Sequence[tuple[int, ...]] | None = None, *, threads: int = 1, delegates: tuple[str, ...] = ()
    ) -> Session:
        return runtime.load(
            runtimes.Request(
                model=MODELS / f"{model}.tflite" if isinstance(model, str) else model,
                threads=threads,
                delegates=delegates,
                shapes=lambda tensors: inputs.shapes(None, tensors) if shapes is None else shapes,
            )
        )

    return load


@pytest.fixture
def delegate(tmp_path: Path) -> Callable[[int], str]:
    """Return the function that makes an external delegate of one of the behaviours in `delegate.c`; skips without a compiler."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("EXTERNAL DELEGATES ARE NOT TESTED: there is no C compiler (cc)")

    def make(behaviour: int) -> str:
        library = tmp_path / f"delegate_{behaviour}.so"
        source = Path(__file__).with_name("delegate.c")
        subprocess.run([compiler, "-shared", "-fPIC", f"-DBEHAVIOUR={behaviour}", "-o", library, source], check=True)
        return str(library)

    return make
