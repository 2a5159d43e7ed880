"""The challenge's submission file: write it, check it, score it."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from carmask.batch.engines.engine import Engine
from carmask.batch.job import Job, Result
from carmask.batch.manifest import Manifest
from carmask.batch.process import PhotoTask
from carmask.batch.run import open_manifest, run_jobs
from carmask.data.mask_source import Runs, Truth
from carmask.data.table import read_rle_csv
from carmask.errors import DataError, IncompleteError, RLEError, SubmissionError
from carmask.evaluation.metrics import Overlap
from carmask.geometry import Size
from carmask.images import make_folder, remove_leftovers, replacing, write_mask
from carmask.rle import check_runs, parse_runs, rle_decode


class ImageScore(NamedTuple):
    """Dice of one image of a submission."""

    image: str
    dice: float


def write_submission(file: Path, rows: Iterable[tuple[str, str]]) -> int:
    """Write ``img,rle_mask`` rows as they come; the file is complete or absent.

    Args:
        file: where to; its folder must exist.
        rows: image name and run-length text. What they raise goes through, and no file is written.

    Returns:
        The number of rows.

    Raises:
        OutputError: if it cannot be written.
    """
    count = -1  # the header
    with replacing(file) as stream:
        for line in format_rows(rows):
            stream.write(line.encode())
            count += 1
    return count


def format_rows(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The lines of a submission, header first, each with its line end."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    for row in chain([("img", "rle_mask")], rows):
        writer.writerow(row)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()


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
        file: the submission.
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
    with open_manifest(partial, task, photos, restart=restart) as manifest:
        remove_leftovers(file.parent, [file.name])
        yield manifest
    partial.unlink()


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
    error_log.unlink(missing_ok=True)
    follow(run_jobs(jobs, manifest, engine, error_log=error_log))
    failed = sum(manifest.done(job.name) is None for job in jobs)
    if failed:
        raise IncompleteError(
            f"{failed} of {len(jobs)} photos failed; a submission must be complete, none was written; those done are "
            f"kept in {manifest.file.name}"
        )
    for job in jobs:
        result = manifest.done(job.name)
        assert result is not None  # counted above
        assert result.runs is not None  # the task wants them
        yield job.name, result.runs


def decode_to_files(
    file: Path,
    size: Size,
    out: Path,
    *,
    on_failure: Callable[[str], None],
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the masks of a CSV as ``<name>_mask.png``.

    Args:
        file: ``img,rle_mask``.
        size: (height, width) of the frame they are written in.
        out: the folder to write to; made if it is missing.
        on_failure: called with the reason for each row that cannot be decoded; the others go on.
        progress: called with the number done and the number of all.

    Returns:
        The number of masks written.

    Raises:
        SubmissionError: if the CSV cannot be read, names an image twice, or a name is not that of a file in ``out``.
        OutputError: if a mask cannot be written.
    """
    texts = read_submission(file)
    targets = [Path(name).stem + "_mask.png" for name in texts]
    for name in texts:
        if name != Path(name).name or "\\" in name or not Path(name).stem.strip("."):
            raise SubmissionError(f"{file}: {name!r} is not a file name; masks are written into {out} only")
    if len(set(targets)) < len(targets):
        raise SubmissionError(f"{file}: two image names differ only in their suffix; their masks would be one file")
    make_folder(out)
    written = 0
    for done, (target, (name, text)) in enumerate(zip(targets, texts.items(), strict=True), 1):
        try:
            mask = rle_decode(text, *size)
        except RLEError as error:
            on_failure(f"{file}: {name}: {error}")
        else:
            write_mask(out / target, mask)
            written += 1
        if progress is not None:
            progress(done, len(texts))
    return written


def read_sample(file: Path) -> list[str]:
    """Read the image names that a submission must hold, in order.

    Raises:
        SubmissionError: if the file cannot be read or holds no names.
    """
    names = [name for name, _ in _read(file)]
    if not names:
        raise SubmissionError(f"{file}: holds no image names")
    return names


def read_submission(file: Path) -> dict[str, str]:
    """Read run-length texts by image name.

    Raises:
        SubmissionError: if the file cannot be read, or names an image twice.
    """
    rows = _read(file)
    texts = dict(rows)
    if len(texts) < len(rows):
        seen: set[str] = set()
        twice = next(name for name, _ in rows if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise SubmissionError(f"{file}: {len(rows) - len(texts)} rows repeat an image, the first is {twice}")
    return texts


def score_submission(file: Path, truth: Truth) -> list[ImageScore]:
    """Score a submission as Kaggle does: Dice of each image in the truth's frame.

    Args:
        file: the submission. Rows of images that the truth does not know are passed over.
        truth: the true masks.

    Returns:
        A score for each image of the truth, in its order.

    Raises:
        SubmissionError: if the file cannot be read, lacks an image of the truth, or a row is malformed.
        PhotoError: if a true mask cannot be read.
    """
    texts = {Path(name).stem: text for name, text in read_submission(file).items()}
    missing = [name for name in truth.names if name not in texts]
    if missing:
        raise SubmissionError(
            f"{file}: has no row for {len(missing)} of the truth's {len(truth.names)} images, the first is {missing[0]}"
        )
    scores = []
    for name in truth.names:
        true, (height, width) = truth.runs(name)
        try:
            predicted = check_runs(parse_runs(texts[name]), height, width)
        except RLEError as error:
            raise SubmissionError(f"{file}: {name}: {error}; 'carmask check' tells what is behind it") from error
        scores.append(ImageScore(name, overlap_of_runs(predicted, true).dice))
    return scores


def overlap_of_runs(prediction: Runs, truth: Runs) -> Overlap:
    """Count the overlap of two masks without painting them.

    Args:
        prediction: int64 (runs, 2): start, numbered from 1, and length; in order, without overlaps.
        truth: the same.

    Returns:
        The counts that the scores need.
    """
    predicted, true = int(prediction[:, 1].sum()), int(truth[:, 1].sum())
    if not predicted or not true:
        return Overlap(0, predicted, true)
    covered = np.concatenate([[0], np.cumsum(truth[:, 1])])

    def before(position: Runs) -> Runs:
        """How many true pixels lie before each position."""
        index = np.searchsorted(truth[:, 0], position, side="right") - 1
        first = np.maximum(index, 0)
        inside = np.clip(position - truth[first, 0], 0, truth[first, 1])
        return np.where(index < 0, 0, covered[first] + inside)

    both = before(prediction[:, 0] + prediction[:, 1]) - before(prediction[:, 0])
    return Overlap(int(both.sum()), predicted, true)


def match_photos(names: Sequence[str], photos: Mapping[str, Path | str]) -> Iterator[tuple[str, Path | str]]:
    """Find the photo of each image name, by stem.

    Raises:
        DataError: if any is missing.
    """
    missing = [name for name in names if Path(name).stem not in photos]
    if missing:
        raise DataError(f"{len(missing)} of {len(names)} images of the sample have no photo, the first is {missing[0]}")
    return ((name, photos[Path(name).stem]) for name in names)


def _read(file: Path) -> list[tuple[str, str]]:
    try:
        return read_rle_csv(file)
    except DataError as error:
        raise SubmissionError(str(error)) from error
