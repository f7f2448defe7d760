"""What one line of tegrastats means as readings: which of its figures are measurements, what they are called, and what failed.

Names are the printed ones in lower case; where one comes again within its kind, its number follows (`vdd.2`). A channel with
nothing connected (`NC`) is no rail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.core.record import Fault, Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.sensors._tegraline import Line

_ENGINES: Final = {"EMC": "emc", "GR3D": "gpu", "GR3D2": "gpu2"}
_NOT_CONNECTED: Final = "nc"
# A board that runs draws power: 0 there is a figure that was not read yet.
_INPUT_RAILS: Final = frozenset({"vdd_in", "pom_5v_in", "vin"})
# As in `thermal`: outside is no silicon at work, and 0 is what a dead sensor says.
_COLDEST_CELSIUS: Final = -40.0
_HOTTEST_CELSIUS: Final = 150.0


def taken(line: Line, gap_seconds: float | None) -> tuple[tuple[Reading, ...], tuple[Fault, ...]]:
    """Return a line's readings and the parts that failed. `gap_seconds` is how long after the line before it came, where known."""
    readings = [*_loads(line, gap_seconds), *_clocks(line)]
    faults = []
    for reading, reason in (*_temperatures(line), *_powers(line)):
        if reason:
            faults.append(Fault(name=reading.name, reason=reason))
        else:
            readings.append(reading)
    if line.unknown_count:
        shown = ", ".join(repr(token) for token in line.unknown)
        faults.append(Fault(name="unknown", reason=f"{line.unknown_count} token(s) not understood: {shown}"))
    return tuple(readings), tuple(faults)


def _loads(line: Line, gap_seconds: float | None) -> Iterator[Reading]:
    for index, core in enumerate(line.cores):
        if core.load_ratio is not None:
            # From /proc/stat, between the line before and this one.
            yield Reading(metric="load_ratio", name=f"core{index}", value=core.load_ratio, covers_seconds=gap_seconds)
    loads = {engine.name: engine.load_ratio for engine in line.engines}
    for printed, name in _ENGINES.items():
        load = loads.get(printed)
        if load is not None:
            yield Reading(metric="load_ratio", name=name, value=load)


def _clocks(line: Line) -> Iterator[Reading]:
    """Return the clocks. An engine of several parts has the highest of theirs."""
    clocks = {f"core{index}": core.frequency_hertz for index, core in enumerate(line.cores)}
    clocks["cpu"] = line.shared_frequency_hertz
    for engine in line.engines:
        if engine.name in _ENGINES:
            clocks[_ENGINES[engine.name]] = max(engine.frequencies_hertz, default=None)
    for name, hertz in clocks.items():
        if hertz:
            yield Reading(metric="requested_frequency_hertz", name=name, value=hertz)


def _temperatures(line: Line) -> Iterator[tuple[Reading, str]]:
    names = _Names()
    for zone in line.zones:
        plausible = _COLDEST_CELSIUS <= zone.celsius <= _HOTTEST_CELSIUS and zone.celsius != 0
        reason = "" if plausible else f"implausible {zone.celsius:g} degrees Celsius"
        yield Reading(metric="temperature_celsius", name=names.of(zone.name), value=zone.celsius), reason


def _powers(line: Line) -> Iterator[tuple[Reading, str]]:
    names = _Names()
    for rail in line.rails:
        name = names.of(rail.name)
        if rail.name.lower() != _NOT_CONNECTED:
            reason = "implausible 0 W" if name in _INPUT_RAILS and rail.watts == 0 else ""
            yield Reading(metric="power_watts", name=name, value=rail.watts), reason


class _Names:
    """Names of one line in lower case; where one comes again, it is followed by its number."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def of(self, printed: str) -> str:
        name, number = printed.lower(), 1
        while name in self._given:
            number += 1
            name = f"{printed.lower()}.{number}"
        self._given.add(name)
        return name
