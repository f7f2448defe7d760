from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from agent.core.config import Config, MqttConfig
from agent.core.errors import ConfigError
from agent.core.message import VERSION, Event, Meta, Window
from agent.publish import link as links
from agent.publish.publisher import Publisher, State, Stored
from agent.publish.spool import Spool
from agent.publish.stamp import Name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Broker, Listener

NAME = Name(site="lab", device="pi-1", boot_id="boot-1")
PREFIX = "emberd/v1/lab/pi-1/"


def window(index: int, at_seconds: float | None = None) -> Window:
    return Window(
        v=VERSION,
        boot_id="boot-1",
        start=float(index),
        end=float(index) + 10.0,
        monotonic_end_seconds=time.monotonic() if at_seconds is None else at_seconds,
        clock_synced=True,
        board="bench",
        workloads={},
        sensors={},
    )


def event(kind: str) -> Event:
    return Event(v=VERSION, boot_id="boot-1", kind=kind, ts=1.0, monotonic_seconds=1.0, clock_synced=True)


def meta() -> Meta:
    return Meta(
        v=VERSION,
        site="lab",
        device="pi-1",
        meta_id="m1",
        identity="configuration",
        version="0",
        board="bench",
        os="o",
        kernel="k",
        machine="m",
        python="3",
        boot_id="boot-1",
        window_seconds=10.0,
        workloads={},
        sensors=(),
        clock_synced=True,
    )


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A first retry within 30 s is right in the field and long in a test."""
    monkeypatch.setattr(links, "FIRST_RETRY_SECONDS", 0.2)


@pytest.fixture
def publish(tmp_path: Path) -> Iterator[Callable[..., Publisher]]:
    """Return a function that starts a publisher on the spool in the test's folder."""
    started: list[Publisher] = []

    def start(port: int, sinks: tuple[Callable[[Stored], None], ...] = ()) -> Publisher:
        config = Config(mqtt=MqttConfig(host="127.0.0.1", port=port) if port else MqttConfig())
        publisher = Publisher(config, NAME, Spool(tmp_path / "spool", "boot-1", 1e8), sinks)
        publisher.start()
        started.append(publisher)
        return publisher

    yield start
    for publisher in started:
        publisher.stop()


def spooled(folder: Path) -> list[int]:
    spool = Spool(folder / "spool", "boot-1", 1e8)
    try:
        return [row.seq for row in spool.after(0, 10_000)]
    finally:
        spool.close()


def test_a_subscriber_gets_every_window_and_event_once_with_its_number(
    broker: Broker, listener: Listener, publish: Callable[..., Publisher]
) -> None:
    publisher = publish(broker.port)
    publisher.put(event("workload_lost"))
    for index in range(50):
        publisher.put(window(index))
    listener.wait(lambda heard: len(heard.of("window")) == 50)
    numbers = [message["seq"] for message in listener.of("window")]
    assert numbers == list(range(2, 52))
    assert [message["seq"] for message in listener.of("event")] == [1]
    stamped = [heard for heard in listener.messages if heard.topic == PREFIX + "window"]
    assert [(heard.stamp["stream"], int(heard.stamp["seq"])) for heard in stamped] == [
        (json.loads(heard.payload)["stream"], json.loads(heard.payload)["seq"]) for heard in stamped
    ]
    assert not any(heard.retained for heard in stamped)


def test_what_was_heard_is_deleted(broker: Broker, listener: Listener, publish: Callable[..., Publisher], tmp_path: Path) -> None:
    publisher = publish(broker.port)
    for index in range(5):
        publisher.put(window(index))
    listener.wait(lambda heard: len(heard.of("window")) == 5)
    publisher.stop()
    assert spooled(tmp_path) == []


def test_what_nobody_hears_stays_and_is_offered_when_somebody_listens(
    broker: Broker, publish: Callable[..., Publisher], request: pytest.FixtureRequest
) -> None:
    publisher = publish(broker.port)
    for index in range(3):
        publisher.put(window(index))
    time.sleep(0.5)
    listener: Listener = request.getfixturevalue("listener")
    publisher.put(window(3))
    listener.wait(lambda heard: len(heard.of("window")) == 4)
    assert sorted(message["seq"] for message in listener.of("window")) == [1, 2, 3, 4]


def test_windows_made_while_the_broker_is_away_come_when_it_is_back(
    broker: Broker, publish: Callable[..., Publisher], request: pytest.FixtureRequest
) -> None:
    broker.stop(signal.SIGKILL)
    publisher = publish(broker.port)
    for index in range(100):
        publisher.put(window(index, at_seconds=time.monotonic() - 100))
    time.sleep(0.3)
    broker.start()
    listener: Listener = request.getfixturevalue("listener")
    publisher.put(window(100))
    listener.wait(lambda heard: len({message["seq"] for message in heard.of("window")}) == 101)
    old = next(message for message in listener.of("window") if message["seq"] == 1)
    new = next(message for message in listener.of("window") if message["seq"] == 101)
    assert old["historical"] is True
    assert "historical" not in new


