"""The daemon: an engine and a publisher, joined until a signal or the end of the run.

What the engine yields is put into the publisher; that is all the joining there is.
"""

from __future__ import annotations

import logging
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from agent.core.errors import ConfigError, EmberdError
from agent.core.message import Event, Meta, Window
from agent.daemon import wiring
from agent.engine.engine import Engine, Health, Poked, Record
from agent.publish.publisher import Publisher, Sink, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.core.config import Config
    from agent.core.sensor import Kind
    from agent.daemon.wiring import Host

LOGGER: Final = logging.getLogger(__name__)


@dataclass(slots=True, kw_only=True)
class Service:
    """One run of the daemon.

    Attributes:
        config: in force.
        reread: reads the configuration again; raises `ConfigError`.
        kinds: the sensors there are.
        host: what the machine offers.
        duration_seconds: None: until stopped.
        sinks: are shown every window and event after it was committed.
    """

    config: Config
    reread: Callable[[], Config]
    kinds: Mapping[str, Kind]
    host: Host
    duration_seconds: float | None
    sinks: tuple[Sink, ...]
    _engine: Engine | None = None
    _publisher: Publisher | None = None
    _stopping: bool = False
    _reload: bool = False
    _reasons: tuple[str, ...] = ()
    _is_ready: bool = False
    _handlers: dict[int, Any] = field(default_factory=dict)

    def stop(self) -> None:
        """Close the last window and end. May be called from a signal handler or another thread."""
        self._stopping = True
        if self._engine:
            self._engine.stop()

    def run(self) -> None:
        """Run until stopped, by a signal or by the end of the duration.

        Raises:
            EmberdError: something that was asked for cannot be used here.
        """
        self._handle_signals()
        for key in wiring.ignored(self.config):
            LOGGER.warning("%s is set, but does nothing in this version", key)
        try:
            engine = wiring.build_engine(self.config, self.host, self.kinds, self.duration_seconds)
            self._pin_monitor(engine)
            self._publisher = wiring.build_publisher(self.config, engine.about, self.host, self.sinks)
            self._publisher.start()
            while self._run_engine(engine):
                engine = wiring.build_engine(self.config, self.host, self.kinds, self.duration_seconds)
        finally:
            if self._publisher:
                self._publisher.stop()
            for number, handler in self._handlers.items():
                signal.signal(number, handler)

    def _run_engine(self, engine: Engine) -> bool:
        """Run an engine to its end, and return whether another is to follow it with a new configuration."""
        self._engine = engine
        if self._stopping:
            return False
        replaced = False
        for record in engine.records():
            if isinstance(record, Poked):
                replaced = self._take_new_configuration(engine) or replaced
            else:
                self._pass_on(record)
        return replaced and not self._stopping

    def _pass_on(self, record: Record) -> None:
        publisher = self._publisher
        if publisher is None:
            return
        publisher.verify()
        if isinstance(record, Health):
            self._reasons = record.reasons
        elif isinstance(record, (Window, Event, Meta)):
            publisher.put(record)
        if isinstance(record, Window):
            works = record.workloads.values()
            self._is_ready = self._is_ready or not works or any(work.inferences for work in works)
        publisher.put(self._state())

    def _state(self) -> State:
        if self._reasons:
            return State(state="degraded", reasons=self._reasons)
        return State(state="ready" if self._is_ready else "init")

    def _take_new_configuration(self, engine: Engine) -> bool:
        """Read the configuration again; put it into force and return whether the engine must be built anew."""
        self._reload = False
        try:
            new = self.reread()
        except ConfigError as error:
            LOGGER.error("configuration rejected, the old one stays in force: %s", error)  # noqa: TRY400 - one line
            self._pass_on(engine.event("config_rejected", reason=str(error)))
            return False
        old, self.config = self.config, new
        if new == old:
            LOGGER.info("configuration read again: nothing changed")
            return False
        if (new.device, new.mqtt, new.spool) != (old.device, old.mqtt, old.spool):
            self._replace_publisher(engine, old)
        LOGGER.info("configuration read again and in force")
        self._pass_on(engine.event("config_reloaded"))
        same_work = (new.device, new.window, new.workload, new.sensors) == (old.device, old.window, old.workload, old.sensors)
        if not same_work:
            engine.stop()
        return not same_work

    def _replace_publisher(self, engine: Engine, old: Config) -> None:
        if self._publisher:
            self._publisher.stop()
        try:
            self._publisher = wiring.build_publisher(self.config, engine.about, self.host, self.sinks)
        except EmberdError as error:
            LOGGER.error("configuration rejected, the old one stays in force: %s", error)  # noqa: TRY400 - one line
            self.config = old
            self._publisher = wiring.build_publisher(old, engine.about, self.host, self.sinks)
        self._publisher.start()

    def _pin_monitor(self, engine: Engine) -> None:
        """Keep this process off the workloads' cores; where it has none of its own, let it yield to them."""
        if engine.cores.workloads:
            os.sched_setaffinity(0, engine.cores.monitor)
        if engine.cores.shared:
            # Idle scheduling would starve it: up to 5 s late. Nice 10 was never more than 14 ms late.
            os.setpriority(os.PRIO_PROCESS, 0, 10)

    def _handle_signals(self) -> None:
        def end(number: int, frame: object) -> None:  # noqa: ARG001 - the interpreter's signature
            self.stop()

        def read_again(number: int, frame: object) -> None:  # noqa: ARG001 - as above
            self._reload = True
            if self._engine:
                self._engine.poke()

        for number, handler in ((signal.SIGTERM, end), (signal.SIGINT, end), (signal.SIGHUP, read_again)):
            self._handlers[number] = signal.signal(number, handler)
