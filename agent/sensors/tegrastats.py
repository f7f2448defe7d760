"""NVIDIA's tegrastats: a program on every Jetson that prints one line of figures per interval.

Source: "tegrastats utility", NVIDIA Jetson Linux Developer Guide; the grammar is in `_tegraline`. It knows what the kernel's files
give to nobody else: rails of boards whose driver is NVIDIA's own, the load of GPU and memory controller.

- It sleeps for the interval *after* its work, so lines come a few percent more slowly than asked for. A reading ends when its line
  has arrived, which is its moment; where none arrived before the next reading is due, it has no figures, and that is no fault.
- The second figure of a rail is the mean since the start, not a short one: only the present figure is a reading.
- All clocks are what was asked for: a CPU's comes from `cpuinfo_cur_freq` for root and from `scaling_cur_freq` for others, and the
  line does not say which; the others are set points. A clock of 0 is a part that is off: absent.
- Wrong options end it with a message on stdout and exit status 0. Other software may end it (`tegrastats --stop` kills the first of
  that name): it is then started again. Our own is ended by its process id.
- A value that it can no longer read stays in the line; see `_tegrarun` for what can be told about that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.record import Fault, Reads
from agent.core.sensor import SensorConfig, Surroundings
from agent.core.tree import errno_name
from agent.sensors._tegraline import parse
from agent.sensors._tegrareading import taken
from agent.sensors._tegrarun import Run

if TYPE_CHECKING:
    from agent.core.clock import Clock
    from agent.core.sensor import Lines
    from agent.sensors._tegraline import Line

METRICS = (
    Metric(
        name="temperature_celsius",
        fold=Fold.GAUGE,
        describes="Temperature of each zone that tegrastats prints, without constants, averages and zones that have no power.",
    ),
    Metric(
        name="power_watts",
        fold=Fold.GAUGE,
        describes="Power of each rail that tegrastats prints; `vdd_in`, `pom_5v_in` and `vin` feed the whole module.",
    ),
    Metric(
        name="requested_frequency_hertz",
        fold=Fold.GAUGE,
        describes="Clock that was asked for, of each core (`cpu`: of all), of `gpu` and of the memory controller `emc`.",
    ),
    Metric(
        name="load_ratio",
        fold=Fold.GAUGE,
        describes="Load of each core, of `gpu` and of `emc`, relative to the clock that each has.",
    ),
)

_NANOSECONDS: Final = 1_000_000_000
_MILLISECONDS: Final = 1000
# Waiting beyond the next reading's time would make that one late.
_WAIT_RATIO: Final = 0.9
# The first line comes one interval after the start; whoever asks whether the source is here does not wait longer than this.
_FIRST_RATIO: Final = 1.5
_FIRST_SPARE_SECONDS: Final = 1.0
_MOST_FIRST_SECONDS: Final = 3.0
_STALL_PERIODS: Final = 3.0
_STALL_SPARE_SECONDS: Final = 2.0
# At one reading: more than a pipe holds. Whoever writes faster does not write tegrastats' lines.
_MOST_LINES: Final = 1000
_MOST_FAULTS: Final = 10
_MOST_SAID_CHARACTERS: Final = 120


class Config(SensorConfig, frozen=True, kw_only=True):
    """Temperatures, rails, clocks and loads as NVIDIA's tegrastats prints them on a Jetson."""

    command: Annotated[str, msgspec.Meta(description="The program: a name along PATH, or a path. It gets `--interval`.")] = (
        "tegrastats"
    )


def find(config: Config, surroundings: Surroundings) -> Tegrastats:
    """Start tegrastats and return it.

    Raises:
        Absent: there is no such command.
        SensorFault: it cannot be started, or ended at once.
    """
    milliseconds = max(round(config.period * _MILLISECONDS), 1)
    try:
        lines = surroundings.start((config.command, "--interval", str(milliseconds)))
    except (FileNotFoundError, NotADirectoryError):
        raise Absent(f"no command {config.command}", mend=_mend(config, surroundings)) from None
    except OSError as error:
        raise SensorFault(f"{config.command} cannot be started: {errno_name(error)}") from error
    source = Tegrastats(config, lines, surroundings.clock)
    source.begin()
    return source


