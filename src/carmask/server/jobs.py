"""Jobs of many photos: kept on the disk, worked on like a run of ``cut``, resumed after a restart."""

from __future__ import annotations

import contextlib
import logging
import secrets
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from carmask.batch.corrections import Corrections, decisions_of, with_corrections
from carmask.batch.job import Job, Result
from carmask.batch.manifest import read_records
from carmask.batch.names import MANIFEST, STATE
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import Plan
from carmask.batch.process import PhotoTask
from carmask.batch.report import Review, write_report
from carmask.batch.run import open_run, run_jobs
from carmask.compositing.placement import SERIES_RULES
from carmask.errors import CarmaskError, UsageError
from carmask.images import (
    PhotoFile,
    encode_picture,
    flush_folder,
    make_folder,
    open_photo,
    remove_file,
    write_atomically,
)
from carmask.model.file import fixed_name
from carmask.server.folder import Folder
from carmask.server.job_records import ID_BYTES, JobRecords, Progress, State, StoredPhoto, car_of
from carmask.server.job_threads import JobThreads
from carmask.server.limits import Limits
from carmask.server.options import CutOptions
from carmask.server.pool_engine import PoolEngine
from carmask.server.security import without_paths
from carmask.server.signatures import suffix_of
from carmask.server.worker_pool import WorkerPool

_log = logging.getLogger("carmask.server")


