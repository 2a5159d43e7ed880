"""The work on a job's photos: a run of ``cut`` by the server's workers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from carmask.batch.corrections import Corrections, with_corrections
from carmask.batch.decisions import decisions_of
from carmask.batch.job import Job, Result
from carmask.batch.manifest import read_records
from carmask.batch.names import MANIFEST, STATE
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import Plan
from carmask.batch.process import PhotoTask
from carmask.batch.report import Review, write_report
from carmask.batch.run import open_run, run_jobs
from carmask.compositing.placement import SERIES_RULES
from carmask.errors import CarmaskError
from carmask.images import make_folder
from carmask.server.job_records import StoredPhoto, car_of
from carmask.server.pool_engine import PoolEngine
from carmask.server.worker_pool import WorkerPool


@dataclass(frozen=True)
class JobRun:
    """What is to be done.

    Attributes:
        folder: the job's, with ``photos`` and ``out``.
        photos: of the job.
        spec: what to make of each.
        model: name or file of the workers' model.
        pool: the workers.
    """

    folder: Path
    photos: Sequence[StoredPhoto]
    spec: OutputSpec
    model: str
    pool: WorkerPool

    def results(self, review: Review, stop: Callable[[], bool]) -> Generator[tuple[int, Result], None, None]:
        """Work on the photos, then write the report.

        Args:
            review: which photos are marked for a person to look at.
            stop: once it says yes no further photo is begun; those that were not reached are as if never tried, also
                with other options before.

        Yields:
            A photo's number, and what became of it, in the order in which they finish.

        Raises:
            CarmaskError: if nothing more can be done.
        """
        out, jobs = self.folder / "out", self._jobs()
        numbers = {photo.name: photo.number for photo in self.photos}
        make_folder(out)
        decided = decisions_of(out / STATE, {})  # a job's photos are not replaced
        if (store := Corrections.of(out / STATE)) is not None:
            with store:
                jobs = with_corrections(jobs, store)
        task = PhotoTask(self.model, self.spec)
        names = {str(one.photo): one.name for one in jobs}
        left = set(numbers)
        with open_run(out, jobs, task) as manifest:
            for result in run_jobs(jobs, manifest, PoolEngine(self.pool, self.spec, stop)):
                left.discard(names[result.photo])
                yield numbers[names[result.photo]], result
            manifest.forget(sorted(left))
            write_report(out, Plan(tuple(jobs)), manifest, review=review, decisions=decided)

    def _jobs(self) -> list[Job]:
        place, out = self.folder / "photos", self.folder / "out"
        cars: dict[str, list[Path | str]] = {}
        for photo in self.photos:
            cars.setdefault(car_of(photo.title), []).append(place / photo.file)
        together = self.spec.style.placing.rule in SERIES_RULES
        return [
            Job(
                place / photo.file,
                photo.name,
                tuple(out / name for name in self.spec.outputs(photo.name)),
                series=tuple(cars[car_of(photo.title)]) if together and len(cars[car_of(photo.title)]) > 1 else (),
            )
            for photo in self.photos
        ]


def recorded(folder: Path, photos: Sequence[StoredPhoto]) -> list[tuple[int, Result]]:
    """What an earlier server has recorded of a job's photos: number and result of each; none if that cannot be read."""
    numbers = {photo.name: photo.number for photo in photos}
    with contextlib.suppress(CarmaskError):
        records = read_records(folder / "out" / STATE / MANIFEST)
        return [(numbers[record.name], record.result) for record in records if record.name in numbers]
    return []
