"""`emberd COMMAND`: finds the command, turns its errors into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from agent import __version__
from agent.core.errors import Absent, EmberdError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence


_HELP: Final = {
    "run": "Run the daemon in the foreground.",
    "check": "Validate and print the effective configuration and the plan.",
    "doctor": "Try every sensor, permission, runtime, model, broker and clock once.",
}
# In the order in which a new user needs them.
COMMANDS: Final = tuple(_HELP)


class Command(Protocol):
    """What a command's file holds. Its docstring's first line is its help."""

    __doc__: str | None

    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None:
        """Declare the options."""
        ...

    def run(self, arguments: argparse.Namespace, /) -> int:
        """Do it, and return the exit code."""
        ...


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(int(ExitCode.USAGE), f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    # The linear algebra library starts a thread per core when numpy is loaded; nothing here would use them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _Parser(prog="emberd", description="Sustained inference on edge devices, measured and explained.")
    parser.add_argument("--version", action="version", version=f"emberd {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        # Only the command that was asked for is imported: the others' imports would be time and memory for nothing.
        wanted = name in words[:1]
        command: Command | None = importlib.import_module(f"agent.commands.{name}") if wanted else None
        sub = commands.add_parser(name, help=help_of(name), description=help_of(name))
        if command:
            command.add_arguments(sub)
            sub.set_defaults(run=command.run)
    parsed = parser.parse_args(words)
    try:
        return int(parsed.run(parsed))
    except EmberdError as error:
        mend = f"; {error.mend}" if isinstance(error, Absent) and error.mend else ""
        sys.stderr.write(f"emberd: {error}{mend}\n")
        return int(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        sys.stdout = None
        return int(ExitCode.DONE)
    except KeyboardInterrupt:
        return 130


def help_of(name: str) -> str:
    """Return what a command does, in one sentence."""
    return _HELP[name]


if __name__ == "__main__":
    sys.exit(main())
