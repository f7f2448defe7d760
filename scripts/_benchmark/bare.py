"""A model in a bare Python loop, as anybody would write it: what emberd's memory is held against.

Run as a file, with the model and the runtime's package as arguments. It imports nothing of emberd. With tflite-runtime it applies
XNNPACK to 8-bit models as emberd does: the memory of that is the runtime's, whoever calls it.
"""

from __future__ import annotations

import ctypes
import importlib
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

# TfLiteXNNPackDelegateOptions: threads, flags (signed and unsigned 8-bit operators), and zeros for the rest.
_OPTIONS: Final = (ctypes.c_int32 * 32)(1, 3)


class _Delegate:
    """What the interpreter asks a delegate object for."""

    def __init__(self, library: Path) -> None:
        functions = ctypes.CDLL(str(library))
        functions.TfLiteXNNPackDelegateCreate.restype = ctypes.c_void_p
        self._pointer = functions.TfLiteXNNPackDelegateCreate(_OPTIONS)

    def _get_native_delegate_pointer(self) -> int:
        return int(self._pointer)


def main(model: str, package: str) -> None:
    """Infer for ever on one thread and one random input."""
    interpreters: Any = importlib.import_module(f"{package}.interpreter")
    libraries = Path(str(interpreters.__file__)).parent.glob("_pywrap_tensorflow_interpreter_wrapper*.so")
    delegates = [_Delegate(library) for library in libraries]
    interpreter = interpreters.Interpreter(model_path=model, num_threads=1, experimental_delegates=delegates or None)
    interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    generator = np.random.default_rng(0)
    arrays = [generator.integers(0, 2, detail["shape"]).astype(detail["dtype"]) for detail in inputs]
    while True:
        for detail, array in zip(inputs, arrays, strict=True):
            interpreter.set_tensor(detail["index"], array)
        interpreter.invoke()
        for detail in outputs:
            interpreter.get_tensor(detail["index"])


if __name__ == "__main__":
    main(*sys.argv[1:])
