"""What only a Jetson has: over-current counters, clocks of GPU and memory, the measured CPU clock, the power mode.

Source: drivers/cpufreq/tegra194-cpufreq.c; tegra234-oc-event.c and the "Platform Power and Performance" chapter of NVIDIA's
developer guide; jetson_stats for where the files are.

- `soctherm_oc` hwmon, `oc1_event_cnt`...: how often the hardware cut the clock because of too much current or too little voltage,
  since boot. Each takes about a millisecond, and an idle board in its highest mode has several a second: a counter above 0 says
  nothing, its rate does. What 1, 2 and 3 stand for differs between boards
- devfreq `cur_freq` of the GPU, in Hz: as the clock was set. No over-current shows in it
- GPU `load`, in thousandths; Thor has none
- memory clock `emc/rate`, in Hz: in debugfs, for root alone
- `cpuinfo_cur_freq`, in kHz, for root alone: counted from the core's own cycles, and so below `scaling_cur_freq` while the hardware
  throttles. From Xavier on the driver spends half a millisecond of that core on it, takes what is within 115 MHz of the clock
  it set for that clock, and writes a line into the kernel's log where it is not: it has a period of its own
- power mode: see `_nvpmodel`

What root alone may read is absent for everybody else, which is no fault.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.record import Fault, Label, Reading, Reads
from agent.core.sensor import SensorConfig, Surroundings
from agent.core.units import Seconds
from agent.sensors._nvpmodel import PowerMode

if TYPE_CHECKING:
    from agent.core.tree import Tree

METRICS = (
    Metric(
        name="over_current_total",
        fold=Fold.LAST,
        describes="Times since boot that the hardware cut the clock for the supply's sake, by counter.",
    ),
    Metric(
        name="frequency_hertz",
        fold=Fold.GAUGE,
        describes="`policyN`: measured clock of a CPU frequency domain. `gpu`, `emc`: clocks as they are set, before over-current.",
    ),
    Metric(name="load_ratio", fold=Fold.GAUGE, describes="`gpu`: share of the time the GPU was busy."),
)

_RELEASE: Final = "etc/nv_tegra_release"
_TREES: Final = ("proc/device-tree", "sys/firmware/devicetree/base")
_HWMON: Final = "sys/class/hwmon"
_OC_HWMON: Final = "sys/devices/platform/soctherm-oc-event/hwmon"
_OC: Final = re.compile(r"(oc\d)_event_cnt")
_DEVFREQ: Final = "sys/class/devfreq"
# 17000000.gpu (Orin), 17000000.ga10b (Orin, JetPack 5), .gv11b (Xavier), .gp10b (TX2), 57000000.gpu (Nano, TX1), gpu-gpc-0 (Thor).
_GPU: Final = re.compile(r"(?:.*\.)?(?:gpu|g[a-z]\d\d[ab])|gpu-gpc-\d+")
_GPU_LOADS: Final = (
    "sys/devices/platform/gpu.0/load",
    "sys/devices/gpu.0/load",
    "sys/devices/platform/bus@0/17000000.gpu/load",
)
_EMC: Final = ("sys/kernel/debug/bpmp/debug/clk/emc/rate", "sys/kernel/debug/clk/override.emc/clk_rate")
_CPUFREQ: Final = "sys/devices/system/cpu/cpufreq"
_REDISCOVER_READS: Final = 60


class Config(SensorConfig, frozen=True, kw_only=True):
    """A Jetson's own figures: over-current events, measured CPU clock, GPU, memory clock, power mode."""

    clock_period: Annotated[
        Seconds, msgspec.Meta(description="How often the CPU's clock is measured, which takes half a millisecond of each core.")
    ] = Seconds(5)

    def __post_init__(self) -> None:
        """Refuse periods that nothing can be read at."""
        super().__post_init__()
        if not 0.1 <= self.clock_period <= 3600:  # noqa: PLR2004 - 100 ms to 1 h
            raise ValueError(f"clock_period {self.clock_period} is not between 100 ms and 1 h")


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A figure that stands in a file: how many of the metric's unit one of the file's is, and what it is between."""

    metric: str
    name: str
    path: str
    unit: float = 1.0
    least: int = 0
    most: int = 2**63
    is_slow: bool = False

    def read(self, tree: Tree) -> Reading:
        number = tree.integer(self.path)
        if not self.least <= number <= self.most:
            raise SensorFault(f"implausible {number}")
        return Reading(metric=self.metric, name=self.name, value=number * self.unit)


def find(config: Config, surroundings: Surroundings) -> Jetson:
    """Return the board's own figures; raises `Absent` where it is no Jetson, or shows none of them."""
    board = surroundings.board
    if not _is_jetson(board):
        raise Absent("not a Jetson")
    asked = PowerMode(surroundings)
    mode: PowerMode | None = asked
    try:
        asked.read()
    except Absent:
        mode = None
    except SensorFault:
        # It has modes. Asked anew with the first reading, which then says what is wrong with them.
        mode = PowerMode(surroundings)
    files = _files(board)
    if not files and mode is None:
        raise Absent("a Jetson that shows none of its own figures", mend="run emberd outside of a container")
    return Jetson(config, surroundings, files, mode)


