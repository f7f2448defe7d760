from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.core.command import LineProcess
from agent.core.errors import Absent, SensorFault
from agent.core.record import Fault
from agent.core.sensor import Surroundings
from agent.core.tree import Tree
from agent.core.units import Seconds
from agent.sensors import tegrastats
from agent.sensors._tegraline import parse
from agent.sensors._tegrareading import taken
from agent.sensors._tegrarun import Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from agent.core.record import Reads
    from agent.sensors._tegraline import Line

    Plant = Callable[[dict[str, str | bytes]], Tree]
    Starter = Callable[[str], Surroundings]

CASES = Path(__file__).resolve().parent.parent / "cases/tegrastats"
FAKE = Path(__file__).resolve().parent / "_fake_tegrastats.py"
NOWHERE = Tree(Path("/nonexistent"))
LINE = "RAM 936/3964MB (lfb 366x4MB) CPU [{load}%@1479] CPU@27.5C VDD_IN {watts}/1537"


class Fake:
    """A tegrastats whose lines come at set times, and a clock that moves as they are waited for."""

    def __init__(self, arrivals: Iterable[tuple[float, str]], *, ends: bool = False) -> None:
        self.now = 0.0
        self.ends = ends
        self.stopped = 0
        self.words: Sequence[str] = ()
        self._arrivals = list(arrivals)

    # As a clock.

    def monotonic_nanoseconds(self) -> int:
        return round(self.now * 1e9)

    def wall_seconds(self) -> float:
        return 0.0

    # As a command.

    def start(self, words: Sequence[str]) -> Fake:
        self.words = words
        return self

    def line(self, seconds: float) -> str | None:
        assert not self.stopped, "listened to after it was stopped"
        if not self._arrivals and self.ends:
            raise EOFError
        if not self._arrivals or self._arrivals[0][0] > self.now + seconds:
            self.now += seconds
            return None
        at, text = self._arrivals.pop(0)
        self.now = max(self.now, at)
        return text

    def stop(self) -> None:
        self.stopped += 1


def each_second(texts: Iterable[str], cadence_seconds: float = 1.0) -> list[tuple[float, str]]:
    return [((number + 1) * cadence_seconds, text) for number, text in enumerate(texts)]


def counting(count: int, first: int = 1) -> list[str]:
    """Return lines of which no two that follow one another are alike."""
    return [LINE.format(load=number % 101, watts=1537) for number in range(first, first + count)]


def find(fake: Fake, *, period: float = 1.0, command: str = "tegrastats") -> tegrastats.Tegrastats:
    surroundings = Surroundings(board=NOWHERE, machine=NOWHERE, clock=fake, start=fake.start)
    return tegrastats.find(tegrastats.Config(period=Seconds(period), command=command), surroundings)


def values(reads: Reads) -> dict[str, dict[str, float]]:
    by_metric: dict[str, dict[str, float]] = {}
    for reading in reads.readings:
        assert reading.name not in by_metric.setdefault(reading.metric, {}), "two readings of one name"
        by_metric[reading.metric][reading.name] = reading.value
    return by_metric


def load(reads: Reads) -> int | None:
    """Return the load of the first core in percent: the number of a counted line."""
    loads = values(reads).get("load_ratio")
    return None if loads is None else round(loads["core0"] * 100)


def faults(reads: Reads) -> dict[str, str]:
    return {fault.name: fault.reason for fault in reads.faults}


def line(text: str) -> Line:
    parsed = parse(text)
    assert parsed is not None
    return parsed


def until_fault(source: tegrastats.Tegrastats, most: int = 1000) -> tuple[list[Reads], str]:
    """Read until reading fails, and return what was read and why it failed."""
    reads = []
    for _ in range(most):
        try:
            reads.append(source.read())
        except SensorFault as fault:
            return reads, str(fault)
    raise AssertionError("it never failed")


def of_line(text: str) -> tuple[dict[str, dict[str, float]], dict[str, str]]:
    """Return the readings and the faults of one line."""
    fake = Fake([(1.0, text)])
    reads = find(fake).read()
    return values(reads), faults(reads)


