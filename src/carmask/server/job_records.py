"""The record of jobs: an SQLite file, for one server at a time; and what is known of one while it runs."""

from __future__ import annotations

import fcntl
import re
import secrets
import shutil
import sqlite3
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from carmask.batch.job import Result
from carmask.compositing.turntable import view_of
from carmask.errors import OutputError, UsageError
from carmask.failures import in_one_line
from carmask.images import remove_leftovers
from carmask.server.limits import Limits

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    created REAL NOT NULL,         -- seconds since 1970
    state TEXT NOT NULL,           -- new, running, done, failed, cancelled
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


#: Random bytes in a job's id, which is their hexadecimal form and its folder's name.
ID_BYTES = 8
_ID = re.compile(f"[0-9a-f]{{{2 * ID_BYTES}}}")

State = Literal["new", "running", "done", "failed", "cancelled"]


@dataclass
class Progress:
    """What is known of a job while the server runs.

    Attributes:
        results: of photos, in the order in which they finished.
        changed: notified when there is more.
        run: tells it from what is known of another run of the job, also of another server.
        under_way: a thread works on it.
        cancelled: set when no further photo is to be worked on.
    """

    results: list[tuple[int, Result]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)
    run: str = field(default_factory=lambda: secrets.token_hex(4))
    under_way: bool = False
    cancelled: threading.Event = field(default_factory=threading.Event)


class StoredPhoto(NamedTuple):
    """A photo of a job: its number, what the client calls it, and its file's name here."""

    number: int
    title: str
    file: str

    @property
    def name(self) -> str:
        """Of its outputs."""
        return Path(self.file).stem


def car_of(title: str) -> str:
    """The car that a photo's title names, as CAR_01.jpg does; else the title."""
    split = view_of(title.rpartition(".")[0] or title)
    return split[0] if split else title


class JobRecords:
    """The open record. It holds a lock on its folder until it is closed.

    Attributes:
        lock: held while it is read or written.
        unwritten: how jobs ended, state and error, where that could not be written down.
    """

    def __init__(self, state: Path) -> None:
        """Open or make it.

        Args:
            state: its folder.

        Raises:
            UsageError: if another server uses the folder.
            OutputError: if it cannot be written, or holds something else.
        """
        self.lock, self._state = threading.RLock(), state
        self.unwritten: dict[str, tuple[State, str]] = {}
        try:
            self._held = (state / "lock").open("w")
        except OSError as error:
            raise OutputError(f"{state}: cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._held.close()
            raise UsageError(f"{state}: another server uses this folder; name another one", argument="state") from error
        file = state / "jobs.sqlite"
        try:
            self._base = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self._base.executescript(f"PRAGMA journal_mode = WAL; BEGIN IMMEDIATE; {_TABLES} COMMIT;")
        except sqlite3.OperationalError as error:
            self._held.close()
            raise OutputError(f"{file}: cannot be written: {error}") from error
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # also of a message with damaged names
            self._held.close()
            raise OutputError(
                f"{file}: not a record of jobs, or damaged ({in_one_line(error)}); delete it to start anew"
            ) from error

    def check_room(self, limits: Limits, more: int = 0, *, jobs: int = 0) -> None:
        """Refuse what would fill the disk: photos and jobs are counted, results by what is left free.

        Args:
            limits: what may be kept.
            more: bytes that are to be written.
            jobs: that are to be made.

        Raises:
            OutputError: if there is no room.
        """
        if jobs and self.rows("SELECT COUNT(*) FROM jobs")[0][0] + jobs > limits.jobs:
            raise OutputError(f"the server keeps {limits.jobs} jobs at most; delete some, or try again later")
        (total,) = self.rows("SELECT COALESCE(SUM(bytes), 0) FROM photos")[0]
        if total + more > limits.state_bytes:
            raise OutputError("the server's disk space for jobs is used up; delete jobs, or try again later")
        try:
            free = shutil.disk_usage(self._state).free
        except OSError as error:
            raise OutputError(f"the server's folder is of no use any more: {error.strerror}; start it again") from error
        if free - more < limits.free_bytes:
            raise OutputError(
                f"the server's disk space is used up: {free / 1e9:.2f} GB are free, of which "
                f"{limits.free_bytes / 1e9:g} GB stay free; make room there, or delete jobs"
            )

    def tidy_folders(self) -> None:
        """Remove what an earlier server left half made or half deleted: folders without a job, temporary files.

        Raises:
            OutputError: if the folder cannot be read.
        """
        known = {job for (job,) in self.rows("SELECT id FROM jobs")}
        for folder in (self._state / "jobs").iterdir():
            if folder.name not in known and _ID.fullmatch(folder.name):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            for place in (folder, folder / "photos"):
                remove_leftovers(place, None)

    def close(self) -> None:
        """Close it; another server may use the folder then."""
        with self.lock:  # closed while another thread asks, SQLite ends the process
            self._base.close()
        self._held.close()

    def rows(self, text: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query finds.

        Raises:
            OutputError: if it cannot be read.
        """
        try:
            with self.lock:
                return self._base.execute(text, values).fetchall()
        except sqlite3.ProgrammingError:  # closed by now
            raise
        except sqlite3.DatabaseError as error:  # also of a page that could not be read
            raise OutputError(f"the record of jobs cannot be read: {in_one_line(error)}") from error

    def column(self, job: str, name: Literal["state", "error", "options"]) -> Any:
        """What is on record of a job.

        Raises:
            LookupError: if there is no such job.
            OutputError: if it cannot be read.
        """
        found = self.rows(f"SELECT {name} FROM jobs WHERE id = ?", job)  # noqa: S608
        if not found:
            raise LookupError("there is no such job; it may have been deleted")
        return found[0][0]

    def do(self, text: str, *values: object) -> None:
        """Change something.

        Raises:
            OutputError: if it cannot be written.
        """
        try:
            with self.lock:
                self._base.execute(text, values)
        except sqlite3.ProgrammingError:  # closed by now
            raise
        except sqlite3.DatabaseError as error:
            raise OutputError(f"the record of jobs cannot be written: {in_one_line(error)}") from error

    def end(self, job: str, state: State, error: str) -> None:
        """Write down how a job ended.

        If the disk is full, those who ask are told until this server stops; in the record the job still runs, and goes
        on with the next server.

        Args:
            job: its id.
            state: ``done``, ``failed`` or ``cancelled``.
            error: why it failed as a whole, or ''.
        """
        try:
            self.do("UPDATE jobs SET state = ?, error = ? WHERE id = ?", state, error, job)
        except OutputError as problem:
            self.unwritten[job] = ("failed", error or str(problem))
        except sqlite3.Error:  # closed by now
            return
