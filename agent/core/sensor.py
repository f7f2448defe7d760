"""What a sensor's file holds, and what it is handed.

A file `agent/sensors/NAME.py` is a sensor when it has

- `Config`, a struct that extends `SensorConfig`: its table `[sensors.NAME]`;
- `METRICS`: the families of readings it makes;
- `find(config, surroundings)`: returns a `Source` where the board has one, or raises `Absent`;
- `MANY = True` where there may be several, each with a table `[[sensors.NAME]]` of its own and none without one. Its `Config` then
  has a `rail`, which names the source and its readings.

Nothing else is to be registered anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Protocol, runtime_checkable

import msgspec

from agent.core.choice import Enabled
from agent.core.clock import SystemClock
from agent.core.units import Seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from agent.core.clock import Clock
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


class Bus(Protocol):
    """An I2C bus."""

    def claim(self, address: int) -> None:
        """Ask the kernel for an address (I2C_SLAVE); raises OSError, EBUSY where a kernel driver has it."""
        ...

    def transfer(self, *messages: Any) -> None:  # noqa: ANN401 - smbus2.i2c_msg, which has no types
        """Carry out messages in one ioctl with repeated starts (I2C_RDWR); raises OSError."""
        ...

    def close(self) -> None:
        """Close the bus."""
        ...


class Lines(Protocol):
    """A command that runs and writes lines."""

    def line(self, seconds: float) -> str | None:
        """Return the next line, waiting so long at most; None when none came. Raises EOFError when it has ended."""
        ...

    def stop(self) -> None:
        """End it, and wait until it has."""
        ...


class Device(Protocol):
    """A character device."""

    def ioctl(self, request: int, buffer: bytearray) -> None:
        """Hand a buffer to the driver, which may change it; raises OSError."""
        ...

    def close(self) -> None:
        """Close the device."""
        ...


def _no_bus(path: Path) -> Any:  # noqa: ANN401 - never returns
    raise FileNotFoundError(2, "no devices were handed in", str(path))


def _no_command(words: Sequence[str], seconds: float = 0.0) -> Any:  # noqa: ANN401, ARG001 - never returns
    raise FileNotFoundError(2, "no commands were handed in", words[0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a sensor may touch. Everything comes in here; a sensor opens nothing else.

    Attributes:
        board: the tree in which the board is looked up (`sensors.root`).
        machine: this machine's own tree, for the figures of processes.
        processes: name → process id of the workloads that run now, and of the monitor itself as `agent`.
        clock_is_measured: whether this board's `scaling_cur_freq` is a measured clock, not a requested one.
        clock: the machine's clocks.
        bus: opens an I2C bus by the path of its device; raises OSError.
        run: runs a command to its end, for at most so many seconds, and returns what it wrote to stdout, whatever its exit code;
            raises FileNotFoundError where there is none, TimeoutError where it takes longer, OSError otherwise.
        start: starts a command that goes on writing lines; raises OSError.
        device: opens a character device for ioctl(2); raises OSError.
    """

    board: Tree
    machine: Tree
    processes: Callable[[], Mapping[str, int]] = field(default=lambda: MappingProxyType({}))
    clock_is_measured: bool = False
    clock: Clock = field(default_factory=SystemClock)
    bus: Callable[[Path], Bus] = field(default=_no_bus)
    run: Callable[[Sequence[str], float], str] = field(default=_no_command)
    start: Callable[[Sequence[str]], Lines] = field(default=_no_command)
    device: Callable[[Path], Device] = field(default=_no_bus)


class Source(Protocol):
    """A source that was found."""

    def read(self) -> Reads:
        """Read it once. What fails in part is a `Fault` in the result; what fails as a whole raises `SensorFault` or `Absent`."""
        ...


def may_be_several(kind: Kind) -> bool:
    """Return whether a sensor has a table for each of several sources, and none of itself."""
    return bool(getattr(kind, "MANY", False))


@runtime_checkable
class Closing(Protocol):
    """A source that holds something open, such as a process of its own."""

    def close(self) -> None:
        """Let go of it. Called when the source is given up and at the end of the run, and only once."""
        ...


class Kind(Protocol):
    """A sensor's file, seen from outside."""

    Config: type[SensorConfig]
    METRICS: tuple[Metric, ...]

    def find(self, config: SensorConfig, surroundings: Surroundings, /) -> Source:
        """Return the source, or raise `Absent`."""
        ...
