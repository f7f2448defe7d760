"""The kernel's hardware monitors: `sys/class/hwmon/hwmon*`, each known by its `name`, as its number differs from boot to boot.

Source: Documentation/hwmon/sysfs-interface.rst. temp*_input in thousandths of a degree Celsius, fan*_input in revolutions per
minute (0 is a fan that stands), in*_input in mV, curr*_input in mA, power*_input or power*_average in uW, energy*_input in uJ.

- INA3221 (Jetson; Documentation/hwmon/ina3221.rst): three rails, called by in*_label; no power file, so P = V x I. A channel
  that is switched off answers ENODATA, one that is not connected is labelled NC: both are absent. Shunt voltages and sums are
  no rails. It averages for `update_interval`, which is seconds where `samples` is 512: readings say so (`covers_seconds`).
- INA2xx (ina2xx.rst, ina238.rst): in0 is the shunt's voltage, in1 the rail's.
- Alarms: the rpi_volt of a Raspberry Pi has nothing but in0_lcrit_alarm, set when its supply fell below 4.63 V within the last
  2 s (drivers/hwmon/raspberrypi-hwmon.c). An INA3221 clears the flags of all its alarms when one of them is read (datasheet,
  register 0Fh), so one is read each time, in turn. They are the flags `hwmon_alarm`: 1 under-voltage, 2 a current above its
  warning limit, 4 above its critical limit.
- A monitor that shows what a thermal zone or a power supply shows as well is left to those.

A server may have hundreds of inputs and a window has room for 16 KiB: 40 are read, powers first, then temperatures, energies,
fans, currents, voltages. The label `hwmon_left_out` says how many were not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.record import Fault, Flags, Label, Reads
from agent.core.sensor import SensorConfig, Surroundings
from agent.sensors import _hwmon
from agent.sensors._channel import Channels, is_off

if TYPE_CHECKING:
    from agent.core.tree import Tree

METRICS = (
    Metric(name="temperature_celsius", fold=Fold.GAUGE, describes="Temperature of each monitored chip."),
    Metric(name="power_watts", fold=Fold.GAUGE, describes="Power of each rail."),
    Metric(name="voltage_volts", fold=Fold.GAUGE, describes="Voltage of each rail."),
    Metric(name="current_amperes", fold=Fold.GAUGE, describes="Current of each rail."),
    Metric(name="fan_rpm", fold=Fold.GAUGE, describes="Speed of each fan; 0 stands."),
    Metric(name="energy_joules_total", fold=Fold.INCREASE, describes="Energy that a chip counted itself."),
)

_MOST_READINGS: Final = 40
# What appears is found within so many readings, and within so many seconds where something is gone: it may have a new number.
_LOOK_READS: Final = 60
_LOOK_AGAIN_SECONDS: Final = 5.0
UNDER_VOLTAGE: Final = 1
OVER_CURRENT: Final = 2
CRITICAL_CURRENT: Final = 4


class Config(SensorConfig, frozen=True, kw_only=True):
    """Rails, temperatures and fans that the kernel has a hardware monitor for."""


def find(config: SensorConfig, surroundings: Surroundings) -> Monitors:
    """Return the board's hardware monitors; raises `Absent` where none shows anything."""
    found = _hwmon.devices(surroundings.board, {})
    if not any(device.channels or device.alarms for device in found.values()):
        raise Absent("no hardware monitor")
    return Monitors(surroundings.board, found, look_again_reads=max(int(_LOOK_AGAIN_SECONDS / config.period), 1))


class Monitors:
    """Every hardware monitor of a board."""

    def __init__(self, tree: Tree, found: dict[str, _hwmon.Device], look_again_reads: int) -> None:
        """Take identity → device, and after how many readings what is gone is looked for."""
        self._tree = tree
        self._look_again_reads = look_again_reads
        self._devices = found
        self._channels = Channels(tree)
        self._left_out = 0
        self._reads = 0
        self._choose()

    def read(self) -> Reads:
        """Return what every monitor shows."""
        self._reads += 1
        if self._reads % (self._look_again_reads if self._channels.gone else _LOOK_READS) == 0:
            self._look()
        reads = self._channels.read()
        flags, faults = self._alarms()
        labels = (Label(metric="hwmon_left_out", text=str(self._left_out)),) if self._left_out else ()
        return Reads(readings=reads.readings, labels=labels, flags=flags, faults=reads.faults + faults)

    def _look(self) -> None:
        # A device that was there stays listed, so that one that vanished keeps counting as a fault.
        names = {identity: device.name for identity, device in self._devices.items()}
        for identity, device in _hwmon.devices(self._tree, names).items():
            before = self._devices.get(identity)
            self._devices[identity] = device.since(before) if before else device
        self._choose()

    def _choose(self) -> None:
        channels = [channel for device in self._devices.values() for channel in device.channels]
        channels.sort(key=lambda channel: _hwmon.ORDER.index(channel.metric))
        self._left_out = max(len(channels) - _MOST_READINGS, 0)
        self._channels.take(channels[:_MOST_READINGS])

    def _alarms(self) -> tuple[tuple[Flags, ...], tuple[Fault, ...]]:
        """Return the alarms that were read, of each device one."""
        bits = None
        faults = []
        for device in self._devices.values():
            if not device.alarms:
                continue
            path = device.alarms[self._reads % len(device.alarms)]
            file = path.rpartition("/")[2]
            try:
                number = self._tree.integer(path)
                if number not in {0, 1}:
                    raise SensorFault(f"implausible {number}")  # noqa: TRY301 - one way out for all that is wrong with it
            except (Absent, SensorFault) as error:
                if not is_off(str(error), has_answered=False):
                    faults.append(Fault(name=f"{device.name}.{file}", reason=str(error)))
                continue
            bits = (bits or 0) | number * _meaning(file)
        return (() if bits is None else (Flags(metric="hwmon_alarm", bits=bits),)), tuple(faults)


def _meaning(file: str) -> int:
    if file.startswith("in"):
        return UNDER_VOLTAGE
    return CRITICAL_CURRENT if "_crit_" in file else OVER_CURRENT
