"""A Raspberry Pi's firmware behind the two nodes of its mailbox, as strict as the kernel's driver.

Written from drivers/char/broadcom/vcio.c, sharing nothing with the product.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import TYPE_CHECKING, Any

from agent.core.sensor import Surroundings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.core.tree import Tree

GENCMD_TAG = 0x30080
NOT_REGISTERED = 'error=1 error_msg="Command not registered"'


def refusal(number: int) -> OSError:
    return OSError(number, os.strerror(number))


class Firmware:
    """Answers by command. A list is answered one after the other, its last word for ever; an error is raised."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def answer(self, command: str) -> tuple[int, str]:
        """Return the error number and the text."""
        self.asked.append(command)
        said = self.answers.get(command, NOT_REGISTERED)
        if isinstance(said, list):
            said = said.pop(0) if len(said) > 1 else said[0]
        if isinstance(said, OSError):
            raise said
        return (1 if said.startswith("error=") else 0), said


class Node:
    """One open node of the mailbox. `vcio_gencmd` passes one tag and no other."""

    def __init__(self, firmware: Firmware, name: str) -> None:
        self.firmware = firmware
        self.name = name
        self.closed = False

    def ioctl(self, request: int, buffer: bytearray) -> None:
        assert not self.closed
        # Eight bytes of pointer, or four.
        if request != {8: 0xC0086400, 4: 0xC0046400}[struct.calcsize("P")]:
            raise refusal(errno.ENOTTY)
        words = struct.unpack(f"={len(buffer) // 4}I", buffer)
        size = words[0]
        if size < 12 or size > len(buffer):
            raise refusal(errno.EINVAL)
        values = self._values(words, size)
        struct.pack_into("=I", buffer, 4, 0x80000000)
        for offset in values:
            command, _, _ = bytes(buffer[offset + 4 :]).partition(b"\0")
            number, said = self.firmware.answer(command.decode())
            text = said.encode()[:1019] + b"\0"
            struct.pack_into("=I", buffer, offset - 4, 0x80000000 | len(text))
            struct.pack_into("=I", buffer, offset, number)
            buffer[offset + 4 : offset + 4 + len(text)] = text

    def _values(self, words: tuple[int, ...], size: int) -> list[int]:
        """Return where the values of the tags begin; raises as the driver does."""
        found = []
        offset = 8
        while offset + 12 <= size:
            tag, value_size = words[offset // 4], words[offset // 4 + 1]
            if tag == 0:
                return found
            if self.name == "vcio_gencmd" and tag != GENCMD_TAG:
                raise refusal(errno.EPERM)
            if value_size > size - offset - 12:
                raise refusal(errno.EINVAL)
            if tag == GENCMD_TAG:
                found.append(offset + 12)
            offset += 12 + (value_size + 3) // 4 * 4
        return found

    def close(self) -> None:
        self.closed = True


class Machine:
    """A board's mailbox and its `vcgencmd`, each as it is given; what is not given is not there."""

    def __init__(
        self, firmware: Firmware, nodes: dict[str, OSError | None], says: str | OSError | None = None, *, works: bool = False
    ) -> None:
        self.firmware = firmware
        self.nodes = nodes
        self.says = says
        self.works = works
        self.opened: list[Node] = []
        self.commands: list[tuple[str, ...]] = []

    def device(self, path: Path) -> Node:
        problem = self.nodes.get(path.name, refusal(errno.ENOENT))
        if problem:
            raise problem
        node = Node(self.firmware, path.name)
        self.opened.append(node)
        return node

    def run(self, words: Sequence[str], seconds: float) -> str:
        self.commands.append(tuple(words))
        assert 0 < seconds <= 5
        if words[0] != "vcgencmd" or (self.says is None and not self.works):
            raise refusal(errno.ENOENT)
        if isinstance(self.says, OSError):
            raise self.says
        if self.says is not None:
            return self.says
        return self.firmware.answer(" ".join(words[1:]))[1] + "\n"

    def surroundings(self, tree: Tree, clock: Any = None) -> Surroundings:
        more = {} if clock is None else {"clock": clock}
        return Surroundings(board=tree, machine=tree, device=self.device, run=self.run, **more)
