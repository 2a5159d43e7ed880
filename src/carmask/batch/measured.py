"""What runs have measured on their photos, read from their output folders: nothing is changed there."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from carmask.batch.database import from_text
from carmask.batch.decisions import decisions_of
from carmask.batch.manifest import FORMAT, open_to_read
from carmask.batch.names import MANIFEST, STATE
from carmask.batch.report import read_report
from carmask.batch.runfile import read_run
from carmask.data.table import car_and_view
from carmask.errors import CarmaskError, OutputError, UsageError
from carmask.failures import in_one_line
from carmask.images import is_file

#: Name, photo, status, confidence, time, digest; measures, facts and settings.
_Row: TypeAlias = tuple[str, str, str, float | None, str, str, dict[str, Any], dict[str, Any], dict[str, Any]]

#: The fact of a photo that names its vehicle.
VEHICLE = "vehicle"


@dataclass(frozen=True)
class MadeWith:
    """The model that a photo was cut with.

    Attributes:
        name: the model's.
        version: the model's.
        digest: SHA-256 of its file, hexadecimal.
    """

    name: str
    version: str
    digest: str

    def __str__(self) -> str:
        return f"{self.name}, version {self.version} ({self.digest[:8]})"


@dataclass(frozen=True)
class Measured:
    """A photo of a run.

    Attributes:
        name: of its outputs, relative to the output folder, without suffix.
        out: the output folder.
        photo: its file.
        done: whether it was cut; else it failed.
        finished: when, UTC, ISO 8601.
        model: that it was cut with.
        confidence: None if it failed.
        measures: by the names in ``carmask.prediction.measures``; empty if it failed, or was cut by an earlier version.
        review: whether the report marks it for a person to look at; None without a report.
        decision: what a person decided: ``accepted``, ``corrected`` or ``rejected``; empty if nobody has.
        vehicle: which one it shows, if the run knew; empty if not.
    """

    name: str
    out: Path
    photo: Path
    done: bool
    finished: str
    model: MadeWith
    confidence: float | None
    measures: Mapping[str, float] = field(repr=False)
    review: bool | None = None
    decision: str = ""
    vehicle: str = ""


def vehicles(rows: Sequence[Measured]) -> list[str]:
    """Which car each photo shows, as far as the names say: photos of one car are not independent of each other.

    Args:
        rows: from ``read_measured``.

    Returns:
        A name for each: what the run knew; else photos named ``CAR_VIEW`` are of one car, and so are those of one
        sub-folder, if there are several sub-folders.
    """
    split = [(row.out, *row.name.rpartition("/")[::2]) for row in rows]
    several = len({(out, folder) for out, folder, _ in split}) > 1
    names = []
    for row, (out, folder, stem) in zip(rows, split, strict=True):
        if row.vehicle:
            names.append(f"{out}/{row.vehicle}")
            continue
        car, view = car_and_view(stem)
        names.append(f"{out}/{folder}" if several and folder and not view else f"{out}/{folder}/{car}")
    return names


def read_measured(out: Path) -> list[Measured]:
    """Read all photos of an output folder.

    Args:
        out: an output folder of ``cut``, or the folder of its state.

    Returns:
        A row for each photo that was tried, by name; of a photo that was cut several times the last result.

    Raises:
        UsageError: if it is no such folder, or a run is writing to it.
        OutputError: if its files cannot be read.
    """
    file = out / STATE / MANIFEST
    if not is_file(file):
        raise UsageError(f"{out}: not an output folder of 'carmask cut': it has no {STATE}/{MANIFEST}")
    rows = _read_rows(file)
    base = _base(out)
    marks = _read_marks(out)
    decisions = decisions_of(out / STATE, {row[0]: row[5] for row in rows})
    found = []
    for name, photo, status, confidence, finished, _, measures, facts, said in rows:
        model = MadeWith(said.get("model", ""), said.get("model_version", ""), said.get("model_sha256", ""))
        found.append(
            Measured(
                name,
                out,
                base / photo,
                status == "done",
                finished,
                model,
                confidence,
                measures if status == "done" else {},
                marks.get(photo),
                decisions.get(name, ""),
                str(facts.get(VEHICLE) or ""),
            )
        )
    return found


def models_of(out: Path) -> dict[MadeWith, int]:
    """The models that the photos of an output folder were cut with, and how many each.

    Raises:
        UsageError: if it is no such folder, or a run is writing to it.
        OutputError: if its files cannot be read.
    """
    counts: dict[MadeWith, int] = {}
    for one in read_measured(out):
        counts[one.model] = counts.get(one.model, 0) + one.done
    return {model: count for model, count in counts.items() if count}


def _read_rows(file: Path) -> list[_Row]:
    try:
        with contextlib.closing(open_to_read(file)) as base:
            base.text_factory = from_text
            (version,) = base.execute("PRAGMA user_version").fetchone()
            if version not in {2, 3, 4, FORMAT}:
                raise UsageError(f"{file}: written by another version of carmask; use that one")
            # Files of earlier formats have no such table, or no such column.
            text, join = "coalesce(m.text, '')", "LEFT JOIN measures AS m ON m.name = p.name"
            if version < FORMAT:
                text, join = "''", ""
            facts = "p.facts" if version >= 4 else "'{}'"
            rows = base.execute(
                f"SELECT p.name, p.photo, p.status, p.confidence, p.finished, p.digest, {text}, {facts}, s.text "  # noqa: S608
                f"FROM photos AS p JOIN settings AS s ON s.id = p.settings {join} ORDER BY p.name"
            )
            return [(*row[:6], *(json.loads(one or "{}") for one in row[6:])) for row in rows]
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise UsageError(f"{file.parent}: another carmask is writing here; wait for it") from error
        raise OutputError(f"{file}: cannot be read: {error}") from error
    except (sqlite3.DatabaseError, ValueError) as error:  # also of JSON, and of a message with damaged names
        raise OutputError(f"{file}: not a manifest, or damaged ({in_one_line(error)})") from error


def _base(out: Path) -> Path:
    """The folder that relative paths of photos start from, as far as it is known."""
    try:
        return read_run(out / STATE).base
    except CarmaskError:
        return Path()


def _read_marks(out: Path) -> dict[str, bool]:
    """Whether each photo is marked for review, by its path; empty without a report."""
    try:
        rows = read_report(out).records()
    except CarmaskError:
        return {}
    return {row["photo"]: row.get("review") == "yes" for row in rows if row.get("status") == "done"}
