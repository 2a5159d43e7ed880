"""Write a submission: predict its photos, resume an interrupted run, and put the rows in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from carmask.batch.engines.engine import Engine
from carmask.batch.job import Job, Result
from carmask.batch.manifest import Manifest
from carmask.batch.process import PhotoTask
from carmask.batch.run import open_manifest, run_jobs
from carmask.errors import DataError, IncompleteError
from carmask.formats.listing import composed, file_stem
from carmask.images import make_folder, remove_file, remove_leftovers
from carmask.words import by_number, counted


def jobs_for(photos: Iterable[tuple[str, Path | str]]) -> list[Job]:
    """The work that a submission takes: no files, only run-length texts.

    Args:
        photos: image name and photo.

    Returns:
        A job for each image, by its name.
    """
    return [Job(photo, name, ()) for name, photo in photos]


@contextmanager
def unfinished(file: Path, task: PhotoTask, photos: int, *, restart: bool = False) -> Iterator[Manifest]:
    """Open what there is of a submission so far: ``<file>.partial``, for this process alone.

    It is removed once the block ends without an error, for then the submission is written; until then a call with the
    same arguments goes on where this one ended, however it ended.

    Args:
        file: the submission; its folder is made if it is missing.
        task: what will be done.
        photos: how many.
        restart: forget what earlier runs have done.

    Yields:
        The manifest that holds it.

    Raises:
        OutputError: if it cannot be written.
        UsageError: if another process is writing it.
    """
    partial = file.with_name(f"{file.name}.partial")
    make_folder(file.parent)
    with open_manifest(partial, task, photos, restart=restart) as manifest:
        remove_leftovers(file.parent, [file.name])
        yield manifest
    remove_file(partial)


def predict_rows(
    jobs: Sequence[Job], manifest: Manifest, engine: Engine, *, follow: Callable[[Iterator[Result]], None]
) -> Iterator[tuple[str, str]]:
    """Predict photos, then give their rows in order.

    Args:
        jobs: from ``jobs_for``.
        manifest: from ``unfinished``.
        engine: does the work, with a task that wants ``runs``.
        follow: draws the results as they come, and may show them.

    Yields:
        Image name and run-length text, in the photo's own frame, in the order of the jobs.

    Raises:
        IncompleteError: before the first row, if any photo failed.
    """
    error_log = manifest.file.with_suffix(".errors.log")
    remove_file(error_log)
    follow(run_jobs(jobs, manifest, engine, error_log=error_log))
    failed = sum(manifest.done(job.name) is None for job in jobs)
    if failed:
        raise IncompleteError(
            f"{failed} of {counted(len(jobs), 'photo')} failed; a submission must be complete, none was "
            f"written; those done are kept in {manifest.file.name}"
        )
    for job in jobs:
        result = manifest.done(job.name)
        assert result is not None  # counted above
        assert result.runs is not None  # the task wants them
        yield job.name, result.runs


def match_photos(names: Sequence[str], photos: Mapping[str, Path | str]) -> Iterator[tuple[str, Path | str]]:
    """Find the photo of each image name, by stem.

    Raises:
        DataError: if any is missing.
    """
    by_stem = {composed(stem): photo for stem, photo in photos.items()}
    missing = [name for name in names if file_stem(name) not in by_stem]
    if missing:
        raise DataError(
            f"{len(missing)} of {counted(len(names), 'image')} of the sample "
            f"{by_number(len(missing), 'has', 'have')} no photo, the first is {missing[0]}"
        )
    return ((name, by_stem[file_stem(name)]) for name in names)
