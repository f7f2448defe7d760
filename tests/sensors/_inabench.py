"""A power monitor on a table: one chip, one bus, one clock, and the sensor that is tried on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _chips as chips

from agent.core import configfile
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.sensors import ina219, ina226, ina228, ina238, ina260, ina3221

if TYPE_CHECKING:
    from types import ModuleType

    from agent.core.record import Reads
    from agent.sensors._monitor import Monitor

KINDS: dict[str, tuple[ModuleType, type[chips.Chip]]] = {
    "ina219": (ina219, chips.Ina219),
    "ina226": (ina226, chips.Ina226),
    "ina228": (ina228, chips.Ina228),
    "ina238": (ina238, chips.Ina238),
    "ina260": (ina260, chips.Ina260),
    "ina3221": (ina3221, chips.Ina3221),
}


@dataclass
class Bench:
    """One of the sensors, `kind`, and its chip; `table` is what the configuration says of it."""

    kind: str
    table: dict[str, Any] = field(default_factory=dict)
    hand: chips.Hand = field(default_factory=chips.Hand)

    def __post_init__(self) -> None:
        self.module, make = KINDS[self.kind]
        self.config = parse(self.kind, self.table)
        self.chip: Any = make(self.hand, float(getattr(self.config, "shunt", 0.01)))
        self.wire = chips.Wire({self.config.address: self.chip})

    def sets(self, volts: float, amperes: float) -> None:
        """Let a load flow, in every channel there is."""
        self.chip.sets(volts, amperes)
        if isinstance(self.chip, chips.Ina3221):
            self.chip.loads = [(volts, amperes)] * 3

    def find(self) -> Monitor:
        tree = Tree(Path("/board"))
        return self.module.find(self.config, Surroundings(board=tree, machine=tree, clock=self.hand, bus=self.wire.open))

    def found(self) -> Monitor:
        """Return the sensor at the moment at which its chip has its first result."""
        monitor = self.find()
        self.hand.advance(monitor._chip.layout.span_seconds)
        return monitor

    @property
    def span_seconds(self) -> float:
        """From one result of the chip to the next, as the chip is set now."""
        span = self.chip.span_microseconds()
        assert span is not None
        return span / 1e6


def parse(kind: str, table: dict[str, Any]) -> Any:
    """Return a sensor's configuration from what stands in its table."""
    module, _ = KINDS[kind]
    return configfile.parse({"sensors": {kind: [table]}}, {kind: module}).sensors.tables[kind][0]


def values(reads: Reads, name: str = "vin") -> dict[str, float]:
    """Return metric → value of one rail."""
    return {reading.metric: reading.value for reading in reads.readings if reading.name == name}


def faults(reads: Reads) -> dict[str, str]:
    """Return name → reason."""
    return {fault.name: fault.reason for fault in reads.faults}
