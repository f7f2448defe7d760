from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING

import pytest
from _known_tegrastats import KNOWN, Known
from hypothesis import given
from hypothesis import strategies as st

from agent.sensors import _tegraline
from agent.sensors._tegraline import Core, Engine, Line, Rail, Zone, parse

if TYPE_CHECKING:
    from pathlib import Path

ORIN = (
    "05-09-2026 18:42:06 RAM 18207/62841MB (lfb 466x4MB) SWAP 86/31420MB (cached 0MB) CPU [14%@2188,5%@2112,off] EMC_FREQ 3%@2133 "
    "GR3D_FREQ 12%@[1300,0] NVENC 79%@166 NVDEC off APE 174 cpu@52.562C GPU@-256C VDD_GPU_SOC 2412mW/2411mW NC 0mW/0mW NC 0mW/0mW"
)
NANO = (
    "RAM 936/3964MB (lfb 366x4MB) SWAP 0/4096MB (cached 0MB) IRAM 0/252kB(lfb 252kB) CPU [10%@102,3%@102] EMC_FREQ 0% "
    "GR3D_FREQ 0%@76 APE 25 MTS fg 0% bg 3% CPU@27.5C PMIC@50C thermal@28C POM_5V_IN 920/915 POM_5V_GPU 0/0"
)
TX1 = "RAM 277/3854MB (lfb 700x4MB) cpu [1%,0%]@1912 EMC 1%@408 AVP 33%@12 VDE 0 GR3D 0%@76 EDP limit 1912"
THOR = (
    "05-17-2026 10:00:32 RAM 1/2MB (lfb 31x4MB) CPU [1%@972] GR3D_FREQ @[314,0] NVENC0_FREQ @1556 cpu@45.3C/45.8C VIN 9mW/8mW/9mW"
)
LINES = (ORIN, NANO, TX1, THOR)
# What every line below needs to be one.
HEAD = "RAM 1/2MB (lfb 1x4MB) "


def line(text: str) -> Line:
    parsed = parse(text)
    assert parsed is not None
    return parsed


def tokens(text: str) -> Line:
    """Return what a line says that has these tokens behind its memory."""
    parsed = line(HEAD + text)
    assert parsed.unknown_count == 0, parsed.unknown
    return parsed


# Stamps.


@pytest.mark.parametrize("stamp", ["04-24-2023 00:01:24", "1700000000123456789"])
def test_a_line_may_begin_with_a_date_or_with_nanoseconds(stamp: str) -> None:
    parsed = line(f"{stamp} {HEAD}CPU [5%@729]")
    assert (parsed.stamp, parsed.unknown_count) == (stamp, 0)
    assert parsed.cores == (Core(load_ratio=0.05, frequency_hertz=729e6),)


def test_a_line_without_a_date_has_none() -> None:
    assert line(NANO).stamp is None


def test_lines_that_differ_in_date_and_blanks_alone_have_the_same_body() -> None:
    later = ORIN.replace("18:42:06", "18:42:07").replace(" ", "   ")
    assert line(later).body == line(ORIN).body
    assert line(ORIN.replace("174", "175")).body != line(ORIN).body


# Memory, which another source reads.


@pytest.mark.parametrize(
    "memory",
    [
        "RAM 936/3964MB (lfb 366x4MB)",
        "RAM 936/3964MB(lfb 1x2MB)",
        "RAM 936/3964MB (lfb 258x64kB) SWAP 0/4096MB(cached 0MB)",
        "RAM 936/3964MB (lfb 366x4MB) IRAM 0/252kB(lfb 252kB)",
        "RAM 936/3964MB (lfb 366x4MB)SWAP 0/4096MB (cached 0MB)IRAM 0/252kB(lfb 252kB)",
    ],
)
def test_memory_is_understood_with_and_without_blanks_and_not_kept(memory: str) -> None:
    parsed = line(f"{memory} CPU [5%@729]")
    assert parsed.unknown_count == 0
    assert (parsed.rails, parsed.engines, parsed.zones) == ((), (), ())


