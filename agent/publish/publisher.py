"""The one owner of the spool and of the decision what is sent when.

Every window and event is committed first; then the sinks that live on the device see it, with its number; then, when there is a
broker, it is sent. At most 20 messages are under way. A message is deleted when the broker has acknowledged it and had somebody
to give it to; one that nobody heard stays, and is sent again when somebody listens.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from agent.core.errors import Unusable
from agent.core.message import MOST_BYTES, VERSION, AgentWindow, Event, Meta, Status, StreamRange, Window
from agent.publish.link import Acknowledged, Connected, Disconnected, Link, News, Will
from agent.publish.stamp import Name, stamped

if TYPE_CHECKING:
    from agent.core.config import Config
    from agent.publish.spool import Row, Spool

LOGGER: Final = logging.getLogger(__name__)
MOST_UNDER_WAY: Final = 20
# Sent later than this many of its own lengths, a window is news of the past.
HISTORICAL_AFTER_LENGTHS: Final = 2.0
FAREWELL_SECONDS: Final = 5.0
OVERFLOW: Final = "spool_overflow"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A window or an event (`kind`) that was committed, as it is on the wire."""

    kind: str
    wire: bytes


Sink = Callable[[Stored], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What `status` says: `init`, `ready`, `degraded` or `offline`, and why."""

    state: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Stop:
    """The last thing in the queue."""


@dataclass(slots=True)
class _Sent:
    """What is under way on this connection."""

    cursor: int = 0
    tickets: dict[int, int] = field(default_factory=dict)
    unheard: list[int] = field(default_factory=list)


class Publisher:
    """Takes records, commits them, shows them, sends them; in a thread of its own."""

    def __init__(self, config: Config, name: Name, spool: Spool, sinks: Iterable[Sink]) -> None:
        """Prepare; nothing is sent before `start`.

        Args:
            config: broker and limits.
            name: site and device, stamped on everything that leaves.
            spool: opened, and owned by this publisher from now on.
            sinks: are shown each window or event after it was committed, as it is on the wire.
        """
        self._name = name
        self._spool = spool
        self._sinks = tuple(sinks)
        self._queue: queue.Queue[Window | Event | Meta | State | News | _Stop] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._state = State(state="init")
        self._meta: Meta | None = None
        self._connected: Connected | None = None
        self._sent = _Sent()
        self._down_logged = False
        self._written_logged = False
        self._failure: BaseException | None = None
        self._link: Link | None = None
        if config.mqtt.host:
            will = Will(topic=self._topic("status"), payload=msgspec.json.encode(Status(v=VERSION, state="lost")))
            self._link = Link(config.mqtt, name.device, will, self._queue.put)

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        if self._link:
            self._link.start()

    def put(self, record: Window | Event | Meta | State) -> None:
        """Take a record. Returns at once."""
        self._queue.put(record)

    def verify(self) -> None:
        """Raise what ended the publisher's thread, if something did: it must not die in silence."""
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        """Commit everything that was put, give the broker a few seconds to take it, say goodbye."""
        self._queue.put(_Stop())
        self._thread.join(FAREWELL_SECONDS * 3)

    def _run(self) -> None:
        try:
            while not isinstance(item := self._queue.get(), _Stop):
                self._take(item)
            self._farewell()
        except BaseException as error:
            self._failure = error
            raise

    def _take(self, item: Window | Event | Meta | State | News) -> None:
        if isinstance(item, (Window, Event)):
            self._keep(item)
        elif isinstance(item, Meta):
            self._meta = item
            self._send_meta()
        elif isinstance(item, State):
            if item != self._state:
                self._state = item
                self._send_status()
        elif isinstance(item, Connected):
            self._greet(item)
        elif isinstance(item, Disconnected):
            self._lose(item)
        elif isinstance(item, Acknowledged):
            self._settle(item)
        self._send_due()

    def _keep(self, record: Window | Event) -> None:
        if isinstance(record, Window):
            agent = msgspec.structs.replace(
                record.agent or AgentWindow(), spool_rows=self._spool.rows + 1, dropped=self._spool.dropped
            )
            record = msgspec.structs.replace(record, agent=agent)
        body = msgspec.json.encode(record)
        kind, at, length = (
            ("window", record.monotonic_end_seconds, record.end - record.start)
            if isinstance(record, Window)
            else ("event", record.monotonic_seconds, 0.0)
        )
        try:
            row = self._spool.append(kind, body, at, length)
            dropped = self._spool.prune(keep_a_day=self._link is None)
        except OSError as error:
            if not self._written_logged:
                LOGGER.error("%s; windows are being lost", error)  # noqa: TRY400 - one line, not a traceback
                self._written_logged = True
            return
        self._written_logged = False
        wire = stamped(row, self._name, historical=False)
        for sink in self._sinks:
            sink(Stored(kind=row.kind, wire=wire))
        if dropped:
            LOGGER.warning("spool is full: the oldest %d message(s) are gone", dropped)
            self._keep(self._overflow(record, dropped))

    @staticmethod
    def _overflow(beside: Window | Event, dropped: int) -> Event:
        """Return the event that says so, dated by the message whose storing made it happen."""
        wall, monotonic = (
            (beside.end, beside.monotonic_end_seconds) if isinstance(beside, Window) else (beside.ts, beside.monotonic_seconds)
        )
        return Event(
            v=VERSION,
            boot_id=beside.boot_id,
            meta_id=beside.meta_id,
            kind=OVERFLOW,
            ts=wall,
            monotonic_seconds=monotonic,
            clock_synced=beside.clock_synced,
            count=dropped,
        )

    # The connection.

    def _greet(self, news: Connected) -> None:
        LOGGER.info("connected to the broker")
        self._down_logged = False
        self._connected = news
        self._sent = _Sent()
        self._send_status()
        self._send_meta()

    def _lose(self, news: Disconnected) -> None:
        self._connected = None
        if not self._down_logged:
            LOGGER.warning("no broker: %s; windows wait in the spool", news.reason)
            self._down_logged = True

    def _settle(self, news: Acknowledged) -> None:
        seq = self._sent.tickets.pop(news.ticket, None)
        if seq is None:
            return
        if not news.heard:
            self._sent.unheard.append(seq)
            return
        self._spool.delete([seq])
        if self._sent.unheard:
            # Somebody listens now: what nobody heard is offered again, once.
            self._sent.cursor = min(self._sent.unheard) - 1
            self._sent.unheard.clear()

    def _send_due(self) -> None:
        limits = self._connected
        if limits is None:
            return
        under_way = set(self._sent.tickets.values())
        room = MOST_UNDER_WAY - len(under_way)
        if room <= 0:
            return
        for row in self._spool.after(self._sent.cursor, room):
            self._sent.cursor = row.seq
            if row.seq in under_way:
                continue
            wire = stamped(row, self._name, historical=self._is_historical(row))
            if len(wire) > min(limits.max_packet_bytes or MOST_BYTES, MOST_BYTES):
                LOGGER.error("message %d has %d bytes, more than may be sent; it stays in the spool", row.seq, len(wire))
                continue
            if not self._publish(row.kind, wire, (row.stream, row.seq)):
                return

    def _is_historical(self, row: Row) -> bool:
        if row.kind != "window":
            return False
        age = time.monotonic() - row.monotonic_seconds
        return row.boot_id != self._name.boot_id or age > HISTORICAL_AFTER_LENGTHS * row.length_seconds

    def _publish(self, leaf: str, payload: bytes, stamp: tuple[str, int] | None = None) -> bool:
        if self._connected is None or self._link is None:
            return False
        try:
            ticket = self._link.publish(self._topic(leaf), payload, retain=leaf in {"status", "meta"}, stamp=stamp)
        except Unusable:
            # The connection's own news of its end is already in the queue.
            self._connected = None
            return False
        if stamp is not None:
            self._sent.tickets[ticket] = stamp[1]
        return True

    def _send_status(self) -> None:
        streams = {stream: StreamRange(first=first, last=last) for stream, (first, last) in self._spool.held().items()}
        status = Status(
            v=VERSION,
            state=self._state.state,
            reasons=self._state.reasons or None,
            streams=streams,
            ts=round(time.time(), 3),
        )
        self._publish("status", msgspec.json.encode(status))

    def _send_meta(self) -> None:
        if self._meta is not None:
            self._publish("meta", msgspec.json.encode(self._meta))

    def _topic(self, leaf: str) -> str:
        return f"emberd/v1/{self._name.site}/{self._name.device}/{leaf}"

    def _farewell(self) -> None:
        """Wait for what is under way, then be `offline`."""
        until = time.monotonic() + FAREWELL_SECONDS
        while self._link and self._connected and time.monotonic() < until:
            if not self._sent.tickets and next(self._spool.after(self._sent.cursor, 1), None) is None:
                break
            try:
                item = self._queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if not isinstance(item, _Stop):
                self._take(item)
        self._state = State(state="offline")
        self._send_status()
        if self._link:
            self._link.stop(FAREWELL_SECONDS)
        self._spool.close()
