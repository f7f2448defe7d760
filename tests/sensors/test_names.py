from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from agent.core.tree import Tree
from agent.sensors._names import Candidate, clean, device, told_apart

if TYPE_CHECKING:
    from pathlib import Path

CANDIDATES = st.lists(
    st.builds(
        Candidate,
        identity=st.text(max_size=3),
        names=st.lists(st.sampled_from(["a", "b", "a.1", "a.2", "b.1", ""]), min_size=1, max_size=3).map(tuple),
    ),
    max_size=8,
)


def named(identity: str, *names: str) -> Candidate:
    return Candidate(identity=identity, names=names)


def test_what_stands_alone_has_its_short_name_and_what_does_not_its_long_one() -> None:
    candidates = [named("1", "cpu", "cpu.x"), named("2", "fan", "fan.x"), named("3", "fan", "fan.y")]
    assert told_apart(candidates, {}) == {"1": "cpu", "2": "fan.x", "3": "fan.y"}


def test_what_has_a_name_keeps_it_when_another_of_its_kind_appears() -> None:
    first = told_apart([named("1", "nvme", "nvme0")], {})
    assert told_apart([named("1", "nvme", "nvme0"), named("2", "nvme", "nvme1")], first) == {"1": "nvme", "2": "nvme1"}


def test_what_is_alike_to_the_last_is_counted() -> None:
    assert told_apart([named("1", "a", "a.x"), named("2", "a", "a.x")], {}) == {"1": "a.x.2", "2": "a.x.3"}


@given(before=CANDIDATES, after=CANDIDATES)
def test_no_two_names_are_alike_and_none_changes(before: list[Candidate], after: list[Candidate]) -> None:
    first = told_apart(before, {})
    second = told_apart(after, first)
    assert first.items() <= second.items()
    assert len(set(second.values())) == len(second)
    assert set(second) == {candidate.identity for candidate in (*before, *after)}


@given(st.text())
def test_any_label_is_one_short_printable_line(text: str) -> None:
    label = clean(text)
    assert label.isprintable()
    assert len(label) <= 48
    assert label == label.strip()


def test_a_label_that_says_nothing_is_nothing() -> None:
    assert [clean(None), clean(" \n"), clean("VDD IN\n")] == ["", "", "VDD IN"]


def test_a_device_is_called_by_what_its_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "zone").mkdir()
    tree = Tree(tmp_path)
    assert device(tree, "zone") == "zone"
    (tmp_path / "zone/device").symlink_to("../LNXTHERM:00")
    assert device(tree, "zone") == "LNXTHERM:00"


def test_a_link_to_itself_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "zone").mkdir()
    (tmp_path / "zone/device").symlink_to("device")
    assert device(Tree(tmp_path), "zone") == "device"
