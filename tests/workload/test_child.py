"""The workload process itself, started as the monitor starts it: what it says when it is ready, what it refuses, how it ends."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pytest

from agent.core.ring import Flag
from agent.workload import inputs
from agent.workload import model as models
from agent.workload.plan import Ready, Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.core.record import Inferences
    from agent.engine.process import ChildProcess
    from agent.workload.plan import Plan

    Start = Callable[..., ChildProcess]
    Wait = Callable[..., Any]

MODELS = Path(__file__).resolve().parents[1] / "fixtures" / "models"
HELD_BACK = models.SHIPPED / "digits_int8.npz"


@pytest.fixture
def ready(start: Start, wait_for: Wait) -> Callable[..., tuple[ChildProcess, Ready]]:
    """Return the function that starts a process and waits until it says that it is ready."""

    def begin(model: str | Path = "digits_int8", **changes: Any) -> tuple[ChildProcess, Ready]:
        life = start(model, **changes)
        answer = wait_for(lambda: life.answer() or life.ended())
        assert isinstance(answer, Ready), answer
        return life, answer

    return begin


@pytest.fixture
def refused(start: Start, wait_for: Wait) -> Callable[..., str]:
    """Return the function that starts a process which refuses and ends with the exit code for it, and returns its reason."""

    def begin(model: str | Path = "digits_int8", **changes: Any) -> str:
        life = start(model, **changes)
        answer = wait_for(lambda: life.answer() or life.ended())
        assert isinstance(answer, Refused), answer
        assert wait_for(life.ended).startswith("ended with exit code 3")
        assert answer.reason
        assert "\n" not in answer.reason
        return answer.reason

    return begin


def records(life: ChildProcess, seconds: float) -> Inferences:
    """Let a process work for a while and return what it did meanwhile."""
    life.reader.read()
    time.sleep(seconds)
    return life.reader.read()


def npz(path: Path, **arrays: np.ndarray[Any, Any]) -> str:
    np.savez(path, **arrays)
    return str(path)


# --- Ready ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "nodes"), [("digits_int8", 6), ("mobilenet_v2_int8", 65)])
def test_a_process_that_is_ready_says_what_it_has_loaded(
    ready: Callable[..., tuple[ChildProcess, Ready]], runtime: str, model: str, nodes: int
) -> None:
    began = time.monotonic()
    _, answer = ready(model, runtime=runtime, warmup=10)
    took = time.monotonic() - began
    assert answer.runtime.split(" ")[0] == runtime
    assert answer.runtime.split(" ")[1][0].isdigit()
    assert answer.model_sha256 == hashlib.sha256(models.locate(model).read_bytes()).hexdigest()
    assert answer.nodes == nodes
    assert answer.delegated_nodes is not None
    assert nodes / 2 < answer.delegated_nodes <= nodes
    assert answer.delegates == ("xnnpack",)
    assert (answer.input_kind, answer.input_count) == ("random", inputs.RANDOM_ITEMS)
    assert answer.outputs_checked
    assert answer.warmup_count == 10
    assert 0 < answer.init_seconds < took
    assert 0 < answer.first_inference_seconds < took
    assert 0 < answer.warmup_mean_seconds <= answer.warmup_max_seconds < took


def test_the_answer_is_given_once(ready: Callable[..., tuple[ChildProcess, Ready]]) -> None:
    life, _ = ready()
    assert life.answer() is None
    assert life.ended() is None


@pytest.mark.parametrize("model", ["random", "counter", "no_input"])
def test_a_model_that_does_not_repeat_itself_is_not_checked(
    ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait, runtime: str, model: str
) -> None:
    life, answer = ready(model, runtime=runtime)
    assert not answer.outputs_checked
    wait_for(lambda: life.reader.head > 100)
    seen = life.reader.read()
    assert not np.any(seen.flags & (Flag.CHECKED | Flag.WRONG_OUTPUT | Flag.FAILED))


@pytest.mark.parametrize(
    "model",
    ["two_inputs", "open_shape", "old_uint8", "bool_input", "half_input", "complex_input", "scalar_input", "string_input",
     "string_output", "gather", "find", "several_outputs"],
)  # fmt: skip
def test_every_kind_of_model_runs_on_random_inputs_and_repeats_itself(
    ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait, model: str
) -> None:
    life, answer = ready(model, warmup=16)
    assert answer.outputs_checked
    wait_for(lambda: life.reader.head > 100)
    seen = life.reader.read()
    assert not np.any(seen.flags & (Flag.FAILED | Flag.WRONG_OUTPUT))
    assert np.any(seen.flags & Flag.CHECKED)


def test_recorded_inputs_are_told_with_their_number(ready: Callable[..., tuple[ChildProcess, Ready]], runtime: str) -> None:
    _, answer = ready(inputs=str(HELD_BACK), runtime=runtime)
    assert (answer.input_kind, answer.input_count) == ("recorded", 200)


def test_recorded_inputs_set_the_open_dimensions(
    ready: Callable[..., tuple[ChildProcess, Ready]], runtime: str, tmp_path: Path
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for index in range(3):
        np.save(images / f"{index}.npy", np.full((40, 60, 3), index, dtype=np.float32))
    _, answer = ready("open_shape", inputs=str(images), runtime=runtime)
    assert (answer.input_kind, answer.input_count) == ("recorded", 3)


def test_recorded_numbers_reach_an_input_without_dimensions(
    ready: Callable[..., tuple[ChildProcess, Ready]], runtime: str, tmp_path: Path
) -> None:
    _, answer = ready("scalar_input", inputs=npz(tmp_path / "in.npz", x=np.arange(5, dtype=np.float32)), runtime=runtime)
    assert answer.input_count == 5


@pytest.mark.parametrize("kind", ["S", "U"])
def test_recorded_words_reach_a_model_that_takes_words(
    ready: Callable[..., tuple[ChildProcess, Ready]], runtime: str, tmp_path: Path, kind: str
) -> None:
    words = np.array([["yes", "no"], ["maybe", "yes"], ["no", "no"]]).astype(kind)
    _, answer = ready("string_input", inputs=npz(tmp_path / "in.npz", words=words), runtime=runtime)
    assert answer.input_count == 3


def test_recorded_values_may_decide_the_shape_of_the_output(
    ready: Callable[..., tuple[ChildProcess, Ready]], runtime: str, tmp_path: Path
) -> None:
    recording = npz(
        tmp_path / "in.npz",
        x=np.zeros((3, 4), dtype=np.float32),
        shape=np.array([[2, 2], [4, 1], [1, 4]], dtype=np.int32),
    )
    _, answer = ready("reshape", inputs=recording, runtime=runtime)
    assert answer.outputs_checked


# --- Refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [8, 64, 1_000, 7_000, 12_000, 14_500])
def test_a_model_file_that_was_cut_short_is_refused(refused: Callable[..., str], runtime: str, tmp_path: Path, kept: int) -> None:
    """A download that broke off. A runtime that does not look at the file first ends by a signal instead."""
    path = tmp_path / "half.tflite"
    path.write_bytes(models.locate("digits_int8").read_bytes()[:kept])
    assert "half.tflite" in refused(path, runtime=runtime)


@pytest.mark.parametrize("content", [b"", b"# not a model\n" * 50])
def test_a_file_that_is_no_model_is_refused(refused: Callable[..., str], runtime: str, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.tflite"
    path.write_bytes(content)
    assert "notes.tflite" in refused(path, runtime=runtime)


def test_a_model_file_that_is_gone_is_refused(refused: Callable[..., str], runtime: str, tmp_path: Path) -> None:
    assert "gone.tflite" in refused(tmp_path / "gone.tflite", runtime=runtime)


@pytest.mark.parametrize(("model", "said"), [("flex", "FlexMatrixDeterminant"), ("custom", "NobodysOperator")])
def test_an_operator_that_the_runtime_does_not_have_is_refused_by_its_name(
    refused: Callable[..., str], runtime: str, model: str, said: str
) -> None:
    reason = refused(model, runtime=runtime)
    assert f"{model}.tflite" in reason
    assert said in reason


def test_a_model_that_loads_and_cannot_run_is_refused_with_the_operator(refused: Callable[..., str], runtime: str) -> None:
    reason = refused("reshape", runtime=runtime)
    assert "reshape.tflite loads but does not run" in reason
    assert "RESHAPE" in reason


def test_a_recorded_index_beyond_the_table_is_refused(refused: Callable[..., str], runtime: str, tmp_path: Path) -> None:
    recording = npz(tmp_path / "in.npz", index=np.array([[0], [1], [7]], dtype=np.int32))
    reason = refused("gather", inputs=recording, runtime=runtime)
    assert "gather.tflite loads but does not run" in reason
    assert "GATHER" in reason


def test_a_reason_is_never_too_long_for_the_monitor_to_read(refused: Callable[..., str], tmp_path: Path) -> None:
    """A frame per array, as `np.savez(path, *frames)` writes them, where a stack was wanted: none of them is the right one."""
    frames = {f"frame_{index:05}_of_a_long_recording": np.zeros((1, 8, 8, 1), dtype=np.int8) for index in range(2_000)}
    assert len(refused(inputs=npz(tmp_path / "in.npz", **frames))) < 1_000


def test_inputs_that_are_not_there_are_refused_by_their_path(refused: Callable[..., str]) -> None:
    assert "/nowhere/frames.npz" in refused(inputs="/nowhere/frames.npz")


def test_inputs_of_another_shape_are_refused_with_both_shapes(refused: Callable[..., str], runtime: str, tmp_path: Path) -> None:
    reason = refused(inputs=npz(tmp_path / "in.npz", image=np.zeros((5, 9, 9, 1), dtype=np.int8)), runtime=runtime)
    assert "[5, 9, 9, 1]" in reason
    assert "[1, 8, 8, 1]" in reason


def test_inputs_of_another_type_are_refused_with_both_types(refused: Callable[..., str], runtime: str, tmp_path: Path) -> None:
    reason = refused(inputs=npz(tmp_path / "in.npz", image=np.zeros((5, 8, 8, 1), dtype=np.float32)), runtime=runtime)
    assert "float32" in reason
    assert "int8" in reason


def test_recorded_inputs_for_a_model_without_inputs_are_refused_or_left_alone(start: Start, wait_for: Wait, tmp_path: Path) -> None:
    life = start("no_input", inputs=npz(tmp_path / "in.npz", x=np.zeros((3, 4), dtype=np.float32)))
    answer = wait_for(lambda: life.answer() or life.ended())
    assert isinstance(answer, Ready | Refused), answer


def test_a_runtime_that_nobody_knows_is_refused_by_its_name(refused: Callable[..., str]) -> None:
    assert "tensorrt" in refused(runtime="tensorrt")


def test_a_delegate_that_is_not_there_is_refused_by_its_path(refused: Callable[..., str], runtime: str) -> None:
    assert "/nowhere/libdelegate.so" in refused(delegates=("/nowhere/libdelegate.so",), runtime=runtime)


def test_a_delegate_that_is_no_library_is_refused_by_its_path(refused: Callable[..., str], runtime: str, tmp_path: Path) -> None:
    path = tmp_path / "libdelegate.so"
    path.write_text("no library at all\n")
    assert str(path) in refused(delegates=(str(path),), runtime=runtime)


def test_a_library_that_is_no_delegate_is_refused_by_its_path(refused: Callable[..., str], runtime: str) -> None:
    """Such as the driver's library, given where its delegate's should be."""
    library = msgspec._core.__file__
    assert library in refused(delegates=(library,), runtime=runtime)


def test_a_delegate_that_cannot_be_made_is_refused_in_its_own_words(
    refused: Callable[..., str], runtime: str, delegate: Callable[[int], str]
) -> None:
    library = delegate(1)
    reason = refused(delegates=(library,), runtime=runtime)
    assert library in reason
    assert "no such accelerator on this board" in reason


def test_of_several_delegates_the_one_that_fails_is_named(
    refused: Callable[..., str], runtime: str, delegate: Callable[[int], str]
) -> None:
    good = delegate(0)
    reason = refused(delegates=(good, "/nowhere/libdelegate.so"), runtime=runtime)
    assert "/nowhere/libdelegate.so" in reason
    assert good not in reason


# --- How it ends ------------------------------------------------------------------------------


def test_a_killed_process_says_by_which_signal(ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait) -> None:
    life, _ = ready()
    os.kill(life.pid, signal.SIGKILL)
    assert wait_for(life.ended) == "killed by SIGKILL"
    assert life.answer() is None


def test_a_signal_without_a_name_is_told_by_its_number(ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait) -> None:
    """Only the first and the last of the real-time signals have names."""
    life, _ = ready()
    number = signal.SIGRTMIN + 1
    os.kill(life.pid, number)
    assert str(int(number)) in wait_for(life.ended)


def test_a_process_that_aborts_is_told_from_one_that_was_killed(
    ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait
) -> None:
    life, _ = ready()
    os.kill(life.pid, signal.SIGABRT)
    assert wait_for(life.ended).startswith("killed by SIGABRT")


def test_a_runtime_that_aborts_has_its_last_words_told(
    start: Start, wait_for: Wait, runtime: str, delegate: Callable[[int], str]
) -> None:
    life = start(delegates=(delegate(3),), runtime=runtime)
    assert wait_for(lambda: life.answer() or life.ended()) == "killed by SIGABRT: the accelerator is on fire"


def test_a_model_that_only_fails_ends_after_twenty_times_and_says_why(
    ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait, runtime: str, tmp_path: Path
) -> None:
    """Warm-up learns the first input alone here; those after it are beyond the table."""
    recording = npz(tmp_path / "in.npz", index=np.array([[0]] + [[9]] * 30, dtype=np.int32))
    life, _ = ready("gather", inputs=recording, warmup=2, runtime=runtime)
    ended = wait_for(life.ended)
    assert ended.startswith("ended with exit code 4: 20 failures in a row: ")
    assert ended.count("GATHER") == 1, "both runtimes say all earlier errors again with each new one"
    seen = life.reader.read()
    assert [bool(flags & Flag.FAILED) for flags in seen.flags] == [False] + [True] * 20


def test_an_input_that_fails_is_recorded_as_failed_each_time_it_comes_round(
    ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait, runtime: str, tmp_path: Path
) -> None:
    recording = npz(tmp_path / "in.npz", index=np.array([[0], [1], [9]], dtype=np.int32))
    life, _ = ready("gather", inputs=recording, warmup=2, period_seconds=0.002, runtime=runtime)
    wait_for(lambda: life.reader.head >= 30)
    seen = life.reader.read()
    failed = (seen.flags & Flag.FAILED) > 0
    assert failed[:30].tolist() == [False, False, True] * 10
    assert not seen.invoke_nanoseconds[failed].any()
    assert np.all(seen.flags & Flag.PACED)


def test_ctrl_c_is_left_to_the_monitor(ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait) -> None:
    life, _ = ready()
    os.kill(life.pid, signal.SIGINT)
    time.sleep(0.1)
    head = life.reader.head
    wait_for(lambda: life.reader.head > head)
    assert life.ended() is None


def test_sigterm_ends_it(ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait) -> None:
    life, _ = ready()
    os.kill(life.pid, signal.SIGTERM)
    assert wait_for(life.ended) == "killed by SIGTERM"


def is_gone(process: int) -> bool:
    """Return whether a process has ended, whoever its parent is now and whether or not that has noticed."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


