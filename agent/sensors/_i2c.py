"""I2C buses (`/dev/i2c-N`) through smbus2, what their errors ask for, and a chip's registers read in one go.

Source: Documentation/i2c/dev-interface.rst, Documentation/i2c/fault-codes.rst, drivers/i2c/i2c-dev.c. Three traps:

- I2C_RDWR goes past a kernel driver that has the address; only I2C_SLAVE answers EBUSY. So an address is claimed whenever a bus
  is opened, again every second, and never by force.
- An adapter may take a single read in a transfer, as its last message, and refuse more with EOPNOTSUPP: i2c-bcm2835.c, which is
  every Raspberry Pi before the 5. Such a transfer is sent in parts, each of which ends with a read.
- Chips send the high byte first, an SMBus word has the low byte first. Whole messages keep the chip's order, and only `Exchange`
  knows what it is.
"""

from __future__ import annotations

import ctypes
import enum
import errno
import fcntl
import struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from smbus2 import SMBus, i2c_msg

from agent.core.errors import Absent, SensorFault
from agent.core.tree import errno_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.core.sensor import Bus, Surroundings

# linux/i2c-dev.h and linux/i2c.h.
_I2C_SLAVE: Final = 0x0703
_I2C_M_RD: Final = 0x0001
# A place for every register that is read, as wide as the widest number struct knows.
_PLACE_BYTES: Final = 8
_TAKEN: Final = "a kernel driver has it: use its hwmon files, which sensor hwmon reads"
_NO_BUS: Final = "switch the bus on: dtparam=i2c_arm=on in config.txt of a Raspberry Pi; elsewhere modprobe i2c-dev"
_NO_ACCESS: Final = "add the user to the group i2c: usermod -aG i2c USER"
_NO_ANSWER: Final = "look at its power, its wiring and its address: i2cdetect -y lists who answers"
_NO_MESSAGES: Final = "use a bus of the board's own: this adapter speaks SMBus alone"


class Recovery(enum.Enum):
    """What an error of a transfer asks for."""

    ASK_AGAIN = "count it, then ask who is there and write its settings again"
    OPEN_AGAIN = "close the bus and open it again"


# EBUSY is a bus that stays busy here: the one that means a driver comes from claiming, not from a transfer.
_ASK_AGAIN: Final = frozenset({errno.EREMOTEIO, errno.ETIMEDOUT, errno.EAGAIN, errno.EBUSY})
# How adapters say that no chip acknowledged its address.
_SILENCE: Final = frozenset({errno.EREMOTEIO, errno.ENXIO, errno.EIO})


def recovery_of(error: OSError) -> Recovery:
    """Return what an error of a transfer asks for."""
    return Recovery.ASK_AGAIN if error.errno in _ASK_AGAIN else Recovery.OPEN_AGAIN


class LinuxBus:
    """An I2C bus of the kernel's."""

    def __init__(self, path: Path) -> None:
        """Open it; raises OSError."""
        self._bus = SMBus()
        self._one_read_each = False
        try:
            self._bus.open(str(path))
        except OSError:
            self.close()
            raise

    def claim(self, address: int) -> None:
        """Ask the kernel for an address; raises OSError, EBUSY where a kernel driver has it."""
        if self._bus.fd is None:
            raise OSError(errno.EBADF, "closed")
        fcntl.ioctl(self._bus.fd, _I2C_SLAVE, address)

    def transfer(self, *messages: Any) -> None:  # noqa: ANN401 - smbus2.i2c_msg; the protocol's own type
        """Carry out messages in one ioctl, or in as many as the adapter needs; raises OSError."""
        if not self._one_read_each:
            try:
                self._bus.i2c_rdwr(*messages)
            except OSError as error:
                if error.errno != errno.EOPNOTSUPP or len(_parts(messages)) == 1:
                    raise
            else:
                return
        for part in _parts(messages):
            self._bus.i2c_rdwr(*part)
        self._one_read_each = True

    def close(self) -> None:
        """Close it; closing it again does nothing."""
        self._bus.close()


