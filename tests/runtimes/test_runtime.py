"""Which runtime is taken, and what is said where it cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.core.errors import EmberdError, Unusable
from agent.runtimes import runtime as runtimes

if TYPE_CHECKING:
    from agent.runtimes.runtime import Request, Runtime, Session


REPOSITORY = Path(__file__).resolve().parents[2]


class Installed:
    """A runtime that only has a name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def version(self) -> str:
        return f"{self.name} 1.0"

    def load(self, request: Request) -> Session:
        raise NotImplementedError


class Machine:
    """Finds the runtimes that are said to be installed, and keeps what it was asked for."""

    def __init__(self, *there: str) -> None:
        self.there = there
        self.asked: list[str] = []

    def find(self, name: str) -> Runtime | None:
        self.asked.append(name)
        return Installed(name) if name in self.there else None


def test_auto_takes_litert_before_tflite() -> None:
    machine = Machine("tflite", "litert")
    assert runtimes.choose("auto", machine.find).version() == "litert 1.0"
    assert machine.asked == ["litert"]


def test_auto_takes_tflite_where_litert_is_not_installed() -> None:
    assert runtimes.choose("auto", Machine("tflite").find).version() == "tflite 1.0"


def test_a_runtime_asked_for_by_name_is_never_replaced_by_another() -> None:
    machine = Machine("litert")
    with pytest.raises(Unusable, match="tflite"):
        runtimes.choose("tflite", machine.find)
    assert machine.asked == ["tflite"]


@pytest.mark.parametrize(
    ("asked", "package"), [("auto", "ai-edge-litert"), ("litert", "ai-edge-litert"), ("tflite", "emberd[tflite]")]
)
def test_a_runtime_that_is_not_installed_is_named_with_the_package_to_install(asked: str, package: str) -> None:
    with pytest.raises(Unusable) as caught:
        runtimes.choose(asked, Machine().find)
    message = str(caught.value)
    assert "not installed" in message
    assert f"pip install {package}" in message.replace('"', "")
    assert "\n" not in message


@pytest.mark.parametrize("asked", ["tensorrt", "LITERT", "litert ", "", "runtime", "_interpreter", "../litert", "litert.x", "os"])
def test_a_runtime_that_nobody_knows_is_refused_in_one_line_that_names_one_there_is(asked: str) -> None:
    with pytest.raises(EmberdError) as caught:
        runtimes.choose(asked, runtimes.find)
    message = str(caught.value)
    assert "\n" not in message
    assert asked in message
    assert "litert" in message


def test_every_runtime_is_a_file_that_calls_itself_by_its_own_name() -> None:
    assert runtimes.names() == ("litert", "tflite")
    for name in runtimes.names():
        found = runtimes.find(name)
        assert found is None or found.version().startswith(f"{name} ")


def test_what_auto_tries_are_runtimes_that_emberd_knows() -> None:
    assert set(runtimes.AUTO_ORDER) <= set(runtimes.names())


@pytest.mark.parametrize("name", runtimes.names())
def test_every_runtime_is_tested_in_this_environment_or_in_another(name: str) -> None:
    """LiteRT and tflite-runtime need different versions of numpy: the tests of both run once in each environment."""
    if runtimes.find(name):
        return
    environment = {"litert": ".venv", "tflite": ".venv-tflite"}[name]
    if (REPOSITORY / environment / "bin" / "python").is_file():
        pytest.skip(f"{name.upper()} IS NOT TESTED HERE, but by {environment}/bin/python -m pytest tests/runtimes tests/workload")
    pytest.skip(f"{name.upper()} IS NOT TESTED AT ALL: there is no {environment}")


def test_this_environment_has_a_runtime_to_test() -> None:
    assert any(runtimes.find(name) for name in runtimes.names())


def test_looking_for_runtimes_loads_none_of_them() -> None:
    """The monitor looks too, and must not pay 10 MB for it."""
    program = (
        "import sys; from agent.runtimes import runtime; [runtime.find(name) for name in runtime.names()]; "
        "print(*(name for name in sys.modules if name.startswith(('ai_edge_litert', 'tflite_runtime'))))"
    )
    seen = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert seen.stdout.split() == []
