from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.choice import Threads
from agent.core.processors import capacities, online
from agent.engine.cores import Share, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.tree import Tree

    Plant = Callable[[dict[str, str | bytes]], Tree]

AUTO = Threads()
# A board with four slow cores (0 to 3) and four fast ones, as phones and the RK3588 have them.
BIG_LITTLE = {**dict.fromkeys(range(4), 414), **dict.fromkeys(range(4, 8), 1024)}


def test_one_core_is_shared_between_the_monitor_and_the_workload() -> None:
    made = plan([0], {}, {"default": AUTO})
    assert (made.monitor, made.shared) == ((0,), True)
    assert made.workloads == {"default": Share(cores=(0,), threads=1)}


def test_on_one_core_a_number_of_threads_is_kept() -> None:
    assert plan([3], {}, {"a": Threads(4), "b": AUTO}).workloads == {
        "a": Share(cores=(3,), threads=4),
        "b": Share(cores=(3,), threads=1),
    }


def test_of_two_cores_one_is_the_monitors() -> None:
    made = plan([0, 1], {}, {"default": AUTO})
    assert (made.monitor, made.shared) == ((0,), False)
    assert made.workloads == {"default": Share(cores=(1,), threads=1)}


def test_of_four_equal_cores_three_work_and_the_lowest_which_serves_the_interrupts_watches() -> None:
    made = plan([0, 1, 2, 3], {}, {"default": AUTO})
    assert made.monitor == (0,)
    assert made.workloads["default"] == Share(cores=(1, 2, 3), threads=3)


def test_the_cores_that_are_allowed_need_not_begin_at_0_nor_be_neighbours() -> None:
    made = plan([2, 5, 11], {}, {"default": AUTO})
    assert made.monitor == (2,)
    assert made.workloads["default"].cores == (5, 11)


def test_of_big_and_little_cores_a_little_one_watches() -> None:
    made = plan(range(8), BIG_LITTLE, {"default": AUTO})
    assert made.monitor == (0,)
    assert made.workloads["default"].cores == (1, 2, 3, 4, 5, 6, 7)


def test_a_number_of_threads_gets_the_fastest_cores() -> None:
    made = plan(range(8), BIG_LITTLE, {"default": Threads(4)})
    assert made.workloads["default"] == Share(cores=(4, 5, 6, 7), threads=4)
    assert made.shared is False


def test_two_automatic_workloads_get_as_many_fast_cores_each() -> None:
    made = plan(range(8), BIG_LITTLE, {"a": AUTO, "b": AUTO})
    fast = [sum(BIG_LITTLE[core] == 1024 for core in share.cores) for share in made.workloads.values()]
    assert fast == [2, 2]
    assert [share.threads for share in made.workloads.values()] == [4, 3]


def test_workloads_with_a_number_choose_first_and_the_automatic_ones_share_the_rest() -> None:
    made = plan(range(6), {}, {"a": AUTO, "b": Threads(2), "c": AUTO})
    assert made.workloads["b"] == Share(cores=(4, 5), threads=2)
    assert made.workloads["a"].threads + made.workloads["c"].threads == 3
    assert list(made.workloads) == ["a", "b", "c"]


def test_more_workloads_than_cores_share_cores_and_leave_the_monitor_its_own() -> None:
    made = plan([0, 1, 2], {}, dict.fromkeys("abcde", AUTO))
    assert made.monitor == (0,)
    assert made.shared is False
    assert [len(share.cores) for share in made.workloads.values()] == [1] * 5
    used = [share.cores[0] for share in made.workloads.values()]
    assert sorted(used.count(core) for core in (1, 2)) == [2, 3]


def test_more_threads_than_there_are_cores_beside_the_monitors_take_that_one_too() -> None:
    made = plan([0, 1, 2, 3], {}, {"default": Threads(4)})
    assert made.workloads["default"] == Share(cores=(0, 1, 2, 3), threads=4)
    assert made.shared is True