class Jobs:
    """All jobs of a server."""

    def __init__(self, state: Path, pool: WorkerPool, limits: Limits, *, model: str, review_below: float) -> None:
        """Open the store, and go on with what was not finished.

        Args:
            state: a folder for this server alone.
            pool: the workers.
            limits: what clients may ask.
            model: the workers' model.
            review_below: confidence below which a person should look.

        Raises:
            UsageError: if another server uses the folder.
            OutputError: if it cannot be written to.
        """
        self._state, self._pool, self._limits = state, pool, limits
        self._model, self._below = model, review_below
        make_folder(state / "jobs")
        self._records = JobRecords(state)
        self._lock, self._rows, self._do = self._records.lock, self._records.rows, self._records.do
        self._records.tidy_folders()
        self._progress: dict[str, Progress] = {}
        self._folders: dict[str, Folder] = {}
        self._stopping = False
        self._threads = JobThreads()
        for (job,) in self._rows("SELECT id FROM jobs WHERE state = 'running'"):
            self._work(job)
        self.tidy()

    def close(self) -> None:
        """Stop; what is unfinished goes on when the next server starts."""
        if self._stopping:
            return
        self._stopping = True
        self._threads.close()
        with self._lock:
            for folder in self._folders.values():
                folder.close()
            self._folders.clear()
        self._records.close()

    # ---- making

    def create(self, options: CutOptions, picture: PhotoFile | None) -> str:
        """Make a job without photos.

        Args:
            options: what to make of each photo.
            picture: its background picture, or None.

        Returns:
            Its id.

        Raises:
            UsageError: if options exclude each other.
            OutputError: if there is no room.
        """
        self.tidy()
        options.spec(picture)
        self._records.check_room(self._limits, jobs=1)
        job = secrets.token_hex(ID_BYTES)
        make_folder(self._folder(job) / "photos")
        flush_folder(self._state / "jobs")
        self._set_background(job, picture)
        self._do("INSERT INTO jobs VALUES (?, ?, 'new', ?, '')", job, time.time(), options.model_dump_json())
        return job

    def add(self, job: str, title: str, content: bytes) -> StoredPhoto:
        """Add a photo.

        Args:
            job: its id.
            title: what the client calls the photo; it is shown, and nothing else is done with it.
            content: what is in the file.

        Raises:
            LookupError: if there is no such job.
            UsageError: if it is running, or has as many photos as it may.
            PhotoError: if it is no picture by its content.
            OutputError: if it cannot be written.
        """
        suffix = suffix_of(content)
        title = "".join(letter if letter.isprintable() and letter not in "/\\" else "_" for letter in title)[-120:]
        with self._lock:
            if self.state(job) == "running":
                raise UsageError("the job is running: add photos before, or make another")
            (number,) = self._rows("SELECT COALESCE(MAX(number), 0) + 1 FROM photos WHERE job = ?", job)[0]
            if number > self._limits.job_photos:
                raise UsageError(f"a job takes {self._limits.job_photos} photos at most")
            photo = StoredPhoto(number, title or f"photo {number}", f"{number:05d}{suffix}")
            self._records.check_room(self._limits, len(content))
            write_atomically(self._folder(job) / "photos" / photo.file, content)
            # After a power cut the record must not have a photo whose file is not there.
            flush_folder(self._folder(job) / "photos")
            self._do("INSERT INTO photos VALUES (?, ?, ?, ?, ?)", job, *photo, len(content))
        return photo

    def start(self, job: str, options: CutOptions | None = None, picture: PhotoFile | None = None) -> None:
        """Start a job, or render it again with other options; corrections by hand are kept.

        Args:
            job: its id.
            options: None for those it has.
            picture: a new background picture, or None.

        Raises:
            LookupError: if there is no such job.
            UsageError: if it is running, or has no photos, or options exclude each other.
            OutputError: if there is no room.
        """
        self._records.check_room(self._limits)
        with self._lock:
            if self.state(job) == "running":
                raise UsageError("the job is running already")
            if not self.photos(job):
                raise UsageError("the job has no photos")
            if options is not None:
                options.spec(picture)
                self._set_background(job, picture)
            if job in self._folders:
                self._folders.pop(job).close()
            # One change: a job that is done, with options that its files were not made with, would have no files.
            text = (options or self.options(job)).model_dump_json()
            self._do("UPDATE jobs SET options = ?, state = 'running', error = '' WHERE id = ?", text, job)
            self._records.unwritten.pop(job, None)
            self._work(job)

    def delete(self, job: str) -> None:
        """Delete a job with all its files.

        Raises:
            LookupError: if there is no such job.
            UsageError: if it is running.
        """
        with self._lock:
            if self.state(job) == "running":
                raise UsageError("the job is running; wait until it is done")
            if job in self._folders:
                self._folders.pop(job).close()
            self._do("DELETE FROM photos WHERE job = ?", job)
            self._do("DELETE FROM jobs WHERE id = ?", job)
            self._progress.pop(job, None)
            self._records.unwritten.pop(job, None)
        shutil.rmtree(self._folder(job), ignore_errors=True)

    def tidy(self) -> None:
        """Delete jobs that are older than they may be."""
        oldest = time.time() - 3600 * self._limits.keep_hours
        for (job,) in self._rows("SELECT id FROM jobs WHERE created < ? AND state != 'running'", oldest):
            with contextlib.suppress(LookupError, UsageError):
                self.delete(job)

    # ---- asking

    def state(self, job: str) -> State:
        """How far a job is.

        Raises:
            LookupError: if there is no such job.
        """
        rows = self._rows("SELECT state FROM jobs WHERE id = ?", job)
        if not rows:
            raise LookupError("there is no such job; it may have been deleted")
        if job in self._records.unwritten:
            return self._records.unwritten[job][0]
        state: State = rows[0][0]
        return state

    def all(self) -> list[dict[str, Any]]:
        """The latest jobs, newest first."""
        rows = self._rows(
            "SELECT id, created, state, error, (SELECT COUNT(*) FROM photos WHERE job = id) FROM jobs "
            "ORDER BY created DESC LIMIT 50"
        )
        found = [dict(zip(("id", "created", "state", "error", "photos"), row, strict=True)) for row in rows]
        for one in found:
            one["state"], one["error"] = self._records.unwritten.get(one["id"], (one["state"], one["error"]))
        return found

    def error(self, job: str) -> str:
        """Why a job failed as a whole, or ''."""
        if job in self._records.unwritten:
            return self._records.unwritten[job][1]
        text: str = self._rows("SELECT error FROM jobs WHERE id = ?", job)[0][0]
        return text

    def options(self, job: str) -> CutOptions:
        """What is made of each photo."""
        self.state(job)
        return CutOptions.model_validate_json(self._rows("SELECT options FROM jobs WHERE id = ?", job)[0][0])

    def photos(self, job: str) -> list[StoredPhoto]:
        """The photos of a job, in the order in which they were added."""
        rows = self._rows("SELECT number, title, file FROM photos WHERE job = ? ORDER BY number", job)
        return [StoredPhoto(*row) for row in rows]

    def photo(self, job: str, number: int) -> StoredPhoto:
        """One of them.

        Raises:
            LookupError: if there is none of this number.
        """
        if number > self._limits.job_photos:  # SQLite takes no number of any length
            raise LookupError("there is no such photo in this job")
        found = self._rows("SELECT number, title, file FROM photos WHERE job = ? AND number = ?", job, number)
        if not found:
            raise LookupError("there is no such photo in this job")
        return StoredPhoto(*found[0])

    def path(self, job: str, photo: StoredPhoto) -> Path:
        """Where a photo lies."""
        return self._folder(job) / "photos" / photo.file

    def outputs(self, job: str, photo: StoredPhoto) -> list[Path]:
        """Where the outputs of a photo lie, or will."""
        names = self._spec(job, decode=False).outputs(photo.name)
        return [self._folder(job) / "out" / name for name in names]

    def progress(self, job: str) -> Progress:
        """What has finished, also of an earlier server.

        Raises:
            LookupError: if there is no such job.
        """
        state = self.state(job)
        with self._lock:
            if job not in self._progress:
                self._progress[job] = Progress()
                if state in {"done", "failed"}:
                    self._progress[job].results = self._recorded(job)
            return self._progress[job]

    def review(self, result: Result) -> bool:
        """Whether a person should look at a photo."""
        return result.confidence is not None and result.confidence < self._below

    def decisions(self, job: str) -> dict[str, str]:
        """What people have decided about its photos, by name."""
        return decisions_of(self._folder(job) / "out" / STATE)

    def folder(self, job: str) -> Folder:
        """The results as a folder to review.

        Raises:
            LookupError: if there is no such job.
            UsageError: if it is not done.
        """
        if (state := self.state(job)) != "done":
            why = "has failed; start it again" if state == "failed" else "is not done yet"
            raise UsageError(f"the job {why}; its photos can be mended when it is done")
        with self._lock:
            found = self._folders.pop(job, None)
            if found is None:
                titles = {photo.name: photo.title.rpartition(".")[0] or photo.title for photo in self.photos(job)}
                found = Folder(self._folder(job) / "out", self._pool, titles=titles, title="Job " + job[:6])
            self._folders[job] = found  # as the last one: those that nobody asks for are closed first
            while len(self._folders) > 16:
                self._folders.pop(next(iter(self._folders))).close()
            return found

    # ---- working

    def _work(self, job: str) -> None:
        self._progress[job] = Progress()
        self._threads.do(partial(self._run, job, self._progress[job]))

    def _run(self, job: str, progress: Progress) -> None:
        state: State = "done"
        error = ""
        try:
            self._cut(job, progress)
        except CarmaskError as problem:
            state, error = "failed", without_paths(str(problem))
        except Exception:  # noqa: BLE001  # a bug: the job has failed, the server goes on
            if self._stopping:
                return
            _log.exception("bug")
            state, error = "failed", "a fault in the server; its log says more"
        if self._stopping:
            return
        self._records.end(job, state, error)
        with progress.changed:
            progress.changed.notify_all()

    def _cut(self, job: str, progress: Progress) -> None:
        spec, out, photos = self._spec(job), self._folder(job) / "out", self.photos(job)
        numbers = {photo.name: photo.number for photo in photos}
        cars: dict[str, list[Path | str]] = {}
        for photo in photos:
            cars.setdefault(car_of(photo.title), []).append(self.path(job, photo))
        jobs = [
            Job(
                self.path(job, photo),
                photo.name,
                tuple(out / name for name in spec.outputs(photo.name)),
                series=tuple(cars[car_of(photo.title)])
                if spec.style.placing.rule in SERIES_RULES and len(cars[car_of(photo.title)]) > 1
                else (),
            )
            for photo in photos
        ]
        make_folder(out)
        decided = self.decisions(job)
        if (store := Corrections.of(out / STATE)) is not None:
            with store:
                jobs = with_corrections(jobs, store)
        task = PhotoTask(fixed_name(self._model), spec)
        names = {str(one.photo): one.name for one in jobs}
        with open_run(out, jobs, task) as manifest:
            for result in run_jobs(jobs, manifest, PoolEngine(self._pool, spec)):
                if self._stopping:
                    return
                self._records.check_room(self._limits)
                with progress.changed:
                    progress.results.append((numbers[names[result.photo]], result))
                    progress.changed.notify_all()
            write_report(out, Plan(tuple(jobs)), manifest, review=Review(self._below), decisions=decided)

    def _recorded(self, job: str) -> list[tuple[int, Result]]:
        numbers = {photo.name: photo.number for photo in self.photos(job)}
        with contextlib.suppress(CarmaskError):
            records = read_records(self._folder(job) / "out" / STATE / MANIFEST)
            return [(numbers[record.name], record.result) for record in records if record.name in numbers]
        return []

    def picture(self, job: str, *, decode: bool = True) -> PhotoFile | None:
        """The background picture that a job was given, or None; without ``decode`` something in place of it."""
        if not (file := self._folder(job) / "background.png").exists():
            return None
        return open_photo(file) if decode else _STAND_IN

    def _spec(self, job: str, *, decode: bool = True) -> OutputSpec:
        return self.options(job).spec(self.picture(job, decode=decode))

    def _set_background(self, job: str, picture: PhotoFile | None) -> None:
        file = self._folder(job) / "background.png"
        if picture is None:
            remove_file(file)
        else:
            write_atomically(file, encode_picture(picture.pixels, picture.icc_profile))
        flush_folder(file.parent)

    def _folder(self, job: str) -> Path:
        return self._state / "jobs" / job


#: In place of a background picture whose pixels are not needed.
_STAND_IN = PhotoFile(np.zeros((1, 1, 3), np.uint8), None)
