"""The record of jobs: an SQLite file, for one server at a time."""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from pathlib import Path
from typing import Any, NamedTuple

from carmask.errors import OutputError, UsageError

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    created REAL NOT NULL,         -- seconds since 1970
    state TEXT NOT NULL,           -- new, running, done, failed
    options TEXT NOT NULL,         -- JSON of CutOptions
    error TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS photos (
    job TEXT NOT NULL,
    number INTEGER NOT NULL,
    title TEXT NOT NULL,           -- what the client calls it
    file TEXT NOT NULL,            -- what it is called here
    bytes INTEGER NOT NULL,
    PRIMARY KEY (job, number)
);
PRAGMA user_version = 1;
"""


class StoredPhoto(NamedTuple):
    """A photo of a job: its number, what the client calls it, and its file's name here."""

    number: int
    title: str
    file: str

    @property
    def name(self) -> str:
        """Of its outputs."""
        return Path(self.file).stem


class JobRecords:
    """The open record. It holds a lock on its folder until it is closed."""

    def __init__(self, state: Path) -> None:
        """Open or make it.

        Args:
            state: its folder.

        Raises:
            UsageError: if another server uses the folder.
        """
        self.lock = threading.RLock()
        self._held = (state / "lock").open("w")
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._held.close()
            raise UsageError(f"{state}: another server uses this folder; name another one", argument="state") from error
        self._base = sqlite3.connect(state / "jobs.sqlite", isolation_level=None, check_same_thread=False)
        self._base.executescript(f"PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; {_TABLES} COMMIT;")

    def close(self) -> None:
        """Close it; another server may use the folder then."""
        self._base.close()
        self._held.close()

    def rows(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with self.lock:
            return self._base.execute(text, values).fetchall()

    def do(self, text: str, *values: object) -> None:
        """Change something.

        Raises:
            OutputError: if it cannot be written.
        """
        try:
            with self.lock:
                self._base.execute(text, values)
        except sqlite3.OperationalError as error:
            raise OutputError(f"the record of jobs cannot be written: {error}") from error
