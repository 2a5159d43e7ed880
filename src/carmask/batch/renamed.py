"""Photos whose outputs have other names than in an earlier run, by another pattern of names or another grouping."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from carmask.batch.corrections import Corrections
from carmask.batch.job import Job
from carmask.batch.manifest import Manifest, read_records
from carmask.batch.storage import stamp_of
from carmask.images import is_there


def carry_decisions(jobs: Iterable[Job], store: Corrections, manifest: Path) -> None:
    """Give photos what was decided about them under other names: a mask that was mended, or that they were rejected.

    Args:
        jobs: the run's photos.
        store: of the same output folder.
        manifest: its file, with the names of the earlier run; it may be missing.

    Raises:
        InUseError: if a run is writing to it.
        OutputError: if something cannot be read or written.
    """
    jobs = list(jobs)
    decided = store.decided()
    names = {Path(job.photo).absolute(): job.name for job in jobs if job.name not in decided}
    if not (names and decided.keys() - {job.name for job in jobs} and is_there(manifest)):
        return
    for one in read_records(manifest):
        photo = Path(one.result.photo).absolute()
        # Where a decision was taken back under the new name, nothing is decided, and that holds.
        if photo not in names or one.name not in decided or store.current(names[photo]) is not None:
            continue
        held = store.current(one.name)
        if held is not None and _holds(photo, held.photo):
            store.save(replace(held, name=names[photo]), seen=0)


def _holds(photo: Path, digest: str) -> bool:
    """Whether a photo is the one that was looked at: from another folder, the same path may have led to another."""
    try:
        return hashlib.sha256(photo.read_bytes()).hexdigest() == digest
    except OSError:
        return False


def forget_other_names(jobs: Iterable[Job], manifest: Manifest) -> None:
    """Forget the other names: a photo that is on record twice is reviewed twice, and handed over twice.

    Args:
        jobs: the run's photos.
        manifest: which files were written stays in it.

    Raises:
        OutputError: if it cannot be written.
    """
    jobs = list(jobs)
    names = {job.name for job in jobs}
    photos = {Path(job.photo).absolute() for job in jobs}
    others = [row for row in manifest.photos() if row[0] not in names and Path(row[1]).absolute() in photos]
    manifest.forget(name for name, photo, stamp in others if _is(photo, stamp))


def _is(photo: str, stamp: str) -> bool:
    """Whether a path leads to the photo that was cut: if it is relative, that was perhaps seen from another folder."""
    if "://" in photo or Path(photo).is_absolute():
        return True
    try:
        return stamp.startswith(stamp_of(Path(photo).stat()))
    except OSError:
        return False
