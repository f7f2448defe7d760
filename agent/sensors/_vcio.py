"""The firmware of a Raspberry Pi, asked in the words of `vcgencmd` through its mailbox, without starting a process.

Source: drivers/char/broadcom/vcio.c of the Raspberry Pi kernel; vcgencmd.c in raspberrypi/utils. The node is `/dev/vcio_gencmd`
(kernels of 2026 on, group video, the one tag below and no other) or the older `/dev/vcio`. One ioctl hands over 32-bit words in
the processor's byte order, and the answer stands in their place:

    word 0      size of all words in bytes
    word 1      0; 0x80000000 when the kernel has passed the request on
    word 2      the tag: 0x30080, GET_GENCMD_RESULT
    word 3      size of the value, 1024
    word 4      0
    word 5      0; the firmware's error number, 0 for none
    word 6...   the command, then its answer, ended by a zero byte
    last word   0, the end tag

A failure is a text like any other, and no exit status of `vcgencmd` tells it apart: each answer is held against what was asked.
"""

from __future__ import annotations

import errno
import re
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from agent.core.errors import Absent, SensorFault
from agent.core.tree import errno_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from agent.core.sensor import Device, Surroundings

NODES: Final = ("dev/vcio_gencmd", "dev/vcio")
# _IOWR(100, 0, char *) of asm-generic/ioctl.h: the size of a pointer is part of it, 8 bytes or 4 in a 32-bit process.
REQUEST: Final = 3 << 30 | struct.calcsize("P") << 16 | 100 << 8
TAG: Final = 0x0003_0080
MEND: Final = (
    "let emberd into the group video: SupplementaryGroups=video in its unit, or usermod -aG video for a user; where only root may "
    "open /dev/vcio, a newer kernel has /dev/vcio_gencmd"
)

_DONE: Final = 0x8000_0000
_VALUE_BYTES: Final = 1024
_HEAD: Final = struct.Struct("=6I")
# vcgencmd's own buffer: five words before the value, the error and 1024 bytes of text in it, the end tag.
_BYTES: Final = 4 * (6 + _VALUE_BYTES // 4 + 1)
# The error stands in the value too, so that the text has four bytes less.
_TEXT_BYTES: Final = _VALUE_BYTES - 4
_COMMAND_SECONDS: Final = 2.0
_REFUSED: Final = re.compile(r'error=(\d+) error_msg="([^"]*)"')
_NOT_THERE: Final = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ENODEV})
_UNREACHABLE: Final = ("VCHI initialization failed", "Can't open device file", "ioctl_set_msg failed")


class Unreachable(SensorFault):
    """The firmware was not reached; whatever else it is asked now will not reach it either."""


class Refused(SensorFault):
    """The firmware was reached, and does not know the command or its words."""


class Link(Protocol):
    """A way to the firmware."""

    def ask(self, command: str) -> str:
        """Return the answer to a command such as `measure_temp`.

        Raises:
            Unreachable: it did not reach the firmware.
            Refused: the firmware does not know it.
            SensorFault: the answer cannot be read.
        """
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def connect(surroundings: Surroundings) -> Link:
    """Return a way to the firmware: a node of the mailbox, else the program `vcgencmd`.

    Raises:
        Absent: there is none, or none that may be used; `mend` says what then helps.
        SensorFault: there is one, and it does not work.
    """
    try:
        return connect_mailbox(surroundings)
    except Absent as error:
        absent = error
    command = Command(surroundings.run)
    try:
        _try(command)
    except Unreachable as error:
        if absent.mend:
            raise absent from error
        # Where there is no node the program may still be here; it says what it misses itself.
        raise Absent(f"no mailbox of the firmware, and vcgencmd: {error}", mend=MEND) from error
    except Absent:
        raise absent from None
    return command


