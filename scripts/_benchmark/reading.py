"""`python -m _benchmark.reading RING CORE`: reads a ring every 0.5 s until its standard input ends, as the monitor does."""

from __future__ import annotations

import os
import select
import sys
from typing import Final

from agent.core import ring
from agent.core.ring import RingReader

_EVERY_SECONDS: Final = 0.5


def main(descriptor: int, core: int) -> None:
    """Read, and at the end print how many records were read and how many lost."""
    os.sched_setaffinity(0, (core,))
    reader = RingReader(ring.attach(descriptor))
    read = lost = 0
    ends = False
    while not ends:
        ends = bool(select.select([sys.stdin], [], [], _EVERY_SECONDS)[0])
        records = reader.read()
        read += len(records)
        lost += records.lost
    sys.stdout.write(f"{read} {lost}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
