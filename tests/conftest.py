"""What several test files use: trees of files, the machine's shared recordings when they are there, a broker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.core.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[dict[str, str | bytes]], Tree]:
    """Return a function that writes files below a root and returns the root as a tree."""

    def write(files: dict[str, str | bytes]) -> Tree:
        for name, content in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        (tmp_path / "root").mkdir(exist_ok=True)
        return Tree(tmp_path / "root")

    return write


@pytest.fixture
def shared() -> Path:
    """Return the folder of recordings and models that lies beside some checkouts; skips where it does not."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared recordings at {SHARED}")
    return SHARED
