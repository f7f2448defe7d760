"""The TensorFlow Lite interpreter's Python interface, which LiteRT and tflite-runtime share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from agent.core.errors import Unusable
from agent.runtimes.runtime import Request, Session, Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


def load(
    interpreter_type: Callable[..., Any], request: Request, delegates: Sequence[Any], delegate_names: Sequence[str]
) -> Session:
    """Load a model into an interpreter of the given type.

    Args:
        interpreter_type: `Interpreter` of either package.
        request: what to load.
        delegates: delegate objects to apply, in order.
        delegate_names: what they are called in `meta`.

    Raises:
        Unusable: the file is no model, or the interpreter cannot run it.
    """
    name = request.model.name
    try:
        interpreter = interpreter_type(
            model_path=str(request.model), num_threads=request.threads, experimental_delegates=list(delegates) or None
        )
    except SystemError as error:
        raise Unusable(f"{name} cannot be loaded: this runtime does not fit numpy {np.__version__}") from error
    except (ValueError, RuntimeError, MemoryError) as error:
        raise Unusable(_refusal(name, request, error)) from error
    try:
        details = interpreter.get_input_details()
        inputs = tuple(_tensor(detail) for detail in details)
        for detail, shape, tensor in zip(details, request.shapes(inputs), inputs, strict=True):
            if shape != tensor.shape:
                interpreter.resize_tensor_input(detail["index"], shape, strict=True)
        interpreter.allocate_tensors()
        inputs = tuple(_tensor(detail) for detail in interpreter.get_input_details())
        outputs = tuple(_tensor(detail) for detail in interpreter.get_output_details())
    except (ValueError, RuntimeError) as error:
        raise Unusable(_refusal(name, request, error, loaded=True)) from error
    nodes, delegated = _coverage(interpreter)
    has_delegate = delegated is not None and delegated > 0
    return Session(
        inputs=inputs,
        outputs=outputs,
        nodes=nodes,
        delegated_nodes=delegated,
        delegates=tuple(delegate_names) or (("xnnpack",) if has_delegate else ()),
        feed=_feeder(interpreter, [detail["index"] for detail in details]),
        invoke=interpreter.invoke,
        fetch=_fetcher(interpreter, [detail["index"] for detail in interpreter.get_output_details()]),
    )


def load_delegates(load_delegate: Callable[[str], Any], paths: Sequence[str]) -> list[Any]:
    """Load external delegates, in order."""
    delegates = []
    for path in paths:
        try:
            delegates.append(load_delegate(path))
        except (ValueError, OSError, RuntimeError, AttributeError) as error:
            told = " ".join(str(error).split()) or type(error).__name__
            raise Unusable(f"delegate {path} does not load: {told}") from error
    return delegates


def _feeder(interpreter: Any, indexes: Sequence[int]) -> Callable[[Sequence[NDArray[Any]]], None]:  # noqa: ANN401 - untyped package
    set_tensor = interpreter.set_tensor
    if len(indexes) == 1:
        only = indexes[0]

        def feed_one(arrays: Sequence[NDArray[Any]]) -> None:
            set_tensor(only, arrays[0])

        return feed_one

    def feed(arrays: Sequence[NDArray[Any]]) -> None:
        for index, array in zip(indexes, arrays, strict=True):
            set_tensor(index, array)

    return feed


def _fetcher(interpreter: Any, indexes: Sequence[int]) -> Callable[[], tuple[NDArray[Any], ...]]:  # noqa: ANN401 - as above
    get_tensor = interpreter.get_tensor

    def fetch() -> tuple[NDArray[Any], ...]:
        try:
            return tuple([get_tensor(index) for index in indexes])
        except ValueError:
            # An output without elements, as that of a detector which sees nothing, is refused with "Invalid tensor size".
            return tuple([_get_even_empty(interpreter, index) for index in indexes])

    return fetch


def _get_even_empty(interpreter: Any, index: int) -> NDArray[Any]:  # noqa: ANN401 - untyped package
    detail = next(detail for detail in interpreter.get_output_details() if detail["index"] == index)
    if 0 in detail["shape"]:
        return np.empty(tuple(detail["shape"]), dtype=detail["dtype"])
    found: NDArray[Any] = interpreter.get_tensor(index)
    return found


def _refusal(name: str, request: Request, error: BaseException, *, loaded: bool = False) -> str:
    text = _first_line(error)
    node = text[text.rfind("Node number") :] if "Node number" in text else text
    if "Select TensorFlow" in text:
        return f"{name} cannot run here: it needs Select TensorFlow operators (Flex), which this runtime does not have: {node}"
    if request.delegates and "delegate" in text:
        return f"{name} cannot run here with delegate {', '.join(request.delegates)}: {text}"
    if loaded or "Node number" in text or "unresolved custom op" in text:
        return f"{name} cannot run here: {text}"
    return f"{name} cannot be loaded as a TensorFlow Lite model: {text}"


def _tensor(detail: dict[str, Any]) -> Tensor:
    scale, zero_point = detail["quantization"]
    shape = tuple(int(size) for size in detail["shape"])
    signature = tuple(int(size) for size in detail.get("shape_signature", ())) or shape
    return Tensor(
        name=str(detail["name"]),
        shape=shape,
        signature=signature,
        dtype=np.dtype(detail["dtype"]),
        scale=float(scale),
        zero_point=int(zero_point),
    )


def _coverage(interpreter: Any) -> tuple[int | None, int | None]:  # noqa: ANN401 - untyped package
    """Return how many operators the model has and how many of them a delegate took.

    A delegate leaves the operators it took in the list and appends itself as `DELEGATE`: what it took is what lies between its
    outputs and its inputs. The list is not part of the packages' stable interface, so without it nothing is claimed.
    """
    try:
        operators = interpreter._get_ops_details()  # noqa: SLF001 - the only way to see the delegates from Python
    except (AttributeError, RuntimeError, ValueError):
        return None, None
    own = [operator for operator in operators if operator["op_name"] != "DELEGATE"]
    producer = {int(tensor): position for position, operator in enumerate(own) for tensor in operator["outputs"]}
    taken: set[int] = set()
    for delegate in operators:
        if delegate["op_name"] != "DELEGATE":
            continue
        borders = {int(tensor) for tensor in delegate["inputs"]}
        ahead = [int(tensor) for tensor in delegate["outputs"]]
        while ahead:
            position = producer.get(ahead.pop())
            if position is None or position in taken:
                continue
            taken.add(position)
            ahead += [int(tensor) for tensor in own[position]["inputs"] if int(tensor) not in borders]
    return len(own), len(taken)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
