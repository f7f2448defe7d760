"""What a run was asked for, and where its runtimes are."""

from __future__ import annotations

import compileall
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.core.configfile import PREFIX
from agent.workload import model as models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOT: Final = Path(__file__).resolve().parent.parent.parent
RUNTIMES: Final = ("litert", "tflite")
# tflite-runtime wants another numpy than LiteRT, so it has an environment of its own.
TFLITE_PYTHON: Final = ROOT / ".venv-tflite/bin/python"
_ODD_MODES: Final = frozenset({"PYTHONDONTWRITEBYTECODE", "PYTHONDEVMODE", "PYTHONMALLOC", "PYTHONTRACEMALLOC"})
_PACKAGES: Final = {"litert": "ai_edge_litert", "tflite": "tflite_runtime"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One run.

    Attributes:
        seconds: how long one benchmark may take.
        pythons: for each runtime that was asked for, the interpreter that has it, or None where there is none.
        models: what is run.
        folder: for files that nobody wants to keep.
    """

    seconds: float
    seed: int
    pythons: Mapping[str, str | None]
    models: Sequence[Path]
    folder: Path

    @property
    def defaults(self) -> str:
        """A configuration file that changes nothing, so that none of the machine's own is found."""
        path = self.folder / "config.toml"
        path.touch()
        return str(path)

    @property
    def usable(self) -> dict[str, str]:
        """The runtimes that are here, with their interpreters."""
        return {name: python for name, python in self.pythons.items() if python is not None}

    @property
    def missing(self) -> tuple[str, ...]:
        """The runtimes that were asked for and are not here."""
        return tuple(name for name, python in self.pythons.items() if python is None)


def environment(**changes: str) -> dict[str, str]:
    """Return the environment of a process that is measured: this one's, without odd modes, idle pools and emberd's own keys."""
    kept = {name: value for name, value in os.environ.items() if name not in _ODD_MODES and not name.startswith(PREFIX)}
    return {**kept, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **changes}


def prepare() -> None:
    """Compile emberd's modules, as installing does: else each process would, and keep the memory that it took."""
    compileall.compile_dir(ROOT / "agent", quiet=2)


def find_pythons(wanted: Sequence[str], tflite_python: Path) -> dict[str, str | None]:
    """Return for each runtime an interpreter that has both it and emberd: this one, else for tflite the other one."""
    candidates = {"litert": (sys.executable,), "tflite": (sys.executable, str(tflite_python))}
    return {name: next((python for python in candidates[name] if _has(python, name)), None) for name in wanted}


def shipped_model() -> Path:
    """Return the model that comes with emberd for timing."""
    return models.path("mobilenet_v2_int8")


def say(text: str) -> None:
    """Write a line of progress to stderr."""
    sys.stderr.write(f"benchmark: {text}\n")
    sys.stderr.flush()


def _has(python: str, runtime: str) -> bool:
    if not Path(python).is_file():
        return False
    # Isolated, as the product starts its workloads: what PYTHONPATH offers does not count.
    code = f"import agent.workload.plan, {_PACKAGES[runtime]}"
    return subprocess.run([python, "-I", "-c", code], check=False, capture_output=True).returncode == 0
