from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.errors import Absent, SensorFault
from agent.core.tree import MOST_BYTES, Tree, errno_name, to_integer

if TYPE_CHECKING:
    from collections.abc import Callable

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Gate = Callable[[Path], None]


# Text.


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("45000\n", "45000"),
        (b"Raspberry Pi 5 Model B Rev 1.0\0", "Raspberry Pi 5 Model B Rev 1.0"),
        ("  two words \t\r\n", "two words"),
        ("", ""),
        ("\n", ""),
        ("Grün", "Grün"),
    ],
)
def test_a_files_text_comes_without_white_space_and_zeros_around_it(plant: Plant, content: str | bytes, text: str) -> None:
    assert plant({"sys/file": content}).text("sys/file") == text


def test_a_missing_file_is_absent(plant: Plant) -> None:
    tree = plant({"sys/file": "1"})
    for path in ("sys/other", "other/file", "sys/file/below"):
        with pytest.raises(Absent, match="is not there"):
            tree.text(path)


def test_a_file_of_a_zone_without_power_answers_eagain(plant: Plant, gate: Gate) -> None:
    tree = plant({})
    gate(tree.path("sys/temp"))
    with pytest.raises(SensorFault, match=r"^EAGAIN"):
        tree.text("sys/temp")
    with pytest.raises(SensorFault, match=r"^EAGAIN"):
        tree.integer("sys/temp")


def test_a_fifo_without_a_writer_does_not_hang_its_reader(plant: Plant) -> None:
    tree = plant({})
    os.mkfifo(tree.path("fifo"))
    with pytest.raises(SensorFault, match="empty"):
        tree.integer("fifo")


@pytest.mark.parametrize("content", [b"\xff\xfe", b"caf\xe9", bytes(range(256)), b"\x80"])
def test_what_is_not_utf_8_is_a_fault_and_not_a_traceback(plant: Plant, content: bytes) -> None:
    with pytest.raises(SensorFault, match="not text"):
        plant({"file": content}).text("file")


@pytest.mark.parametrize("size", [MOST_BYTES + 1, 1_000_000])
def test_a_file_that_is_too_long_is_a_fault_and_not_read_whole(plant: Plant, size: int) -> None:
    with pytest.raises(SensorFault, match="more than 65536 bytes"):
        plant({"file": b"1" * size}).text("file")


def test_a_device_without_end_is_a_fault(plant: Plant) -> None:
    tree = plant({})
    tree.path("temp").symlink_to("/dev/zero")
    with pytest.raises(SensorFault, match="more than 65536 bytes"):
        tree.text("temp")


def test_a_file_of_just_the_most_bytes_is_read(plant: Plant) -> None:
    assert len(plant({"file": b"1" * MOST_BYTES}).text("file")) == MOST_BYTES


def test_a_folder_in_the_place_of_a_file_is_a_fault(plant: Plant) -> None:
    with pytest.raises(SensorFault, match=r"^EISDIR"):
        plant({"temp/below": "1"}).text("temp")


def test_a_socket_in_the_place_of_a_file_is_a_fault(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = plant({})
    monkeypatch.chdir(tree.root)  # a socket's whole path may be longer than a socket's path may be
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("temp")
        with pytest.raises(SensorFault, match=r"^ENXIO"):
            tree.text("temp")


def test_a_link_to_itself_is_a_fault(plant: Plant) -> None:
    tree = plant({})
    tree.path("temp").symlink_to("temp")
    with pytest.raises(SensorFault, match=r"^ELOOP"):
        tree.text("temp")


def test_optional_text_is_nothing_where_it_is_missing_or_unreadable(plant: Plant) -> None:
    tree = plant({"bad": b"\xff", "good": "word"})
    assert [tree.text_or_none(path) for path in ("missing", "bad", "good")] == [None, None, "word"]


@given(content=st.binary(max_size=200))
def test_any_bytes_are_text_or_a_fault(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any-bytes"
    path.write_bytes(content)
    tree = Tree(path.parent)
    try:
        number = tree.integer(path.name)
    except SensorFault:
        return
    assert int(content.strip(b" \t\r\n\0")) == number


def test_no_descriptor_stays_open(plant: Plant) -> None:
    tree = plant({"good": "1", "bad": b"\xff", "long": b"1" * 100_000, "folder/x": ""})
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in ("good", "bad", "long", "folder", "missing"):
        tree.text_or_none(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


# Numbers.


@given(st.integers(-(2**64), 2**64))
def test_a_whole_number_is_read(number: int) -> None:
    assert to_integer(str(number)) == number


@pytest.mark.parametrize("text", ["45.5", "0x10", "1e3", "1 2", "+5", "--5", "-", "1_000", "nan", "٤٥", "²", "1" * 21, "4\n5"])
def test_what_is_not_a_whole_decimal_number_is_a_fault(text: str) -> None:
    with pytest.raises(SensorFault, match="not a number"):
        to_integer(text)


def test_nothing_is_not_zero() -> None:
    with pytest.raises(SensorFault, match="empty"):
        to_integer("")


# Folders.


def test_names_come_in_numerical_order(plant: Plant) -> None:
    tree = plant(
        {f"class/{name}": "" for name in ("zone10", "zone2", "zone1", "cooling_device0", "zone", "2", "10", "zone2b10", "zone2b9")}
    )
    assert tree.names("class") == ("2", "10", "cooling_device0", "zone", "zone1", "zone2", "zone2b9", "zone2b10", "zone10")


def test_a_missing_folder_and_a_file_in_its_place_have_no_names(plant: Plant) -> None:
    tree = plant({"file": ""})
    assert tree.names("missing") == ()
    assert tree.names("file") == ()


def test_a_folder_that_cannot_be_listed_is_a_fault(plant: Plant) -> None:
    tree = plant({})
    tree.path("loop").symlink_to("loop")
    with pytest.raises(SensorFault, match=r"^ELOOP"):
        tree.names("loop")


@given(names=st.sets(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=6), max_size=5))
def test_any_names_can_be_ordered(names: set[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("names")
    names -= {".", ".."}
    for name in names:
        (folder / name).touch()
    assert set(Tree(folder.parent).names(folder.name)) == names


def test_digits_that_int_does_not_take_are_letters(plant: Plant) -> None:
    """A network interface may be called almost anything, and the device's identity looks through all of them."""
    assert plant({"net/eth²": "", "net/eth1": "", "net/²": ""}).names("net") == ("eth1", "eth²", "²")


def test_a_name_that_is_not_utf_8_is_listed(plant: Plant) -> None:
    tree = plant({})
    Path(os.fsdecode(os.fsencode(tree.root) + b"/\xff1")).touch()
    (name,) = tree.names("")
    assert os.fsencode(name) == b"\xff1"


# Words for errors.


def test_an_error_is_called_by_its_name() -> None:
    assert errno_name(OSError(11, "x")).startswith("EAGAIN (")
    assert errno_name(OSError(99999, "x")).startswith("error (")
    assert errno_name(OSError("without a number")) == "without a number"
