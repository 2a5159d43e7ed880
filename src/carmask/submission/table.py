"""Read the rows of a submission or of its sample."""

from __future__ import annotations

from pathlib import Path

from carmask.errors import DataError, SubmissionError
from carmask.formats.rle_table import RleRow, RleTable, read_rle_table


def read_table(file: Path) -> RleTable:
    """Read the rows of a submission as they stand, whatever is wrong with their masks.

    Raises:
        SubmissionError: if it cannot be read as ``img,rle_mask`` rows, or holds none.
    """
    try:
        table = read_rle_table(file)
    except DataError as error:
        raise SubmissionError(str(error)) from error
    if not table.rows:
        raise SubmissionError(f"{file}: holds no rows")
    return table


def read_submission(file: Path) -> dict[str, RleRow]:
    """Read the rows of a submission by the stem of the image's name.

    Raises:
        SubmissionError: if the file cannot be read, holds no rows, or an image has two; the message names their lines.
    """
    try:
        return read_table(file).by_stem()
    except DataError as error:
        raise SubmissionError(str(error)) from error


def read_sample(file: Path) -> list[str]:
    """Read the image names that a submission must hold, in order.

    Raises:
        SubmissionError: if the file cannot be read, holds no names, or one twice; the message names the lines.
    """
    return [row.name for row in read_submission(file).values()]
