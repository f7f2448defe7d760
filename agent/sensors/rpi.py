"""What a Raspberry Pi's firmware knows and the kernel does not: throttling, the true clock, the power chip of a Pi 5.

Source: `vcgencmd` in the Raspberry Pi documentation, by the mailbox of `_vcio`; drivers/hwmon/raspberrypi-hwmon.c.

- `get_throttled`: a word of bits. 0-3: now; 16-19: since boot (see `agent.analysis.firmware`). Asked without a mask: a mask clears
  the bits of the past for everybody. The bits of now flap within a second, and clear while the clock is still low
- `measure_clock arm`: hertz, counted by the firmware for a millisecond: 1-2 % of jitter. The kernel's own figure is what it asked
  for, and stays there while the firmware throttles
- `measure_temp`: the SoC. `measure_temp pmic`: the power chip; boards without one answer with the SoC's, so it is asked only where
  the chip has answered for its rails
- `measure_volts core`: the voltage that was asked for, not the one that came out
- `pmic_read_adc` (Pi 5, 22 ms): see `_pmic`. `pmic_sum` adds volts times amperes of the rails that have both. It is an estimate
  of the board's input, and too low: the converters' losses and all that hangs at 5 V (USB, fan, NVMe) are not in it. Two lines
  that were fitted against a meter are in circulation, 1.1327 x + 0.6444 W (jfikar/RPi5-power) and 1.1451 x + 0.5879 W (a later
  fit); neither is applied
- `hwmon/*/in0_lcrit_alarm` of the chip `rpi_volt`: under-voltage within the last two seconds, which the kernel asks and clears on
  its own account. It sees what is shorter than our period, and is all that a kernel without mailbox has
- `soc:firmware/get_throttled`: deprecated, so read only where the firmware cannot be asked. Hexadecimal without 0x. Its upper bits
  are not those since boot but those of the kernel's last two seconds, as the alarm's; some kernels always say 0
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.record import Fault, Flags, Reading, Reads
from agent.core.sensor import SensorConfig, Surroundings
from agent.core.units import Seconds
from agent.sensors import _gencmd, _pmic, _vcio

if TYPE_CHECKING:
    from agent.core.tree import Tree

METRICS = (
    Metric(name="temperature_celsius", fold=Fold.GAUGE, describes="`soc`, and on a Raspberry Pi 5 `pmic`, by the firmware."),
    Metric(name="frequency_hertz", fold=Fold.GAUGE, describes="`arm`: the clock at which the CPU really runs; 1-2 % of jitter."),
    Metric(name="voltage_volts", fold=Fold.GAUGE, describes="`ext5v`: the 5 V input. `batt`: the clock's battery. `core`: as set."),
    Metric(
        name="power_watts",
        fold=Fold.GAUGE,
        describes="Each rail of a Raspberry Pi 5's power chip, and `pmic_sum` of them all, which is less than the board takes in.",
    ),
)
# Words of bits, folded by `agent.analysis.firmware`: the firmware's own, and what the kernel saw in its last two seconds.
FIRMWARE: Final = "firmware"
RECENT: Final = "firmware_recent"

_MODELS: Final = ("proc/device-tree/model", "sys/firmware/devicetree/base/model")
_HWMON: Final = "sys/class/hwmon"
_DEPRECATED: Final = "sys/devices/platform/soc/soc:firmware/get_throttled"
_BARE_WORD: Final = re.compile(r"[0-9a-fA-F]{1,8}")
_STICKY_SHIFT: Final = 16
_NOW_MASK: Final = 0xFFFF
_UNDER_VOLTAGE: Final = 1
_PMIC_SUM: Final = "pmic_sum"
# It carries three quarters of the board's power and more: without it there is no sum.
_CORE_RAIL: Final = "vdd_core"
# Without a battery the converter sees some millivolts.
_LEAST_BATTERY_VOLTS: Final = 0.5
# A board whose firmware knows no power chip gets none while it runs; a firmware that is still starting may.
_NO_PMIC_SECONDS: Final = 600.0


class Config(SensorConfig, frozen=True, kw_only=True):
    """A Raspberry Pi's firmware: throttling, under-voltage, the true clock, the rails of a Pi 5."""

    pmic_period: Annotated[
        Seconds, msgspec.Meta(description="How often a Pi 5's power chip is read, which takes the firmware 30 ms.")
    ] = Seconds(5)
    volts: Annotated[bool, msgspec.Meta(description="Whether the core's voltage is read too.")] = False

    def __post_init__(self) -> None:
        """Refuse periods that nothing can be read at."""
        super().__post_init__()
        if not 0.1 <= self.pmic_period <= 3600:  # noqa: PLR2004 - 100 ms to 1 h
            raise ValueError(f"pmic_period {self.pmic_period} is not between 100 ms and 1 h")


def find(config: Config, surroundings: Surroundings) -> RaspberryPi:
    """Return the board's firmware, or what the kernel shows of it; raises `Absent` where there is neither."""
    board = surroundings.board
    model = next((text for text in (board.text_or_none(path) for path in _MODELS) if text), "")
    if "Raspberry Pi" not in model and not any(board.path(node).exists() for node in _vcio.NODES):
        raise Absent("not a Raspberry Pi")
    link: _vcio.Link | None = None
    missing = ""
    alarm = _alarm(board)
    deprecated = board.path(_DEPRECATED).is_file()
    try:
        link = _vcio.connect(surroundings)
    except (Absent, SensorFault) as error:
        if not (alarm or deprecated):
            raise
        missing = f"{error}; {error.mend}" if isinstance(error, Absent) and error.mend else str(error)
    return RaspberryPi(config, surroundings, alarm=alarm, deprecated=deprecated, link=link, missing=missing)


