"""What LiteRT and tflite-runtime have in common: the same models, the same answers, the same refusals."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from agent.core.errors import Unusable
from agent.workload import inputs
from agent.workload import model as models

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from agent.runtimes.runtime import Session

    Load = Callable[..., Session]

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"
RUNNABLE = (
    "two_inputs",
    "two_alike",
    "open_shape",
    "open_batch",
    "int8",
    "uint8",
    "old_uint8",
    "bool_input",
    "half_input",
    "complex_input",
    "scalar_input",
    "string_input",
    "string_output",
    "no_input",
    "gather",
    "find",
    "random",
    "counter",
    "several_outputs",
)


def infer(session: Session, *arrays: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    session.feed(arrays)
    session.invoke()
    return session.fetch()


def floats(*values: float) -> NDArray[np.float32]:
    return np.array([values], dtype=np.float32)


# --- What a model takes -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("two_inputs", [("x", (1, 4), (1, 4), "float32"), ("n", (1, 2), (1, 2), "int32")]),
        ("open_shape", [("image", (1, 1, 3), (-1, -1, 3), "float32")]),
        ("open_batch", [("x", (1, 4), (-1, 4), "float32")]),
        ("bool_input", [("mask", (1, 4), (1, 4), "bool")]),
        ("half_input", [("x", (1, 4), (1, 4), "float16")]),
        ("complex_input", [("x", (1, 4), (1, 4), "complex64")]),
        ("scalar_input", [("x", (), (), "float32")]),
        ("no_input", []),
        ("gather", [("index", (1,), (1,), "int32")]),
    ],
)
def test_inputs_are_told_by_name_shape_signature_and_type(
    load: Load, model: str, expected: list[tuple[str, tuple[int, ...], tuple[int, ...], str]]
) -> None:
    session = load(model)
    assert [(tensor.name, tensor.shape, tensor.signature, str(tensor.dtype)) for tensor in session.inputs] == expected
    assert all(tensor.scale == 0 for tensor in session.inputs)


@pytest.mark.parametrize(
    ("model", "dtype", "scale", "zero_point"),
    [("int8", "int8", 2 / 255, -1), ("uint8", "uint8", 2 / 255, 127), ("old_uint8", "uint8", 1 / 128, 128)],
)
def test_quantised_inputs_are_told_with_their_scale_and_zero_point(
    load: Load, model: str, dtype: str, scale: float, zero_point: int
) -> None:
    (tensor,) = load(model).inputs
    assert str(tensor.dtype) == dtype
    assert tensor.scale == pytest.approx(scale, rel=1e-5)
    assert tensor.zero_point == zero_point


def test_string_inputs_are_told_as_such(load: Load) -> None:
    (tensor,) = load("string_input").inputs
    assert tensor.dtype.kind == "S"


# --- What a model answers ---------------------------------------------------------------------


def test_several_inputs_reach_the_input_they_are_meant_for(load: Load) -> None:
    session = load("two_inputs")
    (answer,) = infer(session, floats(1, 2, 3, 4), np.array([[1, 3]], dtype=np.int32))
    assert answer.tolist() == [[10, 30]]
    (answer,) = infer(load("two_alike"), floats(5, 5, 5, 5), floats(1, 2, 3, 4))
    assert answer.tolist() == [[4, 3, 2, 1]]


def test_several_outputs_come_each_in_its_own_type(load: Load) -> None:
    session = load("several_outputs")
    answers = {str(answer.dtype): answer.tolist() for answer in infer(session, floats(1, -2, 3, 4))}
    assert answers == {"int32": [3], "bool": [[True, False, True, True]], "float32": [6]}
    assert [str(tensor.dtype) for tensor in session.outputs] == list(answers)


@pytest.mark.parametrize(("model", "zero"), [("int8", -1), ("uint8", 127)])
def test_quantised_models_take_and_give_quantised_values(load: Load, model: str, zero: int) -> None:
    session = load(model)
    dtype = session.inputs[0].dtype
    # The output's step is twice the input's: a doubled value stands at the same number.
    given = np.array([[zero, zero + 10, zero - 20, zero + 50]], dtype=dtype)
    (answer,) = infer(session, given)
    assert answer.dtype == dtype
    assert np.abs(answer.astype(int) - given.astype(int)).max() <= 1


def test_models_of_before_2020_run_in_unsigned_8_bits(load: Load) -> None:
    given = np.arange(0, 256, 16, dtype=np.uint8).reshape(1, 2, 2, 4)
    (answer,) = infer(load("old_uint8"), given)
    assert np.abs(answer.astype(int) - given.astype(int)).max() <= 1


def test_truth_values_half_floats_and_complex_numbers_are_taken(load: Load) -> None:
    (answer,) = infer(load("bool_input"), np.array([[True, False, False, True]]))
    assert answer.tolist() == [[False, True, True, False]]
    (answer,) = infer(load("half_input"), np.array([[0.5, 1, -2, 3]], dtype=np.float16))
    assert answer.tolist() == [[1, 2, -4, 6]]
    (answer,) = infer(load("complex_input"), np.array([[3 + 4j, 0, -1, 1j]], dtype=np.complex64))
    assert answer.tolist() == [[5, 0, 1, 1]]


def test_an_input_without_dimensions_is_taken(load: Load) -> None:
    (answer,) = infer(load("scalar_input"), np.array(21, dtype=np.float32))
    assert answer.tolist() == 42


def test_words_are_taken_and_given_back(load: Load) -> None:
    (answer,) = infer(load("string_input"), np.array([[b"yes", b"maybe"]], dtype=object))
    assert answer.tolist() == [[True, False]]
    (answer,) = infer(load("string_output"), np.array([b"left", b"right"], dtype=object))
    assert answer.tolist() == [b"right", b"left"]


def test_open_dimensions_are_set_to_what_is_asked(load: Load) -> None:
    session = load("open_shape", [(2, 5, 3)])
    assert session.inputs[0].shape == (2, 5, 3)
    assert session.inputs[0].signature == (-1, -1, 3)
    image = np.arange(30, dtype=np.float32).reshape(2, 5, 3)
    (answer,) = infer(session, image)
    assert answer == pytest.approx(image.mean(axis=(0, 1)))
    session = load("open_batch", [(7, 4)])
    (answer,) = infer(session, np.ones((7, 4), dtype=np.float32))
    assert answer.tolist() == [[2] * 4] * 7
    assert session.outputs[0].shape == (7, 4)


def test_an_output_may_change_its_length_from_run_to_run(load: Load) -> None:
    session = load("find")
    for given, expected in (((1, 0, 0, 1), [[0], [3]]), ((0, 1, 0, 0), [[1]]), ((1, 1, 1, 1), [[0], [1], [2], [3]])):
        (answer,) = infer(session, np.array(given, dtype=np.float32))
        assert answer.tolist() == expected


def test_an_output_may_be_empty(load: Load) -> None:
    """As that of a detector is that sees nothing."""
    (answer,) = infer(load("find"), np.zeros(4, dtype=np.float32))
    assert answer.shape == (0, 1)
    assert answer.dtype == np.int64


def test_the_shape_of_an_output_may_be_an_input(load: Load) -> None:
    (answer,) = infer(load("reshape"), np.arange(4, dtype=np.float32), np.array([2, 2], dtype=np.int32))
    assert answer.tolist() == [[0, 1], [2, 3]]


def test_what_was_fetched_stays_as_it_was(load: Load) -> None:
    session = load("open_batch")
    (first,) = infer(session, floats(1, 1, 1, 1))
    infer(session, floats(2, 2, 2, 2))
    assert first.tolist() == [[2, 2, 2, 2]]


def test_a_model_without_inputs_runs(load: Load) -> None:
    (answer,) = infer(load("no_input"))
    assert answer.shape == (1, 4)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("model", RUNNABLE)
def test_random_inputs_fit_every_model_that_can_run(load: Load, model: str, threads: int) -> None:
    session = load(model, threads=threads)
    for item in inputs.items(None, session.inputs, seed=1):
        answers = infer(session, *item)
        assert [answer.ndim for answer in answers] == [len(tensor.shape) for tensor in session.outputs]


def test_random_and_stateful_models_answer_differently_each_time(load: Load) -> None:
    for model, item in (("random", [floats(0, 0, 0, 0)]), ("no_input", []), ("counter", [np.ones((1, 1), dtype=np.float32)])):
        session = load(model)
        first, second = (infer(session, *item)[0].tolist() for _ in range(2))
        assert first != second


def test_two_sessions_of_one_model_do_not_share_their_state(load: Load) -> None:
    one, other = load("counter"), load("counter")
    step = np.ones((1, 1), dtype=np.float32)
    infer(one, step)
    assert infer(one, step)[0].tolist() == [[2]]
    assert infer(other, step)[0].tolist() == [[1]]


# --- How much is delegated --------------------------------------------------------------------


def test_the_coverage_of_delegates_is_told(load: Load) -> None:
    session = load(models.locate("digits_int8"))
    assert session.nodes == 6
    assert session.delegated_nodes is not None
    assert 4 <= session.delegated_nodes <= 6
    assert session.delegates == ("xnnpack",)


@pytest.mark.parametrize("model", RUNNABLE)
def test_no_more_is_delegated_than_there_is(load: Load, model: str) -> None:
    session = load(model)
    assert session.nodes is not None
    assert session.delegated_nodes is not None
    assert 0 <= session.delegated_nodes <= session.nodes
    assert bool(session.delegates) == (session.delegated_nodes > 0)


def test_a_model_without_anything_to_delegate_names_no_delegate(load: Load) -> None:
    session = load("gather")
    assert (session.nodes, session.delegated_nodes, session.delegates) == (1, 0, ())


# --- What cannot run --------------------------------------------------------------------------


def test_a_select_tf_operator_is_refused_in_one_line_that_names_it(load: Load) -> None:
    with pytest.raises(Unusable) as caught:
        load("flex")
    message = str(caught.value)
    assert "flex.tflite" in message
    assert "FlexMatrixDeterminant" in message
    assert "Select TensorFlow" in message
    assert "\n" not in message
    assert len(message) < 250, "advice for Android programmers does not help here"


def test_a_custom_operator_is_refused_in_one_line_that_names_it(load: Load) -> None:
    with pytest.raises(Unusable) as caught:
        load("custom")
    message = str(caught.value)
    assert "custom.tflite" in message
    assert "NobodysOperator" in message
    assert "\n" not in message


@pytest.mark.parametrize("model", ["flex", "custom"])
def test_a_model_that_cannot_run_here_is_not_said_to_be_no_model(load: Load, model: str) -> None:
    with pytest.raises(Unusable, match="cannot run here"):
        load(model)


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\x00\x00\x00TFL3", b"this is a text file, not a model\n" * 10])
def test_a_file_that_is_no_model_is_refused_by_its_name(load: Load, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "no_model.tflite"
    path.write_bytes(content)
    with pytest.raises(Unusable, match=r"^no_model\.tflite cannot be loaded as a TensorFlow Lite model: .") as caught:
        load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", [b"left", b"Identity"], ids=["of an input", "of an output"])
def test_a_model_with_a_name_that_is_no_text_is_refused(load: Load, tmp_path: Path, name: bytes) -> None:
    content = (MODELS / "two_alike.tflite").read_bytes()
    assert name in content
    path = tmp_path / "odd.tflite"
    path.write_bytes(content.replace(name, b"\xff" + name[1:]))
    with pytest.raises(Unusable, match=r"odd\.tflite"):
        load(path)


def test_a_file_that_is_not_there_is_refused_by_its_name(load: Load, tmp_path: Path) -> None:
    for path in (tmp_path / "absent.tflite", tmp_path):
        with pytest.raises(Unusable, match=path.name):
            load(path)


def test_a_shape_that_the_model_does_not_take_is_refused(load: Load) -> None:
    for model, shape in (("int8", (2, 4)), ("open_batch", (1, 5)), ("open_shape", (2, 2, 4))):
        with pytest.raises(Unusable, match=rf"{model}\.tflite cannot run here: .") as caught:
            load(model, [shape])
        assert "\n" not in str(caught.value)


def test_an_index_beyond_the_table_fails_that_run_alone(load: Load) -> None:
    """What random integers stay below 2 for."""
    session = load("gather")
    with pytest.raises(RuntimeError, match="GATHER"):
        infer(session, np.array([5], dtype=np.int32))
    (answer,) = infer(session, np.array([1], dtype=np.int32))
    assert answer.tolist() == [[4, 5, 6, 7]]


def test_random_values_for_an_input_that_is_a_shape_fail_when_the_model_runs(load: Load) -> None:
    session = load("reshape")
    item = inputs.items(None, session.inputs, seed=0)[0]
    with pytest.raises(RuntimeError, match="RESHAPE"):
        infer(session, *item)


# --- External delegates (those that cannot even be made: tests/workload/test_child.py) ----------


def test_an_external_delegate_is_used_and_named(load: Load, delegate: Callable[[int], str]) -> None:
    library = delegate(0)
    session = load("int8", delegates=(library,))
    assert session.delegates == (library,)
    assert session.nodes == 1
    item = inputs.items(None, session.inputs, seed=0)[0]
    assert infer(session, *item)[0].shape == (1, 4)


def test_a_delegate_that_does_not_take_the_model_is_refused(load: Load, delegate: Callable[[int], str]) -> None:
    library = delegate(2)
    with pytest.raises(Unusable, match=r"int8\.tflite") as caught:
        load("int8", delegates=(library,))
    message = str(caught.value)
    assert library in message, "the model is blamed, but runs without the delegate"
    assert "\n" not in message


# --- The digits -------------------------------------------------------------------------------


def test_the_digits_are_told_apart(load: Load) -> None:
    archive = models.SHIPPED / "digits_int8.npz"
    recorded = inputs.read(str(archive))
    session = load(models.locate("digits_int8"))
    items = inputs.items(recorded, session.inputs, seed=0)
    with np.load(archive) as held_back:
        labels = held_back["labels"]
    answers = [int(infer(session, *item)[0].argmax()) for item in items]
    assert len(answers) == 200
    assert np.count_nonzero(answers == labels) >= 0.97 * len(labels)


def test_every_test_model_is_listed_with_its_sum() -> None:
    listed = (MODELS / "ORIGIN.md").read_text()
    files = sorted(MODELS.glob("*.tflite"))
    assert files
    for path in files:
        assert f"## {path.name}\n" in listed
        assert hashlib.sha256(path.read_bytes()).hexdigest() in listed
        assert path.stat().st_size < 20_000
    assert listed.count("\n## ") == len(files)
