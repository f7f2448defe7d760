from __future__ import annotations

import errno
import importlib.util
import struct
import sys
from pathlib import Path

import pytest
from fake_firmware import NOT_REGISTERED, Firmware, Machine, Node, refusal
from hypothesis import given
from hypothesis import strategies as st

from agent.core.device import CharacterDevice
from agent.core.errors import Absent, SensorFault
from agent.core.tree import Tree
from agent.sensors import _vcio

TREE = Tree(Path("/nowhere"))
CALM = {"get_throttled": "throttled=0x0"}
DENIED = {"vcio_gencmd": refusal(errno.EACCES), "vcio": refusal(errno.EPERM)}


def machine(**more: object) -> Machine:
    return Machine(Firmware(dict(CALM)), **{"nodes": {}, **more})  # type: ignore[arg-type]


# What is sent.


def test_the_ioctl_is_that_of_a_process_with_pointers_of_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {8: 0xC0086400, 4: 0xC0046400}[struct.calcsize("P")] == _vcio.REQUEST
    source = _vcio.__file__
    for size, request in ((8, 0xC0086400), (4, 0xC0046400)):
        with monkeypatch.context() as patch:
            patch.setattr(struct, "calcsize", lambda format_, size=size: {"P": size}[format_])
            spec = importlib.util.spec_from_file_location(f"vcio_of_{size}", source)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            patch.setitem(sys.modules, spec.name, module)
            spec.loader.exec_module(module)
            assert request == module.REQUEST


def test_a_question_is_the_words_that_vcgencmd_sends() -> None:
    buffer = _vcio.request("measure_temp")
    words = struct.unpack("=263I", buffer)
    assert words[:6] == (1052, 0, 0x30080, 1024, 0, 0)
    assert bytes(buffer[24:37]) == b"measure_temp\0"
    assert set(buffer[37:]) == {0}


def test_a_question_that_does_not_fit_is_not_sent() -> None:
    assert _vcio.request("a" * 1019)[24 + 1019] == 0
    with pytest.raises(ValueError, match="1020 bytes"):
        _vcio.request("a" * 1020)


def test_the_driver_would_refuse_any_other_tag_on_the_node_that_we_ask_first() -> None:
    node = Node(Firmware(CALM), "vcio_gencmd")
    other = bytearray(struct.pack("=8I", 32, 0, 0x30046, 4, 0, 0, 0, 0))
    with pytest.raises(PermissionError):
        node.ioctl(_vcio.REQUEST, other)
    assert _vcio.Mailbox(node).ask("get_throttled") == "throttled=0x0"


# Which way it goes.


def test_the_node_for_commands_goes_first_and_no_process_is_started() -> None:
    here = machine(nodes={"vcio_gencmd": None, "vcio": None}, works=True)
    assert _vcio.connect(here.surroundings(TREE)).ask("get_throttled") == "throttled=0x0"
    assert [node.name for node in here.opened] == ["vcio_gencmd"]
    assert here.commands == []


@pytest.mark.parametrize("first", [errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.EACCES, errno.EPERM, errno.EIO])
def test_the_older_node_serves_where_the_other_does_not(first: int) -> None:
    here = machine(nodes={"vcio_gencmd": refusal(first), "vcio": None})
    assert _vcio.connect(here.surroundings(TREE)).ask("get_throttled") == "throttled=0x0"
    assert [node.name for node in here.opened] == ["vcio"]


def test_a_node_that_opens_and_does_not_answer_is_closed_and_passed_over() -> None:
    here = machine(nodes={"vcio_gencmd": None, "vcio": None})
    here.firmware.answers["get_throttled"] = [refusal(errno.ETIMEDOUT), "throttled=0x0"]
    assert _vcio.connect(here.surroundings(TREE)).ask("get_throttled") == "throttled=0x0"
    assert [(node.name, node.closed) for node in here.opened] == [("vcio_gencmd", True), ("vcio", False)]


