"""The power mode of a Jetson, by its name, such as `25W` or `MAXN_SUPER`.

Source: `nvpmodel -q`, which prints `NV Power Mode: 25W` and the mode's number in a line of its own, with warnings above. It says
nothing by its exit status and can take seconds on a busy board. What it sets it keeps in `var/lib/nvpmodel/status`
(`pmode:0001 fmode:quiet`), and the modes' names stand in `etc/nvpmodel.conf` (`< POWER_MODEL ID=1 NAME=25W >`): where the
command is missing, as in a container, those two are read. A mode that needs a reboot stands in `status` before it is in force,
so that the command goes first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from agent.core.errors import Absent, SensorFault
from agent.core.tree import errno_name

if TYPE_CHECKING:
    from agent.core.sensor import Surroundings

EVERY_SECONDS: Final = 60.0
_COMMAND_SECONDS: Final = 5.0
_STATUS: Final = "var/lib/nvpmodel/status"
_MODES: Final = "etc/nvpmodel.conf"
_SAID: Final = re.compile(r"^NV Power Mode:[ \t]*(\S[^\r\n]{0,63}?)[ \t\r]*$", re.MULTILINE)
_NUMBER: Final = re.compile(r"\bpmode:(\d{1,9})\b")
_MODE: Final = re.compile(r"^[ \t]*<[ \t]*POWER_MODEL[ \t]+ID=(\d{1,9})[ \t]+NAME=([^\s>]{1,64})[ \t]*>", re.MULTILINE)


class PowerMode:
    """The board's power mode, asked for once a minute, and at once when its file has changed."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Ask nothing yet."""
        self._surroundings = surroundings
        self._name: str | None = None
        self._status: str | None = None
        self._at_seconds: float | None = None

    def read(self) -> str | None:
        """Return the mode's name as of the last minute; None where it could not be had then, which was said then.

        Raises:
            Absent: this board has no power modes.
            SensorFault: it has, and the one in force could not be had.
        """
        now = self._surroundings.clock.monotonic_nanoseconds() / 1e9
        status = self._surroundings.board.text_or_none(_STATUS)
        if self._at_seconds is None or now - self._at_seconds >= EVERY_SECONDS or status != self._status:
            self._at_seconds, self._status, self._name = now, status, None
            self._name = self._asked(status)
        return self._name

    def _asked(self, status: str | None) -> str:
        problem: Exception
        try:
            said = self._surroundings.run(["nvpmodel", "-q"], _COMMAND_SECONDS)
        except FileNotFoundError:
            problem = Absent("no nvpmodel")
        except OSError as error:
            problem = SensorFault(errno_name(error))
        else:
            name = _SAID.search(said)
            if name:
                return name[1]
            problem = SensorFault(f"unexpected answer {said[:60]!r}")
        kept = named(status or "", self._surroundings.board.text_or_none(_MODES) or "")
        if kept is None:
            raise problem
        return kept


def named(status: str, modes: str) -> str | None:
    """Return the name of the mode that a status file holds, by the modes' file; None where they do not tell."""
    number = _NUMBER.search(status)
    if number is None:
        return None
    names = {int(match[1]): match[2] for match in _MODE.finditer(modes)}
    return names.get(int(number[1]))
