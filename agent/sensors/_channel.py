"""One quantity that the kernel shows in a file: its unit, what can be believed of it, and what it means when it cannot be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault
from agent.core.record import Fault, Reading, Reads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.core.tree import Tree

# What no board and no charger reaches. Below -40 degrees Celsius stand the placeholders of drivers, above 150 works no silicon.
_LIMITS: Final = {
    "temperature_celsius": (-40.0, 150.0),
    "voltage_volts": (-1000.0, 1000.0),
    "current_amperes": (-1000.0, 1000.0),
    "power_watts": (-100_000.0, 100_000.0),
    "energy_joules_total": (0.0, 1e12),
    "fan_rpm": (0.0, 100_000.0),
    "cooling_level": (0.0, 1e6),
}
# Zones and channels without power; interfaces that are down.
_OFF: Final = ("EAGAIN", "ENETDOWN")
# Channels that are switched off or not fitted. What has answered once is fitted: it fails when it says so.
_NOT_FITTED: Final = ("EINVAL", "ENODATA", "ENODEV", "EOPNOTSUPP")


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A quantity.

    Attributes:
        metric: the metric it is a reading of; one that ends in `_total` never goes back.
        name: the reading's name.
        files: where its whole number stands; of two, such as a voltage and a current, it is the product.
        per_unit: how many of the file's unit make one of the metric's.
        highest: the most it can be, in the metric's unit; None where only the metric's own limits are known.
        wraps_at: the number at which a counter begins anew at zero; 0 where nobody knows it.
        placeholders: numbers that say there is nothing to read.
        covers_seconds: how long the hardware averages.
    """

    metric: str
    name: str
    files: tuple[str, ...]
    per_unit: int = 1
    highest: float | None = None
    wraps_at: int = 0
    placeholders: frozenset[int] = frozenset()
    covers_seconds: float | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What tells its reading from all others of its source."""
        return self.metric, self.name


@dataclass(slots=True)
class Counter:
    """A counter of the hardware, continued where it begins anew."""

    wraps_at: int
    total: int
    last: int

    def continued(self, count: int) -> int:
        """Return the total, given the hardware's count.

        A count that fell has wrapped where that makes a small rise. Else it began anew (a suspended or reset chip): what it
        would have counted is not known, and nothing is added.
        """
        rise = count - self.last
        if rise < 0 and self.wraps_at > 0 and rise + self.wraps_at <= self.wraps_at // 2:
            rise += self.wraps_at
        self.last = count
        self.total += max(rise, 0)
        return self.total


class Channels:
    """Channels that are read together, each file once.

    Attributes:
        gone: how many had no file at the last reading.
    """

    def __init__(self, tree: Tree, channels: Iterable[Channel] = (), *, as_one: bool = False) -> None:
        """Take what is to be read, and whether the whole source is gone when every file of it is."""
        self._tree = tree
        self._as_one = as_one
        self._channels = tuple(channels)
        self._answered: set[tuple[str, str]] = set()
        self._counters: dict[tuple[str, str], Counter] = {}
        self.gone = 0

    def take(self, channels: Iterable[Channel]) -> None:
        """Take another list of channels; what is known of those that stay is kept."""
        self._channels = tuple(channels)

    def read(self) -> Reads:
        """Return a reading for every channel that has one, and one fault for each name that failed.

        Raises:
            Absent: every file is gone, and they come and go as one.
        """
        numbers: dict[str, int | Absent | SensorFault] = {}
        readings = []
        faults: dict[str, str] = {}
        self.gone = 0
        for channel in self._channels:
            try:
                value = self._value(channel, numbers)
            except Absent as error:
                self.gone += 1
                faults.setdefault(channel.name, str(error))
                continue
            except SensorFault as error:
                if not is_off(str(error), has_answered=channel.key in self._answered):
                    faults.setdefault(channel.name, str(error))
                continue
            if value is not None:
                self._answered.add(channel.key)
                readings.append(
                    Reading(metric=channel.metric, name=channel.name, value=value, covers_seconds=channel.covers_seconds)
                )
        if self._as_one and self.gone and self.gone == len(self._channels):
            raise Absent("all of its files are gone")
        return Reads(readings=tuple(readings), faults=tuple(Fault(name=name, reason=reason) for name, reason in faults.items()))

    def _value(self, channel: Channel, numbers: dict[str, int | Absent | SensorFault]) -> float | None:
        product = 1
        for file in channel.files:
            number = self._number(file, numbers)
            if number in channel.placeholders:
                return None
            product *= number
        value = product / channel.per_unit
        lowest, highest = _LIMITS[channel.metric]
        if not lowest <= value <= (highest if channel.highest is None else channel.highest):
            raise SensorFault(f"implausible {value:g} {channel.metric.removesuffix('_total').rpartition('_')[2]}")
        if value == 0 and channel.metric == "temperature_celsius":
            raise SensorFault("implausible 0 celsius: what a dead sensor says")
        if not channel.metric.endswith("_total"):
            return value
        counter = self._counters.setdefault(channel.key, Counter(wraps_at=channel.wraps_at, total=product, last=product))
        return counter.continued(product) / channel.per_unit

    def _number(self, file: str, numbers: dict[str, int | Absent | SensorFault]) -> int:
        """Return a file's number, read once for all channels that need it, so that a power is of the voltage shown beside it."""
        if file not in numbers:
            try:
                numbers[file] = self._tree.integer(file)
            except (Absent, SensorFault) as error:
                numbers[file] = error
        number = numbers[file]
        if isinstance(number, int):
            return number
        raise number


def is_off(reason: str, *, has_answered: bool) -> bool:
    """Tell what is switched off or not fitted from what failed."""
    return reason.startswith(_OFF) or (not has_answered and reason.startswith(_NOT_FITTED))
