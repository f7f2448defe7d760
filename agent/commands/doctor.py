"""Try every sensor, permission, runtime, model, broker and clock once."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import msgspec

from agent.commands import _configuration
from agent.core.clock import SystemClock
from agent.core.errors import ExitCode
from agent.daemon.diagnosis import Finding, diagnose
from agent.daemon.wiring import Host
from agent.engine import catalogue
from agent.engine.process import ChildProcess

if TYPE_CHECKING:
    import argparse

    from agent.workload.plan import Plan

_MARKS: Final = {"ok": "ok    ", "warn": "WARN  ", "fail": "FAIL  ", "absent": "absent"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    _configuration.add_config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Try everything, print what was seen; exit 1 where something has failed."""
    kinds = catalogue.kinds()
    config = _configuration.read(arguments, kinds)
    host = Host(
        allowed=frozenset(os.sched_getaffinity(0)),
        environment=os.environ,
        is_service=False,
        clock=SystemClock(),
        start=_start,
    )
    findings = []
    for finding in diagnose(config, host, kinds):
        findings.append(finding)
        if not arguments.json:
            sys.stdout.write(_line(finding))
            sys.stdout.flush()
    if arguments.json:
        sys.stdout.write(msgspec.json.encode(findings).decode() + "\n")
    failed = any(finding.status == "fail" for finding in findings)
    return int(ExitCode.DOES_NOT_HOLD if failed else ExitCode.DONE)


def _start(plan: Plan) -> ChildProcess:
    return ChildProcess.start(plan, os.environ)


def _line(finding: Finding) -> str:
    mend = f"\n{'':26}mend: {finding.mend}" if finding.mend and finding.status != "ok" else ""
    return f"{_MARKS[finding.status]}  {finding.name:<17} {finding.seen}{mend}\n"
