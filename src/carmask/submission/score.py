"""Score a submission as the challenge does: Dice of each image in the truth's frame."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from carmask.data.mask_source import Runs, Truth
from carmask.errors import RLEError, SubmissionError
from carmask.evaluation.overlap import overlap_of_runs
from carmask.formats.rle import check_runs, parse_runs
from carmask.formats.rle_table import RleRow
from carmask.geometry import Size
from carmask.submission.table import read_submission


class ImageScore(NamedTuple):
    """Dice of one image of a submission."""

    image: str
    dice: float


def score_submission(file: Path, truth: Truth) -> list[ImageScore]:
    """Score a submission.

    Args:
        file: the submission. Rows of images that the truth does not hold are passed over.
        truth: the true masks.

    Returns:
        A score for each image of the truth, in its order.

    Raises:
        SubmissionError: if the file cannot be read, a row is malformed, or an image of the truth has no row; what is
            malformed is said first.
        DataError: if a true mask has another fault.
        PhotoError: if a true mask cannot be read.
    """
    rows = read_submission(file)
    missing = [name for name in truth.names if name not in rows]
    if missing:
        for row in rows.values():
            _parse(file, row)
        raise SubmissionError(
            f"{file}: has no row for {len(missing)} of the truth's {len(truth.names)} images, the first is {missing[0]}"
        )
    scores = []
    for name in truth.names:
        true, size = truth.runs(name)
        scores.append(ImageScore(name, overlap_of_runs(_parse(file, rows[name], size), true).dice))
    return scores


def _parse(file: Path, row: RleRow, size: Size | None = None) -> Runs:
    try:
        runs = parse_runs(row.text)
        return runs if size is None else check_runs(runs, *size)
    except RLEError as error:
        raise SubmissionError(
            f"{file}: line {row.line}: {row.name}: {error}; 'carmask check' finds the cause"
        ) from error
