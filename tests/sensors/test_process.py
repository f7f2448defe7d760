from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.core.units import Seconds
from agent.sensors import process

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.core.record import Reads

    Plant = Callable[[dict[str, str | bytes]], Tree]

REAL = Tree(Path("/"))
PAGE = os.sysconf("SC_PAGE_SIZE")


def find(machine: Tree, processes: Mapping[str, int], period: float = 2.0) -> process.Processes:
    config = process.Config(period=Seconds(period))
    return process.find(config, Surroundings(board=machine, machine=machine, processes=lambda: processes))


def figures(reads: Reads, name: str) -> dict[str, float]:
    return {reading.metric: reading.value for reading in reads.readings if reading.name == name}


def proc(
    number: int,
    *,
    name: str = "python",
    resident: int = 100,
    faults: int = 7,
    threads: Mapping[int, tuple[int, int]] | None = None,
) -> dict[str, str | bytes]:
    """Return the files of one process, constructed after proc_pid_stat(5) and its neighbours."""
    folder = f"proc/{number}"
    waits = {number: (2_000_000_000, 500_000_000)} if threads is None else threads
    return {
        f"{folder}/statm": f"5000 {resident} 50 1 0 200 0\n",
        f"{folder}/stat": f"{number} ({name}) S 1 {number} {number} 0 -1 4194304 900 0 {faults} 0 15 3 0 0 20 0 1 0 100\n",
        f"{folder}/status": "Name:\tpython\nVmPeak:\t   90000 kB\nVmHWM:\t   41000 kB\nVmRSS:\t   40000 kB\n",
        f"{folder}/smaps_rollup": "5581-7ffe ---p 00000000 00:00 0 [rollup]\nRss: 40000 kB\nPss:    31000 kB\nPss_Anon: 20000 kB\n",
        f"{folder}/io": "rchar: 1\nwchar: 99\nsyscr: 1\nsyscw: 1\nread_bytes: 5\nwrite_bytes: 8192\ncancelled_write_bytes: 0\n",
        **{f"{folder}/task/{thread}/schedstat": f"{used} {waited} 300\n" for thread, (used, waited) in waits.items()},
    }


# Constructed.


def test_every_figure_of_a_process_is_read_in_base_units(plant: Plant) -> None:
    reads = find(plant(proc(42)), {"default": 42}).read()
    assert figures(reads, "default") == pytest.approx(
        {
            "rss_bytes": 100 * PAGE,
            "rss_peak_bytes": 41_000 * 1024,
            "pss_bytes": 31_000 * 1024,
            "major_faults_total": 7,
            "cpu_seconds_total": 2.0,
            "runqueue_wait_seconds_total": 0.5,
            "written_bytes_total": 8192,
        }
    )
    assert {reading.instance for reading in reads.readings} == {42}
    assert reads.faults == ()


@pytest.mark.parametrize("name", ["a b", "a) S 1 (b", "((", "tab\tbed", ")"])
def test_a_commands_name_may_hold_blanks_and_brackets(plant: Plant, name: str) -> None:
    assert figures(find(plant(proc(42, name=name, faults=13)), {"x": 42}).read(), "x")["major_faults_total"] == 13


def test_the_time_of_all_threads_counts_and_not_that_of_the_first_alone(plant: Plant) -> None:
    tree = plant(proc(42, threads={42: (1_000_000_000, 0), 43: (3_000_000_000, 250_000_000), 44: (0, 0)}))
    found = figures(find(tree, {"x": 42}).read(), "x")
    assert (found["cpu_seconds_total"], found["runqueue_wait_seconds_total"]) == pytest.approx((4.0, 0.25))


def test_a_thread_that_ended_keeps_what_it_had_used(plant: Plant) -> None:
    tree = plant(proc(42, threads={42: (1_000_000_000, 0), 43: (3_000_000_000, 0)}))
    source = find(tree, {"x": 42})
    source.read()
    tree.path("proc/42/task/43/schedstat").unlink()
    tree.path("proc/42/task/43").rmdir()
    plant(proc(42, threads={42: (1_500_000_000, 0)}))
    assert figures(source.read(), "x")["cpu_seconds_total"] == pytest.approx(4.5)


def test_a_kernel_without_schedstat_gives_no_times_and_not_zero(plant: Plant) -> None:
    for threads in ({}, {42: (0, 0)}):
        found = figures(find(plant(proc(42, threads=threads)), {"x": 42}).read(), "x")
        assert "cpu_seconds_total" not in found
        assert "runqueue_wait_seconds_total" not in found
        assert "rss_bytes" in found


@pytest.mark.parametrize(("file", "metric"), [("smaps_rollup", "pss_bytes"), ("io", "written_bytes_total")])
def test_a_file_that_the_kernel_does_not_have_costs_its_own_figure_alone(plant: Plant, file: str, metric: str) -> None:
    tree = plant(proc(42))
    tree.path(f"proc/42/{file}").unlink()
    reads = find(tree, {"x": 42}).read()
    assert metric not in figures(reads, "x")
    assert len(reads.readings) == 6
    assert reads.faults == ()


def test_a_process_that_is_not_there_is_absent_and_no_fault(plant: Plant) -> None:
    reads = find(plant(proc(42)), {"gone": 41, "here": 42}).read()
    assert {reading.name for reading in reads.readings} == {"here"}
    assert reads.faults == ()


