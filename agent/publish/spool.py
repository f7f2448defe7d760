"""Windows and events on disk until somebody else has them: SQLite in WAL mode, every commit synchronised.

A message is durable once `append` returns. Its number is the table's AUTOINCREMENT key, which is never used twice, even after
the table was empty; its stream is new when the spool is new or the machine was booted. Bodies are stored without site and device:
those are stamped when a message is sent, so that a device that is renamed does not send under its old name.

One thread owns a spool.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import uuid
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from agent.core.errors import Unusable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FILE: Final = "spool.db"
FORMAT: Final = 1
# Without a broker the spool is a log of the last day.
KEPT_SECONDS: Final = 86_400.0
_PRUNE_EVERY_ROWS: Final = 64
_DROP_ROWS: Final = 32
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS stream (stream TEXT PRIMARY KEY, boot_id TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS message (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    stream TEXT NOT NULL,
    kind TEXT NOT NULL,
    boot_id TEXT NOT NULL,
    monotonic_seconds REAL NOT NULL,
    length_seconds REAL NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS counter (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A message as it is kept.

    Attributes:
        kind: `window` or `event`.
        boot_id: the boot in which it was made, and in which `monotonic_seconds` counts.
        length_seconds: of the window; 0 for an event.
        body: its JSON, without site, device, stream and seq.
    """

    seq: int
    stream: str
    kind: str
    boot_id: str
    monotonic_seconds: float
    length_seconds: float
    body: bytes


