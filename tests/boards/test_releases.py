from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.boards import jetson
from agent.boards.board import Board, recognise
from agent.boards.python import python_note

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.tree import Tree

    Plant = Callable[[dict[str, str | bytes]], Tree]

REST = "GCID: 41062509, BOARD: generic, EABI: aarch64, DATE: Mon Jun 16 16:07:13 UTC 2025"


@pytest.mark.parametrize(
    ("line", "l4t", "jetpack"),
    [
        ("# R39 (release), REVISION: 2.0", "39.2.0", "7.2"),
        ("# R38 (release), REVISION: 4.0", "38.4.0", "7.1"),
        ("# R38 (release), REVISION: 2.1", "38.2.1", "7"),
        ("# R36 (release), REVISION: 4.4", "36.4.4", "6.2.1"),
        ("# R36 (release), REVISION: 4.3", "36.4.3", "6.2"),
        ("# R36 (release), REVISION: 3.0", "36.3.0", "6.0"),
        ("# R36 (release), REVISION: 99.0", "36.99.0", "6"),
        ("# R35 (release), REVISION: 4.1", "35.4.1", "5.1.2"),
        ("# R34 (release), REVISION: 1.1", "34.1.1", "5"),
        ("# R32 (release), REVISION: 7.1", "32.7.1", "4.6.1"),
        ("# R32 (release), REVISION: 5.0", "32.5.0", "4.5"),
        ("# R28 (release), REVISION: 1.0", "28.1.0", "3.1"),
        ("# R24 (release), REVISION: 2.1", "24.2.1", "2"),
        ("# R99 (release), REVISION: 1.0", "99.1.0", None),
    ],
)
def test_a_release_belongs_to_its_jetpack_and_to_no_other(plant: Plant, line: str, l4t: str, jetpack: str | None) -> None:
    board = recognise(plant({"etc/nv_tegra_release": f"{line}, {REST}\n# KERNEL_VARIANT: oot\n"}), "aarch64")
    assert (board.family, board.l4t, board.jetpack) == ("jetson", l4t, jetpack)


def test_a_release_of_two_numbers_is_that_of_three() -> None:
    assert jetson.jetpack("32.1") == "4.2"
    assert jetson.jetpack(None) is None


@pytest.mark.parametrize("text", ["", "R36.4.4\n", "# R36 (release)\n", b"\xff\xfe"])
def test_a_file_that_is_no_release_is_none(plant: Plant, text: str | bytes) -> None:
    assert jetson.release(plant({"etc/nv_tegra_release": text})) is None


def board(jetpack: str | None) -> Board:
    return Board(name="NVIDIA Jetson", clock_is_measured=False, family="jetson", jetpack=jetpack)


@pytest.mark.parametrize(("jetpack", "version"), [("4.6.1", (3, 6)), ("5.1.2", (3, 8)), ("5", (3, 8))])
def test_a_jetson_whose_python_is_too_old_is_told_so_by_name(jetpack: str, version: tuple[int, int]) -> None:
    note = python_note(board(jetpack), version)
    assert note is not None
    assert note.startswith(f"JetPack {jetpack[0]} has Python {version[0]}.{version[1]}, and emberd needs 3.10 or newer")
    assert "uv python install 3.11" in note
    assert "--python" in note


@pytest.mark.parametrize(
    ("jetpack", "version"), [("5.1.2", (3, 10)), ("5.1.2", (3, 11)), ("6.2", (3, 10)), ("7.0", (3, 12)), (None, (3, 13))]
)
def test_a_python_that_is_new_enough_needs_no_note(jetpack: str | None, version: tuple[int, int]) -> None:
    assert python_note(board(jetpack), version) is None


@pytest.mark.parametrize("jetpack", ["5.1.2", "2", None])
def test_an_old_python_that_is_not_the_boards_own_is_told_by_its_number(jetpack: str | None) -> None:
    note = python_note(board(jetpack), (3, 9))
    assert note is not None
    assert note.startswith("this is Python 3.9, and emberd needs 3.10 or newer")
