"""The workload processes and the monitor itself, from `/proc/PID`.

- `statm` field 2: resident pages; the page is 16 KiB on a Raspberry Pi 5. proc_pid_statm(5)
- `status` VmHWM: resident peak in KiB. proc_pid_status(5)
- `stat` field 12: major page faults. proc_pid_stat(5)
- `smaps_rollup` Pss: proportional share in KiB. It walks every page under the process's memory lock: read every 10 s at most
- `task/*/schedstat`: nanoseconds on a core and nanoseconds waiting for one. The file of the process is that of its main
  thread alone, and a runtime's work is done by the others. Documentation/scheduler/sched-stats.rst
- `io` write_bytes: bytes sent to storage. proc_pid_io(5)
"""

from __future__ import annotations

import math
import os
import re
import time
from dataclasses import dataclass, field
from typing import Final

from agent.core.errors import Absent, SensorFault
from agent.core.metric import Fold, Metric
from agent.core.record import Fault, Reading, Reads
from agent.core.sensor import SensorConfig, Surroundings
from agent.core.tree import to_integer
from agent.core.units import Seconds

METRICS = (
    Metric(name="rss_bytes", fold=Fold.LAST, describes="Resident memory of a process."),
    Metric(name="rss_peak_bytes", fold=Fold.LAST, describes="The most it ever had resident."),
    Metric(name="pss_bytes", fold=Fold.LAST, describes="Resident memory with shared pages divided among their users."),
    Metric(name="major_faults_total", fold=Fold.INCREASE, describes="Page faults that had to read from storage."),
    Metric(name="cpu_seconds_total", fold=Fold.INCREASE, describes="Time its threads were on a core."),
    Metric(name="runqueue_wait_seconds_total", fold=Fold.INCREASE, describes="Time its threads wanted a core and had none."),
    Metric(name="written_bytes_total", fold=Fold.INCREASE, describes="Bytes it caused to be written to storage."),
)

_PSS: Final = re.compile(r"^Pss:\s+(\d{1,20}) kB", re.MULTILINE)
_PEAK: Final = re.compile(r"^VmHWM:\s+(\d{1,20}) kB", re.MULTILINE)
_WRITTEN: Final = re.compile(r"^write_bytes: (\d{1,20})", re.MULTILINE)
_BYTES_PER_KIBIBYTE: Final = 1024
_SECONDS_PER_NANOSECOND: Final = 1e-9
_PSS_EVERY_SECONDS: Final = 10.0


class Config(SensorConfig, frozen=True, kw_only=True):
    """Memory, faults and waiting of each workload and of the monitor."""

    period: Seconds = Seconds(2.0)


@dataclass(slots=True)
class _Life:
    """One process under watch: what each of its threads had used when last seen, and the sums."""

    process: int
    threads: dict[str, tuple[int, int]] = field(default_factory=dict)
    cpu_nanoseconds: int = 0
    wait_nanoseconds: int = 0
    reads: int = 0


class _Ended(Exception):  # noqa: N818 - a state
    """The process has ended, which is no fault."""


def find(config: SensorConfig, surroundings: Surroundings) -> Processes:
    """Return the processes that `surroundings` names, whichever those are at each reading."""
    return Processes(surroundings, pss_every=max(math.ceil(_PSS_EVERY_SECONDS / config.period), 1))


class Processes:
    """The processes that emberd runs, and emberd itself."""

    def __init__(self, surroundings: Surroundings, pss_every: int) -> None:
        """Take how many readings lie between two of the costly one."""
        self._surroundings = surroundings
        self._tree = surroundings.machine
        self._pss_every = pss_every
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._lives: dict[str, _Life] = {}

    def read(self) -> Reads:
        """Return the figures of every process that is alive. One that ended meanwhile is absent, which is no fault."""
        readings: list[Reading] = []
        faults = []
        running = dict(self._surroundings.processes())
        for name, process in running.items():
            life = self._lives.get(name)
            if life is None or life.process != process:
                life = self._lives[name] = _Life(process)
            try:
                readings += self._figures(name, life)
            except (Absent, _Ended):
                continue
            except SensorFault as error:
                faults.append(Fault(name=name, reason=str(error)))
        self._lives = {name: life for name, life in self._lives.items() if name in running}
        return Reads(readings=tuple(readings), faults=tuple(faults))

    def _figures(self, name: str, life: _Life) -> list[Reading]:
        folder = f"proc/{life.process}"
        tree = self._tree
        pages = _word(self._text(f"{folder}/statm"), 1)
        if pages == 0:
            raise _Ended  # a zombie: its memory is gone, and nobody has waited for it yet
        figures = {
            "rss_bytes": float(pages * self._page_bytes),
            # The command's name stands in brackets and may hold blanks; the numbers begin after the last bracket.
            "major_faults_total": float(_word(self._text(f"{folder}/stat").rpartition(")")[2], 9)),
        }
        peak = _PEAK.search(self._text(f"{folder}/status"))
        if peak:
            figures["rss_peak_bytes"] = float(int(peak[1]) * _BYTES_PER_KIBIBYTE)
        if life.reads % self._pss_every == 0:
            pss = _PSS.search(tree.text_or_none(f"{folder}/smaps_rollup") or "")
            if pss:
                figures["pss_bytes"] = float(int(pss[1]) * _BYTES_PER_KIBIBYTE)
        if life.process == os.getpid():
            # Our own waiting is nobody's business, and reading a file per thread would be most of our own work.
            figures["cpu_seconds_total"] = time.process_time()
        elif self._add_threads(folder, life):
            figures["cpu_seconds_total"] = life.cpu_nanoseconds * _SECONDS_PER_NANOSECOND
            figures["runqueue_wait_seconds_total"] = life.wait_nanoseconds * _SECONDS_PER_NANOSECOND
        written = _WRITTEN.search(tree.text_or_none(f"{folder}/io") or "")
        if written:
            figures["written_bytes_total"] = float(written[1])
        life.reads += 1
        return [Reading(metric=metric, name=name, value=value, instance=life.process) for metric, value in figures.items()]

    def _text(self, path: str) -> str:
        try:
            return self._tree.text(path)
        except SensorFault as error:
            # What the kernel answers when the process ended after the file was opened: fs/proc/base.c.
            if str(error).startswith("ESRCH"):
                raise _Ended from None
            raise

    def _add_threads(self, folder: str, life: _Life) -> bool:
        """Add what each thread used since it was last seen. Threads that ended keep what they had in the sums."""
        seen: dict[str, tuple[int, int]] = {}
        for thread in self._tree.names(f"{folder}/task"):
            words = (self._tree.text_or_none(f"{folder}/task/{thread}/schedstat") or "").split()
            if len(words) != 3 or not all(word.isascii() and word.isdigit() for word in words):  # noqa: PLR2004 - cpu, wait, slices
                continue
            used, waited = int(words[0]), int(words[1])
            used_before, waited_before = life.threads.get(thread, (0, 0))
            life.cpu_nanoseconds += max(used - used_before, 0)
            life.wait_nanoseconds += max(waited - waited_before, 0)
            seen[thread] = (used, waited)
        life.threads = seen
        return any(used for used, _ in seen.values())


def _word(text: str, position: int) -> int:
    words = text.split()
    if len(words) <= position:
        raise SensorFault("too short")
    return to_integer(words[position])
