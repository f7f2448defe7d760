"""What a board is called, what it is, and which of its figures can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.boards import jetson, preference, raspberry
from agent.core.errors import Absent, SensorFault

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.core.tree import Tree

RASPBERRY_PI: Final = "raspberry-pi"
JETSON: Final = "jetson"
X86: Final = "x86"
GENERIC: Final = "generic"

_TREES: Final = ("proc/device-tree", "sys/firmware/devicetree/base")
_DMI: Final = "sys/class/dmi/id"
_CPUFREQ: Final = "sys/devices/system/cpu/cpufreq"
_HERTZ_PER_KILOHERTZ: Final = 1000
_X86_MACHINES: Final = frozenset({"x86_64", "i686", "i586", "i486", "i386"})
# x86 kernels report the clock from the APERF and MPERF counters: arch/x86/kernel/cpu/aperfmperf.c.
_MEASURED_MACHINES: Final = frozenset({"x86_64", "i686"})
# What makers leave in DMI fields when they have nothing to say.
_EMPTY_WORDS: Final = frozenset({"", "to be filled by o.e.m.", "default string", "system product name", "not specified", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board as far as it was recognised. One that nobody knows works with what it has.

    Attributes:
        name: as the board calls itself, else the machine's architecture.
        clock_is_measured: `scaling_cur_freq` is a measured clock. On a Raspberry Pi and on a Jetson it is only what was asked for.
        family: `raspberry-pi`, `jetson`, `x86` or `generic`.
        model: `rpi5`, `rpi-zero2`, `orin-nano`, `agx-xavier`; empty where it is not known.
        l4t: the release of L4T on a Jetson, such as `36.4.4`.
        jetpack: the JetPack it belongs to, such as `6.2.1`, or only its generation.
        max_clock_hertz: the highest clock that any of its CPU cores can be asked for.
        soc_temperatures: names, as patterns, of temperatures that stand for the SoC, best first.
        input_rails: names, as patterns, of powers of the one rail that feeds the whole board, best first.
        true_clocks: names, as patterns, of clocks at which the CPU really runs.
    """

    name: str
    clock_is_measured: bool
    family: str = GENERIC
    model: str = ""
    l4t: str | None = None
    jetpack: str | None = None
    max_clock_hertz: float | None = None
    soc_temperatures: tuple[str, ...] = preference.SOC_GENERIC
    input_rails: tuple[str, ...] = preference.INPUT
    true_clocks: tuple[str, ...] = ()

    def choose_soc(self, names: Iterable[str]) -> str | None:
        """Return which of a window's temperatures is the SoC's."""
        return preference.choose(self.soc_temperatures, names)

    def choose_input(self, names: Iterable[str]) -> str | None:
        """Return which of a window's powers is what the whole board takes in; None where none is."""
        return preference.choose(self.input_rails, names)

    def choose_true_clocks(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return which of a window's clocks are those at which the CPU really runs."""
        every = tuple(names)
        return tuple(name for name in every if preference.choose(self.true_clocks, (name,)))


def recognise(tree: Tree, machine: str) -> Board:
    """Return the board whose files are in a tree; `machine` is the architecture as uname(2) names it."""
    model = _said(tree, "model")
    compatible = _said(tree, "compatible")
    has_tree = bool(model or compatible)
    name = model or _dmi_name(tree) or machine
    clock = _max_clock_hertz(tree)
    said = f"{model} {compatible}".lower()
    if raspberry.is_one(said):
        return Board(
            name=name,
            clock_is_measured=False,
            family=RASPBERRY_PI,
            model=raspberry.model(model),
            max_clock_hertz=clock,
            soc_temperatures=preference.SOC_RASPBERRY_PI,
            input_rails=preference.INPUT_RASPBERRY_PI,
            true_clocks=("rpi.arm",),
        )
    if jetson.is_one(tree, said):
        l4t = jetson.release(tree)
        key = jetson.model(compatible, model)
        return Board(
            name=name,
            clock_is_measured=False,
            family=JETSON,
            model=key,
            l4t=l4t,
            jetpack=jetson.jetpack(l4t),
            max_clock_hertz=clock,
            soc_temperatures=preference.SOC_JETSON,
            input_rails=preference.INPUT_THOR if key == "thor" else preference.INPUT,
            true_clocks=("jetson.policy*",),
        )
    if machine in _X86_MACHINES and not has_tree:
        measured = machine in _MEASURED_MACHINES
        return Board(
            name=name,
            clock_is_measured=measured,
            family=X86,
            max_clock_hertz=clock,
            soc_temperatures=preference.SOC_X86,
            true_clocks=("cpufreq.policy*",) if measured else (),
        )
    return Board(name=name, clock_is_measured=False, max_clock_hertz=clock)


def _said(tree: Tree, name: str) -> str:
    """Return what the device tree says; several words, each ended by a zero byte, become words between blanks."""
    text = next((text for text in (tree.text_or_none(f"{folder}/{name}") for folder in _TREES) if text), "")
    return text.replace("\0", " ")


def _dmi_name(tree: Tree) -> str:
    words = [tree.text_or_none(f"{_DMI}/{field}") or "" for field in ("sys_vendor", "product_name")]
    return " ".join(word for word in words if word.lower() not in _EMPTY_WORDS)


def _max_clock_hertz(tree: Tree) -> float | None:
    clocks = []
    try:
        policies = tree.names(_CPUFREQ)
    except SensorFault:
        return None
    for policy in policies:
        try:
            clocks.append(tree.integer(f"{_CPUFREQ}/{policy}/cpuinfo_max_freq"))
        except (Absent, SensorFault):
            continue
    highest = max(clocks, default=0)
    return float(highest * _HERTZ_PER_KILOHERTZ) if highest > 0 else None
