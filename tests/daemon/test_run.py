"""The whole daemon as its user starts it: real inference, a real broker, real signals."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from agent.core.message import Event, Meta, Status, Window
from agent.workload.model import path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Broker, Listener

EMBERD = [sys.executable, "-m", "agent.commands.main", "run"]


@dataclass(slots=True)
class Daemon:
    """A running `emberd run`."""

    process: subprocess.Popen[str]
    lines: list[dict[str, Any]] = field(default_factory=list)

    def window(self) -> dict[str, Any]:
        """Return the next window it prints."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"it ended: {self.finish()}"
        self.lines.append(json.loads(line))
        return self.lines[-1]

    def window_where(self, holds: Callable[[dict[str, Any]], bool], most: int = 40) -> dict[str, Any]:
        """Return the next window of which something holds."""
        for _ in range(most):
            window = self.window()
            if holds(window):
                return window
        raise AssertionError(f"no such window among {most}")

    def finish(self, seconds: float = 30.0) -> tuple[int, list[dict[str, Any]], str]:
        """Wait for its end and return exit code, the windows not yet read, and its log."""
        out, log = self.process.communicate(timeout=seconds)
        return self.process.returncode, [json.loads(line) for line in out.splitlines()], log


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Return a function that starts the daemon with a configuration, in a folder of its own."""
    daemons: list[Daemon] = []

    def run(configuration: str, *options: str, environment: dict[str, str] | None = None) -> Daemon:
        (tmp_path / "config.toml").write_text(configuration)
        process = subprocess.Popen(
            [*EMBERD, "--json", "--config", str(tmp_path / "config.toml"), *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "EMBERD_SPOOL__PATH": str(tmp_path / "spool"), **(environment or {})},
        )
        daemons.append(Daemon(process))
        return daemons[-1]

    yield run
    for daemon in daemons:
        with contextlib.suppress(ProcessLookupError):
            daemon.process.kill()
        with contextlib.suppress(ValueError):
            daemon.process.communicate()


DIGITS = """
[window]
length = "1 s"
[[workload]]
model = "digits_int8"
pace = "50 Hz"
deadline = "10 ms"
"""


def alive(process: int) -> bool:
    """Return whether a process is there and is not just waiting to be reaped."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_is_printed_is_what_a_subscriber_gets(start: Callable[..., Daemon], broker: Broker, listener: Listener) -> None:
    daemon = start(
        f'{DIGITS}\n[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n[device]\nsite = "lab"\nid = "pi-1"', "--duration", "3s"
    )
    code, printed, log = daemon.finish()
    assert code == 0, log
    assert len(printed) == 3
    listener.wait(lambda heard: any(status["state"] == "offline" for status in heard.of("status")))
    assert listener.of("window") == printed
    assert [status["state"] for status in listener.of("status")] == ["init", "ready", "offline"]
    prefix = "emberd/v1/lab/pi-1/"
    assert {heard.topic for heard in listener.messages} == {prefix + leaf for leaf in ("status", "meta", "window")}
    for leaf, struct in (("window", Window), ("status", Status), ("meta", Meta), ("event", Event)):
        for message in listener.of(leaf):
            msgspec.convert(message, struct)
            assert None not in message.values()


def test_a_window_holds_real_inferences_and_adds_up(start: Callable[..., Daemon]) -> None:
    code, windows, log = start(DIGITS, "--duration", "3s").finish()
    assert code == 0, log
    for window in windows:
        work = window["workloads"]["default"]
        histogram = work["histogram"]
        assert work["inferences"] == sum(histogram["counts"]) + histogram["zero"]
        assert work["inferences"] == sum(work["response_histogram"]["counts"])
        assert 0 < work["latency_seconds"]["min"] <= work["latency_seconds"]["p50"] <= work["latency_seconds"]["max"]
        assert abs(work["latency_seconds"]["mean"] * work["inferences"] - histogram["sum_seconds"]) < 1e-6
        assert abs(window["end"] - window["start"] - 1.0) < 1e-3
        assert work["model"] == "digits_int8"
        assert len(work["model_sha256"]) == 64
        assert work["runtime"].startswith(("litert", "tflite"))
        assert "partial" not in window
    ends = [window["monotonic_end_seconds"] for window in windows]
    assert [round(after - before, 6) for before, after in itertools.pairwise(ends)] == [1.0, 1.0]
    assert 140 <= sum(window["workloads"]["default"]["inferences"] for window in windows) <= 152
    assert windows[-1]["workloads"]["default"]["rolling_seconds"]["count"] == sum(
        window["workloads"]["default"]["inferences"] for window in windows
    )


