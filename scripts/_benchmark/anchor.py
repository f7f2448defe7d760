"""The loop in C: compiled here, run in the process and on the core of the loop in Python, on the same model.

tflite-runtime exports its interpreter's methods, so C calls `Invoke` of the very object that Python calls. LiteRT hides those;
there C runs the compiled model of `libLiteRt.so`, which lies in the same package.
"""

from __future__ import annotations

import ctypes
import importlib.util
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .compiled import CompiledModel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from agent.runtimes.runtime import Session

    TimeCalls = Callable[[int], NDArray[np.int64]]

SOURCE: Final = Path(__file__).with_name("anchor.c")
# tflite::impl::Interpreter::Invoke(), Itanium C++ ABI.
_INVOKE: Final = "_ZN6tflite4impl11Interpreter6InvokeEv"


def compile_library(folder: Path) -> Path:
    """Compile the C loop into a folder and return the shared library.

    Raises:
        RuntimeError: there is no compiler, or it refused.
    """
    library = folder / "anchor.so"
    command = ["gcc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise RuntimeError("gcc is not installed; the C loop needs it") from None
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"gcc: {error.stderr.strip()}") from error
    return library


def anchor(library: Path, session: Session, model: Path, items: Sequence[tuple[NDArray[Any], ...]]) -> TimeCalls:
    """Return the C loop over a loaded model: it takes a number of inferences and returns what each took, in nanoseconds.

    Args:
        library: what `compile_library` made.
        session: the model as the loop in Python runs it.
        model: its file.
        items: inputs; LiteRT's compiled model has buffers of its own and is fed the first.
    """
    loops = ctypes.CDLL(str(library))
    interpreter = session.invoke.__self__  # type: ignore[attr-defined]
    if type(interpreter).__module__.startswith("tflite_runtime"):
        return _over_interpreter(loops, interpreter)
    return _over_compiled(loops, CompiledModel(model, items[0]))


def _over_interpreter(loops: ctypes.CDLL, interpreter: Any) -> TimeCalls:  # noqa: ANN401 - untyped package
    invoke = ctypes.cast(getattr(_tflite_library(), _INVOKE), ctypes.c_void_p)
    handle = ctypes.c_void_p(interpreter._native_handle())  # noqa: SLF001 - made for calls from other languages

    def time_calls(count: int) -> NDArray[np.int64]:
        took = np.zeros(count, dtype=np.int64)
        _succeed(loops.time_invoke(invoke, handle, ctypes.c_size_t(count), _address(took)))
        return took

    return time_calls


def _over_compiled(loops: ctypes.CDLL, model: CompiledModel) -> TimeCalls:
    def time_calls(count: int) -> NDArray[np.int64]:
        took = np.zeros(count, dtype=np.int64)
        _succeed(
            loops.time_run(
                model.run_function,
                model.handle,
                ctypes.c_size_t(len(model.inputs)),
                model.inputs,
                ctypes.c_size_t(len(model.outputs)),
                model.outputs,
                ctypes.c_size_t(count),
                _address(took),
            )
        )
        return took

    return time_calls


def _tflite_library() -> ctypes.CDLL:
    package = importlib.util.find_spec("tflite_runtime")
    folders = (package.submodule_search_locations if package else None) or []
    for folder in folders:
        for path in Path(folder).glob("_pywrap_tensorflow_interpreter_wrapper*.so"):
            return ctypes.CDLL(str(path))
    raise RuntimeError("tflite_runtime has no interpreter library")


def _address(array: NDArray[np.int64]) -> ctypes.c_void_p:
    return ctypes.c_void_p(array.ctypes.data)


def _succeed(status: int) -> None:
    if status:
        raise RuntimeError(f"an inference of the C loop failed with status {status}")
