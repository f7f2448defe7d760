"""Files of the board, below a root that is handed in, read so that one bad file is that file's fault alone.

`open(p).read()` turns a sysfs read that answers EAGAIN into a TypeError, and `readline()` into an empty string; only `os.open`
with `os.read` keeps the kernel's own answer.
"""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.core.errors import Absent, SensorFault

if TYPE_CHECKING:
    from pathlib import Path

# sysfs gives one page; a file that claims more is not what it says it is.
MOST_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Tree:
    """A root under which paths such as `sys/class/thermal` are looked up."""

    root: Path

    def path(self, relative: str) -> Path:
        """Return where a path stands."""
        return self.root / relative

    def text(self, relative: str) -> str:
        """Return a file's text without surrounding white space.

        Raises:
            Absent: there is no such file.
            SensorFault: the kernel refused, or the content is not text or is too long. The message is the errno's name.
        """
        # A plain string: joining paths would cost more than the reading.
        return read_text(f"{self.root}/{relative}")

    def integer(self, relative: str) -> int:
        """Return a file's whole number, decimal.

        Raises:
            Absent: there is no such file.
            SensorFault: it could not be read, or is not a number.
        """
        return to_integer(self.text(relative))

    def text_or_none(self, relative: str) -> str | None:
        """Return a file's text, or nothing where it is missing or unreadable: for optional descriptions only."""
        try:
            return self.text(relative)
        except (Absent, SensorFault):
            return None

    def names(self, relative: str) -> tuple[str, ...]:
        """Return the names in a folder, numbers in numerical order (`zone2` before `zone10`); nothing where it is missing.

        Raises:
            SensorFault: the folder is there and cannot be read.
        """
        try:
            return tuple(sorted((entry.name for entry in self.path(relative).iterdir()), key=numerically))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise SensorFault(errno_name(error)) from error


def read_text(path: Path | str) -> str:
    """Return a file's text without surrounding white space; see `Tree.text`."""
    try:
        # Not blocking: a fifo or a device in the place of a file must not hang its sensor.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Absent(f"{path} is not there") from error
    except OSError as error:
        raise SensorFault(errno_name(error)) from error
    try:
        content = os.read(descriptor, MOST_BYTES + 1)
    except OSError as error:
        raise SensorFault(errno_name(error)) from error
    finally:
        os.close(descriptor)
    if len(content) > MOST_BYTES:
        raise SensorFault(f"more than {MOST_BYTES} bytes")
    try:
        return content.decode().strip(" \t\r\n\0")
    except UnicodeDecodeError as error:
        raise SensorFault("not text") from error


def to_integer(text: str) -> int:
    """Return a decimal number as the kernel writes it.

    Raises:
        SensorFault: it is not one.
    """
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 20):  # noqa: PLR2004 - digits of a 64-bit number
        raise SensorFault("empty" if not text else "not a number")
    return int(text)


def errno_name(error: OSError) -> str:
    """Return the name of a system error, such as `EAGAIN`, and what it means."""
    name = errno.errorcode.get(error.errno or 0, "error")
    return f"{name} ({os.strerror(error.errno)})" if error.errno else str(error)


def numerically(name: str) -> tuple[object, ...]:
    """Return a sort key by which `zone2` comes before `zone10`."""
    # Only the digits that a kernel writes: `isdigit` holds for others, too, which `int` does not take.
    return tuple(int(part) if index % 2 else part for index, part in enumerate(re.split(r"([0-9]+)", name)))
