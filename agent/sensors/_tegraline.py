"""One line of tegrastats, taken apart into what it says. Pure: text in, a frozen record out, and never an exception.

Sources: NVIDIA's "tegrastats utility" chapter (Jetson Linux Developer Guide), and lines recorded on L4T 24 to 39, which differ in
nearly every token. A line is a run of tokens, set apart by any number of blanks:

    04-24-2023 00:01:24              the local time, or with --ns nanoseconds since 1970; not before L4T 35
    RAM 1282/62795MB (lfb 15152x4MB) memory; likewise SWAP and IRAM: known, and not kept (another source reads it)
    CPU [0%@729,off]                 load and MHz of each core; before L4T 28.2 `cpu [0%,0%]@1912`: one clock for all
    GR3D_FREQ 39%@[305,0]            an engine: load, MHz of its clock or of each part; also `39%`, `729`, `@0`, `off`
    MTS fg 0% bg 3%                  the core's own translator: foreground, and apart from it background
    EDP limit 1912                   known, and not kept
    cpu@45.3C/45.8C                  a thermal zone, since L4T 39 with its highest
    VDD_IN 5542mW/5500mW             a rail: now, mean since tegrastats began, since L4T 39 the highest; before L4T 35 without unit

What is printed and is no measurement is left out: -256C and -274C (a zone without power), PMIC at exactly 100C or 50C (a constant
of its driver), EMC at 0% without a clock (what a plain user is shown: the figure is in debugfs). `thermal@` is the driver's mean of
other zones and stands apart. GR3D at 0% without a clock is a measurement: recorded plain users' lines follow the load.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

# The longest recorded line has 900 characters.
_MOST_CHARACTERS: Final = 16_384
_MOST_SHOWN: Final = 3
_MOST_SHOWN_CHARACTERS: Final = 32
_HERTZ_PER_MEGAHERTZ: Final = 1_000_000
_MILLIWATTS_PER_WATT: Final = 1000
_PERCENT: Final = 100
_POWERED_DOWN_CELSIUS: Final = frozenset({-256.0, -274.0})
_PMIC_CONSTANT_CELSIUS: Final = frozenset({50.0, 100.0})

_NAME: Final = r"[A-Za-z_][^\s@\[\]()/%,]{0,47}"
_CELSIUS: Final = r"-?\d{1,4}(?:\.\d{1,6})?"
_MILLIWATTS: Final = r"-?\d{1,7}"
_MEGAHERTZ: Final = r"(?:\d{1,6}|\[\d{1,6}(?:,\d{1,6}){0,31}\])"
_STAMP: Final = re.compile(r"(?:\d\d-\d\d-\d{2,4} \d\d:\d\d:\d\d|\d{10,20})(?!\S)", re.ASCII)
_CORE: Final = re.compile(r"(?P<load>\d{1,3})%(?:@(?P<clock>\d{1,6}))?", re.ASCII)
_TOKEN: Final = re.compile(
    rf"""
      (?P<memory>(?:RAM|SWAP|IRAM)[ ]\d{{1,9}}/\d{{1,9}}[kMG]?B[ ]?(?:\((?:lfb|cached)[ ][0-9xkMGB]{{1,24}}\))?)
    | (?P<cpu>(?:CPU|cpu)[ ]\[(?P<cores>[^\[\]]{{0,2048}})\](?:@(?P<shared>\d{{1,6}}))?(?!\S))
    | (?P<mts>MTS[ ]fg[ ](?P<foreground>\d{{1,3}})%[ ]bg[ ](?P<background>\d{{1,3}})%(?!\S))
    | (?P<edp>EDP[ ]limit[ ]\d{{1,9}}(?!\S))
    | (?P<zone>(?P<zone_name>{_NAME})@(?P<celsius>{_CELSIUS})C(?:/(?P<highest_celsius>{_CELSIUS})C)?(?!\S))
    | (?P<rail>(?!(?:RAM|SWAP|IRAM)[ ])(?P<rail_name>{_NAME})[ ](?P<now>{_MILLIWATTS})(?P<unit>mW)?
        /(?P<mean>{_MILLIWATTS})(?(unit)mW)(?:/(?P<highest>{_MILLIWATTS})(?(unit)mW))?(?!\S))
    | (?P<engine>(?P<engine_name>[A-Z][A-Z0-9_]{{0,31}})[ ](?:off|(?P<load>\d{{1,3}})%(?:@(?P<clocks>{_MEGAHERTZ}))?
        |(?P<clock>\d{{1,6}})|@(?P<only_clocks>{_MEGAHERTZ}))(?!\S))
    | (?P<unknown>\S+)
    """,
    re.ASCII | re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """A CPU core: what was printed of it, nothing where it is off."""

    load_ratio: float | None = None
    frequency_hertz: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A block beside the CPU, its name without `_FREQ`. Where it is off it has neither load nor clock.

    `frequencies_hertz` has one clock or one for each part (graphics cluster) of the engine; 0 is a part that is off.
    """

    name: str
    load_ratio: float | None = None
    frequencies_hertz: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A thermal zone that measures, and the highest since tegrastats began where that is printed."""

    name: str
    celsius: float
    highest_celsius: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rail:
    """A power rail: now, and since tegrastats began the mean (whole milliwatts, cut off) and, where it is printed, the highest.

    A rail may be negative. Two may have one name: `NC` is a channel with nothing connected.
    """

    name: str
    watts: float
    mean_watts: float
    highest_watts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What one line says.

    Attributes:
        stamp: the date as printed: local time, for people only.
        body: the rest, with single blanks between tokens.
        cores: every core of the list, also those that are off.
        shared_frequency_hertz: the one clock of all cores (L4T up to 28.1).
        engines: everything else that has a load or a clock: EMC, GR3D, VIC, APE...
        foreground_ratio: of MTS.
        background_ratio: of MTS.
        zones: temperatures that are measurements.
        average_celsius: `thermal@`.
        rails: in the order in which they are printed.
        unknown_count: tokens that nothing above matches.
        unknown: the first few of those, cut short.
    """

    stamp: str | None
    body: str
    cores: tuple[Core, ...]
    shared_frequency_hertz: float | None
    engines: tuple[Engine, ...]
    foreground_ratio: float | None
    background_ratio: float | None
    zones: tuple[Zone, ...]
    average_celsius: float | None
    rails: tuple[Rail, ...]
    unknown_count: int
    unknown: tuple[str, ...]


