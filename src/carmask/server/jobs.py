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

from carmask.batch.decisions import decisions_of
from carmask.batch.job import Result
from carmask.batch.names import STATE
from carmask.batch.outputs import OutputSpec
from carmask.batch.report import Review
from carmask.errors import CarmaskError, OutputError, UsageError
from carmask.images import PhotoFile, flush_folder, make_folder, write_atomically
from carmask.model.file import fixed_name
from carmask.server.folder import Folder
from carmask.server.job_background import keep_background, kept_background
from carmask.server.job_records import ID_BYTES, JobRecords, Progress, State, StoredPhoto
from carmask.server.job_run import JobRun, recorded
from carmask.server.job_threads import JobThreads
from carmask.server.limits import Limits
from carmask.server.options import CutOptions
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
        keep_background(self._folder(job), picture)
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
        title = "".join(letter if letter.isprintable() and letter not in "/\\" else "_" for letter in title)[-255:]
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
                keep_background(self._folder(job), picture)
            if job in self._folders:
                self._folders.pop(job).close()
            # One change: a job that is done, with options that its files were not made with, would have no files.
            text = (options or self.options(job)).model_dump_json()
            self._do("UPDATE jobs SET options = ?, state = 'running', error = '' WHERE id = ?", text, job)
            self._records.unwritten.pop(job, None)
            self._work(job)

    def cancel(self, job: str) -> State:
        """Work on no further photo of a job; results stay, and ``start`` goes on with the others.

        Args:
            job: its id.

        Returns:
            Its state: ``cancelled``, or ``running`` until the photos that are being worked on are done.

        Raises:
            LookupError: if there is no such job.
            UsageError: if it does not run.
        """
        with self._lock:
            if (state := self.state(job)) == "cancelled":
                return state
            if state != "running":
                raise UsageError("the job is not running")
            progress = self._progress[job]
            progress.cancelled.set()
            # Now, so that the next server does not go on with it; on a full disk when it ends.
            with contextlib.suppress(OutputError):
                self._do("UPDATE jobs SET state = 'cancelled' WHERE id = ?", job)
            if not progress.under_way:
                self._records.end(job, "cancelled", "")
            return self.state(job)

    def delete(self, job: str) -> None:
        """Delete a job with all its files.

        Raises:
            LookupError: if there is no such job.
            UsageError: if it is running.
        """
        with self._lock:
            if self.state(job) == "running":
                raise UsageError("the job is running; cancel it first, or wait until it is done")
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
        return self._now(job, self._records.column(job, "state"))

    def _now(self, job: str, recorded: State) -> State:
        """A job's state, by what is on record of it."""
        if job in self._records.unwritten:
            return self._records.unwritten[job][0]
        if recorded == "cancelled" and (known := self._progress.get(job)) is not None and known.under_way:
            return "running"  # until the photos that are being worked on are done
        return recorded

    def all(self) -> list[dict[str, Any]]:
        """The latest jobs, newest first."""
        rows = self._rows(
            "SELECT id, created, state, error, (SELECT COUNT(*) FROM photos WHERE job = id) FROM jobs "
            "ORDER BY created DESC LIMIT 50"
        )
        found = [dict(zip(("id", "created", "state", "error", "photos"), row, strict=True)) for row in rows]
        for one in found:
            one["state"] = self._now(one["id"], one["state"])
            one["error"] = self._records.unwritten.get(one["id"], ("", one["error"]))[1]
        return found

    def error(self, job: str) -> str:
        """Why a job failed as a whole, or ''.

        Raises:
            LookupError: if there is no such job.
        """
        text: str = self._records.column(job, "error")
        return self._records.unwritten.get(job, ("", text))[1]

    def options(self, job: str) -> CutOptions:
        """What is made of each photo.

        Raises:
            LookupError: if there is no such job.
        """
        return CutOptions.model_validate_json(self._records.column(job, "options"))

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
                if state in {"done", "failed", "cancelled"}:
                    self._progress[job].results = recorded(self._folder(job), self.photos(job))
            return self._progress[job]

    def review(self, result: Result) -> bool:
        """Whether a person should look at a photo."""
        return result.confidence is not None and result.confidence < self._below

    def decisions(self, job: str) -> dict[str, str]:
        """What people have decided about its photos, by name."""
        return decisions_of(self._folder(job) / "out" / STATE, {})  # a job's photos are not replaced

    def folder(self, job: str) -> Folder:
        """The results as a folder to review.

        Raises:
            LookupError: if there is no such job.
            UsageError: if it is not done, and was not cancelled.
        """
        if (state := self.state(job)) not in {"done", "cancelled"}:
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
        with self._lock:
            if progress.cancelled.is_set():  # while it waited for its turn
                return
            progress.under_way = True
        state: State = "done"
        error = ""
        try:
            self._cut(job, progress)
            if progress.cancelled.is_set() and len(progress.results) < len(self.photos(job)):
                state = "cancelled"
        except CarmaskError as problem:
            state, error = "failed", without_paths(str(problem))
        except Exception:  # noqa: BLE001  # a bug: the job has failed, the server goes on
            if self._stopping:
                return
            _log.exception("bug")
            state, error = "failed", "a fault in the server; its log says more"
        if self._stopping:
            return
        with self._lock:
            self._records.end(job, state, error)
            progress.under_way = False
        with progress.changed:
            progress.changed.notify_all()

    def _cut(self, job: str, progress: Progress) -> None:
        work = JobRun(self._folder(job), self.photos(job), self._spec(job), fixed_name(self._model), self._pool)
        with contextlib.closing(work.results(Review(self._below), progress.cancelled.is_set)) as results:
            for number, result in results:
                if self._stopping:
                    return
                self._records.check_room(self._limits)
                with progress.changed:
                    progress.results.append((number, result))
                    progress.changed.notify_all()

    def picture(self, job: str, *, decode: bool = True) -> PhotoFile | None:
        """The background picture that a job was given, or None; without ``decode`` something in place of it."""
        return kept_background(self._folder(job), decode=decode)

    def _spec(self, job: str, *, decode: bool = True) -> OutputSpec:
        return self.options(job).spec(self.picture(job, decode=decode))

    def _folder(self, job: str) -> Path:
        return self._state / "jobs" / job
