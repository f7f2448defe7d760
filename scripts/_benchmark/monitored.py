"""`python -m _benchmark.monitored TASK`: emberd's monitor as `emberd run` has it, over a workload process that compares."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import msgspec

from agent.core import configfile
from agent.core.clock import SystemClock
from agent.daemon.service import Service
from agent.daemon.wiring import Host
from agent.engine import catalogue

from .launch import Comparing
from .task import Task

if TYPE_CHECKING:
    from agent.workload.plan import Plan


def main(arguments: list[str]) -> int:
    """Run until a signal. The configuration is the default one with what the environment changes."""
    task = msgspec.json.decode(arguments[0], type=Task)

    def start(plan: Plan) -> Comparing:
        return Comparing.start(plan, task)

    kinds = catalogue.kinds()
    config = configfile.read(None, os.environ, kinds)
    host = Host(
        allowed=frozenset(os.sched_getaffinity(0)),
        environment=os.environ,
        is_service=False,
        clock=SystemClock(),
        start=start,
    )
    Service(
        config=config,
        reread=lambda: config,
        kinds=kinds,
        host=host,
        duration_seconds=None,
        sinks=(),
    ).run()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
