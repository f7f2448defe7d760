"""Builds the tiny models of the tests, and the list of them.

Run through ``scripts/make_test_models``, which provides the pinned packages. Everything is made
in a temporary directory and moved to the output directory only when all of it is there.

What TensorFlow's converter makes is made by it, as a user's model would be. What it refuses to
make (operators that nobody has, 8-bit models in the old unsigned way) is written with the
flatbuffer schema instead.
"""

from __future__ import annotations

import os

# TensorFlow reads these when it is imported.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import argparse
import contextlib
import hashlib
import io
import logging
import shutil
import sys
import tempfile
import textwrap
import warnings
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MOST_BYTES = 20_000
TYPE_NAMES = {value: name.lower() for name, value in vars(schema.TensorType).items() if not name.startswith("_")}
OPERATOR_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
SCHEMA_VERSION = 3

# Two rows of four: the only indexes into it are 0 and 1.
TABLE = np.arange(8, dtype=np.float32).reshape(2, 4)
# Each of the four classes sees one of the inputs, doubled; exact in 8 bits.
DENSE = 2.0 * np.eye(4, dtype=np.float32)


@dataclass(frozen=True)
class Model:
    """One file to be made.

    Attributes:
        name: its name without the suffix.
        purpose: what the tests use it for, for the list.
        make: returns the file's content.
    """

    name: str
    purpose: str
    make: Callable[[], bytes]


def progress(text: str) -> None:
    """Writes a progress line to stderr."""
    print(f"make_test_models: {text}", file=sys.stderr, flush=True)


# --- Made by the converter --------------------------------------------------------------------


def convert(
    function: Callable[..., object],
    *inputs: tf.TensorSpec,
    owner: tf.Module | None = None,
    adjust: Callable[[Any], None] | None = None,
) -> bytes:
    """Converts a function to a TFLite file.

    Args:
        function: What the model computes.
        inputs: One named specification for each of its arguments.
        owner: Holds the variables that the function uses.
        adjust: Is shown the converter before it converts.

    Returns:
        The TFLite file.
    """
    logging.getLogger("absl").setLevel(logging.ERROR)  # each time: a conversion sets it back
    concrete = tf.function(function, input_signature=inputs, autograph=False).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], owner)
    if adjust is not None:
        adjust(converter)
    with contextlib.redirect_stdout(io.StringIO()):
        return bytes(converter.convert())


def quantised(kind: tf.DType) -> Callable[[Any], None]:
    """Returns the adjustment that makes a model int8 inside, with inputs and outputs of a type."""

    def samples() -> Iterator[list[npt.NDArray[np.float32]]]:
        for value in np.linspace(-1.0, 1.0, 16, dtype=np.float32):
            yield [np.full((1, 4), value, dtype=np.float32)]

    def adjust(converter: Any) -> None:  # noqa: ANN401 - TensorFlow has no types
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = samples
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = kind
        converter.inference_output_type = kind

    return adjust


def allow_select(converter: Any) -> None:  # noqa: ANN401 - TensorFlow has no types
    """Lets a converter fall back on operators of TensorFlow itself."""
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]


def allow_variables(converter: Any) -> None:  # noqa: ANN401 - TensorFlow has no types
    """Lets a converter keep variables."""
    converter.experimental_enable_resource_variables = True


def one(name: str, dtype: tf.DType, *shape: int | None) -> tf.TensorSpec:
    """Returns the specification of an input."""
    return tf.TensorSpec(shape, dtype, name=name)


def several_outputs(x: tf.Tensor) -> dict[str, tf.Tensor]:
    """Three outputs of three types and two shapes."""
    return {
        "total": tf.reduce_sum(x, axis=1),
        "largest": tf.argmax(x, axis=1, output_type=tf.int32),
        "positive": x > 0.0,
    }


def make_counter() -> bytes:
    """Returns a model that adds its input to what it has kept from the runs before."""
    owner = tf.Module()
    owner.total = tf.Variable([[0.0]], name="total")

    def add(step: tf.Tensor) -> tf.Tensor:
        owner.total.assign_add(step)
        return owner.total.read_value()

    return convert(add, one("step", tf.float32, 1, 1), owner=owner, adjust=allow_variables)


