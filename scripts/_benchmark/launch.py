"""Starting a workload process that compares, the way the product starts one that only infers."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from agent.core import ring
from agent.core.ring import RingReader
from agent.engine.process import pin_threads
from agent.workload.plan import Answer

from .settings import environment

if TYPE_CHECKING:
    from agent.workload.plan import Plan

    from .task import Task

_MOST_ANSWER_BYTES: Final = 65_536
_ANSWERS: Final[msgspec.json.Decoder[Answer]] = msgspec.json.Decoder(Answer)


@dataclass(slots=True)
class Comparing:
    """A workload process that compares; what the product's supervisor wants of a `Life`."""

    pid: int
    reader: RingReader
    process: subprocess.Popen[bytes]
    channel: socket.socket

    @classmethod
    def start(cls, plan: Plan, task: Task, python: str = sys.executable) -> Comparing:
        """Start it under a Python that has the runtime. Its stderr goes to the task's file."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        descriptor = ring.create()
        reader = RingReader(ring.attach(descriptor))
        errors = task.errors.open("ab")
        words = [str(theirs.fileno()), str(descriptor), msgspec.json.encode(task).decode()]
        try:
            process = subprocess.Popen(
                [python, "-m", "_benchmark.workload", *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                pass_fds=(theirs.fileno(), descriptor),
                env=environment(),
            )
        finally:
            theirs.close()
            errors.close()
            os.close(descriptor)
        ours.send(msgspec.json.encode(plan))
        return cls(pid=process.pid, reader=reader, process=process, channel=ours)

    def wait_answer(self) -> Answer | None:
        """Wait for what the process says, or None where it ends without a word."""
        said = self.channel.recv(_MOST_ANSWER_BYTES)
        return _ANSWERS.decode(said) if said else None

    def answer(self) -> Answer | None:
        """Return what the process said; see `Life.answer`."""
        self.channel.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            return self.wait_answer()
        return None

    def ended(self) -> str | None:
        """Return how the process ended; see `Life.ended`."""
        code = self.process.poll()
        return None if code is None else f"ended with {code}"

    def kill(self) -> None:
        """End the process now."""
        self.process.kill()
        self.process.wait()
        self.channel.close()

    def pin(self, cores: tuple[int, ...]) -> None:
        """Let all threads of the process run on these cores only."""
        pin_threads(self.pid, cores)

    def descriptors(self) -> tuple[int, ...]:
        """Return nothing to wait for: the monitor looks at each tick."""
        return ()
