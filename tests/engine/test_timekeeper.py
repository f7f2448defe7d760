from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from agent.core import clock as clocks
from agent.core.clock import NANOSECONDS
from agent.core.tree import Tree
from agent.engine.timekeeper import Stepped, Synced, Timekeeper

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Clock:
    """A clock that a test sets."""

    monotonic: float = 100.0
    wall: float = 1_000.0

    def monotonic_nanoseconds(self) -> int:
        return round(self.monotonic * NANOSECONDS)

    def wall_seconds(self) -> float:
        return self.wall

    def pass_(self, seconds: float) -> None:
        self.monotonic += seconds
        self.wall += seconds


@pytest.fixture(autouse=True)
def _undisciplined(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own clock must not decide these tests."""
    monkeypatch.setattr(clocks, "kernel_is_synced", lambda: False)


def sync(root: Path) -> None:
    (root / "run/systemd/timesync").mkdir(parents=True)
    (root / "run/systemd/timesync/synchronized").touch()


@pytest.mark.parametrize("step", [86_400.0 * 365, -86_400.0 * 365, 1.5, -1.5])
def test_a_clock_that_is_set_is_noticed_with_its_size_and_changes_no_duration(tmp_path: Path, step: float) -> None:
    clock = Clock()
    keeper = Timekeeper(clock, Tree(tmp_path))
    assert keeper.look() == []
    before = keeper.now_seconds()
    clock.pass_(10.0)
    clock.wall += step
    assert keeper.look() == [Stepped(step_seconds=step)]
    assert keeper.now_seconds() - before == pytest.approx(10.0)
    clock.pass_(10.0)
    assert keeper.look() == []


def test_a_clock_that_is_slewed_is_not_set(tmp_path: Path) -> None:
    clock = Clock()
    keeper = Timekeeper(clock, Tree(tmp_path))
    keeper.look()
    for _ in range(100):
        clock.pass_(1.0)
        clock.wall += 0.0005
        assert keeper.look() == []


def test_the_first_synchronisation_is_told_once_and_keeps_its_offset(tmp_path: Path) -> None:
    clock = Clock()
    keeper = Timekeeper(clock, Tree(tmp_path))
    keeper.look()
    assert keeper.moment(100.0).clock_synced is False
    assert keeper.offset_seconds is None
    sync(tmp_path)
    clock.pass_(1.0)
    assert keeper.look() == [Synced()]
    assert keeper.offset_seconds == 900.0
    clock.pass_(1.0)
    clock.wall += 0.01
    assert keeper.look() == []
    assert keeper.offset_seconds == 900.0
    assert keeper.moment(102.0).clock_synced is True


def test_a_device_that_starts_synchronised_has_nothing_to_tell(tmp_path: Path) -> None:
    sync(tmp_path)
    keeper = Timekeeper(Clock(), Tree(tmp_path))
    assert keeper.look() == []
    assert keeper.offset_seconds == 900.0


def test_a_moment_that_has_passed_is_dated_back_on_the_wall_clock(tmp_path: Path) -> None:
    clock = Clock()
    keeper = Timekeeper(clock, Tree(tmp_path))
    moment = keeper.moment(97.5)
    assert (moment.monotonic_nanoseconds, moment.wall_seconds) == (97_500_000_000, 997.5)
