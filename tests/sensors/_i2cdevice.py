"""A character device /dev/i2c-1 with an INA226 behind it, for a program that knows nothing of it: by umockdev's preload.

    _i2cdevice.py ORDERS COMMAND...

runs a command that sees the device, and passes its exit status on. ORDERS is a JSON file that is looked at before every ioctl:
`load` is [volts, amperes], `fails` an errno or 0, `driven` whether a kernel driver has the address, `one_read_each` whether the
adapter is like a Raspberry Pi 4's, and every new `dip` takes the chip's supply for a moment. What was asked is written to
ORDERS.asked when the command has ended.

Runs under the Python that has GObject introspection, which is the system's (Debian: gir1.2-umockdev-1.0 python3-gi umockdev).
"""

from __future__ import annotations

import errno
import json
import os
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _chips as chips
import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import GLib, UMockdev  # noqa: E402 - as GObject introspection wants it

NODE = "/dev/i2c-1"
DEVICE = (
    "P: /devices/platform/emberd-test/i2c-1/i2c-dev/i2c-1\n"  # as udevadm info --export-db writes it
    "N: i2c-1\nE: DEVNAME=/dev/i2c-1\nE: SUBSYSTEM=i2c-dev\nA: name=emberd test\\n\n"
)
I2C_SLAVE, I2C_FUNCS, I2C_RDWR = 0x703, 0x705, 0x707
# struct i2c_rdwr_ioctl_data and struct i2c_msg of a 64-bit process.
HEAD_BYTES, MESSAGE_BYTES, POINTER_AT = 16, 16, 8


class Bytes:
    """Bytes of another process, as smbus2's messages show them."""

    def __init__(self, memory: Any) -> None:
        self.memory = memory

    def __setitem__(self, place: int, byte: bytes) -> None:
        self.memory.update(place, byte)


@dataclass
class Message:
    """One message of a transfer."""

    addr: int
    flags: int
    len: int
    buf: Bytes

    def __bytes__(self) -> bytes:
        return bytes(self.buf.memory.retrieve())[: self.len]


class Adapter:
    """The bus's ioctls."""

    def __init__(self, orders: Path) -> None:
        self.orders = orders
        self.dips = 0
        self.chip = chips.Ina226(chips.SystemHand())
        self.wire = chips.Wire({0x40: self.chip})
        self.asked: list[int] = []

    def obey(self) -> None:
        told = json.loads(self.orders.read_text())
        self.chip.sets(*told.get("load", (0.0, 0.0)))
        self.wire.fails = told.get("fails", 0)
        self.wire.driven = {0x40} if told.get("driven") else set()
        self.wire.one_read_each = told.get("one_read_each", False)
        dips = told.get("dip", 0)
        if dips != self.dips:
            self.chip.brown_out()
        self.dips = dips

    def ioctl(self, _handler: Any, client: Any) -> bool:
        try:
            self.obey()
            result, number = self.answer(client.get_request(), client.get_arg()), 0
        except OSError as error:
            result, number = -1, error.errno or errno.EIO
        client.complete(result, number)
        return True

    def answer(self, request: int, argument: Any) -> int:
        self.asked.append(request)
        if request == I2C_SLAVE:
            if struct.unpack("=Q", bytes(argument.retrieve()))[0] in self.wire.driven:
                raise OSError(errno.EBUSY, "busy")
            return 0
        if request == I2C_FUNCS:
            argument.resolve(0, 8).update(0, struct.pack("=Q", 0x0EFF0009))
            return 0
        if request != I2C_RDWR:
            raise OSError(errno.ENOTTY, "no such ioctl")
        head = argument.resolve(0, HEAD_BYTES)
        count = struct.unpack_from("=I", bytes(head.retrieve()), POINTER_AT)[0]
        table = head.resolve(0, MESSAGE_BYTES * count)
        raw = bytes(table.retrieve())
        messages = []
        for begin in range(0, MESSAGE_BYTES * count, MESSAGE_BYTES):
            address, flags, length = struct.unpack_from("=HHH", raw, begin)
            messages.append(Message(address, flags, length, Bytes(table.resolve(begin + POINTER_AT, length))))
        self.wire.carry(messages)
        return count


def main(orders: str, *command: str) -> int:
    adapter = Adapter(Path(orders))
    testbed = UMockdev.Testbed.new()
    testbed.add_from_string(DEVICE)
    handler = UMockdev.IoctlBase()
    handler.connect("handle-ioctl", adapter.ioctl)
    testbed.attach_ioctl(NODE, handler)
    loop = GLib.MainLoop()
    seen = {"LD_PRELOAD": "libumockdev-preload.so.0", "UMOCKDEV_DIR": testbed.get_root_dir()}
    child = subprocess.Popen(command, env=os.environ | seen)
    GLib.child_watch_add(GLib.PRIORITY_DEFAULT, child.pid, lambda _pid, status: (ended.append(status), loop.quit()))
    ended: list[int] = []
    loop.run()
    Path(f"{orders}.asked").write_text(json.dumps(adapter.asked))
    return os.waitstatus_to_exitcode(ended[0])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