MONITOR = """
import json, os, signal, sys, time
import msgspec
from agent.engine.process import ChildProcess
from agent.workload.plan import Plan

life = ChildProcess.start(msgspec.json.decode(sys.argv[1], type=Plan), os.environ)
print(life.pid, flush=True)
if sys.argv[2] == "at once":
    os.kill(os.getpid(), signal.SIGKILL)
while not life.reader.head:
    time.sleep(0.005)
print("infers", flush=True)
time.sleep(600)
"""


def monitor(plan: Plan, when: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", MONITOR, msgspec.json.encode(plan).decode(), when], stdout=subprocess.PIPE, text=True
    )


def end(process: int) -> None:
    """End an orphan, so that a test that fails leaves nothing behind."""
    if not is_gone(process):
        os.kill(process, signal.SIGKILL)


def test_it_ends_when_its_monitor_is_killed(plan: Callable[..., Plan], wait_for: Wait) -> None:
    with monitor(plan(), "later") as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            assert parent.stdout.readline() == "infers\n"
            assert not is_gone(child)
            parent.kill()
            parent.wait()
            wait_for(lambda: is_gone(child), seconds=10)
        finally:
            parent.kill()
            end(child)


def test_it_ends_even_if_its_monitor_was_killed_before_it_could_look(plan: Callable[..., Plan], wait_for: Wait) -> None:
    """Its interpreter takes a moment to start. Nobody else would ever end it: it would burn a core until the next boot."""
    with monitor(plan(), "at once") as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            parent.wait()
            wait_for(lambda: is_gone(child), seconds=10)
        finally:
            end(child)