def _parts(messages: Sequence[Any]) -> list[Sequence[Any]]:
    """Return runs of messages, each with one read at most, as its last."""
    ends = [place for place, message in enumerate(messages, start=1) if message.flags & _I2C_M_RD]
    begins = [0, *ends]
    ends.append(len(messages))
    return [messages[begin:end] for begin, end in zip(begins, ends, strict=True) if begin < end]


class Register(NamedTuple):
    """A register of a chip: the byte that points at it, and how many bytes it has."""

    pointer: int
    size: int = 2


class Exchange:
    """Registers that are written, then registers that are read, in one transfer whose messages are made once.

    The only place that knows in which order a chip sends its bytes: the high one first.
    """

    def __init__(self, address: int, reads: Sequence[Register], writes: Sequence[tuple[Register, int]] = ()) -> None:
        """Take the chip's address, what is read and what is written before."""
        self._buffer = bytearray(_PLACE_BYTES * len(reads))
        self._unpack = struct.Struct(f">{len(reads)}Q").unpack
        messages = [
            i2c_msg.write(address, bytes([register.pointer]) + value.to_bytes(register.size, "big")) for register, value in writes
        ]
        for end, register in enumerate(reads, start=1):
            messages.append(i2c_msg.write(address, [register.pointer]))
            # At the end of its place: the bytes before it stay zero, whatever its size.
            place = (ctypes.c_char * register.size).from_buffer(self._buffer, _PLACE_BYTES * end - register.size)
            messages.append(i2c_msg(addr=address, flags=_I2C_M_RD, len=register.size, buf=place))
        self._messages = tuple(messages)

    def carry_out(self, bus: Bus) -> tuple[int, ...]:
        """Return what the registers hold, without sign, in the order in which they were listed; raises OSError."""
        bus.transfer(*self._messages)
        return self._unpack(self._buffer)


def signed(value: int, bits: int) -> int:
    """Return a number in two's complement as what it means."""
    return value - (1 << bits) if value >> (bits - 1) else value


def open_claimed(surroundings: Surroundings, device: str, address: int) -> Bus:
    """Return a bus on which no kernel driver has the address.

    Raises:
        Absent: there is no such bus, it may not be opened, or a kernel driver has the address.
        SensorFault: it cannot be opened.
    """
    try:
        bus = surroundings.bus(surroundings.board.path(device.lstrip("/")))
    except PermissionError as error:
        raise Absent(f"{device} may not be opened", mend=_NO_ACCESS) from error
    except OSError as error:
        if error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ENXIO, errno.ENODEV}:
            raise Absent(f"{device} is not there", mend=_NO_BUS) from error
        raise SensorFault(f"{device}: {errno_name(error)}") from error
    try:
        claim(bus, device, address)
    except OSError as error:
        bus.close()
        raise SensorFault(f"{device}: {errno_name(error)}") from error
    except Absent:
        bus.close()
        raise
    return bus


def claim(bus: Bus, device: str, address: int) -> None:
    """Make sure that no kernel driver has an address.

    Raises:
        Absent: one has it.
        OSError: the bus is gone.
    """
    try:
        bus.claim(address)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise Absent(f"address {address:#04x} on {device} belongs to a kernel driver", mend=_TAKEN) from error
        raise


def unanswered(error: OSError, device: str, address: int) -> Absent | SensorFault:
    """Return what it means that a chip that was looked for did not answer."""
    if error.errno in _SILENCE:
        return Absent(f"nothing answers at {address:#04x} on {device}: {errno_name(error)}", mend=_NO_ANSWER)
    if error.errno == errno.EOPNOTSUPP:
        return Absent(f"{device} carries no plain I2C messages", mend=_NO_MESSAGES)
    return SensorFault(f"{device}: {errno_name(error)}")
