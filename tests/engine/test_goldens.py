"""Whole windows of whole boards: every tree of tests/cases/trees through every sensor and the real assembly.

Each is held against a window that was read by a person, `window.json` beside the tree. Written anew by
`PYTHONPATH=tests python tests/engine/test_goldens.py`; read the diff.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from planting import TREES, names, planted

from agent.boards.board import recognise
from agent.core.clock import NANOSECONDS
from agent.core.errors import Absent, SensorFault
from agent.core.message import MOST_BYTES
from agent.core.record import Fault, Reads, Sample
from agent.core.sensor import Surroundings, may_be_several
from agent.engine import catalogue
from agent.engine.about import About
from agent.engine.window import Assembly, Moment

if TYPE_CHECKING:
    from agent.core.tree import Tree

# What tells of this machine, not of a tree.
OWN = frozenset({"cpu", "process"})
MACHINES = {"laptop_x86": "x86_64"}


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    seconds: float = 1_000.0

    def monotonic_nanoseconds(self) -> int:
        return round(self.seconds * NANOSECONDS)

    def wall_seconds(self) -> float:
        return self.seconds


def window_of(tree: Tree, machine: str) -> dict[str, Any]:
    """Return the window of a board whose files do not change for two seconds."""
    board = recognise(tree, machine)
    clock = Clock()
    surroundings = Surroundings(board=tree, machine=tree, clock=clock, clock_is_measured=board.clock_is_measured)
    kinds = {name: kind for name, kind in catalogue.kinds().items() if name not in OWN and not may_be_several(kind)}
    about = About(
        site="lab",
        device="golden",
        identity_source="configuration",
        version="0",
        board=board,
        os="o",
        kernel="k",
        machine=machine,
        python="3",
        boot_id="b",
        source_root=None,
    )
    assembly = Assembly(
        about, {metric.name: metric.fold for kind in kinds.values() for metric in kind.METRICS}, {}, shared_core=False
    )
    assembly.begin(clock.monotonic_nanoseconds())
    found = {}
    for name, kind in kinds.items():
        try:
            found[name] = kind.find(kind.Config(), surroundings)
        except Absent:
            continue
    for _ in range(2):
        clock.seconds += 1.0
        for name, source in found.items():
            try:
                reads = source.read()
            except (Absent, SensorFault) as error:
                reads = Reads(faults=(Fault(name="", reason=str(error)),))
            assembly.sample(Sample(sensor=name, at_seconds=clock.seconds, reads=reads))
    moment = Moment(monotonic_nanoseconds=clock.monotonic_nanoseconds(), wall_seconds=clock.seconds, clock_synced=False)
    wire = msgspec.json.encode(assembly.close(moment, {}, (), partial=False))
    assert len(wire) < MOST_BYTES
    document: dict[str, Any] = json.loads(wire)
    for health in document["sensors"].values():
        del health["seconds_per_read"], health["cpu_seconds"]
    return document


@pytest.mark.parametrize("name", names())
def test_a_board_is_shown_as_what_it_is(name: str, tmp_path: Path) -> None:
    with planted(name, tmp_path) as tree:
        document = window_of(tree, MACHINES.get(name, "aarch64"))
    assert document == json.loads((TREES / name / "window.json").read_text())


def write() -> None:
    """Write every golden window anew."""
    for name in names():
        with tempfile.TemporaryDirectory() as folder, planted(name, Path(folder)) as tree:
            document = window_of(tree, MACHINES.get(name, "aarch64"))
        (TREES / name / "window.json").write_text(json.dumps(document, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    write()