# --- What arrives through the ring ------------------------------------------------------------


def test_its_inferences_arrive_with_plausible_times(
    ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait, runtime: str
) -> None:
    before = time.monotonic_ns()
    life, answer = ready(runtime=runtime)
    wait_for(lambda: life.reader.head > 1_000)
    seen = life.reader.read()
    after = time.monotonic_ns()
    assert len(seen) > 1_000
    assert seen.lost == 0
    assert np.all(seen.start_nanoseconds > before)
    assert np.all(seen.end_nanoseconds < after)
    assert np.all(np.diff(seen.start_nanoseconds) > 0)
    assert np.all(seen.start_nanoseconds[1:] >= seen.start_nanoseconds[:-1] + seen.invoke_nanoseconds[:-1])
    assert np.all(seen.invoke_nanoseconds > 0)
    assert np.median(seen.invoke_nanoseconds) / 1e9 <= 2 * answer.warmup_max_seconds
    assert not seen.late_nanoseconds.any()
    assert not np.any(seen.flags & (Flag.FAILED | Flag.WRONG_OUTPUT | Flag.PACED))


def test_outputs_are_checked_once_a_second(ready: Callable[..., tuple[ChildProcess, Ready]]) -> None:
    life, _ = ready(period_seconds=0.005)
    seen = records(life, 3.0)
    checked = seen.start_nanoseconds[(seen.flags & Flag.CHECKED) > 0]
    assert len(checked) >= 2
    # The first inference that ends after a second is checked; none is, while the machine lets none run.
    assert np.all(np.diff(checked) >= 1_000_000_000 - 5_000_000)
    assert np.all(np.diff(checked) <= 1_050_000_000 + np.diff(seen.start_nanoseconds).max())
    assert not np.any(seen.flags & Flag.WRONG_OUTPUT)


