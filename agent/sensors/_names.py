"""Names for things the kernel numbers anew at every boot: by what they are, and told apart only where that is needed."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from agent.core.tree import Tree

# Labels come from firmware and device trees; a window has no room for a page of them.
_LONGEST: Final = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Something to be named.

    Attributes:
        identity: what stays the same of it while names and numbers change.
        names: what it may be called, from the shortest to the one that says most.
    """

    identity: str
    names: tuple[str, ...]


def told_apart(candidates: Iterable[Candidate], known: Mapping[str, str]) -> dict[str, str]:
    """Return identity → name, no two alike: each the shortest that nothing else shares. What has a name already keeps it."""
    names = dict(known)
    taken = set(known.values())
    fresh = {candidate.identity: candidate for candidate in candidates if candidate.identity not in known}
    shared = Counter(name for candidate in fresh.values() for name in set(candidate.names))
    for identity, candidate in fresh.items():
        name = next((name for name in candidate.names if shared[name] == 1 and name not in taken), None)
        number = 2
        while name is None or name in taken:
            name = f"{candidate.names[-1]}.{number}"
            number += 1
        names[identity] = name
        taken.add(name)
    return names


def clean(text: str | None) -> str:
    """Return a label as one short line, or nothing where it says nothing."""
    return "".join(letter if letter.isprintable() else "?" for letter in (text or "").strip()[:_LONGEST]).strip()


def device(tree: Tree, folder: str) -> str:
    """Return the name of the device behind a folder of `sys/class`, or the folder's own where it has none."""
    link = tree.path(f"{folder}/device")
    # realpath, because Path.resolve raises where a link leads to itself.
    return os.path.basename(os.path.realpath(link)) if link.is_symlink() else folder.rpartition("/")[2]  # noqa: PTH119