# --- Written with the schema ------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A tensor of a model that is written by hand.

    Attributes:
        kind: of `schema.TensorType`.
        values: its content, for a constant.
        scale: quantisation step, 0 where values are not quantised.
    """

    name: str
    kind: int
    shape: tuple[int, ...]
    values: npt.NDArray[Any] | None = None
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class Step:
    """An operator of a model that is written by hand; tensors by position."""

    code: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options_kind: int = 0
    options: object = None
    custom: str = ""
    version: int = 1


@dataclass(frozen=True)
class Graph:
    """A model that is written by hand; inputs and outputs by position among the parts."""

    parts: tuple[Part, ...]
    step: Step
    inputs: tuple[int, ...] = (0,)
    outputs: tuple[int, ...] = field(default=(1,))


def write(graph: Graph) -> bytes:
    """Returns the TFLite file of a graph with one operator."""
    model = schema.ModelT()
    model.version = SCHEMA_VERSION
    model.description = "emberd test model"
    empty = schema.BufferT()  # by convention the first buffer is the one of tensors without content
    model.buffers = [empty]
    subgraph = schema.SubGraphT()
    subgraph.name = "main"
    subgraph.tensors = [_tensor(part, model.buffers) for part in graph.parts]
    subgraph.inputs = list(graph.inputs)
    subgraph.outputs = list(graph.outputs)
    step = graph.step
    code = schema.OperatorCodeT()
    code.builtinCode = step.code
    code.deprecatedBuiltinCode = min(step.code, schema.BuiltinOperator.PLACEHOLDER_FOR_GREATER_OP_CODES)
    code.customCode = step.custom or None
    code.version = step.version
    operator = schema.OperatorT()
    operator.opcodeIndex = 0
    operator.inputs = list(step.inputs)
    operator.outputs = list(step.outputs)
    operator.builtinOptionsType = step.options_kind
    operator.builtinOptions = step.options
    model.operatorCodes = [code]
    subgraph.operators = [operator]
    model.subgraphs = [subgraph]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _tensor(part: Part, buffers: list[Any]) -> Any:  # noqa: ANN401 - generated code has no types
    tensor = schema.TensorT()
    tensor.name = part.name
    tensor.type = part.kind
    tensor.shape = list(part.shape)
    tensor.buffer = 0
    if part.values is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(part.values.tobytes(), dtype=np.uint8)
        tensor.buffer = len(buffers)
        buffers.append(buffer)
    if part.scale:
        quantisation = schema.QuantizationParametersT()
        quantisation.scale = [part.scale]
        quantisation.zeroPoint = [part.zero_point]
        tensor.quantization = quantisation
    return tensor


def make_old_uint8() -> bytes:
    """Returns a model in the unsigned 8-bit way of the years before 2020: a 1x1 convolution that doubles its input."""
    kinds = schema.TensorType
    options = schema.Conv2DOptionsT()
    options.strideH = options.strideW = 1
    options.padding = schema.Padding.VALID
    doubling = np.where(np.eye(4) > 0, 255, 128).astype(np.uint8).reshape(4, 1, 1, 4)
    parts = (
        Part("pixels", kinds.UINT8, (1, 2, 2, 4), scale=1 / 128, zero_point=128),
        Part("doubled", kinds.UINT8, (1, 2, 2, 4), scale=2 / 128, zero_point=128),
        Part("kernel", kinds.UINT8, (4, 1, 1, 4), doubling, scale=2 / 127, zero_point=128),
        Part("bias", kinds.INT32, (4,), np.zeros(4, dtype=np.int32), scale=2 / 127 / 128),
    )
    step = Step(schema.BuiltinOperator.CONV_2D, (0, 2, 3), (1,), schema.BuiltinOptions.Conv2DOptions, options)
    return write(Graph(parts, step))


def make_string_output() -> bytes:
    """Returns a model that gives its two words back in the other order."""
    options = schema.GatherOptionsT()
    kinds = schema.TensorType
    parts = (
        Part("words", kinds.STRING, (2,)),
        Part("swapped", kinds.STRING, (2,)),
        Part("order", kinds.INT32, (2,), np.array([1, 0], dtype=np.int32)),
    )
    return write(Graph(parts, Step(schema.BuiltinOperator.GATHER, (0, 2), (1,), schema.BuiltinOptions.GatherOptions, options)))


def make_custom() -> bytes:
    """Returns a model with an operator that no runtime has."""
    kinds = schema.TensorType
    parts = (Part("x", kinds.FLOAT32, (1, 4)), Part("y", kinds.FLOAT32, (1, 4)))
    return write(Graph(parts, Step(schema.BuiltinOperator.CUSTOM, (0,), (1,), custom="NobodysOperator")))


# --- All of them ------------------------------------------------------------------------------


MODELS = (
    Model(
        "two_inputs",
        "A float and an integer input that have to be told apart: the sum of `x`, times each of `n`.",
        lambda: convert(
            lambda x, n: tf.reduce_sum(x, axis=1, keepdims=True) * tf.cast(n, tf.float32),
            one("x", tf.float32, 1, 4),
            one("n", tf.int32, 1, 2),
        ),
    ),
    Model(
        "two_alike",
        "Two inputs of one type and shape, which only their names tell apart: `left` minus `right`.",
        lambda: convert(lambda left, right: left - right, one("left", tf.float32, 1, 4), one("right", tf.float32, 1, 4)),
    ),
    Model(
        "open_shape",
        "Height and width are open: they are taken from the recording, and are 1 for random inputs. The mean colour.",
        lambda: convert(lambda image: tf.reduce_mean(image, axis=[0, 1]), one("image", tf.float32, None, None, 3)),
    ),
    Model(
        "open_batch",
        "The batch is open. Each input doubled.",
        lambda: convert(lambda x: x * 2.0, one("x", tf.float32, None, 4)),
    ),
    Model(
        "int8",
        "Quantised to int8, inputs and outputs too. Each input doubled.",
        lambda: convert(lambda x: tf.matmul(x, DENSE), one("x", tf.float32, 1, 4), adjust=quantised(tf.int8)),
    ),
    Model(
        "uint8",
        "Quantised to int8 inside, with unsigned inputs and outputs, as the converter makes them today.",
        lambda: convert(lambda x: tf.matmul(x, DENSE), one("x", tf.float32, 1, 4), adjust=quantised(tf.uint8)),
    ),
    Model(
        "old_uint8",
        "Unsigned 8 bits throughout, as the models of before 2020. Each pixel doubled. Written with the schema.",
        make_old_uint8,
    ),
    Model("bool_input", "Truth values in and out: each negated.", lambda: convert(tf.logical_not, one("mask", tf.bool, 1, 4))),
    Model(
        "half_input",
        "float16 in, float32 out: each input doubled.",
        lambda: convert(lambda x: tf.cast(x, tf.float32) * 2.0, one("x", tf.float16, 1, 4)),
    ),
    Model(
        "complex_input",
        "complex64 in, float32 out: the magnitude.",
        lambda: convert(tf.abs, one("x", tf.complex64, 1, 4)),
    ),
    Model("scalar_input", "An input without dimensions, doubled.", lambda: convert(lambda x: x * 2.0, one("x", tf.float32))),
    Model(
        "string_input",
        'Words in, truth values out: equal to "yes" and to "no"?',
        lambda: convert(lambda words: tf.equal(words, tf.constant([["yes", "no"]])), one("words", tf.string, 1, 2)),
    ),
    Model("string_output", "Words in, words out, in the other order. Written with the schema.", make_string_output),
    Model(
        "no_input",
        "Nothing goes in; four random numbers come out.",
        lambda: convert(lambda: tf.random.uniform([1, 4])),
    ),
    Model(
        "gather",
        "Looks a row up in a table of two. A random index is 0 or 1 for the sake of such models; a larger one fails when it runs.",
        lambda: convert(lambda index: tf.gather(tf.constant(TABLE), index), one("index", tf.int32, 1)),
    ),
    Model(
        "reshape",
        "The shape of the output is an input: with random values it loads and cannot run, recorded ones can be right.",
        lambda: convert(tf.reshape, one("x", tf.float32, 4), one("shape", tf.int32, 2)),
    ),
    Model(
        "find",
        "Tells where its input exceeds 0.5: the output's length depends on the values, and may be 0.",
        lambda: convert(lambda x: tf.where(x > 0.5), one("x", tf.float32, 4)),  # noqa: PLR2004 - as told above
    ),
    Model(
        "random",
        "Adds random numbers: no two runs agree, so that its outputs cannot be checked.",
        lambda: convert(lambda x: x + tf.random.uniform([1, 4]), one("x", tf.float32, 1, 4)),
    ),
    Model("counter", "Keeps a sum from run to run, so that its outputs cannot be checked.", make_counter),
    Model(
        "several_outputs",
        "Three outputs of three types: where the largest is, which are positive, the sum.",
        lambda: convert(several_outputs, one("x", tf.float32, 1, 4)),
    ),
    Model(
        "flex",
        "Needs an operator of TensorFlow itself (Select TF, Flex), which neither runtime has: the determinant.",
        lambda: convert(tf.linalg.det, one("x", tf.float32, 2, 2), adjust=allow_select),
    ),
    Model("custom", "Needs a custom operator that nobody has. Written with the schema.", make_custom),
)


# --- The list ---------------------------------------------------------------------------------


def describe(content: bytes) -> tuple[str, str, str]:
    """Returns inputs, outputs and operators of a TFLite file, for the list."""
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    graph = model.subgraphs[0]

    def tensors(indexes: Sequence[int]) -> str:
        told = []
        for index in indexes:
            tensor = graph.tensors[index]
            shape = tensor.shapeSignature if tensor.shapeSignature is not None else tensor.shape
            sizes = [] if shape is None else [int(size) for size in shape]
            told.append(f"`{tensor.name.decode()}` {TYPE_NAMES[tensor.type]} {sizes}")
        return ", ".join(told) or "none"

    def name(code: Any) -> str:  # noqa: ANN401 - generated code has no types
        number = max(code.builtinCode, code.deprecatedBuiltinCode)
        return str(code.customCode.decode()) if number == schema.BuiltinOperator.CUSTOM else str(OPERATOR_NAMES[number])

    operators = sorted({f"{name(model.operatorCodes[operator.opcodeIndex])}" for operator in graph.operators or []})
    return tensors(() if graph.inputs is None else graph.inputs), tensors(graph.outputs), ", ".join(operators)


def origin(folder: Path) -> str:
    """Returns the list of the models in a folder."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("tensorflow-cpu", "numpy"))
    parts = [
        "# Models of the tests",
        textwrap.fill(
            "Made by `scripts/make_test_models`, which also wrote this list, with "
            f"{packages}. No data set and nobody else's weights went into them; Apache-2.0 like the rest. "
            "Making them again gives the same bytes.",
            90,
        ),
    ]
    for model in MODELS:
        content = (folder / f"{model.name}.tflite").read_bytes()
        inputs, outputs, operators = describe(content)
        parts.append(
            f"## {model.name}.tflite\n\n{textwrap.fill(model.purpose, 90)}\n\n"
            f"- inputs: {inputs}\n- outputs: {outputs}\n- operators: {operators}\n"
            f"- {len(content)} bytes, sha256 `{hashlib.sha256(content).hexdigest()}`"
        )
    return "\n\n".join(parts) + "\n"


# --- Command ----------------------------------------------------------------------------------


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Build the models of the tests and the list of them.")
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Builds all models and moves them to the output directory.

    Args:
        arguments: Command line without the program name; None for ``sys.argv``.

    Raises:
        SystemExit: If a model is larger than such a model may be.
    """
    out: Path = parse_arguments(arguments).out
    tf.get_logger().setLevel("ERROR")
    warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        for model in MODELS:
            progress(model.name)
            content = model.make()
            if len(content) > MOST_BYTES:
                raise SystemExit(f"make_test_models: {model.name} has {len(content)} bytes, more than {MOST_BYTES}")
            (made / f"{model.name}.tflite").write_bytes(content)
        (made / "ORIGIN.md").write_text(origin(made), encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        for path in sorted(made.iterdir()):
            shutil.move(path, out / path.name)
    progress(f"wrote {len(MODELS)} models to {out}")


if __name__ == "__main__":
    main()