def test_swap_may_stand_behind_the_cores() -> None:
    parsed = tokens("CPU [5%@729] SWAP 5/1982MB (cached 1MB) EMC_FREQ 1%@408")
    assert len(parsed.cores) == len(parsed.engines) == 1


def test_memory_without_its_unit_is_no_rail() -> None:
    assert line("RAM 936/3964 CPU [5%@729] SWAP 1/2").rails == ()


# Cores.


def test_each_core_has_a_load_and_a_clock_and_one_that_is_off_has_neither() -> None:
    assert tokens("CPU [100%@2035,off,0%@345]").cores == (
        Core(load_ratio=1.0, frequency_hertz=2035e6),
        Core(),
        Core(load_ratio=0.0, frequency_hertz=345e6),
    )


def test_an_old_line_has_one_clock_for_all_cores() -> None:
    parsed = tokens("cpu [1%,0%,off,33%]@1912")
    assert parsed.cores == (Core(load_ratio=0.01), Core(load_ratio=0.0), Core(), Core(load_ratio=0.33))
    assert parsed.shared_frequency_hertz == 1912e6


@pytest.mark.parametrize("core", ["idle", "", "101%@729", "5%@", "5", "-5%@729", "5%@fast"])
def test_a_core_that_is_not_understood_keeps_its_place_and_is_counted(core: str) -> None:
    parsed = line(f"{HEAD}CPU [7%@729,{core},9%@729]")
    assert [core.load_ratio for core in parsed.cores] == [0.07, None, 0.09]
    assert (parsed.unknown_count, parsed.unknown) == (1, (core,))


# Engines.


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("GR3D_FREQ 63%@[621]", Engine(name="GR3D", load_ratio=0.63, frequencies_hertz=(621e6,))),
        ("GR3D_FREQ 39%@[305,0]", Engine(name="GR3D", load_ratio=0.39, frequencies_hertz=(305e6, 0.0))),
        ("GR3D_FREQ 99%@921", Engine(name="GR3D", load_ratio=0.99, frequencies_hertz=(921e6,))),
        ("GR3D_FREQ @[314,314,314]", Engine(name="GR3D", frequencies_hertz=(314e6, 314e6, 314e6))),
        ("GR3D_FREQ 22%", Engine(name="GR3D", load_ratio=0.22)),
        ("GR3D_FREQ 0%", Engine(name="GR3D", load_ratio=0.0)),
        ("GR3D 45%@998", Engine(name="GR3D", load_ratio=0.45, frequencies_hertz=(998e6,))),
        ("GR3D2_FREQ 0%@0", Engine(name="GR3D2", load_ratio=0.0, frequencies_hertz=(0.0,))),
        ("EMC_FREQ 0%@665", Engine(name="EMC", load_ratio=0.0, frequencies_hertz=(665e6,))),
        ("EMC_FREQ 4%", Engine(name="EMC", load_ratio=0.04)),
        ("EMC 7%@408", Engine(name="EMC", load_ratio=0.07, frequencies_hertz=(408e6,))),
        ("VIC_FREQ 729", Engine(name="VIC", frequencies_hertz=(729e6,))),
        ("NVENC0_FREQ @1556", Engine(name="NVENC0", frequencies_hertz=(1556e6,))),
        ("NVENC 79%@166", Engine(name="NVENC", load_ratio=0.79, frequencies_hertz=(166e6,))),
        ("NVENC off", Engine(name="NVENC")),
        ("APE 150", Engine(name="APE", frequencies_hertz=(150e6,))),
        ("AVP 5%@115", Engine(name="AVP", load_ratio=0.05, frequencies_hertz=(115e6,))),
        ("VDE 0", Engine(name="VDE", frequencies_hertz=(0.0,))),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_way_to_write_an_engine_is_understood(text: str, engine: Engine) -> None:
    assert tokens(text).engines == (engine,)


