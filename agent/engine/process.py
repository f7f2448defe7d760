"""One life of a workload process, from start to end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from agent.core import ring
from agent.core.ring import RingReader
from agent.workload.plan import Answer, Plan

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_ANSWER_BYTES: Final = 65_536
_KEPT_ERROR_BYTES: Final = 8_192
_ANSWERS: Final[msgspec.json.Decoder[Answer]] = msgspec.json.Decoder(Answer)
# What the TensorFlow Lite libraries say when all is well.
_CHATTER: Final = ("INFO:", "WARNING: All log messages", "I0000")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # the real-time signals between the first and the last have no names
        return f"signal {number}"


class Life(Protocol):
    """A started workload process, as the supervisor sees it."""

    pid: int
    reader: RingReader

    def answer(self) -> Answer | None:
        """Return what the process said once it was ready or refused, or None; each answer is returned once."""
        ...

    def ended(self) -> str | None:
        """Return how the process ended, in words, or None while it runs."""
        ...

    def kill(self) -> None:
        """End the process now."""
        ...

    def pin(self, cores: tuple[int, ...]) -> None:
        """Let all threads of the process run on these cores only."""
        ...

    def descriptors(self) -> tuple[int, ...]:
        """Return what becomes readable when the process says something or ends."""
        ...


def pin_threads(process: int, cores: tuple[int, ...]) -> None:
    """Let every thread of a process run on these cores only. Threads that end meanwhile, and cores that are off, are let be."""
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread.name), cores)


@dataclass(slots=True)
class ChildProcess:
    """A real workload process."""

    pid: int
    reader: RingReader
    _process: subprocess.Popen[bytes]
    _channel: socket.socket
    _errors: int
    _said: bytearray = field(default_factory=bytearray)

    @classmethod
    def start(cls, plan: Plan, environment: Mapping[str, str]) -> ChildProcess:
        """Start a fresh interpreter that carries the plan out.

        It is killed by the kernel when the thread that called this ends, so that a monitor that dies leaves nothing behind: call
        it from the thread that lives longest.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        descriptor = ring.create()
        errors, errors_end = os.pipe()
        # What the process cannot write, because nobody reads fast enough, is dropped: it must not hold inference up.
        os.set_blocking(errors_end, False)
        os.set_blocking(errors, False)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-I", "-m", "agent.workload", str(theirs.fileno()), str(descriptor)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors_end,
                pass_fds=(theirs.fileno(), descriptor),
                # Idle pools of the linear algebra library would be threads and memory for nothing.
                env={**environment, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                cwd="/",
            )
            reader = RingReader(ring.attach(descriptor))
        finally:
            theirs.close()
            os.close(descriptor)
            os.close(errors_end)
        ours.setblocking(False)
        ours.send(msgspec.json.encode(plan))
        return cls(pid=process.pid, reader=reader, _process=process, _channel=ours, _errors=errors)

    def descriptors(self) -> tuple[int, ...]:
        """Return what becomes readable when the process says something or ends."""
        return (self._channel.fileno(),) if self._channel.fileno() >= 0 else ()

    def answer(self) -> Answer | None:
        """Return what the process said; see `Life.answer`."""
        self._listen()
        if self._channel.fileno() < 0:
            return None
        try:
            said = self._channel.recv(_MOST_ANSWER_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            said = b""
        if not said:
            self._channel.close()
            return None
        return _ANSWERS.decode(said)

    def ended(self) -> str | None:
        """Return how the process ended; see `Life.ended`."""
        code = self._process.poll()
        if code is None:
            return None
        self._listen()
        how = f"killed by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code}"
        lines = [line.strip() for line in self._said.decode(errors="replace").splitlines() if line.strip()]
        last = next((line for line in reversed(lines) if not line.startswith(_CHATTER)), "")
        return f"{how}: {last}" if last else how

    def kill(self) -> None:
        """End the process now and take its resources back."""
        self._process.kill()
        self._process.wait()
        self.close()

    def pin(self, cores: tuple[int, ...]) -> None:
        """Let all threads of the process run on these cores only."""
        pin_threads(self.pid, cores)

    def close(self) -> None:
        """Give the descriptors of an ended process back."""
        self._channel.close()
        if self._errors >= 0:
            os.close(self._errors)
            self._errors = -1

    def _listen(self) -> None:
        if self._errors < 0:
            return
        try:
            while said := os.read(self._errors, _MOST_ANSWER_BYTES):
                self._said += said
                del self._said[:-_KEPT_ERROR_BYTES]
        except BlockingIOError:
            pass
