"""Run the daemon in the foreground."""

from __future__ import annotations

import functools
import logging
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from agent.commands import _configuration
from agent.core.clock import SystemClock
from agent.core.errors import ExitCode
from agent.core.message import Event, Window
from agent.daemon.service import Service
from agent.daemon.wiring import Host
from agent.engine import catalogue
from agent.engine.process import ChildProcess
from agent.view import line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from agent.core.config import Config
    from agent.publish.publisher import Sink, Stored
    from agent.workload.plan import Plan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    _configuration.add_config_argument(parser)
    parser.add_argument("--duration", metavar="T", type=_configuration.duration, help="end after so long, from the first inference")
    parser.add_argument("--window", metavar="T", type=_configuration.duration, help="length of a window, instead of the configured")
    parser.add_argument("--json", action="store_true", help="print each window as one line of JSON")
    parser.add_argument("--verbose", action="store_true", help="log more, to stderr")


def run(arguments: argparse.Namespace) -> int:
    """Run until a signal or the end of the duration."""
    _log(verbose=arguments.verbose)
    kinds = catalogue.kinds()

    def read() -> Config:
        config = _configuration.read(arguments, kinds)
        if arguments.window is None:
            return config
        return msgspec.structs.replace(config, window=msgspec.structs.replace(config.window, length=arguments.window))

    config = read()
    # The kernel ends a workload when the thread that started it ends, and a workload inherits that thread's priority: so one
    # thread starts them all, keeps its priority, and lives as long as the process.
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter") as starter:

        def start(plan: Plan) -> ChildProcess:
            return starter.submit(ChildProcess.start, plan, os.environ).result()

        starter.submit(os.getpid).result()
        host = Host(
            allowed=frozenset(os.sched_getaffinity(0)),
            environment=os.environ,
            is_service="NOTIFY_SOCKET" in os.environ,
            clock=SystemClock(),
            start=start,
        )
        service = Service(
            config=config,
            reread=read,
            kinds=kinds,
            host=host,
            duration_seconds=arguments.duration,
            sinks=(),
        )
        service.sinks = _sinks(as_json=arguments.json, stop=service.stop)
        service.run()
    return int(ExitCode.DONE)


def _sinks(*, as_json: bool, stop: Callable[[], None]) -> tuple[Sink, ...]:
    if as_json:
        return (functools.partial(_print, stop, _as_json),)
    if sys.stdout.isatty():
        return (functools.partial(_print, stop, _as_line),)
    return ()


def _print(stop: Callable[[], None], words: Callable[[Stored], str | None], stored: Stored) -> None:
    text = words(stored)
    if text is None:
        return
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        # `emberd run --json | head -1`: the reader has what it wanted.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - so that the interpreter's last flush has somewhere to go
        stop()


def _as_json(stored: Stored) -> str | None:
    return stored.wire.decode() if stored.kind == "window" else None


def _as_line(stored: Stored) -> str:
    if stored.kind == "window":
        return line.line(msgspec.json.decode(stored.wire, type=Window))
    return line.line(msgspec.json.decode(stored.wire, type=Event))


def _log(*, verbose: bool) -> None:
    logging.basicConfig(level=logging.DEBUG if verbose else logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