# Cases.


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir()))
def test_what_a_board_prints_becomes_its_readings(case: str) -> None:
    expected = json.loads((CASES / case / "expected.json").read_text())
    fake = Fake(each_second((CASES / case / "stdout.txt").read_text().splitlines()), ends=True)
    reads, _ = until_fault(find(fake))
    seen = [{"readings": values(one), "faults": faults(one)} for one in reads if one.readings or one.faults]
    assert seen == expected["reads"]
    assert (CASES / case / "ORIGIN.md").read_text().startswith("# ")


# Readings.


def test_a_rail_and_a_zone_of_one_name_are_readings_of_their_own_metrics() -> None:
    readings, _ = of_line("RAM 1/2MB GPU@54.5C GPU 18401/18525")
    assert readings == {"temperature_celsius": {"gpu": 54.5}, "power_watts": {"gpu": 18.401}}


def test_the_printed_mean_of_a_rail_is_not_a_reading() -> None:
    readings, _ = of_line("RAM 1/2MB VDD_IN 5000mW/3000mW/9000mW")
    assert readings == {"power_watts": {"vdd_in": 5.0}}


def test_a_name_that_comes_again_is_followed_by_its_number() -> None:
    readings, _ = of_line("RAM 1/2MB soc@40C soc@41C VDD 1mW/1mW VDD.2 2mW/2mW VDD 3mW/3mW")
    assert readings == {
        "temperature_celsius": {"soc": 40.0, "soc.2": 41.0},
        "power_watts": {"vdd": 0.001, "vdd.2": 0.002, "vdd.3": 0.003},
    }


def test_channels_with_nothing_connected_are_no_rails() -> None:
    readings, problems = of_line("RAM 1/2MB NC 0mW/0mW VDDQ 301mW/301mW NC 0mW/0mW")
    assert (readings, problems) == ({"power_watts": {"vddq": 0.301}}, {})


@pytest.mark.parametrize("rail", ["VDD_IN", "POM_5V_IN", "VIN"])
def test_an_input_of_nothing_at_all_is_a_fault_and_not_a_reading(rail: str) -> None:
    assert of_line(f"RAM 1/2MB {rail} 0/0 VDD_GPU 0/0") == ({"power_watts": {"vdd_gpu": 0.0}}, {rail.lower(): "implausible 0 W"})


def test_negative_power_is_a_reading() -> None:
    readings, problems = of_line("RAM 1/2MB VDD_GPU -392mW/100mW VDD_IN -5mW/100mW")
    assert (readings, problems) == ({"power_watts": {"vdd_gpu": -0.392, "vdd_in": -0.005}}, {})


@pytest.mark.parametrize(("celsius", "shown"), [("0", "0"), ("-41", "-41"), ("151.5", "151.5"), ("-127", "-127")])
def test_a_temperature_that_no_silicon_has_is_a_fault_of_its_zone_alone(celsius: str, shown: str) -> None:
    readings, problems = of_line(f"RAM 1/2MB cpu@45C gpu@{celsius}C")
    assert readings == {"temperature_celsius": {"cpu": 45.0}}
    assert problems == {"gpu": f"implausible {shown} degrees Celsius"}


def test_a_clock_of_nothing_is_a_part_that_is_off() -> None:
    readings, problems = of_line("RAM 1/2MB EMC_FREQ 0%@665 GR3D_FREQ 0%@[0,0]")
    assert readings == {"load_ratio": {"emc": 0.0, "gpu": 0.0}, "requested_frequency_hertz": {"emc": 665e6}}
    assert problems == {}


def test_no_clock_is_called_a_measured_one() -> None:
    for case in CASES.iterdir():
        for text in (case / "stdout.txt").read_text().splitlines():
            parsed = parse(text)
            assert parsed is None or all(reading.metric != "frequency_hertz" for reading in taken(parsed, None)[0])


def test_every_reading_is_of_a_metric_that_is_declared() -> None:
    declared = {metric.name for metric in tegrastats.METRICS}
    made = set()
    for case in CASES.iterdir():
        for text in (case / "stdout.txt").read_text().splitlines():
            parsed = parse(text)
            made |= {reading.metric for reading in taken(parsed, None)[0]} if parsed else set()
    assert made == declared


def test_engines_beside_gpu_and_memory_controller_make_no_readings() -> None:
    assert of_line("RAM 1/2MB NVENC 79%@166 VIC_FREQ 729 APE 25 MTS fg 1% bg 2% thermal@45C") == ({}, {})


