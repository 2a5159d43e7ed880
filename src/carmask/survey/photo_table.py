"""A data set as a table: a row for each photo, joined with what is known of its car."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from carmask.errors import OutputError, UsageError
from carmask.formats.csv_text import encode_csv
from carmask.images import make_folder, replacing, write_atomically
from carmask.survey.facts import Facts
from carmask.survey.survey import Survey

_COLUMNS = (
    "id", "img", "mask_file", "rle_mask", "year", "make", "model", "trim1", "trim2", "view", "area", "width", "height",
    "contour", "car_brightness", "background_brightness", "colour_difference",
)  # fmt: skip


def write_table(file: Path, found: Survey) -> int:
    """Write the joined table: a row for each photo.

    Columns: ``id`` (car), ``img``, ``mask_file``, ``rle_mask``, what ``metadata.csv`` knows of the car, ``view``,
    ``area`` (fraction of the photo), and the other measures of ``Facts``.

    Args:
        file: its suffix chooses the format: ``.csv`` or ``.parquet``.
        found: from ``survey``.

    Returns:
        The number of rows.

    Raises:
        UsageError: if the suffix is another, or Parquet is wanted and pyarrow is not installed.
        OutputError: if it cannot be written, or a name is no UTF-8, which only ``.csv`` can hold.
    """
    check_table(file)
    rows = [_row(one, found) for one in found.facts]
    make_folder(file.parent)
    if file.suffix.lower() == ".csv":
        write_atomically(file, encode_csv(_COLUMNS, rows))
        return len(rows)
    import pyarrow
    from pyarrow import parquet

    columns = {name: [row[i] for row in rows] for i, name in enumerate(_COLUMNS)}
    try:
        with replacing(file) as stream:
            parquet.write_table(pyarrow.table(columns), stream, compression="zstd")
    except UnicodeEncodeError as error:
        raise OutputError(
            f"{file}: not written: the name {error.object!r} is no UTF-8, which Parquet's texts are; write .csv"
        ) from error
    except pyarrow.ArrowException as error:
        raise OutputError(f"{file}: cannot be written: {error}") from error
    return len(rows)


def check_table(file: Path) -> None:
    """Refuse, before the work, a table that could not be written after it, or would take the place of another one.

    Raises:
        UsageError: if the suffix is neither ``.csv`` nor ``.parquet``, pyarrow is needed and not installed, or a table
            with other columns is there, such as the data set's own.
        OutputError: if the table that is there cannot be read.
    """
    suffix = file.suffix.lower()
    if suffix not in {".csv", ".parquet"}:
        raise UsageError(f"{file}: the table is written as .csv or .parquet; give it one of these suffixes")
    if suffix == ".parquet" and find_spec("pyarrow") is None:
        raise UsageError(f"{file}: Parquet needs pyarrow: pip install 'carmask[table]', or write a .csv")
    if suffix == ".csv" and file.is_file() and not _is_own(file):
        raise UsageError(
            f"{file}: another table is there, and would be overwritten; name another file", argument="table"
        )


def _is_own(file: Path) -> bool:
    """Whether a table, such as one of an earlier call, has the columns that are written here; so has an empty file."""
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return stream.readline(1000).rstrip("\n") in {"", ",".join(_COLUMNS)}
    except OSError as error:
        raise OutputError(f"{file}: cannot be read: {error.strerror or error}") from error


def _row(one: Facts, found: Survey) -> list[str | int | float | None]:
    info = found.metadata.get(one.car)
    known = [info.year, info.make, info.model, info.trim1, info.trim2] if info else [""] * 5
    return [
        one.car, one.photo.name, one.mask.name if one.mask else "", one.rle, *known, one.view, one.area,
        one.size[1], one.size[0], one.contour, one.car_brightness, one.background_brightness, one.difference,
    ]  # fmt: skip
