"""Who this device is, without giving away what its identity is made of."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault

if TYPE_CHECKING:
    from agent.core.tree import Tree

# Keyed, so that a device id cannot be matched with a serial number or MAC address seen elsewhere without knowing emberd's key,
# and so that another program that hashes the same number gets another id (as sd_id128_get_machine_app_specific(3) does).
_KEY: Final = b"emberd device identity, version 1"
_SERIALS: Final = ("proc/device-tree/serial-number", "sys/firmware/devicetree/base/serial-number")
# Ethernet and Wi-Fi, linux/if_arp.h; NET_ADDR_PERM, linux/netdevice.h.
_ARPHRD_ETHER: Final = 1
_PERMANENT: Final = 0
_LOCALLY_ADMINISTERED: Final = 0x02


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A device's name in the fleet, and what it was made from."""

    device: str
    source: str


def identify(configured: str, board: Tree, machine: Tree) -> Identity:
    """Return the configured id, or one made from the first of: serial number, permanent MAC address, machine id.

    Raises:
        Absent: `auto`, and the machine has none of the three.
    """
    if configured != "auto":
        return Identity(device=configured, source="configuration")
    for source, secret in (
        ("serial number", _serial(board)),
        ("permanent MAC address", _permanent_mac(board)),
        ("machine id", _machine_id(machine)),
    ):
        if secret:
            digest = hmac.new(_KEY, f"{source}:{secret}".encode(), hashlib.sha256).hexdigest()
            return Identity(device=f"em-{digest[:16]}", source=source)
    raise Absent("this machine has no serial number, no permanent MAC address and no machine id", mend="set device.id")


def _machine_id(machine: Tree) -> str | None:
    for path in ("etc/machine-id", "var/lib/dbus/machine-id"):
        found = machine.text_or_none(path)
        # An image that was never started says `uninitialized`: machine-id(5).
        if found and found != "uninitialized":
            return found
    return None


def _serial(board: Tree) -> str | None:
    for path in _SERIALS:
        serial = board.text_or_none(path)
        if serial and serial.strip("0"):
            return serial
    return None


def _permanent_mac(board: Tree) -> str | None:
    """Return the first permanent, globally unique address of a real network card, by the card's name."""
    try:
        cards = board.names("sys/class/net")
    except SensorFault:
        return None
    for card in cards:
        folder = f"sys/class/net/{card}"
        try:
            kind = board.integer(f"{folder}/type")
            assigned = board.integer(f"{folder}/addr_assign_type")
        except (Absent, SensorFault):
            continue
        address = board.text_or_none(f"{folder}/address") or ""
        octets = address.split(":")
        if kind != _ARPHRD_ETHER or assigned != _PERMANENT or not address.strip("0:") or len(octets) != 6:  # noqa: PLR2004
            continue
        try:
            local = int(octets[0], 16) & _LOCALLY_ADMINISTERED
        except ValueError:
            continue
        if not local:
            return address
    return None
