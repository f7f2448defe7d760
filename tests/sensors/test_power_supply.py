from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest
from planting import planted, refusing

from agent.core.errors import Absent
from agent.core.sensor import Surroundings
from agent.sensors import power_supply

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.core.record import Reads
    from agent.core.tree import Tree

    Plant = Callable[[dict[str, str | bytes]], Tree]


def supply(name: str, kind: str = "Battery", **files: str | bytes) -> dict[str, str | bytes]:
    folder = f"sys/class/power_supply/{name}"
    return {f"{folder}/type": f"{kind}\n", **{f"{folder}/{file}": content for file, content in files.items()}}


def find(tree: Tree) -> power_supply.Supplies:
    return power_supply.find(power_supply.Config(), Surroundings(board=tree, machine=tree))


def everything(reads: Reads) -> dict[tuple[str, str], float]:
    return {(reading.metric, reading.name): reading.value for reading in reads.readings}


def test_a_laptops_battery_is_discharged_and_no_other_supply_is_its_own(tmp_path: Path) -> None:
    """ACPI gives amounts; `status` says which way. AC has no measure, the mouse is not the board, UCSI is an offer."""
    with planted("laptop_x86", tmp_path / "root") as tree:
        source = find(tree)
        assert everything(source.read()) == {
            ("power_watts", "BAT0"): -11.9973,
            ("voltage_volts", "BAT0"): 12.18,
            ("current_amperes", "BAT0"): -0.985,
        }
        tree.path("sys/class/power_supply/BAT0/status").write_text("Charging\n")
        assert everything(source.read())["power_watts", "BAT0"] == 11.9973


@pytest.mark.parametrize("board", ["agx_thor_jp7", "orin_nano_jp5", "agx_orin_jp6", "rpi5"])
def test_a_board_with_only_ports_of_ucsi_has_no_such_sensor(board: str, tmp_path: Path) -> None:
    with planted(board, tmp_path / "root") as tree, pytest.raises(Absent, match="no battery or supply"):
        find(tree)


@pytest.mark.parametrize(
    ("status", "shown", "amperes"),
    [
        ("Discharging", "985000", -0.985),
        ("Discharging", "-985000", -0.985),
        ("Charging", "-985000", 0.985),
        ("Charging", "985000", 0.985),
        ("Full", "0", 0.0),
        ("Not charging", "-1000", -0.001),
        ("Unknown", "1000", 0.001),
        ("", "-1000", -0.001),
    ],
)
def test_a_current_out_of_a_battery_is_negative(plant: Plant, status: str, shown: str, amperes: float) -> None:
    reads = find(plant(supply("battery", current_now=shown, status=status))).read()
    assert everything(reads) == {("current_amperes", "battery"): amperes}


def test_a_battery_that_gives_nothing_gives_a_plain_zero(plant: Plant) -> None:
    reads = find(plant(supply("battery", power_now="0", status="Discharging"))).read()
    assert str(reads.readings[0].value) == "0.0"


def test_power_is_the_drivers_own_where_it_has_one(plant: Plant) -> None:
    reads = find(plant(supply("BAT0", power_now="7000000", voltage_now="10000000", current_now="1000000"))).read()
    assert everything(reads)["power_watts", "BAT0"] == 7.0


@pytest.mark.parametrize("kind", ["USB", "USB_PD", "Mains", "UPS"])
def test_supplies_that_measure_are_read_as_they_are(plant: Plant, kind: str) -> None:
    reads = find(plant(supply("rpi-poe", kind, current_now="560000", voltage_now="5100000"))).read()
    assert everything(reads)["power_watts", "rpi-poe"] == 2.856


@pytest.mark.parametrize(
    "files",
    [
        supply("ucsi-source-psy-USBC000:001", "USB", voltage_now="5000000", current_now="3000000"),
        supply("hidpp_battery_0", "Battery", voltage_now="3900000", scope="Device\n"),
        supply("AC", "Mains", online="1"),
        supply("BAT1", "Battery", capacity="87", energy_full="50000000"),
        supply("odd", "Unknown", voltage_now="3900000"),
        {"sys/class/power_supply/none/voltage_now": "1"},
    ],
)
def test_what_measures_nothing_of_this_board_is_left_out(plant: Plant, files: dict[str, str | bytes]) -> None:
    with pytest.raises(Absent):
        find(plant(files))


def test_a_battery_that_is_not_in_its_place_is_absent_and_no_fault(plant: Plant) -> None:
    tree = plant({**supply("BAT0", voltage_now="12000000"), **supply("BAT1", voltage_now="12000000")})
    source = find(tree)
    with refusing({tree.path("sys/class/power_supply/BAT1/voltage_now"): errno.ENODEV}):
        reads = source.read()
    assert (everything(reads), reads.faults) == ({("voltage_volts", "BAT0"): 12.0}, ())


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"1" * 1_000_000, b"3.7", b"9999999999999"], ids=lambda content: repr(content[:8])
)
def test_a_bad_file_touches_its_own_figure_alone(plant: Plant, content: bytes) -> None:
    reads = find(plant(supply("BAT0", voltage_now="12000000", current_now=content))).read()
    assert everything(reads) == {("voltage_volts", "BAT0"): 12.0}
    assert [fault.name for fault in reads.faults] == ["BAT0"]


@pytest.mark.parametrize("status", [b"\xff", b"x" * 100_000, b"discharging"], ids=["binary", "long", "small"])
def test_a_status_that_says_nothing_leaves_the_sign(plant: Plant, status: bytes) -> None:
    assert everything(find(plant(supply("BAT0", current_now="5", status=status))).read())["current_amperes", "BAT0"] == 5e-6


def test_a_battery_that_is_taken_out_is_a_fault_until_it_is_back_and_the_last_one_is_gone(plant: Plant) -> None:
    tree = plant({**supply("BAT0", voltage_now="12000000"), **supply("BAT1", voltage_now="11000000")})
    source = find(tree)
    tree.path("sys/class/power_supply/BAT1/voltage_now").unlink()
    assert all([fault.name for fault in source.read().faults] == ["BAT1"] for _ in range(70))
    plant(supply("BAT1", voltage_now="11000000"))
    assert len(source.read().readings) == 2
    for name in ("BAT0", "BAT1"):
        tree.path(f"sys/class/power_supply/{name}/voltage_now").unlink()
    with pytest.raises(Absent, match="gone"):
        source.read()


def test_a_battery_that_is_put_in_later_is_found(plant: Plant) -> None:
    source = find(plant(supply("BAT0", voltage_now="12000000")))
    plant(supply("BAT1", voltage_now="11000000", status="Discharging", current_now="1000000"))
    reads = [source.read() for _ in range(31)]
    assert len(reads[0].readings) == 1
    assert everything(reads[-1])["power_watts", "BAT1"] == -11.0


def test_a_rack_of_batteries_does_not_burst_the_window(plant: Plant) -> None:
    files: dict[str, str | bytes] = {}
    for number in range(60):
        files |= supply(f"BAT{number}", voltage_now="12000000", current_now="1", power_now="1")
    assert len(find(plant(files)).read().readings) == 39