def test_an_idle_memory_controller_without_a_clock_is_not_measured() -> None:
    """A plain user of JetPack 4 and 5 reads `EMC_FREQ 0%`, whatever the memory does: the figure is in debugfs."""
    assert tokens("EMC_FREQ 0%").engines == (Engine(name="EMC"),)


def test_an_engine_busier_than_can_be_is_not_understood() -> None:
    parsed = line(f"{HEAD}GR3D_FREQ 101%@921")
    assert (parsed.engines, parsed.unknown_count) == ((), 1)


def test_foreground_and_background_of_mts_are_not_the_same_figure() -> None:
    """jetson_stats gave out the foreground as both."""
    parsed = tokens("MTS fg 3% bg 9%")
    assert (parsed.foreground_ratio, parsed.background_ratio) == (0.03, 0.09)
    assert parsed.engines == ()


def test_the_current_limit_of_old_boards_has_a_name_of_two_words() -> None:
    assert tokens("EDP limit 1912").engines == ()


# Temperatures.


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        ("CPU@37.5C", Zone(name="CPU", celsius=37.5)),
        ("cpu@45.3C/45.8C", Zone(name="cpu", celsius=45.3, highest_celsius=45.8)),
        ("gpu@-3.25C/-1C", Zone(name="gpu", celsius=-3.25, highest_celsius=-1.0)),
        ("Tboard@32C", Zone(name="Tboard", celsius=32.0)),
        ("iwlwifi@30C", Zone(name="iwlwifi", celsius=30.0)),
        ("soc012@33.781C", Zone(name="soc012", celsius=33.781)),
        ("PMIC@51.5C", Zone(name="PMIC", celsius=51.5)),
        ("acpitz-virtual_0@27.8C", Zone(name="acpitz-virtual_0", celsius=27.8)),
    ],
)
def test_every_way_to_write_a_zone_is_understood(text: str, zone: Zone) -> None:
    assert tokens(text).zones == (zone,)


@pytest.mark.parametrize("text", ["GPU@-256C", "CV0@-256C", "cv1@-256.0C", "CPU@-274C", "PMIC@100C", "PMIC@50C", "pmic@50C"])
def test_constants_and_zones_without_power_are_no_temperatures(text: str) -> None:
    assert tokens(text).zones == ()


def test_another_zone_may_have_the_temperature_of_the_constant() -> None:
    assert tokens("AO@50C CPU@100C").zones == (Zone(name="AO", celsius=50.0), Zone(name="CPU", celsius=100.0))


def test_the_mean_of_zones_is_no_zone() -> None:
    parsed = tokens("CPU@49C thermal@49.45C")
    assert (parsed.zones, parsed.average_celsius) == ((Zone(name="CPU", celsius=49.0),), 49.45)


# Rails.


@pytest.mark.parametrize(
    ("text", "rail"),
    [
        ("POM_5V_IN 920/915", Rail(name="POM_5V_IN", watts=0.92, mean_watts=0.915)),
        ("VDD_IN 5542mW/5501mW", Rail(name="VDD_IN", watts=5.542, mean_watts=5.501)),
        ("VIN 28901mW/15000mW/28905mW", Rail(name="VIN", watts=28.901, mean_watts=15.0, highest_watts=28.905)),
        ("VDD_GPU -392mW/-12mW/784mW", Rail(name="VDD_GPU", watts=-0.392, mean_watts=-0.012, highest_watts=0.784)),
        ("VDD_GPU -392/-12", Rail(name="VDD_GPU", watts=-0.392, mean_watts=-0.012)),
        ("VDD_4V0_WIFI 0/0", Rail(name="VDD_4V0_WIFI", watts=0.0, mean_watts=0.0)),
    ],
)
def test_every_way_to_write_a_rail_is_understood(text: str, rail: Rail) -> None:
    assert tokens(text).rails == (rail,)


def test_rails_of_one_name_stay_two() -> None:
    assert [rail.name for rail in tokens("NC 0mW/0mW VDDQ 301mW/301mW NC 0mW/0mW").rails] == ["NC", "VDDQ", "NC"]


