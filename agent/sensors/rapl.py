"""Energy that x86 processors count themselves: `sys/class/powercap/intel-rapl:*/energy_uj`, in microjoules.

Source: Documentation/power/powercap/powercap.rst, drivers/powercap/intel_rapl_common.c. Each domain has a `name`: package-0, and
below it core, uncore and dram; psys is the whole platform. A domain is part of the one above it (dram and psys aside): they are
never added, and are called `package-0.core`. The counter begins anew at `max_energy_range_uj` (262 kJ: 45 min at 100 W).
`intel-rapl-mmio` shows the same package a second time and is left out. Since Linux 5.10 only root may read the counters, as they
give away what others compute (CVE-2020-8694).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.sensor import SensorConfig, Surroundings
from agent.sensors._channel import Channel, Channels
from agent.sensors._names import Candidate, clean, told_apart

if TYPE_CHECKING:
    from agent.core.tree import Tree

METRICS = (
    Metric(
        name="energy_joules_total",
        fold=Fold.INCREASE,
        describes="Energy of each processor package and, within it, of its parts. Parts are not to be added to their package.",
    ),
)

_FOLDER: Final = "sys/class/powercap"
_DOMAIN: Final = re.compile(r"intel-rapl(?::\d+)+")
_MICROJOULES_PER_JOULE: Final = 1_000_000
_MOST_DOMAINS: Final = 40


class Config(SensorConfig, frozen=True, kw_only=True):
    """Energy counters of x86 processors."""


def find(config: SensorConfig, surroundings: Surroundings) -> Channels:  # noqa: ARG001 - same for every sensor
    """Return the counters that may be read; raises `Absent` where there are none, or none may be."""
    tree = surroundings.board
    domains = [name for name in tree.names(_FOLDER) if _DOMAIN.fullmatch(name) and _has_counter(tree, name)]
    if not domains:
        raise Absent("no RAPL energy counters")
    readable = [name for name in domains if not _is_refused(tree, name)]
    if not readable:
        raise Absent(
            "RAPL energy counters are for root alone",
            mend="at boot, `chgrp emberd` and `chmod g+r` /sys/class/powercap/intel-rapl:*/energy_uj, or run as root",
        )
    names = _names(tree, domains)
    return Channels(tree, (_channel(tree, name, names[name]) for name in readable[:_MOST_DOMAINS]), as_one=True)


def _has_counter(tree: Tree, domain: str) -> bool:
    return tree.path(f"{_FOLDER}/{domain}/energy_uj").exists()


def _is_refused(tree: Tree, domain: str) -> bool:
    try:
        tree.integer(f"{_FOLDER}/{domain}/energy_uj")
    except Absent:
        return False
    except SensorFault as error:
        return str(error).startswith(("EACCES", "EPERM"))
    return False


def _names(tree: Tree, domains: list[str]) -> dict[str, str]:
    """Return domain → name: its own after those of the domains that it is part of."""
    candidates = []
    for domain in domains:
        numbers = domain.split(":")
        line = [":".join(numbers[:count]) for count in range(2, len(numbers) + 1)]
        name = ".".join(clean(tree.text_or_none(f"{_FOLDER}/{above}/name")) or above for above in line)
        candidates.append(Candidate(identity=domain, names=(name, f"{name}.{domain}")))
    return told_apart(candidates, {})


def _channel(tree: Tree, domain: str, name: str) -> Channel:
    try:
        wraps_at = max(tree.integer(f"{_FOLDER}/{domain}/max_energy_range_uj"), 0)
    except (Absent, SensorFault):
        wraps_at = 0
    return Channel(
        metric="energy_joules_total",
        name=name,
        files=(f"{_FOLDER}/{domain}/energy_uj",),
        per_unit=_MICROJOULES_PER_JOULE,
        highest=wraps_at / _MICROJOULES_PER_JOULE if wraps_at else None,
        wraps_at=wraps_at,
    )