class Jetson:
    """The figures of one board."""

    def __init__(self, config: Config, surroundings: Surroundings, files: tuple[_File, ...], mode: PowerMode | None) -> None:
        """Take the files that were found, and the power mode where there is one."""
        self._config = config
        self._surroundings = surroundings
        self._files = {(file.metric, file.name): file for file in files}
        self._mode = mode
        self._clocks_at_seconds = 0.0
        self._reads = 0

    def read(self) -> Reads:
        """Return every figure that is there."""
        board = self._surroundings.board
        self._reads += 1
        if self._reads % _REDISCOVER_READS == 0:
            # Files that were there stay listed, so that one that vanished keeps counting as a fault.
            self._files = {(file.metric, file.name): file for file in _files(board)} | self._files
        now = self._surroundings.clock.monotonic_nanoseconds() / 1e9
        clocks = now >= self._clocks_at_seconds
        if clocks:
            self._clocks_at_seconds = now + self._config.clock_period
        readings = []
        faults = []
        for file in self._files.values():
            if file.is_slow and not clocks:
                continue
            try:
                readings.append(file.read(board))
            except (Absent, SensorFault) as error:
                faults.append(Fault(name=file.name, reason=str(error)))
        labels = self._labels(faults)
        return Reads(readings=tuple(readings), labels=labels, faults=tuple(faults))

    def _labels(self, faults: list[Fault]) -> tuple[Label, ...]:
        if self._mode is None:
            return ()
        try:
            name = self._mode.read()
        except (Absent, SensorFault) as error:
            faults.append(Fault(name="power_mode", reason=str(error)))
            return ()
        return (Label(metric="power_mode", text=name),) if name else ()


def _is_jetson(tree: Tree) -> bool:
    if tree.text_or_none(_RELEASE):
        return True
    said = " ".join(tree.text_or_none(f"{folder}/{name}") or "" for folder in _TREES for name in ("compatible", "model")).lower()
    return "nvidia,tegra" in said or "jetson" in said


def _files(tree: Tree) -> tuple[_File, ...]:
    """Return the figures that are there and may be read."""
    return (*_over_currents(tree), *_gpu(tree), *_memory(tree), *_cpu_clocks(tree))


def _over_currents(tree: Tree) -> list[_File]:
    folders = [f"{_HWMON}/{chip}" for chip in _names(tree, _HWMON)]
    folders = [folder for folder in folders if tree.text_or_none(f"{folder}/name") == "soctherm_oc"]
    folders += [f"{_OC_HWMON}/{name}" for name in _names(tree, _OC_HWMON)]
    for folder in folders:
        counters = [(match[1], file) for file in _names(tree, folder) if (match := _OC.fullmatch(file))]
        if counters:
            return [_File(metric="over_current_total", name=name, path=f"{folder}/{file}") for name, file in counters]
    return []


def _gpu(tree: Tree) -> list[_File]:
    """Return clock and load of the GPU; of its parts (Thor) the first."""
    device = next((name for name in _names(tree, _DEVFREQ) if _GPU.fullmatch(name)), None)
    clocks = [] if device is None else [f"{_DEVFREQ}/{device}/cur_freq"]
    loads = [*([] if device is None else [f"{_DEVFREQ}/{device}/device/load"]), *_GPU_LOADS]
    return [
        *(_File(metric="frequency_hertz", name="gpu", path=path) for path in _first(tree, clocks)),
        *(_File(metric="load_ratio", name="gpu", path=path, unit=1e-3, most=1000) for path in _first(tree, loads)),
    ]


def _memory(tree: Tree) -> list[_File]:
    return [_File(metric="frequency_hertz", name="emc", path=path, least=1) for path in _first(tree, _EMC)]


def _cpu_clocks(tree: Tree) -> list[_File]:
    policies = [name for name in _names(tree, _CPUFREQ) if name.startswith("policy")]
    return [
        _File(metric="frequency_hertz", name=policy, path=path, unit=1e3, least=1, is_slow=True)
        for policy in policies
        for path in _first(tree, [f"{_CPUFREQ}/{policy}/cpuinfo_cur_freq"])
    ]


def _first(tree: Tree, paths: list[str] | tuple[str, ...]) -> list[str]:
    """Return the first of some files that can be read; nothing where none can."""
    return next(([path] for path in paths if tree.text_or_none(path) is not None), [])


def _names(tree: Tree, folder: str) -> tuple[str, ...]:
    try:
        return tree.names(folder)
    except SensorFault:
        return ()
