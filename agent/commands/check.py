"""Validate and print the effective configuration and the plan."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from agent.commands import _configuration
from agent.core import configfile
from agent.core.errors import ExitCode
from agent.daemon import wiring
from agent.engine import catalogue
from agent.workload import model as models

if TYPE_CHECKING:
    import argparse

    from agent.core.config import Config
    from agent.engine.cores import CorePlan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    _configuration.add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of TOML")


def run(arguments: argparse.Namespace) -> int:
    """Print what would run; raises `ConfigError` and `Unusable` where it would not."""
    config = _configuration.read(arguments, catalogue.kinds())
    cores = wiring.plan_cores(config, frozenset(os.sched_getaffinity(0)))
    for workload in config.workload:
        models.locate(workload.model)
    if arguments.json:
        document = {"config": configfile.plain(config), "plan": _plan(config, cores)}
        sys.stdout.write(json.dumps(document) + "\n")
    else:
        sys.stdout.write(toml(config))
        sys.stdout.write("\n" + "".join(f"# {line}\n" for line in _in_words(cores)))
    return int(ExitCode.DONE)


def toml(config: Config) -> str:
    """Return a configuration as a TOML document with every key in it."""
    lines: list[str] = []
    for name, table in configfile.plain(config).items():
        if isinstance(table, list):
            if not table:
                lines.insert(0, f"{name} = []\n")
            for row in table:
                lines += [f"[[{name}]]", *(f"{key} = {json.dumps(value)}" for key, value in row.items()), ""]
            continue
        inner = {key: value for key, value in table.items() if isinstance(value, dict)}
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items() if key not in inner), ""]
        for key, value in inner.items():
            lines += [f"[{name}.{key}]", *(f"{part} = {json.dumps(word)}" for part, word in value.items()), ""]
    return "\n".join(lines).rstrip() + "\n"


def _plan(config: Config, cores: CorePlan) -> dict[str, object]:
    return {
        "monitor": {"cores": cores.monitor, "shared": cores.shared},
        "workloads": {
            workload.name: {
                "model": str(models.path(workload.model)),
                "cores": cores.workloads[workload.name].cores,
                "threads": cores.workloads[workload.name].threads,
            }
            for workload in config.workload
        },
    }


def _in_words(cores: CorePlan) -> list[str]:
    lines = [f"monitor: core(s) {_list(cores.monitor)}" + (", shared with a workload" if cores.shared else "")]
    lines += [
        f"workload {name}: {share.threads} thread(s) on core(s) {_list(share.cores)}" for name, share in cores.workloads.items()
    ]
    return lines


def _list(cores: tuple[int, ...]) -> str:
    return ", ".join(map(str, cores))
