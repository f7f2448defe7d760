"""What a runtime's file holds: `NAME`, and a `Runtime` made by `find()`. Adding a runtime is adding a file.

The loop must not pay for abstraction: a loaded model is a record of plain functions, and the one that is timed is the
runtime's own.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from agent.core.errors import Unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

# What `auto` tries, in this order.
AUTO_ORDER: Final = ("litert", "tflite")
_OWN_FILES: Final = frozenset({"runtime"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """One input or output of a model.

    Attributes:
        shape: as it is now; a dimension that the model leaves open stands at 1 until it is set.
        signature: as the model declares it, -1 where it is open.
        scale: quantisation step, 0 where values are not quantised.
    """

    name: str
    shape: tuple[int, ...]
    signature: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to load.

    Attributes:
        shapes: is shown the model's inputs and returns the shape that each is to have.
    """

    model: Path
    threads: int
    delegates: tuple[str, ...]
    shapes: Callable[[tuple[Tensor, ...]], Sequence[tuple[int, ...]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A loaded model.

    Attributes:
        nodes: operators of the model, where the runtime tells.
        delegated_nodes: how many of them a delegate took.
        delegates: the delegates in use, by name.
        feed: hands one array per input over.
        invoke: runs the model once. This call is the latency.
        fetch: takes one array per output.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: int | None
    delegated_nodes: int | None
    delegates: tuple[str, ...]
    feed: Callable[[Sequence[NDArray[Any]]], None]
    invoke: Callable[[], object]
    fetch: Callable[[], tuple[NDArray[Any], ...]]


class Runtime(Protocol):
    """A runtime that is installed here."""

    def version(self) -> str:
        """Return its name and version, such as `litert 2.3.0`."""
        ...

    def load(self, request: Request) -> Session:
        """Load a model, ready to be fed.

        Raises:
            Unusable: the file is no model, or this runtime cannot run it; the message says which and why.
        """
        ...


def names() -> tuple[str, ...]:
    """Return every runtime that emberd knows, by its file's name."""
    package = importlib.import_module(__package__)
    return tuple(
        module.name
        for module in pkgutil.iter_modules(package.__path__)
        if module.name not in _OWN_FILES and not module.name.startswith("_")
    )


def choose(asked: str, find: Callable[[str], Runtime | None]) -> Runtime:
    """Return the runtime asked for, or for `auto` the first that is installed.

    Args:
        asked: a runtime's name or `auto`.
        find: returns the named runtime, or None where its package is not installed; see `find`.

    Raises:
        Unusable: it is not installed here, or there is no such runtime.
    """
    known = names()
    if asked not in {"auto", *known}:
        near = difflib.get_close_matches(asked, known, n=1)
        raise Unusable(
            f"runtime {asked}: there is none of this name; "
            + (f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}")
        )
    wanted = AUTO_ORDER if asked == "auto" else (asked,)
    for name in wanted:
        runtime = find(name)
        if runtime is not None:
            return runtime
    raise Unusable(f"runtime {' or '.join(wanted)} is not installed for this Python; {mend(asked)}")


_MEND: Final = {
    "auto": "pip install ai-edge-litert",
    "litert": "pip install ai-edge-litert",
    "tflite": 'pip install "emberd[tflite]" (Python 3.11 or older)',
}


def mend(name: str) -> str:
    """Return how a runtime is installed."""
    return _MEND.get(name, _MEND["auto"])


def find(name: str) -> Runtime | None:
    """Import a runtime's file and return what it found, or None where its package is not installed."""
    found: Runtime | None = importlib.import_module(f"agent.runtimes.{name}").find()
    return found
