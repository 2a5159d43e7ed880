"""Cut many photos: what goes where, nothing twice, nothing lost, a bad photo never stopping the rest."""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from carmask.batch.isolated import Isolated, Lost
from carmask.batch.manifest import Manifest, describe
from carmask.batch.process import Job, OutputSpec, PhotoTask, Result, stamp_of
from carmask.batch.storage import Stores, join
from carmask.errors import OutputError, UsageError
from carmask.images import PHOTO_SUFFIXES, make_folder, remove_leftovers, write_atomically
from carmask.machine import available_cores
from carmask.prediction.confidence import Review

__all__ = ["Engine", "Job", "LocalEngine", "OutputSpec", "Result", "cut", "opened", "plan", "write_report"]

REPORT = "report.csv"
REPORT_COLUMNS = ("photo", "status", "reason", "confidence", "area", "seconds", "expected_error_px", "review")
#: The folder in the output folder that holds the manifest.
STATE = ".carmask"
#: Seconds that a photo may take. The largest that is read takes 20 s on one core of 2024, as a PNG cut-out.
PATIENCE = 120.0


class Engine(Protocol):
    """What calls the per-photo function: on this machine or on many. It holds processes until its block ends."""

    def __enter__(self) -> Engine:
        """Nothing more than itself."""

    def __exit__(self, *_: object) -> None:
        """Close it."""

    def close(self) -> None:
        """End its processes; what they are working on is dropped. Safe to call again."""

    def map(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """Work on photos, in any order, each result as soon as it is there.

        Args:
            jobs: any number.

        Yields:
            Each job with its result.
        """


class LocalEngine:
    """All cores of this machine: one process beside this one, a thread for each core and one for what waits."""

    def __init__(self, task: PhotoTask, *, patience: float = PATIENCE) -> None:
        """Start it, and load the network.

        Args:
            task: what to do with each photo; its number of threads is set to the number of cores.
            patience: seconds that a photo may take.

        Raises:
            ModelError: if there is no such model, or its file is damaged.
            DeviceError: if the device is not available.
        """
        cores = available_cores()
        task = replace(task, threads=cores)
        self._process: Isolated[Job, Result] = Isolated(task.load, threads=cores + 1, patience=patience)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; what it is working on is dropped."""
        self._process.close()

    def map(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """Work on photos; see ``Engine``."""
        for job, found in self._process.map(jobs):
            yield job, lost_photo(job, found) if isinstance(found, Lost) else found


def lost_photo(job: Job, lost: Lost) -> Result:
    """The result of a photo that crashed or hung the process that worked on it."""
    return Result(str(job.photo), "failed", f"{job.photo}: {lost.reason}, whatever is in this file")


def plan(paths: Sequence[Path | str], out: Path | str, wanted: OutputSpec, *, recursive: bool = False) -> list[Job]:
    """Find the photos and decide where each result goes, before anything is written.

    Args:
        paths: photos, and folders whose photos are meant; texts are locations in stores.
        out: output folder; it is not searched, even if it lies in one of the folders.
        wanted: what to write.
        recursive: search sub-folders too; their structure is kept in the output.

    Returns:
        One job for each photo, in the order of the paths, sorted within folders.

    Raises:
        UsageError: if a path does not exist, a folder has no photos, two photos would write the same file, or a photo
            would be overwritten.
    """
    found: dict[Path | str, str] = {}
    for path in paths:
        if isinstance(path, str):
            found.update(Stores().find(path, recursive=recursive))
        elif path.is_dir():
            photos = _search(path, out, recursive)
            found.update((photo, photo.relative_to(path).with_suffix("").as_posix()) for photo in photos)
        elif path.exists():
            found[path] = path.stem
        else:
            raise UsageError(f"{path}: there is no such photo or folder")
    jobs = [
        Job(photo, name, tuple(join(out, file) for file in wanted.outputs(name)))
        for photo, name in _distinct(found).items()
    ]
    _refuse_collisions(jobs)
    return jobs


@contextlib.contextmanager
def opened(out: Path, jobs: Sequence[Job], task: PhotoTask, *, restart: bool = False) -> Iterator[Manifest]:
    """Make the output folder ready, for this process alone.

    Args:
        out: made if it is missing; where results go to a store, the local folder for manifest and report.
        jobs: from ``plan``. What a killed run left half-written beside their outputs is removed.
        task: what will be done.
        restart: forget what earlier runs have done.

    Yields:
        The manifest.

    Raises:
        OutputError: if it cannot be written to.
        UsageError: if another process is writing to it.
    """
    make_folder(out)
    make_folder(out / STATE)
    names: dict[Path, list[str]] = {out: [REPORT]}
    for output in (output for job in jobs for output in job.outputs if isinstance(output, Path)):
        names.setdefault(output.parent, []).append(output.name)
    with recording(out / STATE / "manifest.sqlite", task, len(jobs), restart=restart) as manifest:
        try:
            _tidy(names)
            yield manifest
        finally:
            _tidy(names)


@contextlib.contextmanager
def recording(file: Path, task: PhotoTask, photos: int, *, restart: bool = False) -> Iterator[Manifest]:
    """Open a manifest, with enough of the disk set aside to write down how a run ended that filled it.

    Args:
        file: the manifest.
        task: what will be done.
        photos: how many.
        restart: forget what earlier runs have done.

    Yields:
        The manifest.

    Raises:
        OutputError: if it cannot be written.
        UsageError: if another process has it open.
    """
    probe = file.with_name(f"{file.name}-probe")
    write_atomically(probe, b"carmask")  # says why it fails, which SQLite does not
    probe.unlink(missing_ok=True)
    with Manifest(file, describe(task)) as manifest:
        if restart:
            manifest.forget()
        reserve = _reserve(manifest)
        try:
            write_atomically(reserve, bytes(65536 + 256 * photos))
            yield manifest
        finally:
            with contextlib.suppress(OSError):  # the disk may have become read-only, which was said by then
                reserve.unlink(missing_ok=True)


def cut(jobs: Iterable[Job], manifest: Manifest, engine: Engine) -> Iterator[Result]:
    """Cut photos; those that an earlier run has done, and that are as they were, are passed over.

    Args:
        jobs: from ``plan``.
        manifest: from ``opened``.
        engine: does the work; it is closed early if the disk is full.

    Yields:
        One result for each job once its files are in place and its record is written, in the order they finish.

    Raises:
        OutputError: if the disk is full. All that was yielded is recorded; the same call goes on from there.
    """
    todo = []
    for job in jobs:
        kept = manifest.done(job.name)
        if kept is not None and _in_place(job, kept):
            if kept.stamp and kept.stamp == _stamp(job) and kept.photo == str(job.photo):
                yield kept
                continue
            # It may have been touched or moved: what it holds decides.
            job = replace(job, known=kept.digest)
        todo.append(job)
    for job, result in engine.map(todo):
        if result.unchanged:
            manifest.restamp(job.name, result.photo, result.stamp)
            kept = manifest.done(job.name)
            assert kept is not None  # it was there a moment ago, and nobody else has the manifest open
            yield kept
            continue
        full = result.full
        if full:
            _make_room(manifest, engine)
        try:
            manifest.record(job.name, result)
        except OutputError:
            _make_room(manifest, engine)
            manifest.record(job.name, result)
            full = True
        yield result
        if full:
            raise OutputError(
                "stopped: nothing more can be written there; what was finished is safe, and the same command goes on "
                "from here once there is room"
            )


def write_report(out: Path, jobs: Sequence[Job], manifest: Manifest, *, review: Review | None = None) -> Path:
    """Write ``report.csv``: a row for each photo that was tried, in the order of the jobs.

    Args:
        out: the output folder.
        jobs: from ``plan``.
        manifest: has their results.
        review: which photos are marked for a person to look at; without it the column says so of none.

    Returns:
        Its path.

    Raises:
        OutputError: if it cannot be written.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(REPORT_COLUMNS)
    marked = set() if review is None else to_review(jobs, manifest, review)
    for job in jobs:
        result = manifest.result(job.name)
        if result is None:
            continue
        confidence = "" if result.confidence is None else f"{result.confidence:.4f}"
        area = "" if result.area is None else f"{result.area:.4f}"
        error = "" if result.error is None else f"{result.error:.2f}"
        mark = "yes" if job.name in marked else ""
        known = [result.photo, result.status, result.reason, confidence, area, f"{result.seconds:.3f}"]
        writer.writerow([*known, error, mark])
    write_atomically(out / REPORT, buffer.getvalue().encode("utf-8", "surrogateescape"))
    return out / REPORT


def to_review(jobs: Iterable[Job], manifest: Manifest, review: Review) -> set[str]:
    """Which photos a person should look at, those that failed aside.

    Args:
        jobs: from ``plan``.
        manifest: has their results.
        review: by what.

    Returns:
        Names of jobs.
    """
    results = ((job.name, manifest.result(job.name)) for job in jobs)
    return review.choose({n: r.confidence for n, r in results if r is not None and r.confidence is not None})


def _reserve(manifest: Manifest) -> Path:
    return manifest.file.with_name(f"{manifest.file.name}-reserve")


def _tidy(names: Mapping[Path, list[str]]) -> None:
    for folder, files in names.items():
        remove_leftovers(folder, files)


def _make_room(manifest: Manifest, engine: Engine) -> None:
    """Free what was set aside, for the last records and the report alone: whatever is under way is dropped first."""
    engine.close()
    _reserve(manifest).unlink(missing_ok=True)


def _in_place(job: Job, kept: Result) -> bool:
    """Whether the files that an earlier run wrote are still there; in a store that is taken for granted."""
    if not all(isinstance(output, Path) for output in job.outputs):
        return True
    try:
        return sum(Path(output).stat().st_size for output in job.outputs) == kept.written
    except OSError:
        return False


def _stamp(job: Job) -> str:
    try:
        return stamp_of(job.photo.stat()) if isinstance(job.photo, Path) else ""
    except OSError:
        return ""


def _search(folder: Path, out: Path | str, recursive: bool) -> list[Path]:
    outside = Path(out).resolve()
    photos: list[Path] = []
    deeper = False
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and (here / name).resolve() != outside)
        named = [here / name for name in sorted(files) if not name.startswith(".")]
        photos += [file for file in named if file.suffix.lower() in PHOTO_SUFFIXES]
        if not recursive:
            deeper = bool(folders)
            break
    if not photos:
        hint = "; its sub-folders are searched with --recursive" if deeper else ""
        raise UsageError(f"{folder}: no photos in this folder ({', '.join(sorted(PHOTO_SUFFIXES))}){hint}")
    return photos


def _distinct(found: Mapping[Path | str, str]) -> dict[Path | str, str]:
    """Drop photos that were named twice, once by themselves and once by their folder."""
    kept: dict[Path | str, tuple[Path | str, str]] = {}
    for photo, name in found.items():
        same: Path | str = photo
        if isinstance(photo, Path):
            same = photo.absolute() if photo.is_symlink() else photo.resolve()
        kept.setdefault(same, (photo, name))
    return dict(kept.values())


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    photos = {_same(job.photo) for job in jobs}
    owners: dict[Path | str, Path | str] = {}
    for job in jobs:
        for output in job.outputs:
            if _same(output) in photos:
                raise UsageError(f"{output}: this photo would be overwritten; name another folder with --out")
            owner = owners.setdefault(output, job.photo)
            if owner != job.photo:
                raise UsageError(f"{owner} and {job.photo} would both be written to {output}; rename one of them")


def _same(file: Path | str) -> Path | str:
    return file.resolve() if isinstance(file, Path) else file
