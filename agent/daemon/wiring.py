"""From a configuration to an engine and a publisher that are ready to start."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from agent.analysis.work import Work
from agent.core import command, processors
from agent.core.config import Config
from agent.core.device import CharacterDevice
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.engine import cores as core_plans
from agent.engine.about import About, about
from agent.engine.engine import Engine
from agent.engine.sampler import Sampler
from agent.engine.window import AGENT
from agent.publish.publisher import Publisher, Sink
from agent.publish.spool import Spool
from agent.publish.stamp import Name
from agent.sensors._i2c import LinuxBus
from agent.workload import model as models
from agent.workload.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from agent.boards.board import Board
    from agent.core.clock import Clock
    from agent.core.config import WorkloadConfig
    from agent.core.sensor import Kind
    from agent.engine.cores import CorePlan, Share
    from agent.engine.process import Life

SYSTEM_STATE: Final = Path("/var/lib/emberd")
MACHINE: Final = Tree(Path("/"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the machine offers this process.

    Attributes:
        allowed: the cores it was allowed to use when it began.
        environment: its environment variables.
        is_service: it was started by a service manager that wants to be told (a notify socket).
        clock: the machine's clocks.
        start: starts a workload process.
    """

    allowed: frozenset[int]
    environment: Mapping[str, str]
    is_service: bool
    clock: Clock
    start: Callable[[Plan], Life]


def ignored(config: Config) -> tuple[str, ...]:
    """Return the keys that were set and that this version accepts but does nothing with yet."""
    defaults = Config()
    keys = [(name, getattr(config, name) != getattr(defaults, name)) for name in ("energy", "live", "metrics")]
    keys += [(f"mqtt.{name}", getattr(config.mqtt, name) != getattr(defaults.mqtt, name)) for name in ("homeassistant", "profile")]
    keys.append(("mqtt.ack", config.mqtt.ack == "collector"))
    return tuple(name for name, is_set in keys if is_set)


def plan_cores(config: Config, allowed: frozenset[int]) -> CorePlan:
    """Return who runs where, of the cores that are allowed and switched on."""
    here = sorted(allowed.intersection(processors.online(MACHINE) or allowed) or allowed)
    return core_plans.plan(
        here, processors.capacities(MACHINE, here), {workload.name: workload.threads for workload in config.workload}
    )


def plan_workload(workload: WorkloadConfig, share: Share, *, must_exist: bool) -> Plan:
    """Return what a workload process is told.

    Raises:
        Unusable: there is no such model (only where it must exist).
    """
    path = models.locate(workload.model) if must_exist else models.path(workload.model)
    rate = workload.pace.value
    return Plan(
        name=workload.name,
        title=models.title(path),
        model=str(path),
        runtime=workload.runtime,
        # Not `Path.resolve`, which raises for a link that leads to itself.
        delegates=tuple(os.path.realpath(delegate) for delegate in workload.delegates),
        threads=share.threads,
        cores=share.cores,
        period_seconds=None if rate is None else 1.0 / rate,
        inputs=workload.inputs if workload.inputs == "random" else os.path.realpath(workload.inputs),
        warmup=workload.warmup,
    )


def build_engine(config: Config, host: Host, kinds: Mapping[str, Kind], duration_seconds: float | None) -> Engine:
    """Return an engine for a configuration, nothing of it started.

    Raises:
        Unusable: a model is not there (in the foreground; a service runs on without it).
        Absent: the device has nothing to make an identity from.
    """
    board = Tree(Path(config.sensors.root))
    facts = about(config, board, MACHINE)
    cores = plan_cores(config, host.allowed)
    roster: dict[str, int] = {AGENT: os.getpid()}
    surroundings = build_surroundings(board, facts.board, host, roster)
    return Engine(
        about=facts,
        board=board,
        clock=host.clock,
        plans=tuple(
            plan_workload(workload, cores.workloads[workload.name], must_exist=not host.is_service) for workload in config.workload
        ),
        works={
            workload.name: Work(
                rolling_seconds=float(config.window.rolling),
                deadline_seconds=workload.deadline.value,
            )
            for workload in config.workload
        },
        folds={metric.name: metric.fold for kind in kinds.values() for metric in kind.METRICS},
        sampler=Sampler(kinds, config.sensors.tables, surroundings, host.clock),
        cores=cores,
        replan=lambda: plan_cores(config, host.allowed),
        roster=roster,
        window_seconds=float(config.window.length),
        duration_seconds=duration_seconds,
        exits=not host.is_service,
        start=host.start,
    )


def build_surroundings(tree: Tree, board: Board, host: Host, roster: Mapping[str, int]) -> Surroundings:
    """Return what sensors may touch of the real machine.

    Args:
        tree: in which the board is looked up.
        board: what it was recognised as.
        host: what the machine offers.
        roster: the processes to watch, by name; looked at anew for each reading.
    """
    return Surroundings(
        board=tree,
        machine=MACHINE,
        processes=lambda: dict(roster),
        clock_is_measured=board.clock_is_measured,
        clock=host.clock,
        bus=LinuxBus,
        run=command.run,
        start=command.LineProcess,
        device=CharacterDevice,
    )


def build_publisher(config: Config, facts: About, host: Host, sinks: Iterable[Sink]) -> Publisher:
    """Return a publisher with its spool opened, not started.

    Raises:
        Unusable: the spool cannot be used.
        ConfigError: the broker's files cannot be used.
    """
    spool = Spool(spool_folder(config, host.environment), facts.boot_id, config.spool.max_size)
    return Publisher(config, Name(site=facts.site, device=facts.device, boot_id=facts.boot_id), spool, sinks)


def spool_folder(config: Config, environment: Mapping[str, str]) -> Path:
    """Return where the spool is kept: as configured, else the service's state directory, else the user's."""
    if config.spool.path != "auto":
        return Path(config.spool.path)
    given = environment.get("STATE_DIRECTORY", "").partition(":")[0]
    if given:
        return Path(given)
    if os.geteuid() == 0:
        return SYSTEM_STATE
    return Path(environment.get("XDG_STATE_HOME") or Path(environment.get("HOME", "/tmp")) / ".local/state") / "emberd"  # noqa: S108
