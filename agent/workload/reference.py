"""Whether a model still gives the answers it gave when it was warm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

# Enough to notice a bit that flips; a recording of a large output for each of a thousand inputs would crowd the device.
MOST_BYTES: Final = 4_000_000


class Reference:
    """The outputs of warm-up, by input, compared bit by bit.

    The same process with the same threads repeats itself to the bit. A model that does not (it draws random numbers, or keeps
    state) shows that in warm-up, where every input is run twice, and is not checked.
    """

    def __init__(self) -> None:
        """Begin with nothing recorded."""
        self._recorded: dict[int, tuple[bytes, ...]] = {}
        self._bytes = 0
        self._repeats = True

    def learn(self, position: int, outputs: Sequence[NDArray[Any]]) -> None:
        """Record the outputs for the input at a position, or compare them with those recorded before."""
        if not self._repeats:
            return
        before = self._recorded.get(position)
        now = _bytes(outputs)
        if before is not None:
            self._repeats = before == now
        elif self._bytes < MOST_BYTES:
            self._recorded[position] = now
            self._bytes += sum(len(part) for part in now)

    @property
    def checks(self) -> bool:
        """Whether there is something to compare with."""
        return self._repeats and bool(self._recorded)

    def knows(self, position: int) -> bool:
        """Return whether the outputs for this input were recorded."""
        return self._repeats and position in self._recorded

    def holds(self, position: int, outputs: Sequence[NDArray[Any]]) -> bool:
        """Return whether outputs are what was recorded for this input."""
        return _bytes(outputs) == self._recorded[position]


def _bytes(outputs: Sequence[NDArray[Any]]) -> tuple[bytes, ...]:
    # Object arrays (string outputs) hold pointers, not content.
    return tuple(repr(output.tolist()).encode() if output.dtype.hasobject else output.tobytes() for output in outputs)
