"""One thread per sensor: each at its own pace, none able to delay another or the window.

A thread reads when its deadline comes and appends a `Sample`. What goes wrong in a source becomes a fault here, in the one
guard, and nowhere else. Whether a source is lost is decided by whoever folds the samples.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, Unusable
from agent.core.record import Fault, Reads, Sample
from agent.core.sensor import Closing, may_be_several

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.core.clock import Clock
    from agent.core.sensor import Kind, SensorConfig, Source, Surroundings

LOGGER: Final = logging.getLogger(__name__)
# A source that is not there, or was lost, is looked for at least this often.
LOOK_AGAIN_SECONDS: Final = 5.0
# How long a source that was asked for by name may take to be found.
FIND_SECONDS: Final = 5.0
# Reads are spread over this part of their period, so that they do not fall in step with periodic work.
JITTER_RATIO: Final = 0.05
# A read that begins later than this part of its period counts as late.
LATE_RATIO: Final = 0.5
STOP_SECONDS: Final = 2.0
# What a consumer that stopped consuming may cost.
MOST_WAITING: Final = 100_000


@dataclass(slots=True)
class _Place:
    """Where one sensor stands, written by its own thread and read by others: single words only."""

    name: str
    kind: Kind
    config: SensorConfig
    part: str = ""
    found: bool = False
    absent: str = ""
    reading_since: float = 0.0
    first_answer: threading.Event = field(default_factory=threading.Event)

    @property
    def title(self) -> str:
        """What it is called: by its file's name, followed by its rail where there may be several."""
        return f"{self.name}.{self.part}" if self.part else self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Hanging:
    """A sensor that has been reading for a long time."""

    sensor: str
    seconds: float
    missed: int
    part: str = ""


class Sampler:
    """Reads every sensor that is configured and here."""

    def __init__(
        self, kinds: Mapping[str, Kind], tables: Mapping[str, tuple[SensorConfig, ...]], surroundings: Surroundings, clock: Clock
    ) -> None:
        """Take the sensors' files, their configuration, and what they may touch. Nothing is read before `start`."""
        self._surroundings = surroundings
        self._clock = clock
        self._samples: deque[Sample] = deque(maxlen=MOST_WAITING)
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._places = [
            _Place(name, kind, config, str(getattr(config, "rail", "")) if may_be_several(kind) else "")
            for name, kind in kinds.items()
            for config in tables[name]
            if config.enabled.value is not False
        ]

    def start(self) -> None:
        """Start reading.

        Raises:
            Unusable: a sensor with `enabled = true` is not here, or does not answer.
        """
        for place in self._places:
            thread = threading.Thread(target=self._run, args=(place,), name=f"sensor {place.title}", daemon=True)
            self._threads.append(thread)
            thread.start()
        for place in self._places:
            if place.config.enabled.value is not True:
                continue
            if not place.first_answer.wait(FIND_SECONDS):
                raise Unusable(f"sensor {place.title} is enabled, but does not answer")
            if not place.found:
                raise Unusable(f"sensor {place.title} is enabled, but not here: {place.absent}")

    def stop(self) -> None:
        """End every thread, and let go of what its source holds open.

        One that hangs in its source is left behind after two seconds; it ends with the process.
        """
        self._stop.set()
        until = time.monotonic() + STOP_SECONDS
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0.0))

    def take(self) -> list[Sample]:
        """Return the samples since the last call, in the order in which they were made."""
        taken = []
        while self._samples:
            taken.append(self._samples.popleft())
        return taken

    def found(self) -> tuple[str, ...]:
        """Return the names of the sensors that are here."""
        return tuple(place.title for place in self._places if place.found)

    def hanging(self) -> tuple[Hanging, ...]:
        """Return the sensors whose reading has lasted longer than their period, and the deadlines each has missed meanwhile."""
        now = self._now()
        hung = []
        for place in self._places:
            since = place.reading_since
            if since and now - since > place.config.period:
                hung.append(
                    Hanging(
                        sensor=place.name, part=place.part, seconds=now - since, missed=int((now - since) / place.config.period)
                    )
                )
        return tuple(hung)

    def _now(self) -> float:
        return self._clock.monotonic_nanoseconds() / 1e9

    def _run(self, place: _Place) -> None:
        period = float(place.config.period)
        source: Source | None = None
        deadline = self._now()
        generator = random.Random(place.title)  # noqa: S311 - spreads readings, guards nothing
        while not self._stop.wait(max(deadline - self._now(), 0.0)):
            begin = self._now()
            if source is None:
                source = self._find(place)
                if source is None:
                    deadline = begin + min(LOOK_AGAIN_SECONDS, max(period, 1.0))
                    continue
                begin = self._now()
                deadline = max(deadline, begin)
            late = max(begin - deadline, 0.0)
            missed = int(late / period)
            sample, lost = self._read(place, source, late, missed)
            self._samples.append(sample)
            if lost:
                self._close(source)
                source = None
            # A deadline on the grid, so that jitter does not add up; those that passed are skipped, never made up for.
            due = deadline - (deadline % period) + period * (missed + 1)
            deadline = due + generator.uniform(0.0, JITTER_RATIO) * period
            if lost:
                deadline = min(deadline, begin + LOOK_AGAIN_SECONDS)
        self._close(source)

    @staticmethod
    def _close(source: object) -> None:
        if isinstance(source, Closing):
            try:
                source.close()
            except Exception as error:  # noqa: BLE001 - the one guard: what cannot even be let go of must not end the thread
                LOGGER.debug("a source cannot be closed: %s", error)

    def _find(self, place: _Place) -> Source | None:
        place.reading_since = self._now()
        try:
            source = place.kind.find(place.config, self._surroundings)
        except Absent as error:
            place.absent = str(error)
            if place.found:
                self._samples.append(self._fault(place, f"gone: {error}"))
            elif not place.first_answer.is_set():
                LOGGER.debug("sensor %s: absent: %s", place.title, error)
            return None
        except Exception as error:  # noqa: BLE001 - the one guard: a source's bug is a fault of the source
            place.absent = _reason(error)
            self._samples.append(self._fault(place, place.absent))
            return None
        else:
            place.found = True
            return source
        finally:
            place.reading_since = 0.0
            place.first_answer.set()

    def _read(self, place: _Place, source: Source, late: float, missed: int) -> tuple[Sample, bool]:
        """Return the sample, and whether the source must be looked for anew."""
        begin, begin_cpu = self._now(), time.thread_time_ns()
        place.reading_since = begin
        lost = False
        try:
            reads = source.read()
        except Exception as error:  # noqa: BLE001 - the one guard, as above
            reads = Reads(faults=(Fault(name=place.part, reason=_reason(error)),))
            lost = True
        place.reading_since = 0.0
        end = self._now()
        return (
            Sample(
                sensor=place.name,
                part=place.part,
                at_seconds=end,
                reads=reads,
                late_seconds=late if late > LATE_RATIO * place.config.period else 0.0,
                missed=missed,
                read_seconds=end - begin,
                cpu_seconds=(time.thread_time_ns() - begin_cpu) / 1e9,
            ),
            lost,
        )

    def _fault(self, place: _Place, reason: str) -> Sample:
        reads = Reads(faults=(Fault(name=place.part, reason=reason),))
        return Sample(sensor=place.name, part=place.part, at_seconds=self._now(), reads=reads)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__