def test_a_rail_and_a_zone_may_share_a_name() -> None:
    parsed = tokens("GPU@54.5C CPU@49C GPU 18401/18525 CPU 2301/2330")
    assert [(zone.name, zone.celsius) for zone in parsed.zones] == [("GPU", 54.5), ("CPU", 49.0)]
    assert [(rail.name, rail.watts) for rail in parsed.rails] == [("GPU", 18.401), ("CPU", 2.301)]


@pytest.mark.parametrize(
    "figures", ["5W/6W", "5.2W/5.1W", "5542mW/5501", "5542/5501mW", "5542uW/5501uW", "1/2/3/4", "5542", "mW/mW", "5/"]
)
def test_figures_in_another_unit_are_not_taken_for_milliwatts(figures: str) -> None:
    """jetson_stats read `5W/6W` as 5 mW and failed at `5.2W`."""
    assert line(f"{HEAD}VDD_IN {figures}").rails == ()


# What is not understood.


def test_what_is_not_understood_is_counted_and_the_first_three_are_shown() -> None:
    parsed = line(f"{HEAD}fan@1200rpm CPU [5%@729] ??? {'x' * 100} last cpu@45C")
    assert (parsed.unknown_count, parsed.unknown) == (4, ("fan@1200rpm", "???", "x" * 32))
    assert len(parsed.cores) == len(parsed.zones) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "Tue Jan 26 18:22:31 UTC 2021",
        "WARNING: not invoking as root",
        "WARNING: failed to open /sys/kernel/debug/nvmap/iram/clients",
        "ERROR: failed to read /sys/devices/virtual/thermal/thermal_zone1/temp",
        "Unknown command: --nosuch. Please try again or see --help",
        "ERROR: exits as an instance (pid = 1234) exists",
        "Step 3/10",
        "APE 25",
        "04-24-2023 00:01:24",
        "RAM 1/2MB " * 100_000,
    ],
)
def test_a_line_without_figures_of_a_jetson_is_none(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("text", ["RAM 1/2MB", "CPU [5%@729]", "cpu@45C", "GPU@-256C", "VDD_IN 5mW/5mW"])
def test_a_line_of_which_little_is_left_still_says_that(text: str) -> None:
    assert line(f"@@@ {text} ###").unknown_count == 2


def is_sound(parsed: Line | None) -> bool:
    """Return whether everything in a line is of a kind that a reader may rely on."""
    if parsed is None:
        return True
    ratios = [core.load_ratio for core in parsed.cores] + [engine.load_ratio for engine in parsed.engines]
    return (
        all(ratio is None or 0 <= ratio <= 1 for ratio in ratios)
        and all(hertz >= 0 for engine in parsed.engines for hertz in engine.frequencies_hertz)
        and all(zone.name and -1e4 < zone.celsius < 1e4 for zone in parsed.zones)
        and all(rail.name and abs(rail.watts) < 1e4 and abs(rail.mean_watts) < 1e4 for rail in parsed.rails)
        and len(parsed.unknown) <= min(parsed.unknown_count, 3)
        and all(len(token) <= 32 for token in parsed.unknown)
    )


@given(st.text())
def test_no_text_at_all_raises(text: str) -> None:
    assert is_sound(parse(text))
    assert is_sound(parse(HEAD + text))


WORDS = sorted(
    {word for text in LINES for word in re.split(r"([ @/\[\],()%])", text)} | {"off", "-256C", "٣", "9" * 5000, "\0", "\x85"}
)


@given(st.lists(st.sampled_from(WORDS), max_size=60).map("".join))
def test_no_mixture_of_what_tegrastats_writes_raises(text: str) -> None:
    assert is_sound(parse(text))
    assert is_sound(parse(HEAD + text))


@given(st.sampled_from(LINES), st.data())
def test_a_damaged_line_does_not_raise_and_keeps_what_is_whole(text: str, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 12)))
    damaged = text[:begin] + data.draw(st.text(max_size=6)) + text[end:]
    parsed = parse(damaged)
    assert is_sound(parsed)
    whole = line(text)
    if parsed is not None:
        # A dozen characters are four tokens at the most, and each new word may make one more.
        assert len(parsed.zones) >= len(whole.zones) - 4
        assert len(parsed.rails) >= len(whole.rails) - 4


