"""What a model is fed: seeded random values, a folder of .npy files, or an .npz."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from agent.core.errors import Unusable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from agent.runtimes.runtime import Tensor

# Several, so that a cache or a branch predictor is not shown the same picture each time; few, so that they stay in memory.
RANDOM_ITEMS: Final = 4
_STRING_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz "

Item = tuple["NDArray[Any]", ...]
_MOST_TOLD: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Arrays as they stand in the files, by name, before they are held against a model.

    `stacked`: each array holds many items along its first axis (.npz). Otherwise each array is one item (.npy files).
    """

    origin: str
    arrays: Mapping[str, NDArray[Any]]
    stacked: bool


def read(origin: str) -> Recorded | None:
    """Read the files named in the configuration; None for `random`.

    Raises:
        Unusable: there is nothing there, or it is not what its name says.
    """
    if origin == "random":
        return None
    from agent.workload import recording  # noqa: PLC0415 - what reads archives is half a megabyte that random inputs do not need

    arrays, stacked = recording.load(origin)
    return Recorded(origin=origin, arrays=arrays, stacked=stacked)


def shapes(recorded: Recorded | None, tensors: Sequence[Tensor]) -> list[tuple[int, ...]]:
    """Return the shape that each input must have: as recorded where the model leaves it open, else the model's own.

    Raises:
        Unusable: what is recorded does not fit the model; the message names both.
    """
    if recorded is None:
        return [tensor.shape for tensor in tensors]
    matches = [_match(recorded, tensor, len(tensors)) for tensor in tensors]
    taken: dict[str, str] = {}
    for tensor, (names, _) in zip(tensors, matches, strict=True):
        if recorded.stacked and (other := taken.setdefault(names[0], tensor.name)) != tensor.name:
            raise Unusable(f"inputs: {names[0]} in {recorded.origin} is the only array for both {other!r} and {tensor.name!r}")
    return [shape for _, shape in matches]


def items(recorded: Recorded | None, tensors: Sequence[Tensor], seed: int) -> list[Item]:
    """Return what is fed in turn: a tuple with one contiguous array per input, in the inputs' dtype and shape.

    Raises:
        Unusable: what is recorded does not fit the model, or a random value of this type cannot be made.
    """
    if recorded is None or not tensors:
        generator = np.random.default_rng(seed)
        return [tuple(random_array(tensor, generator) for tensor in tensors) for _ in range(RANDOM_ITEMS)]
    columns = []
    for tensor in tensors:
        names, shape = _match(recorded, tensor, len(tensors))
        if recorded.stacked:
            array = recorded.arrays[names[0]]
            rows = [array] if array.shape == shape else list(array)
        else:
            rows = [recorded.arrays[name] for name in names]
        columns.append([np.asarray(row, order="C").reshape(shape) for row in rows])
    if len({len(column) for column in columns}) > 1:
        raise Unusable(f"inputs: {recorded.origin} holds {' and '.join(str(len(c)) for c in columns)} items for the model's inputs")
    return list(zip(*columns, strict=True))


def random_array(tensor: Tensor, generator: np.random.Generator) -> NDArray[Any]:
    """Return a random array of a tensor's shape and type.

    Quantised values span the whole type; floats lie in [-1, 1); plain integers are 0 or 1, since they are often indexes and a
    larger one may be out of a table's bounds; strings are a few letters.
    """
    dtype, shape = tensor.dtype, tensor.shape
    if dtype.kind == "f":
        return generator.uniform(-1.0, 1.0, shape).astype(dtype)
    if dtype.kind == "c":
        return np.asarray(generator.uniform(-1.0, 1.0, shape) + 1j * generator.uniform(-1.0, 1.0, shape), dtype=dtype)
    if dtype.kind == "b":
        return generator.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        if tensor.scale:
            limits = np.iinfo(dtype)
            return generator.integers(limits.min, limits.max, shape, dtype=dtype, endpoint=True)
        return generator.integers(0, 2, shape, dtype=dtype)
    if dtype.kind in "SUO":
        letters = [bytes(generator.choice(list(_STRING_LETTERS), 12).astype(np.uint8)) for _ in range(int(np.prod(shape)))]
        return np.array(letters, dtype=object).reshape(shape)
    raise Unusable(f"input {tensor.name!r} is of type {dtype}, for which no random values can be made")


