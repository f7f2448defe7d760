"""What a model is fed: random values by seed, and recordings that are held against the model before anything runs."""

from __future__ import annotations

import io
import math
import pickle
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.core.errors import Unusable
from agent.runtimes.runtime import Tensor
from agent.workload import inputs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

OPEN = -1


def tensor(
    *signature: int,
    dtype: str = "float32",
    name: str = "x",
    scale: float = 0.0,
    zero_point: int = 0,
    shape: tuple[int, ...] | None = None,
) -> Tensor:
    """Return an input as a runtime tells it: open dimensions stand at 1 unless a shape is given."""
    return Tensor(
        name=name,
        shape=tuple(1 if size == OPEN else size for size in signature) if shape is None else shape,
        signature=signature,
        dtype=np.dtype(dtype),
        scale=scale,
        zero_point=zero_point,
    )


def counted(*shape: int, dtype: str = "float32") -> NDArray[Any]:
    """Return an array that counts, so that one item can be told from another."""
    return np.arange(math.prod(shape)).reshape(shape).astype(dtype)


def fed(origin: object, *tensors: Tensor) -> list[tuple[NDArray[Any], ...]]:
    """Read a recording and return what the workload makes of it: shapes first, then items of that shape."""
    recorded = inputs.read(str(origin))
    shapes = inputs.shapes(recorded, tensors)
    resized = [
        tensor(*each.signature, dtype=str(each.dtype) if each.dtype.kind != "S" else "S", name=each.name, shape=shape)
        for each, shape in zip(tensors, shapes, strict=True)
    ]
    items = inputs.items(recorded, resized, seed=0)
    for item in items:
        for array, each in zip(item, resized, strict=True):
            assert isinstance(array, np.ndarray)
            assert array.shape == each.shape
            assert array.flags.c_contiguous
            assert array.dtype == each.dtype or each.dtype.kind == "S"
    return items


def refused(act: Callable[[], object]) -> str:
    """Return the message of a refusal, which is one line for a person."""
    with pytest.raises(Unusable) as caught:
        act()
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


