"""tflite-runtime, for devices whose Python or system library is too old for LiteRT.

Its 2.14 wheel contains XNNPACK's quantised kernels but applies XNNPACK to float models only. The wheel also exports the
delegate's C interface (tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h), so the delegate is made here with the flags for
signed and unsigned 8-bit operators and handed over like any external one.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

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
        if request.delegates:
            try:
                delegates: list[Any] = [load_delegate(path) for path in request.delegates]
            except (ValueError, OSError, RuntimeError) as error:
                raise Unusable(f"delegate {', '.join(request.delegates)} does not load: {error}") from error
            return _interpreter.load(Interpreter, request, delegates, request.delegates)
        delegate = _quantised_xnnpack(request.threads)
        if delegate is None:
            return _interpreter.load(Interpreter, request, (), ())
        return _interpreter.load(Interpreter, request, (delegate,), ())


def _quantised_xnnpack(threads: int) -> _Delegate | None:
    """Return XNNPACK with its 8-bit operators, or None where this wheel does not offer it."""
    if not importlib.metadata.version("tflite-runtime").startswith(_CHECKED_VERSION):
        return None
    folder = Path(str(importlib.util.find_spec(PACKAGE).submodule_search_locations[0]))  # type: ignore[union-attr,index]
    library = next(folder.glob("_pywrap_tensorflow_interpreter_wrapper*.so"), None)
    if library is None:
        return None
    functions = ctypes.CDLL(str(library))
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
