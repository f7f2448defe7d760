from __future__ import annotations

import errno
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import _chips as chips
import pytest
import smbus2.smbus2
from hypothesis import given
from hypothesis import strategies as st
from smbus2 import i2c_msg

from agent.core.errors import Absent, SensorFault
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.sensors import _i2c
from agent.sensors._i2c import Exchange, LinuxBus, Recovery, Register

if TYPE_CHECKING:
    from pathlib import Path

I2C_SLAVE, I2C_SLAVE_FORCE, I2C_FUNCS, I2C_RDWR = 0x703, 0x706, 0x705, 0x707


@dataclass
class Kernel:
    """The ioctls of i2c-dev, answered by a wire."""

    wire: chips.Wire
    asked: list[tuple[int, Any]] = field(default_factory=list)
    not_a_bus: bool = False

    def ioctl(self, descriptor: int, request: int, argument: Any = 0) -> int:
        os.fstat(descriptor)
        self.asked.append((request, argument if isinstance(argument, int) else getattr(argument, "nmsgs", None)))
        if self.not_a_bus:
            raise OSError(errno.ENOTTY, "Inappropriate ioctl for device")
        if request == I2C_SLAVE and argument in self.wire.driven:
            raise OSError(errno.EBUSY, "Device or resource busy")
        if request == I2C_RDWR:
            self.wire.carry([argument.msgs[place] for place in range(argument.nmsgs)])
        return 0

    def transfers(self) -> list[int]:
        """Return how many messages each transfer had."""
        return [number for request, number in self.asked if request == I2C_RDWR]


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    hand = chips.Hand()
    answers = Kernel(chips.Wire({0x40: chips.Ina226(hand), 0x41: chips.Ina219(hand)}))
    monkeypatch.setattr(smbus2.smbus2, "ioctl", answers.ioctl)
    monkeypatch.setattr(_i2c.fcntl, "ioctl", answers.ioctl)
    return answers


@pytest.fixture
def node(tmp_path: Path) -> Path:
    path = tmp_path / "dev/i2c-1"
    path.parent.mkdir()
    path.write_text("")
    return path


