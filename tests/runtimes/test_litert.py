"""What LiteRT alone does."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core.errors import Unusable
from agent.runtimes import litert
from agent.runtimes.runtime import Request
from agent.workload import inputs
from agent.workload import model as models

if TYPE_CHECKING:
    from agent.runtimes.runtime import Session

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"
HELD_BACK = models.SHIPPED / "digits_int8.npz"

here = pytest.mark.skipif(litert.find() is None, reason="LITERT IS NOT TESTED HERE: ai-edge-litert is not installed")


def load(model: Path) -> Session:
    return litert.Litert().load(
        Request(model=model, threads=1, delegates=(), shapes=lambda tensors: [tensor.shape for tensor in tensors])
    )


def test_it_is_found_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object() if name == "ai_edge_litert" else None)
    assert isinstance(litert.find(), litert.Litert)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert litert.find() is None


def test_it_calls_itself_by_its_packages_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", {"ai-edge-litert": "2.3.0"}.__getitem__)
    assert litert.Litert().version() == "litert 2.3.0"


def test_a_package_that_does_not_load_is_told_from_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert", None)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(Unusable, match="litert is installed but does not load: "):
        load(MODELS / "int8.tflite")


@here
@pytest.mark.parametrize("model", ["int8", "uint8", "old_uint8", "half_input", "open_shape"])
def test_quantised_and_float_models_are_delegated_without_being_asked_for(model: str) -> None:
    session = load(MODELS / f"{model}.tflite")
    assert session.delegated_nodes is not None
    assert session.delegated_nodes > 0
    assert session.delegates == ("xnnpack",)


@here
def test_nearly_all_of_the_shipped_timing_model_is_delegated() -> None:
    """All but the softmax, as things are; another version may take that too, or leave one more."""
    session = load(models.locate("mobilenet_v2_int8"))
    assert session.nodes == 65
    assert session.delegated_nodes is not None
    assert 60 <= session.delegated_nodes <= 65


class Digits:
    """The digits model and the images held back for it, loaded once."""

    def __init__(self) -> None:
        self.session = load(models.locate("digits_int8"))
        self.items = inputs.items(inputs.read(str(HELD_BACK)), self.session.inputs, seed=0)
        with np.load(HELD_BACK) as archive:
            self.labels = [int(label) for label in archive["labels"]]
        self.alone = [self.answer(index) for index in range(len(self.items))]

    def answer(self, index: int) -> bytes:
        self.session.feed(self.items[index])
        self.session.invoke()
        return self.session.fetch()[0].tobytes()

    def digit(self, index: int) -> int:
        return int(np.frombuffer(self.alone[index], dtype=np.int8).argmax())


@pytest.fixture(scope="module")
def digits() -> Digits:
    return Digits()


@here
@settings(max_examples=60, deadline=None)
@given(order=st.lists(st.integers(0, 199), min_size=1, max_size=40))
def test_an_image_gets_the_same_answer_to_the_bit_whatever_came_before_it(digits: Digits, order: list[int]) -> None:
    assert [digits.answer(index) for index in order] == [digits.alone[index] for index in order]


@here
@settings(max_examples=60, deadline=None)
@given(chosen=st.sets(st.integers(0, 199), min_size=100))
def test_of_any_hundred_images_nearly_all_are_told_by_their_label(digits: Digits, chosen: set[int]) -> None:
    """197 of the 200 are right, so any hundred hold at most three that are not."""
    wrong = [index for index in chosen if digits.digit(index) != digits.labels[index]]
    assert len(wrong) <= 3