@given(st.text(alphabet="RAMCPUGNVDEI_0123456789 %@/[],.mWCoff-()", max_size=200))
def test_no_line_makes_two_readings_of_one_name(text: str) -> None:
    parsed = parse("RAM 1/2MB " + text)
    if parsed is not None:
        made = [(reading.metric, reading.name) for reading in taken(parsed, None)[0]]
        assert len(made) == len(set(made))


# Looking for it.


def test_a_machine_without_the_command_has_no_such_sensor(plant: Plant) -> None:
    def start(words: Sequence[str]) -> Any:
        raise FileNotFoundError(2, "No such file or directory", words[0])

    surroundings = Surroundings(board=plant({}), machine=NOWHERE, start=start)
    with pytest.raises(Absent, match=r"^no command tegrastats$") as absent:
        tegrastats.find(tegrastats.Config(), surroundings)
    assert absent.value.mend == ""
    with pytest.raises(Absent, match="no command /opt/tegrastats") as absent:
        tegrastats.find(tegrastats.Config(command="/opt/tegrastats"), surroundings)
    assert absent.value.mend == "correct command in [sensors.tegrastats]"
    plant({"etc/nv_tegra_release": "# R36"})
    with pytest.raises(Absent) as absent:
        tegrastats.find(tegrastats.Config(), surroundings)
    assert absent.value.mend == "install nvidia-l4t-tools"


def test_a_command_that_may_not_be_started_is_a_fault() -> None:
    def start(words: Sequence[str]) -> Any:
        raise PermissionError(13, "Permission denied", words[0])

    with pytest.raises(SensorFault, match=r"^tegrastats cannot be started: EACCES"):
        tegrastats.find(tegrastats.Config(), Surroundings(board=NOWHERE, machine=NOWHERE, start=start))


@pytest.mark.parametrize(("period", "interval"), [(1.0, "1000"), (0.25, "250"), (0.001, "1"), (10.0, "10000"), (0.0015, "2")])
def test_the_period_is_the_interval_in_milliseconds(period: float, interval: str) -> None:
    """An interval of 0 would be a busy loop."""
    fake = Fake([(period, LINE.format(load=1, watts=1))])
    find(fake, period=period, command="/opt/nv/tegrastats")
    assert tuple(fake.words) == ("/opt/nv/tegrastats", "--interval", interval)


def test_a_command_that_refuses_is_a_fault_in_its_own_words() -> None:
    """Its exit status says nothing: it is 0."""
    fake = Fake([(0.0, "Unknown command: --interval. Please try again or see --help")], ends=True)
    with pytest.raises(SensorFault, match=r"^tegrastats ended; it says: Unknown command: --interval\. Please try again"):
        find(fake)
    assert fake.stopped == 1


def test_a_command_that_ends_without_a_word_is_a_fault() -> None:
    fake = Fake([], ends=True)
    with pytest.raises(SensorFault, match=r"^tegrastats ended$"):
        find(fake)
    assert fake.stopped == 1


def test_what_a_command_says_is_told_cut_short_and_without_control_characters() -> None:
    with pytest.raises(SensorFault) as fault:
        find(Fake([(0.0, "\x1b[31mno\t" + "x" * 1000)], ends=True))
    assert str(fault.value) == "tegrastats ended; it says: ?[31mno?" + "x" * 112


def test_the_first_line_waited_for_when_it_was_found_is_the_first_reading() -> None:
    fake = Fake(each_second(counting(3)))
    source = find(fake)
    assert fake.now == 1.0
    assert load(source.read()) == 1
    assert fake.now == 1.0
    assert load(source.read()) is None
    assert load(source.read()) == 2


def test_finding_does_not_wait_for_the_first_line_of_a_long_period() -> None:
    fake = Fake([(60.0, counting(1)[0])])
    source = find(fake, period=60.0)
    assert fake.now == 3.0
    assert load(source.read()) is None
    assert load(source.read()) == 1


# Pace.


def test_a_reading_ends_when_its_line_has_come() -> None:
    source = find(fake := Fake([(1.0, counting(1)[0]), (2.7, counting(2)[1])]))
    source.read()
    fake.now = 2.0
    assert load(source.read()) == 2
    assert fake.now == 2.7


