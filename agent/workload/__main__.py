"""`python -m agent.workload SOCKET RING`: one workload process. Started by the monitor only; ends with it.

The two arguments are inherited file descriptors: the socket on which the plan arrives and one answer goes back, and the ring.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import hashlib
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from agent.core import ring
from agent.core.errors import Unusable, WorkerLost
from agent.runtimes import runtime as runtimes
from agent.workload import inputs, loop
from agent.workload.plan import Plan, Ready, Refused
from agent.workload.schedule import Schedule

_PR_SET_PDEATHSIG: Final = 1
_MOST_PLAN_BYTES: Final = 65_536
_MOST_REASON: Final = 1_000


def main(arguments: list[str]) -> int:
    """Receive a plan, carry it out until killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the monitor decides what it means.
    _die_with(os.getppid())
    channel = socket.socket(fileno=int(arguments[0]))
    memory = ring.attach(int(arguments[1]))
    os.close(int(arguments[1]))
    plan = msgspec.json.decode(channel.recv(_MOST_PLAN_BYTES), type=Plan)
    try:
        _work(plan, channel, memory)
    except Unusable as error:
        channel.send(msgspec.json.encode(Refused(reason=str(error)[:_MOST_REASON])))
        return int(error.exit_code)
    except WorkerLost as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)
    return 0


def _work(plan: Plan, channel: socket.socket, memory: memoryview) -> None:
    with contextlib.suppress(OSError):  # cores that went off since the plan was made; the monitor makes another soon
        os.sched_setaffinity(0, plan.cores)
    model = Path(plan.model)
    recorded = inputs.read(plan.inputs)
    runtime = runtimes.choose(plan.runtime, runtimes.find)
    begin = time.monotonic_ns()
    session = runtime.load(
        runtimes.Request(
            model=model,
            threads=plan.threads,
            delegates=plan.delegates,
            shapes=lambda tensors: inputs.shapes(recorded, tensors),
        )
    )
    init_seconds = (time.monotonic_ns() - begin) / 1e9
    items = inputs.items(recorded, session.inputs, plan.seed)
    try:
        warm = loop.warm_up(session, items, plan.warmup)
    except (RuntimeError, ValueError) as error:
        raise Unusable(f"{model.name} loads but does not run: {error}") from error
    schedule = Schedule(plan.period_seconds) if plan.period_seconds else None
    capacity = ring.capacity_for(1 / max(plan.period_seconds or 0.0, warm.min_seconds, 1e-9))
    ring.format_ring(memory, capacity)
    write = ring.writer(memory, capacity)
    channel.send(
        msgspec.json.encode(
            Ready(
                runtime=runtime.version(),
                model_sha256=_sha256(model),
                nodes=session.nodes,
                delegated_nodes=session.delegated_nodes,
                delegates=session.delegates,
                input_kind="random" if recorded is None else "recorded",
                input_count=len(items),
                outputs_checked=warm.reference.checks,
                init_seconds=init_seconds,
                first_inference_seconds=warm.first_seconds,
                warmup_count=warm.count,
                warmup_mean_seconds=warm.mean_seconds,
                warmup_max_seconds=warm.max_seconds,
            )
        )
    )
    # The loop makes no cycles; a collection would only be a pause.
    gc.collect()
    gc.freeze()
    gc.disable()
    loop.run(session, items, warm.reference, memory, write, schedule)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(65_536):  # in pieces: the whole of a model would stay in this process's memory
            digest.update(chunk)
    return digest.hexdigest()


def _die_with(parent: int) -> None:
    """Be killed when the monitor ends, however it ends: prctl(2), PR_SET_PDEATHSIG."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
