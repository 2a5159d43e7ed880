"""Whether what an earlier run has made of a photo is still there, and what a new run would make."""

from __future__ import annotations

from pathlib import Path

from carmask.batch.checks import SKIPPED
from carmask.batch.job import Job, Result, split_digest
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
