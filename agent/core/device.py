"""Character devices that are talked to by ioctl(2)."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class CharacterDevice:
    """An open character device."""

    def __init__(self, path: Path) -> None:
        """Open it; raises OSError."""
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)

    def ioctl(self, request: int, buffer: bytearray) -> None:
        """Hand a buffer to the driver, which may change it; raises OSError."""
        fcntl.ioctl(self._descriptor, request, buffer, True)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)
