"""What tflite-runtime alone does: XNNPACK for 8-bit models, which its wheel contains and does not apply."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agent.core.errors import Unusable
from agent.runtimes import tflite
from agent.runtimes.runtime import Request
from agent.workload import inputs
from agent.workload import model as models

if TYPE_CHECKING:
    from agent.runtimes.runtime import Session

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"

here = pytest.mark.skipif(tflite.find() is None, reason="TFLITE IS NOT TESTED HERE: tflite-runtime is not installed")


def load(model: Path, threads: int = 1) -> Session:
    return tflite.Tflite().load(
        Request(model=model, threads=threads, delegates=(), shapes=lambda tensors: [tensor.shape for tensor in tensors])
    )


def test_it_is_found_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name == "tflite_runtime" else None)
    assert isinstance(tflite.find(), tflite.Tflite)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert tflite.find() is None


def test_it_calls_itself_by_its_packages_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", {"tflite-runtime": "2.14.0"}.__getitem__)
    assert tflite.Tflite().version() == "tflite 2.14.0"


def test_a_package_that_does_not_load_is_told_from_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tflite_runtime", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(Unusable, match="tflite is installed but does not load: "):
        load(MODELS / "int8.tflite")


def test_numpy_2_is_named_as_what_is_in_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """The 2.14 wheel was built against numpy 1. Beside numpy 2 it imports, and fails inside its first call with a SystemError."""

    class Interpreter:
        def __init__(self, **_: Any) -> None:
            raise SystemError("<built-in method CreateWrapperFromFile of PyCapsule object> returned a result with an exception set")

    fake = SimpleNamespace(Interpreter=Interpreter, load_delegate=None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", SimpleNamespace(interpreter=fake))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", fake)
    monkeypatch.setattr(importlib.metadata, "version", {"tflite-runtime": "2.13.0", "numpy": "2.4.6"}.__getitem__)
    monkeypatch.setattr(np, "__version__", "2.4.6")
    with pytest.raises(Unusable, match="numpy"):
        load(MODELS / "int8.tflite")


@here
@pytest.mark.parametrize("model", [models.locate("digits_int8"), MODELS / "old_uint8.tflite"], ids=["signed", "unsigned"])
def test_8_bit_models_are_delegated_in_both_ways_of_quantising(model: Path) -> None:
    session = load(model)
    assert session.delegated_nodes is not None
    assert session.delegated_nodes > 0
    assert session.delegates == ("xnnpack",)


@here
def test_another_version_of_the_wheel_runs_without_the_addition(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.13.0")
    session = load(models.locate("digits_int8"))
    assert session.delegated_nodes == 0
    assert session.delegates == ()


@here
def test_the_addition_changes_answers_by_no_more_than_rounding(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = inputs.read(str(models.SHIPPED / "digits_int8.npz"))
    delegated = load(models.locate("digits_int8"))
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "2.13.0")
    plain = load(models.locate("digits_int8"))
    for item in inputs.items(recorded, plain.inputs, seed=0)[:50]:
        answers = []
        for session in (delegated, plain):
            session.feed(item)
            session.invoke()
            answers.append(session.fetch()[0].astype(int))
        assert answers[0].argmax() == answers[1].argmax()
        assert np.abs(answers[0] - answers[1]).max() <= 16


@here
def test_a_delegate_outlives_its_session_and_ends_with_it() -> None:
    """An interpreter that is taken down after its delegate would crash this process."""
    for _ in range(20):
        session = load(models.locate("digits_int8"), threads=2)
        session.feed(inputs.items(None, session.inputs, seed=0)[0])
        session.invoke()
        del session
