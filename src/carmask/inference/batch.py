"""Cut many photos: what goes where, one after another, a bad one never stopping the rest."""

from __future__ import annotations

import csv
import io
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from carmask.arrays import Mask
from carmask.compositing.background import Background, compose
from carmask.errors import CarmaskError, UsageError
from carmask.images import (
    PHOTO_SUFFIXES,
    PhotoFile,
    make_folder,
    open_photo,
    write_atomically,
    write_cutout,
    write_mask,
    write_picture,
)
from carmask.inference.ahead import ahead
from carmask.inference.model import Network
from carmask.inference.predict import Prediction, predict

REPORT = "report.csv"
REPORT_COLUMNS = ("photo", "status", "reason", "confidence", "area", "seconds")


@dataclass(frozen=True)
class Wanted:
    """What to write for each photo: the mask, the car on a background, or, if neither, a transparent cut-out."""

    mask: bool = False
    background: Background | None = None

    def outputs(self, name: str) -> list[str]:
        """The files, relative to the output folder, of the photo with this relative name (without suffix)."""
        mask = [f"{name}_mask.png"] if self.mask else []
        picture = [f"{name}.png"] if self.background is not None or not self.mask else []
        return mask + picture


@dataclass(frozen=True)
class Job:
    """One photo to cut.

    Attributes:
        photo: its file.
        name: its path relative to the folder it was found in, without suffix, with ``/``.
        outputs: files to write.
    """

    photo: Path
    name: str
    outputs: tuple[Path, ...]


@dataclass(frozen=True)
class Result:
    """What became of a photo: a row of ``report.csv``.

    Attributes:
        photo: the photo's path as it was given or found.
        status: ``done`` or ``failed``.
        reason: why it failed, or what is remarkable.
        confidence: 0 to 1, the Dice score to expect; None if it failed.
        area: fraction of the photo that is car; None if it failed.
        seconds: spent on it, waiting for other photos not counted.
    """

    photo: str
    status: Literal["done", "failed"]
    reason: str = ""
    confidence: float | None = None
    area: float | None = None
    seconds: float = 0.0


def plan(paths: Sequence[Path], out: Path, wanted: Wanted, *, recursive: bool = False) -> list[Job]:
    """Find the photos and decide where each result goes, before anything is written.

    Args:
        paths: photos, and folders whose photos are meant.
        out: output folder; it is not searched, even if it lies in one of the folders.
        wanted: what to write.
        recursive: search sub-folders too; their structure is kept in the output.

    Returns:
        One job for each photo, in the order of the paths, sorted within folders.

    Raises:
        UsageError: if a path does not exist, a folder has no photos, two photos would write the same file, or a photo
            would be overwritten.
    """
    found: dict[Path, str] = {}
    for path in paths:
        if path.is_dir():
            photos = _search(path, out, recursive)
            found.update((photo, photo.relative_to(path).with_suffix("").as_posix()) for photo in photos)
        elif path.exists():
            found[path] = path.stem
        else:
            raise UsageError(f"{path}: there is no such photo or folder")
    jobs = [
        Job(photo, name, tuple(out / file for file in wanted.outputs(name))) for photo, name in _distinct(found).items()
    ]
    _refuse_collisions(jobs)
    return jobs


def cut(jobs: Iterable[Job], network: Network, wanted: Wanted) -> Iterator[Result]:
    """Cut photos one after another; reading and writing go on beside the network, a few photos deep.

    Args:
        jobs: from ``plan``.
        network: a loaded model.
        wanted: as given to ``plan``.

    Yields:
        One result for each job, in order, once its files are in place.
    """
    predicted = (_predict(loading.result(), network) for loading in ahead(_load, jobs))
    for writing in ahead(partial(_write, wanted=wanted), predicted):
        yield writing.result()


def prepare_output(out: Path) -> None:
    """Make the output folder and see that files can be written in it.

    Raises:
        OutputError: if not.
    """
    make_folder(out)
    probe = out / ".carmask-probe"
    write_atomically(probe, b"carmask")
    probe.unlink(missing_ok=True)


def write_report(out: Path, results: Iterable[Result]) -> Path:
    """Write ``report.csv``.

    Returns:
        Its path.

    Raises:
        OutputError: if it cannot be written.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(REPORT_COLUMNS)
    for result in results:
        confidence = "" if result.confidence is None else f"{result.confidence:.4f}"
        area = "" if result.area is None else f"{result.area:.4f}"
        writer.writerow([result.photo, result.status, result.reason, confidence, area, f"{result.seconds:.3f}"])
    write_atomically(out / REPORT, buffer.getvalue().encode("utf-8", "surrogateescape"))
    return out / REPORT


@dataclass
class _Work:
    """A photo on its way: what is known of it so far, or why it failed."""

    job: Job
    seconds: float = 0.0
    file: PhotoFile | None = None
    prediction: Prediction | None = None
    error: str = ""

    @contextmanager
    def step(self) -> Iterator[None]:
        """Time a step, and keep its error, so that the other photos go on."""
        started = time.perf_counter()
        try:
            yield
        except CarmaskError as error:
            self.error = str(error)
        except MemoryError:
            self.error = f"{self.job.photo}: too large for this machine's memory"
        self.seconds += time.perf_counter() - started


def _load(job: Job) -> _Work:
    work = _Work(job)
    with work.step():
        work.file = open_photo(job.photo)
    return work


def _predict(work: _Work, network: Network) -> _Work:
    with work.step():
        if work.file is not None:
            work.prediction = predict(network, work.file.pixels)
    return work


def _write(work: _Work, wanted: Wanted) -> Result:
    with work.step():
        if work.file is not None and work.prediction is not None:
            _write_outputs(work.job, work.file, work.prediction.mask, wanted)
    if work.error or work.prediction is None:
        return Result(str(work.job.photo), "failed", work.error, seconds=work.seconds)
    confidence, area = work.prediction.confidence, work.prediction.area
    return Result(str(work.job.photo), "done", "" if area else "no car found", confidence, area, work.seconds)


def _write_outputs(job: Job, file: PhotoFile, mask: Mask, wanted: Wanted) -> None:
    outputs = list(job.outputs)
    make_folder(outputs[0].parent)
    if wanted.mask:
        write_mask(outputs.pop(0), mask)
    if wanted.background is not None:
        background = wanted.background.fitted((mask.shape[0], mask.shape[1]))
        write_picture(outputs.pop(0), compose(file.pixels, mask, background), file.icc_profile)
    elif outputs:
        write_cutout(outputs.pop(0), file.pixels, mask, file.icc_profile)


def _search(folder: Path, out: Path, recursive: bool) -> list[Path]:
    outside = out.resolve()
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


def _distinct(found: Mapping[Path, str]) -> dict[Path, str]:
    """Drop photos that were named twice, once by themselves and once by their folder."""
    kept: dict[Path, tuple[Path, str]] = {}
    for photo, name in found.items():
        kept.setdefault(photo.resolve() if not photo.is_symlink() else photo.absolute(), (photo, name))
    return dict(kept.values())


def _refuse_collisions(jobs: Sequence[Job]) -> None:
    photos = {job.photo.resolve() for job in jobs}
    owners: dict[Path, Path] = {}
    for job in jobs:
        for output in job.outputs:
            if output.resolve() in photos:
                raise UsageError(f"{output}: this photo would be overwritten; name another folder with --out")
            owner = owners.setdefault(output, job.photo)
            if owner != job.photo:
                raise UsageError(f"{owner} and {job.photo} would both be written to {output}; rename one of them")
