"""What a board is called and which of its figures can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.core.tree import Tree

_MODELS: Final = ("proc/device-tree/model", "sys/firmware/devicetree/base/model")
_DMI: Final = "sys/class/dmi/id"
# What makers leave in DMI fields when they have nothing to say.
_EMPTY_WORDS: Final = frozenset({"", "to be filled by o.e.m.", "default string", "system product name", "not specified", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A board as far as it was recognised.

    Attributes:
        name: as the board calls itself, else the machine's architecture.
        clock_is_measured: `scaling_cur_freq` is a measured clock. On a Raspberry Pi and on a Jetson it is only what was asked for.
    """

    name: str
    clock_is_measured: bool


def recognise(tree: Tree, machine: str) -> Board:
    """Return the board whose files are in a tree; `machine` is the architecture as uname(2) names it."""
    for path in _MODELS:
        model = tree.text_or_none(path)
        if model:
            return Board(name=model, clock_is_measured=False)
    words = [tree.text_or_none(f"{_DMI}/{field}") or "" for field in ("sys_vendor", "product_name")]
    named = " ".join(word for word in words if word.lower() not in _EMPTY_WORDS)
    # x86 kernels report the clock from the APERF and MPERF counters: arch/x86/kernel/cpu/aperfmperf.c.
    return Board(name=named or machine, clock_is_measured=machine in {"x86_64", "i686"})
