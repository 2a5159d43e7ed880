"""Open a CSV file as text, plain or compressed, UTF-8 or UTF-16."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, TextIO

from carmask.errors import DataError

#: What a CSV's name ends in, in the order in which one of a fixed name is looked for.
SUFFIXES = (".csv", ".csv.gz", ".csv.zip")


class CsvText(NamedTuple):
    """An open table.

    Attributes:
        stream: its text, with line ends as they stand in the file.
        wide: it is UTF-16, which other programs may refuse.
    """

    stream: TextIO
    wide: bool


def find_csv(folder: Path, name: str) -> Path | None:
    """The CSV of a name in a folder, plain or compressed; None if there is none.

    Args:
        folder: where to look.
        name: without its suffix.
    """
    return next((file for suffix in SUFFIXES if (file := folder / f"{name}{suffix}").is_file()), None)


@contextmanager
def open_csv(file: Path) -> Iterator[CsvText]:
    """Open a CSV; its content says how it is compressed, not its name.

    Args:
        file: a CSV, or one that is compressed by gzip or zip.

    Yields:
        Its text.

    Raises:
        DataError: if it is missing, cannot be read, is not text, or is damaged; also while it is read.
    """
    try:
        with _opened(file) as text:
            yield text
    except OSError as error:
        # Of gzip: damage is an OSError without a number.
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    except UnicodeError as error:
        raise DataError(f"{file}: not UTF-8 text ({error}); save it as 'CSV UTF-8'") from error
    except (EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise DataError(f"{file}: the compressed file is damaged or of an unknown kind ({error})") from error


@contextmanager
def _opened(file: Path) -> Iterator[CsvText]:
    with file.open("rb") as raw:
        magic = raw.read(4)
        raw.seek(0)
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(raw) as content:
                yield _decoded(content)  # type: ignore[arg-type]  # a GzipFile is read as a binary stream
        elif magic == b"PK\x03\x04":
            with zipfile.ZipFile(raw) as archive, archive.open(_member(file, archive)) as content:
                yield _decoded(content)  # type: ignore[arg-type]
        else:
            yield _decoded(raw)


def _member(file: Path, archive: zipfile.ZipFile) -> str:
    """The one CSV in a zip file; what macOS adds does not count."""
    names = [name for name in archive.namelist() if name.lower().endswith(".csv") and "__MACOSX" not in name]
    if len(names) != 1:
        raise DataError(f"{file}: holds {len(names)} CSV files; a zip file must hold one")
    return names[0]


def _decoded(content: BinaryIO) -> CsvText:
    stream = io.BufferedReader(content)  # type: ignore[type-var]  # it needs nothing but readinto
    wide = stream.peek(2)[:2] in {b"\xff\xfe", b"\xfe\xff"}
    return CsvText(io.TextIOWrapper(stream, encoding="utf-16" if wide else "utf-8-sig", newline=""), wide)
