"""Plants recorded boards as folders of files, in which unreadable files answer as the kernel did.

A board is a folder `tests/cases/trees/NAME` with ORIGIN.md and files.txt:

    # a comment
    [sys/class/thermal/thermal_zone0]      what follows is below this folder; [] is the root
    type = cpu-thermal                     a file; \\n and \\0 stand for themselves, a line's end is added unless it ends in \\0
    temp = !EAGAIN                         a file that cannot be read, with the kernel's reason
    device -> ../../../zone0               a symbolic link

A file that cannot be read is a fifo whose writer is silent, which answers EAGAIN to every process. Within this process `os.open`
gives the reason that was recorded.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from agent.core.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

TREES = Path(__file__).resolve().parent / "cases" / "trees"

_FILE = re.compile(r"(\S+) =(?: (.*))?")
_LINK = re.compile(r"(\S+) -> (\S+)")
# A path may hold colons before its last slash; a recording's values hold no slashes of that kind.
_RECORDED = re.compile(r"/((?:[^/\s]+/)*[^/:\s]+):(.*)")


def names() -> tuple[str, ...]:
    """Return the boards there are."""
    return tuple(sorted(path.parent.name for path in TREES.glob("*/files.txt")))


@contextlib.contextmanager
def planted(name: str, root: Path) -> Iterator[Tree]:
    """Plant a board below a folder, for as long as the context lasts."""
    refused = plant(_lines(name), root)
    try:
        with refusing({path: number for path, (number, _) in refused.items()}):
            yield Tree(root)
    finally:
        for _, descriptor in refused.values():
            os.close(descriptor)


@contextlib.contextmanager
def refusing(refused: Mapping[Path | str, int]) -> Iterator[None]:
    """Let this process's `os.open` refuse files for the reasons given. A fifo answers EAGAIN by itself, when it is read."""
    numbers = {os.path.realpath(path): number for path, number in refused.items() if number != errno.EAGAIN}
    really = os.open

    def opened(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        number = numbers.get(os.path.realpath(path)) if isinstance(path, (str, Path)) else None
        if number is not None:
            raise OSError(number, os.strerror(number), str(path))
        return really(path, flags, *arguments, **named)

    with mock.patch.object(os, "open", opened):
        yield


def record(text: str, root: Path) -> Tree:
    """Plant a recording of `/path:value` and `/path -> target` lines. Files that could not be read are left out."""
    for line in text.splitlines():
        found, link = _RECORDED.fullmatch(line), _LINK.fullmatch(line)
        if link:
            _link(root / link[1].lstrip("/"), link[2])
        elif found and not found[2].startswith("!"):
            _write(root / found[1], found[2])
    return Tree(root)


def plant(lines: Iterable[str], root: Path) -> dict[str, tuple[int, int]]:
    """Write what the lines say; return where nothing can be read → why, and the descriptor that holds the fifo open."""
    refused = {}
    folder = root
    for number, line in enumerate(lines, 1):
        if not line or line.startswith("#"):
            continue
        file, link = _FILE.fullmatch(line), _LINK.fullmatch(line)
        if line.startswith("["):
            folder = root / line.strip("[]")
        elif link:
            _link(folder / link[1], link[2])
        elif file and (file[2] or "").startswith("!"):
            path = folder / file[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            os.mkfifo(path)
            # Opening both ends at once does not wait for the other one: fifo(7).
            refused[os.path.realpath(path)] = (getattr(errno, file[2][1:]), os.open(path, os.O_RDWR | os.O_CLOEXEC))
        elif file:
            _write(folder / file[1], file[2] or "")
        else:
            raise ValueError(f"line {number} is none: {line}")
    return refused


def _lines(name: str) -> list[str]:
    return (TREES / name / "files.txt").read_text(encoding="utf-8").splitlines()


def _write(path: Path, value: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = value.replace(r"\n", "\n").replace(r"\0", "\0")
    path.write_bytes(content.encode() if content.endswith("\0") else f"{content}\n".encode())


def _link(path: Path, target: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)
