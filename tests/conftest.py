"""What several test files use: trees of files, the machine's shared recordings when they are there, a broker."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from agent.core.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[dict[str, str | bytes]], Tree]:
    """Return a function that writes files below a root and returns the root as a tree."""

    def write(files: dict[str, str | bytes]) -> Tree:
        for name, content in files.items():
            path = tmp_path / "root" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        (tmp_path / "root").mkdir(exist_ok=True)
        return Tree(tmp_path / "root")

    return write


@pytest.fixture
def gate() -> Iterator[Callable[[Path], None]]:
    """Return a function that makes a file which answers EAGAIN, as a zone without power does: a fifo whose writer is silent."""
    writers: list[int] = []

    def make(path: Path) -> None:
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(path)
        # Opening both ends at once does not wait for the other one: fifo(7).
        writers.append(os.open(path, os.O_RDWR | os.O_CLOEXEC))

    yield make
    for writer in writers:
        os.close(writer)


@pytest.fixture
def shared() -> Path:
    """Return the folder of recordings and models that lies beside some checkouts; skips where it does not."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared recordings at {SHARED}")
    return SHARED


@dataclass(slots=True)
class Broker:
    """A private mosquitto."""

    port: int
    folder: Path
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        program = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if program is None:
            pytest.skip("mosquitto is not installed: nothing was tested against a real broker")
        configuration = self.folder / "mosquitto.conf"
        configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_packet_size 65536\nlog_dest none\n"
            "max_inflight_messages 0\n"
        )
        self._process = subprocess.Popen([program, "-c", configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        raise AssertionError("mosquitto does not listen")

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End it."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None


@dataclass(slots=True)
class Listener:
    """A plain subscriber that keeps everything it hears."""

    messages: list[Heard]
    _client: paho.Client

    def of(self, leaf: str) -> list[dict[str, Any]]:
        """Return the decoded messages of a leaf, in order of arrival."""
        return [json.loads(heard.payload) for heard in list(self.messages) if heard.topic.endswith(f"/{leaf}") and heard.payload]

    def wait(self, holds: Callable[[Listener], bool], seconds: float = 20.0) -> None:
        """Wait until something holds of what was heard."""
        until = time.monotonic() + seconds
        while not holds(self):
            assert time.monotonic() < until, f"not heard in {seconds} s; heard {[heard.topic for heard in self.messages]}"
            time.sleep(0.02)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message as it arrived."""

    topic: str
    payload: bytes
    retained: bool
    stamp: dict[str, str]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """Return a private mosquitto that runs."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path / "broker"
    folder.mkdir()
    started = Broker(port=port, folder=folder)
    started.start()
    yield started
    started.stop()


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    """Return a subscriber to everything on the private mosquitto."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    listening = threading.Event()
    heard: list[Heard] = []

    def on_message(client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        stamp = dict(getattr(message.properties, "UserProperty", []))
        heard.append(Heard(message.topic, message.payload, message.retain, stamp))

    client.on_message = on_message
    client.on_subscribe = lambda *_: listening.set()
    client.on_connect = lambda *_: client.subscribe("emberd/#", qos=1)
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    assert listening.wait(10)
    yield Listener(heard, client)
    client.disconnect()
    client.loop_stop()
