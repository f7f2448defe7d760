"""The ring between a workload process and the monitor.

Hardware that reorders stores shows it once in a million times or never, and x86 never does. So the reader is also run against a
memory that reorders them on purpose (`StoreBuffer`), beside a real process that writes as fast as it can.
"""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.core import ring
from agent.core.ring import HEADER_BYTES, SLOT_BYTES, SLOT_WORDS, WORD_CAPACITY, WORD_HEAD, RingReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.record import Inferences

Record = tuple[int, int, int, int, int, int]

FIRST_SLOT = HEADER_BYTES // 8
INVOKE_MOST = (1 << 40) - 1
SMALL_MOST = (1 << 24) - 1
LATE_MOST = (1 << 32) - 1


def memory_for(capacity: int) -> memoryview:
    return memoryview(bytearray(HEADER_BYTES + capacity * SLOT_BYTES)).cast("Q")


def ring_of(capacity: int) -> tuple[memoryview, Callable[..., None], RingReader]:
    memory = memory_for(capacity)
    ring.format_ring(memory, capacity)
    return memory, ring.writer(memory, capacity), RingReader(memory)


def numbered(number: int) -> Record:
    """Return a record all of whose fields follow from its number, so that a mixture of two is no record of any number."""
    mixed = number * 0xA0761D6478BD642F & ring.MASK
    return (
        number,
        mixed & INVOKE_MOST,
        (mixed >> 7 & LATE_MOST) << 6,
        (mixed >> 13 & SMALL_MOST) << 6,
        (mixed >> 29 & SMALL_MOST) << 6,
        mixed >> 56,
    )


def records(read: Inferences) -> list[Record]:
    columns = (
        read.start_nanoseconds,
        read.invoke_nanoseconds,
        read.late_nanoseconds,
        read.input_nanoseconds,
        read.output_nanoseconds,
        read.flags,
    )
    return list(zip(*(column.tolist() for column in columns), strict=True))


