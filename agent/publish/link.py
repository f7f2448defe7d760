"""The connection to the broker: MQTT 5, one thread that connects, listens and connects again.

What happens is put into a queue, and whoever owns that queue decides. Nothing is decided, waited for or stored in a callback of
the client library: its publish callback runs with its lock held, and an exception there would end its thread while it still
calls itself connected.
"""

from __future__ import annotations

import logging
import random
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.core.errors import ConfigError, Unusable

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.config import MqttConfig

LOGGER: Final = logging.getLogger(__name__)
KEEPALIVE_SECONDS: Final = 30
CONNECT_SECONDS: Final = 10.0
# After a broker's restart a whole fleet is there at once: the first try is spread, and patience grows from there.
FIRST_RETRY_SECONDS: Final = 30.0
LONGEST_RETRY_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """The broker is there and has accepted us. `max_packet_bytes` is its own limit, if it named one."""

    max_packet_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    """The broker is gone, or refused us."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged:
    """The broker answered a publish. `heard`: it took the message and had somebody to give it to."""

    ticket: int
    heard: bool
    reason: str | None


News = Connected | Disconnected | Acknowledged


@dataclass(frozen=True, slots=True, kw_only=True)
class Will:
    """What the broker says for us when we vanish."""

    topic: str
    payload: bytes


class Link:
    """A connection that is kept up. `publish` may be called by one thread."""

    def __init__(
        self,
        config: MqttConfig,
        client_id: str,
        will: Will,
        tell: Callable[[News], None],
        spread: Callable[[float, float], float] = random.uniform,
    ) -> None:
        """Prepare a connection; nothing is sent before `start`.

        Args:
            config: the broker.
            client_id: ours.
            will: sent by the broker when we vanish.
            tell: is called from the connection's threads with what happens, and must not block.
            spread: returns how long to wait, between two bounds in seconds.

        Raises:
            ConfigError: the TLS files or the password file cannot be used.
        """
        self._config = config
        self._tell = tell
        self._spread = spread
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="mqtt", daemon=True)
        # Our own thread decides when to connect again.
        self._client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5, reconnect_on_failure=False)
        self._client.connect_timeout = CONNECT_SECONDS
        self._client.suppress_exceptions = True
        self._client.will_set(will.topic, will.payload, qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_publish = self._on_publish
        self._secure()

    def _secure(self) -> None:
        config = self._config
        try:
            if config.username:
                password = Path(config.password_file).read_text(encoding="utf-8").strip() if config.password_file else None
                self._client.username_pw_set(config.username, password)
            if config.ca or config.cert or config.key:
                self._client.tls_set(config.ca or None, config.cert or None, config.key or None)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise ConfigError(f"mqtt: {error}") from error

    def start(self) -> None:
        """Begin connecting."""
        self._thread.start()

    def publish(self, topic: str, payload: bytes, *, retain: bool, stamp: tuple[str, int] | None) -> int:
        """Send a message and return the ticket with which its answer will come.

        Args:
            topic: where to.
            payload: what.
            retain: whether the broker keeps it for later subscribers.
            stamp: stream and seq, sent beside the payload so that even an unreadable one can be accounted for.

        Raises:
            Unusable: the connection went away meanwhile.
        """
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        if stamp is not None:
            properties.UserProperty = [("stream", stamp[0]), ("seq", str(stamp[1]))]
        info = self._client.publish(topic, payload, qos=1, retain=retain, properties=properties)
        if info.rc != 0:
            raise Unusable(f"not sent: client error {info.rc}")
        return int(info.mid)

    def stop(self, seconds: float) -> None:
        """Say goodbye and end the thread, waiting so long at most."""
        self._stop.set()
        self._client.disconnect()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _keep_up(self) -> None:
        patience = FIRST_RETRY_SECONDS
        first = True
        while not self._stop.is_set():
            if not first and self._stop.wait(self._spread(0.0 if patience == FIRST_RETRY_SECONDS else patience / 2, patience)):
                return
            first = False
            try:
                self._client.connect(self._config.host, self._config.port, keepalive=KEEPALIVE_SECONDS, clean_start=True)
            except (OSError, ValueError) as error:
                self._tell(Disconnected(reason=str(error) or type(error).__name__))
                patience = min(patience * 1.5, LONGEST_RETRY_SECONDS)
                continue
            patience = FIRST_RETRY_SECONDS
            self._client.loop_forever(retry_first_connection=False)

    def _on_connect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:  # noqa: ANN401, ARG002
        if reason.is_failure:
            self._tell(Disconnected(reason=f"refused: {reason}"))
            return
        self._tell(Connected(max_packet_bytes=getattr(properties, "MaximumPacketSize", None)))

    def _on_disconnect(self, client: Client, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:  # noqa: ANN401, ARG002
        self._tell(Disconnected(reason=str(reason)))

    def _on_publish(self, client: Client, userdata: Any, ticket: int, reason: Any, properties: Any) -> None:  # noqa: ANN401, ARG002
        # "No matching subscribers" is below 0x80 and so no failure, and yet nobody has the message.
        heard = reason.value == 0
        self._tell(Acknowledged(ticket=ticket, heard=heard, reason=None if heard else str(reason)))