def test_paced_at_50_hertz_it_makes_50_inferences_a_second(ready: Callable[..., tuple[ChildProcess, Ready]], runtime: str) -> None:
    life, _ = ready(period_seconds=0.02, runtime=runtime)
    seen = records(life, 2.0)
    assert 70 <= len(seen) <= 130
    assert np.all(seen.flags & Flag.PACED)
    # Lateness and input time come in steps of 64 ns: what was due can be told to within two of them.
    due = seen.start_nanoseconds - seen.input_nanoseconds - seen.late_nanoseconds
    assert np.all(np.abs(np.diff(due) - 20_000_000) <= 256)
    assert np.median(seen.late_nanoseconds) < 200_000_000


def test_while_it_is_held_it_makes_no_inference(ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait) -> None:
    life, _ = ready(period_seconds=0.002)
    wait_for(lambda: life.reader.head > 10)
    life.reader.hold(True)
    wait_for(lambda: len(records(life, 0.2)) == 0)
    assert len(records(life, 0.3)) == 0
    life.reader.hold(False)
    head = life.reader.head
    wait_for(lambda: life.reader.head > head + 10)
    # What was due meanwhile is let go, not caught up with.
    assert life.reader.read().late_nanoseconds.max() < 450_000_000


def test_it_stays_on_the_cores_it_is_given(ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait) -> None:
    cores = sorted(os.sched_getaffinity(0))
    life, _ = ready(cores=(cores[-1],))
    assert os.sched_getaffinity(life.pid) == {cores[-1]}
    life.pin((cores[0],))
    assert os.sched_getaffinity(life.pid) == {cores[0]}
    head = life.reader.head
    wait_for(lambda: life.reader.head > head)


