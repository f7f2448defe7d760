from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.sensors import cpu

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Times = dict[str, float]

IDLE = {"user": 0.0, "nice": 0.0, "system": 0.0, "idle": 0.0, "iowait": 0.0, "irq": 0.0, "softirq": 0.0, "steal": 0.0}


@pytest.fixture
def tree(plant: Plant) -> Tree:
    return plant({})


class Kernel:
    """What the kernel accounts for, and what psutil would make of it: the cores that are on, in order."""

    def __init__(self, cores: int) -> None:
        self.cores = [dict(IDLE) for _ in range(cores)]
        self.off: set[int] = set()

    def spend(self, core: int, **seconds: float) -> None:
        for kind, amount in seconds.items():
            self.cores[core][kind] += amount

    def switch_off(self, tree: Tree, *cores: int) -> None:
        """Switch these cores off and all others on, and say so in the places where the kernel does."""
        self.off = set(cores)
        on = [core for core in range(len(self.cores)) if core not in self.off]
        for name, text in (
            ("sys/devices/system/cpu/online", ",".join(map(str, on))),
            ("proc/stat", "".join(f"cpu{core} {self._ticks(self.cores[core])}\n" for core in on)),
        ):
            tree.path(name).parent.mkdir(parents=True, exist_ok=True)
            tree.path(name).write_text(f"{text}\n")

    @staticmethod
    def _ticks(times: Times) -> str:
        return " ".join(str(round(100 * seconds)) for seconds in times.values())

    def cpu_times(self, *, percpu: bool = False) -> object:
        # Of all cores that are on, and for the whole machine those of the others still count: fs/proc/stat.c.
        if percpu:
            return [SimpleNamespace(**times) for core, times in enumerate(self.cores) if core not in self.off]
        return SimpleNamespace(**{kind: sum(times[kind] for times in self.cores) for kind in IDLE})


@pytest.fixture
def kernel() -> Iterator[Callable[[int], Kernel]]:
    """Return a function that puts a kernel with so many cores in the place of this machine's."""
    with pytest.MonkeyPatch.context() as patch:

        def boot(cores: int) -> Kernel:
            made = Kernel(cores)
            patch.setattr(psutil, "cpu_times", made.cpu_times)
            return made

        yield boot


def loads(source: cpu.CpuLoad) -> dict[str, float]:
    reads = source.read()
    assert all(reading.metric == "load_ratio" for reading in reads.readings)
    assert reads.faults == ()
    return {reading.name: reading.value for reading in reads.readings}


def found(tree: Tree) -> cpu.CpuLoad:
    return cpu.find(cpu.Config(), Surroundings(board=tree, machine=tree))


def test_the_first_reading_has_nothing_to_compare_with(kernel: Callable[[int], Kernel], tree: Tree) -> None:
    kernel(2)
    assert loads(found(tree)) == {}


def test_load_is_the_share_of_time_that_was_neither_idle_nor_waiting_for_storage(
    kernel: Callable[[int], Kernel], tree: Tree
) -> None:
    machine = kernel(2)
    source = found(tree)
    loads(source)
    machine.spend(0, user=1.0, nice=0.5, system=0.5, irq=0.5, softirq=0.25, steal=0.25, idle=6.0, iowait=1.0)
    machine.spend(1, idle=10.0)
    assert loads(source) == pytest.approx({"core0": 0.3, "core1": 0.0, "total": 0.15})


def test_an_idle_core_reads_a_measured_zero_and_a_busy_one_reads_one(kernel: Callable[[int], Kernel], tree: Tree) -> None:
    machine = kernel(2)
    source = found(tree)
    loads(source)
    machine.spend(0, idle=1.0)
    machine.spend(1, user=1.0)
    assert loads(source) == {"core0": 0.0, "core1": 1.0, "total": 0.5}


def test_a_core_whose_clock_did_not_move_has_no_load(kernel: Callable[[int], Kernel], tree: Tree) -> None:
    machine = kernel(2)
    source = found(tree)
    loads(source)
    machine.spend(0, user=1.0)
    assert set(loads(source)) == {"core0", "total"}


@given(spent=st.lists(st.dictionaries(st.sampled_from(sorted(IDLE)), st.floats(-1.0, 10.0), max_size=8), max_size=5))
def test_load_stays_between_zero_and_one_even_where_the_kernel_counts_back(spent: list[Times]) -> None:
    """The kernel lets `iowait` fall: proc_stat(5)."""
    machine = Kernel(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psutil, "cpu_times", machine.cpu_times)
        source = found(Tree(Path("/nonexistent")))
        for times in spent:
            machine.spend(0, **times)
            assert all(0.0 <= value <= 1.0 for value in loads(source).values())


def test_a_core_that_is_switched_off_and_on_again_makes_no_load_out_of_nothing(kernel: Callable[[int], Kernel], tree: Tree) -> None:
    """A Jetson switches cores off by power mode. Its list of cores gets shorter then, and the ones after it move up."""
    machine = kernel(3)
    machine.spend(0, idle=1_000.0)
    machine.spend(1, idle=5_000.0, user=5_000.0)
    machine.spend(2, idle=1_000.0)
    machine.switch_off(tree)
    source = found(tree)
    for off in ((), (1,), (1,), (), ()):
        for core in {0, 1, 2}.difference(off):
            machine.spend(core, idle=1.0)
        machine.switch_off(tree, *off)
        assert all(value == pytest.approx(0.0, abs=1e-6) for value in loads(source).values())


def test_a_core_keeps_its_name_when_one_before_it_is_switched_off(kernel: Callable[[int], Kernel], tree: Tree) -> None:
    machine = kernel(3)
    machine.switch_off(tree, 1)
    source = found(tree)
    loads(source)
    machine.spend(0, idle=1.0)
    machine.spend(2, user=1.0)
    machine.switch_off(tree, 1)
    assert loads(source).get("core2") == 1.0


def test_this_machines_cores_are_told(tree: Tree) -> None:
    source = found(tree)
    source.read()
    names = {f"core{index}" for index in range(len(psutil.cpu_times(percpu=True)))} | {"total"}
    assert set(loads(source)) <= names