def parse(text: str) -> Line | None:
    """Return what a line says, or None where it is no line of figures (a message, a date, another program's output)."""
    if len(text) > _MOST_CHARACTERS:
        return None
    body = " ".join(text.split())
    stamp = _STAMP.match(body)
    if stamp:
        body = body[stamp.end() :].lstrip()
    draft = _Draft()
    for match in _TOKEN.finditer(body):
        _TAKE[match.lastgroup or "unknown"](draft, match)
    if not draft.is_figures:
        return None
    return Line(
        stamp=stamp[0] if stamp else None,
        body=body,
        cores=tuple(draft.cores),
        shared_frequency_hertz=draft.shared_frequency_hertz,
        engines=tuple(draft.engines),
        foreground_ratio=draft.foreground_ratio,
        background_ratio=draft.background_ratio,
        zones=tuple(draft.zones),
        average_celsius=draft.average_celsius,
        rails=tuple(draft.rails),
        unknown_count=draft.unknown_count,
        unknown=tuple(draft.unknown),
    )


@dataclass(slots=True)
class _Draft:
    """A line on its way to being known."""

    # No other program's output is taken for a line because a word in it looks like an engine or a bare rail.
    is_figures: bool = False
    cores: list[Core] = field(default_factory=list)
    shared_frequency_hertz: float | None = None
    engines: list[Engine] = field(default_factory=list)
    foreground_ratio: float | None = None
    background_ratio: float | None = None
    zones: list[Zone] = field(default_factory=list)
    average_celsius: float | None = None
    rails: list[Rail] = field(default_factory=list)
    unknown_count: int = 0
    unknown: list[str] = field(default_factory=list)

    def skip(self, match: re.Match[str]) -> None:
        """Leave out what is known and not kept."""

    def take_memory(self, match: re.Match[str]) -> None:  # noqa: ARG002 - as the others
        self.is_figures = True

    def take_cores(self, match: re.Match[str]) -> None:
        self.is_figures = True
        self.shared_frequency_hertz = _hertz(match["shared"])
        for written in match["cores"].split(","):
            core = _CORE.fullmatch(written.strip())
            load = _ratio(core["load"]) if core else None
            if core and load is not None:
                self.cores.append(Core(load_ratio=load, frequency_hertz=_hertz(core["clock"])))
                continue
            self.cores.append(Core())
            if written.strip() != "off":
                self.set_aside(written)

    def take_mts(self, match: re.Match[str]) -> None:
        self.foreground_ratio = _ratio(match["foreground"])
        self.background_ratio = _ratio(match["background"])

    def take_zone(self, match: re.Match[str]) -> None:
        self.is_figures = True
        name, celsius, highest = match["zone_name"], float(match["celsius"]), match["highest_celsius"]
        if celsius in _POWERED_DOWN_CELSIUS or (name.lower() == "pmic" and celsius in _PMIC_CONSTANT_CELSIUS):
            return
        if name.lower() == "thermal":
            self.average_celsius = celsius
            return
        self.zones.append(Zone(name=name, celsius=celsius, highest_celsius=None if highest is None else float(highest)))

    def take_rail(self, match: re.Match[str]) -> None:
        self.is_figures = self.is_figures or match["unit"] is not None
        highest = match["highest"]
        self.rails.append(
            Rail(
                name=match["rail_name"],
                watts=_watts(match["now"]),
                mean_watts=_watts(match["mean"]),
                highest_watts=None if highest is None else _watts(highest),
            )
        )

    def take_engine(self, match: re.Match[str]) -> None:
        name, clocks = match["engine_name"].removesuffix("_FREQ"), match["clocks"] or match["clock"] or match["only_clocks"]
        load = _ratio(match["load"] or "")
        if match["load"] and load is None:
            self.set_aside(match[0])
            return
        if name == "EMC" and not load and clocks is None:
            load = None
        frequencies = tuple(float(clock) * _HERTZ_PER_MEGAHERTZ for clock in clocks.strip("[]").split(",")) if clocks else ()
        self.engines.append(Engine(name=name, load_ratio=load, frequencies_hertz=frequencies))

    def take_unknown(self, match: re.Match[str]) -> None:
        self.set_aside(match[0])

    def set_aside(self, written: str) -> None:
        self.unknown_count += 1
        if len(self.unknown) < _MOST_SHOWN:
            self.unknown.append(written[:_MOST_SHOWN_CHARACTERS])


_TAKE: Final[dict[str, Callable[[_Draft, re.Match[str]], None]]] = {
    "memory": _Draft.take_memory,
    "cpu": _Draft.take_cores,
    "mts": _Draft.take_mts,
    "edp": _Draft.skip,
    "zone": _Draft.take_zone,
    "rail": _Draft.take_rail,
    "engine": _Draft.take_engine,
    "unknown": _Draft.take_unknown,
}


def _ratio(percent: str) -> float | None:
    """Return a share of 1, or None for nothing and for more than there is."""
    return int(percent) / _PERCENT if percent and int(percent) <= _PERCENT else None


def _hertz(megahertz: str | None) -> float | None:
    return None if megahertz is None else float(int(megahertz) * _HERTZ_PER_MEGAHERTZ)


def _watts(milliwatts: str) -> float:
    return int(milliwatts) / _MILLIWATTS_PER_WATT
