"""CPU clocks: `sys/devices/system/cpu/cpufreq/policy*/`, in kHz.

Source: Documentation/admin-guide/pm/cpufreq.rst. `scaling_cur_freq` is the clock that was asked for on a Raspberry Pi and on a
Jetson, and stays there while the hardware throttles; on x86 it is measured. Which one it is comes from the board.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.record import Fault, Label, Reading, Reads
from agent.core.sensor import SensorConfig, Surroundings

if TYPE_CHECKING:
    from agent.core.tree import Tree

METRICS = (
    Metric(
        name="frequency_hertz",
        fold=Fold.GAUGE,
        describes="Measured clock of each CPU frequency domain, where the kernel's figure is measured.",
    ),
    Metric(
        name="requested_frequency_hertz",
        fold=Fold.GAUGE,
        describes="Clock that was asked for, where the kernel knows no more than that.",
    ),
)

_FOLDER: Final = "sys/devices/system/cpu/cpufreq"
_HERTZ_PER_KILOHERTZ: Final = 1000


class Config(SensorConfig, frozen=True, kw_only=True):
    """Clocks of the CPU cores and the governor that sets them."""


def find(config: SensorConfig, surroundings: Surroundings) -> CpuClocks:  # noqa: ARG001 - same for every sensor
    """Return the board's frequency domains; raises `Absent` where there are none."""
    policies = [name for name in surroundings.board.names(_FOLDER) if name.startswith("policy")]
    if not policies:
        raise Absent("no CPU frequency scaling")
    return CpuClocks(surroundings.board, tuple(policies), measured=surroundings.clock_is_measured)


class CpuClocks:
    """Every frequency domain of a board."""

    def __init__(self, tree: Tree, policies: tuple[str, ...], *, measured: bool) -> None:
        """Take the folder names of the domains, and whether the kernel's figure is measured."""
        self._tree = tree
        self._policies = policies
        self._metric = "frequency_hertz" if measured else "requested_frequency_hertz"

    def read(self) -> Reads:
        """Return one clock for every domain, and the governor."""
        readings = []
        faults = []
        governors: dict[str, None] = {}
        for policy in self._policies:
            governor = self._tree.text_or_none(f"{_FOLDER}/{policy}/scaling_governor")
            if governor:
                governors[governor] = None
            try:
                hertz = self._hertz(policy)
            except (Absent, SensorFault) as error:
                # The kernel's answer for a domain whose cores are all switched off: drivers/cpufreq/cpufreq.c, show().
                if not str(error).startswith("EBUSY"):
                    faults.append(Fault(name=policy, reason=str(error)))
                continue
            readings.append(Reading(metric=self._metric, name=policy, value=hertz))
        labels = (Label(metric="governor", text=",".join(governors)),) if governors else ()
        return Reads(readings=tuple(readings), labels=labels, faults=tuple(faults))

    def _hertz(self, policy: str) -> float:
        kilohertz = self._tree.integer(f"{_FOLDER}/{policy}/scaling_cur_freq")
        if kilohertz <= 0:
            raise SensorFault(f"implausible {kilohertz} kHz")
        return float(kilohertz * _HERTZ_PER_KILOHERTZ)
