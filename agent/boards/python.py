"""Which Python a board comes with, and what to do where it is too old for the runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.boards.board import Board

# The oldest for which LiteRT has wheels.
OLDEST: Final = (3, 10)
# JetPack's generation → the Python of the Ubuntu under it: 16.04, 18.04, 20.04, 22.04, 24.04.
_COMES_WITH: Final = {"3": (3, 5), "4": (3, 6), "5": (3, 8), "6": (3, 10), "7": (3, 12)}


def python_note(board: Board, version: tuple[int, int]) -> str | None:
    """Return what to do where a Python is too old; None where it is not.

    Args:
        board: named, where it is one that comes with an old Python.
        version: major and minor number of the Python that would be used.
    """
    if version >= OLDEST:
        return None
    generation = (board.jetpack or "").partition(".")[0]
    its_own = _COMES_WITH.get(generation)
    has = f"JetPack {generation} has Python {_written(its_own)}" if its_own == version else f"this is Python {_written(version)}"
    return (
        f"{has}, and emberd needs {_written(OLDEST)} or newer: install one beside it, such as with `uv python install 3.11` "
        "(its builds run on glibc 2.17 and newer), and give it to the installer with --python; leave the system's own as it is"
    )


def _written(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