def private_bytes(process: int) -> int:
    """Return a process's own memory. What it writes to the ring is shared, and grows until the ring is full."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def test_its_memory_stays_where_it_is(ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait, runtime: str) -> None:
    """There is no garbage collection in that process: whatever piles up stays."""
    life, _ = ready(runtime=runtime)
    wait_for(lambda: life.reader.head > 2_000)
    before, head = private_bytes(life.pid), life.reader.head
    time.sleep(1.0)
    wait_for(lambda: life.reader.head > head + 5_000)
    grown = private_bytes(life.pid) - before
    assert grown < 500_000, f"{grown / (life.reader.head - head):.0f} bytes per inference"


def test_an_input_that_fails_for_ever_does_not_eat_the_memory(
    ready: Callable[..., tuple[ChildProcess, Ready]], wait_for: Wait, runtime: str, tmp_path: Path
) -> None:
    """Both runtimes keep the text of every error and say it again with the next one: 66 bytes each here, and ever slower.

    Only a new process forgets them, so ending by itself after some thousands of failures is as good as not growing.
    """
    recording = npz(tmp_path / "in.npz", index=np.array([[0], [9]], dtype=np.int32))
    life, _ = ready("gather", inputs=recording, warmup=2, runtime=runtime)
    before = private_bytes(life.pid)
    grown = 0
    failures = 0
    while failures < 10_000 and life.ended() is None:
        time.sleep(0.05)
        failures += int(np.count_nonzero(life.reader.read().flags & Flag.FAILED))
        if life.ended() is None:
            grown = max(grown, private_bytes(life.pid) - before)
    assert grown < 1_500_000, f"{grown / failures:.0f} bytes per failure"
    assert (life.ended() or "ended with exit code 4").startswith("ended with exit code 4")


def test_it_has_no_other_python_thread_and_no_core_for_linear_algebra(ready: Callable[..., tuple[ChildProcess, Ready]]) -> None:
    life, _ = ready(threads=1)
    assert len(list(Path(f"/proc/{life.pid}/task").iterdir())) == 1


def test_nothing_of_the_monitor_is_loaded_into_it() -> None:
    """What is imported there is memory beside the model."""
    program = "import sys, json; import agent.workload.__main__; print(json.dumps(sorted(sys.modules)))"
    seen = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    loaded = set(json.loads(seen.stdout))
    assert "agent.workload.loop" in loaded
    assert not loaded & {"agent.engine", "agent.sensors", "agent.publish", "agent.daemon", "asyncio", "paho", "psutil", "sqlite3"}
