"""The sensors there are: every file of `agent/sensors` that does not begin with an underscore."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, cast

from agent import sensors

if TYPE_CHECKING:
    from agent.core.sensor import Kind


def kinds() -> dict[str, Kind]:
    """Import every sensor's file and return them by name, in alphabetical order."""
    return {
        module.name: cast("Kind", importlib.import_module(f"{sensors.__name__}.{module.name}"))
        for module in pkgutil.iter_modules(sensors.__path__)
        if not module.name.startswith("_")
    }