def npz(path: Path, arrays: dict[str, NDArray[Any]]) -> Path:
    """Write an .npz; names of TensorFlow's are no identifiers, so they come as a dictionary."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array)
            archive.writestr(f"{name}.npy", content.getvalue())
    return path


def folder(path: Path, arrays: dict[str, NDArray[Any]]) -> Path:
    path.mkdir()
    for name, array in arrays.items():
        np.save(path / name, array)
    return path


# --- Random -----------------------------------------------------------------------------------


def test_random_is_read_from_nowhere_and_takes_the_models_own_shapes() -> None:
    assert inputs.read("random") is None
    assert inputs.shapes(None, [tensor(1, 8), tensor(OPEN, OPEN, 3)]) == [(1, 8), (1, 1, 3)]


def test_random_inputs_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    tensors = [tensor(1, 16), tensor(1, 4, dtype="int8", scale=0.5), tensor(2, dtype="S")]

    def content(seed: int) -> list[list[object]]:
        return [[array.tolist() for array in item] for item in inputs.items(None, tensors, seed)]

    assert content(7) == content(7)
    assert content(7) != content(8)


def test_there_are_several_random_items_and_they_differ() -> None:
    items = inputs.items(None, [tensor(1, 16)], seed=0)
    assert len(items) == inputs.RANDOM_ITEMS
    assert len({item[0].tobytes() for item in items}) == len(items)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16"])
def test_random_quantised_values_span_the_whole_type(dtype: str) -> None:
    array = inputs.random_array(tensor(1_000_000, dtype=dtype, scale=0.1), np.random.default_rng(0))
    limits = np.iinfo(dtype)
    assert (array.min(), array.max()) == (limits.min, limits.max)
    assert array.mean() == pytest.approx((int(limits.min) + int(limits.max)) / 2, abs=(int(limits.max) - int(limits.min)) / 500)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "uint64"])
def test_random_plain_integers_are_0_or_1_as_they_may_be_indexes(dtype: str) -> None:
    array = inputs.random_array(tensor(1_000, dtype=dtype), np.random.default_rng(0))
    assert set(array.tolist()) == {0, 1}


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_random_floats_lie_between_minus_1_and_1(dtype: str) -> None:
    array = inputs.random_array(tensor(10_000, dtype=dtype), np.random.default_rng(0))
    assert -1 <= array.min() < -0.9
    assert 0.9 < array.max() <= 1


def test_random_words_are_bytes_as_the_runtimes_want_them() -> None:
    array = inputs.random_array(tensor(2, 3, dtype="S"), np.random.default_rng(0))
    assert array.dtype == object
    assert all(isinstance(word, bytes) and word for row in array for word in row)


@settings(deadline=None)
@given(
    shape=st.lists(st.integers(0, 3), max_size=4).map(tuple),
    dtype=st.sampled_from(["float16", "float32", "float64", "int8", "uint8", "int32", "int64", "bool", "complex64", "S"]),
    scale=st.sampled_from([0.0, 0.5]),
)
def test_random_arrays_have_the_shape_and_the_type_of_the_input(shape: tuple[int, ...], dtype: str, scale: float) -> None:
    array: object = inputs.random_array(tensor(*shape, dtype=dtype, scale=scale), np.random.default_rng(0))
    assert isinstance(array, np.ndarray)
    assert array.shape == shape
    assert array.dtype == (object if dtype == "S" else np.dtype(dtype))


def test_a_type_of_which_nothing_random_can_be_made_is_refused_by_name() -> None:
    message = refused(lambda: inputs.items(None, [tensor(1, dtype="datetime64[s]", name="when")], seed=0))
    assert "when" in message
    assert "datetime64" in message


# --- A folder of .npy -------------------------------------------------------------------------


def test_the_files_of_a_folder_are_fed_in_the_order_of_their_names(tmp_path: Path) -> None:
    arrays = {f"frame_{index:03}.npy": counted(1, 4) + index for index in (10, 2, 7, 1)}
    items = fed(folder(tmp_path / "frames", arrays), tensor(1, 4))
    assert [item[0][0, 0] for item in items] == [1, 2, 7, 10]


def test_other_files_in_the_folder_are_left_alone(tmp_path: Path) -> None:
    where = folder(tmp_path / "frames", {"a.npy": counted(1, 4)})
    (where / "readme.txt").write_text("what these are")
    (where / "b.npy.part").write_bytes(b"")
    assert len(fed(where, tensor(1, 4))) == 1


def test_items_may_leave_out_the_batch_of_one(tmp_path: Path) -> None:
    items = fed(folder(tmp_path / "frames", {"a": counted(8, 8, 1), "b": counted(1, 8, 8, 1)}), tensor(1, 8, 8, 1))
    assert [item[0].shape for item in items] == [(1, 8, 8, 1)] * 2


def test_one_file_of_npy_is_one_item(tmp_path: Path) -> None:
    path = tmp_path / "frame.npy"
    np.save(path, counted(1, 4))
    assert len(fed(path, tensor(1, 4))) == 1


def test_open_dimensions_are_taken_from_the_files(tmp_path: Path) -> None:
    where = folder(tmp_path / "frames", {"a": counted(5, 7, 3), "b": counted(5, 7, 3)})
    assert [item[0].shape for item in fed(where, tensor(OPEN, OPEN, 3))] == [(5, 7, 3)] * 2


def test_files_of_different_shapes_are_refused_with_both(tmp_path: Path) -> None:
    where = folder(tmp_path / "frames", {"a": counted(5, 7, 3), "b": counted(6, 7, 3)})
    message = refused(lambda: fed(where, tensor(OPEN, OPEN, 3)))
    assert "(5, 7, 3)" in message
    assert "(6, 7, 3)" in message


def test_a_file_of_another_shape_is_refused_by_its_name_with_both_shapes(tmp_path: Path) -> None:
    where = folder(tmp_path / "frames", {"a.npy": counted(1, 4), "b.npy": counted(1, 5)})
    message = refused(lambda: fed(where, tensor(1, 4, name="image")))
    assert "b.npy" in message
    assert "image" in message
    assert "[1, 5]" in message
    assert "[1, 4]" in message


def test_a_file_of_another_type_is_refused_by_its_name_with_both_types(tmp_path: Path) -> None:
    where = folder(tmp_path / "frames", {"a.npy": counted(1, 4, dtype="float64")})
    message = refused(lambda: fed(where, tensor(1, 4, name="image")))
    assert "a.npy" in message
    assert "image" in message
    assert "float64" in message
    assert "float32" in message


def test_real_values_for_a_quantised_input_are_refused_with_how_to_quantise_them(tmp_path: Path) -> None:
    where = folder(tmp_path / "frames", {"a.npy": counted(1, 4)})
    recorded = inputs.read(str(where))
    message = refused(lambda: inputs.shapes(recorded, [tensor(1, 4, dtype="int8", scale=0.25, zero_point=-3)]))
    assert "0.25" in message
    assert "-3" in message


def test_a_folder_is_refused_for_a_model_with_several_inputs(tmp_path: Path) -> None:
    where = folder(tmp_path / "frames", {"a.npy": counted(1, 4)})
    message = refused(lambda: fed(where, tensor(1, 4, name="left"), tensor(1, 4, name="right")))
    assert ".npz" in message


def test_a_folder_without_npy_is_refused_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"")
    assert str(tmp_path) in refused(lambda: inputs.read(str(tmp_path)))


# --- An .npz ----------------------------------------------------------------------------------


def test_the_arrays_of_an_npz_find_their_inputs_by_name(tmp_path: Path) -> None:
    path = npz(tmp_path / "in.npz", {"right": counted(3, 1, 4) + 100, "serving_default_left:0": counted(3, 1, 4)})
    items = fed(path, tensor(1, 4, name="serving_default_left:0"), tensor(1, 4, name="right"))
    assert [[float(array[0, 0]) for array in item] for item in items] == [[0, 100], [4, 104], [8, 108]]


def test_an_array_of_another_name_is_taken_where_it_is_the_only_one_that_fits(tmp_path: Path) -> None:
    path = npz(tmp_path / "in.npz", {"labels": counted(3, dtype="uint8"), "images": counted(3, 8, 8, 1, dtype="int8")})
    assert len(fed(path, tensor(1, 8, 8, 1, dtype="int8", name="serving_default_image:0"))) == 3


def test_several_inputs_of_different_types_find_each_the_only_array_that_fits(tmp_path: Path) -> None:
    path = npz(tmp_path / "in.npz", {"b": counted(2, 1, 2, dtype="int32"), "a": counted(2, 1, 4)})
    items = fed(path, tensor(1, 4, name="x"), tensor(1, 2, dtype="int32", name="n"))
    assert [[array.shape for array in item] for item in items] == [[(1, 4), (1, 2)]] * 2


def test_where_two_arrays_fit_and_neither_has_the_name_it_is_refused_with_what_there_is(tmp_path: Path) -> None:
    path = npz(tmp_path / "in.npz", {"one": counted(2, 4), "two": counted(2, 4), "other": counted(2, 9)})
    message = refused(lambda: fed(path, tensor(1, 4, name="image")))
    for said in ("image", "one", "two", "more than one"):
        assert said in message


def test_where_no_array_fits_it_is_refused_with_what_there_is(tmp_path: Path) -> None:
    path = npz(tmp_path / "in.npz", {"one": counted(2, 5), "two": counted(2, 4, dtype="int8")})
    message = refused(lambda: fed(path, tensor(1, 4, name="image")))
    for said in ("image", "float32", "[1, 4]", "one float32[2, 5]", "two int8[2, 4]"):
        assert said in message


def test_one_array_is_not_fed_to_two_inputs(tmp_path: Path) -> None:
    path = npz(tmp_path / "in.npz", {"only": counted(2, 4)})
    message = refused(lambda: fed(path, tensor(1, 4, name="left"), tensor(1, 4, name="right")))
    assert "right" in message or "left" in message


def test_a_named_array_of_another_shape_is_refused_with_both_shapes(tmp_path: Path) -> None:
    path = npz(tmp_path / "in.npz", {"image": counted(3, 9, 9, 1)})
    message = refused(lambda: fed(path, tensor(1, 8, 8, 1, name="image")))
    assert "[3, 9, 9, 1]" in message
    assert "[1, 8, 8, 1]" in message


def test_a_named_array_of_another_type_is_refused_with_both_types(tmp_path: Path) -> None:
    path = npz(tmp_path / "in.npz", {"image": counted(3, 4, dtype="uint8"), "fits": counted(3, 4)})
    message = refused(lambda: fed(path, tensor(1, 4, name="image")))
    assert "uint8" in message
    assert "float32" in message


@pytest.mark.parametrize(
    ("signature", "stored", "count", "shape"),
    [
        ((1, 4), (5, 1, 4), 5, (1, 4)),  # stacked, each with its batch of one
        ((1, 4), (5, 4), 5, (1, 4)),  # stacked along the batch
        ((1, 4), (1, 4), 1, (1, 4)),  # a single item
        ((4,), (5, 4), 5, (4,)),
        ((4,), (4,), 1, (4,)),
        ((4, 4), (4, 4), 1, (4, 4)),  # a single item, though it could be four rows
        ((4, 4), (3, 4, 4), 3, (4, 4)),
        ((2, 4), (6, 2, 4), 6, (2, 4)),
        ((OPEN, 4), (5, 4), 5, (1, 4)),  # an open batch is filled one by one
        ((OPEN, 4), (5, 2, 4), 5, (2, 4)),  # or as many at a time as they are stored
        ((1, OPEN, OPEN, 3), (5, 6, 7, 3), 5, (1, 6, 7, 3)),
        ((1, OPEN, OPEN, 3), (1, 6, 7, 3), 1, (1, 6, 7, 3)),
        ((OPEN, OPEN, 3), (6, 7, 3), 6, (1, 7, 3)),
        ((), (5,), 5, ()),  # numbers one by one
        ((), (), 1, ()),
    ],
)
def test_an_array_is_a_stack_of_items_or_a_single_one(
    tmp_path: Path, signature: tuple[int, ...], stored: tuple[int, ...], count: int, shape: tuple[int, ...]
) -> None:
    array = counted(*stored)
    items = fed(npz(tmp_path / "in.npz", {"x": array}), tensor(*signature))
    assert [item[0].shape for item in items] == [shape] * count
    assert np.concatenate([item[0].ravel() for item in items]).tolist() == array.ravel().tolist()


def test_a_stack_without_items_is_refused(tmp_path: Path) -> None:
    for signature in ((1, 4), (OPEN, 4)):
        path = npz(tmp_path / "in.npz", {"x": counted(0, 4)})
        assert "[0, 4]" in refused(lambda path=path, signature=signature: fed(path, tensor(*signature)))


def test_inputs_with_different_numbers_of_items_are_refused_with_both_numbers(tmp_path: Path) -> None:
    path = npz(tmp_path / "in.npz", {"left": counted(3, 1, 4), "right": counted(5, 1, 4)})
    message = refused(lambda: fed(path, tensor(1, 4, name="left"), tensor(1, 4, name="right")))
    assert "3" in message
    assert "5" in message


def test_arrays_that_lie_otherwise_in_memory_are_fed_in_order(tmp_path: Path) -> None:
    array = np.asfortranarray(counted(3, 2, 4))
    items = fed(npz(tmp_path / "in.npz", {"x": array}), tensor(2, 4))
    assert [item[0].tolist() for item in items] == array.tolist()


@pytest.mark.parametrize("dtype", ["S", "U"])
def test_recorded_words_are_fed_to_a_model_that_takes_words(tmp_path: Path, dtype: str) -> None:
    path = npz(tmp_path / "in.npz", {"words": np.array([["yes", "no"], ["maybe", "ähm"]], dtype="U").astype("U")})
    if dtype == "S":
        path = npz(tmp_path / "in.npz", {"words": np.char.encode(np.array([["yes", "no"], ["maybe", "ähm"]]), "utf-8")})
    items = fed(path, tensor(1, 2, dtype="S", name="words"))
    said = [[word if isinstance(word, bytes) else str(word).encode() for word in item[0].ravel()] for item in items]
    assert said == [[b"yes", b"no"], [b"maybe", "ähm".encode()]]


def test_a_recording_for_a_model_without_inputs_is_refused_or_left_alone(tmp_path: Path) -> None:
    """The loop feeds item after item: none at all would end it."""
    recorded = inputs.read(str(npz(tmp_path / "in.npz", {"x": counted(3, 4)})))
    try:
        items = inputs.items(recorded, [], seed=0)
    except Unusable:
        return
    assert items


# --- What is no recording at all --------------------------------------------------------------


@pytest.mark.parametrize("name", ["frames.npz", "frames.npy", "frames", "frames.d"])
def test_what_is_not_there_is_said_not_to_be_there(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    message = refused(lambda: inputs.read(str(path)))
    assert str(path) in message
    assert "not there" in message


@pytest.mark.parametrize("name", ["a" * 300, "a" * 300 + ".npz", "a" * 5_000, "frames\0.npz", ""])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    refused(lambda: inputs.read(f"/nowhere/{name}"))


def test_a_file_of_another_kind_is_refused_with_what_may_be_given(tmp_path: Path) -> None:
    path = tmp_path / "frames.png"
    path.write_bytes(b"\x89PNG")
    message = refused(lambda: inputs.read(str(path)))
    for said in (str(path), "random", ".npy", ".npz"):
        assert said in message


def header(shape: str, length: int = 118) -> bytes:
    """Return an .npy that claims a shape, its header padded to a length."""
    said = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(length - 1) + "\n"
    return b"\x93NUMPY\x02\x00" + length.to_bytes(4, "little") + said.encode() + bytes(64)


def zipped(name: str, content: bytes, change: Callable[[bytearray], None] = lambda _: None) -> bytes:
    """Return a zip archive of one file, with its bytes changed."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    changed = bytearray(whole.getvalue())
    change(changed)
    return bytes(changed)


