"""Builds the demonstration models, the held-back digits and the model cards.

Run through ``scripts/make_models``, which provides the pinned packages. Everything is made in
a temporary directory and moved to the output directory only after all checks have passed.
"""

from __future__ import annotations

import os

# TensorFlow reads these when it is imported. oneDNN picks its kernels, and with them the order
# of summation, by CPU type.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import argparse
import contextlib
import hashlib
import io
import json
import platform
import shutil
import sys
import tempfile
import textwrap
import warnings
import zipfile
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from tensorflow.lite.python import schema_py_generated as schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

FloatArray = npt.NDArray[np.float32]
Int8Array = npt.NDArray[np.int8]
LabelArray = npt.NDArray[np.uint8]

MOBILENET_SEED = 20180104
MOBILENET_SIDE = 224
MOBILENET_CLASSES = 1000
MOBILENET_BN_BATCHES = 4
MOBILENET_BN_BATCH_SIZE = 16
MOBILENET_REPRESENTATIVE = 32
MOBILENET_LOGIT_STD = 3.0
MOBILENET_RELU_BETA = 2.0
MOBILENET_PATTERN_CELLS = (2, 4, 7, 14, 28, 56, 112, 224)
MOBILENET_PROBES = 8
MOBILENET_MAX_BYTES = 5_000_000

DIGITS_SEED = 1998
DIGITS_HELD_BACK = 400
DIGITS_EXPORTED = 200
DIGITS_PIXEL_MAX = 16.0
DIGITS_EPOCHS = 30
DIGITS_BATCH_SIZE = 32
DIGITS_LEARNING_RATE = 2e-3
DIGITS_MIN_ACCURACY = 0.97
DIGITS_MAX_BYTES = 100_000
DIGITS_NUMPY_TOLERANCE = 1e-5

