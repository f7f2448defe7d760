from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from agent.core import clock
from agent.core.clock import SystemClock, is_synced, kernel_is_synced

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.tree import Tree

    Plant = Callable[[dict[str, str | bytes]], Tree]

FILE = "run/systemd/timesync/synchronized"


def test_the_monotonic_clock_is_that_of_every_process() -> None:
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    now = SystemClock().monotonic_nanoseconds()
    assert before <= now <= time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def test_the_wall_clock_counts_seconds_since_1970() -> None:
    before = time.time()
    assert before <= SystemClock().wall_seconds() <= time.time()


@pytest.mark.parametrize("kernel", [True, False])
def test_the_file_of_timesyncd_says_yes_whatever_the_kernel_says(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, *, kernel: bool
) -> None:
    monkeypatch.setattr(clock, "kernel_is_synced", lambda: kernel)
    assert is_synced(plant({FILE: ""}))


@pytest.mark.parametrize("files", [{}, {"run/systemd/notify": ""}, {"sys/class/thermal/thermal_zone0/temp": "45000"}])
def test_a_tree_that_is_not_the_machines_own_answers_by_its_file_alone(
    plant: Plant, monkeypatch: pytest.MonkeyPatch, files: dict[str, str | bytes]
) -> None:
    monkeypatch.setattr(clock, "kernel_is_synced", lambda: True)
    assert not is_synced(plant(files))


def test_the_kernel_answers_without_a_file() -> None:
    assert isinstance(kernel_is_synced(), bool)