class Spool:
    """The messages of one device that nobody else is known to have."""

    def __init__(self, folder: Path, boot_id: str, max_bytes: float) -> None:
        """Open or make the spool in a folder.

        Raises:
            Unusable: the folder cannot be written, the spool is another's, or it is no spool.
        """
        self._max_bytes = max_bytes
        self._boot_id = boot_id
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = _lock(folder)
            self._database = sqlite3.connect(folder / FILE, isolation_level=None, check_same_thread=False)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise Unusable(f"spool {folder}: cannot be used: {error}") from error
        found = self._database.execute("SELECT stream FROM stream WHERE boot_id = ?", (boot_id,)).fetchone()
        self.stream = str(found[0]) if found else uuid.uuid4().hex[:16]
        self._since_prune = 0

    def _prepare(self) -> None:
        database = self._database
        database.execute("PRAGMA auto_vacuum = INCREMENTAL")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, FORMAT):
            raise sqlite3.DatabaseError(f"it has format {version}, this emberd knows {FORMAT}")
        database.executescript(_SCHEMA)
        database.execute(f"PRAGMA user_version = {FORMAT}")

    def append(self, kind: str, body: bytes, monotonic_seconds: float, length_seconds: float) -> Row:
        """Store a message and return it with its number; it is on disk when this returns.

        Raises:
            OSError: the storage refused.
        """
        try:
            self._database.execute("BEGIN IMMEDIATE")
            # With the first message, not when the spool is opened: a stream that never spoke is none.
            self._database.execute("INSERT OR IGNORE INTO stream VALUES (?, ?)", (self.stream, self._boot_id))
            cursor = self._database.execute(
                "INSERT INTO message (stream, kind, boot_id, monotonic_seconds, length_seconds, body) VALUES (?, ?, ?, ?, ?, ?)",
                (self.stream, kind, self._boot_id, monotonic_seconds, length_seconds, _deflate(body)),
            )
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise OSError(f"spool: {error}") from error
        self._since_prune += 1
        return Row(
            seq=int(cursor.lastrowid or 0),
            stream=self.stream,
            kind=kind,
            boot_id=self._boot_id,
            monotonic_seconds=monotonic_seconds,
            length_seconds=length_seconds,
            body=body,
        )

    def after(self, seq: int, most: int) -> Iterator[Row]:
        """Return the first messages with a higher number, in order."""
        found = self._database.execute(
            "SELECT seq, stream, kind, boot_id, monotonic_seconds, length_seconds, body FROM message WHERE seq > ? "
            "ORDER BY seq LIMIT ?",
            (seq, most),
        ).fetchall()
        for number, stream, kind, boot_id, monotonic_seconds, length_seconds, body in found:
            yield Row(
                seq=number,
                stream=stream,
                kind=kind,
                boot_id=boot_id,
                monotonic_seconds=monotonic_seconds,
                length_seconds=length_seconds,
                body=zlib.decompress(body, wbits=-zlib.MAX_WBITS),
            )

    def delete(self, numbers: Iterable[int]) -> None:
        """Forget messages that somebody else has now."""
        self._database.execute("BEGIN")
        self._database.executemany("DELETE FROM message WHERE seq = ?", [(number,) for number in numbers])
        self._database.execute(
            "DELETE FROM stream WHERE stream <> ? AND stream NOT IN (SELECT stream FROM message)", (self.stream,)
        )
        self._database.execute("COMMIT")

    def held(self) -> dict[str, tuple[int, int]]:
        """Return stream → first and last number held, the oldest stream first."""
        found = self._database.execute("SELECT stream, min(seq), max(seq) FROM message GROUP BY stream ORDER BY 2").fetchall()
        return {stream: (first, last) for stream, first, last in found}

    @property
    def rows(self) -> int:
        """How many messages are held."""
        return int(self._database.execute("SELECT count(*) FROM message").fetchone()[0])

    @property
    def dropped(self) -> int:
        """How many messages were ever dropped, unsent, because the spool was full."""
        found = self._database.execute("SELECT value FROM counter WHERE name = 'dropped'").fetchone()
        return int(found[0]) if found else 0

    def prune(self, *, keep_a_day: bool) -> int:
        """Drop the oldest messages while the spool is over its cap, and return how many.

        Args:
            keep_a_day: nobody is to get these messages: keep the last 24 h of windows only. Those that go by that are not
                counted as dropped. A day is counted in lengths of windows, since the wall clock may be a month off.
        """
        if self._since_prune < _PRUNE_EVERY_ROWS:
            return 0
        self._since_prune = 0
        if keep_a_day:
            self._forget_before_a_day()
        dropped = 0
        while self._bytes() > self._max_bytes:
            self._database.execute("BEGIN")
            cursor = self._database.execute(
                "DELETE FROM message WHERE seq IN (SELECT seq FROM message ORDER BY seq LIMIT ?)", (_DROP_ROWS,)
            )
            count = cursor.rowcount
            self._database.execute(
                "INSERT INTO counter VALUES ('dropped', ?) ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                (count,),
            )
            self._database.execute("COMMIT")
            if count <= 0:
                break
            dropped += count
        self._database.execute("PRAGMA incremental_vacuum").fetchall()
        return dropped

    def _forget_before_a_day(self) -> None:
        found = self._database.execute(
            "SELECT seq FROM (SELECT seq, sum(length_seconds) OVER (ORDER BY seq DESC) AS age FROM message) WHERE age > ? "
            "ORDER BY seq DESC LIMIT 1",
            (KEPT_SECONDS,),
        ).fetchone()
        if found:
            self._database.execute("DELETE FROM message WHERE seq <= ?", found)

    def _bytes(self) -> int:
        pages, free, size = (
            self._database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def close(self) -> None:
        """Close the database and let the next owner in."""
        self._database.close()
        os.close(self._lock)


def _lock(folder: Path) -> int:
    """Return a descriptor that holds the spool for this process; the kernel lets go of it however the process ends."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise Unusable(f"spool {folder}: another emberd is using it; give this one its own spool.path") from None
    return descriptor


def _deflate(body: bytes) -> bytes:
    compressor = zlib.compressobj(level=6, wbits=-zlib.MAX_WBITS)
    return compressor.compress(body) + compressor.flush()
