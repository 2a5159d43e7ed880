"""Whether what an earlier run has made of a photo is still there, and what a new run would make."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from carmask.batch.checks import SKIPPED
from carmask.batch.job import Job, Result, split_digest
from carmask.batch.manifest import Manifest
from carmask.batch.series import series_stamp
from carmask.batch.storage import stamp_of


def in_place(job: Job, kept: Result) -> bool:
    """Whether the files that an earlier run wrote are still there; in a store that is taken for granted."""
    if not all(isinstance(output, Path) for output in job.outputs) or SKIPPED in kept.facts:
        return True
    try:
        return sum(Path(output).stat().st_size for output in job.outputs) == kept.written
    except OSError:
        return False


def same_make(job: Job, kept: Result) -> bool:
    """Whether a result was made with the same correction and with, or without, a series."""
    photo, series = split_digest(kept.digest)
    return kept.digest == job.made_of(photo, series) and bool(series) == bool(job.series)


def job_stamp(job: Job) -> str:
    """What the file system says of a photo's file and of the other views of its car; '' if it says nothing."""
    try:
        stamp, views = stamp_of(job.photo.stat()) if isinstance(job.photo, Path) else "", series_stamp(job.series)
    except OSError:
        return ""
    return f"{stamp} {views}" if stamp and views else stamp


def of_earlier_runs(folder: Path, jobs: Iterable[Job], manifest: Manifest) -> tuple[Path, ...]:
    """Find files that are no result of this run: their formats or names were others, or their photos.

    Args:
        folder: of the manifest. Files in stores are not looked for.
        jobs: the run's photos; what is there of one that failed now was made by an earlier run.
        manifest: which files were ever written, and which photos are done.

    Returns:
        Those that are still there, sorted.
    """
    done = manifest.done_names()
    mine = (output for job in jobs if job.name in done for output in job.outputs)
    files = (folder / name for name in manifest.other_outputs(mine) if "://" not in name)
    return tuple(file for file in files if os.path.lexists(file))