def test_lines_that_have_piled_up_are_taken_together_and_the_newest_is_the_reading() -> None:
    source = find(fake := Fake(each_second(counting(9))))
    source.read()
    fake.now = 6.5
    assert load(source.read()) == 6
    assert fake.now == 6.5
    fake.now = 7.5
    assert load(source.read()) == 7


def test_a_reading_before_which_no_line_came_has_no_figures_and_no_fault() -> None:
    source = find(fake := Fake([(1.0, counting(1)[0]), (2.95, counting(2)[1])]))
    source.read()
    fake.now = 2.0
    reads = source.read()
    assert (reads.readings, reads.faults) == ((), ())
    assert fake.now == 2.9


@pytest.mark.parametrize("cadence", [1.0, 1.029, 1.2])
@pytest.mark.parametrize("phase", [0.0, 0.31, 0.97])
def test_slow_lines_make_no_reading_late_and_none_is_lost(cadence: float, phase: float) -> None:
    """A Xavier NX asked for 1 s printed 103 lines in 105 s. Readings are due at every full second."""
    source = find(fake := Fake([(phase + cadence * (number + 1), text) for number, text in enumerate(counting(90))]))
    seen = [load(source.read())]
    behind = []
    for second in range(int(fake.now) + 1, 90):
        assert fake.now <= second, "the reading before lasted into this one's time"
        fake.now = float(second)
        number = load(source.read())
        if number is not None:
            seen.append(number)
            behind.append(fake.now - phase - cadence * number)
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 87 / cadence
    # Only a line of a period's last tenth is read after it has come.
    assert all(seconds < 0.1001 for seconds in behind)
    assert cadence == 1.0 or sum(seconds < 1e-6 for seconds in behind) > 0.75 * len(behind)


def test_the_load_of_a_core_covers_the_time_since_the_line_before() -> None:
    source = find(fake := Fake([(1.0, counting(1)[0]), (2.25, counting(2)[1]), (3.0, counting(3)[2]), (4.25, counting(4)[3])]))
    first = source.read()
    fake.now = 2.0
    second = source.read()
    fake.now = 4.5
    third = source.read()
    covers = [reading.covers_seconds for reads in (first, second, third) for reading in reads.readings if reading.name == "core0"][
        ::2
    ]
    # The last two came together, at times that nobody saw: 2.25 s for both.
    assert covers == [None, 1.25, 1.125]
    assert {reading.covers_seconds for reading in second.readings if reading.metric != "load_ratio"} == {None}


# Trouble.


def test_a_command_that_says_nothing_for_three_periods_and_two_seconds_is_stopped() -> None:
    source = find(fake := Fake([(1.0, counting(1)[0])]))
    source.read()
    reads, reason = until_fault(source)
    assert reason == "tegrastats has printed no figures for 5 s"
    assert all(one.readings == one.faults == () for one in reads)
    assert 6.0 < fake.now < 7.0
    assert fake.stopped == 1


def test_a_command_that_never_says_anything_is_stopped_as_well() -> None:
    _, reason = until_fault(find(fake := Fake([]), period=0.1))
    assert reason == "tegrastats has printed no figures for 2 s"
    assert fake.stopped == 1


def test_another_program_is_stopped_and_quoted() -> None:
    class Yes(Fake):
        def line(self, seconds: float) -> str | None:
            self.now += 1e-4
            return "y"

    reads, reason = until_fault(find(fake := Yes([])))
    assert reason == "tegrastats has printed no figures for 5 s; it says: y"
    assert all(one.readings == () for one in reads)
    assert fake.stopped == 1


def test_a_command_that_is_killed_gives_its_last_line_and_then_a_fault() -> None:
    source = find(fake := Fake(each_second(counting(3)), ends=True))
    source.read()
    fake.now = 3.5
    assert load(source.read()) == 3
    with pytest.raises(SensorFault, match=r"^tegrastats ended$"):
        source.read()
    assert fake.stopped == 1


def test_words_from_before_the_last_line_are_not_the_reason_of_an_end() -> None:
    source = find(Fake([(0.5, "WARNING: not invoking as root"), (1.0, counting(1)[0])], ends=True))
    source.read()
    with pytest.raises(SensorFault, match=r"ended$"):
        source.read()


