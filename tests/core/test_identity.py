from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from agent.core.errors import Absent
from agent.core.identity import Identity, identify
from agent.core.tree import Tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Plant = Callable[[dict[str, str | bytes]], Tree]

SERIAL = {"proc/device-tree/serial-number": b"10000000a1b2c3d4\0"}
MACHINE_ID = {"etc/machine-id": "0123456789abcdef0123456789abcdef\n"}


def card(name: str, address: str = "2c:cf:67:01:02:03", kind: str = "1", assigned: str = "0") -> dict[str, str]:
    folder = f"sys/class/net/{name}"
    return {f"{folder}/address": f"{address}\n", f"{folder}/type": f"{kind}\n", f"{folder}/addr_assign_type": f"{assigned}\n"}


@pytest.fixture
def bare(tmp_path: Path) -> Tree:
    """Return a tree in which there is nothing."""
    return Tree(tmp_path / "bare")


def test_a_configured_id_is_taken_as_it_is(bare: Tree) -> None:
    assert identify("pi5-03", bare, bare) == Identity(device="pi5-03", source="configuration")


def test_a_serial_number_goes_before_a_mac_address_and_that_before_a_machine_id(plant: Plant, bare: Tree) -> None:
    everything = plant({**SERIAL, **card("eth0"), **MACHINE_ID})
    assert identify("auto", everything, everything).source == "serial number"
    everything.path("proc/device-tree/serial-number").unlink()
    assert identify("auto", everything, everything).source == "permanent MAC address"
    assert identify("auto", bare, everything).source == "machine id"


def test_nothing_to_make_an_id_from_is_said(bare: Tree) -> None:
    with pytest.raises(Absent, match="no serial number, no permanent MAC address and no machine id"):
        identify("auto", bare, bare)


def test_an_id_is_one_that_the_configuration_would_take(plant: Plant) -> None:
    tree = plant(SERIAL)
    assert re.fullmatch(r"[a-z0-9-]{3,48}", identify("auto", tree, tree).device)


def test_an_id_does_not_change_between_versions(plant: Plant, bare: Tree) -> None:
    """These are kept for good: another id would make another device of every one in the field."""
    assert identify("auto", plant(SERIAL), bare).device == "em-9d468d598b54afb5"


def test_an_id_says_nothing_of_what_it_is_made_from(plant: Plant, bare: Tree) -> None:
    device = identify("auto", plant({**SERIAL}), bare).device
    assert "a1b2c3d4" not in device


def test_the_same_secret_from_two_sources_makes_two_ids(plant: Plant, bare: Tree) -> None:
    tree = plant({"proc/device-tree/serial-number": MACHINE_ID["etc/machine-id"], **MACHINE_ID})
    by_serial, by_machine = identify("auto", tree, bare), identify("auto", bare, tree)
    assert (by_serial.source, by_machine.source) == ("serial number", "machine id")
    assert by_serial.device != by_machine.device


@pytest.mark.parametrize("serial", [b"", b"\0", b"0000000000000000\0", b"\xff\xff"])
def test_a_serial_number_of_nothing_is_none(plant: Plant, serial: bytes) -> None:
    tree = plant({"proc/device-tree/serial-number": serial, **MACHINE_ID})
    assert identify("auto", tree, tree).source == "machine id"


def test_the_serial_number_is_looked_for_in_sys_too(plant: Plant, bare: Tree) -> None:
    here = plant({"sys/firmware/devicetree/base/serial-number": b"10000000a1b2c3d4\0"})
    assert identify("auto", here, bare).device == "em-9d468d598b54afb5"


@pytest.mark.parametrize(
    "unusable",
    [
        card("lo", "00:00:00:00:00:00", kind="772"),
        card("docker0", "02:42:ac:11:00:02", assigned="1"),
        card("eth0", assigned="3"),
        card("eth0", "06:00:00:00:00:01"),
        card("eth0", "00:00:00:00:00:00"),
        card("eth0", "ff:ff:ff:ff:ff:ff"),
        card("can0", "", kind="280"),
        card("eth0", "2c:cf:67"),
        card("eth0", "zz:cf:67:01:02:03"),
        card("eth0", kind="one"),
        {"sys/class/net/eth0/address": "2c:cf:67:01:02:03"},
        {"sys/class/net/bonding_masters": ""},
    ],
    ids=[
        "loopback",
        "random",
        "set",
        "local",
        "zero",
        "broadcast",
        "no ethernet",
        "short",
        "no number",
        "bad type",
        "no type",
        "file",
    ],
)
def test_an_address_that_is_not_permanent_and_its_own_is_passed_over(plant: Plant, unusable: dict[str, str]) -> None:
    tree = plant({**unusable, **MACHINE_ID})
    assert identify("auto", tree, tree).source == "machine id"


def test_the_first_card_by_number_counts_whatever_else_is_plugged_in(plant: Plant, bare: Tree) -> None:
    alone = identify("auto", plant(card("eth2", "2c:cf:67:00:00:02")), bare)
    assert identify("auto", plant(card("eth10", "2c:cf:67:00:00:10")), bare) == alone


def test_an_interface_with_an_odd_name_does_not_stop_the_device(plant: Plant) -> None:
    tree = plant({**card("²"), **card("eth0")})
    assert identify("auto", tree, tree).source == "permanent MAC address"


def test_the_machine_id_may_stand_where_dbus_keeps_it(plant: Plant, bare: Tree) -> None:
    tree = plant({"var/lib/dbus/machine-id": MACHINE_ID["etc/machine-id"], "etc/machine-id": ""})
    assert identify("auto", bare, tree).source == "machine id"


def test_a_machine_id_that_was_never_set_is_none(plant: Plant, bare: Tree) -> None:
    """An image that is to be cloned carries the word `uninitialized`: machine-id(5). All its clones would be one device."""
    with pytest.raises(Absent):
        identify("auto", bare, plant({"etc/machine-id": "uninitialized\n"}))
