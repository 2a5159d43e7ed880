"""The photos of an output folder, in the order in which a person should look at them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from carmask.batch.corrections import Correction
from carmask.batch.decisions import holding
from carmask.batch.job import split_digest
from carmask.batch.manifest import Recorded, read_records
from carmask.batch.names import MANIFEST, REPORT, STATE
from carmask.batch.report import read_report
from carmask.batch.vehicles import named_by_camera
from carmask.compositing.turntable import view_of
from carmask.errors import UsageError

#: What the queue can be limited to.
Filter = Literal["todo", "review", "all", "accepted", "corrected", "rejected", "failed"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A photo in the queue.

    Attributes:
        id: stands for it in addresses; it says nothing of where the photo lies.
        name: of its outputs, relative to the output folder, without suffix.
        title: what people call it.
        photo: its file, as the run was given it.
        status: ``done`` or ``failed``.
        reason: why it failed, or what is remarkable.
        confidence: 0 to 1; None if it failed.
        error: expected distance of the contour from the true one, in pixels; None if it is not known.
        review: the run marked it for a person.
        digest: SHA-256 of the file that was cut.
        stamp: what the file system said of the file then; empty if unknown.
        vehicle: identifier of the vehicle that it shows, where the run grouped its photos.
        checks: what the run's checks say of it, such as that the car is cut off.
    """

    id: str
    name: str
    title: str
    photo: str
    status: str
    reason: str
    confidence: float | None
    error: float | None
    review: bool
    digest: str
    stamp: str
    vehicle: str = ""
    checks: str = ""

    @property
    def car(self) -> str:
        """What the views of one car share: their vehicle, or the car that their names tell."""
        return self.vehicle or car_of(self.title)


class Queue:
    """The photos of a run: those marked for review first, the least certain first."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Put entries in order.

        Args:
            entries: in any order.
        """
        self.entries = sorted(entries, key=_urgency)
        self._by_id = {entry.id: at for at, entry in enumerate(self.entries)}
        cars: dict[str, list[int]] = {}
        for at, entry in enumerate(self.entries):
            cars.setdefault(entry.car, []).append(at)
        self._cars = {car: sorted(views, key=lambda at: self.entries[at].name) for car, views in cars.items()}

    def __len__(self) -> int:
        return len(self.entries)

    def find(self, id: str) -> Entry | None:  # noqa: A002  # what it is called in addresses
        """The photo with this id, or None."""
        at = self._by_id.get(id)
        return None if at is None else self.entries[at]

    def holding(self, decided: Mapping[str, Correction]) -> dict[str, Correction]:
        """Decisions without those about photos that have been replaced, and cut again, since."""
        return holding(decided, {entry.name: entry.digest for entry in self.entries})

    def views(self, entry: Entry) -> list[Entry]:
        """The views of the same car, by name, the photo itself among them; the photo alone if it has no views."""
        return [self.entries[at] for at in self._cars[entry.car]]

    def select(self, kind: Filter, decided: Mapping[str, Correction], text: str = "") -> list[Entry]:
        """The photos of one kind, in order.

        Args:
            kind: ``todo`` is marked and not yet decided; ``review`` is marked; the rest as they say.
            decided: the decisions that hold, by name.
            text: only names that contain this, in any case.

        Returns:
            The entries.
        """
        wanted = text.casefold()
        return [
            entry
            for entry in self.entries
            if _is(entry, kind, decided) and (not wanted or wanted in entry.title.casefold())
        ]

    def counts(self, decided: Mapping[str, Correction]) -> dict[str, int]:
        """How many photos there are of each kind."""
        counts = dict.fromkeys(("todo", "review", "all", "accepted", "corrected", "rejected", "failed"), 0)
        for entry in self.entries:
            decision = decided.get(entry.name)
            counts["all"] += 1
            counts["failed"] += entry.status == "failed"
            counts["review"] += entry.review
            counts["todo"] += entry.review and decision is None
            if decision is not None:
                counts[decision.decision] = counts.get(decision.decision, 0) + 1
        return counts


def read_queue(out: Path, titles: Mapping[str, str] | None = None) -> Queue:
    """Read what a run recorded.

    Args:
        out: the output folder, or the local folder with manifest and report.
        titles: what people call the photos, by name.

    Returns:
        Its photos.

    Raises:
        UsageError: if ``cut`` has not written there, or is writing now, or ``report.csv`` is no report any more.
        OutputError: if the manifest is damaged, or the report cannot be read.
    """
    file = out / STATE / MANIFEST
    if not file.is_file():
        raise UsageError(f"{out}: no results of 'carmask cut' in this folder")
    marked, checks = _reported(out)
    return Queue(_entry(record, marked, checks, titles or {}) for record in read_records(file))


def id_of(name: str) -> str:
    """What stands for a photo in addresses."""
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:20]


def car_of(name: str) -> str:
    """The car that a photo shows, by its name; the name itself where it has no view.

    What a camera or phone has numbered in no folder may be any car: ``IMG_0815`` stands for itself.
    """
    split = view_of(name)
    if split is None or ("/" not in name and named_by_camera(name, split[0])):
        return name
    return split[0]


def _entry(record: Recorded, marked: set[str], checks: Mapping[str, str], titles: Mapping[str, str]) -> Entry:
    found = record.result
    return Entry(
        id_of(record.name),
        record.name,
        titles.get(record.name, record.name),
        found.photo,
        found.status,
        found.reason,
        found.confidence,
        found.error,
        found.photo in marked,
        # Without what is said of a correction: this is of the photo's file alone.
        split_digest(found.digest)[0],
        found.stamp,
        str(found.facts.get("vehicle") or ""),
        checks.get(found.photo, ""),
    )


def _reported(out: Path) -> tuple[set[str], dict[str, str]]:
    """The photos with review=yes, and what the checks say of photos."""
    if not (out / REPORT).exists():
        return set(), {}
    rows = read_report(out).records()
    checks = {row["photo"]: row["checks"] for row in rows if row.get("checks")}
    return {row["photo"] for row in rows if row.get("review") == "yes"}, checks


def _urgency(entry: Entry) -> tuple[bool, float, str]:
    return not entry.review, 2.0 if entry.confidence is None else entry.confidence, entry.name


def _is(entry: Entry, kind: Filter, decided: Mapping[str, Correction]) -> bool:
    decision = decided.get(entry.name)
    if kind == "all":
        return True
    if kind == "failed":
        return entry.status == "failed"
    if kind in {"todo", "review"}:
        return entry.review and (kind == "review" or decision is None)
    return decision is not None and decision.decision == kind
