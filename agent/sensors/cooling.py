"""What the kernel does against heat, and from when: `sys/class/thermal/{cooling_device*,thermal_zone*/trip_point_*}`.

Source: Documentation/driver-api/thermal/sysfs-api.rst. cur_state of a cooling device runs from 0 (does nothing) to max_state.
`cpufreq-*`, `devfreq-*`, `Processor` and `*-throttle-alert` slow something down; a fan does not, and is called `fan.` + its type.
A Raspberry Pi has only fans here: its firmware throttles unseen. intel_powerclamp says -1 while it does nothing: absent. Several
cdevN of a zone lead to one device, so devices are listed and not those.

A trip point is called by its zone, as `thermal` calls it, and its type: `cpu-thermal.passive`; of several of a type the lowest.
Trip points that are switched off have temperatures such as -274000, -40000, 0 or 2147483647. How they are numbered changes from
kernel to kernel. They hardly ever change: they are read every 60th time and repeated in between.

At most 40 devices (fans last) and 40 trip points: servers have one `Processor` for each core.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.record import Fault, Reading, Reads
from agent.core.sensor import SensorConfig, Surroundings
from agent.sensors._channel import Channel, Channels, is_off
from agent.sensors._names import Candidate, clean, device, told_apart

if TYPE_CHECKING:
    from agent.core.tree import Tree

METRICS = (
    Metric(
        name="cooling_level",
        fold=Fold.LAST,
        describes="State of each cooling device, by its type; 0 does nothing. Fans are called `fan.`, all others slow something.",
    ),
    Metric(
        name="trip_celsius",
        fold=Fold.LAST,
        describes="Temperature at which the kernel acts, by zone and kind: `active`, `passive`, `hot`, `critical`.",
    ),
)

_FOLDER: Final = "sys/class/thermal"
_TRIP: Final = re.compile(r"trip_point_(\d+)_type")
_HOTTEST_CELSIUS: Final = 150.0
_IDLE: Final = frozenset({-1})
_LOOK_READS: Final = 60
_LOOK_AGAIN_SECONDS: Final = 5.0
_MOST: Final = 40


class Config(SensorConfig, frozen=True, kw_only=True):
    """What the kernel does against heat, and at which temperatures."""


def find(config: SensorConfig, surroundings: Surroundings) -> Cooling:
    """Return the board's cooling devices and trip points; raises `Absent` where there are neither."""
    source = Cooling(surroundings.board, look_again_reads=max(int(_LOOK_AGAIN_SECONDS / config.period), 1))
    if source.is_empty:
        raise Absent("no cooling devices and no trip points")
    return source


class Cooling:
    """Every cooling device and every trip point of a board."""

    def __init__(self, tree: Tree, look_again_reads: int) -> None:
        """Look for them, and after so many readings again for those that are gone."""
        self._tree = tree
        self._look_again_reads = look_again_reads
        self._names: dict[str, str] = {}
        self._channels = Channels(tree)
        self._trips: dict[str, tuple[tuple[str, str], ...]] = {}
        self._celsius: dict[str, float] = {}
        self._reads = 0
        self._look()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to read."""
        return not self._names and not self._trips

    def read(self) -> Reads:
        """Return the state of every cooling device and the temperature of every trip point."""
        faults: tuple[Fault, ...] = ()
        if self._reads % (self._look_again_reads if self._channels.gone else _LOOK_READS) == 0:
            if self._reads:
                self._look()
            faults = self._read_trips()
        self._reads += 1
        reads = self._channels.read()
        trips = [Reading(metric="trip_celsius", name=name, value=celsius) for name, celsius in self._celsius.items()]
        return Reads(readings=(*reads.readings, *trips[:_MOST]), faults=reads.faults + faults)

    def _look(self) -> None:
        # What was there stays listed, so that what vanished keeps counting as a fault.
        self._names = _devices(self._tree, self._names)
        order = sorted(self._names, key=lambda folder: (_is_fan(self._names[folder]), "-throttle-alert" not in self._names[folder]))
        self._channels.take(_channel(self._tree, folder, self._names[folder]) for folder in order[:_MOST])
        self._trips = {**self._trips, **_trips(self._tree)}

    def _read_trips(self) -> tuple[Fault, ...]:
        self._celsius = {}
        faults = []
        for name, points in self._trips.items():
            found = []
            for path, part in points:
                try:
                    celsius = self._tree.integer(path) / 1000
                except (Absent, SensorFault) as error:
                    if not is_off(str(error), has_answered=False):
                        faults.append(Fault(name=part, reason=str(error)))
                    continue
                if 0 < celsius <= _HOTTEST_CELSIUS:
                    found.append(celsius)
            if found:
                self._celsius[name] = min(found)
        return tuple(faults)


def _devices(tree: Tree, known: dict[str, str]) -> dict[str, str]:
    """Return folder → name of every cooling device."""
    candidates = []
    seen = set()
    for entry in tree.names(_FOLDER):
        folder = f"{_FOLDER}/{entry}"
        real = os.path.realpath(tree.path(folder))
        if not entry.startswith("cooling_device") or real in seen:
            continue
        seen.add(real)
        kind = clean(tree.text_or_none(f"{folder}/type")) or entry
        name = f"fan.{kind}" if _is_fan(kind) else kind
        candidates.append(Candidate(identity=folder, names=(name, f"{name}.{device(tree, folder)}", f"{name}.{entry}")))
    # What came back under another number is what it was.
    fresh = {name for candidate in candidates if candidate.identity not in known for name in candidate.names}
    there = {candidate.identity for candidate in candidates}
    return told_apart(candidates, {folder: name for folder, name in known.items() if folder in there or name not in fresh})


def _is_fan(kind: str) -> bool:
    return "fan" in kind.lower()


def _channel(tree: Tree, folder: str, name: str) -> Channel:
    try:
        most: float | None = tree.integer(f"{folder}/max_state")
    except (Absent, SensorFault):
        most = None
    return Channel(
        metric="cooling_level",
        name=name,
        files=(f"{folder}/cur_state",),
        # One of 0 tells nothing: ACPI's processors and some fans say it before they were asked for a state.
        highest=most or None,
        placeholders=_IDLE,
    )


def _trips(tree: Tree) -> dict[str, tuple[tuple[str, str], ...]]:
    """Return name → files and names of the trip points of that zone and type."""
    zones = [f"{_FOLDER}/{name}" for name in tree.names(_FOLDER) if name.startswith("thermal_zone")]
    candidates = []
    for zone in zones:
        entry = zone.rpartition("/")[2]
        kind = clean(tree.text_or_none(f"{zone}/type")) or entry
        candidates.append(Candidate(identity=zone, names=(kind, f"{kind}.{device(tree, zone)}", f"{kind}.{entry}")))
    trips: dict[str, list[tuple[str, str]]] = {}
    for zone, name in told_apart(candidates, {}).items():
        for file in _listed(tree, zone):
            match = _TRIP.fullmatch(file)
            kind = clean(tree.text_or_none(f"{zone}/{file}")) if match else ""
            if match and kind:
                point = f"trip_point_{match[1]}"
                trips.setdefault(f"{name}.{kind}", []).append((f"{zone}/{point}_temp", f"{name}.{point}"))
    return {name: tuple(points) for name, points in trips.items()}


def _listed(tree: Tree, folder: str) -> tuple[str, ...]:
    try:
        return tree.names(folder)
    except SensorFault:
        return ()