def plain_npy() -> bytes:
    content = io.BytesIO()
    np.save(content, counted(2, 4))
    return content.getvalue()


def object_npy() -> bytes:
    content = io.BytesIO()
    np.save(content, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return content.getvalue()


def encrypt(archive: bytearray) -> None:
    archive[6] |= 1
    archive[archive.find(b"PK\x01\x02") + 8] |= 1


def unknown_method(archive: bytearray) -> None:
    archive[8] = 99
    archive[archive.find(b"PK\x01\x02") + 10] = 99


def cut(archive: bytearray) -> None:
    del archive[len(archive) // 2 :]


def damage(archive: bytearray) -> None:
    archive[60:70] = b"\xff" * 10


BROKEN: dict[str, tuple[str, bytes]] = {
    "empty": ("x.npy", b""),
    "text": ("x.npy", b"not an array\n" * 20),
    "pickle": ("x.npy", pickle.dumps([1, 2, 3])),
    "object": ("x.npy", object_npy()),
    "cut short": ("x.npy", plain_npy()[:-5]),
    "cut in its header": ("x.npy", plain_npy()[:40]),
    "a zip by its content": ("x.npy", zipped("x.npy", plain_npy())),
    "larger than memory": ("x.npy", header("(99999999999999, 4)")),
    "of a negative size": ("x.npy", header("(-2, 4)")),
    "with an endless header": ("x.npy", header("(2, 4)", 40_000)),
    "empty archive": ("x.npz", b""),
    "archive of nothing": ("x.npz", zipped("readme.txt", b"what this is")),
    "text for an archive": ("x.npz", b"not an archive\n" * 20),
    "pickle for an archive": ("x.npz", pickle.dumps([1, 2, 3])),
    "an .npy by its content": ("x.npz", plain_npy()),
    "archive of a pickle": ("x.npz", zipped("x.npy", object_npy())),
    "archive cut short": ("x.npz", zipped("x.npy", plain_npy(), cut)),
    "archive damaged": ("x.npz", zipped("x.npy", plain_npy(), damage)),
    "archive encrypted": ("x.npz", zipped("x.npy", plain_npy(), encrypt)),
    "archive packed in an unknown way": ("x.npz", zipped("x.npy", plain_npy(), unknown_method)),
    "archive of an array larger than memory": ("x.npz", zipped("x.npy", header("(99999999999999, 4)"))),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_recording_is_refused_in_one_line_that_names_it(tmp_path: Path, kind: str) -> None:
    name, content = BROKEN[kind]
    path = tmp_path / name
    path.write_bytes(content)
    message = refused(lambda: fed(path, tensor(1, 4)))
    assert str(path) in message or name in message


def test_a_broken_file_among_good_ones_is_named(tmp_path: Path) -> None:
    where = folder(tmp_path / "frames", {f"{index}.npy": counted(1, 4) for index in range(5)})
    (where / "3.npy").write_bytes(b"half a frame")
    assert "3.npy" in refused(lambda: inputs.read(str(where)))


def test_a_file_that_is_only_a_name_is_refused(tmp_path: Path) -> None:
    where = folder(tmp_path / "frames", {"0.npy": counted(1, 4)})
    (where / "1.npy").symlink_to(tmp_path / "nowhere")
    assert "1.npy" in refused(lambda: inputs.read(str(where)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), suffix=st.sampled_from([".npy", ".npz"]), compressed=st.booleans())
def test_no_damage_to_a_file_is_worse_than_a_refusal(tmp_path: Path, data: st.DataObject, suffix: str, compressed: bool) -> None:  # noqa: FBT001 - drawn
    content = io.BytesIO()
    array = counted(3, 1, 4)
    if suffix == ".npy":
        np.save(content, array[0])
    else:
        (np.savez_compressed if compressed else np.savez)(content, x=array)
    damaged = bytearray(content.getvalue())
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / f"x{suffix}"
    path.write_bytes(damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged)
    try:
        items: Sequence[tuple[NDArray[Any], ...]] = fed(path, tensor(1, 4))
    except Unusable as error:
        assert "\n" not in str(error)  # noqa: PT017 - a refusal is one of two right outcomes
    else:
        assert items