def test_a_process_that_ends_between_opening_and_reading_its_files_is_absent_and_no_fault(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel answers ESRCH then: `proc_single_show` in fs/proc/base.c."""
    source = find(plant(proc(42)), {"x": 42})

    def gone(descriptor: int, most: int) -> bytes:
        raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))

    with monkeypatch.context() as patch:
        patch.setattr(os, "read", gone)
        reads = source.read()
    assert (reads.readings, reads.faults) == ((), ())


@pytest.mark.parametrize("file", ["statm", "stat", "status"])
@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"1" * 100_000], ids=["empty", "binary", "long"])
def test_a_bad_file_touches_its_own_process_alone(plant: Plant, file: str, content: bytes) -> None:
    tree = plant({**proc(41), **proc(42)})
    tree.path(f"proc/41/{file}").write_bytes(content)
    reads = find(tree, {"bad": 41, "good": 42}).read()
    assert len(figures(reads, "good")) == 7
    assert {fault.name for fault in reads.faults} <= {"bad"}
    assert all(value > 0 for value in figures(reads, "bad").values())


@pytest.mark.parametrize("content", [b"", b"x y z\n", b"1 2\n", b"-1 -1 1\n", b"\xff"])
def test_a_bad_schedstat_touches_its_own_thread_alone(plant: Plant, content: bytes) -> None:
    tree = plant(proc(42, threads={42: (1_000_000_000, 0), 43: (1_000_000_000, 0)}))
    tree.path("proc/42/task/43/schedstat").write_bytes(content)
    reads = find(tree, {"x": 42}).read()
    assert figures(reads, "x")["cpu_seconds_total"] == pytest.approx(1.0)
    assert reads.faults == ()


@pytest.mark.parametrize(("period", "every"), [(0.5, 20), (2.0, 5), (3.0, 4), (4.0, 3), (7.0, 2), (10.0, 1), (60.0, 1)])
def test_the_costly_figure_is_read_at_once_and_then_every_ten_seconds_at_most(plant: Plant, period: float, every: int) -> None:
    source = find(plant(proc(42)), {"x": 42}, period)
    seen = ["pss_bytes" in figures(source.read(), "x") for _ in range(2 * every + 1)]
    assert [index for index, is_there in enumerate(seen) if is_there] == [0, every, 2 * every]


def test_a_name_that_another_process_takes_over_is_another_instance_and_begins_anew(plant: Plant) -> None:
    running = {"x": 41}
    source = find(plant({**proc(41), **proc(42, threads={42: (1_000_000_000, 0)})}), running)
    source.read()
    running["x"] = 42
    reads = source.read()
    assert {reading.instance for reading in reads.readings} == {42}
    assert figures(reads, "x")["cpu_seconds_total"] == pytest.approx(1.0)
    assert "pss_bytes" in figures(reads, "x")


def test_nothing_to_watch_is_nothing_read(plant: Plant) -> None:
    reads = find(plant({}), {}).read()
    assert (reads.readings, reads.faults) == ((), ())


# Real.


def test_this_process_is_read() -> None:
    reads = find(REAL, {"agent": os.getpid()}).read()
    found = figures(reads, "agent")
    assert reads.faults == ()
    assert 5e6 < found["rss_bytes"] <= found["rss_peak_bytes"] * 1.1
    assert found["rss_peak_bytes"] == pytest.approx(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, rel=0.2)
    assert found["major_faults_total"] >= 0
    if "cpu_seconds_total" in found:  # a kernel may be built without
        assert found["cpu_seconds_total"] > 0


def test_the_time_of_a_thread_beside_the_first_is_seen() -> None:
    source = find(REAL, {"agent": os.getpid()})
    before = figures(source.read(), "agent").get("cpu_seconds_total")
    if before is None:
        pytest.skip("this kernel keeps no schedstat")
    spent = threading.Event()

    def spin() -> None:
        while time.thread_time() < 0.05:
            pass
        spent.set()
        done.wait()

    done = threading.Event()
    thread = threading.Thread(target=spin)
    thread.start()
    spent.wait()
    after = figures(source.read(), "agent")["cpu_seconds_total"]
    done.set()
    thread.join()
    assert after - before >= 0.04


def test_a_child_that_dies_is_absent_and_no_fault() -> None:
    with subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE) as child:
        source = find(REAL, {"child": child.pid, "agent": os.getpid()})
        alive = source.read()
        assert figures(alive, "child")["rss_bytes"] > 0
        child.kill()
    reads = source.read()
    assert figures(reads, "child") == {}
    assert figures(reads, "agent")["rss_bytes"] > 0
    assert reads.faults == ()


def test_a_child_that_died_and_was_not_waited_for_has_no_memory_and_not_zero_of_it() -> None:
    """Between its death and the next look of whoever started it a process is a zombie, and its `statm` is all zeros."""
    with subprocess.Popen([sys.executable, "-I", "-c", "input()"], stdin=subprocess.PIPE) as child:
        source = find(REAL, {"child": child.pid})
        source.read()
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        reads = source.read()
    assert "rss_bytes" not in figures(reads, "child")
    assert reads.faults == ()