def are_whole(read: Inferences) -> bool:
    """Return whether every record is one that `numbered` makes."""
    mixed = read.start_nanoseconds.astype(np.uint64) * np.uint64(0xA0761D6478BD642F)

    def bits(shift: int, mask: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        return (mixed >> np.uint64(shift) & np.uint64(mask)).astype(np.int64)

    return bool(
        (read.invoke_nanoseconds == bits(0, INVOKE_MOST)).all()
        and (read.late_nanoseconds == bits(7, LATE_MOST) << 6).all()
        and (read.input_nanoseconds == bits(13, SMALL_MOST) << 6).all()
        and (read.output_nanoseconds == bits(29, SMALL_MOST) << 6).all()
        and (read.flags == bits(56, 255)).all()
    )


# What is written is read.


@given(
    st.lists(
        st.tuples(
            st.integers(0, (1 << 63) - 1),
            st.integers(0, INVOKE_MOST),
            st.integers(0, LATE_MOST).map(lambda units: units << 6),
            st.integers(0, SMALL_MOST).map(lambda units: units << 6),
            st.integers(0, SMALL_MOST).map(lambda units: units << 6),
            st.integers(0, 255),
        ),
        max_size=64,
    )
)
def test_what_is_written_is_read(written: list[Record]) -> None:
    _, write, reader = ring_of(64)
    for record in written:
        write(*record)
    read = reader.read()
    assert records(read) == written
    assert read.lost == 0
    assert len(reader.read()) == 0


@given(late=st.integers(0, 1 << 40), feed=st.integers(0, 1 << 32), fetch=st.integers(0, 1 << 32), invoke=st.integers(0, 1 << 42))
def test_a_time_loses_less_than_64_nanoseconds_or_is_the_largest_that_fits(late: int, feed: int, fetch: int, invoke: int) -> None:
    _, write, reader = ring_of(64)
    write(5, invoke, late, feed, fetch, 7)
    ((start, invoke_read, late_read, feed_read, fetch_read, flags),) = records(reader.read())
    assert (start, flags) == (5, 7)
    assert invoke_read == min(invoke, INVOKE_MOST)
    assert late_read == min(late >> 6, LATE_MOST) << 6
    assert feed_read == min(feed >> 6, SMALL_MOST) << 6
    assert fetch_read == min(fetch >> 6, SMALL_MOST) << 6


def test_one_time_beyond_its_field_leaves_the_others_as_they_are() -> None:
    _, write, reader = ring_of(64)
    write(1, 1 << 50, 128, 192, 256, 1)
    write(2, 1000, 1 << 50, 192, 256, 2)
    write(3, 1000, 128, 1 << 50, 256, 4)
    write(4, 1000, 128, 192, 1 << 50, 8)
    assert records(reader.read()) == [
        (1, INVOKE_MOST, 128, 192, 256, 1),
        (2, 1000, LATE_MOST << 6, 192, 256, 2),
        (3, 1000, 128, SMALL_MOST << 6, 256, 4),
        (4, 1000, 128, 192, SMALL_MOST << 6, 8),
    ]


@pytest.mark.parametrize(
    ("nanoseconds", "seconds"),
    [(INVOKE_MOST, 1099.5), (SMALL_MOST << 6, 1.07), (LATE_MOST << 6, 274.9)],
    ids=["call", "input", "late"],
)
def test_the_largest_times_are_the_documented_ones(nanoseconds: int, seconds: float) -> None:
    assert nanoseconds / 1e9 == pytest.approx(seconds, rel=0.005)


def test_the_check_is_the_documented_one() -> None:
    """Other writers will be made from these numbers."""
    memory, write, _ = ring_of(64)
    write(1_000, 2_000, 64, 128, 192, 5)
    word_1, word_2 = 2_000 | 3 << 40, 5 | 2 << 8 | 1 << 32
    check = (
        1 * 0xD6E8FEB86659FD93 + 1_000 * 0x9E3779B97F4A7C15 + word_1 * 0xC2B2AE3D27D4EB4F + word_2 * 0x165667B19E3779F9
    ) % 2**64
    assert memory[FIRST_SLOT : FIRST_SLOT + SLOT_WORDS].tolist() == [1_000, word_1, word_2, check]
    assert memory[WORD_HEAD] == 1


# Laps.


@given(
    capacity=st.sampled_from([1, 2, 8, 64]),
    bursts=st.lists(st.integers(0, 150), max_size=20),
)
def test_accepted_and_lost_make_what_was_written(capacity: int, bursts: list[int]) -> None:
    _, write, reader = ring_of(capacity)
    written = accepted = lost = 0
    for burst in bursts:
        for _ in range(burst):
            written += 1
            write(*numbered(written))
        read = reader.read()
        assert read.lost == max(burst - capacity, 0)
        assert records(read) == [numbered(number) for number in range(written - len(read) + 1, written + 1)]
        accepted += len(read)
        lost += read.lost
        assert accepted + lost == written


def test_a_reader_that_was_never_lapped_lost_nothing_however_often_the_ring_went_round() -> None:
    _, write, reader = ring_of(64)
    for number in range(1, 64 * 50 + 1):
        write(*numbered(number))
        if number % 63 == 0:
            read = reader.read()
            assert (len(read), read.lost) == (63, 0)


# A slot that does not check.


def test_a_stuck_slot_is_given_up_at_the_second_call_and_counted_and_those_after_it_are_read() -> None:
    memory, write, reader = ring_of(8)
    for number in range(1, 5):
        write(*numbered(number))
    memory[FIRST_SLOT + 1 * SLOT_WORDS + 2] ^= 1
    assert [(len(read), read.lost) for read in (reader.read(), reader.read(), reader.read())] == [(1, 0), (0, 1), (2, 0)]


def test_a_slot_that_is_whole_by_the_next_call_is_not_given_up() -> None:
    memory, write, reader = ring_of(8)
    write(*numbered(1))
    memory[FIRST_SLOT + 3] ^= 1
    assert (len(reader.read()), reader.head) == (0, 1)
    memory[FIRST_SLOT + 3] ^= 1
    assert records(reader.read()) == [numbered(1)]


def test_a_slot_that_was_given_up_is_not_taken_when_it_becomes_whole_later() -> None:
    memory, write, reader = ring_of(8)
    write(*numbered(1))
    memory[FIRST_SLOT] ^= 1
    lost = reader.read().lost + reader.read().lost
    memory[FIRST_SLOT] ^= 1
    write(*numbered(2))
    assert lost == 1
    assert records(reader.read()) == [numbered(2)]


@pytest.mark.parametrize("word", range(SLOT_WORDS))
@pytest.mark.parametrize("bit", range(0, 64, 7))
def test_any_single_bit_that_is_wrong_is_noticed(word: int, bit: int) -> None:
    memory, write, reader = ring_of(8)
    write(*numbered(1))
    memory[FIRST_SLOT + word] ^= 1 << bit
    assert len(reader.read()) == 0


def test_a_record_under_another_number_is_not_taken() -> None:
    """A writer that laps the reader leaves whole records in the slots of others."""
    memory, write, _ = ring_of(4)
    for number in range(1, 7):
        write(*numbered(number))
    memory[WORD_HEAD] = 4
    behind = RingReader(memory)
    assert len(behind.read()) == 0


# Headers.


def test_a_ring_that_is_not_formatted_yet_holds_nothing() -> None:
    memory = memory_for(8)
    reader = RingReader(memory)
    assert len(reader.read()) == 0
    ring.format_ring(memory, 8)
    assert len(reader.read()) == 0
    ring.writer(memory, 8)(*numbered(1))
    assert len(reader.read()) == 1


@pytest.mark.parametrize("word", [ring.WORD_MAGIC, ring.WORD_VERSION, ring.WORD_SLOT_BYTES])
def test_a_header_of_another_version_or_layout_is_refused(word: int) -> None:
    memory, _, reader = ring_of(8)
    memory[word] += 1
    with pytest.raises(ValueError, match="not a version 1 ring"):
        reader.read()


@pytest.mark.parametrize("capacity", [3, 7, 16, 1 << 40, (1 << 64) - 1])
def test_a_capacity_that_is_no_power_of_two_or_does_not_fit_is_refused(capacity: int) -> None:
    memory, _, reader = ring_of(8)
    memory[WORD_CAPACITY] = capacity
    with pytest.raises(ValueError, match="does not fit"):
        reader.read()


def test_a_header_may_become_visible_in_any_order() -> None:
    """Nothing is assumed about the order of stores: the capacity may be seen before the words that were written before it."""
    ready = memory_for(8)
    ring.format_ring(ready, 8)
    for order in itertools.permutations(range(4)):
        memory = memory_for(8)
        reader = RingReader(memory)
        for word in order:
            assert len(reader.read()) == 0
            memory[word] = ready[word]
        ring.writer(memory, 8)(*numbered(1))
        assert len(reader.read()) == 1


@given(rate=st.one_of(st.floats(min_value=0.0, max_value=1e12), st.just(float("inf"))))
def test_a_ring_holds_thirty_seconds_or_131072_records(rate: float) -> None:
    capacity = ring.capacity_for(rate)
    assert capacity & (capacity - 1) == 0
    assert min(30 * rate, 131_072) <= capacity <= 131_072
    assert capacity == 64 or capacity < 2 * 30 * rate


def test_an_empty_ring_takes_no_memory_but_has_room_for_the_most_records() -> None:
    descriptor = ring.create()
    try:
        status = os.fstat(descriptor)
        assert status.st_size == HEADER_BYTES + 131_072 * SLOT_BYTES
        assert status.st_blocks == 0
        assert not os.get_inheritable(descriptor)
    finally:
        os.close(descriptor)


def test_two_maps_of_one_ring_see_each_other_after_the_descriptor_is_closed() -> None:
    descriptor = ring.create()
    ours, theirs = ring.attach(descriptor), ring.attach(descriptor)
    os.close(descriptor)
    ring.format_ring(theirs, 64)
    ring.writer(theirs, 64)(*numbered(1))
    reader = RingReader(ours)
    assert records(reader.read()) == [numbered(1)]
    reader.hold(True)
    assert theirs[ring.WORD_HOLD] == 1
    reader.hold(False)
    assert theirs[ring.WORD_HOLD] == 0


# A real process that writes as fast as it can.

HAMMER = """
import sys, time
from agent.core import ring
descriptor, capacity, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
memory = ring.attach(descriptor)
ring.format_ring(memory, capacity)
write = ring.writer(memory, capacity)
number = 0
end = time.monotonic() + seconds
while time.monotonic() < end:
    for number in range(number + 1, number + 1001):
        mixed = number * 0xA0761D6478BD642F & 0xFFFFFFFFFFFFFFFF
        write(
            number,
            mixed & 0xFFFFFFFFFF,
            (mixed >> 7 & 0xFFFFFFFF) << 6,
            (mixed >> 13 & 0xFFFFFF) << 6,
            (mixed >> 29 & 0xFFFFFF) << 6,
            mixed >> 56,
        )
print(number)
"""


@pytest.mark.parametrize(
    ("capacity", "pause_seconds"), [(131_072, 0.0), (64, 0.0), (256, 0.002)], ids=["keeping up", "lapped", "slow"]
)
def test_a_process_that_writes_without_pause_is_read_without_a_torn_or_repeated_record(capacity: int, pause_seconds: float) -> None:
    descriptor = ring.create()
    reader = RingReader(ring.attach(descriptor))
    command = [sys.executable, "-I", "-c", HAMMER, str(descriptor), str(capacity), "1.5"]
    accepted = lost = last = 0

    def take() -> None:
        nonlocal accepted, lost, last
        read = reader.read()
        if len(read):
            assert int(read.start_nanoseconds[0]) > last
            assert (np.diff(read.start_nanoseconds) > 0).all()
            assert are_whole(read)
            last = int(read.start_nanoseconds[-1])
        accepted += len(read)
        lost += read.lost

    with subprocess.Popen(command, pass_fds=(descriptor,), stdout=subprocess.PIPE) as process:
        os.close(descriptor)
        while process.poll() is None:
            take()
            time.sleep(pause_seconds)
        assert process.stdout is not None
        written = int(process.stdout.read())
    take()
    assert process.returncode == 0
    assert reader.head == written
    assert accepted + lost == written
    assert last == written
    assert accepted > 0
    if capacity == 256:
        assert lost > 0


# A memory that reorders stores.


class StoreBuffer:
    """A ring's memory in which a store is seen only when somebody lets it be seen.

    Stores to one word are seen in the order in which they were made, as every processor guarantees; between different words
    there is no order at all, which no processor is quite as bad as.
    """

    def __init__(self, capacity: int) -> None:
        self.visible = memory_for(capacity)
        ring.format_ring(self.visible, capacity)
        self.pending: dict[int, deque[int]] = {}

    def __setitem__(self, index: int, word: int) -> None:
        self.pending.setdefault(index, deque()).append(word)

    def __getitem__(self, index: int) -> int:
        return self.pending[index][-1] if index in self.pending else self.visible[index]

    def show(self, index: int) -> None:
        """Let the oldest store to a word be seen."""
        stores = self.pending[index]
        self.visible[index] = stores.popleft()
        if not stores:
            del self.pending[index]

    def show_all(self) -> None:
        for index in list(self.pending):
            while index in self.pending:
                self.show(index)


class RacedReader(RingReader):
    """A reader whose ring changes while it reads: whenever it has looked at the head, and before."""

    def __init__(self, memory: memoryview, race: Callable[[], None]) -> None:
        super().__init__(memory)
        self._race = race

    @property
    def head(self) -> int:
        self._race()
        head = super().head
        self._race()
        return head


class Ledger:
    """What was accepted and what was counted as lost, compared with what was written."""

    def __init__(self) -> None:
        self.last = 0
        self.accepted = 0
        self.lost = 0

    def enter(self, read: Inferences) -> None:
        for record in records(read):
            assert record == numbered(record[0]), "torn"
            assert record[0] > self.last, "repeated or out of order"
            self.last = record[0]
        self.accepted += len(read)
        self.lost += read.lost

    @property
    def total(self) -> int:
        return self.accepted + self.lost


def test_no_mixture_of_three_laps_of_one_slot_is_taken_for_a_record() -> None:
    """Every combination of how far each of the five words has come, on a ring of a single slot."""
    laps = 3
    log: list[tuple[int, int]] = []

    class Recorder:
        def __setitem__(self, index: int, word: int) -> None:
            log.append((index, word))

        def __getitem__(self, index: int) -> int:
            raise AssertionError("the writer never reads")

    write = ring.writer(Recorder(), 1)
    for number in range(1, laps + 1):
        write(*numbered(number))
    assert len(log) == 5 * laps
    history = {index: [0, *(word for at, word in log if at == index)] for index, _ in log}
    for state in itertools.product(range(laps + 1), repeat=len(history)):
        memory = memory_for(1)
        ring.format_ring(memory, 1)
        for (index, words), seen in zip(history.items(), state, strict=True):
            memory[index] = words[seen]
        reader, ledger = RingReader(memory), Ledger()
        for _ in range(2):
            ledger.enter(reader.read())
            assert ledger.total <= memory[WORD_HEAD]


def test_a_reader_that_is_lapped_while_it_copies_goes_on_with_the_oldest_record_in_the_same_call() -> None:
    memory, write, _ = ring_of(4)
    bursts = iter([4, 2])

    def race() -> None:
        for _ in range(next(bursts, 0)):
            write(*numbered(memory[WORD_HEAD] + 1))

    read = RacedReader(memory, race).read()
    assert records(read) == [numbered(number) for number in (3, 4, 5, 6)]
    assert read.lost == 2


def test_a_reader_that_is_lapped_again_and_again_does_not_chase_the_writer_for_ever() -> None:
    memory, write, _ = ring_of(4)

    def race() -> None:
        for _ in range(5):
            write(*numbered(memory[WORD_HEAD] + 1))

    reader, ledger = RacedReader(memory, race), Ledger()
    for _ in range(3):
        ledger.enter(reader.read())
    assert ledger.total == reader._next < memory[WORD_HEAD]


@dataclass
class Schedule:
    """Decides by chance when a record is written and which stores are seen when.

    Attributes:
        writes: how often a step writes a record.
        shown: how many stores are seen in a step, at most.
        eagerness: how eager the head, the check words and all others are to be seen.
    """

    chance: random.Random
    memory: StoreBuffer
    write: Callable[..., None]
    writes: float
    shown: int
    eagerness: tuple[float, float, float]
    written: int = 0

    def step(self) -> None:
        if self.chance.random() < self.writes:
            self.written += 1
            self.write(*numbered(self.written))
        for _ in range(self.chance.randint(0, self.shown)):
            indexes = list(self.memory.pending)
            if indexes:
                self.memory.show(self.chance.choices(indexes, [self._weight(index) for index in indexes])[0])

    def _weight(self, index: int) -> float:
        if index == WORD_HEAD:
            return self.eagerness[0]
        return self.eagerness[1 if index % SLOT_WORDS == SLOT_WORDS - 1 else 2]


@settings(max_examples=250, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    capacity=st.sampled_from([1, 2, 4, 8]),
    eagerness=st.tuples(*(st.sampled_from([0.01, 0.2, 1.0, 20.0]) for _ in range(3))),
    writes=st.sampled_from([0.1, 0.5, 0.9]),
    shown=st.integers(0, 16),
    polls=st.sampled_from([0.02, 0.3, 1.0]),
    raced=st.booleans(),
)
def test_whatever_order_stores_are_seen_in_no_record_is_torn_repeated_or_unaccounted_for(
    seed: int, capacity: int, eagerness: tuple[float, float, float], writes: float, shown: int, polls: float, *, raced: bool
) -> None:
    chance = random.Random(seed)
    memory = StoreBuffer(capacity)
    schedule = Schedule(chance, memory, ring.writer(memory, capacity), writes, shown, eagerness)
    reader = RacedReader(memory.visible, schedule.step) if raced else RingReader(memory.visible)
    ledger = Ledger()
    for _ in range(120):
        schedule.step()
        if chance.random() < polls:
            ledger.enter(reader.read())
            # What was neither accepted nor lost has not been looked at: it is not visible yet, or arrived just now.
            assert ledger.total == reader._next <= memory.visible[WORD_HEAD] <= schedule.written
    schedule.writes = 0.0
    memory.show_all()
    # Each slot that the reader had begun to wait for costs two calls at most.
    for _ in range(2 * capacity + 2):
        ledger.enter(reader.read())
    assert ledger.total == schedule.written


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), capacity=st.sampled_from([2, 4, 8]))
def test_a_head_that_is_always_seen_before_its_slot_costs_no_record_that_arrives_by_the_next_call(seed: int, capacity: int) -> None:
    chance = random.Random(seed)
    memory = StoreBuffer(capacity)
    write, reader, ledger = ring.writer(memory, capacity), RingReader(memory.visible), Ledger()
    for number in range(1, 60):
        write(*numbered(number))
        memory.show(WORD_HEAD)
        ledger.enter(reader.read())
        late = list(memory.pending)
        chance.shuffle(late)
        for index in late:
            memory.show(index)
    ledger.enter(reader.read())
    assert (ledger.accepted, ledger.lost) == (59, 0)


def test_a_store_that_stays_away_for_laps_costs_its_own_records_only() -> None:
    """One word of one slot is stuck in a store buffer while the writer goes round and round."""
    memory = StoreBuffer(4)
    write, reader, ledger = ring.writer(memory, 4), RingReader(memory.visible), Ledger()
    stuck = FIRST_SLOT + 2 * SLOT_WORDS
    for number in range(1, 41):
        write(*numbered(number))
        for index in list(memory.pending):
            while index != stuck and index in memory.pending:
                memory.show(index)
        ledger.enter(reader.read())
    memory.show_all()
    for _ in range(12):
        ledger.enter(reader.read())
    assert ledger.total == 40
    assert ledger.lost == 10
