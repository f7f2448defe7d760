"""A stored message as it goes out: with the device's name, its stream and its number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from agent.publish.spool import Row

# Every body begins with its version, and the stamp goes right behind it.
_HEAD: Final = b'{"v":1,'


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """What is stamped when a message is sent, not when it is stored."""

    site: str
    device: str
    boot_id: str


def stamped(row: Row, name: Name, *, historical: bool) -> bytes:
    """Return the message of a row as JSON.

    The stored text is not parsed: fields that another version of emberd wrote pass unchanged.
    """
    if not row.body.startswith(_HEAD):
        raise ValueError(f"message {row.seq} does not begin with its version")
    stamp = {"site": name.site, "device": name.device, "stream": row.stream, "seq": row.seq}
    late = b'"historical":true,' if historical else b""
    return _HEAD + msgspec.json.encode(stamp)[1:-1] + b"," + late + row.body[len(_HEAD) :]
