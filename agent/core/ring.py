"""The ring that carries inferences from a workload process to the monitor, without either waiting for the other.

The layout is a versioned interface, written down for other writers in `docs/ring.md`. One process writes, one reads. The writer
never looks at the reader: when it laps the reader, the oldest records are gone and the reader counts them.

Nothing is assumed about the order in which the stores of one process become visible in another. Every slot carries a check
that ties its three words to the record's own number, and a slot is taken only if the check holds for the number that is due.
Each word is one aligned 8-byte store: an indexed store to a memoryview cast to "Q" is that; `struct.pack_into` writes byte by
byte and is not.
"""

from __future__ import annotations

import enum
import mmap
import os
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from agent.core.record import Inferences

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

MAGIC: Final = int.from_bytes(b"EMBRDRNG", "little")
VERSION: Final = 1
HEADER_BYTES: Final = 4096
SLOT_WORDS: Final = 4
SLOT_BYTES: Final = 8 * SLOT_WORDS
MOST_RECORDS: Final = 131_072
HOLDS_SECONDS: Final = 30.0

# Words of the header. The head and the hold word stand on cache lines of their own: each side writes one of them.
WORD_MAGIC: Final = 0
WORD_VERSION: Final = 1
WORD_SLOT_BYTES: Final = 2
WORD_CAPACITY: Final = 3
WORD_HEAD: Final = 16
WORD_HOLD: Final = 32

# Odd, so that each is invertible modulo 2**64 and a change in any one word always changes the check.
NUMBER_FACTOR: Final = 0xD6E8FEB86659FD93
WORD_FACTORS: Final = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
MASK: Final = (1 << 64) - 1

# Word 1: invoke time in bits 0-39, output time in bits 40-63. Word 2: flags in 0-7, input time in 8-31, lateness in 32-63.
# The invoke time is in nanoseconds, the other times in units of 64 ns.
INVOKE_BITS: Final = 40
FLAG_BITS: Final = 8
INPUT_BITS: Final = 24
LATE_SHIFT: Final = FLAG_BITS + INPUT_BITS
UNIT_SHIFT: Final = 6
_INVOKE_MOST: Final = (1 << INVOKE_BITS) - 1
_SMALL_MOST: Final = (1 << INPUT_BITS) - 1
_LATE_MOST: Final = (1 << 32) - 1
_INPUT_LIMIT_NANOSECONDS: Final = 1 << (INPUT_BITS + UNIT_SHIFT)
_LATE_LIMIT_NANOSECONDS: Final = 1 << (32 + UNIT_SHIFT)


class Flag(enum.IntFlag):
    """What else is known of one inference."""

    FAILED = 1
    WRONG_OUTPUT = 2
    PACED = 4
    CHECKED = 8


class Memory(Protocol):
    """What a writer needs of a ring's memory: indexed stores and loads of 64-bit words."""

    def __setitem__(self, index: int, word: int, /) -> None:
        """Store one word."""
        ...

    def __getitem__(self, index: int, /) -> int:
        """Load one word."""
        ...


def create() -> int:
    """Make an empty ring and return its file descriptor. It takes no memory until records are written."""
    descriptor = os.memfd_create("emberd-ring", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, HEADER_BYTES + MOST_RECORDS * SLOT_BYTES)
    return descriptor


def attach(descriptor: int) -> memoryview:
    """Map a ring and return its 64-bit words. The descriptor may be closed afterwards."""
    return memoryview(mmap.mmap(descriptor, 0)).cast("Q")


def capacity_for(records_per_second: float) -> int:
    """Return the number of slots that hold 30 s at this rate: a power of two, at most 131,072."""
    wanted = min(max(HOLDS_SECONDS * records_per_second, 64.0), float(MOST_RECORDS))
    return min(1 << (int(np.ceil(wanted)) - 1).bit_length(), MOST_RECORDS)


def format_ring(memory: Memory, capacity: int) -> None:
    """Write the header; the capacity last, as readers take a ring without one for not yet begun."""
    memory[WORD_MAGIC] = MAGIC
    memory[WORD_VERSION] = VERSION
    memory[WORD_SLOT_BYTES] = SLOT_BYTES
    memory[WORD_CAPACITY] = capacity


def writer(memory: Memory, capacity: int) -> Callable[[int, int, int, int, int, int], None]:
    """Return the function that appends a record: (start, invoke, late, input, output in nanoseconds, flags).

    A closure, since local names are the fastest that Python has and this runs once per inference. Times beyond their field
    (1,099 s for the call, 1.07 s for input and output, 274 s for lateness) are stored as the largest that fits.
    """
    mask = capacity - 1
    factor_start, factor_invoke, factor_late = WORD_FACTORS
    written = 0

    def write(start: int, invoke: int, late: int, feed: int, fetch: int, flags: int) -> None:
        nonlocal written
        if (feed | fetch) >= _INPUT_LIMIT_NANOSECONDS or late >= _LATE_LIMIT_NANOSECONDS or invoke > _INVOKE_MOST:
            feed = min(feed, _SMALL_MOST << UNIT_SHIFT)
            fetch = min(fetch, _SMALL_MOST << UNIT_SHIFT)
            late = min(late, _LATE_MOST << UNIT_SHIFT)
            invoke = min(invoke, _INVOKE_MOST)
        word_1 = invoke | fetch >> UNIT_SHIFT << INVOKE_BITS
        word_2 = flags | feed >> UNIT_SHIFT << FLAG_BITS | late >> UNIT_SHIFT << LATE_SHIFT
        index = HEADER_BYTES // 8 + ((written & mask) << 2)
        written += 1
        memory[index] = start
        memory[index + 1] = word_1
        memory[index + 2] = word_2
        memory[index + 3] = (written * NUMBER_FACTOR + start * factor_start + word_1 * factor_invoke + word_2 * factor_late) & MASK
        memory[WORD_HEAD] = written

    return write