def test_without_a_node_the_command_is_started() -> None:
    here = machine(works=True)
    here.firmware.answers["measure_clock arm"] = "frequency(48)=1500345728"
    link = _vcio.connect(here.surroundings(TREE))
    assert link.ask("measure_clock arm") == "frequency(48)=1500345728"
    assert here.commands == [("vcgencmd", "get_throttled"), ("vcgencmd", "measure_clock", "arm")]
    link.close()


def test_a_firmware_that_does_not_know_the_first_question_can_still_be_asked_others() -> None:
    here = machine(nodes={"vcio": None})
    here.firmware.answers = {"measure_temp": "temp=48.5'C"}
    assert _vcio.connect(here.surroundings(TREE)).ask("measure_temp") == "temp=48.5'C"


# Where it leads nowhere.


def test_without_node_and_without_command_there_is_no_firmware_to_ask() -> None:
    with pytest.raises(Absent, match="no mailbox of the firmware and no vcgencmd") as absent:
        _vcio.connect(machine().surroundings(TREE))
    assert absent.value.mend == ""


@pytest.mark.parametrize("number", [errno.ENXIO, errno.ENODEV])
def test_a_node_that_somebody_made_by_hand_without_a_driver_is_none(number: int) -> None:
    with pytest.raises(Absent, match="no mailbox of the firmware and no vcgencmd"):
        _vcio.connect(machine(nodes={"vcio": refusal(number)}).surroundings(TREE))


@pytest.mark.parametrize("says", [None, "Can't open device file: /dev/vcio_gencmd\n", "VCHI initialization failed\n"])
def test_who_may_not_open_the_node_is_told_which_group_may(says: str | None) -> None:
    with pytest.raises(Absent, match=r"/dev/vcio_gencmd: EACCES .*; .*/dev/vcio: EPERM") as absent:
        _vcio.connect(machine(nodes=DENIED, says=says).surroundings(TREE))
    assert "group video" in absent.value.mend


def test_a_node_that_opens_and_may_not_be_used_is_told_as_well() -> None:
    here = machine(nodes={"vcio": None})
    here.firmware.answers["get_throttled"] = refusal(errno.EPERM)
    with pytest.raises(Absent, match="EPERM") as absent:
        _vcio.connect(here.surroundings(TREE))
    assert "group video" in absent.value.mend
    assert here.opened[0].closed


def test_a_command_that_may_open_what_we_may_not_is_used() -> None:
    here = machine(nodes=DENIED, works=True)
    assert isinstance(_vcio.connect(here.surroundings(TREE)), _vcio.Command)


@pytest.mark.parametrize(
    "says",
    [
        "Can't open device file: /dev/vcio\nTry creating a device file with: sudo mknod /dev/vcio c 100 0\n",
        "Can't open device file: /dev/vcio_gencmd\n",
        "VCHI initialization failed\n",
        "ioctl_set_msg failed:-1\n\n",
        TimeoutError("vcgencmd took longer than 2 s"),
        refusal(errno.EACCES),
    ],
)
def test_a_command_that_cannot_ask_either_is_told_by_its_own_words_whatever_it_exits_with(says: str | OSError) -> None:
    with pytest.raises(Absent, match="no mailbox of the firmware, and vcgencmd") as absent:
        _vcio.connect(machine(says=says).surroundings(TREE))
    assert "group video" in absent.value.mend


def test_a_mailbox_that_is_there_and_fails_is_a_fault_and_not_absent() -> None:
    for nodes, error in (({"vcio": refusal(errno.EMFILE)}, "EMFILE"), ({"vcio": None}, "EIO")):
        here = machine(nodes=nodes)
        here.firmware.answers["get_throttled"] = refusal(errno.EIO)
        with pytest.raises(SensorFault, match=error):
            _vcio.connect(here.surroundings(TREE))