def test_numbers_of_threads_that_together_are_too_many_overlap_as_little_as_they_can() -> None:
    """Two runtimes of two threads on three cores: on the same two they would fight while the third stands idle."""
    made = plan([0, 1, 2, 3], {}, {"a": Threads(2), "b": Threads(2)})
    assert made.workloads["a"].cores == (2, 3)
    assert len(made.workloads["b"].cores) == 2
    assert 1 in made.workloads["b"].cores
    assert made.shared is False


def test_without_workloads_the_monitor_may_run_anywhere() -> None:
    made = plan([0, 1, 2], {}, {})
    assert (made.monitor, made.workloads, made.shared) == ((0, 1, 2), {}, False)


@given(
    allowed=st.sets(st.integers(0, 63), min_size=1, max_size=12),
    speeds=st.dictionaries(st.integers(0, 63), st.integers(1, 1024), max_size=12),
    wanted=st.dictionaries(
        st.sampled_from("abcdefgh"), st.one_of(st.just(AUTO), st.integers(1, 16).map(Threads)), min_size=1, max_size=8
    ),
)
def test_whatever_is_wanted_everybody_has_a_core_and_the_plan_does_not_lie(
    allowed: set[int], speeds: dict[int, int], wanted: dict[str, Threads]
) -> None:
    made = plan(sorted(allowed), speeds, wanted)
    assert made == plan(sorted(allowed, reverse=True), speeds, wanted)
    assert set(made.workloads) == set(wanted)
    assert made.monitor
    assert set(made.monitor) <= allowed
    for name, share in made.workloads.items():
        assert share.cores
        assert set(share.cores) <= allowed
        assert list(share.cores) == sorted(set(share.cores))
        number = wanted[name].value
        assert share.threads == (len(share.cores) if number is None else number)
        if number is not None:
            assert len(share.cores) == min(number, len(allowed)) or len(allowed) == 1
    touched = any(set(share.cores) & set(made.monitor) for share in made.workloads.values())
    assert made.shared == touched


@given(count=st.integers(2, 16), workloads=st.integers(1, 15))
def test_automatic_workloads_share_all_cores_but_one_in_parts_that_differ_by_one_at_most(count: int, workloads: int) -> None:
    made = plan(range(count), {}, {f"w{index}": AUTO for index in range(workloads)})
    sizes = [len(share.cores) for share in made.workloads.values()]
    assert max(sizes) - min(sizes) <= 1
    assert {core for share in made.workloads.values() for core in share.cores} == set(range(1, count)) or workloads > count - 1
    if workloads <= count - 1:
        assert sum(sizes) == count - 1


# What the kernel tells.


@pytest.mark.parametrize(
    ("text", "cores"),
    [("0-3\n", {0, 1, 2, 3}), ("0", {0}), ("0,2-3,7\n", {0, 2, 3, 7}), ("0-1,4-5", {0, 1, 4, 5})],
)
def test_cores_that_are_on_are_read_as_the_kernel_lists_them(plant: Plant, text: str, cores: set[int]) -> None:
    assert online(plant({"sys/devices/system/cpu/online": text})) == cores


@pytest.mark.parametrize("text", ["", "all", "-3", "0-3-5", "0,,2", b"\xff"])
def test_a_list_that_cannot_be_read_says_nothing(plant: Plant, text: str | bytes) -> None:
    assert online(plant({"sys/devices/system/cpu/online": text})) is None


def test_a_machine_without_such_a_list_says_nothing(plant: Plant) -> None:
    assert online(plant({})) is None


def test_capacities_are_read_where_the_kernel_tells_them(plant: Plant) -> None:
    folder = "sys/devices/system/cpu"
    tree = plant(
        {f"{folder}/cpu0/cpu_capacity": "414\n", f"{folder}/cpu1/cpu_capacity": "fast\n", f"{folder}/cpu4/cpu_capacity": "1024\n"}
    )
    assert capacities(tree, range(6)) == {0: 414, 4: 1024}
