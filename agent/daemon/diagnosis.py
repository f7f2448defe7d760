"""Tries everything once that the daemon needs, and says what is wrong and how to mend it."""

from __future__ import annotations

import os
import platform
import queue
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from agent.boards.board import recognise
from agent.boards.python import python_note
from agent.core.clock import is_synced
from agent.core.errors import Absent, EmberdError, Unusable
from agent.core.message import VERSION, Status
from agent.core.sensor import Closing
from agent.core.tree import Tree
from agent.daemon import wiring
from agent.engine.about import about
from agent.publish.link import Connected, Disconnected, Link, News, Will
from agent.publish.spool import Spool
from agent.runtimes import runtime as runtimes
from agent.workload.plan import Ready, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from agent.boards.board import Board
    from agent.core.config import Config, WorkloadConfig
    from agent.core.record import Reading
    from agent.core.sensor import Kind, SensorConfig, Source, Surroundings
    from agent.daemon.wiring import Host

FIND_SECONDS: Final = 5.0
MODEL_SECONDS: Final = 120.0
BROKER_SECONDS: Final = 12.0
# Below this a spool at its cap could fill the storage.
LOW_SPACE_RATIO: Final = 1.5
_POLL_SECONDS: Final = 0.05
_MOST_SHOWN: Final = 4
# What comes once a period, such as a line of a program, may have just been missed.
_PERIODS: Final = 1.5
_DIFFERENCE_SECONDS: Final = 0.25


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried.

    Attributes:
        name: what.
        status: `ok`, `warn`, `fail` or `absent`.
        seen: what was seen.
        mend: what to do about it; empty where there is nothing to do.
    """

    name: str
    status: str
    seen: str
    mend: str = ""


def diagnose(config: Config, host: Host, kinds: Mapping[str, Kind]) -> Iterator[Finding]:
    """Try everything once, in the order in which a device needs it."""
    board = Tree(Path(config.sensors.root))
    recognised = recognise(board, platform.machine())
    surroundings = wiring.build_surroundings(board, recognised, host, {"agent": os.getpid()})
    yield from _identity(config, board)
    yield from _python(recognised)
    yield _clock(board)
    for name, kind in kinds.items():
        for table in config.sensors.tables[name]:
            yield _sensor(name, kind, table, surroundings)
    yield from _runtimes(config)
    for workload in config.workload:
        yield _workload(config, workload, host)
    yield _spool(config, host)
    yield _broker(config)


def _identity(config: Config, board: Tree) -> Iterator[Finding]:
    try:
        facts = about(config, board, wiring.MACHINE)
    except Absent as error:
        yield Finding(name="identity", status="fail", seen=str(error), mend="set device.id in the configuration")
        return
    yield Finding(name="board", status="ok", seen=f"{facts.board.name}, {facts.os}, kernel {facts.kernel}, Python {facts.python}")
    weak = facts.identity_source == "machine id"
    yield Finding(
        name="identity",
        status="warn" if weak else "ok",
        seen=f"{facts.site}/{facts.device}, from {facts.identity_source}",
        mend="a copied SD card has the same machine id: set device.id, or remove /etc/machine-id on the copy" if weak else "",
    )


def _python(board: Board) -> Iterator[Finding]:
    note = python_note(board, sys.version_info[:2])
    if note:
        yield Finding(name="python", status="fail", seen=f"Python {platform.python_version()} on {board.name}", mend=note)


def _clock(board: Tree) -> Finding:
    if is_synced(board):
        return Finding(name="clock", status="ok", seen="synchronised")
    return Finding(
        name="clock",
        status="warn",
        seen="not synchronised; windows say so",
        mend="systemctl enable --now systemd-timesyncd, or chrony",
    )


def _sensor(name: str, kind: Kind, config: SensorConfig, surroundings: Surroundings) -> Finding:
    label = f"sensor {name}"
    if config.enabled.value is False:
        return Finding(name=label, status="absent", seen="switched off in the configuration")
    answers: queue.Queue[Finding] = queue.Queue()

    def attempt() -> None:
        answers.put(_try_sensor(name, kind, config, surroundings))

    # A source that hangs must not hang the doctor.
    threading.Thread(target=attempt, daemon=True).start()
    try:
        return answers.get(timeout=FIND_SECONDS + _PERIODS * config.period)
    except queue.Empty:
        return Finding(
            name=label,
            status="fail",
            seen=f"no answer in {FIND_SECONDS:.0f} s",
            mend=f"switch it off: [sensors.{name}] enabled = false",
        )


def _try_sensor(name: str, kind: Kind, config: SensorConfig, surroundings: Surroundings) -> Finding:
    label = f"sensor {name}"
    required = config.enabled.value is True
    source: Source | None = None
    try:
        source = kind.find(config, surroundings)
        reads = source.read()
        if not reads.readings and not reads.faults:
            time.sleep(_DIFFERENCE_SECONDS)  # what is a difference needs two readings
            reads = source.read()
    except Absent as error:
        mend = error.mend or (f'leave it to be found: [sensors.{name}] enabled = "auto"' if required else "")
        return Finding(name=label, status="fail" if required else "absent", seen=str(error), mend=mend)
    except Exception as error:  # noqa: BLE001 - the doctor's own guard: a source's bug is a finding
        return Finding(
            name=label,
            status="fail",
            seen=str(error) or type(error).__name__,
            mend=f"switch it off: [sensors.{name}] enabled = false",
        )
    finally:
        if isinstance(source, Closing):
            source.close()
    faults = "; ".join(f"{fault.name}: {fault.reason}" for fault in reads.faults)
    words = [f"{label.metric} {label.text}" for label in reads.labels] + [
        f"{flags.metric} {flags.bits:#x}" for flags in reads.flags
    ]
    words += [_shown(reading, several=len(kind.METRICS) > 1) for reading in reads.readings]
    shown = ", ".join(words[:_MOST_SHOWN])
    more = f" and {len(words) - _MOST_SHOWN} more" if len(words) > _MOST_SHOWN else ""
    if faults:
        return Finding(name=label, status="warn", seen=f"{shown}{more}; failed: {faults}")
    return Finding(name=label, status="ok", seen=f"{shown}{more}")


def _shown(reading: Reading, *, several: bool) -> str:
    """Return a reading as a person reads it, with the unit that its metric's name ends in."""
    what, _, unit = reading.metric.removesuffix("_total").rpartition("_")
    name = f"{reading.name} {what}" if several else reading.name
    if unit == "bytes":
        return f"{name} {reading.value / 1e6:,.1f} MB"
    if unit == "hertz":
        return f"{name} {reading.value / 1e6:,.0f} MHz"
    if unit == "ratio":
        return f"{name} {reading.value:.0%}"
    return f"{name} {reading.value:g} {unit}"


