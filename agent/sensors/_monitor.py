"""A power monitor behind an I2C bus: found, told its settings, read when it has something new, and told again when it forgot.

A reading is one transfer of the chip's status and its results. The status says two things: whether results have come since it was
last read, for what was read before is not read again as if it were new; and whether the chip still has a bit that was set when it
was found. A dip of its supply takes that bit with everything else. Once a second the transfer also reads who is there and which
settings it has, because another program may have written them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from agent.core.errors import Absent, SensorFault
from agent.core.record import Fault, Reads
from agent.core.tree import errno_name
from agent.sensors._i2c import Exchange, Recovery, Register, claim, open_claimed, recovery_of, unanswered

if TYPE_CHECKING:
    from agent.core.clock import Clock
    from agent.core.sensor import Bus, Surroundings
    from agent.sensors._ina import InaConfig

_CHECK_NANOSECONDS: Final = 1_000_000_000
# Transfers that fail one after the other before the chip is looked for anew, which the sampler does at growing distances.
_PATIENCE: Final = 3
# Results that stay out for so many periods are a fault.
_SILENT_PERIODS: Final = 3
_NOTHING_NEW: Final = Reads()


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """By what a chip is known: bits of a register, and what they may be."""

    register: Register
    allowed: tuple[int, ...]
    bits: int = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is written to a register, and the bits that must stay as written; 0 where the register is not read back."""

    register: Register
    value: int
    bits: int = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What is to be known of a chip to look after it.

    Attributes:
        title: its type.
        marks: by what it is known.
        settings: what is written, in that order: first what does not, then what does begin a new conversion.
        registers: what a reading reads, in that order: first the one that tells of new results.
        ready: the bits of that first register that tell of new results.
        kept: the bits of that first register that are set as long as the chip has not forgotten its settings.
        span_seconds: from one result to the next.
    """

    title: str
    marks: tuple[Mark, ...]
    settings: tuple[Setting, ...]
    registers: tuple[Register, ...]
    ready: int
    kept: int
    span_seconds: float


class Chip(Protocol):
    """A type of chip, with the settings of one of them."""

    layout: Layout

    def decode(self, values: tuple[int, ...]) -> Reads:
        """Return what the registers of a reading mean."""
        ...

    def restarted(self) -> None:
        """Take notice that the settings were written anew, so that what the chip counts began at zero."""
        ...


def find(chip: Chip, config: InaConfig, surroundings: Surroundings) -> Monitor:
    """Return a chip that was found where the configuration says, and that has its settings.

    Raises:
        Absent: there is no such bus or chip, another chip has the address, or a kernel driver.
        SensorFault: the bus fails, or the chip does not keep its settings.
    """
    bus = open_claimed(surroundings, config.bus, config.address)
    monitor = Monitor(chip, config, bus, surroundings.clock)
    try:
        monitor.begin()
    except OSError as error:
        bus.close()
        raise unanswered(error, config.bus, config.address) from error
    except (Absent, SensorFault):
        bus.close()
        raise
    return monitor


class Monitor:
    """A chip and the bus that leads to it."""

    def __init__(self, chip: Chip, config: InaConfig, bus: Bus, clock: Clock) -> None:
        """Take them, and make every message that will be sent."""
        layout = chip.layout
        self._chip = chip
        self._config = config
        self._bus = bus
        self._clock = clock
        marked = tuple(mark.register for mark in layout.marks)
        self._compared = tuple(setting for setting in layout.settings if setting.bits)
        compared = tuple(setting.register for setting in self._compared)
        self._reading = Exchange(config.address, layout.registers)
        self._checking = Exchange(config.address, (*marked, *compared, *layout.registers))
        self._writing = Exchange(
            config.address,
            (*compared, layout.registers[0]),
            [(setting.register, setting.value) for setting in layout.settings],
        )
        self._ready = layout.ready
        self._kept = layout.kept
        self._silence_nanoseconds = round(_SILENT_PERIODS * max(config.period, layout.span_seconds) * 1e9)
        self._check_at = 0
        self._new_at = 0
        self._failures = 0

    def begin(self) -> None:
        """Make sure that it is the right chip, and that it has its settings.

        Raises:
            Absent: it is another chip, or has a kernel driver.
            SensorFault: it does not keep its settings.
            OSError: the transfer failed.
        """
        _, difference = self._check(self._clock.monotonic_nanoseconds())
        if difference:
            self._write()
        self._new_at = self._clock.monotonic_nanoseconds()

    def read(self) -> Reads:
        """Return what it measured since the last reading; nothing where no result has come since."""
        now = self._clock.monotonic_nanoseconds()
        try:
            difference = ""
            if now < self._check_at:
                values = self._reading.carry_out(self._bus)
                if values[0] & self._kept != self._kept:
                    # Before anything is written: is it still the same chip?
                    values, difference = self._check(now)
            else:
                values, difference = self._check(now)
            if difference:
                return self._remind(difference)
        except OSError as error:
            return self._failed(error)
        except (Absent, SensorFault):
            self._bus.close()
            raise
        self._failures = 0
        if not values[0] & self._ready:
            return self._wait(now)
        # By now, not before: whoever was kept waiting by the bus or by the scheduler waited for the bus and the scheduler.
        self._new_at = self._clock.monotonic_nanoseconds()
        return self._chip.decode(values)

    def close(self) -> None:
        """Close the bus."""
        self._bus.close()

    def _check(self, now: int) -> tuple[tuple[int, ...], str]:
        """Return what a reading reads, and in which settings the chip differs."""
        claim(self._bus, self._config.bus, self._config.address)
        values = self._checking.carry_out(self._bus)
        layout = self._chip.layout
        marks, settings = len(layout.marks), len(self._compared)
        self._recognise(values[:marks])
        self._check_at = now + _CHECK_NANOSECONDS
        seen = values[marks + settings :]
        difference = self._difference(values[marks : marks + settings])
        if not difference and seen[0] & self._kept != self._kept:
            difference = f"{layout.registers[0].pointer:#04x} = {seen[0]:#06x} without {self._kept:#06x}"
        return seen, difference

    def _recognise(self, values: tuple[int, ...]) -> None:
        layout = self._chip.layout
        if all(value & mark.bits in mark.allowed for mark, value in zip(layout.marks, values, strict=True)):
            return
        seen = ", ".join(f"{mark.register.pointer:#04x} = {value:#06x}" for mark, value in zip(layout.marks, values, strict=True))
        wanted = ", ".join(f"{mark.register.pointer:#04x} = {_allowed(mark)}" for mark in layout.marks)
        raise Absent(
            f"the chip at {self._config.address:#04x} on {self._config.bus} is no {layout.title}: {seen}; wanted: {wanted}",
            mend="use the table of the chip that is there; some that are sold under this name are copies",
        )

    def _difference(self, values: tuple[int, ...]) -> str:
        return ", ".join(
            f"{setting.register.pointer:#04x} = {value:#06x} instead of {setting.value:#06x}"
            for setting, value in zip(self._compared, values, strict=True)
            if (value ^ setting.value) & setting.bits
        )

    def _write(self) -> None:
        *values, status = self._writing.carry_out(self._bus)
        # A copy of the chip in which that bit does not stay: a dip of its supply then shows in the check alone.
        self._kept = self._chip.layout.kept & status
        self._chip.restarted()
        difference = self._difference(tuple(values))
        if difference:
            raise SensorFault(f"does not keep its settings: {difference}")

    def _remind(self, reason: str) -> Reads:
        """Write the settings again. What was just read was measured under others: it is no reading."""
        self._write()
        self._check_at = 0
        self._new_at = self._clock.monotonic_nanoseconds()
        self._failures = 0
        return Reads(faults=(Fault(name=self._config.rail, reason=f"lost its settings ({reason}); they were written again"),))

    def _wait(self, now: int) -> Reads:
        silent = now - self._new_at
        if silent <= self._silence_nanoseconds:
            return _NOTHING_NEW
        self._check_at = 0
        return Reads(faults=(Fault(name=self._config.rail, reason=f"no new result for {silent / 1e9:.3g} s"),))

    def _failed(self, error: OSError) -> Reads:
        # Who does not answer may have lost its supply: see who is there, and with which settings.
        self._check_at = 0
        self._failures += 1
        if recovery_of(error) is Recovery.ASK_AGAIN and self._failures < _PATIENCE:
            return Reads(faults=(Fault(name=self._config.rail, reason=errno_name(error)),))
        self._bus.close()
        raise SensorFault(errno_name(error)) from error


def _allowed(mark: Mark) -> str:
    text = " or ".join(f"{value:#06x}" for value in mark.allowed)
    return text if mark.bits == 0xFFFF else f"{text} in the bits {mark.bits:#06x}"  # noqa: PLR2004 - the whole register
