"""Write the challenge's CSV of masks, ``img,rle_mask``; ``rle_table`` reads it."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import IO, BinaryIO

from carmask.errors import OutputError
from carmask.formats.csv_text import csv_lines
from carmask.formats.rle_table import HEADER
from carmask.images import is_photo, make_folder, replacing


def write_rle_csv(file: Path, rows: Iterable[tuple[str, str]]) -> int:
    """Write ``img,rle_mask`` rows as they come; the file is complete or absent.

    Args:
        file: where to; its folder is made if it is missing. A name that ends in ``.gz`` or ``.zip`` has it compressed.
        rows: image name and run-length text. What they raise goes through, and no file is written.

    Returns:
        The number of rows.

    Raises:
        OutputError: if it cannot be written, it has a picture's name, which it would overwrite, or the name of an
            image is no UTF-8.
    """
    refuse_picture(file)
    make_folder(file.parent)
    count = -1  # the header
    with replacing(file) as raw, _packed(raw, file.name) as stream:
        for line in format_rows(rows):
            try:
                stream.write(line.encode())
            except UnicodeEncodeError as error:
                raise OutputError(
                    f"{file}: not written: the name {line.partition(',')[0]!r} is no UTF-8; rename the file"
                ) from error
            count += 1
    return count


@contextmanager
def _packed(raw: BinaryIO, name: str) -> Iterator[IO[bytes] | gzip.GzipFile]:
    """What to write the text to, so that the file is what its name says; the same text gives the same bytes."""
    suffix = Path(name).suffix.lower()
    if suffix == ".gz":
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            yield packed
    elif suffix == ".zip":
        inner = zipfile.ZipInfo(Path(name).stem)
        inner.compress_type = zipfile.ZIP_DEFLATED
        with zipfile.ZipFile(raw, "w") as archive, archive.open(inner, "w", force_zip64=True) as member:
            yield member
    else:
        yield raw


def refuse_picture(file: Path) -> None:
    """Refuse to write a table over a photo or mask: somebody took an input for the output.

    Raises:
        OutputError: if the file is there, and has a picture's suffix.
    """
    if is_photo(file) and file.exists():
        raise OutputError(f"{file}: a picture, which the table would overwrite; give a name that ends in .csv")


def format_rows(rows: Iterable[tuple[str, str]]) -> Iterator[str]:
    """The lines of such a file, header first, each with its line end."""
    return csv_lines(chain([HEADER], rows))
