"""Every error that emberd raises on purpose, and what is done about each.

    EmberdError
    ├── ConfigError    bad usage or configuration      one line, exit 2
    ├── Unusable       asked for by name, and missing  one line, exit 3
    ├── WorkerLost     a workload died or hangs        restart with backoff; exit 4 when it was the only one
    ├── Absent         not on this board               quiet, looked for again
    └── SensorFault    there, and failed               counted, published; one line when it goes, one when it is back

A traceback that reaches a user is a bug.
"""

from __future__ import annotations

import enum
from typing import ClassVar


class ExitCode(enum.IntEnum):
    """The exit codes of every command."""

    DONE = 0
    DOES_NOT_HOLD = 1
    USAGE = 2
    UNUSABLE = 3
    LOST = 4


class EmberdError(Exception):
    """Something went wrong that emberd knows how to name. The message is one line for a person."""

    exit_code: ClassVar[ExitCode] = ExitCode.DOES_NOT_HOLD


class ConfigError(EmberdError):
    """A value, key or option that cannot be right, with the place where it stands."""

    exit_code = ExitCode.USAGE


class Unusable(EmberdError):  # noqa: N818 - reads as the state it names
    """Something asked for by name that is missing or cannot be used here."""

    exit_code = ExitCode.UNUSABLE


class WorkerLost(EmberdError):  # noqa: N818 - as above
    """A workload process that died, was killed or stopped answering."""

    exit_code = ExitCode.LOST


class Absent(EmberdError):  # noqa: N818 - as above
    """A source that this board does not have. `mend` says how it could have it, where that is known."""

    def __init__(self, message: str, mend: str = "") -> None:
        """Take what is missing, and what could be done about it."""
        super().__init__(message, mend)
        self.mend = mend

    def __str__(self) -> str:
        """Say what is missing."""
        return str(self.args[0])


class SensorFault(EmberdError):  # noqa: N818 - as above
    """A source that is there and could not be read."""