def _runtimes(config: Config) -> Iterator[Finding]:
    wanted = {workload.runtime for workload in config.workload}
    for name in runtimes.names():
        runtime = runtimes.find(name)
        if runtime is not None:
            yield Finding(name=f"runtime {name}", status="ok", seen=runtime.version())
        else:
            status = "fail" if name in wanted else "absent"
            yield Finding(name=f"runtime {name}", status=status, seen="not installed for this Python", mend=runtimes.mend(name))


def _workload(config: Config, workload: WorkloadConfig, host: Host) -> Finding:
    label = f"workload {workload.name}"
    try:
        share = wiring.plan_cores(config, host.allowed).workloads[workload.name]
        plan = wiring.plan_workload(workload, share, must_exist=True)
    except Unusable as error:
        return Finding(name=label, status="fail", seen=str(error), mend="correct model in the configuration")
    life = host.start(plan)
    try:
        until = time.monotonic() + MODEL_SECONDS
        while time.monotonic() < until:
            answer = life.answer()
            if isinstance(answer, Ready):
                return Finding(
                    name=label,
                    status="ok",
                    seen=f"{plan.title} on {answer.runtime}, {answer.delegated_nodes} of {answer.nodes} operators delegated, "
                    f"{answer.warmup_mean_seconds * 1e3:.3f} ms, {share.threads} thread(s), inputs {answer.input_kind}",
                    mend="" if answer.input_kind == "recorded" else "give real inputs: latency of some models depends on them",
                )
            if isinstance(answer, Refused):
                return Finding(name=label, status="fail", seen=answer.reason, mend="correct the workload's table")
            ended = life.ended()
            if ended:
                return Finding(name=label, status="fail", seen=ended, mend="try another runtime")
            time.sleep(_POLL_SECONDS)
        return Finding(name=label, status="fail", seen=f"not ready after {MODEL_SECONDS:.0f} s", mend="try a smaller model")
    finally:
        life.kill()


def _spool(config: Config, host: Host) -> Finding:
    folder = wiring.spool_folder(config, host.environment)
    try:
        spool = Spool(folder, "doctor", config.spool.max_size)
    except Unusable as error:
        in_use = "another emberd" in str(error)
        return Finding(
            name="spool",
            status="ok" if in_use else "fail",
            seen=str(error) if not in_use else f"{folder}, in use by the running daemon",
            mend="" if in_use else "set spool.path to a folder that this user can write",
        )
    try:
        rows = spool.rows
    finally:
        spool.close()
    free = shutil.disk_usage(folder).free
    low = free < LOW_SPACE_RATIO * config.spool.max_size
    return Finding(
        name="spool",
        status="warn" if low else "ok",
        seen=f"{folder}, {rows} message(s) waiting, {free / 1e6:.0f} MB free",
        mend=f"make room, or lower spool.max_size ({config.spool.max_size})" if low else "",
    )


def _broker(config: Config) -> Finding:
    mqtt = config.mqtt
    if not mqtt.host:
        return Finding(name="broker", status="absent", seen="none configured; the spool keeps the last 24 h", mend="set mqtt.host")
    news: queue.Queue[News] = queue.Queue()
    place = f"{mqtt.host}:{mqtt.port}"
    try:
        # A name of its own, so that trying does not throw the running daemon off its connection.
        will = Will(topic="emberd/v1/doctor", payload=msgspec.json.encode(Status(v=VERSION, state="lost")))
        link = Link(mqtt, f"emberd-doctor-{os.getpid()}", will, news.put)
    except EmberdError as error:
        return Finding(name="broker", status="fail", seen=str(error), mend="correct the [mqtt] table")
    link.start()
    try:
        first = news.get(timeout=BROKER_SECONDS)
    except queue.Empty:
        return Finding(name="broker", status="fail", seen=f"{place} does not answer", mend="check address, port and firewall")
    finally:
        link.stop(1.0)
    if isinstance(first, Connected):
        return Finding(name="broker", status="ok", seen=f"{place} accepts us over MQTT 5")
    reason = first.reason if isinstance(first, Disconnected) else str(first)
    return Finding(name="broker", status="fail", seen=f"{place}: {reason}", mend="check address, port, user and certificates")
