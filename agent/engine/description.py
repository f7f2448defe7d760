"""What a device says of itself: `meta`, and the frame of every event."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from agent.core.message import VERSION, Event, Meta, WorkloadMeta

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.engine.about import About
    from agent.engine.supervisor import Supervised
    from agent.engine.window import Moment


def meta(
    about: About,
    workers: Iterable[Supervised],
    sensors: tuple[str, ...],
    window_seconds: float,
    clock_offset_seconds: float | None,
) -> Meta:
    """Return what the device is now.

    Args:
        about: what is true as long as the daemon runs.
        workers: its workloads; those that have not described themselves yet are left out.
        sensors: the sensors that were found.
        window_seconds: the length of a window.
        clock_offset_seconds: wall clock less monotonic clock, once the wall clock is synchronised.
    """
    described = Meta(
        v=VERSION,
        site=about.site,
        device=about.device,
        identity=about.identity_source,
        version=about.version,
        board=about.board.name,
        simulated=about.simulated,
        os=about.os,
        kernel=about.kernel,
        machine=about.machine,
        python=about.python,
        boot_id=about.boot_id,
        window_seconds=window_seconds,
        workloads={worker.name: _workload(worker) for worker in workers if worker.described},
        sensors=sensors,
        clock_synced=clock_offset_seconds is not None,
        clock_offset_seconds=clock_offset_seconds,
    )
    return msgspec.structs.replace(described, meta_id=hashlib.sha256(msgspec.json.encode(described)).hexdigest()[:16])


def event(kind: str, about: About, meta_id: str, moment: Moment, **details: object) -> Event:
    """Return an event of a kind in `message.EVENT_KINDS` that happens at a moment."""
    frame = Event(
        v=VERSION,
        boot_id=about.boot_id,
        meta_id=meta_id,
        kind=kind,
        ts=round(moment.wall_seconds, 6),
        monotonic_seconds=moment.monotonic_nanoseconds / 1e9,
        clock_synced=moment.clock_synced,
    )
    return msgspec.structs.replace(frame, **details)


def _workload(worker: Supervised) -> WorkloadMeta:
    plan, ready = worker.plan, worker.described
    if ready is None:
        raise ValueError(f"workload {worker.name} has not described itself")
    return WorkloadMeta(
        model=plan.title,
        model_sha256=ready.model_sha256,
        runtime=ready.runtime,
        threads=plan.threads,
        cores=plan.cores,
        nodes=ready.nodes,
        delegated_nodes=ready.delegated_nodes,
        delegates=ready.delegates or None,
        inputs=ready.input_kind,
        input_count=ready.input_count,
        outputs_checked=ready.outputs_checked,
        period_seconds=plan.period_seconds,
        init_seconds=ready.init_seconds,
        first_inference_seconds=ready.first_inference_seconds,
        warmup_count=ready.warmup_count,
        warmup_mean_seconds=ready.warmup_mean_seconds,
    )