def _match(recorded: Recorded, tensor: Tensor, tensor_count: int) -> tuple[list[str], tuple[int, ...]]:
    """Return the names of the arrays for one input, and the shape of one item."""
    if not recorded.stacked:
        if tensor_count > 1:
            raise Unusable(f"inputs: the model has {tensor_count} inputs; give them by name in an .npz, not as a folder of .npy")
        found = {name: _item_shape(array, tensor, stacked=False) for name, array in recorded.arrays.items()}
        for name, shape in found.items():
            _verify(recorded.origin, name, recorded.arrays[name], tensor, shape)
        different = {shape for shape in found.values() if shape is not None}
        if len(different) > 1:
            raise Unusable(f"inputs: {recorded.origin} holds items of different shapes: {sorted(different)}")
        return list(found), different.pop()
    named = next((name for name in recorded.arrays if name == tensor.name), None)
    if named is None:
        fitting = [
            name
            for name, array in recorded.arrays.items()
            if _same_type(array, tensor) and _item_shape(array, tensor, stacked=True) is not None
        ]
        if tensor_count == 1 and len(recorded.arrays) == 1:
            named = next(iter(recorded.arrays))
        elif len(fitting) == 1:
            named = fitting[0]
        else:
            told = [f"{name} {array.dtype}{list(array.shape)}" for name, array in recorded.arrays.items()]
            there = ", ".join(told[:_MOST_TOLD]) + (f" and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else "")
            raise Unusable(
                f"inputs: {recorded.origin} has {'no array' if not fitting else 'more than one array'} that fits the model's input "
                f"{tensor.name!r} ({tensor.dtype}{_open(tensor)}); it has {there}"
            )
    shape = _item_shape(recorded.arrays[named], tensor, stacked=True)
    return [named], _verify(recorded.origin, named, recorded.arrays[named], tensor, shape)


def _verify(origin: str, name: str, array: NDArray[Any], tensor: Tensor, shape: tuple[int, ...] | None) -> tuple[int, ...]:
    if not _same_type(array, tensor):
        raise Unusable(
            f"inputs: {name} in {origin} is {array.dtype}, but the model's input {tensor.name!r} takes {tensor.dtype}"
            + (f" (quantised: value / {tensor.scale:g} + {tensor.zero_point})" if tensor.scale else "")
        )
    if shape is None:
        raise Unusable(
            f"inputs: {name} in {origin} has shape {list(array.shape)}, but the model's input {tensor.name!r} takes {_open(tensor)}"
        )
    return shape


def _item_shape(array: NDArray[Any], tensor: Tensor, *, stacked: bool) -> tuple[int, ...] | None:
    """Return the shape of one item as the model takes it, or None where the array does not fit.

    An item may leave out a leading batch dimension of 1.
    """
    candidates = []
    if stacked and array.ndim and len(array):
        candidates += [array.shape[1:], (1, *array.shape[1:])]
    elif not stacked:
        candidates += [(1, *array.shape)]
    candidates.append(array.shape)
    # An open batch dimension would swallow a whole stack as one item: the single item comes first.
    for shape in candidates:
        if (
            0 not in shape
            and len(shape) == len(tensor.signature)
            and all(want in (-1, have) for have, want in zip(shape, tensor.signature, strict=True))
        ):
            return tuple(int(size) for size in shape)
    return None


def _same_type(array: NDArray[Any], tensor: Tensor) -> bool:
    # Words come in arrays of their own length.
    return array.dtype.kind in "SU" if tensor.dtype.kind in "SU" else array.dtype == tensor.dtype


def _open(tensor: Tensor) -> str:
    return str(["any" if size < 0 else size for size in tensor.signature])
