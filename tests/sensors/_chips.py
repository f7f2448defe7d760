"""TI's power monitors as registers, and buses to hang them on: what the sensors under test talk to.

Written from the data sheets (SBOS448 INA219, SBOS547 INA226, SBOS656 INA260, SBOS576 INA3221, SLYS021 INA228, SLYS025 INA238), and
sharing nothing with the sensors, so that both must agree with the chip and not with each other. Standard library only: the fake
character device runs it under another Python.
"""

from __future__ import annotations

import errno
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

AVERAGES = (1, 4, 16, 64, 128, 256, 512, 1024)
TIMES_226 = (140, 204, 332, 588, 1100, 2116, 4156, 8244)
TIMES_228 = (50, 84, 150, 280, 540, 1052, 2074, 4120)
I2C_M_RD = 1


@dataclass
class Hand:
    """A clock that is moved by hand."""

    nanoseconds: int = 5_000_000_000

    def monotonic_nanoseconds(self) -> int:
        return self.nanoseconds

    def wall_seconds(self) -> float:
        return 1.7e9 + self.nanoseconds / 1e9

    def advance(self, seconds: float) -> None:
        self.nanoseconds += round(seconds * 1e9)


class SystemHand(Hand):
    """The machine's own clock in the place of one that is moved by hand."""

    def __init__(self) -> None:
        pass

    @property
    def nanoseconds(self) -> int:  # type: ignore[override]
        return time.monotonic_ns()


class Chip:
    """Registers, some of which follow a load by the chip's own timing; those in `pinned` have been recorded and follow nothing."""

    power_up: ClassVar[dict[int, int]] = {}
    writable: ClassVar[dict[int, int]] = {}
    sizes: ClassVar[dict[int, int]] = {}

    def __init__(self, clock: Hand, shunt_ohms: float = 0.01) -> None:
        self.clock = clock
        self.shunt_ohms = shunt_ohms
        self.load: Callable[[], tuple[float, float]] = lambda: (0.0, 0.0)
        self.pointer = 0
        self.stopped = False
        self.pinned: dict[int, int] = {}
        self.writes: list[tuple[int, int]] = []
        self.brown_out()

    def sets(self, volts: float, amperes: float) -> None:
        """Let a constant load flow."""
        self.load = lambda: (volts, amperes)

    def brown_out(self) -> None:
        """Lose the supply for a moment: every register is as after power-up."""
        self.registers = dict(self.power_up)
        self.restart()

    def restart(self) -> None:
        """Begin a conversion."""
        self.since = self.clock.nanoseconds
        self.done = 0
        self.unready()

    def unready(self) -> None:
        raise NotImplementedError

    def span_microseconds(self) -> int | None:
        """Return how long a result takes; None where nothing is converted."""
        raise NotImplementedError

    def convert(self, volts: float, amperes: float, results: int) -> None:
        """Take so many results, all of one load."""
        raise NotImplementedError

    def advance(self) -> None:
        """Let everything happen that has happened by now."""
        span = self.span_microseconds()
        if span is None or self.stopped:
            return
        done = (self.clock.nanoseconds - self.since) // (span * 1000)
        if done > self.done:
            self.convert(*self.load(), done - self.done)
            self.registers |= self.pinned
            self.done = done

    def read(self, pointer: int) -> int:
        self.advance()
        value = self.registers.get(pointer, 0)
        self.was_read(pointer)
        return value

    def was_read(self, pointer: int) -> None:
        """Do what reading a register does."""

    def write(self, pointer: int, value: int) -> None:
        self.advance()
        self.writes.append((pointer, value))
        bits = self.writable.get(pointer, 0)
        self.registers[pointer] = (self.registers.get(pointer, 0) & ~bits) | (value & bits)
        self.was_written(pointer, value)

    def was_written(self, pointer: int, value: int) -> None:
        """Do what writing a register does."""

    def sent(self, data: bytes) -> None:
        """Take a message that is written: a pointer, and perhaps a value."""
        self.pointer = data[0]
        if len(data) > 1:
            self.write(self.pointer, int.from_bytes(data[1:], "big"))

    def asked(self, length: int) -> bytes:
        """Answer a message that is read. There is no auto-increment: more bytes than a register has repeat its last."""
        size = self.sizes.get(self.pointer, 2)
        data = self.read(self.pointer).to_bytes(size, "big")
        return (data + data[-1:] * length)[:length]