CARD_PACKAGES = ("tensorflow-cpu", "keras", "scikit-learn", "numpy", "h5py")
# Output channel axis of the weights, by operator.
WEIGHT_CHANNEL_AXES = {
    schema.BuiltinOperator.CONV_2D: 0,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    schema.BuiltinOperator.FULLY_CONNECTED: 0,
}
ZIP_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class TensorInfo:
    """Describes one input or output tensor of a TFLite model.

    Attributes:
        name: Tensor name in the file.
        shape: Dimensions, batch first.
        dtype: NumPy name of the element type.
        scale: Real units per quantised step.
        zero_point: Quantised value that stands for real 0.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float
    zero_point: int

    def quantise(self, values: FloatArray) -> Int8Array:
        """Quantises real values with this tensor's scale and zero point.

        Args:
            values: Real values, any shape.

        Returns:
            int8 values of the same shape, saturated at -128 and 127.
        """
        steps = np.rint(values / np.float32(self.scale)) + self.zero_point
        quantised: Int8Array = np.clip(steps, -128, 127).astype(np.int8)
        return quantised


@dataclass(frozen=True)
class ModelInfo:
    """Describes a TFLite file for its card.

    Attributes:
        sha256: Hex digest of the file.
        size: File size in bytes.
        input: The only input tensor.
        output: The only output tensor.
        operators: How many times each operator and version, such as ``CONV_2D v3``, occurs.
    """

    sha256: str
    size: int
    input: TensorInfo
    output: TensorInfo
    operators: dict[str, int]


@dataclass(frozen=True)
class DigitsSplit:
    """The digits data set, split into images to train on and images held back.

    Attributes:
        train_images: float32, (N, 8, 8, 1), in [0, 1].
        train_labels: uint8, (N,), the digit shown.
        held_images: float32, (DIGITS_HELD_BACK, 8, 8, 1), in [0, 1].
        held_labels: uint8, (DIGITS_HELD_BACK,).
        exported: Indices into the held-back arrays of the exported images.
    """

    train_images: FloatArray
    train_labels: LabelArray
    held_images: FloatArray
    held_labels: LabelArray
    exported: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Score:
    """A number of correct answers out of a number of images."""

    correct: int
    total: int

    @classmethod
    def of(cls, predicted: npt.NDArray[np.int64], labels: LabelArray) -> Score:
        """Counts the predictions that equal their label.

        Args:
            predicted: Class indices, (N,).
            labels: True class indices, (N,).

        Returns:
            The count of correct predictions and N.
        """
        return cls(int(np.count_nonzero(predicted == labels)), len(labels))

    @property
    def ratio(self) -> float:
        """The accuracy in [0, 1]."""
        return self.correct / self.total

    def __str__(self) -> str:
        return f"{self.correct} of {self.total} ({100 * self.ratio:.2f} %)"


def progress(text: str) -> None:
    """Writes a progress line to stderr."""
    print(f"make_models: {text}", file=sys.stderr, flush=True)


def check(text: str, *, holds: bool) -> None:
    """Ends the build when a promise about its results does not hold.

    A plain ``assert`` would vanish under ``python -O``.

    Args:
        text: What is wrong if it does not hold.
        holds: What must be true.

    Raises:
        SystemExit: If it does not hold.
    """
    if not holds:
        raise SystemExit(f"make_models: check failed: {text}")


def make_deterministic() -> None:
    """Makes TensorFlow compute the same bits on every run on the same kind of machine."""
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    tf.get_logger().setLevel("ERROR")
    warnings.filterwarnings("ignore", message=r"\s*Warning: tf\.lite\.Interpreter is deprecated")
    warnings.filterwarnings("ignore", message="Statistics for quantized inputs were expected")


# --- Conversion and inspection ----------------------------------------------------------------


def convert_int8(model: keras.Model, representative: FloatArray) -> bytes:
    """Converts a float model to a full int8 TFLite model.

    Args:
        model: Model with one input and one output, batch size 1.
        representative: Inputs to choose the activation ranges from, float32, (N, ...).

    Returns:
        The TFLite file: int8 input and output, per-channel int8 weights.
    """

    def samples() -> Iterator[list[FloatArray]]:
        for index in range(len(representative)):
            yield [representative[index : index + 1]]

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = samples
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    with contextlib.redirect_stdout(io.StringIO()):
        return bytes(converter.convert())


def load(content: bytes) -> tf.lite.Interpreter:
    """Returns a single-threaded interpreter with its tensors allocated."""
    interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def run_int8(content: bytes, images: Int8Array) -> Int8Array:
    """Runs a TFLite model on images one by one.

    Args:
        content: The TFLite file.
        images: Quantised inputs, (N, ...).

    Returns:
        Quantised outputs, (N, classes).
    """
    interpreter = load(content)
    input_index = interpreter.get_input_details()[0]["index"]
    output_index = interpreter.get_output_details()[0]["index"]
    outputs = []
    for index in range(len(images)):
        interpreter.set_tensor(input_index, images[index : index + 1])
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(output_index)[0])
    return np.stack(outputs)


def parse(content: bytes) -> schema.ModelT:
    """Reads a TFLite file as the tree of its flatbuffer."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(content, 0))


def tensor_info(details: Mapping[str, Any]) -> TensorInfo:
    """Describes a tensor from the interpreter's details of it."""
    scale, zero_point = details["quantization"]
    return TensorInfo(
        name=details["name"],
        shape=tuple(int(size) for size in details["shape"]),
        dtype=np.dtype(details["dtype"]).name,
        scale=float(scale),
        zero_point=int(zero_point),
    )


def inspect(content: bytes) -> ModelInfo:
    """Describes a TFLite model with one input, one output and one subgraph."""
    interpreter = load(content)
    model = parse(content)
    names = {value: name for name, value in vars(schema.BuiltinOperator).items()}
    codes = [f"{names[code.builtinCode]} v{code.version}" for code in model.operatorCodes]
    (subgraph,) = model.subgraphs
    (input_details,) = interpreter.get_input_details()
    (output_details,) = interpreter.get_output_details()
    return ModelInfo(
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        input=tensor_info(input_details),
        output=tensor_info(output_details),
        operators=dict(Counter(codes[operator.opcodeIndex] for operator in subgraph.operators)),
    )