def test_sigterm_closes_the_last_window_as_partial_and_leaves_nothing_running(start: Callable[..., Daemon]) -> None:
    daemon = start(DIGITS)
    worker = daemon.window()["workloads"]["default"]["pid"]
    time.sleep(0.3)
    daemon.process.send_signal(signal.SIGTERM)
    code, windows, _ = daemon.finish()
    assert code == 0
    assert [window.get("partial", False) for window in windows] == [True]
    assert windows[0]["workloads"]["default"]["inferences"] > 0
    assert not alive(worker)


def test_a_killed_daemon_takes_its_workload_with_it(start: Callable[..., Daemon]) -> None:
    daemon = start(DIGITS)
    worker = daemon.window()["workloads"]["default"]["pid"]
    daemon.process.kill()
    daemon.process.wait()
    until = time.monotonic() + 5
    while alive(worker):
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_killed_workload_is_back_within_two_seconds_and_the_other_never_noticed(
    start: Callable[..., Daemon], broker: Broker, listener: Listener
) -> None:
    configuration = f"""
    [window]
    length = "1 s"
    [[workload]]
    name = "victim"
    model = "digits_int8"
    pace = "50 Hz"
    [[workload]]
    name = "neighbour"
    model = "digits_int8"
    pace = "50 Hz"
    [mqtt]
    host = "127.0.0.1"
    port = {broker.port}
    """
    daemon = start(configuration)
    window = daemon.window_where(lambda window: all(work["inferences"] for work in window["workloads"].values()))
    first = window["workloads"]["victim"]["pid"]
    os.kill(first, signal.SIGKILL)
    window = daemon.window_where(lambda window: window["workloads"]["victim"].get("pid", first) != first)
    assert window["workloads"]["victim"]["restarts"] == 1
    listener.wait(lambda heard: [event["kind"] for event in heard.of("event")] == ["workload_lost", "workload_back"])
    lost, back = listener.of("event")
    assert "SIGKILL" in lost["reason"]
    assert back["duration_seconds"] < 4
    daemon.process.terminate()
    daemon.finish()
    assert all(window["workloads"]["neighbour"]["inferences"] >= 35 for window in daemon.lines[1:])
    assert all(window["workloads"]["neighbour"]["restarts"] == 0 for window in daemon.lines)


def test_a_bad_configuration_is_refused_on_reload_and_the_work_goes_on(
    start: Callable[..., Daemon], tmp_path: Path, broker: Broker, listener: Listener
) -> None:
    mqtt = f'\n[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}\n'
    daemon = start(DIGITS + mqtt)
    worker = daemon.window()["workloads"]["default"]["pid"]
    (tmp_path / "config.toml").write_text('[window]\nlenght = "3 s"\n')
    daemon.process.send_signal(signal.SIGHUP)
    listener.wait(lambda heard: heard.of("event") != [])
    rejected = listener.of("event")[0]
    assert rejected["kind"] == "config_rejected"
    assert 'did you mean "length"?' in rejected["reason"]
    assert daemon.window()["workloads"]["default"]["pid"] == worker

    (tmp_path / "config.toml").write_text(DIGITS.replace('"1 s"', '"2 s"') + mqtt)
    daemon.process.send_signal(signal.SIGHUP)
    listener.wait(lambda heard: len(heard.of("event")) == 2)
    assert listener.of("event")[1]["kind"] == "config_reloaded"
    window = daemon.window_where(lambda window: window["end"] - window["start"] > 1.9)
    assert window["workloads"]["default"]["inferences"] > 80
    daemon.process.terminate()
    assert daemon.finish()[0] == 0


def test_monitor_only_watches_the_board(start: Callable[..., Daemon]) -> None:
    code, windows, log = start('workload = []\n[window]\nlength = "500 ms"', "--duration", "1s").finish()
    assert code == 0, log
    assert len(windows) == 2
    assert windows[0]["workloads"] == {}
    assert "throttle" not in windows[0]
    assert windows[0]["memory_bytes"]["total"] > 0
    assert windows[1]["sensors"]["cpu"]["faults"] == 0