def test_kills_of_the_broker_at_random_points_lose_nothing_that_was_not_acknowledged(
    broker: Broker, publish: Callable[..., Publisher], tmp_path: Path
) -> None:
    """Every number is either still in the spool or was taken by a broker that had a listener: here there is none, so all stay."""
    generator = random.Random(7)
    publisher = publish(broker.port)
    for round_ in range(3):
        for index in range(20):
            publisher.put(window(round_ * 20 + index))
        time.sleep(generator.uniform(0.0, 0.3))
        broker.stop(signal.SIGKILL)
        time.sleep(generator.uniform(0.0, 0.3))
        broker.start()
    publisher.stop()
    assert spooled(tmp_path) == list(range(1, 61))


def test_status_is_retained_and_says_what_the_device_is(
    broker: Broker, listener: Listener, publish: Callable[..., Publisher]
) -> None:
    publisher = publish(broker.port)
    publisher.put(meta())
    publisher.put(State(state="ready"))
    publisher.put(State(state="degraded", reasons=("sensor thermal is lost",)))
    listener.wait(lambda heard: heard.of("status")[-1:] != [] and heard.of("status")[-1]["state"] == "degraded")
    assert listener.of("status")[-1]["reasons"] == ["sensor thermal is lost"]
    publisher.stop()
    listener.wait(lambda heard: heard.of("status")[-1]["state"] == "offline")
    assert retained(broker) == {PREFIX + "status": "offline", PREFIX + "meta": None}


def test_the_broker_says_lost_when_the_device_vanishes(
    broker: Broker, listener: Listener, publish: Callable[..., Publisher]
) -> None:
    publisher = publish(broker.port)
    listener.wait(lambda heard: heard.of("status") != [])
    publisher._link._client.socket().shutdown(2)  # type: ignore[union-attr]  # a cable that is pulled
    listener.wait(lambda heard: any(status["state"] == "lost" for status in heard.of("status")))


def test_sinks_see_a_message_after_it_was_committed_and_with_its_number(publish: Callable[..., Publisher], tmp_path: Path) -> None:
    seen: list[Stored] = []
    publisher = publish(0, sinks=(seen.append,))
    publisher.put(window(0))
    publisher.put(event("clock_step"))
    publisher.stop()
    assert [(stored.kind, json.loads(stored.wire)["seq"]) for stored in seen] == [("window", 1), ("event", 2)]
    assert spooled(tmp_path) == [1, 2]


def test_a_message_over_the_limit_stays_and_does_not_block_those_behind_it(
    broker: Broker, listener: Listener, publish: Callable[..., Publisher], tmp_path: Path
) -> None:
    publisher = publish(broker.port)
    publisher.put(msgspec.structs.replace(window(0), board="x" * 20_000))
    publisher.put(window(1))
    listener.wait(lambda heard: len(heard.of("window")) == 1)
    publisher.stop()
    assert spooled(tmp_path) == [1]


def test_a_spool_that_overflows_says_so_in_an_event(tmp_path: Path) -> None:
    seen: list[Stored] = []
    publisher = Publisher(Config(), NAME, Spool(tmp_path / "spool", "boot-1", 100_000), (seen.append,))
    publisher.start()
    generator = random.Random(1)
    for index in range(200):
        publisher.put(msgspec.structs.replace(window(index), board=generator.randbytes(1000).hex()))
    publisher.stop()
    events = [json.loads(stored.wire) for stored in seen if stored.kind == "event"]
    assert {event["kind"] for event in events} == {"spool_overflow"}
    windows = [json.loads(stored.wire) for stored in seen if stored.kind == "window"]
    assert 0 < windows[-1]["agent"]["dropped"] <= sum(event["count"] for event in events)
    assert len(windows) + len(events) - sum(event["count"] for event in events) == len(spooled(tmp_path))


def test_tls_files_that_are_not_there_are_a_configuration_error(tmp_path: Path) -> None:
    config = Config(mqtt=MqttConfig(host="127.0.0.1", ca=str(tmp_path / "none.pem")))
    with pytest.raises(ConfigError, match="mqtt"):
        Publisher(config, NAME, Spool(tmp_path / "spool", "boot-1", 1e8), ())


def retained(broker: Broker) -> dict[str, Any]:
    """Return what the broker keeps: topic → state."""
    listed = subprocess.run(
        ["mosquitto_sub", "-p", str(broker.port), "-t", "emberd/#", "-W", "1", "-F", "%t %p"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    found = dict(line.split(" ", 1) for line in listed.splitlines())
    return {topic: json.loads(payload).get("state") for topic, payload in found.items()}
