"""Arrays from files: a folder of .npy, one .npy, or an .npz, however damaged."""

from __future__ import annotations

import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numpy as np

from agent.core.errors import Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

_T = TypeVar("_T")
# A damaged file fails in as many ways as there are formats inside it: an archive, its compression, a header that is Python text.
_DAMAGED: Final = (
    OSError,
    ValueError,
    EOFError,
    KeyError,
    TypeError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    tokenize.TokenError,
    struct.error,
)


def load(origin: str) -> tuple[Mapping[str, NDArray[Any]], bool]:
    """Return the arrays of a folder or file by name, and whether each holds many items along its first axis (.npz).

    Raises:
        Unusable: there is nothing there, or it is not what its name says.
    """
    path = Path(origin)
    if os.path.isdir(path):  # noqa: PTH112 - Path's own raises where a name is too long
        files = sorted(path.glob("*.npy"))
        if not files:
            raise Unusable(f"inputs: {origin} holds no .npy file")
        return {file.name: _read_npy(file) for file in files}, False
    if path.suffix == ".npy":
        return {path.name: _read_npy(path)}, False
    if path.suffix == ".npz":
        arrays = _guarded(path, _load_npz)
        if not arrays:
            raise Unusable(f"inputs: {origin} holds no array")
        return arrays, True
    if not os.path.exists(path):  # noqa: PTH110 - as above
        raise Unusable(f"inputs: {origin} is not there")
    raise Unusable(f'inputs: {origin} is neither "random", nor a folder of .npy, nor an .npz')


def _read_npy(path: Path) -> NDArray[Any]:
    return _guarded(path, _load_npy)


def _load_npy(path: Path) -> NDArray[Any]:
    with path.open("rb") as file:
        return np.lib.format.read_array(file, allow_pickle=False)


def _load_npz(path: Path) -> dict[str, NDArray[Any]]:
    # np.load would take any file for what its first bytes say, and leaves a damaged archive open.
    arrays = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".npy"):
                with archive.open(name) as file:
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def _guarded(path: Path, load_file: Callable[[Path], _T]) -> _T:
    try:
        return load_file(path)
    except FileNotFoundError:
        raise Unusable(f"inputs: {path} is not there") from None
    except MemoryError:
        raise Unusable(f"inputs: {path} does not fit the memory") from None
    except _DAMAGED as error:
        told = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise Unusable(f"inputs: {path} cannot be read: {told}") from error