def clamp(value: float, lowest: int, highest: int) -> int:
    return max(lowest, min(highest, round(value)))


class Ina226(Chip):
    power_up: ClassVar = {0: 0x4127, 5: 0, 6: 0, 0xFE: 0x5449, 0xFF: 0x2260}
    writable: ClassVar = {0: 0x0FFF, 5: 0x7FFF, 6: 0xFC03, 7: 0xFFFF}

    def unready(self) -> None:
        self.registers[6] &= ~0x0008

    def span_microseconds(self) -> int | None:
        config = self.registers[0]
        if config & 7 != 7:
            return None
        return AVERAGES[config >> 9 & 7] * (TIMES_226[config >> 6 & 7] + TIMES_226[config >> 3 & 7])

    def convert(self, volts: float, amperes: float, results: int) -> None:
        shunt = clamp(amperes * self.shunt_ohms / 2.5e-6, -32768, 32767)
        bus = clamp(volts / 1.25e-3, 0, 0x7FFF)
        current = clamp(shunt * self.registers[5] // 2048, -32768, 32767)
        self.registers |= {1: shunt & 0xFFFF, 2: bus, 4: current & 0xFFFF, 3: min(abs(current) * bus // 20000, 0xFFFF)}
        self.registers[6] |= 0x0008

    def was_read(self, pointer: int) -> None:
        if pointer == 6:
            self.unready()

    def was_written(self, pointer: int, value: int) -> None:
        if pointer == 0 and value & 0x8000:
            self.brown_out()
        elif pointer == 0:
            self.restart()


class Ina260(Ina226):
    power_up: ClassVar = {0: 0x6127, 6: 0, 0xFE: 0x5449, 0xFF: 0x2270}
    writable: ClassVar = {0: 0x0FFF, 6: 0xFC03, 7: 0xFFFF}

    def convert(self, volts: float, amperes: float, results: int) -> None:
        current = clamp(amperes / 1.25e-3, -32768, 32767)
        bus = clamp(volts / 1.25e-3, 0, 0x7FFF)
        self.registers |= {1: current & 0xFFFF, 2: bus, 3: clamp(abs(volts * amperes) / 10e-3, 0, 0xFFFF)}
        self.registers[6] |= 0x0008


class Ina219(Chip):
    """CNVR is cleared by reading the power register (as the data sheet says) or the bus register (as TI measured)."""

    power_up: ClassVar = {0: 0x399F, 2: 0, 5: 0}
    writable: ClassVar = {0: 0x3FFF, 5: 0xFFFE}
    # By the code in BADC and SADC: 9 to 12 bits (twice: bit 2 means nothing below 8), then 1 to 128 samples of 12 bits.
    times: ClassVar = (84, 148, 276, 532, 84, 148, 276, 532, 532, 1060, 2130, 4260, 8510, 17020, 34050, 68100)

    def __init__(self, clock: Hand, shunt_ohms: float = 0.01, cleared_by: int = 3) -> None:
        self.cleared_by = cleared_by
        super().__init__(clock, shunt_ohms)

    def unready(self) -> None:
        self.registers[2] &= ~0x0002

    def span_microseconds(self) -> int | None:
        config = self.registers[0]
        return self.times[config >> 7 & 15] + self.times[config >> 3 & 15] if config & 7 == 7 else None

    def convert(self, volts: float, amperes: float, results: int) -> None:
        most = 4000 << (self.registers[0] >> 11 & 3)
        shunt = clamp(amperes * self.shunt_ohms / 10e-6, -most, most)
        bus = clamp(volts / 4e-3, 0, 8191)
        current = clamp(shunt * self.registers[5] // 4096, -32768, 32767)
        self.registers |= {1: shunt & 0xFFFF, 2: bus << 3 | 0x0002, 4: current & 0xFFFF, 3: min(abs(current) * bus // 5000, 0xFFFF)}

    def was_read(self, pointer: int) -> None:
        if pointer == self.cleared_by:
            self.unready()

    def was_written(self, pointer: int, value: int) -> None:
        if pointer == 0 and value & 0x8000:
            self.brown_out()
        elif pointer == 0:
            self.restart()


class Ina3221(Chip):
    power_up: ClassVar = {0: 0x7127, **dict.fromkeys(range(7, 13), 0x7FF8), 15: 0x0002, 0xFE: 0x5449, 0xFF: 0x3220}
    writable: ClassVar = {0: 0x7FFF, **dict.fromkeys(range(7, 13), 0xFFF8), 15: 0x7C00}

    def __init__(self, clock: Hand, shunt_ohms: float = 0.01) -> None:
        super().__init__(clock, shunt_ohms)
        self.loads: list[tuple[float, float]] = [(0.0, 0.0)] * 3
        self.shunts = [shunt_ohms] * 3

    def unready(self) -> None:
        self.registers[15] &= ~0x0001

    def span_microseconds(self) -> int | None:
        config = self.registers[0]
        channels = (config >> 12 & 7).bit_count()
        if config & 7 != 7 or not channels:
            return None
        return AVERAGES[config >> 9 & 7] * (TIMES_226[config >> 6 & 7] + TIMES_226[config >> 3 & 7]) * channels

    def convert(self, volts: float, amperes: float, results: int) -> None:
        for channel, (bus, current) in enumerate(self.loads):
            if self.registers[0] & 0x4000 >> channel:
                steps = clamp(current * self.shunts[channel] / 40e-6, -4096, 4095)
                self.registers[1 + 2 * channel] = steps << 3 & 0xFFFF
                self.registers[2 + 2 * channel] = clamp(bus / 8e-3, 0, 4095) << 3
        self.registers[15] |= 0x0001

    def was_read(self, pointer: int) -> None:
        if pointer == 15:
            self.unready()

    def was_written(self, pointer: int, value: int) -> None:
        if pointer == 0 and value & 0x8000:
            self.brown_out()
        elif pointer == 0:
            self.restart()


class Ina238(Chip):
    """CNVRF is cleared by reading DIAG_ALRT only while ALATCH is set; else it stays once it was set."""

    power_up: ClassVar = {0: 0, 1: 0xFB68, 2: 0x1000, 0x0B: 0x0001, 0x3E: 0x5449, 0x3F: 0x2381}
    writable: ClassVar = {0: 0x3FF0, 1: 0xFFFF, 2: 0x7FFF, 0x0B: 0xF000}
    sizes: ClassVar = {8: 3}
    shunt_volts: ClassVar[tuple[float, float]] = (5e-6, 1.25e-6)
    bus_volts: ClassVar[float] = 3.125e-3
    shunt_bits: ClassVar[int] = 16
    shift: ClassVar[int] = 0

    def unready(self) -> None:
        self.registers[0x0B] &= ~0x0002

    def span_microseconds(self) -> int | None:
        config = self.registers[1]
        mode = config >> 12
        if not mode & 8:
            return None
        pair = (TIMES_228[config >> 9 & 7] if mode & 1 else 0) + (TIMES_228[config >> 6 & 7] if mode & 2 else 0)
        return AVERAGES[config & 7] * (pair + (TIMES_228[config >> 3 & 7] if mode & 4 else 0)) or None

    def convert(self, volts: float, amperes: float, results: int) -> None:
        most = (1 << self.shunt_bits - 1) - 1
        shunt = clamp(amperes * self.shunt_ohms / self.shunt_volts[self.registers[0] >> 4 & 1], -most - 1, most)
        # CURRENT = VSHUNT x 4096 / SHUNT_CAL, since SHUNT_CAL = 819.2e6 (INA228: 13107.2e6) x CURRENT_LSB x R, x 4 with ADCRANGE.
        self.current = clamp(shunt * 4096 / self.registers[2], -most - 1, most) if self.registers[2] else 0
        bits = (1 << self.shunt_bits) - 1
        self.registers[4] = (shunt & bits) << self.shift
        self.registers[5] = clamp(volts / self.bus_volts, 0, most) << self.shift
        self.registers[7] = (self.current & bits) << self.shift
        self.registers[0x0B] |= 0x0002

    def was_read(self, pointer: int) -> None:
        if pointer == 0x0B and self.registers[0x0B] & 0x8000:
            self.unready()

    def was_written(self, pointer: int, value: int) -> None:
        if pointer == 0 and value & 0x8000:
            self.brown_out()
        elif pointer == 1:
            self.restart()


class Ina228(Ina238):
    """The energy register holds what a step of it is worth, added up at every conversion; it wraps at 40 bits."""

    power_up: ClassVar = {**Ina238.power_up, 9: 0, 0x3F: 0x2281}
    writable: ClassVar = {**Ina238.writable, 0: 0x3FF0, 3: 0x3FFF}
    sizes: ClassVar = {4: 3, 5: 3, 7: 3, 8: 3, 9: 5, 0x0A: 5}
    shunt_volts: ClassVar[tuple[float, float]] = (312.5e-9, 78.125e-9)
    bus_volts: ClassVar[float] = 195.3125e-6
    shunt_bits: ClassVar[int] = 20
    shift: ClassVar[int] = 4

    def brown_out(self) -> None:
        self.energy = 0.0
        super().brown_out()

    def convert(self, volts: float, amperes: float, results: int) -> None:
        super().convert(volts, amperes, results)
        # POWER's step is 3.2 x that of CURRENT, ENERGY's 16 x that of POWER.
        seconds = results * (self.span_microseconds() or 0) * 1e-6
        self.energy += abs(self.current) * volts * seconds / (16 * 3.2)
        self.registers[9] = int(self.energy) % (1 << 40)

    def was_written(self, pointer: int, value: int) -> None:
        super().was_written(pointer, value)
        if pointer == 0 and value & 0x4000:
            self.energy = 0.0
            self.registers[9] = 0


@dataclass
class Wire:
    """A bus with chips, and what may go wrong on it. `open` is what `Surroundings.bus` is."""

    chips: dict[int, Chip]
    driven: set[int] = field(default_factory=set)
    one_read_each: bool = False
    refuses: int = 0
    fails: int = 0
    every: int = 1
    transfers: int = 0
    paths: list[str] = field(default_factory=list)
    openings: list[Opening] = field(default_factory=list)

    def open(self, path: Path) -> Opening:
        self.paths.append(str(path))
        if self.refuses:
            raise OSError(self.refuses, os.strerror(self.refuses), str(path))
        self.openings.append(Opening(self))
        return self.openings[-1]

    @property
    def left_open(self) -> int:
        return sum(not opening.closed for opening in self.openings)

    def carry(self, messages: Sequence[Any]) -> None:
        self.transfers += 1
        if self.one_read_each and any(message.flags & I2C_M_RD for message in messages[:-1]):
            raise OSError(errno.EOPNOTSUPP, "only one read message supported, has to be last")
        if self.fails and self.transfers % self.every == 0:
            raise OSError(self.fails, os.strerror(self.fails))
        for message in messages:
            chip = self.chips.get(message.addr)
            if chip is None:
                raise OSError(errno.EREMOTEIO, "no acknowledge")
            if message.flags & I2C_M_RD:
                for place, byte in enumerate(chip.asked(message.len)):
                    message.buf[place] = byte.to_bytes(1, "big")
            else:
                chip.sent(bytes(message))


@dataclass
class Opening:
    """One opening of a wire: a `Bus`. Whoever transfers without having claimed races a kernel driver."""

    wire: Wire
    claimed: set[int] = field(default_factory=set)
    closed: bool = False

    def claim(self, address: int) -> None:
        assert not self.closed
        if address in self.wire.driven:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self.claimed.add(address)

    def transfer(self, *messages: Any) -> None:
        assert not self.closed
        assert {message.addr for message in messages} <= self.claimed, "not claimed"
        self.wire.carry(messages)

    def close(self) -> None:
        self.closed = True