def connect_mailbox(surroundings: Surroundings) -> Mailbox:
    """Return the first node of the mailbox that answers.

    Raises:
        Absent: there is none, or none that may be opened; `mend` says what then helps.
        SensorFault: there is one, and it does not work.
    """
    problems = []
    denied = False
    for node in NODES:
        path = surroundings.board.path(node)
        try:
            device = surroundings.device(path)
        except OSError as error:
            # A node without a driver behind it, such as one that somebody made by hand, is none.
            if error.errno not in _NOT_THERE:
                problems.append(f"{path}: {errno_name(error)}")
                denied |= isinstance(error, PermissionError)
            continue
        mailbox = Mailbox(device)
        try:
            _try(mailbox)
        except Unreachable as error:
            mailbox.close()
            problems.append(f"{path}: {error}")
            denied |= isinstance(error.__cause__, PermissionError)
            continue
        return mailbox
    if denied:
        raise Absent("; ".join(problems), mend=MEND)
    if problems:
        raise SensorFault("; ".join(problems))
    raise Absent("no mailbox of the firmware and no vcgencmd")


def _try(link: Link) -> None:
    """Raise `Unreachable` where a way does not lead to the firmware; what the firmware itself says is none of its business."""
    try:
        link.ask("get_throttled")
    except Unreachable:
        raise
    except SensorFault:
        return


@dataclass(frozen=True, slots=True)
class Mailbox:
    """An open node of the mailbox."""

    device: Device

    def ask(self, command: str) -> str:
        """Return the answer to a command; see `Link`."""
        buffer = request(command)
        try:
            self.device.ioctl(REQUEST, buffer)
        except OSError as error:
            raise Unreachable(errno_name(error)) from error
        return answer(buffer)

    def close(self) -> None:
        """Close the node."""
        self.device.close()


@dataclass(frozen=True, slots=True)
class Command:
    """The program `vcgencmd`, one process for each question: 1.3 ms more than the mailbox."""

    run: Callable[[Sequence[str], float], str]

    def ask(self, command: str) -> str:
        """Return the answer to a command; see `Link`. Raises `Absent` where there is no such program."""
        try:
            said = self.run(["vcgencmd", *command.split()], _COMMAND_SECONDS)
        except FileNotFoundError as error:
            raise Absent("no vcgencmd") from error
        except OSError as error:
            raise Unreachable(errno_name(error)) from error
        return checked(said)

    def close(self) -> None:
        """Do nothing: no process is left."""


def request(command: str) -> bytearray:
    """Return the words that ask for a command.

    Raises:
        ValueError: the command is not ASCII or too long; ours never are.
    """
    text = command.encode("ascii")
    if len(text) >= _TEXT_BYTES:
        raise ValueError(f"a command of {len(text)} bytes does not fit the mailbox")
    buffer = bytearray(_BYTES)
    _HEAD.pack_into(buffer, 0, _BYTES, 0, TAG, _VALUE_BYTES, 0, 0)
    buffer[_HEAD.size : _HEAD.size + len(text)] = text
    return buffer


def answer(buffer: bytes | bytearray) -> str:
    """Return the text in the words that came back.

    Raises:
        Unreachable: the request was not passed on.
        Refused: the firmware does not know the command.
        SensorFault: it failed, or the answer is no text.
    """
    if len(buffer) != _BYTES:
        raise Unreachable(f"{len(buffer)} bytes came back")
    _, status, _, _, _, number = _HEAD.unpack_from(buffer)
    if status != _DONE:
        raise Unreachable(f"not passed on (status {status:#x})")
    text, _, _ = bytes(buffer[_HEAD.size : _HEAD.size + _TEXT_BYTES]).partition(b"\0")
    try:
        said = text.decode("ascii")
    except UnicodeDecodeError as error:
        raise SensorFault("not text") from error
    if number:
        match = _REFUSED.search(said)
        raise Refused(_why(match[2] if match else "", number))
    return checked(said)


def checked(said: str) -> str:
    """Return what was said without white space around it.

    Raises:
        Unreachable: it is one of the texts with which `vcgencmd` says that it could not ask.
        Refused: it is one with which the firmware says that it does not know the command.
        SensorFault: nothing was said.
    """
    said = said.strip()
    if not said:
        raise SensorFault("empty")
    if any(text in said for text in _UNREACHABLE):
        raise Unreachable(said.splitlines()[0])
    match = _REFUSED.search(said)
    if match:
        raise Refused(_why(match[2], match[1]))
    return said


def _why(said: str, number: object) -> str:
    return f"the firmware refuses: {said or f'error {number}'}"
