"""`scripts/benchmark`: measures the budgets and prints one JSON document. It measures; it does not judge."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from agent.core.errors import Unusable
from agent.workload import model as models

from . import loop, machine, monitor, observer, ring, start
from .settings import RUNTIMES, TFLITE_PYTHON, Settings, find_pythons, prepare, say, shipped_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BENCHMARKS: Final[dict[str, Callable[[Settings], dict[str, object]]]] = {
    "loop": loop.measure,
    "observer": observer.measure,
    "ring": ring.measure,
    "monitor": monitor.measure,
    "start": start.measure,
}
_DEFAULT_MINUTES: Final = {"loop": 2.5, "observer": 2.5, "ring": 1.5, "monitor": 2.0, "start": 1.0}
_FAILED: Final = 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was asked for, and print it."""
    asked, settings = _settings(arguments)
    prepare()
    with tempfile.TemporaryDirectory(prefix="emberd-benchmark-") as folder:
        document: dict[str, Any] = {"machine": machine.describe(), "seed": asked.seed, "benchmarks": {}}
        for name in [asked.benchmark] if asked.benchmark else BENCHMARKS:
            begin = time.monotonic()
            others = machine.Others()
            minutes = asked.minutes or _DEFAULT_MINUTES[name]
            try:
                measured = BENCHMARKS[name](settings(60.0 * minutes, Path(folder)))
            except RuntimeError as error:
                say(f"{name}: {error}")
                return _FAILED
            measured["took_seconds"] = round(time.monotonic() - begin, 1)
            measured["cores_used_by_others"] = others.cores()
            measured["load_average_after"] = machine.load_average()
            document["benchmarks"][name] = measured
    print(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
    return 0


def _settings(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Callable[[float, Path], Settings]]:
    """Return the options, and what makes the settings of one benchmark of its seconds and a folder."""
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    parser.add_argument("benchmark", nargs="?", choices=tuple(BENCHMARKS), help="one of them; all in turn without")
    parser.add_argument("--minutes", type=_positive, metavar="N", help="about how long each benchmark may take")
    parser.add_argument("--runtime", choices=(*RUNTIMES, "both"), default="both", help="for loop and observer (default: both)")
    parser.add_argument(
        "--model",
        action="append",
        metavar="PATH",
        help="a model's path or a shipped one's name, for loop and observer (may be repeated), ring and monitor (the first "
        "counts); default: the shipped MobileNetV2",
    )
    parser.add_argument("--seed", type=int, default=1, help="of inputs, order and bootstrap (default: 1)")
    parser.add_argument(
        "--tflite-python",
        type=Path,
        default=TFLITE_PYTHON,
        metavar="PATH",
        help="a Python with tflite-runtime and emberd (default: .venv-tflite/bin/python)",
    )
    asked = parser.parse_args(arguments)
    try:
        chosen = [models.locate(name) for name in asked.model or [str(shipped_model())]]
    except Unusable as error:
        parser.error(str(error))
    wanted = RUNTIMES if asked.runtime == "both" else (asked.runtime,)
    pythons = find_pythons(wanted, asked.tflite_python)
    if asked.benchmark in {None, "loop", "observer"} and not any(pythons.values()):
        parser.error(f"{' and '.join(wanted)}: not installed here (see --tflite-python)")

    def settings(seconds: float, folder: Path) -> Settings:
        return Settings(seconds=seconds, seed=asked.seed, pythons=pythons, models=chosen, folder=folder)

    return asked, settings


def _positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError(f"{text} is no time at all")
    return value


if __name__ == "__main__":
    sys.exit(main())
