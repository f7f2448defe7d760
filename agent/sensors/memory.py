"""The board's memory: `proc/meminfo`, in KiB. Source: proc_meminfo(5)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.record import Reading, Reads
from agent.core.sensor import SensorConfig, Surroundings
from agent.core.units import Seconds

if TYPE_CHECKING:
    from agent.core.tree import Tree

METRICS = (
    Metric(
        name="memory_bytes",
        fold=Fold.LAST,
        describes="`total`, `available` without swapping, and `swap_used`.",
    ),
)

_FILE: Final = "proc/meminfo"
_FIELDS: Final = re.compile(r"^(MemTotal|MemAvailable|SwapTotal|SwapFree):\s+(\d{1,20}) kB$", re.MULTILINE)
_BYTES_PER_KIBIBYTE: Final = 1024


class Config(SensorConfig, frozen=True, kw_only=True):
    """Memory of the whole board."""

    period: Seconds = Seconds(2)


def find(config: SensorConfig, surroundings: Surroundings) -> BoardMemory:  # noqa: ARG001 - same for every sensor
    """Return the board's memory; raises `Absent` where the tree does not tell it."""
    if not surroundings.board.path(_FILE).exists():
        raise Absent("no proc/meminfo")
    return BoardMemory(surroundings.board)


class BoardMemory:
    """Memory of the whole board."""

    def __init__(self, tree: Tree) -> None:
        """Take the tree that holds `proc/meminfo`."""
        self._tree = tree

    def read(self) -> Reads:
        """Return what the file tells; raises `SensorFault` when it tells nothing."""
        try:
            found = parse(self._tree.text(_FILE))
        except Absent as error:
            raise SensorFault("proc/meminfo is gone") from error
        if not found:
            raise SensorFault("proc/meminfo tells nothing")
        return Reads(readings=tuple(Reading(metric="memory_bytes", name=name, value=value) for name, value in found.items()))


def parse(text: str) -> dict[str, float]:
    """Return bytes by name from the text of meminfo. Lines it does not know, or that are no numbers, are passed over."""
    fields = {key: int(kibibytes) * _BYTES_PER_KIBIBYTE for key, kibibytes in _FIELDS.findall(text)}
    found = {}
    if "MemTotal" in fields:
        found["total"] = float(fields["MemTotal"])
    if "MemAvailable" in fields:
        found["available"] = float(fields["MemAvailable"])
    if "SwapTotal" in fields and "SwapFree" in fields:
        found["swap_used"] = float(fields["SwapTotal"] - fields["SwapFree"])
    return found