class RingReader:
    """Reads what a writer appended, in order, each record once; counts what was overwritten before it was read."""

    def __init__(self, memory: memoryview) -> None:
        """Take a ring's words as `attach` returns them."""
        self._words: NDArray[np.uint64] = np.frombuffer(memory, dtype=np.uint64)
        self._slots = self._words[HEADER_BYTES // 8 :].reshape(-1, SLOT_WORDS)
        self._next = 0
        self._stuck_at = -1

    @property
    def head(self) -> int:
        """How many records the writer says it has written."""
        return int(self._words[WORD_HEAD])

    def hold(self, held: bool) -> None:  # noqa: FBT001 - the word is exactly this truth value
        """Ask the writer to pause before its next inference, or to go on."""
        self._words[WORD_HOLD] = int(held)

    def read(self) -> Inferences:
        """Return everything that has arrived since the last call.

        Raises:
            ValueError: the memory is a ring of another version or layout.
        """
        # A header whose words have not all become visible yet is that of a ring that has not begun.
        if not all(int(self._words[word]) for word in (WORD_MAGIC, WORD_VERSION, WORD_SLOT_BYTES, WORD_CAPACITY)):
            return Inferences()
        capacity = int(self._words[WORD_CAPACITY])
        self._verify_header(capacity)
        lost = 0
        pieces: list[NDArray[np.uint64]] = []
        # Three rounds: a reader that was lapped while it copied starts again at the oldest record; one that is lapped each
        # time leaves the rest for the next call instead of chasing the writer for ever.
        for _ in range(3):
            head = self.head
            behind = max(head - capacity - self._next, 0)
            lost += behind
            self._next += behind
            taken = self._take(head, capacity)
            pieces.append(taken)
            self._next += len(taken)
            if self._next >= head or self._next + capacity > self.head:
                break
        lost += self._skip_stuck()
        return _unpack(np.concatenate(pieces), lost)

    def read_to_end(self) -> Iterator[Inferences]:
        """Return everything that is left of a writer that has ended, in parts. What it tore when it died is counted as lost."""
        begun = -1
        while self._next < self.head and begun != self._next:
            begun = self._next
            # A torn slot is given up at the second look.
            yield self.read()
            yield self.read()

    def _verify_header(self, capacity: int) -> None:
        words = self._words
        if int(words[WORD_MAGIC]) != MAGIC or int(words[WORD_VERSION]) != VERSION or int(words[WORD_SLOT_BYTES]) != SLOT_BYTES:
            raise ValueError("not a version 1 ring")
        if capacity & (capacity - 1) or capacity > len(self._slots):
            raise ValueError(f"a ring of {capacity} slots does not fit its memory")

    def _take(self, head: int, capacity: int) -> NDArray[np.uint64]:
        """Copy the slots that are due and return the leading ones whose check holds."""
        first = self._next & (capacity - 1)
        count = min(head - self._next, capacity)
        straight = min(count, capacity - first)
        copy = np.concatenate((self._slots[first : first + straight], self._slots[: count - straight]))
        numbers = np.arange(self._next + 1, self._next + 1 + count, dtype=np.uint64)
        check = numbers * np.uint64(NUMBER_FACTOR)
        for position, factor in enumerate(WORD_FACTORS):
            check += copy[:, position] * np.uint64(factor)
        wrong = np.flatnonzero(check != copy[:, 3])
        return copy[: int(wrong[0])] if len(wrong) else copy

    def _skip_stuck(self) -> int:
        """Give up, and count, a record that the writer passed a whole call ago and that still does not check."""
        if self._next >= self.head:
            self._stuck_at = -1
            return 0
        if self._stuck_at != self._next:
            self._stuck_at = self._next
            return 0
        self._next += 1
        self._stuck_at = -1
        return 1


def _unpack(slots: NDArray[np.uint64], lost: int) -> Inferences:
    start = slots[:, 0].astype(np.int64)
    word_1 = slots[:, 1]
    word_2 = slots[:, 2]
    small = np.uint64(_SMALL_MOST)
    unit = np.uint64(UNIT_SHIFT)
    return Inferences(
        start_nanoseconds=start,
        invoke_nanoseconds=(word_1 & np.uint64(_INVOKE_MOST)).astype(np.int64),
        output_nanoseconds=(word_1 >> np.uint64(INVOKE_BITS) << unit).astype(np.int64),
        flags=(word_2 & np.uint64((1 << FLAG_BITS) - 1)).astype(np.int64),
        input_nanoseconds=((word_2 >> np.uint64(FLAG_BITS) & small) << unit).astype(np.int64),
        late_nanoseconds=(word_2 >> np.uint64(LATE_SHIFT) << unit).astype(np.int64),
        lost=lost,
    )
