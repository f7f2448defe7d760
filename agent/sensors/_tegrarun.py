"""One run of tegrastats, as its lines tell: whether it began anew by itself, and whether it goes on saying the same.

- The second figure of a rail is the mean since the run began, so one more line moves it towards the present figure by half the
  distance at most (two lines; less later). A mean that moved otherwise belongs to another run.
- tegrastats goes on printing the last value of a file that it can no longer read. Of a single token that cannot be told from a
  quantity that is steady (a zone, an idle rail), and nothing is said about it. A whole line, with the memory in use and the load of
  every core in it, does not stay the same for a minute on a board that runs emberd; when it does, that is told, and the figures are
  kept: a board with every core at 0 % is improbable, not impossible.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from agent.core.record import Fault

if TYPE_CHECKING:
    from agent.sensors._tegraline import Line

_STALE_SECONDS: Final = 60.0
_STALE_LINES: Final = 10
# Means are cut off to whole milliwatts, the one before and the one now.
_CUT_WATTS: Final = 0.0025


class Run:
    """What is remembered from line to line."""

    def __init__(self) -> None:
        """Begin with no line yet."""
        self._means: dict[str, float] = {}
        self._body = ""
        self._same_lines = 0
        self._same_since = 0.0

    def take(self, line: Line, at_seconds: float) -> tuple[Fault, ...]:
        """Take the next line, and when it came, and return what is wrong with it, seen beside those before."""
        faults = []
        if self._has_jumped(line):
            faults.append(Fault(name="restart", reason="its means begin anew: it was started again"))
        if line.body == self._body:
            self._same_lines += 1
        else:
            self._body, self._same_lines, self._same_since = line.body, 1, at_seconds
        same_seconds = at_seconds - self._same_since
        if same_seconds >= _STALE_SECONDS and self._same_lines >= _STALE_LINES:
            faults.append(Fault(name="stale", reason=f"not one figure has changed in {same_seconds:.0f} s"))
        return tuple(faults)

    def _has_jumped(self, line: Line) -> bool:
        jumped = False
        means = {}
        for position, rail in enumerate(line.rails):
            key = f"{position} {rail.name}"
            before = self._means.get(key)
            if before is not None:
                least, most = sorted((before, (before + rail.watts) / 2))
                jumped = jumped or not least - _CUT_WATTS <= rail.mean_watts <= most + _CUT_WATTS
            means[key] = rail.mean_watts
        self._means = means
        return jumped
