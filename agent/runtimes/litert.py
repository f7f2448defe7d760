"""LiteRT, the successor of TensorFlow Lite: the package `ai-edge-litert`. It applies XNNPACK by itself, to quantised models too."""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

from agent.core.errors import Unusable
from agent.runtimes import _interpreter

if TYPE_CHECKING:
    from agent.runtimes.runtime import Request, Session

NAME = "litert"
PACKAGE = "ai_edge_litert"


def find() -> Litert | None:
    """Return LiteRT where its package is installed. Nothing of it is imported yet."""
    return Litert() if importlib.util.find_spec(PACKAGE) else None


class Litert:
    """LiteRT."""

    def version(self) -> str:
        """Return `litert` and the package's version."""
        # The package says it itself; the standard way to ask for it costs a workload more than a megabyte.
        return f"{NAME} {importlib.import_module(PACKAGE).__version__}"

    def load(self, request: Request) -> Session:
        """Load a model; see `Runtime.load`."""
        try:
            from ai_edge_litert.interpreter import Interpreter, load_delegate  # noqa: PLC0415 - costs 10 MB; only where it runs
        except ImportError as error:
            raise Unusable(f"{NAME} is installed but does not load: {error}") from error
        delegates = _interpreter.load_delegates(load_delegate, request.delegates)
        return _interpreter.load(Interpreter, request, delegates, request.delegates)
