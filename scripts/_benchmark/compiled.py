"""A model compiled by `libLiteRt.so` on one thread of the processor, through the C interface of LiteRT 2 (litert/c/*.h)."""

from __future__ import annotations

import ctypes
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_CPU: Final = 1  # kLiteRtHwAcceleratorCpu
_LOCK_READ: Final = 0  # kLiteRtTensorBufferLockModeRead
_LOCK_WRITE: Final = 1  # kLiteRtTensorBufferLockModeWrite
# What the library reads the options of its CPU accelerator from: a name, and a payload in TOML.
_OPTIONS_NAME: Final = b"xnnpack"
_OPTIONS: Final = b"num_threads = 1\n"
# LiteRtRankedTensorType is 72 bytes; it is only handed on.
_TENSOR_TYPE_BYTES: Final = 256

_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class CompiledModel:
    """A compiled model with its buffers, ready to be run from C.

    Attributes:
        run_function: `LiteRtRunCompiledModel`.
        handle: its first argument.
        inputs: the tensor buffers of the inputs, filled.
        outputs: the tensor buffers of the outputs.
    """

    def __init__(self, path: Path, item: Sequence[NDArray[Any]]) -> None:
        """Compile a model and fill its inputs.

        Raises:
            RuntimeError: the library refused; the message names the call and its status.
        """
        self._library = _load()
        self._payload = ctypes.create_string_buffer(_OPTIONS)
        self._keep = _Destructor(_let_be)
        environment = self._make("LiteRtCreateEnvironment", ctypes.c_int(0), None)
        model = self._make("LiteRtCreateModelFromFile", environment, str(path).encode())
        options = self._make("LiteRtCreateOptions")
        self._call("LiteRtSetOptionsHardwareAccelerators", options, ctypes.c_int(_CPU))
        threads = self._make("LiteRtCreateOpaqueOptions", _OPTIONS_NAME, self._payload, self._keep)
        self._call("LiteRtAddOpaqueOptions", options, threads)
        self.handle = self._make("LiteRtCreateCompiledModel", environment, model, options)
        self.run_function = ctypes.cast(self._library.LiteRtRunCompiledModel, ctypes.c_void_p)
        signature = self._make("LiteRtGetModelSignature", model, ctypes.c_size_t(0))
        self.inputs = self._buffers("Input", environment, signature)
        self.outputs = self._buffers("Output", environment, signature)
        if len(self.inputs) != len(item):
            raise RuntimeError(f"{path.name} has {len(self.inputs)} inputs when compiled, but {len(item)} in the interpreter")
        for buffer, array in zip(self.inputs, item, strict=True):
            self._fill(buffer, array)

    def output_bytes(self, index: int) -> bytes:
        """Return what the last run left in an output."""
        buffer = ctypes.c_void_p(self.outputs[index])
        size = ctypes.c_size_t()
        self._call("LiteRtGetTensorBufferPackedSize", buffer, ctypes.byref(size))
        address = self._lock(buffer, _LOCK_READ)
        content = ctypes.string_at(address, size.value)
        self._call("LiteRtUnlockTensorBuffer", buffer)
        return content

    def _buffers(self, kind: str, environment: ctypes.c_void_p, signature: ctypes.c_void_p) -> ctypes.Array[ctypes.c_void_p]:
        count = ctypes.c_size_t()
        self._call(f"LiteRtGetNumSignature{kind}s", signature, ctypes.byref(count))
        buffers = (ctypes.c_void_p * count.value)()
        for index in range(count.value):
            tensor = self._make(f"LiteRtGetSignature{kind}TensorByIndex", signature, ctypes.c_size_t(index))
            tensor_type = ctypes.create_string_buffer(_TENSOR_TYPE_BYTES)
            self._call("LiteRtGetRankedTensorType", tensor, tensor_type)
            wanted = self._make(
                f"LiteRtGetCompiledModel{kind}BufferRequirements", self.handle, ctypes.c_size_t(0), ctypes.c_size_t(index)
            )
            buffer = self._make("LiteRtCreateManagedTensorBufferFromRequirements", environment, tensor_type, wanted)
            buffers[index] = buffer.value
        return buffers

    def _fill(self, pointer: int, array: NDArray[Any]) -> None:
        buffer = ctypes.c_void_p(pointer)
        ctypes.memmove(self._lock(buffer, _LOCK_WRITE), array.ctypes.data, array.nbytes)
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def _lock(self, buffer: ctypes.c_void_p, mode: int) -> ctypes.c_void_p:
        address = ctypes.c_void_p()
        self._call("LiteRtLockTensorBuffer", buffer, ctypes.byref(address), ctypes.c_int(mode))
        return address

    def _make(self, function: str, *arguments: object) -> ctypes.c_void_p:
        """Call a function whose last argument is where it leaves what it made."""
        made = ctypes.c_void_p()
        self._call(function, *arguments, ctypes.byref(made))
        return made

    def _call(self, function: str, *arguments: object) -> None:
        status = getattr(self._library, function)(*arguments)
        if status:
            raise RuntimeError(f"{function} returned status {status}")


def _load() -> ctypes.CDLL:
    package = importlib.util.find_spec("ai_edge_litert")
    folders = (package.submodule_search_locations if package else None) or []
    for folder in folders:
        if (library := Path(folder) / "libLiteRt.so").is_file():
            return ctypes.CDLL(str(library))
    raise RuntimeError("ai_edge_litert has no libLiteRt.so")


def _let_be(payload: int | None) -> None:
    """Stand for the destructor of a payload that belongs to Python."""