def test_an_output_that_cannot_be_read_is_a_fault_and_the_command_is_stopped() -> None:
    class Broken(Fake):
        def line(self, seconds: float) -> str | None:
            raise OSError(5, "Input/output error")

    fake = Broken([])
    with pytest.raises(SensorFault, match="cannot be listened to: EIO"):
        find(fake)
    assert fake.stopped == 1


def test_thousands_of_errors_at_once_are_ten() -> None:
    source = find(Fake([(1.0, "ERROR: failed to read x")] * 5000))
    assert len(source.read().faults) == 10


def test_a_closed_source_ends_its_command_and_cannot_be_read() -> None:
    source = find(fake := Fake(each_second(counting(5))))
    source.read()
    source.close()
    assert fake.stopped == 1
    with pytest.raises(SensorFault):
        source.read()


# Runs.


def run(texts: Iterable[tuple[float, str]]) -> list[tuple[Fault, ...]]:
    one = Run()
    return [one.take(line(text), at) for at, text in texts]


def test_a_line_that_stays_the_same_for_a_minute_is_stale_until_it_changes() -> None:
    texts = [LINE.format(load=5, watts=1537)] * 65 + [LINE.format(load=6, watts=1537)] * 2
    told = run((float(second), f"04-24-2023 00:{second // 60:02}:{second % 60:02} {text}") for second, text in enumerate(texts))
    assert [index for index, faults in enumerate(told) if faults] == [60, 61, 62, 63, 64]
    assert told[60] == (Fault(name="stale", reason="not one figure has changed in 60 s"),)
    assert told[64] == (Fault(name="stale", reason="not one figure has changed in 64 s"),)


def test_a_few_lines_far_apart_are_not_called_stale() -> None:
    assert run((600.0 * number, LINE.format(load=5, watts=1537)) for number in range(9)) == [()] * 9


def test_the_figures_of_a_stale_line_are_kept() -> None:
    source = find(fake := Fake(each_second([LINE.format(load=5, watts=1537)] * 70)))
    reads = [source.read() for _ in range(130) if fake.now < 69]
    told = [faults(one) for one in reads if one.readings]
    assert told[-1].keys() == {"stale"}
    assert load([one for one in reads if one.readings][-1]) == 5


def test_one_figure_that_stays_while_others_move_is_not_told() -> None:
    """The limit of it: a zone that fails and a zone that is steady print the same."""
    assert run((float(number), LINE.format(load=number % 100, watts=1537)) for number in range(100)) == [()] * 100


@given(st.lists(st.integers(-5000, 60_000), min_size=2, max_size=50))
def test_a_run_is_not_told_to_begin_anew_while_its_means_follow(milliwatts: list[int]) -> None:
    texts, total = [], 0
    for count, value in enumerate(milliwatts, 1):
        total += value
        mean = int(total / count)
        texts.append((float(count), f"RAM 1/2MB NC 0mW/0mW VDD {value}mW/{mean}mW NC 0mW/0mW"))
    assert run(texts) == [()] * len(texts)


@given(st.lists(st.integers(1000, 2000), min_size=2, max_size=50), st.integers(5000, 60_000))
def test_a_run_that_begins_anew_on_another_level_is_told(milliwatts: list[int], level: int) -> None:
    before = [(float(count), f"RAM 1/2MB VDD {value}/{value}") for count, value in enumerate(milliwatts[:1])]
    assert run([*before, (100.0, f"RAM 1/2MB VDD {level}/{level}")])[-1] == (
        Fault(name="restart", reason="its means begin anew: it was started again"),
    )


def test_rails_that_appear_and_go_are_no_restart() -> None:
    rails = ["", " VDD 9000/9000", "", " VDD 100/100 VIN 5/5", " VIN 900/900"]
    assert run((float(number), f"RAM 1/2MB{text}") for number, text in enumerate(rails)) == [()] * 5


def test_a_recorded_log_of_two_runs_begins_anew_where_the_second_was_pasted(shared: Path) -> None:
    log = (shared / "fixtures/tegrastats/tx2_8gb_jp4_time_log.txt").read_text().splitlines()
    told = run((float(number), text) for number, text in enumerate(log, 1) if parse(text))
    assert [number for number, faults in enumerate(told, 2) if faults] == [33]