def check_full_int8(content: bytes, max_bytes: int) -> None:
    """Checks the promises common to both models.

    Args:
        content: The TFLite file.
        max_bytes: Largest size allowed, in bytes.
    """
    info = inspect(content)
    check(f"{info.size} bytes, more than {max_bytes}", holds=info.size <= max_bytes)
    check("input or output is not int8", holds={info.input.dtype, info.output.dtype} == {"int8"})
    model = parse(content)
    tensors = model.subgraphs[0].tensors
    floats = [tensor.name for tensor in tensors if tensor.type == schema.TensorType.FLOAT32]
    check(f"float tensors left: {floats}", holds=not floats)
    for operator in model.subgraphs[0].operators:
        axis = WEIGHT_CHANNEL_AXES.get(model.operatorCodes[operator.opcodeIndex].builtinCode)
        if axis is not None:
            weights = tensors[operator.inputs[1]]
            scales = weights.quantization.scale
            check(f"{weights.name} is not per-channel", holds=len(scales) == weights.shape[axis])


# --- MobileNetV2 ------------------------------------------------------------------------------


def random_patterns(count: int, rng: np.random.Generator) -> FloatArray:
    """Makes coloured random patterns with coarse and fine detail, as photographs have.

    Args:
        count: Number of images.
        rng: Source of randomness.

    Returns:
        float32, (count, 224, 224, 3), each image spanning exactly [-1, 1].
    """
    side = MOBILENET_SIDE
    images = []
    for _ in range(count):
        falloff = rng.uniform(0.5, 1.0)
        image = np.zeros((side, side, 3), np.float32)
        for cells in MOBILENET_PATTERN_CELLS:
            detail = rng.uniform(-1.0, 1.0, (cells, cells, 3)).astype(np.float32)
            strength = np.float32(rng.uniform(0.3, 1.0) * cells**-falloff)
            image += strength * tf.image.resize(detail, (side, side), "bicubic").numpy()
        low, high = image.min(), image.max()
        images.append(2.0 * (image - low) / (high - low) - 1.0)
    return np.stack(images).astype(np.float32)


def lift_activations(model: keras.Model) -> None:
    """Moves the activations before each ReLU6 up, so that few of them are cut off.

    With plain random weights every layer magnifies the rounding of int8, until the answers
    hardly depend on the image any more.

    Args:
        model: MobileNetV2 with fresh BatchNorm layers.
    """
    for layer in batch_norms(model):
        if not layer.name.endswith("project_BN"):
            layer.beta.assign(np.full(layer.beta.shape, MOBILENET_RELU_BETA, np.float32))


def batch_norms(model: keras.Model) -> list[keras.layers.BatchNormalization]:
    """Returns the BatchNorm layers of a model, in order."""
    return [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]


def calibrate_batch_norm(model: keras.Model, batches: Sequence[FloatArray]) -> None:
    """Sets the BatchNorm moving statistics to their means over some batches.

    Args:
        model: Model whose BatchNormalization layers are calibrated.
        batches: Inputs, each float32, (N, 224, 224, 3), in [-1, 1].
    """
    for number, batch in enumerate(batches, start=1):
        for layer in batch_norms(model):
            # The running mean over the batches so far.
            layer.momentum = 1.0 - 1.0 / number
        model(batch, training=True)


def spread_logits(model: keras.Model, images: FloatArray) -> None:
    """Centres and scales the classifier so that its answers differ between images.

    Random weights give nearly the same logits to every image, and probabilities near 1/1000,
    which the int8 softmax output (1/256 per step) rounds to zero.

    Args:
        model: MobileNetV2 whose last layer is a Dense with softmax.
        images: float32, (N, 224, 224, 3), in [-1, 1].
    """
    classifier = model.layers[-1]
    features = keras.Model(model.input, classifier.input)(images, training=False).numpy()
    kernel, _ = classifier.get_weights()
    mean = features.mean(axis=0)
    kernel = kernel * np.float32(MOBILENET_LOGIT_STD / np.std((features - mean) @ kernel))
    classifier.set_weights([kernel, -mean @ kernel])