@dataclass(slots=True)
class _Read:
    """One reading in the making."""

    readings: list[Reading] = field(default_factory=list)
    flags: list[Flags] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, name: str, reason: object) -> None:
        self.faults.append(Fault(name=name, reason=str(reason)))

    def figure(self, figure: _gencmd.Figure, link: _vcio.Link) -> None:
        try:
            self.readings.append(figure.ask(link))
        except _vcio.Unreachable:
            raise
        except SensorFault as error:
            self.fault(figure.name, error)


class RaspberryPi:
    """The firmware of one board, and what the kernel shows of it."""

    def __init__(
        self, config: Config, surroundings: Surroundings, *, alarm: str, deprecated: bool, link: _vcio.Link | None, missing: str
    ) -> None:
        """Take what there is.

        Args:
            config: what is read, and how often.
            surroundings: what may be touched.
            alarm: the file of the kernel's under-voltage alarm; empty where there is none.
            deprecated: whether the kernel has the deprecated file.
            link: the way to the firmware; None where there is none.
            missing: why there is none; told once, with the first reading, so that the doctor says it.
        """
        self._config = config
        self._surroundings = surroundings
        self._alarm = alarm
        self._deprecated = deprecated
        self._link = link
        self._had_link = link is not None
        self._missing = missing
        self._pmic_at_seconds = 0.0
        self._paired: frozenset[str] = frozenset()

    def read(self) -> Reads:
        """Return what the firmware says, and what the kernel saw of it."""
        into = _Read()
        link = self._connected(into)
        if link is not None:
            try:
                self._ask(link, into)
            except _vcio.Unreachable as error:
                into.fault(FIRMWARE, error)
                self.close()
        self._recent(into)
        return Reads(readings=tuple(into.readings), flags=tuple(into.flags), faults=tuple(into.faults))

    def close(self) -> None:
        """Let go of the mailbox."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def _connected(self, into: _Read) -> _vcio.Link | None:
        """Return the way to the firmware; looks for one where there is none. At boot the node may come after us, or its group."""
        if self._link is not None:
            return self._link
        connect = _vcio.connect if self._had_link else _vcio.connect_mailbox
        try:
            self._link = connect(self._surroundings)
        except (Absent, SensorFault) as error:
            if self._had_link or isinstance(error, SensorFault):
                into.fault(FIRMWARE, error)
            elif self._missing:
                into.fault(FIRMWARE, self._missing)
                self._missing = ""
            return None
        self._had_link = True
        return self._link

    def _ask(self, link: _vcio.Link, into: _Read) -> None:
        try:
            into.flags.append(Flags(metric=FIRMWARE, bits=_gencmd.throttled(link)))
        except _vcio.Unreachable:
            raise
        except SensorFault as error:
            into.fault(FIRMWARE, error)
        into.figure(_gencmd.ARM, link)
        into.figure(_gencmd.SOC, link)
        if self._config.volts:
            into.figure(_gencmd.CORE, link)
        now = self._surroundings.clock.monotonic_nanoseconds() / 1e9
        if now >= self._pmic_at_seconds:
            self._pmic_at_seconds = now + self._config.pmic_period
            try:
                self._pmic(link, into)
            except _vcio.Refused as error:
                # Boards before the Pi 5 do not know the question. One that has answered before does.
                if self._paired:
                    into.fault(_PMIC_SUM, error)
                else:
                    self._pmic_at_seconds = now + _NO_PMIC_SECONDS

    def _pmic(self, link: _vcio.Link, into: _Read) -> None:
        try:
            rails = _pmic.parse(link.ask("pmic_read_adc"))
        except (_vcio.Unreachable, _vcio.Refused):
            raise
        except SensorFault as error:
            into.fault(_PMIC_SUM, error)
            return
        watts = rails.watts
        into.readings += [Reading(metric="power_watts", name=name, value=value) for name, value in watts.items()]
        # A sum is one only while all is in it that once was.
        missing = sorted((self._paired | {_CORE_RAIL}) - watts.keys())
        if missing:
            into.fault(_PMIC_SUM, f"without {', '.join(missing)}")
        else:
            self._paired = frozenset(watts)
            into.readings.append(Reading(metric="power_watts", name=_PMIC_SUM, value=sum(watts.values())))
        for name, least in (("ext5v", 0.0), ("batt", _LEAST_BATTERY_VOLTS)):
            volts = rails.volts.get(name)
            if volts is not None and volts > least:
                into.readings.append(Reading(metric="voltage_volts", name=name, value=volts))
        into.figure(_gencmd.PMIC, link)

    def _recent(self, into: _Read) -> None:
        """Add what the kernel saw of late: its alarm, and its deprecated file where the firmware itself cannot be asked."""
        board = self._surroundings.board
        words = []
        try:
            if self._alarm:
                words.append(_UNDER_VOLTAGE if board.integer(self._alarm) else 0)
            if self._deprecated and self._link is None:
                words.append(_bare_word(board.text(_DEPRECATED)))
        except (Absent, SensorFault) as error:
            into.fault(RECENT, error)
        if words:
            bits = 0
            for word in words:
                bits |= (word & _NOW_MASK) | (word >> _STICKY_SHIFT)
            into.flags.append(Flags(metric=RECENT, bits=bits))


def _bare_word(text: str) -> int:
    if not _BARE_WORD.fullmatch(text):
        raise SensorFault("not a hexadecimal number")
    return int(text, 16)


def _alarm(tree: Tree) -> str:
    """Return the file of the under-voltage alarm. The chip is known by its name: its number differs from boot to boot."""
    for chip in tree.names(_HWMON):
        if tree.text_or_none(f"{_HWMON}/{chip}/name") == "rpi_volt":
            return f"{_HWMON}/{chip}/in0_lcrit_alarm"
    return ""
