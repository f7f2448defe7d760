"""Other programs: run to their end, or listened to line by line."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_LINE_BYTES: Final = 65_536
_TERM_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.005


def run(words: Sequence[str], seconds: float) -> str:
    """Run a command to its end and return what it wrote to stdout, whatever its exit code. It is found along PATH, not by a shell.

    Raises:
        FileNotFoundError: there is no such command.
        TimeoutError: it took longer, and was killed.
        OSError: it cannot be started.
    """
    try:
        done = subprocess.run(  # noqa: S603 - a command that the configuration or a sensor names
            list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise TimeoutError(f"{words[0]} took longer than {seconds:g} s") from None
    return done.stdout.decode(errors="replace")


class LineProcess:
    """A command that goes on writing lines to stdout. Its stderr is thrown away.

    It runs in a session of its own, so that Ctrl-C does not reach it, and is ended by its process id, never by its name.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """Start it; raises OSError."""
        self._process = subprocess.Popen(  # noqa: S603 - as above
            list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
        )
        if self._process.stdout is None:
            raise OSError(f"{words[0]} has no output")
        self._output = self._process.stdout.fileno()
        self._pending = bytearray()

    def line(self, seconds: float) -> str | None:
        """Return the next line, waiting so long at most; None when none came.

        A line longer than 64 KiB is handed over in pieces: whoever writes that does not write lines.

        Raises:
            EOFError: the command has ended, and every line was returned.
        """
        if self._output < 0:
            raise EOFError("the command was ended")
        until = time.monotonic() + seconds
        while b"\n" not in self._pending and len(self._pending) < _MOST_LINE_BYTES:
            ready, _, _ = select.select([self._output], [], [], max(until - time.monotonic(), 0.0))
            if not ready:
                return None
            said = os.read(self._output, _MOST_LINE_BYTES)
            if not said:
                if self._pending:
                    break
                raise EOFError("the command has ended")
            self._pending += said
        line, _, rest = bytes(self._pending).partition(b"\n")
        if len(line) > _MOST_LINE_BYTES:
            line, rest = line[:_MOST_LINE_BYTES], bytes(self._pending[_MOST_LINE_BYTES:])
        self._pending = bytearray(rest)
        return line.decode(errors="replace").rstrip("\r")

    def stop(self) -> None:
        """End the command: asked first, made to after two seconds."""
        self._output = -1
        if self._process.returncode is None:
            self._signal(signal.SIGTERM)
            until = time.monotonic() + _TERM_SECONDS
            # Looked at, not waited for: while it is a zombie its number belongs to nobody else.
            while os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None and time.monotonic() < until:
                time.sleep(_POLL_SECONDS)
            # What the command itself started and left behind belongs to its session, too.
            self._signal(signal.SIGKILL)
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)