def open_descriptors(path: Path) -> int:
    links = (os.path.realpath(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - as the kernel has it
    return sum(link == str(path) for link in links)


# Registers.


def test_a_register_is_pointed_at_and_read_with_its_high_byte_first(kernel: Kernel, node: Path) -> None:
    """`i2cget -y 2 0x40 0x00 w` shows an INA219's 0x399F as 0x9f39: an SMBus word begins with the low byte, a message does not."""
    bus = LinuxBus(node)
    assert Exchange(0x41, [Register(0x00)]).carry_out(bus) == (0x399F,)


def test_registers_come_in_the_order_in_which_they_were_listed(kernel: Kernel, node: Path) -> None:
    bus = LinuxBus(node)
    listed = [Register(0xFF), Register(0x00), Register(0xFE), Register(0x05)]
    assert Exchange(0x40, listed).carry_out(bus) == (0x2260, 0x4127, 0x5449, 0x0000)
    assert kernel.transfers() == [8]


def test_what_is_written_is_written_before_anything_is_read(kernel: Kernel, node: Path) -> None:
    exchange = Exchange(0x40, [Register(0x05), Register(0x00)], [(Register(0x05), 0x0800), (Register(0x00), 0x481F)])
    assert exchange.carry_out(LinuxBus(node)) == (0x0800, 0x481F)
    assert kernel.wire.chips[0x40].writes == [(0x05, 0x0800), (0x00, 0x481F)]
    assert kernel.transfers() == [6]


def test_reading_a_register_writes_nothing_to_it(kernel: Kernel, node: Path) -> None:
    """ArduinoINA219#6: a library wrote 0 into every register that it was about to read."""
    Exchange(0x40, [Register(number) for number in range(8)]).carry_out(LinuxBus(node))
    assert kernel.wire.chips[0x40].writes == []


@dataclass
class Echo:
    """A bus that answers with what it is told to, and keeps what it was sent."""

    answers: list[bytes]
    sent: list[bytes] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)

    def claim(self, address: int) -> None:
        raise NotImplementedError

    def transfer(self, *messages: Any) -> None:
        self.messages.append(messages)
        answers = iter(self.answers)
        for message in messages:
            if message.flags & 1:
                for place, byte in enumerate(next(answers)):
                    message.buf[place] = bytes([byte])
            else:
                self.sent.append(bytes(message))

    def close(self) -> None:
        raise NotImplementedError


@given(numbers=st.lists(st.tuples(st.integers(0, 255), st.integers(1, 8), st.integers(0)), min_size=1, max_size=12))
def test_registers_of_any_width_are_read_whole(numbers: list[tuple[int, int, int]]) -> None:
    held = [number % (1 << 8 * size) for _, size, number in numbers]
    echo = Echo([value.to_bytes(size, "big") for value, (_, size, _) in zip(held, numbers, strict=True)])
    exchange = Exchange(0x40, [Register(pointer, size) for pointer, size, _ in numbers])
    assert list(exchange.carry_out(echo)) == held
    assert list(exchange.carry_out(echo)) == held
    assert echo.sent == [bytes([pointer]) for pointer, _, _ in numbers] * 2


@given(value=st.integers(0, 0xFFFF), pointer=st.integers(0, 255))
def test_a_value_is_sent_behind_its_pointer_with_its_high_byte_first(value: int, pointer: int) -> None:
    echo = Echo([])
    Exchange(0x40, [], [(Register(pointer), value)]).carry_out(echo)
    assert echo.sent == [bytes([pointer, value >> 8, value & 0xFF])]


def test_the_messages_are_made_once() -> None:
    echo = Echo([b"\x00\x01"])
    exchange = Exchange(0x40, [Register(1)])
    exchange.carry_out(echo)
    exchange.carry_out(echo)
    assert [id(message) for message in echo.messages[0]] == [id(message) for message in echo.messages[1]]


@pytest.mark.parametrize(
    ("value", "bits", "means"),
    [
        (0x0000, 16, 0),
        (0x7FFF, 16, 32767),
        (0x8000, 16, -32768),
        (0xFFFF, 16, -1),
        (65511, 16, -25),
        (0x80000, 20, -524_288),
        (0x7FFFF, 20, 524_287),
    ],
)
def test_a_sign_is_a_sign(value: int, bits: int, means: int) -> None:
    assert _i2c.signed(value, bits) == means


@given(number=st.integers(-(2**19), 2**19 - 1))
def test_what_is_written_in_twos_complement_is_read_back(number: int) -> None:
    assert _i2c.signed(number & 0xFFFFF, 20) == number


# The kernel's bus.


def test_an_address_is_claimed_and_never_by_force(kernel: Kernel, node: Path) -> None:
    bus = LinuxBus(node)
    bus.claim(0x40)
    assert (I2C_SLAVE, 0x40) in kernel.asked
    assert I2C_SLAVE_FORCE not in {request for request, _ in kernel.asked}


def test_an_address_that_a_driver_has_answers_busy(kernel: Kernel, node: Path) -> None:
    kernel.wire.driven = {0x40}
    bus = LinuxBus(node)
    with pytest.raises(OSError, match="busy") as busy:
        bus.claim(0x40)
    assert busy.value.errno == errno.EBUSY
    # The trap: a transfer goes past the driver.
    Exchange(0x40, [Register(0)]).carry_out(bus)


def test_an_adapter_that_takes_one_read_gets_one_transfer_for_each(kernel: Kernel, node: Path) -> None:
    """A Raspberry Pi 4 and before: i2c-bcm2835.c, "only one read message supported, has to be last"."""
    kernel.wire.one_read_each = True
    bus = LinuxBus(node)
    exchange = Exchange(0x40, [Register(0xFE), Register(0xFF), Register(0x05)], [(Register(0x05), 0x0800)])
    assert exchange.carry_out(bus) == (0x5449, 0x2260, 0x0800)
    assert kernel.transfers() == [7, 3, 2, 2]
    assert exchange.carry_out(bus) == (0x5449, 0x2260, 0x0800)
    assert kernel.transfers()[4:] == [3, 2, 2]


def test_an_adapter_that_takes_one_read_may_still_be_written_to(kernel: Kernel, node: Path) -> None:
    kernel.wire.one_read_each = True
    bus = LinuxBus(node)
    for _ in range(2):
        bus.transfer(i2c_msg.write(0x40, [0]), i2c_msg.read(0x40, 2), i2c_msg.write(0x40, [5]), i2c_msg.write(0x40, [5, 8, 0]))
    assert kernel.wire.chips[0x40].registers[5] == 0x0800


def test_an_adapter_that_takes_no_messages_at_all_says_so(kernel: Kernel, node: Path) -> None:
    kernel.wire.fails = errno.EOPNOTSUPP
    bus = LinuxBus(node)
    for exchange in (Exchange(0x40, [Register(0)]), Exchange(0x40, [Register(0), Register(1)])):
        with pytest.raises(OSError, match="not supported") as refused:
            exchange.carry_out(bus)
        assert refused.value.errno == errno.EOPNOTSUPP


@pytest.mark.parametrize("number", [errno.EREMOTEIO, errno.ETIMEDOUT, errno.EIO, errno.ENXIO, errno.ENODEV])
def test_an_error_of_a_transfer_comes_through_as_it_is_and_is_not_tried_again(kernel: Kernel, node: Path, number: int) -> None:
    kernel.wire.fails = number
    bus = LinuxBus(node)
    with pytest.raises(OSError) as failed:  # noqa: PT011 - what it is, is asked below
        Exchange(0x40, [Register(0), Register(1)]).carry_out(bus)
    assert failed.value.errno == number
    assert len(kernel.transfers()) == 1


def test_a_closed_bus_is_closed_and_may_be_closed_again(kernel: Kernel, node: Path) -> None:
    bus = LinuxBus(node)
    assert open_descriptors(node) == 1
    bus.close()
    bus.close()
    assert open_descriptors(node) == 0
    with pytest.raises(OSError, match="closed"):
        bus.claim(0x40)


def test_a_bus_that_is_not_there_is_an_error_of_the_system(node: Path) -> None:
    with pytest.raises(FileNotFoundError):
        LinuxBus(node.with_name("i2c-7"))


def test_a_file_that_is_no_bus_is_closed_again(kernel: Kernel, node: Path) -> None:
    kernel.not_a_bus = True
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        LinuxBus(node)
    assert open_descriptors(node) == 0


def test_a_real_file_that_is_no_bus_is_refused_by_the_real_kernel(node: Path) -> None:
    with pytest.raises(OSError, match="Inappropriate ioctl"):
        LinuxBus(node)
    assert open_descriptors(node) == 0


# What errors ask for.


@pytest.mark.parametrize(
    ("number", "recovery"),
    [
        (errno.EREMOTEIO, Recovery.ASK_AGAIN),
        (errno.ETIMEDOUT, Recovery.ASK_AGAIN),
        (errno.EAGAIN, Recovery.ASK_AGAIN),
        (errno.EBUSY, Recovery.ASK_AGAIN),
        (errno.EIO, Recovery.OPEN_AGAIN),
        (errno.ENXIO, Recovery.OPEN_AGAIN),
        (errno.ENODEV, Recovery.OPEN_AGAIN),
        (errno.EBADF, Recovery.OPEN_AGAIN),
        (errno.EINVAL, Recovery.OPEN_AGAIN),
    ],
)
def test_every_error_has_its_recovery(number: int, recovery: Recovery) -> None:
    assert _i2c.recovery_of(OSError(number, "")) is recovery


def test_an_error_without_a_number_has_one_too() -> None:
    assert _i2c.recovery_of(OSError("strange")) is Recovery.OPEN_AGAIN


def test_a_bus_is_opened_below_the_boards_root_and_claimed(kernel: Kernel, node: Path) -> None:
    tree = Tree(node.parent.parent)
    bus = _i2c.open_claimed(Surroundings(board=tree, machine=tree, bus=LinuxBus), "/dev/i2c-1", 0x40)
    assert open_descriptors(node) == 1
    assert kernel.asked[-1] == (I2C_SLAVE, 0x40)
    bus.close()


def test_a_bus_whose_address_has_a_driver_is_closed_again(kernel: Kernel, node: Path) -> None:
    kernel.wire.driven = {0x40}
    tree = Tree(node.parent.parent)
    with pytest.raises(Absent, match="address 0x40 on /dev/i2c-1 belongs to a kernel driver"):
        _i2c.open_claimed(Surroundings(board=tree, machine=tree, bus=LinuxBus), "/dev/i2c-1", 0x40)
    assert open_descriptors(node) == 0
    assert kernel.transfers() == []


def test_a_claim_that_fails_otherwise_is_a_fault(kernel: Kernel, node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: LinuxBus, address: int) -> None:
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(LinuxBus, "claim", refuse)
    tree = Tree(node.parent.parent)
    with pytest.raises(SensorFault, match="EINVAL"):
        _i2c.open_claimed(Surroundings(board=tree, machine=tree, bus=LinuxBus), "/dev/i2c-1", 0x40)
    assert open_descriptors(node) == 0
