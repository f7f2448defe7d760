from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from agent.core.errors import Unusable
from agent.publish.spool import FILE, Spool

if TYPE_CHECKING:
    from pathlib import Path

BODY = b'{"v":1,"boot_id":"b"}'


def opened(folder: Path, boot_id: str = "boot-1", max_bytes: float = 1e8) -> Spool:
    return Spool(folder, boot_id, max_bytes)


def fill(spool: Spool, count: int, length_seconds: float = 10.0, body: bytes = BODY) -> list[int]:
    return [spool.append("window", body, float(index), length_seconds).seq for index in range(count)]


def test_messages_come_back_in_order_as_they_were_given(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    first = spool.append("window", BODY, 12.5, 10.0)
    second = spool.append("event", b'{"v":1,"kind":"x"}', 13.0, 0.0)
    assert list(spool.after(0, 10)) == [first, second]
    assert list(spool.after(first.seq, 10)) == [second]
    assert (first.kind, first.monotonic_seconds, first.length_seconds, first.boot_id) == ("window", 12.5, 10.0, "boot-1")


def test_a_number_is_never_used_twice_even_after_the_spool_was_empty(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    used = fill(spool, 3)
    spool.delete(used)
    assert spool.rows == 0
    spool.close()
    again = opened(tmp_path)
    assert fill(again, 1)[0] > max(used)


def test_the_stream_lives_as_long_as_the_boot(tmp_path: Path) -> None:
    first = opened(tmp_path)
    stream = first.stream
    fill(first, 2)
    first.close()
    same_boot = opened(tmp_path)
    assert same_boot.stream == stream
    same_boot.close()
    next_boot = opened(tmp_path, boot_id="boot-2")
    assert next_boot.stream != stream
    fill(next_boot, 1)
    assert list(next_boot.held()) == [stream, next_boot.stream]


def test_a_new_spool_in_the_same_boot_is_a_new_stream(tmp_path: Path) -> None:
    first, second = opened(tmp_path / "a"), opened(tmp_path / "b")
    assert first.stream != second.stream


def test_a_stream_without_messages_is_forgotten_but_not_the_current_one(tmp_path: Path) -> None:
    old = opened(tmp_path)
    numbers = fill(old, 2)
    old.close()
    spool = opened(tmp_path, boot_id="boot-2")
    current = spool.stream
    spool.delete([*numbers, *fill(spool, 1)])
    assert spool.held() == {}
    spool.close()
    assert opened(tmp_path, boot_id="boot-2").stream == current


def test_an_append_survives_a_killed_process(tmp_path: Path) -> None:
    program = textwrap.dedent(
        f"""
        import os, pathlib
        from agent.publish.spool import Spool
        spool = Spool(pathlib.Path({str(tmp_path)!r}), "boot-1", 1e8)
        for index in range(50):
            spool.append("window", {BODY!r}, float(index), 10.0)
        os.kill(os.getpid(), 9)
        """
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    assert opened(tmp_path).rows == 50


def test_two_processes_cannot_use_one_spool(tmp_path: Path) -> None:
    holder = opened(tmp_path)
    with pytest.raises(Unusable, match="another emberd is using it"):
        opened(tmp_path)
    holder.close()
    opened(tmp_path).close()


def test_the_cap_drops_the_oldest_and_counts_them(tmp_path: Path) -> None:
    spool = opened(tmp_path, max_bytes=200_000)
    dropped = 0
    for index in range(300):
        spool.append("window", b'{"v":1,' + bytes(f"{index:04d}", "ascii") + _noise(2_000, index), float(index), 10.0)
        dropped += spool.prune(keep_a_day=False)
    assert dropped > 0
    assert spool.dropped == dropped
    held = [row.seq for row in spool.after(0, 1000)]
    assert held == list(range(300 - len(held) + 1, 301))
    spool.close()
    assert (tmp_path / FILE).stat().st_size < 600_000
    assert opened(tmp_path).dropped == dropped


def test_without_a_broker_the_last_day_is_kept_by_length_not_by_the_clock(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    for index in range(200):
        spool.append("window", BODY, float(index), 3600.0)
        spool.prune(keep_a_day=True)
    assert 24 <= spool.rows <= 24 + 64
    assert spool.dropped == 0


def test_a_file_that_is_no_spool_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"this is not a database, and long enough to be looked at" * 100)
    with pytest.raises(Unusable) as caught:
        opened(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_spool_of_a_later_format_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(Unusable, match="format 99"):
        opened(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unusable, match="cannot be used"):
        opened(tmp_path / "file" / "spool")


def _noise(length: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(length).hex().encode()[:length]
