"""An INA226 behind a real character device, read by the real smbus2 with real ioctls in a process of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
SYSTEM_PYTHON = "/usr/bin/python3"
NEEDED = "import gi; gi.require_version('UMockdev', '1.0'); from gi.repository import UMockdev"
HOW_TO_HAVE_IT = "apt-get install gir1.2-umockdev-1.0 python3-gi umockdev"

PROGRAM = """
import errno, json, sys, time
from pathlib import Path
from agent.core.errors import Absent, SensorFault
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.core.units import Seconds
from agent.sensors import ina226
from agent.sensors._i2c import LinuxBus

TREE = Tree(Path("/"))
CONFIG = ina226.Config(period=Seconds(0.01))
told = {"load": [5.0, 1.25]}

def order(**orders):
    told.update(orders)
    Path(sys.argv[1]).write_text(json.dumps(told))

def find():
    return ina226.find(CONFIG, Surroundings(board=TREE, machine=TREE, bus=LinuxBus))

def read(monitor):
    # The next reading that says something.
    until = time.monotonic() + 5
    while time.monotonic() < until:
        time.sleep(0.01)
        reads = monitor.read()
        if reads.readings or reads.faults:
            return {r.metric: r.value for r in reads.readings} | {"faults": [f.reason for f in reads.faults]}
    raise AssertionError("nothing was read")

def absent():
    try:
        find()
    except Absent as error:
        return [str(error), error.mend]

seen = {}
"""


def is_installed() -> bool:
    if not (Path(SYSTEM_PYTHON).exists() and shutil.which("umockdev-run")):
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", NEEDED], capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def _umockdev() -> None:
    if not is_installed():
        pytest.skip(f"umockdev is not installed: nothing was tested against a real character device; {HOW_TO_HAVE_IT}")


def run(folder: Path, steps: str) -> tuple[dict[str, Any], list[int]]:
    """Run steps in a program that sees the device; return what it saw, and the ioctls that it made."""
    orders = folder / "orders.json"
    program = folder / "program.py"
    orders.write_text("{}")
    program.write_text(f"{PROGRAM}order()\n{steps}\nprint(json.dumps(seen))\n")
    done = subprocess.run(
        [SYSTEM_PYTHON, HERE / "_i2cdevice.py", orders, sys.executable, program, orders],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={"PYTHONPATH": str(REPOSITORY), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), json.loads(Path(f"{orders}.asked").read_text())


@pytest.mark.usefixtures("_umockdev")
def test_a_chip_behind_a_real_device_is_found_read_lost_and_found_again(tmp_path: Path) -> None:
    seen, asked = run(
        tmp_path,
        """
monitor = find()
seen["first"] = read(monitor)
order(load=[12.0, -2.0])
read(monitor)
seen["second"] = read(monitor)
order(dip=1)
seen["dip"] = read(monitor)
seen["after the dip"] = read(monitor)
order(fails=errno.EREMOTEIO)
seen["no answer"] = read(monitor)
order(fails=0)
seen["answers again"] = read(monitor)
order(fails=errno.ENODEV)
try:
    monitor.read()
except SensorFault as error:
    seen["gone"] = str(error)
order(fails=0)
seen["found again"] = read(find())
""",
    )
    assert seen["first"] == {
        "voltage_volts": 5.0,
        "current_amperes": pytest.approx(1.25),
        "power_watts": pytest.approx(6.25),
        "faults": [],
    }
    backwards = {
        "voltage_volts": 12.0,
        "current_amperes": pytest.approx(-2.0),
        "power_watts": pytest.approx(-24.0),
        "faults": [],
    }
    assert seen["second"] == backwards
    assert seen["dip"]["faults"][0].startswith("lost its settings (0x05 = 0x0000 instead of 0x0800")
    assert seen["after the dip"] == backwards
    assert seen["no answer"]["faults"] == ["EREMOTEIO (Remote I/O error)"]
    assert seen["answers again"] == backwards
    assert seen["gone"] == "ENODEV (No such device)"
    assert seen["found again"] == backwards
    # Opened, asked what it can, claimed; and no ioctl but these three: never I2C_SLAVE_FORCE.
    assert asked[:3] == [0x705, 0x703, 0x703]
    assert set(asked) == {0x703, 0x705, 0x707}


@pytest.mark.usefixtures("_umockdev")
def test_an_adapter_like_a_raspberry_pi_4s_and_a_kernel_driver_behind_a_real_device(tmp_path: Path) -> None:
    seen, asked = run(
        tmp_path,
        """
order(driven=True)
seen["driven"] = absent()
order(driven=False, one_read_each=True)
seen["one read each"] = read(find())
""",
    )
    assert seen["driven"][0] == "address 0x40 on /dev/i2c-1 belongs to a kernel driver"
    assert "hwmon" in seen["driven"][1]
    assert seen["one read each"]["current_amperes"] == pytest.approx(1.25)
    # The driver's address was left alone: the next bus was opened before anything was transferred.
    assert asked[:4] == [0x705, 0x703, 0x705, 0x703]