def test_no_other_recorded_log_begins_anew_or_stays_the_same(shared: Path) -> None:
    for path in (shared / "fixtures/tegrastats").glob("*.txt"):
        # Of a single file with lines of several boards nothing is to be expected.
        if path.name not in {"tx2_8gb_jp4_time_log.txt", "orin_nano8_jp6_user.txt"}:
            told = run((float(number), text) for number, text in enumerate(path.read_text().splitlines()) if parse(text))
            assert not any(told), path.name


# A real process.


@pytest.fixture
def starter(tmp_path: Path) -> Iterator[Starter]:
    """Return a function that makes surroundings in which `tegrastats` is the fake in a mode; what it started is ended."""
    started: list[LineProcess] = []

    def make(mode: str) -> Surroundings:
        command = tmp_path / mode
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" {mode} "$@"\n')
        command.chmod(0o755)

        def start(words: Sequence[str]) -> LineProcess:
            started.append(LineProcess([str(command), *words[1:]]))
            return started[-1]

        return Surroundings(board=NOWHERE, machine=NOWHERE, start=start)

    yield make
    for process in started:
        process.stop()


def until_read(source: tegrastats.Tegrastats, holds: Callable[[Reads], object]) -> Reads:
    """Read until something holds, as it soon must."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        reads = source.read()
        if holds(reads):
            return reads
    raise AssertionError("it never held")


def process_of(source: tegrastats.Tegrastats) -> int:
    # The process has no public face: nobody else may end it.
    process = source._lines._process.pid  # type: ignore[attr-defined]
    assert isinstance(process, int)
    return process


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_process_is_read_line_by_line_and_ended_with_its_source(starter: Starter) -> None:
    source = tegrastats.find(tegrastats.Config(period=Seconds(0.02)), starter("runs"))
    reads = until_read(source, lambda reads: (load(reads) or 0) >= 5)
    assert values(reads)["power_watts"] == {"pom_5v_in": 1.537}
    process = process_of(source)
    assert is_alive(process)
    source.close()
    assert not is_alive(process)


def test_a_process_that_ignores_being_asked_to_end_is_made_to(starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.core.command._TERM_SECONDS", 0.1)
    source = tegrastats.find(tegrastats.Config(period=Seconds(0.02)), starter("stubborn"))
    until_read(source, load)
    process = process_of(source)
    source.close()
    assert not is_alive(process)


def test_a_process_that_refuses_leaves_its_words_and_no_process(starter: Starter) -> None:
    surroundings = starter("refuses")
    with pytest.raises(SensorFault, match="it says: Unknown command: --interval"):
        # Where starting it takes a while, it is found, and refuses then.
        until_read(tegrastats.find(tegrastats.Config(period=Seconds(0.02)), surroundings), lambda _: False)


def test_a_process_that_says_nothing_is_ended_and_may_be_found_anew(starter: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tegrastats, "_STALL_SPARE_SECONDS", 0.1)
    monkeypatch.setattr(tegrastats, "_FIRST_SPARE_SECONDS", 0.0)
    source = tegrastats.find(tegrastats.Config(period=Seconds(0.02)), starter("mute"))
    process = process_of(source)
    with pytest.raises(SensorFault, match="has printed no figures"):
        until_read(source, lambda _: False)
    assert not is_alive(process)
    monkeypatch.undo()
    again = tegrastats.find(tegrastats.Config(period=Seconds(0.02)), starter("runs"))
    until_read(again, load)
    again.close()


def test_a_process_that_is_killed_from_outside_is_a_fault(starter: Starter) -> None:
    """`tegrastats --stop` kills the first process of that name, whoever started it."""
    source = tegrastats.find(tegrastats.Config(period=Seconds(0.02)), starter("runs"))
    until_read(source, load)
    os.kill(process_of(source), 9)
    with pytest.raises(SensorFault, match=r"ended$"):
        until_read(source, lambda _: False)


def test_a_process_that_ends_after_a_line_gives_the_line_first(starter: Starter) -> None:
    source = tegrastats.find(tegrastats.Config(period=Seconds(0.5)), starter("once"))
    assert load(until_read(source, load)) == 1
    with pytest.raises(SensorFault, match=r"ended$"):
        until_read(source, lambda _: False)