def build_mobilenet() -> keras.Model:
    """Builds MobileNetV2 1.0 224 with seeded random weights and sane activations."""
    keras.utils.set_random_seed(MOBILENET_SEED)
    rng = np.random.default_rng(MOBILENET_SEED)
    model = keras.applications.MobileNetV2(
        input_shape=(MOBILENET_SIDE, MOBILENET_SIDE, 3),
        alpha=1.0,
        weights=None,
        classes=MOBILENET_CLASSES,
    )
    batches = [random_patterns(MOBILENET_BN_BATCH_SIZE, rng) for _ in range(MOBILENET_BN_BATCHES)]
    lift_activations(model)
    calibrate_batch_norm(model, batches)
    spread_logits(model, np.concatenate(batches))
    return with_batch_of_one(model)


def with_batch_of_one(model: keras.Model) -> keras.Model:
    """Returns a copy of a model whose batch size is fixed to 1."""
    image = keras.Input(model.input.shape[1:], batch_size=1, name="image")
    copy = keras.models.clone_model(model, input_tensors=image)
    copy.set_weights(model.get_weights())
    return copy


def check_mobilenet_answers(content: bytes) -> int:
    """Checks that different images get different outputs.

    Args:
        content: The TFLite file.

    Returns:
        How many different top classes the MOBILENET_PROBES images get.
    """
    images = random_patterns(MOBILENET_PROBES, np.random.default_rng(MOBILENET_SEED + 2))
    outputs = run_int8(content, inspect(content).input.quantise(images))
    check("equal MobileNet outputs", holds=len({row.tobytes() for row in outputs}) == MOBILENET_PROBES)
    return len(set(outputs.argmax(axis=1).tolist()))


def make_mobilenet(out: Path) -> None:
    """Writes the MobileNetV2 model and its card.

    Args:
        out: Directory to write to.
    """
    progress("mobilenet_v2_int8: building and calibrating")
    model = build_mobilenet()
    progress("mobilenet_v2_int8: converting")
    rng = np.random.default_rng(MOBILENET_SEED + 1)
    content = convert_int8(model, random_patterns(MOBILENET_REPRESENTATIVE, rng))
    progress("mobilenet_v2_int8: checking")
    check_full_int8(content, MOBILENET_MAX_BYTES)
    top_classes = check_mobilenet_answers(content)
    (out / "mobilenet_v2_int8.tflite").write_bytes(content)
    write_card(out / "mobilenet_v2_int8.md", mobilenet_card(inspect(content), top_classes))


# --- Digits -----------------------------------------------------------------------------------


def split_digits() -> DigitsSplit:
    """Loads the digits bundled with scikit-learn and holds some back, by class."""
    data = load_digits()
    images = (data.images / DIGITS_PIXEL_MAX).astype(np.float32)[..., np.newaxis]
    labels = data.target.astype(np.uint8)
    train, held = train_test_split(
        np.arange(len(labels)),
        test_size=DIGITS_HELD_BACK,
        stratify=labels,
        random_state=DIGITS_SEED,
    )
    exported, _ = train_test_split(
        np.arange(DIGITS_HELD_BACK),
        train_size=DIGITS_EXPORTED,
        stratify=labels[held],
        random_state=DIGITS_SEED,
    )
    return DigitsSplit(images[train], labels[train], images[held], labels[held], exported)


def build_digits(batch_size: int | None) -> keras.Model:
    """Builds the untrained digits network.

    Args:
        batch_size: Fixed batch size, or None for any.

    Returns:
        A model from (batch, 8, 8, 1) pixels in [0, 1] to (batch, 10) probabilities.
    """
    layers = keras.layers
    image = keras.Input((8, 8, 1), batch_size=batch_size, name="image")
    x = layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1")(image)
    x = layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2")(x)
    x = layers.MaxPooling2D(2, name="pool")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(10, activation="softmax", name="dense")(x)
    return keras.Model(image, x, name="digits")