@given(st.sampled_from(LINES), st.integers(0, 2000))
def test_a_line_cut_short_keeps_its_whole_tokens(text: str, length: int) -> None:
    parsed, whole = parse(text[:length]), line(text)
    assert is_sound(parsed)
    if parsed is not None:
        assert parsed.cores in {whole.cores, ()}
        assert whole.zones[: len(parsed.zones)] == parsed.zones
        assert [rail.name for rail in whole.rails[: len(parsed.rails)]] == [rail.name for rail in parsed.rails]
        assert [rail.watts for rail in whole.rails[: len(parsed.rails)]] == [rail.watts for rail in parsed.rails]


@pytest.mark.parametrize(
    "text",
    ["A 1/", "A@1C/", "CPU [1%,", "CPU [", "GR3D_FREQ 1%@[1,", "RAM 1/2MB (lfb ", "MTS fg ", "- ", "[", " ", "9", "A"],
)
@pytest.mark.parametrize("length", [16_000, 1_000_000])
def test_a_long_line_neither_raises_nor_takes_long(text: str, length: int) -> None:
    """What would hang here is a pattern that goes back over a line again and again; the test's own limit ends it."""
    assert is_sound(parse(HEAD + text * (length // len(text))))


# The recordings.


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_value_of_a_recorded_line_is_the_one_that_stands_there(shared: Path, name: str) -> None:
    known = KNOWN[name]
    parsed = line((shared / "fixtures/tegrastats" / name).read_text().splitlines()[known.number - 1])
    for value in fields(Known):
        if value.name != "number":
            assert getattr(parsed, value.name) == getattr(known, value.name), value.name


def test_every_recorded_line_is_understood_to_its_last_token(shared: Path) -> None:
    recorded = [path for path in (shared / "fixtures/tegrastats").glob("*.txt") if path.name != "error_strings.txt"]
    assert {path.name for path in recorded} == set(KNOWN)
    passed_over = []
    for path in recorded:
        for text in path.read_text().splitlines():
            parsed = parse(text)
            if parsed is None:
                passed_over.append(text)
                continue
            assert parsed.unknown_count == 0, (path.name, parsed.unknown)
            assert parsed.cores
            assert is_sound(parsed)
    # `date` wrote the first line of three logs.
    assert sorted(passed_over) == ["Sun Jan 10 23:46:54 UTC 2021", "Thu Dec 17 18:16:50 UTC 2020", "Tue Jan 26 18:22:31 UTC 2021"]


def test_the_means_of_a_recorded_log_are_those_of_its_figures(shared: Path) -> None:
    """505,788 mW over 114 lines; the last line prints 4436."""
    lines = [line(text) for text in (shared / "fixtures/tegrastats/nano_jp4_sudo_cpu_then_gpu_114.txt").read_text().splitlines()]
    inputs = [rail for parsed in lines for rail in parsed.rails if rail.name == "POM_5V_IN"]
    assert sum(round(rail.watts * 1000) for rail in inputs) == 505_788
    assert inputs[-1].mean_watts == 4.436


def test_the_words_of_the_program_itself_are_no_figures(shared: Path) -> None:
    for text in (shared / "fixtures/tegrastats/error_strings.txt").read_text().splitlines():
        assert parse(text.partition(": ")[2]) is None


def test_the_limit_of_a_line_is_far_above_the_longest(shared: Path) -> None:
    longest = max(len(text) for path in (shared / "fixtures/tegrastats").glob("*.txt") for text in path.read_text().splitlines())
    assert longest * 10 < _tegraline._MOST_CHARACTERS
