"""What is true of a device for as long as the daemon runs."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent import __version__
from agent.boards.board import recognise
from agent.core.identity import identify

if TYPE_CHECKING:
    from agent.boards.board import Board
    from agent.core.config import Config
    from agent.core.tree import Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """Who and what a device is."""

    site: str
    device: str
    identity_source: str
    version: str
    board: Board
    os: str
    kernel: str
    machine: str
    python: str
    boot_id: str
    source_root: str | None
    simulated: bool = False


def about(config: Config, board: Tree, machine: Tree) -> About:
    """Look a device up.

    Args:
        config: for the configured site and id.
        board: the tree in which the board is looked up.
        machine: the machine's own tree.

    Raises:
        Absent: the device id is `auto` and there is nothing to make it from.
    """
    identity = identify(config.device.id, board, machine)
    system = platform.uname()
    return About(
        site=config.device.site,
        device=identity.device,
        identity_source=identity.source,
        version=__version__,
        board=recognise(board, system.machine),
        os=_os_name(machine),
        kernel=system.release,
        machine=system.machine,
        python=platform.python_version(),
        boot_id=machine.text("proc/sys/kernel/random/boot_id"),
        source_root=None if str(board.root) == "/" else str(board.root),
    )


def _os_name(machine: Tree) -> str:
    for line in (machine.text_or_none("etc/os-release") or "").splitlines():
        key, _, value = line.partition("=")
        if key == "PRETTY_NAME":
            return value.strip('"')
    return platform.system()
