"""What the monitor tells a workload process, and what that answers: one JSON message each, over a socket."""

from __future__ import annotations

import msgspec


class Plan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Monitor → workload: everything the process needs to know.

    Attributes:
        title: what the model is called in windows.
        model: path of the model file.
        cores: the cores it may run on.
        period_seconds: None for back to back.
        inputs: `random`, or a path.
    """

    name: str
    title: str
    model: str
    runtime: str
    delegates: tuple[str, ...]
    threads: int
    cores: tuple[int, ...]
    period_seconds: float | None
    inputs: str
    warmup: int
    seed: int = 0


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Workload → monitor: loaded and warm; the loop begins now."""

    runtime: str
    model_sha256: str
    nodes: int | None
    delegated_nodes: int | None
    delegates: tuple[str, ...]
    input_kind: str
    input_count: int
    outputs_checked: bool
    init_seconds: float
    first_inference_seconds: float
    warmup_count: int
    warmup_mean_seconds: float
    warmup_max_seconds: float


class Refused(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Workload → monitor: this cannot run here, and would not the next time either."""

    reason: str


Answer = Ready | Refused
