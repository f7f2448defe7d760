from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from agent.commands import check
from agent.commands.main import main
from agent.core import configfile
from agent.engine import catalogue

if TYPE_CHECKING:
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_what_it_prints_is_a_configuration_that_means_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[window]\nlength = "10 s"\n[[workload]]\nname = "a"\npace = "30 Hz"\n[[workload]]\nname = "b"\nthreads = 1\n')
    assert main(["check", "--config", str(file)]) == 0
    kinds = catalogue.kinds()
    printed = configfile.parse(tomllib.loads(capsys.readouterr().out), kinds)
    assert printed == configfile.read(file, {}, kinds)


def test_monitor_only_survives_the_way_through_toml() -> None:
    config = configfile.parse({"workload": []}, catalogue.kinds())
    assert configfile.parse(tomllib.loads(check.toml(config)), catalogue.kinds()) == config


def test_json_holds_the_configuration_and_the_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config.toml"
    file.write_text('[[workload]]\nname = "a"\nthreads = 1\n')
    assert main(["check", "--config", str(file), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["config"]["workload"][0]["name"] == "a"
    assert document["plan"]["workloads"]["a"]["threads"] == 1
    assert document["plan"]["monitor"]["cores"]


@pytest.mark.parametrize(
    ("text", "code"),
    [("[windw]\n", 2), ('[[workload]]\nmodel = "nothing"\n', 3), ("workload = 3\n", 2), ('[window]\nlength = "0 s"\n', 2)],
)
def test_what_would_not_run_is_said_with_the_code_that_run_would_give(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, code: int
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    assert main(["check", "--config", str(file)]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("emberd: ")