def train_digits(split: DigitsSplit) -> keras.Model:
    """Trains the digits network on the training images only."""
    keras.utils.set_random_seed(DIGITS_SEED)
    model = build_digits(batch_size=None)
    model.compile(keras.optimizers.Adam(DIGITS_LEARNING_RATE), "sparse_categorical_crossentropy")
    model.fit(
        split.train_images,
        split.train_labels,
        batch_size=DIGITS_BATCH_SIZE,
        epochs=DIGITS_EPOCHS,
        verbose=0,
    )
    return model


def readable_weights(model: keras.Model) -> dict[str, npt.NDArray[np.float32]]:
    """Returns the weights by names such as ``conv1_kernel``."""
    return {
        f"{layer.name}_{weight.name}": np.asarray(weight.numpy(), dtype=np.float32)
        for layer in model.layers
        for weight in layer.weights
    }


def numpy_forward(weights: Mapping[str, FloatArray], images: FloatArray) -> FloatArray:
    """Runs the float digits network in plain NumPy, as its card describes it.

    Args:
        weights: Arrays as in ``digits_weights.npz``.
        images: float32, (N, 8, 8, 1), in [0, 1].

    Returns:
        Class probabilities, float32, (N, 10).
    """
    x = images
    for name in ("conv1", "conv2"):
        padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        x = np.einsum("nhwcij,ijco->nhwo", windows, weights[f"{name}_kernel"])
        x = np.maximum(x + weights[f"{name}_bias"], 0.0)
    x = x.reshape(-1, 4, 2, 4, 2, 32).max(axis=(2, 4)).reshape(-1, 512)
    logits = x @ weights["dense_kernel"] + weights["dense_bias"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities: FloatArray = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def make_digits(out: Path) -> None:
    """Trains the digits model and writes it, its data, its weights and its card.

    Args:
        out: Directory to write to.
    """
    progress("digits: training")
    split = split_digits()
    trained = train_digits(split)
    model = build_digits(batch_size=1)
    model.set_weights(trained.get_weights())

    progress("digits_int8: converting")
    content = convert_int8(model, split.train_images)
    (out / "digits_int8.tflite").write_bytes(content)
    info = inspect(content)
    images = info.input.quantise(split.held_images)
    write_npz(
        out / "digits_int8.npz",
        {"images": images[split.exported], "labels": split.held_labels[split.exported]},
    )
    write_npz(out / "digits_weights.npz", readable_weights(trained))
    write_keras(out / "digits.keras", trained)

    progress("digits_int8: checking")
    check_full_int8(content, DIGITS_MAX_BYTES)
    scores = score_digits(out, split)
    check(f"int8 accuracy {scores['int8']}", holds=scores["int8"].ratio >= DIGITS_MIN_ACCURACY)
    progress(f"digits_int8: {scores['int8']} held-back images right")
    write_card(out / "digits_int8.md", digits_card(out, info, scores, len(split.train_labels)))


def score_digits(out: Path, split: DigitsSplit) -> dict[str, Score]:
    """Scores the written files and checks that they agree with each other.

    Args:
        out: Directory that holds the files.
        split: The data they were made from.

    Returns:
        Scores of the float model (``float``) and the int8 model (``int8``) on all held-back
        images, and of the int8 model on the exported ones (``exported``).
    """
    content = (out / "digits_int8.tflite").read_bytes()
    held = inspect(content).input.quantise(split.held_images)
    reloaded = keras.models.load_model(out / "digits.keras")
    probabilities = reloaded.predict(split.held_images, verbose=0)
    with np.load(out / "digits_weights.npz") as weights:
        difference = np.abs(numpy_forward(weights, split.held_images) - probabilities).max()
    check(f"the NumPy pass differs from digits.keras by {difference}", holds=difference < DIGITS_NUMPY_TOLERANCE)
    with np.load(out / "digits_int8.npz") as exported:
        answers = run_int8(content, exported["images"]).argmax(axis=1)
        exported_score = Score.of(answers, exported["labels"])
    return {
        "float": Score.of(probabilities.argmax(axis=1), split.held_labels),
        "int8": Score.of(run_int8(content, held).argmax(axis=1), split.held_labels),
        "exported": exported_score,
    }


# --- Files ------------------------------------------------------------------------------------


def write_zip(path: Path, entries: Mapping[str, bytes]) -> None:
    """Writes an uncompressed zip archive whose bytes depend on its contents only.

    Args:
        path: File to write.
        entries: Contents by name, in order.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name, ZIP_DATE)
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)


def write_npz(path: Path, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
    """Writes what ``np.savez`` writes, without its timestamps.

    Args:
        path: File to write.
        arrays: Arrays by key.
    """
    entries = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
        entries[f"{name}.npy"] = buffer.getvalue()
    write_zip(path, entries)


def write_keras(path: Path, trained: keras.Model) -> None:
    """Writes a model in the Keras format, without its optimiser and its timestamps.

    Args:
        path: File to write.
        trained: The trained digits model.
    """
    model = build_digits(batch_size=None)
    model.set_weights(trained.get_weights())
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(entries["metadata.json"])
    metadata["date_saved"] = "1980-01-01@00:00:00"
    entries["metadata.json"] = json.dumps(metadata).encode()
    config = json.loads(entries["config.json"])
    renumber_shared_objects(config, {})
    entries["config.json"] = json.dumps(config).encode()
    write_zip(path, entries)


def renumber_shared_objects(node: object, numbers: dict[int, int]) -> None:
    """Replaces the memory addresses by which Keras marks shared objects in a configuration.

    Args:
        node: Part of a model configuration, changed in place.
        numbers: Number of each address met so far, extended in place.
    """
    if isinstance(node, dict):
        if "shared_object_id" in node:
            address = node["shared_object_id"]
            node["shared_object_id"] = numbers.setdefault(address, len(numbers) + 1)
        for child in node.values():
            renumber_shared_objects(child, numbers)
    elif isinstance(node, list):
        for child in node:
            renumber_shared_objects(child, numbers)


# --- Cards ------------------------------------------------------------------------------------


def write_card(path: Path, text: str) -> None:
    """Writes a card in UTF-8 with one newline at its end."""
    path.write_text(text.strip() + "\n", encoding="utf-8")


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Formats a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def paragraph(text: str) -> str:
    """Joins the lines of an indented paragraph and wraps them at 90 columns."""
    return textwrap.fill(" ".join(text.split()), 90, break_long_words=False, break_on_hyphens=False)


def facts_section(info: ModelInfo) -> str:
    """Formats size, digest, tensors and operators of a model."""
    tensors = [
        (
            kind,
            f"`{tensor.name}`",
            list(tensor.shape),
            tensor.dtype,
            f"{tensor.scale:.9g}",
            tensor.zero_point,
        )
        for kind, tensor in (("input", info.input), ("output", info.output))
    ]
    operators = ", ".join(f"{name} ({count})" for name, count in sorted(info.operators.items()))
    return "\n\n".join(
        [
            "## File",
            table(
                ("", ""),
                (
                    ("sha256", f"`{info.sha256}`"),
                    ("size", f"{info.size} bytes"),
                    ("operators", sum(info.operators.values())),
                ),
            ),
            table(("", "name", "shape", "dtype", "scale", "zero point"), tensors),
            "real value = scale x (quantised value - zero point)",
            paragraph(f"Operators with their versions: {operators}."),
        ]
    )


def made_section(details: Sequence[str]) -> str:
    """Formats how a model was made.

    Args:
        details: Sentences particular to the model.
    """
    packages = ", ".join(f"{name} {version(name)}" for name in CARD_PACKAGES)
    lines = [
        f"Python {platform.python_version()}, {packages}.",
        *details,
        "Full int8: int8 input and output, per-channel weights, int32 biases.",
    ]
    bullets = "\n".join(
        textwrap.fill(
            " ".join(line.split()),
            90,
            initial_indent="- ",
            subsequent_indent="  ",
            break_on_hyphens=False,
        )
        for line in lines
    )
    return "## How it was made\n\nBy `scripts/make_models`, which also wrote this card.\n\n" + bullets


def mobilenet_card(info: ModelInfo, top_classes: int) -> str:
    """Returns the card of the MobileNetV2 model.

    Args:
        info: The model.
        top_classes: How many different top classes the probe images get.
    """
    made = made_section(
        [
            (
                f"`keras.applications.MobileNetV2`, alpha 1.0, {MOBILENET_SIDE}x{MOBILENET_SIDE}x3, "
                f"{MOBILENET_CLASSES} classes, `weights=None`, seed {MOBILENET_SEED}."
            ),
            (
                f"BatchNorm statistics: means over {MOBILENET_BN_BATCHES} batches of "
                f"{MOBILENET_BN_BATCH_SIZE} random patterns (same seed); beta is "
                f"{MOBILENET_RELU_BETA:g} before each ReLU6, so that few activations are cut off. "
                "The classifier is centred and scaled to logits of standard deviation "
                f"{MOBILENET_LOGIT_STD:g} on them."
            ),
            (f"Activation ranges: {MOBILENET_REPRESENTATIVE} such patterns, seed {MOBILENET_SEED + 1}."),
        ]
    )
    return "\n\n".join(
        [
            "# mobilenet_v2_int8",
            paragraph(
                """**The weights are random. This model is for timing; its answers mean
                nothing.** It has the operators, shapes and size of a MobileNetV2 1.0 224
                image classifier, so it takes the time such a classifier takes."""
            ),
            facts_section(info),
            paragraph(
                """The input stands for RGB pixels scaled to [-1, 1], the output for the
                softmax over the classes."""
            ),
            "## Accuracy",
            paragraph(
                f"""None: never trained. The build only checks that {MOBILENET_PROBES} different
                seeded inputs (seed {MOBILENET_SEED + 2}) give {MOBILENET_PROBES} different
                outputs; their top classes are {top_classes} different ones. Rounding
                differences add up over the layers, so runs with and without XNNPACK give somewhat
                different outputs."""
            ),
            made,
            "## Reproducibility",
            paragraph(
                """Building again with the same packages on the same kind of CPU gives the same
                bytes. Another kind of CPU may sum in another order and give slightly different
                weights and scales, hence another sha256."""
            ),
            "## Licence",
            paragraph(
                """Weights: made here, Apache-2.0. Architecture: Sandler, Howard, Zhu, Zhmoginov,
                Chen, "MobileNetV2: Inverted Residuals and Linear Bottlenecks", 2018,
                arXiv:1801.04381. No data set was used."""
            ),
        ]
    )


def digits_card(out: Path, info: ModelInfo, scores: Mapping[str, Score], trained_on: int) -> str:
    """Returns the card of the digits model and the files beside it.

    Args:
        out: Directory that holds the files.
        info: The int8 model.
        scores: As returned by ``score_digits``.
        trained_on: Number of training images.
    """
    made = made_section(
        [
            (
                f"Data: `sklearn.datasets.load_digits`, pixels 0 to 16 divided by 16. "
                f"{DIGITS_HELD_BACK} images held back, by class, seed {DIGITS_SEED}; the other "
                f"{trained_on} trained on."
            ),
            (
                f"Training: Adam, learning rate {DIGITS_LEARNING_RATE:g}, batches of "
                f"{DIGITS_BATCH_SIZE}, {DIGITS_EPOCHS} epochs, seed {DIGITS_SEED}. The held-back "
                "images chose nothing: no early stopping, no best of several runs."
            ),
            "Activation ranges: all training images.",
        ]
    )
    return "\n\n".join(
        [
            "# digits_int8",
            paragraph(
                """Tells the ten handwritten digits apart in 8x8 grey images. Small enough for
                tests and demonstrations, and its answers can be checked."""
            ),
            facts_section(info),
            paragraph(
                """The input stands for pixels in [0, 1], 0 the paper and 1 full ink; output i
                for the probability of digit i."""
            ),
            digits_accuracy_section(scores),
            digits_files_section(out),
            digits_architecture_section(),
            made,
            "## Reproducibility",
            paragraph(
                """Building again with the same packages on the same kind of CPU gives the same
                bytes for every file here. Archive timestamps and the save date inside
                `digits.keras` are set to 1 January 1980 for that. Another kind of CPU may sum in
                another order in training and give slightly different weights, hence other
                sha256 sums."""
            ),
            "## Licence",
            paragraph(
                """Weights: made here, Apache-2.0. Data: Optical Recognition of Handwritten
                Digits, E. Alpaydin and C. Kaynak, UCI Machine Learning Repository, made with
                NIST's preprocessing programs, as bundled with scikit-learn (its test part,
                1797 images). `digits_int8.npz` holds 200 of these images."""
            ),
        ]
    )


def digits_accuracy_section(scores: Mapping[str, Score]) -> str:
    """Formats the accuracy of the digits models."""
    rows = (
        ("float (`digits.keras`)", "all held-back images", scores["float"]),
        ("int8 (`digits_int8.tflite`)", "all held-back images", scores["int8"]),
        ("int8 (`digits_int8.tflite`)", "those in `digits_int8.npz`", scores["exported"]),
    )
    note = """Held-back images were never trained on, nor used to choose the activation ranges.
        The 1797 images come from thirteen people, and the data set does not say who wrote which,
        so the same hands are on both sides of the split: expect less on other people's
        writing."""
    return "\n\n".join(["## Accuracy", table(("model", "images", "right"), rows), paragraph(note)])


def digits_files_section(out: Path) -> str:
    """Formats the list of files that belong to the digits model."""
    contents = {
        "digits_int8.npz": "`images` int8 (200, 8, 8, 1), quantised as the model's input; `labels` uint8 (200,)",
        "digits.keras": "the float model, without optimiser state",
        "digits_weights.npz": "its weights, float32, see below",
    }
    rows = [(f"`{name}`", text, (out / name).stat().st_size, f"`{file_sha256(out / name)}`") for name, text in contents.items()]
    return "## Files beside it\n\n" + table(("file", "contents", "bytes", "sha256"), rows)


def digits_architecture_section() -> str:
    """Formats the float network so that it can be written in plain NumPy."""
    rows = (
        ("conv1", "3x3, stride 1, zero padding 1, ReLU", "(8, 8, 16)",
         "`conv1_kernel` (3, 3, 1, 16), `conv1_bias` (16,)"),
        ("conv2", "3x3, stride 1, zero padding 1, ReLU", "(8, 8, 32)",
         "`conv2_kernel` (3, 3, 16, 32), `conv2_bias` (32,)"),
        ("pool", "largest of 2x2, stride 2", "(4, 4, 32)", ""),
        ("flatten", "row, then column, then channel", "(512,)", ""),
        ("dense", "x @ kernel + bias, softmax", "(10,)",
         "`dense_kernel` (512, 10), `dense_bias` (10,)"),
    )  # fmt: skip
    tolerance = DIGITS_NUMPY_TOLERANCE
    notes = f"""Input (8, 8, 1): row, column, channel, pixels in [0, 1]. Kernels are (row,
        column, input channel, output channel) and not flipped: y[r, c, o] = bias[o] + the sum
        over i, j, k of x[r + i - 1, c + j - 1, k] * kernel[i, j, k, o]. The build checks that
        a NumPy pass written this way agrees with `digits.keras` within {tolerance:g}."""
    return "\n\n".join(
        [
            "## Architecture of the float model",
            table(("layer", "what", "output", "arrays in `digits_weights.npz`"), rows),
            paragraph(notes),
        ]
    )


def file_sha256(path: Path) -> str:
    """Returns the hex SHA-256 digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- Command ----------------------------------------------------------------------------------


def parse_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description="Build the demonstration models and their cards.")
    parser.add_argument("--out", type=Path, required=True, help="directory to write to")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Builds all files and moves them to the output directory.

    Args:
        arguments: Command line without the program name; None for ``sys.argv``.
    """
    out: Path = parse_arguments(arguments).out
    make_deterministic()
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch)
        make_digits(made)
        make_mobilenet(made)
        out.mkdir(parents=True, exist_ok=True)
        for path in sorted(made.iterdir()):
            shutil.move(path, out / path.name)
            progress(f"wrote {out / path.name}")


if __name__ == "__main__":
    main()
