"""Where a model that the configuration names is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from agent.core.errors import Unusable

SHIPPED: Final = Path(__file__).resolve().parent.parent / "models"
SUFFIX: Final = ".tflite"
# The file identifier of a TensorFlow Lite flatbuffer stands after the root offset: tensorflow/lite/schema/schema.fbs.
_IDENTIFIER: Final = b"TFL3"


def shipped() -> tuple[str, ...]:
    """Return the names of the models that come with emberd."""
    return tuple(sorted(path.stem for path in SHIPPED.glob(f"*{SUFFIX}")))


def path(named: str) -> Path:
    """Return where a shipped model, or the file of a path, would be. Nothing is looked at."""
    candidate = SHIPPED / f"{named}{SUFFIX}"
    # Path.resolve() raises for a link that leads to itself.
    return Path(os.path.realpath(candidate if named in shipped() else named))


def locate(named: str) -> Path:
    """Return the file of a shipped model or of a path.

    Raises:
        Unusable: there is no such model, or the file is none.
    """
    found = path(named)
    try:
        with found.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise Unusable(f"model {named} is not there; shipped models are {', '.join(shipped())}") from None
    except OSError as error:
        raise Unusable(f"model {named} cannot be read: {error.strerror}") from error
    if head[4:] != _IDENTIFIER:
        raise Unusable(f"model {named} is not a TensorFlow Lite model")
    return found


def title(model: Path) -> str:
    """Return what a model is called in windows."""
    return model.name.removesuffix(SUFFIX)
