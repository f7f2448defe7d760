"""What the words of a Raspberry Pi's firmware say of a window.

Source: `get_throttled` in the Raspberry Pi documentation; drivers/hwmon/raspberrypi-hwmon.c. Bits 0-3 are now, 16-19 the same
since boot. They are decoded by bit and by nothing else: boards set bits that the documentation denies them.

The bits of now flap faster than they are asked for, so that an event may be seen only by its bit since boot, and that bit rises
but once in a boot. What the kernel saw in its last two seconds (`recent`) fills the gap for what comes again.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from agent.core.message import Firmware

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAMES: Final = ("under_voltage", "frequency_capped", "throttled", "soft_temp_limit")
_STICKY_SHIFT: Final = 16


def fold(
    words: Sequence[int], before: int | None = None, recent: Sequence[int] = (), recent_before: int | None = None
) -> Firmware | None:
    """Return what a window's words say, or None where there are none.

    Args:
        words: the firmware's words of the window, in order.
        before: its last word of the window before; None where there is none.
        recent: words of the kernel's last two seconds, in order; they have no bits since boot.
        recent_before: the last of those of the window before.
    """
    if not words and not recent:
        return None
    seen = {bit for word in words for bit in _now(word)} | {bit for word in recent for bit in _now(word)}
    rises = _rises(words, before)
    # One event shows in both: the larger count is the number of events, their sum is not.
    for bit, count in _rises(recent, recent_before).items():
        rises[bit] = max(rises[bit], count)
    return Firmware(
        now=_named(seen),
        since_boot=_named(_since_boot(words[-1])) if words else None,
        edges={name: rises[bit] for bit, name in _pairs(rises)},
        raw=f"{words[-1]:#x}" if words else None,
    )


def _rises(words: Sequence[int], before: int | None) -> Counter[int]:
    """Return bit → how often it rose: a bit of now, or one since boot whose now was not seen.

    What the first word of all has may have been there for long, and is no rise.
    """
    rises: Counter[int] = Counter()
    for earlier, later in pairwise([*(() if before is None else (before,)), *words]):
        rises.update(_now(later) - _now(earlier))
        rises.update(_since_boot(later) - _since_boot(earlier) - _now(later) - _now(earlier))
    return rises


def _now(word: int) -> set[int]:
    return {bit for bit in range(_STICKY_SHIFT) if word >> bit & 1}


def _since_boot(word: int) -> set[int]:
    """Return the bits since boot, each by the number of its bit of now where it is known to have one, else by its own."""
    bits = {bit for bit in range(_STICKY_SHIFT, word.bit_length()) if word >> bit & 1}
    return {bit - _STICKY_SHIFT if bit - _STICKY_SHIFT < len(NAMES) else bit for bit in bits}


def _named(bits: Iterable[int]) -> tuple[str, ...]:
    return tuple(name for _, name in _pairs(bits))


def _pairs(bits: Iterable[int]) -> list[tuple[int, str]]:
    return [(bit, NAMES[bit] if bit < len(NAMES) else f"bit_{bit}") for bit in sorted(bits)]
