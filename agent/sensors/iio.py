"""Rails of an INA3221 behind NVIDIA's own driver (JetPack 4 and older), which is an industrial I/O device and no hwmon one.

Source: drivers/staging/iio/meter/ina3221.c of NVIDIA's Linux 4.9, Documentation/ABI/testing/sysfs-bus-iio.
`sys/bus/i2c/drivers/ina3221x/BUS-ADDRESS/iio:deviceN/` (a driver's folder may also be called `iio_device`, or the files stand
beside it) has for each channel N rail_name_N, in_voltageN_input in mV, in_currentN_input in mA and in_powerN_input in mW. Where
a kernel links no driver's folder, the same device stands in `sys/bus/iio/devices`. A rail called NC is not connected. The number
of the iio:device differs from boot to boot; rails are called by their names, and by their chip's address where two share one.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.sensor import SensorConfig, Surroundings
from agent.sensors._channel import Channel, Channels
from agent.sensors._names import Candidate, clean, told_apart

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.core.tree import Tree

METRICS = (
    Metric(name="power_watts", fold=Fold.GAUGE, describes="Power of each rail."),
    Metric(name="voltage_volts", fold=Fold.GAUGE, describes="Voltage of each rail."),
    Metric(name="current_amperes", fold=Fold.GAUGE, describes="Current of each rail."),
)

_DRIVER: Final = "sys/bus/i2c/drivers/ina3221x"
_DEVICES: Final = "sys/bus/iio/devices"
_RAIL: Final = re.compile(r"rail_name_(\d)")
_PER_UNIT: Final = 1000
# A TX2 has four chips with three rails each.
_MOST_READINGS: Final = 40


class Config(SensorConfig, frozen=True, kw_only=True):
    """Rails of a Jetson with JetPack 4 or older."""


def find(config: SensorConfig, surroundings: Surroundings) -> Channels:  # noqa: ARG001 - same for every sensor
    """Return the board's rails; raises `Absent` where there is no such driver."""
    channels = tuple(_channels(surroundings.board))
    if not channels:
        raise Absent("no ina3221x driver")
    powers_first = sorted(channels, key=lambda channel: channel.metric != "power_watts")
    return Channels(surroundings.board, powers_first[:_MOST_READINGS], as_one=True)


def _channels(tree: Tree) -> Iterator[Channel]:
    rails: dict[str, tuple[str, str]] = {}
    candidates = []
    for folder, address in _chips(tree):
        for file in _listed(tree, folder):
            match = _RAIL.fullmatch(file)
            if match is None:
                continue
            number = match[1]
            rail = clean(tree.text_or_none(f"{folder}/{file}")) or f"rail{number}"
            if rail.upper() != "NC":
                identity = f"{folder}/{file}"
                rails[identity] = folder, number
                candidates.append(Candidate(identity=identity, names=(rail, f"{rail}.{address}", f"{rail}.{address}.{number}")))
    for identity, name in told_apart(candidates, {}).items():
        folder, number = rails[identity]
        inputs = {
            quantity: f"{folder}/in_{quantity}{number}_input"
            for quantity in ("voltage", "current", "power")
            if tree.path(f"{folder}/in_{quantity}{number}_input").exists()
        }
        if "power" in inputs:
            yield Channel(metric="power_watts", name=name, files=(inputs["power"],), per_unit=_PER_UNIT)
        elif len(inputs) == 2:  # noqa: PLR2004 - voltage and current
            product = (inputs["voltage"], inputs["current"])
            yield Channel(metric="power_watts", name=name, files=product, per_unit=_PER_UNIT**2)
        if "current" in inputs:
            yield Channel(metric="current_amperes", name=name, files=(inputs["current"],), per_unit=_PER_UNIT)
        if "voltage" in inputs:
            yield Channel(metric="voltage_volts", name=name, files=(inputs["voltage"],), per_unit=_PER_UNIT)


def _chips(tree: Tree) -> Iterator[tuple[str, str]]:
    """Yield the folder and the address of every chip once, whichever of its places it has."""
    places = []
    for address in _listed(tree, _DRIVER):
        chip = f"{_DRIVER}/{address}"
        places += [(f"{chip}/{name}", address) for name in _listed(tree, chip) if name.startswith("iio")]
        # Some kernels have a folder iio/ in between.
        places += [(f"{chip}/iio/{name}", address) for name in _listed(tree, f"{chip}/iio")]
        places.append((chip, address))
    places += [(f"{_DEVICES}/{name}", name) for name in _listed(tree, _DEVICES)]
    seen = set()
    for folder, address in places:
        real = os.path.realpath(tree.path(folder))
        if real not in seen and any(_RAIL.fullmatch(file) for file in _listed(tree, folder)):
            seen.add(real)
            yield folder, address


def _listed(tree: Tree, folder: str) -> tuple[str, ...]:
    try:
        return tree.names(folder)
    except SensorFault:
        return ()