def test_a_workload_that_stops_answering_is_killed_and_started_again(
    start: Callable[..., Daemon], broker: Broker, listener: Listener
) -> None:
    daemon = start(f'{DIGITS}\n[mqtt]\nhost = "127.0.0.1"\nport = {broker.port}')
    worker = daemon.window()["workloads"]["default"]["pid"]
    os.kill(worker, signal.SIGSTOP)
    listener.wait(lambda heard: any(event["kind"] == "workload_lost" for event in heard.of("event")), seconds=30)
    assert "made no inference for" in listener.of("event")[0]["reason"]
    listener.wait(lambda heard: any(event["kind"] == "workload_back" for event in heard.of("event")))
    assert any(status["state"] == "degraded" for status in listener.of("status"))
    assert not alive(worker)
    daemon.process.terminate()
    assert daemon.finish()[0] == 0
    # No window was late or left out while it hung.
    ends = [window["monotonic_end_seconds"] for window in daemon.lines]
    assert all(abs(after - before - 1.0) < 1e-6 for before, after in itertools.pairwise(ends))


def test_a_reader_that_goes_away_ends_the_daemon_quietly(start: Callable[..., Daemon]) -> None:
    """`emberd run --json | head -1`."""
    daemon = start(DIGITS)
    daemon.window()
    assert daemon.process.stdout is not None
    daemon.process.stdout.close()
    assert daemon.process.wait(20) == 0
    assert daemon.process.stderr is not None
    assert "Traceback" not in daemon.process.stderr.read()


def test_a_broker_that_refuses_does_not_stop_the_windows(start: Callable[..., Daemon]) -> None:
    daemon = start(f'{DIGITS}\n[mqtt]\nhost = "127.0.0.1"\nport = 1', "--duration", "2s")
    code, windows, log = daemon.finish()
    assert code == 0
    assert len(windows) == 2
    assert log.count("no broker") == 1
    assert windows[-1]["agent"]["spool_rows"] == 2


@pytest.mark.parametrize(
    ("configuration", "code", "said"),
    [
        ('[[workload]]\nmodel = "/nowhere/model.tflite"', 3, "/nowhere/model.tflite is not there"),
        ('[[workload]]\nmodel = "mobilenet"', 3, "shipped models are digits_int8, mobilenet_v2_int8"),
        ('[[workload]]\nmodel = "config.toml"', 3, "is not a TensorFlow Lite model"),
        ('[[workload]]\nmodel = "truncated.tflite"', 3, "truncated.tflite"),
        ('[[workload]]\nmodel = "."', 3, "cannot be read"),
        ('[[workload]]\nruntime = "litter"', 3, 'runtime litter: there is none of this name; did you mean "litert"?'),
        ('[[workload]]\npace = "30 Hx"', 2, "workload[0].pace: '30 Hx' is not a rate; did you mean \"30 Hz\"?"),
        ('[[workload]]\npase = "30 Hz"', 2, 'workload[0].pase: unknown key; did you mean "pace"?'),
        ('[[workload]]\ninputs = "nothing.npz"', 3, "nothing.npz is not there"),
        ('[[workload]]\nmodel = "digits_int8"\ninputs = "wrong.npz"', 3, "float64"),
        ('[[workload]]\ndelegates = ["nothing.so"]', 3, "nothing.so"),
        ("[window\n", 2, "not TOML"),
        ("[sensors.thermal]\nenabled = true\n[sensors]\nroot = '/nowhere'", 3, "sensor thermal is enabled, but not here"),
        ("[sensors.thermometer]\nperiod = '1 s'", 2, "sensors.thermometer: unknown key"),
        ("[spool]\npath = '/proc/emberd'", 3, "spool /proc/emberd"),
    ],
)
def test_what_cannot_work_is_said_in_one_line_with_the_right_exit_code(
    tmp_path: Path, configuration: str, code: int, said: str
) -> None:
    (tmp_path / "truncated.tflite").write_bytes(path("mobilenet_v2_int8").read_bytes()[:100_000])
    np.savez(tmp_path / "wrong.npz", images=np.zeros((3, 8, 8, 1)))
    (tmp_path / "config.toml").write_text(configuration)
    environment = {**os.environ, "PYTHONPATH": ""}
    if "[spool]" not in configuration:
        environment["EMBERD_SPOOL__PATH"] = str(tmp_path / "spool")
    result = subprocess.run(
        [*EMBERD, "--json", "--duration", "1s"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )
    errors = [line for line in result.stderr.splitlines() if line.startswith("emberd: ")]
    assert result.returncode == code, result.stderr
    assert len(errors) == 1, result.stderr
    assert said in errors[0]
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
