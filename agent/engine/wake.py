"""Ends another thread's sleep, or a sleep from within a signal handler."""

from __future__ import annotations

import contextlib
import os
import selectors
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(slots=True)
class Wake:
    """A sleep that ends early when `ring` is called or a descriptor becomes readable."""

    _receive: int = -1
    _send: int = -1

    def __post_init__(self) -> None:
        """Open the pipe that `ring` writes to."""
        self._receive, self._send = os.pipe()
        os.set_blocking(self._send, False)

    def ring(self) -> None:
        """End the sleep now, or the next one at once. May be called from a signal handler."""
        # A full pipe wakes as well; a closed one belongs to a sleeper who is gone.
        with contextlib.suppress(OSError):
            os.write(self._send, b"\0")

    def sleep(self, seconds: float, descriptors: Iterable[int]) -> None:
        """Sleep for so long at most."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._receive, selectors.EVENT_READ)
            for descriptor in descriptors:
                selector.register(descriptor, selectors.EVENT_READ)
            if any(key.fd == self._receive for key, _ in selector.select(seconds)):
                os.read(self._receive, 512)

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self._receive)
        os.close(self._send)
        self._receive = self._send = -1