def _mend(config: Config, surroundings: Surroundings) -> str:
    if config.command != Config().command:
        return "correct command in [sensors.tegrastats]"
    if surroundings.board.path("etc/nv_tegra_release").exists():
        return "install nvidia-l4t-tools"
    return ""


class Tegrastats:
    """A tegrastats that runs. Whoever has it must `close` it, also after `read` has raised."""

    def __init__(self, config: Config, lines: Lines, clock: Clock) -> None:
        """Take the running command and the clock by which its lines arrive."""
        self._command = config.command
        self._period_seconds = float(config.period)
        self._lines = lines
        self._clock = clock
        self._run = Run()
        self._heard_seconds = self._now()
        self._heard_any = False
        self._first: Reads | None = None
        self._said = ""
        self._ended = False

    def begin(self) -> None:
        """Wait for the first line, though not for long; it is kept for the first reading.

        Raises:
            SensorFault: it ended instead. What it said last is the reason.
        """
        self._first = self._newest(min(_FIRST_RATIO * self._period_seconds + _FIRST_SPARE_SECONDS, _MOST_FIRST_SECONDS))

    def read(self) -> Reads:
        """Return what the newest line says, waiting for one if none has arrived since the reading before.

        Raises:
            SensorFault: it ended, or has said nothing for too long; it has been closed and must be found anew.
        """
        first, self._first = self._first, None
        return first or self._newest(_WAIT_RATIO * self._period_seconds) or Reads()

    def close(self) -> None:
        """End the command. It cannot be read from then on."""
        self._ended = True
        self._lines.stop()

    def _now(self) -> float:
        return self._clock.monotonic_nanoseconds() / _NANOSECONDS

    def _newest(self, seconds: float) -> Reads | None:
        """Return the newest line's figures with what was wrong since the last; None where nothing was said."""
        until = self._now() + seconds
        newest: Line | None = None
        faults: list[Fault] = []
        count = 0
        for _ in range(_MOST_LINES):
            # What was already written is taken in any case; once there is a line, nothing more is waited for.
            text = self._text(max(until - self._now(), 0.0) if newest is None else 0.0)
            if text is None:
                break
            line = parse(text)
            if line is None:
                faults += self._message(text)
                continue
            newest, self._said = line, ""
            count += 1
            faults += self._run.take(line, self._now())
        if newest is not None:
            readings, failed = taken(newest, self._gap_seconds(count))
            return Reads(readings=readings, faults=(*faults[-_MOST_FAULTS:], *failed))
        self._require_alive()
        return Reads(faults=tuple(faults[-_MOST_FAULTS:])) if faults else None

    def _gap_seconds(self, count: int) -> float | None:
        """Return how far apart the newest so many lines came, as far as that is known, and note that they have come."""
        now = self._now()
        gap_seconds = (now - self._heard_seconds) / count if self._heard_any else None
        self._heard_seconds, self._heard_any = now, True
        return gap_seconds

    def _text(self, seconds: float) -> str | None:
        if self._ended:
            return None
        try:
            return self._lines.line(seconds)
        except EOFError:
            self._ended = True
            return None
        except OSError as error:
            self.close()
            raise SensorFault(f"{self._command} cannot be listened to: {errno_name(error)}") from error

    def _message(self, text: str) -> tuple[Fault, ...]:
        """Remember what is no line of figures, until the next that is. An error in it is a part that could not be read."""
        said = "".join(character if character.isprintable() else "?" for character in text.strip()[:_MOST_SAID_CHARACTERS])
        self._said = said or self._said
        return (Fault(name="message", reason=said),) if said.startswith("ERROR") else ()

    def _require_alive(self) -> None:
        silent_seconds = self._now() - self._heard_seconds
        if self._ended:
            reason = f"{self._command} ended"
        elif silent_seconds > _STALL_PERIODS * self._period_seconds + _STALL_SPARE_SECONDS:
            reason = f"{self._command} has printed no figures for {silent_seconds:.0f} s"
        else:
            return
        self.close()
        raise SensorFault(f"{reason}; it says: {self._said}" if self._said else reason)
