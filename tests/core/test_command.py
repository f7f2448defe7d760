from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.core import command
from agent.core.command import LineProcess, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[[str], LineProcess]

# Long enough for a loaded machine; nothing waits so long when all is well.
LONG = 20.0
SOON = 0.05


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def is_running(process: int) -> bool:
    """Return whether it runs; who inherits an orphan may leave it unreaped."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def pid(process: LineProcess) -> int:
    # It has no public face, so that nobody else ends it.
    return process._process.pid


# Run to the end.


def test_what_a_command_writes_to_stdout_is_returned_and_nothing_else() -> None:
    assert run(["sh", "-c", "echo one; echo oops >&2; printf two"], LONG) == "one\ntwo"


def test_the_exit_code_says_nothing() -> None:
    """vcgencmd and tegrastats end with 0 after an error, and with others after an answer."""
    assert run(["sh", "-c", "echo answer; exit 7"], LONG) == "answer\n"
    assert run(["sh", "-c", "echo answer; kill -9 $$"], LONG) == "answer\n"
    assert run(["true"], LONG) == ""


def test_a_command_gets_no_input() -> None:
    assert run(["cat"], LONG) == ""


def test_words_are_not_read_by_a_shell() -> None:
    assert run(["printf", "%s.", "a b", "$HOME", "*", ""], LONG) == "a b.$HOME.*.."


def test_what_is_not_text_is_replaced() -> None:
    assert run(["printf", r"a\377b"], LONG) == "a\ufffdb"


def test_a_command_that_is_not_there_is_told() -> None:
    for name in ("emberd-no-such-command", "/nonexistent/command"):
        with pytest.raises(FileNotFoundError):
            run([name], LONG)
        with pytest.raises(FileNotFoundError):
            LineProcess([name])


def test_a_file_that_is_no_program_cannot_be_started(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("text")
    with pytest.raises(PermissionError):
        run([str(tmp_path / "plain")], LONG)
    with pytest.raises(PermissionError):
        LineProcess([str(tmp_path / "plain")])


def test_a_command_that_takes_too_long_is_killed_also_when_it_will_not_be_asked(tmp_path: Path) -> None:
    script = f"trap '' TERM; echo $$ > '{tmp_path}/pid'; exec sleep 1000"
    with pytest.raises(TimeoutError, match=r"^sh took longer than 0\.5 s$"):
        run(["sh", "-c", script], 0.5)
    written = tmp_path / "pid"
    # On a machine too busy to start it, it was killed before it wrote this.
    assert not written.exists() or not is_alive(int(written.read_text()))


# Listened to.


@pytest.fixture
def start() -> Iterator[Start]:
    """Return a function that starts a shell script; all are ended, and no process is left of them."""
    started: list[LineProcess] = []

    def begin(script: str) -> LineProcess:
        started.append(LineProcess(["sh", "-c", script]))
        return started[-1]

    yield begin
    for process in started:
        process.stop()
        assert not is_alive(pid(process))


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """Return what makes a script wait (`read _ < FIFO`), and a function that lets it go on once."""
    fifo = tmp_path / "hold"
    os.mkfifo(fifo)
    descriptor = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)
    yield f"read _ < '{fifo}'", lambda: os.write(descriptor, b"\n") and None
    os.close(descriptor)


def test_lines_come_one_by_one_then_the_end_again_and_again(start: Start) -> None:
    process = start(r"printf 'one\n\n two \r\nthree\n'")
    assert [process.line(LONG) for _ in range(4)] == ["one", "", " two ", "three"]
    for _ in range(3):
        with pytest.raises(EOFError):
            process.line(LONG)


def test_a_line_without_an_end_is_the_last_one(start: Start) -> None:
    process = start("printf 'one\ntwo'")
    assert [process.line(LONG) for _ in range(2)] == ["one", "two"]
    with pytest.raises(EOFError):
        process.line(LONG)


def test_a_line_of_which_a_part_has_come_is_waited_for(start: Start, hold: tuple[str, Callable[[], None]]) -> None:
    wait, go_on = hold
    process = start(rf"printf 'first\nsec'; {wait}; printf 'ond\nthird\n'")
    assert process.line(LONG) == "first"
    assert process.line(SOON) is None
    assert process.line(0.0) is None
    go_on()
    assert process.line(LONG) == "second"
    assert process.line(LONG) == "third"


def test_a_silent_command_has_no_line_and_is_not_at_its_end(start: Start) -> None:
    process = start("exec sleep 1000")
    assert process.line(0.0) is None
    assert process.line(SOON) is None
    assert is_alive(pid(process))


def test_lines_that_are_here_need_no_waiting(start: Start) -> None:
    process = start(r"printf 'one\ntwo\nthree\n'; exec sleep 1000")
    assert process.line(LONG) == "one"
    # They were written in one piece.
    assert [process.line(0.0) for _ in range(3)] == ["two", "three", None]


@pytest.mark.parametrize("length", [65_535, 65_536, 65_537, 200_000, 1_000_000])
def test_a_very_long_line_comes_in_pieces_of_which_nothing_is_lost(start: Start, length: int) -> None:
    process = start(f"head -c {length} /dev/zero | tr '\\0' x; echo; echo after")
    pieces: list[str] = []
    while (line := process.line(LONG)) != "after":
        assert line is not None
        assert len(line) <= 65_536
        pieces.append(line)
    assert "".join(pieces) == "x" * length
    assert len(pieces) <= length / 65_536 + 2


def test_a_flood_of_lines_is_complete(start: Start) -> None:
    process = start("seq 50000")
    assert [process.line(LONG) for _ in range(50_000)] == [str(number) for number in range(1, 50_001)]
    with pytest.raises(EOFError):
        process.line(LONG)


def test_bytes_that_are_no_text_are_replaced(start: Start) -> None:
    assert start(r"printf 'a\377b\n'").line(LONG) == "a\ufffdb"


def test_what_it_writes_to_stderr_is_thrown_away(start: Start) -> None:
    process = start(
        "i=0; while [ $i -lt 3000 ]; do echo 'a line that would fill a pipe that nobody empties' >&2; i=$((i+1)); done; echo done"
    )
    assert process.line(LONG) == "done"


def test_it_has_no_input(start: Start) -> None:
    assert start("cat; echo end").line(LONG) == "end"


def test_ctrl_c_does_not_reach_it(start: Start) -> None:
    process = start("echo here; exec sleep 1000")
    assert process.line(LONG) == "here"
    assert os.getpgid(pid(process)) == pid(process) != os.getpgid(0)


def test_a_command_killed_from_outside_has_come_to_its_end(start: Start) -> None:
    process = start("echo here; exec sleep 1000")
    assert process.line(LONG) == "here"
    os.kill(pid(process), 9)
    with pytest.raises(EOFError):
        process.line(LONG)


# Ended.


def test_a_command_that_is_stopped_is_gone_and_reaped(start: Start) -> None:
    process = start("echo here; exec sleep 1000")
    assert process.line(LONG) == "here"
    process.stop()
    assert not is_alive(pid(process))


def test_a_command_may_tidy_up_before_it_ends(start: Start, tmp_path: Path) -> None:
    process = start(f"trap 'touch {tmp_path}/tidy; exit' TERM; echo here; while :; do sleep 0.01; done")
    assert process.line(LONG) == "here"
    process.stop()
    assert (tmp_path / "tidy").exists()


def test_a_command_that_ignores_being_asked_is_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_TERM_SECONDS", 0.1)
    process = start("trap '' TERM; echo here; exec sleep 1000")
    assert process.line(LONG) == "here"
    process.stop()
    assert not is_alive(pid(process))
    assert process._process.returncode == -9


def test_a_command_that_has_ended_may_be_stopped_and_stopped_again(start: Start) -> None:
    process = start("echo here")
    assert process.line(LONG) == "here"
    with pytest.raises(EOFError):
        process.line(LONG)
    for _ in range(3):
        process.stop()


def test_a_command_that_never_stops_writing_can_be_stopped(start: Start) -> None:
    process = start("exec yes")
    assert process.line(LONG) == "y"
    process.stop()
    assert not is_alive(pid(process))


def test_a_writer_whose_listener_is_gone_ends_by_itself(tmp_path: Path) -> None:
    """A monitor that is killed cannot stop anything: its tegrastats ends at the next line."""
    listener = f"from agent.core.command import LineProcess\np = LineProcess(['yes'])\nprint(p._process.pid, p.line({LONG}))\n"
    listener += "import os\nos.kill(os.getpid(), 9)\n"
    writer, word = run([sys.executable, "-c", f"import sys; sys.stdout.reconfigure(line_buffering=True)\n{listener}"], LONG).split()
    assert word == "y"
    deadline = time.monotonic() + LONG
    while is_running(int(writer)):
        assert time.monotonic() < deadline
        time.sleep(0.01)
