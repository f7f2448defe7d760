"""What an NVIDIA Jetson is: which one, which L4T runs on it, which JetPack that belongs to.

Source: `etc/nv_tegra_release`; the device tree's `compatible`, in which a module stands by its part number whatever the carrier
board; NVIDIA's JetPack archive for the releases.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from agent.core.tree import Tree

_RELEASE: Final = re.compile(r"# R(\d{1,3}) \(release\), REVISION: (\d{1,3}(?:\.\d{1,3})*)")
# Part number of the module → key. A longer number says more and stands first.
_MODULES: Final = (
    ("p3767-0000", "orin-nx"),
    ("p3767-0001", "orin-nx"),
    ("p3767-0002", "orin-nx"),
    ("p3767", "orin-nano"),
    ("p3834", "thor"),
    ("p3701", "agx-orin"),
    ("p3668", "xavier-nx"),
    ("p2888", "agx-xavier"),
    ("p2972", "agx-xavier"),
    ("p3636", "tx2-nx"),
    ("p3310", "tx2"),
    ("p3489", "tx2"),
    ("p2771", "tx2"),
    ("p2180", "tx1"),
    ("p2371", "tx1"),
    ("p3448", "jetson-nano"),
    ("p3450", "jetson-nano"),
)
# For boards whose tree has a name alone. A longer name stands before the shorter one that is in it.
_WORDS: Final = (
    ("thor", "thor"),
    ("orin nano", "orin-nano"),
    ("orin nx", "orin-nx"),
    ("orin", "agx-orin"),
    ("xavier nx", "xavier-nx"),
    ("xavier", "agx-xavier"),
    ("agx", "agx-xavier"),
    ("tx2 nx", "tx2-nx"),
    ("tx2", "tx2"),
    ("quill", "tx2"),
    ("tx1", "tx1"),
    ("nano", "jetson-nano"),
)
# L4T → JetPack, of the releases that NVIDIA's archive pairs one to one. Others belong to their generation, and no more is said.
_JETPACKS: Final = {
    "28.1.0": "3.1",
    "28.2.0": "3.2",
    "28.4.0": "3.3.3",
    "32.1.0": "4.2",
    "32.2.0": "4.2.1",
    "32.2.1": "4.2.2",
    "32.2.3": "4.2.3",
    "32.3.1": "4.3",
    "32.4.3": "4.4",
    "32.4.4": "4.4.1",
    "32.5.0": "4.5",
    "32.5.1": "4.5.1",
    "32.6.1": "4.6",
    "32.7.1": "4.6.1",
    "32.7.2": "4.6.2",
    "32.7.3": "4.6.3",
    "32.7.4": "4.6.4",
    "32.7.5": "4.6.5",
    "32.7.6": "4.6.6",
    "35.1.0": "5.0.2",
    "35.2.1": "5.1",
    "35.3.1": "5.1.1",
    "35.4.1": "5.1.2",
    "35.5.0": "5.1.3",
    "35.6.0": "5.1.4",
    "35.6.1": "5.1.5",
    "36.3.0": "6.0",
    "36.4.0": "6.1",
    "36.4.3": "6.2",
    "36.4.4": "6.2.1",
    "36.4.7": "6.2.1",
    "38.2.0": "7.0",
    "38.4.0": "7.1",
    "39.2.0": "7.2",
}
_GENERATIONS: Final = {"24": "2", "28": "3", "31": "4", "32": "4", "34": "5", "35": "5", "36": "6", "38": "7", "39": "7"}


def is_one(tree: Tree, said: str) -> bool:
    """Return whether a tree is a Jetson's; `said` is what its device tree calls itself, in lower case."""
    return release(tree) is not None or "nvidia,tegra" in said or "jetson" in said


def release(tree: Tree) -> str | None:
    """Return the release of L4T, such as `36.4.4`."""
    match = _RELEASE.search(tree.text_or_none("etc/nv_tegra_release") or "")
    return f"{match[1]}.{match[2]}" if match else None


def jetpack(l4t: str | None) -> str | None:
    """Return the JetPack that a release of L4T belongs to: `6.2.1`, or only `6` where no more is certain."""
    if l4t is None:
        return None
    whole = l4t if l4t.count(".") > 1 else f"{l4t}.0"
    return _JETPACKS.get(whole) or _GENERATIONS.get(l4t.partition(".")[0])


def model(compatible: str, name: str) -> str:
    """Return the key of a board by its part number, else by its name; empty where neither is known."""
    by_number = next((key for number, key in _MODULES if number in compatible.lower()), "")
    words = name.lower().replace("_", " ").replace("-", " ")
    return by_number or next((key for word, key in _WORDS if word in words), "")