def test_a_device_that_is_no_mailbox_is_a_fault() -> None:
    """The real ioctl(2) on a real device: our number and our buffer reach a driver, which does not know them."""
    link = _vcio.Mailbox(CharacterDevice(Path("/dev/null")))
    with pytest.raises(_vcio.Unreachable, match="ENOTTY"):
        link.ask("get_throttled")
    link.close()


# What comes back.


@given(
    text=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=1019).filter(lambda t: "error=" not in t)
)
def test_what_the_firmware_says_is_returned_to_the_letter(text: str) -> None:
    link = _vcio.Mailbox(Node(Firmware({"x": f"{text}"}), "vcio_gencmd"))
    assert link.ask("x") == text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (NOT_REGISTERED, "Command not registered"),
        ('error=2 error_msg="Invalid arguments"', "Invalid arguments"),
        ('error=7 error_msg=""', "error [17]"),
    ],
)
def test_what_the_firmware_refuses_is_told_apart_from_a_firmware_that_is_not_reached(said: str, reason: str) -> None:
    with pytest.raises(_vcio.Refused, match=reason):
        _vcio.Mailbox(Node(Firmware({"x": said}), "vcio")).ask("x")
    # vcgencmd of old firmware prints the same text, and exits with 0.
    with pytest.raises(_vcio.Refused, match=reason):
        _vcio.Command(lambda words, seconds: said + "\n").ask("x")


@pytest.mark.parametrize("said", ["", "\n", "  \r\n"])
def test_nothing_is_no_answer(said: str) -> None:
    with pytest.raises(SensorFault, match="empty"):
        _vcio.Command(lambda words, seconds: said).ask("measure_temp")


def changed(at: int, value: bytes) -> bytearray:
    buffer = _vcio.request("temp=48.5'C")
    struct.pack_into("=I", buffer, 4, 0x80000000)
    buffer[at : at + len(value)] = value
    return buffer


@pytest.mark.parametrize(
    ("buffer", "reason"),
    [
        (changed(4, struct.pack("=I", 0)), "not passed on"),
        (changed(4, struct.pack("=I", 0x80000001)), "not passed on"),
        (changed(20, struct.pack("=I", 5)), "error 5"),
        (changed(24, b"\xff\xfe"), "not text"),
        (changed(24, b"\0"), "empty"),
        (changed(0, b"")[:-4], "1048 bytes"),
        (bytearray(), "0 bytes"),
    ],
    ids=["untouched", "not understood", "an error in numbers alone", "binary", "nothing", "short", "empty"],
)
def test_words_that_are_no_answer_are_a_fault(buffer: bytearray, reason: str) -> None:
    with pytest.raises(SensorFault, match=reason):
        _vcio.answer(buffer)


def test_an_answer_without_an_end_ends_with_the_value() -> None:
    assert _vcio.answer(changed(24, b"t" * 1020)) == "t" * 1020


@given(content=st.one_of(st.binary(max_size=64), st.binary(min_size=1052, max_size=1052), st.binary(min_size=8, max_size=1028)))
def test_any_words_are_a_text_or_a_fault(content: bytes) -> None:
    for buffer in (content, bytes(changed(20, content))[:1052]):
        try:
            text = _vcio.answer(buffer)
        except SensorFault:
            continue
        assert text == text.strip() != ""
        assert text.isascii()


def test_every_recorded_answer_is_text_and_every_recorded_failure_is_a_fault(shared: Path) -> None:
    recorded, _, failures = (shared / "fixtures/sysfs/pi_vcgencmd_outputs.txt").read_text().partition("# failures")
    answers = [line for line in recorded.splitlines() if line and not line.startswith("#")]
    assert len(answers) >= 15
    for line in answers:
        assert _vcio.checked(line + "\n") == line
    for line in failures.splitlines()[1:]:
        if not line.startswith("Try"):
            with pytest.raises(SensorFault):
                _vcio.checked(line)
