"""What became of every photo of a batch, in an SQLite file beside the output.

It makes three promises. A photo stands in it as done only once its files are in place: a killed run goes on where it
was. It says what each result was made of - which content, model, version and settings -, so that a result made of
something else is made again. And one process at a time has it open: two never write into the same output.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from carmask.batch.database import from_text, to_text
from carmask.batch.job import Result
from carmask.batch.outputs import OUTPUT_REVISION
from carmask.batch.process import PhotoTask
from carmask.batch.readonly import unchanging
from carmask.errors import InUseError, OutputError, UsageError
from carmask.failures import in_one_line
from carmask.model.file import file_digest, find_model, read_info
from carmask.prediction.facts import FACTS_REVISION

#: Of the tables below. Files of format 2, which lack the outputs, of 3, which lack the facts, and of 4, which lack what
#: was measured, are read and completed; others are refused.
FORMAT = 5

_TABLES = f"""
CREATE TABLE IF NOT EXISTS settings (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE      -- JSON: model, its SHA-256 and version, revision of the code, what was wanted
);
CREATE TABLE IF NOT EXISTS photos (
    name TEXT PRIMARY KEY,         -- of the outputs, relative, without suffix
    photo TEXT NOT NULL,           -- as it was given or found
    status TEXT NOT NULL,          -- done or failed
    reason TEXT NOT NULL,
    confidence REAL,
    area REAL,
    error REAL,                    -- of the contour, expected, in pixels
    seconds REAL NOT NULL,
    digest TEXT NOT NULL,          -- what the outputs were made of: see Job.made_of
    stamp TEXT NOT NULL,           -- size and times of the photo's file
    written INTEGER NOT NULL,      -- bytes of all outputs
    runs TEXT,                     -- run-length text, for submissions
    settings INTEGER NOT NULL REFERENCES settings (id),
    finished TEXT NOT NULL,        -- for people: nothing depends on the clock
    facts TEXT NOT NULL DEFAULT '{{}}' -- JSON: further columns of the report, by name
);
CREATE TABLE IF NOT EXISTS outputs (
    file TEXT PRIMARY KEY          -- ever written here: relative to the output folder, or a whole location
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS measures (
    name TEXT PRIMARY KEY,         -- the photo's, as above
    text TEXT NOT NULL             -- JSON: carmask.prediction.measures
);
PRAGMA user_version = {FORMAT};
"""
_COLUMNS = "photo, status, reason, confidence, area, error, seconds, digest, stamp, written, runs"
_FACTS = "ALTER TABLE photos ADD COLUMN facts TEXT NOT NULL DEFAULT '{}';"


def describe(task: PhotoTask) -> str:
    """All that decides what results hold, besides the photos, as one line of JSON.

    Raises:
        ModelError: if there is no such model, or its file is damaged.
    """
    path = find_model(task.model)
    info = read_info(path)
    settings = {
        "output_revision": OUTPUT_REVISION,
        "model": info.name,
        "model_version": info.version,
        "model_sha256": file_digest(path),
        "device": task.device,
        **({"facts": FACTS_REVISION} if task.facts else {}),
        **task.spec.settings(),
    }
    return json.dumps(settings, sort_keys=True)


class Manifest:
    """An open manifest. Used as a context manager, or closed with ``close``."""

    def __init__(self, file: Path, settings: str) -> None:
        """Open or make it, for this process alone.

        Args:
            file: where it is; its folder must exist.
            settings: from ``describe``.

        Raises:
            UsageError: if another process has it open, or it is of another version.
            OutputError: if it cannot be read or written.
        """
        self._file, self._folder = file, f"{file.parent.parent}{os.sep}"
        with self._errors():
            # The transactions are written out below. No waiting for a lock: whoever has it, keeps it to the end.
            self._base = sqlite3.connect(file, timeout=0, isolation_level=None)
        try:
            with self._errors():
                self._base.text_factory = from_text
                # Held until this process closes the file or dies, however it dies.
                self._base.execute("PRAGMA locking_mode = EXCLUSIVE")
                # The log makes a commit cheap: one for each photo. A crash of the machine may lose the last ones,
                # never the order.
                self._base.execute("PRAGMA journal_mode = WAL")
                self._base.execute("PRAGMA synchronous = NORMAL")
                (found,) = self._base.execute("PRAGMA user_version").fetchone()
                if found not in {0, 2, 3, 4, FORMAT}:
                    raise UsageError(f"{file}: written by another version of carmask; finish with that, or delete it")
                older = _FACTS if found in {2, 3} else ""
                self._base.executescript(f"BEGIN IMMEDIATE; {older} {_TABLES} COMMIT;")
                self._base.execute("INSERT OR IGNORE INTO settings (text) VALUES (?)", (settings,))
                (self._settings,) = self._base.execute("SELECT id FROM settings WHERE text = ?", (settings,)).fetchone()
        except BaseException:
            self._base.close()
            raise
        self._opened = self._number()

    def _number(self) -> int | None:
        """The file system's number of the file that has the name; SQLite writes on in one that has been removed."""
        try:
            return self._file.stat().st_ino
        except OSError:
            return None

    def __enter__(self) -> Manifest:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def file(self) -> Path:
        """Where it is."""
        return self._file

    def close(self) -> None:
        """Close it; others may open it then.

        Raises:
            OutputError: if what was recorded cannot be written.
        """
        with self._errors():
            self._base.close()

    def record(self, name: str, result: Result, outputs: Iterable[Path | str] = ()) -> None:
        """Record what became of a photo, at once and for good.

        Args:
            name: the job's.
            result: replaces what was known of it before.
            outputs: the files that were written, so that no run takes them for photos.

        Raises:
            OutputError: if it cannot be written.
        """
        if self._number() != self._opened:
            raise OutputError(f"{self._file}: it was removed while the run was under way; give the same command again")
        values = [
            *(to_text(text) for text in (name, result.photo, result.status, result.reason)),
            *(result.confidence, result.area, result.error, result.seconds),
            *(result.digest, result.stamp, result.written),
            *(result.runs, self._settings, datetime.now(UTC).isoformat(timespec="seconds")),
            json.dumps(dict(result.facts), sort_keys=True),
        ]
        texts = ", ".join(["CAST(? AS TEXT)"] * 4)
        files = [(to_text(self._relative(output)),) for output in outputs]
        with self._errors():
            self._base.executemany("INSERT OR IGNORE INTO outputs VALUES (CAST(? AS TEXT))", files)
            self._base.execute(
                "INSERT OR REPLACE INTO measures VALUES (CAST(? AS TEXT), ?)", (to_text(name), result.measures)
            )
            self._base.execute(f"INSERT OR REPLACE INTO photos VALUES ({texts}{', ?' * 11})", values)  # noqa: S608

    def claim(self, outputs: Iterable[Path]) -> None:
        """Record files before they are written: a run that is killed in between must not take them for photos.

        Args:
            outputs: files that are not there yet.

        Raises:
            OutputError: if it cannot be written.
        """
        self._change("INSERT OR IGNORE INTO outputs VALUES (CAST(? AS TEXT))", map(self._relative, outputs))

    def withdraw(self, outputs: Iterable[Path]) -> None:
        """Forget files that are not there: what has such a name later is somebody else's.

        Args:
            outputs: files that were claimed, or recorded and removed since.

        Raises:
            OutputError: if it cannot be written.
        """
        self._change("DELETE FROM outputs WHERE file = CAST(? AS TEXT)", map(self._relative, outputs))

    def _change(self, statement: str, names: Iterable[str]) -> None:
        rows = [(to_text(name),) for name in names]
        with self._errors():
            self._base.execute("BEGIN")
            self._base.executemany(statement, rows)
            self._base.execute("COMMIT")

    def restamp(self, name: str, photo: str, stamp: str) -> None:
        """Record that a photo's file was looked at again, or elsewhere, and holds what it held.

        Args:
            name: the job's.
            photo: where it is now.
            stamp: its new stamp.

        Raises:
            OutputError: if it cannot be written.
        """
        with self._errors():
            self._base.execute(
                "UPDATE photos SET photo = CAST(? AS TEXT), stamp = ? WHERE name = CAST(? AS TEXT)",
                (to_text(photo), stamp, to_text(name)),
            )

    def done(self, name: str) -> Result | None:
        """What a photo gave with the present settings; None if that is not known, or it failed."""
        return self._find(name, "AND status = 'done'")

    def result(self, name: str) -> Result | None:
        """What became of a photo with the present settings; None if it was not tried with them."""
        return self._find(name, "")

    def done_names(self) -> frozenset[str]:
        """The photos that are done with the present settings."""
        with self._errors():
            rows = self._base.execute(
                "SELECT name FROM photos WHERE settings = ? AND status = 'done'", (self._settings,)
            ).fetchall()
        return frozenset(name for (name,) in rows)

    def other_outputs(self, outputs: Iterable[Path | str]) -> list[str]:
        """The files that runs have written besides these.

        Args:
            outputs: files of this run.

        Returns:
            Relative to the output folder, or whole locations, sorted.
        """
        mine = {self._relative(output) for output in outputs}
        with self._errors():
            return sorted(name for (name,) in self._base.execute("SELECT file FROM outputs") if name not in mine)

    def photos(self) -> list[tuple[str, str, str]]:
        """The names of all outputs, with the photo that each was made of, and its stamp."""
        with self._errors():
            return self._base.execute("SELECT name, photo, stamp FROM photos").fetchall()

    def forget(self, names: Iterable[str]) -> None:
        """Forget what became of photos, by the names of their outputs.

        Raises:
            OutputError: if it cannot be written.
        """
        names = list(names)
        for table in ("photos", "measures"):
            self._change(f"DELETE FROM {table} WHERE name = CAST(? AS TEXT)", names)  # noqa: S608

    def _relative(self, output: Path | str) -> str:
        # As text: for some hundred thousand files, Path.relative_to takes as long as all the rest of claiming them.
        return str(output).removeprefix(self._folder) if isinstance(output, Path) else output

    def _find(self, name: str, condition: str) -> Result | None:
        with self._errors():
            row: tuple[Any, ...] | None = self._base.execute(
                f"SELECT {_COLUMNS}, facts FROM photos WHERE name = CAST(? AS TEXT) AND settings = ? {condition}",  # noqa: S608
                (to_text(name), self._settings),
            ).fetchone()
            return None if row is None else _result(row)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise _in_use(self._file) from error
            raise OutputError(f"{self._file}: cannot be written: {error}") from error
        except (sqlite3.DatabaseError, ValueError) as error:  # also of JSON, and of a message with damaged names
            raise OutputError(
                f"{self._file}: not a manifest, or damaged ({in_one_line(error)}); delete it to start anew"
            ) from error


class Recorded(NamedTuple):
    """A row of a manifest.

    Attributes:
        name: of the photo's outputs, relative, without suffix.
        result: what became of it.
    """

    name: str
    result: Result


def read_records(file: Path) -> list[Recorded]:
    """Read all of a manifest, whatever the settings were; it is not changed.

    Args:
        file: the manifest.

    Returns:
        Its rows, by name; none if a run ended before it had made its tables.

    Raises:
        InUseError: if a run is writing to it.
        OutputError: if it cannot be read.
    """
    try:
        with contextlib.closing(open_to_read(file)) as base:
            base.text_factory = from_text
            (version,) = base.execute("PRAGMA user_version").fetchone()
            if not version and not base.execute("SELECT 1 FROM sqlite_master").fetchone():
                return []  # it was made, and nothing could be written to it any more
            facts = "facts" if version >= 4 else "'{}'"
            rows = base.execute(f"SELECT name, {_COLUMNS}, {facts} FROM photos ORDER BY name").fetchall()  # noqa: S608
            return [Recorded(row[0], _result(row[1:])) for row in rows]
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise _in_use(file) from error
        raise OutputError(f"{file}: cannot be read: {error}") from error
    except (sqlite3.DatabaseError, ValueError) as error:  # also of JSON, and of a message with damaged names
        raise OutputError(f"{file}: not a manifest, or damaged ({in_one_line(error)})") from error


def open_to_read(file: Path) -> sqlite3.Connection:
    """Open a manifest that is not to be changed; what a power cut left half changed is put right first.

    Raises:
        sqlite3.Error: if it cannot be read.
        OutputError: if nothing may be written there, and that would be needed.
    """
    if (fixed := unchanging(file)) is not None:
        return sqlite3.connect(fixed, uri=True)
    where = file.absolute().as_uri()
    base = sqlite3.connect(f"{where}?mode=ro", uri=True, timeout=1)
    try:
        base.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError as error:
        base.close()
        if "readonly" not in str(error):
            raise
        return sqlite3.connect(f"{where}?mode=rw", uri=True, timeout=1)
    except BaseException:
        base.close()
        raise
    return base


def recorded_outputs(file: Path) -> frozenset[str]:
    """The files that runs have written, by their manifest.

    Args:
        file: the manifest.

    Returns:
        Relative to the output folder, or whole locations; empty if there is no manifest, or it cannot be read.

    Raises:
        InUseError: if another process has it open.
        OutputError: if nothing may be written there, and a run that was ended left it half changed.
    """
    if not file.exists():
        return frozenset()
    try:
        with contextlib.closing(open_to_read(file)) as base:
            base.text_factory = from_text
            return frozenset(name for (name,) in base.execute("SELECT file FROM outputs"))
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # also of a message with damaged names
        if "locked" in str(error):
            raise _in_use(file) from error
        return frozenset()  # of an older format, or damaged: whoever opens it to write says so


def _result(row: Sequence[Any]) -> Result:
    """A row of ``_COLUMNS`` and the facts."""
    *values, facts = row
    return Result(**dict(zip(_COLUMNS.split(", "), values, strict=True)), facts=json.loads(facts), kept=True)


def _in_use(file: Path) -> InUseError:
    return InUseError(f"{file.parent}: another carmask is writing here; wait for it, or name another output")
