"""What people decided about masks: an SQLite file beside the manifest of an output folder.

It makes four promises. A decision is in it whole or not at all. Nothing is overwritten: each decision is a new
revision, and the earlier ones stay. Whoever saves says which revision was looked at; if another came between, nothing
is stored, and it is said who was faster. And what is drawn but not decided is kept as a draft, for each person.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from carmask.batch.database import from_text, to_text
from carmask.batch.job import Job
from carmask.batch.readonly import unchanging
from carmask.errors import CarmaskError, OutputError, UsageError
from carmask.failures import in_one_line
from carmask.images import is_there, make_folder

#: Of the tables below; a file of another version is refused.
FORMAT = 1
#: The file's name in the folder that holds the manifest.
FILE = "corrections.sqlite"
#: ``corrected``: there is a mask. ``open``: an earlier decision was taken back.
Decision = Literal["accepted", "corrected", "rejected", "open"]

_TABLES = f"""
CREATE TABLE IF NOT EXISTS decisions (
    name TEXT NOT NULL,            -- of the outputs, relative, without suffix
    revision INTEGER NOT NULL,     -- 1, 2, ...; the greatest one holds
    decision TEXT NOT NULL,        -- accepted, corrected, rejected, open
    reason TEXT NOT NULL,          -- why it was rejected
    photo TEXT NOT NULL,           -- SHA-256 of the photo's file that was looked at
    mask BLOB,                     -- PNG: the corrected mask; NULL unless corrected
    base BLOB,                     -- PNG: the mask that it was made from
    model TEXT NOT NULL,           -- name and version of the model that gave that one
    author TEXT NOT NULL,
    saved TEXT NOT NULL,           -- UTC, for people: nothing depends on the clock
    PRIMARY KEY (name, revision)
);
CREATE TABLE IF NOT EXISTS drafts (
    name TEXT NOT NULL,
    author TEXT NOT NULL,
    revision INTEGER NOT NULL,     -- that was looked at
    photo TEXT NOT NULL,
    mask BLOB NOT NULL,
    saved TEXT NOT NULL,
    PRIMARY KEY (name, author)
);
PRAGMA user_version = {FORMAT};
"""
_COLUMNS = "name, revision, decision, reason, photo, model, author, saved"
_HOLDS = "revision = (SELECT MAX(revision) FROM decisions AS later WHERE later.name = decisions.name)"


class ConflictError(CarmaskError):
    """Another person decided in between: nothing was stored.

    Attributes:
        current: what holds now; None if nothing was decided.
    """

    def __init__(self, current: Correction | None) -> None:
        """Say who was faster."""
        self.current = current
        if current is None:
            super().__init__("the decision that was looked at is no longer there; open the photo again")
        else:
            super().__init__(f"{current.author} saved this photo at {current.saved} (revision {current.revision})")


@dataclass(frozen=True)
class Correction:
    """One decision about one photo.

    Attributes:
        name: of the photo's outputs, relative to the output folder, without suffix.
        decision: what was decided.
        photo: SHA-256 of the photo's file that was looked at.
        mask: PNG of the corrected mask; None unless ``corrected``, or where masks were not asked for.
        base: PNG of the mask that it was made from, or None.
        model: name and version of the model that gave that one.
        reason: why it was rejected.
        author: who decided.
        saved: when: UTC, ISO 8601.
        revision: 1, 2, …: given by the store.
    """

    name: str
    decision: Decision
    photo: str
    mask: bytes | None = field(default=None, repr=False)
    base: bytes | None = field(default=None, repr=False)
    model: str = ""
    reason: str = ""
    author: str = ""
    saved: str = ""
    revision: int = 0


class Corrections:
    """An open store; several processes and threads may have it open."""

    def __init__(self, file: Path, *, reading: bool = False) -> None:
        """Open or make it.

        Args:
            file: where it is; its folder is made if it is missing.
            reading: it is there, and only read; that it cannot be written is no error before something is.

        Raises:
            UsageError: if it is of another version.
            OutputError: if it cannot be read or written.
        """
        self._file = file
        self._lock = threading.RLock()
        fixed = unchanging(file) if reading else None
        if fixed is None:
            make_folder(file.parent)
        with self._errors():
            # Each call is one transaction. Another process may be writing: that takes milliseconds.
            self._base = sqlite3.connect(
                fixed or file, timeout=10, isolation_level=None, check_same_thread=False, uri=fixed is not None
            )
        try:
            with self._errors():
                self._base.text_factory = from_text
                if fixed is None:
                    self._base.execute("PRAGMA journal_mode = WAL")
                # Every decision is on the disk when it is confirmed.
                self._base.execute("PRAGMA synchronous = FULL")
                (found,) = self._base.execute("PRAGMA user_version").fetchone()
                if found not in {0, FORMAT}:
                    raise UsageError(f"{file}: written by another version of carmask; use that one")
                if not found:
                    self._base.executescript(f"BEGIN IMMEDIATE; {_TABLES} COMMIT;")
                self._opened = _identity(file)
        except BaseException:
            self._base.close()
            raise

    @classmethod
    def of(cls, state: Path) -> Corrections | None:
        """Open the store of a state folder, if anybody has decided anything there.

        Args:
            state: the folder that holds the manifest.

        Returns:
            The store; None if there is none.

        Raises:
            UsageError: if it is of another version.
            OutputError: if it cannot be read or written.
        """
        file = state / FILE
        return cls(file, reading=True) if is_there(file) else None

    def __enter__(self) -> Corrections:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def file(self) -> Path:
        """Where it is."""
        return self._file

    def close(self) -> None:
        """Close it."""
        with self._lock:  # closed while another thread asks, SQLite ends the process
            self._base.close()

    def save(self, correction: Correction, *, seen: int) -> Correction:
        """Store a decision, and drop its author's draft.

        Args:
            correction: ``revision`` and ``saved`` are given here.
            seen: the revision that the author looked at; 0 if there was none.

        Returns:
            The same with its revision and time.

        Raises:
            ConflictError: if another revision holds now. Nothing is stored.
            OutputError: if it cannot be written. Nothing is stored.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._errors(), self._transaction():
            current = self._current(correction.name)
            revision = 0 if current is None else current.revision
            if revision != seen:
                raise ConflictError(current)
            values = (
                *(correction.decision, to_text(correction.reason), correction.photo, correction.mask, correction.base),
                *(to_text(correction.model), to_text(correction.author), now),
            )
            self._base.execute(
                "INSERT INTO decisions VALUES (CAST(? AS TEXT), ?, ?, CAST(? AS TEXT), ?, ?, ?, CAST(? AS TEXT), "
                "CAST(? AS TEXT), ?)",
                (to_text(correction.name), revision + 1, *values),
            )
            self._base.execute(
                "DELETE FROM drafts WHERE name = CAST(? AS TEXT) AND author = CAST(? AS TEXT)",
                (to_text(correction.name), to_text(correction.author)),
            )
        return Correction(**{**correction.__dict__, "revision": revision + 1, "saved": now})

    def current(self, name: str) -> Correction | None:
        """The decision that holds, with its masks; None if nothing was decided."""
        with self._errors():
            return self._current(name)

    def history(self, name: str) -> list[Correction]:
        """All decisions about a photo, without masks, the latest last."""
        with self._errors():
            rows = self._base.execute(
                f"SELECT {_COLUMNS} FROM decisions WHERE name = CAST(? AS TEXT) ORDER BY revision",  # noqa: S608
                (to_text(name),),
            ).fetchall()
        return [_correction(row) for row in rows]

    def decided(self) -> dict[str, Correction]:
        """The decisions that hold, without masks, by name; those that were taken back are left out."""
        with self._errors():
            rows = self._base.execute(
                f"SELECT {_COLUMNS} FROM decisions WHERE {_HOLDS} AND decision != 'open'"  # noqa: S608
            ).fetchall()
        return {row[0]: _correction(row) for row in rows}

    def corrected(self) -> Iterator[Correction]:
        """The corrected masks that hold, with base, in the order of their names, one at a time."""
        for name in sorted(name for name, one in self.decided().items() if one.decision == "corrected"):
            if (found := self.current(name)) is not None and found.mask is not None:
                yield found

    def discard(self, author: str = "") -> int:
        """Take all corrected masks back; the revisions stay.

        Args:
            author: who does.

        Returns:
            How many.

        Raises:
            OutputError: if it cannot be written.
        """
        names = [one for one in self.decided().values() if one.decision == "corrected"]
        for one in names:
            self.save(Correction(one.name, "open", one.photo, author=author), seen=one.revision)
        return len(names)

    def keep_draft(self, name: str, author: str, mask: bytes, *, seen: int, photo: str) -> None:
        """Store a mask that is being worked on, in place of the author's earlier draft.

        Args:
            name: the photo's.
            author: whose it is.
            mask: PNG.
            seen: the revision that it began with.
            photo: SHA-256 of the photo's file.

        Raises:
            OutputError: if it cannot be written; the earlier draft stays.
        """
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with self._errors():
            self._check_place()
            self._base.execute(
                "INSERT OR REPLACE INTO drafts VALUES (CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?)",
                (to_text(name), to_text(author), seen, photo, mask, now),
            )

    def draft(self, name: str, author: str) -> tuple[bytes, int, str, str] | None:
        """A person's draft: PNG of the mask, the revision that it began with, the photo's SHA-256, when; or None."""
        with self._errors():
            row: tuple[bytes, int, str, str] | None = self._base.execute(
                "SELECT mask, revision, photo, saved FROM drafts WHERE name = CAST(? AS TEXT) "
                "AND author = CAST(? AS TEXT)",
                (to_text(name), to_text(author)),
            ).fetchone()
        return row

    def drop_draft(self, name: str, author: str) -> None:
        """Forget a person's draft.

        Raises:
            OutputError: if it cannot be written.
        """
        with self._errors():
            self._base.execute(
                "DELETE FROM drafts WHERE name = CAST(? AS TEXT) AND author = CAST(? AS TEXT)",
                (to_text(name), to_text(author)),
            )

    def _current(self, name: str) -> Correction | None:
        row = self._base.execute(
            f"SELECT {_COLUMNS}, mask, base FROM decisions WHERE name = CAST(? AS TEXT) "  # noqa: S608
            "ORDER BY revision DESC LIMIT 1",
            (to_text(name),),
        ).fetchone()
        return None if row is None else _correction(row)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._check_place()
        self._base.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._base.execute("COMMIT")
        except BaseException:
            # A full disk may have ended the transaction by itself.
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            raise

    def _check_place(self) -> None:
        """Refuse to write into a file that nobody finds again: SQLite does not notice that it has been removed."""
        if self._opened != _identity(self._file):
            raise OutputError(
                f"{self._file}: has been removed or replaced since it was opened; nothing was stored: start again"
            )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.ProgrammingError as error:  # by another thread, as of a server that stops
            raise OutputError(f"{self._file}: has been closed; nothing was stored: try again") from error
        except sqlite3.OperationalError as error:
            raise OutputError(f"{self._file}: cannot be written: {error}") from error
        except (sqlite3.DatabaseError, UnicodeError) as error:  # also of a message, or a SHA-256, with damaged bytes
            raise OutputError(f"{self._file}: not a file of corrections, or damaged ({in_one_line(error)})") from error


def _identity(file: Path) -> tuple[int, int] | None:
    """Tells a file from another one of the same path; None if it is not there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def with_corrections(jobs: Iterable[Job], store: Corrections) -> list[Job]:
    """Give each job the corrected mask that holds for it.

    Args:
        jobs: from ``plan_run``.
        store: of the same output folder.

    Returns:
        The same, in their order.
    """
    names = {name for name, one in store.decided().items() if one.decision == "corrected"}
    result = []
    for job in jobs:
        found = store.current(job.name) if job.name in names else None
        if found is not None and found.mask is not None:
            job = replace(job, correction=found.mask, corrected_photo=found.photo)
        result.append(job)
    return result


def _correction(row: tuple[Any, ...]) -> Correction:
    names = [*_COLUMNS.split(", "), "mask", "base"]
    return Correction(**dict(zip(names, row, strict=False)))
