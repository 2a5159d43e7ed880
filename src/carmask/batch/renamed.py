"""Photos whose outputs have other names than in an earlier run, by another pattern of names or another grouping."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from carmask.batch.corrections import Corrections
from carmask.batch.job import Job
from carmask.batch.manifest import Manifest, read_records
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
        name = names.get(Path(one.result.photo).absolute())
        # Where a decision was taken back under the new name, nothing is decided, and that holds.
        if name is None or one.name not in decided or store.current(name) is not None:
            continue
        if (held := store.current(one.name)) is not None:
            store.save(replace(held, name=name), seen=0)


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
    recorded = manifest.photos()
    manifest.forget(name for name, photo in recorded if name not in names and Path(photo).absolute() in photos)
