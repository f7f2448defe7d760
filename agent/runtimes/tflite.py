"""tflite-runtime, for devices whose Python or system library is too old for LiteRT.

Its 2.14 wheel contains XNNPACK's quantised kernels but applies XNNPACK to float models only. The wheel also exports the
delegate's C interface (tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h), so the delegate is made here with the flags for
signed and unsigned 8-bit operators and handed over like any external one.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.core.errors import Unusable
from agent.runtimes import _interpreter

if TYPE_CHECKING:
    from agent.runtimes.runtime import Request, Session

NAME = "tflite"
PACKAGE = "tflite_runtime"

# The version whose options the structure below was checked against. Others run without the addition.
_CHECKED_VERSION: Final = "2.14."
_QUANTISED_SIGNED: Final = 0x1
_QUANTISED_UNSIGNED: Final = 0x2


class _Options(ctypes.Structure):
    """`TfLiteXNNPackDelegateOptions`; what follows the flags stays zero, its default."""

    _fields_ = (("num_threads", ctypes.c_int32), ("flags", ctypes.c_uint32), ("rest", ctypes.c_byte * 120))


def find() -> Tflite | None:
    """Return tflite-runtime where its package is installed. Nothing of it is imported yet."""
    return Tflite() if importlib.util.find_spec(PACKAGE) else None


class Tflite:
    """tflite-runtime."""

    def version(self) -> str:
        """Return `tflite` and the package's version."""
        return f"{NAME} {importlib.metadata.version('tflite-runtime')}"

    def load(self, request: Request) -> Session:
        """Load a model; see `Runtime.load`."""
        try:
            from tflite_runtime.interpreter import Interpreter, load_delegate  # noqa: PLC0415 - only where it runs
        except ImportError as error:
            raise Unusable(f"{NAME} is installed but does not load: {error}") from error
        if not _is_whole(request.model):
            raise Unusable(f"{request.model.name} cannot be loaded as a TensorFlow Lite model: it is damaged or not all there")
        if request.delegates:
            delegates = _interpreter.load_delegates(load_delegate, request.delegates)
            return _interpreter.load(Interpreter, request, delegates, request.delegates)
        delegate = _quantised_xnnpack(request.threads)
        if delegate is None:
            return _interpreter.load(Interpreter, request, (), ())
        try:
            return _interpreter.load(Interpreter, request, (delegate,), ())
        except Unusable:
            # An explicit delegate refuses tensors whose size is only known when they are computed; the built-in way does not.
            return _interpreter.load(Interpreter, request, (), ())


class _Model(ctypes.Structure):
    """A `unique_ptr`, as large as it takes for the platform to return it through memory that the caller provides."""

    _fields_ = (("pointer", ctypes.c_void_p), ("rest", ctypes.c_void_p * 3))


_VERIFY: Final = "_ZN6tflite4impl15FlatBufferModel22VerifyAndBuildFromFileEPKcPNS_14TfLiteVerifierEPNS_13ErrorReporterE"


def _is_whole(model: Path) -> bool:
    """Return whether the flatbuffer holds together. This version's interpreter does not look, and crashes on half a file."""
    functions = _library()
    if functions is None or not hasattr(functions, _VERIFY):
        return True
    verify = getattr(functions, _VERIFY)
    verify.restype = _Model
    verify.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
    return bool(verify(os.fsencode(model), None, None).pointer)


def _library() -> ctypes.CDLL | None:
    """Return the wheel's library, where it is the one whose functions and structures are known."""
    if not importlib.metadata.version("tflite-runtime").startswith(_CHECKED_VERSION):
        return None
    folder = Path(str(importlib.util.find_spec(PACKAGE).submodule_search_locations[0]))  # type: ignore[union-attr,index]
    library = next(folder.glob("_pywrap_tensorflow_interpreter_wrapper*.so"), None)
    return ctypes.CDLL(str(library)) if library else None


def _quantised_xnnpack(threads: int) -> _Delegate | None:
    """Return XNNPACK with its 8-bit operators, or None where this wheel does not offer it."""
    functions = _library()
    if functions is None:
        return None
    if not hasattr(functions, "TfLiteXNNPackDelegateCreate"):
        return None
    functions.TfLiteXNNPackDelegateCreate.restype = ctypes.c_void_p
    functions.TfLiteXNNPackDelegateDelete.argtypes = [ctypes.c_void_p]
    options = _Options(num_threads=threads, flags=_QUANTISED_SIGNED | _QUANTISED_UNSIGNED)
    pointer = functions.TfLiteXNNPackDelegateCreate(ctypes.byref(options))
    return _Delegate(functions, pointer) if pointer else None


class _Delegate:
    """What the interpreter expects of a delegate object: its pointer. The interpreter keeps it alive."""

    def __init__(self, functions: ctypes.CDLL, pointer: int) -> None:
        self._functions = functions
        self._pointer = pointer

    def _get_native_delegate_pointer(self) -> int:
        return self._pointer

    def __del__(self) -> None:
        self._functions.TfLiteXNNPackDelegateDelete(self._pointer)
