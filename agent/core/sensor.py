"""What a sensor's file holds, and what it is handed.

A file `agent/sensors/NAME.py` is a sensor when it has

- `Config`, a struct that extends `SensorConfig`: its table `[sensors.NAME]`;
- `METRICS`: the families of readings it makes;
- `find(config, surroundings)`: returns a `Source` where the board has one, or raises `Absent`.

Nothing else is to be registered anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Protocol

import msgspec

from agent.core.choice import Enabled
from agent.core.units import Seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.core.metric import Metric
    from agent.core.record import Reads
    from agent.core.tree import Tree


class SensorConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every `[sensors.NAME]` table has."""

    enabled: Annotated[
        Enabled, msgspec.Meta(description='"auto": on wherever its source is found; true: it must be there; false: off.')
    ] = Enabled()
    period: Annotated[Seconds, msgspec.Meta(description="How often it is read.")] = Seconds(1.0)

    def __post_init__(self) -> None:
        """Refuse a period that no source can be read at."""
        if not 0.001 <= self.period <= 3600:  # noqa: PLR2004 - 1 ms to 1 h
            raise ValueError(f"period {self.period} is not between 1 ms and 1 h")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a sensor may touch. Everything comes in here; a sensor opens nothing else.

    Attributes:
        board: the tree in which the board is looked up (`sensors.root`).
        machine: this machine's own tree, for the figures of processes.
        processes: name → process id of the workloads that run now, and of the monitor itself as `agent`.
        clock_is_measured: whether this board's `scaling_cur_freq` is a measured clock, not a requested one.
    """

    board: Tree
    machine: Tree
    processes: Callable[[], Mapping[str, int]] = field(default=lambda: MappingProxyType({}))
    clock_is_measured: bool = False


class Source(Protocol):
    """A source that was found."""

    def read(self) -> Reads:
        """Read it once. What fails in part is a `Fault` in the result; what fails as a whole raises `SensorFault` or `Absent`."""
        ...


class Kind(Protocol):
    """A sensor's file, seen from outside."""

    Config: type[SensorConfig]
    METRICS: tuple[Metric, ...]

    def find(self, config: SensorConfig, surroundings: Surroundings, /) -> Source:
        """Return the source, or raise `Absent`."""
        ...
