"""What the tables and readings of TI's power monitors have in common, and how their averaging is chosen.

Source: each chip's data sheet, named in its own file. Current and power are computed here from the shunt's and the bus's voltage:
the chips' own current and power registers read zero forever once a dip of the supply took their calibration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Final

import msgspec

from agent.core.config import WORD
from agent.core.metric import Fold, Metric
from agent.core.record import Fault, Reading, Reads
from agent.core.sensor import SensorConfig
from agent.core.units import Amperes, Ohms, Seconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

METRICS: Final = (
    Metric(name="voltage_volts", fold=Fold.GAUGE, describes="Voltage of the rail, at the load's side of the shunt."),
    Metric(name="current_amperes", fold=Fold.GAUGE, describes="Current through the shunt; negative where it flows back."),
    Metric(name="power_watts", fold=Fold.GAUGE, describes="Voltage times current; negative where it flows back."),
)
# AVG of INA226, INA228, INA238, INA260 and INA3221: how many conversions become one result.
AVERAGES: Final = (1, 4, 16, 64, 128, 256, 512, 1024)
_MICROSECONDS: Final = 1_000_000
# What floats may be off at a limit that was written exactly.
_ROUNDING: Final = 1 + 1e-9


class InaConfig(SensorConfig, frozen=True, kw_only=True):
    """What every power monitor's table has."""

    averages: ClassVar[tuple[int, ...]] = AVERAGES

    period: Annotated[Seconds, msgspec.Meta(description="How often it is read.")] = Seconds(0.1)
    bus: Annotated[str, msgspec.Meta(min_length=1, description="The I2C bus's device.")] = "/dev/i2c-1"
    address: Annotated[int, msgspec.Meta(ge=0x40, le=0x4F, description="The chip's address, 0x40 (64) to 0x4f (79).")] = 0x40
    averaging: Annotated[
        int | str,
        msgspec.Meta(
            description='How many conversions the chip makes one result of. "auto": its results cover the period without gaps.'
        ),
    ] = "auto"
    rail: Annotated[str, msgspec.Meta(pattern=WORD, description="What it measures; its readings are called by it.")] = "vin"

    def __post_init__(self) -> None:
        """Refuse an averaging that the chip has not."""
        super().__post_init__()
        if self.averaging != "auto" and self.averaging not in self.averages:
            raise ValueError(f'averaging {self.averaging!r} is neither "auto" nor one of {", ".join(map(str, self.averages))}')


class ShuntConfig(InaConfig, frozen=True, kw_only=True):
    """What the table of a chip with a shunt beside it has."""

    full_scale_volts: ClassVar[float]

    shunt: Annotated[Ohms, msgspec.Meta(description="The shunt's resistance.")] = Ohms(0.01)
    max_current: Annotated[
        Amperes, msgspec.Meta(description="The most that may flow; where the chip has several ranges, it chooses one.")
    ] = Amperes(8.0)

    def __post_init__(self) -> None:
        """Refuse a current that the shunt cannot show."""
        super().__post_init__()
        verify_shunt(self.shunt, self.max_current, self.full_scale_volts)

    def fits(self, range_volts: float) -> bool:
        """Return whether the largest current can be told from a larger one in a range."""
        return self.max_current * self.shunt * _ROUNDING < range_volts


def verify_shunt(shunt: Ohms, max_current: Amperes, full_scale_volts: float) -> None:
    """Raise ValueError where a chip cannot show that current through that shunt."""
    if not shunt > 0:
        raise ValueError("shunt must be more than 0 ohm")
    if not max_current > 0:
        raise ValueError("max_current must be more than 0 A")
    if max_current * shunt > full_scale_volts * _ROUNDING:
        raise ValueError(
            f"max_current {max_current} is more than the {full_scale_volts / shunt:.4g} A at which a shunt of {shunt} reaches "
            f"the {full_scale_volts * 1000:.5g} mV that the chip can measure"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One way in which a chip can make its results.

    Attributes:
        bits: what it is in the chip's configuration.
        averaging: how many conversions become one result; None where shunt and bus differ.
        shunt_microseconds: of these, the time spent on the shunt.
        span_microseconds: from one result to the next.
    """

    bits: int
    averaging: int | None
    shunt_microseconds: int
    span_microseconds: int

    @property
    def span_seconds(self) -> float:
        """From one result to the next, in seconds."""
        return self.span_microseconds / _MICROSECONDS


def timings(conversions: Sequence[int], *, bus_bit: int, shunt_bit: int, averaging_bit: int, channels: int = 1) -> Iterator[Timing]:
    """Yield every timing of a chip that averages (bus conversion, shunt conversion) as often as AVG says.

    Args:
        conversions: the conversion times that it has, in microseconds, in the order of their codes.
        bus_bit: the lowest bit of VBUSCT.
        shunt_bit: the lowest bit of VSHCT.
        averaging_bit: the lowest bit of AVG.
        channels: how many pairs it converts one after the other.
    """
    for average_code, average in enumerate(AVERAGES):
        for bus_code, bus in enumerate(conversions):
            for shunt_code, shunt in enumerate(conversions):
                yield Timing(
                    bits=bus_code << bus_bit | shunt_code << shunt_bit | average_code << averaging_bit,
                    averaging=average,
                    shunt_microseconds=shunt * average * channels,
                    span_microseconds=(bus + shunt) * average * channels,
                )


def fit(choices: Iterable[Timing], period: Seconds, averaging: int | str) -> Timing:
    """Return the timing that fills the period best: the longest that is not longer, and of these most of it for the shunt.

    Where an averaging was asked for whose shortest timing is longer than the period, that one: results then come more rarely.
    """
    allowed = [choice for choice in choices if averaging in ("auto", choice.averaging)]
    period_microseconds = round(period * _MICROSECONDS)
    fitting = [choice for choice in allowed if choice.span_microseconds <= period_microseconds]
    if not fitting:
        return min(allowed, key=lambda choice: choice.span_microseconds)
    return max(fitting, key=lambda choice: (choice.span_microseconds, choice.shunt_microseconds))


def measured(rail: str, volts: float, amperes: float, covers_seconds: float) -> Reads:
    """Return the readings of a rail."""
    return Reads(
        readings=(
            Reading(metric="voltage_volts", name=rail, value=volts, covers_seconds=covers_seconds),
            Reading(metric="current_amperes", name=rail, value=amperes, covers_seconds=covers_seconds),
            Reading(metric="power_watts", name=rail, value=volts * amperes, covers_seconds=covers_seconds),
        )
    )


def saturated(rail: str, volts: float, most_amperes: float, covers_seconds: float) -> Reads:
    """Return what is known of a rail whose current is more than the chip can measure: not the current, and not the power."""
    return Reads(
        readings=(Reading(metric="voltage_volts", name=rail, value=volts, covers_seconds=covers_seconds),),
        faults=(Fault(name=rail, reason=f"saturated: {most_amperes:.4g} A or more"),),
    )
