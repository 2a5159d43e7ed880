"""Files that annotations come from: read with care for their size, their encoding, and paths that lead elsewhere."""

from __future__ import annotations

import json
import lzma
import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any
from xml.parsers import expat  # document types, and so entities, are refused

from carmask.errors import DataError
from carmask.geometry import Size
from carmask.images import MAX_PIXELS

#: A larger text is refused: read at once, it takes up to ten times as much memory.
MAX_TEXT = 512 * 2**20
#: Of an archive, unpacked, all files together; and as many times the archive's size.
MAX_UNPACKED, MAX_RATIO = 64 * 2**30, 200


def read_json(file: Path) -> Any:
    """Read a JSON file in any of the encodings it may have, with a byte-order mark or without.

    Raises:
        DataError: if it cannot be read, is not JSON, or is larger than 512 MB.
    """
    raw = read_bytes(file)
    try:
        return json.loads(raw.decode(json.detect_encoding(raw)))
    except RecursionError as error:
        raise DataError(f"{file}: JSON nested too deeply") from error
    except ValueError as error:
        raise DataError(f"{file}: not JSON: {error}") from error


def read_text(file: Path) -> str:
    """Read a text file in UTF-8, with a byte-order mark or without.

    Raises:
        DataError: if it cannot be read, is not text, or is larger than 512 MB.
    """
    try:
        return read_bytes(file).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not a text file in UTF-8") from error


def read_bytes(file: Path) -> bytes:
    """Read a file of a size that can be handled at once.

    Raises:
        DataError: if it cannot be read, or is larger than 512 MB.
    """
    try:
        size = file.stat().st_size
        if size > MAX_TEXT:
            raise DataError(
                f"{file}: {size / 1e9:.1f} GB; at most {MAX_TEXT / 1e9:.1f} GB are read at once: "
                "export fewer pictures at a time and convert each export"
            )
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error


def parse_xml(
    file: Path,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> None:
    """Read an XML file, calling for each element and text.

    Args:
        file: at most 512 MB.
        start: takes an element's name and attributes.
        end: takes an element's name.
        text: takes a piece of text.

    Raises:
        DataError: if it cannot be read, is not XML, or declares a document type, with which entities come.
    """

    def refuse(*_: object) -> None:
        raise DataError(f"{file}: has a document type, which these files have not")

    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler, parser.StartElementHandler = refuse, start
    parser.EndElementHandler, parser.CharacterDataHandler = end, text
    try:
        parser.Parse(read_bytes(file), True)
    except (expat.ExpatError, LookupError) as error:  # an encoding that there is none of is a LookupError
        raise DataError(f"{file}: not XML: {error}") from error


def peek(file: Path, length: int = 65536) -> str:
    """The beginning of a text file, for a look at what it is; empty if it cannot be read."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(length)
    except OSError:
        return ""
    return raw.decode(json.detect_encoding(raw[:4]) if raw else "utf-8", "replace").lstrip()


def clean_name(name: object, where: str) -> str:
    """A picture's name as a relative path with ``/``, whatever system it was written on.

    Args:
        name: as written in the annotations.
        where: what it is written in, for the message.

    Raises:
        DataError: if it is no text, is empty, no file can have it, or it leads out of its folder.
    """
    if not isinstance(name, str) or not name.strip() or "\0" in name:
        raise DataError(f"{where}: a picture has no file name")
    try:
        os.fsencode(name)
    except UnicodeEncodeError as error:  # half of a pair, as JSON can hold it
        raise DataError(f"{where}: no file can have the name {name!r}") from error
    parts = PurePosixPath(name.replace("\\", "/")).parts
    kept = [part for part in parts if part != "."]
    if not kept or ".." in kept or kept[0].startswith("/") or (len(kept[0]) == 2 and kept[0][1] == ":"):
        raise DataError(f"{where}: the picture's name {name!r} leads out of its folder")
    return "/".join(kept)


def check_size(height: object, width: object, where: str) -> Size:
    """A picture's size from what a file says of it.

    Returns:
        (height, width).

    Raises:
        DataError: if these are no sides of a picture, or it would have more than 128 megapixels.
    """
    sides = [
        int(side)
        if isinstance(side, (int, float)) and not isinstance(side, bool) and side == side // 1
        else int(side)
        if isinstance(side, str) and side.isascii() and side.isdigit()
        else 0
        for side in (height, width)
    ]
    if min(sides) < 1 or sides[0] * sides[1] > MAX_PIXELS:
        raise DataError(f"{where}: {width} x {height} is no size of a picture")
    return sides[0], sides[1]


def unique(keys: Iterable[object], what: str, where: Path) -> None:
    """Refuse what stands in a file twice.

    Raises:
        DataError: naming the first.
    """
    seen = set()
    for key in keys:
        if key in seen:
            raise DataError(f"{where}: the {what} {key!r} is there twice")
        seen.add(key)


def unpack(archive: Path) -> tuple[Path, tempfile.TemporaryDirectory[str]]:
    """Unpack a ZIP file into a temporary folder.

    Returns:
        The folder, and what removes it when it is no longer held.

    Raises:
        DataError: if it is no ZIP file or damaged, a name in it leads out of it, or it is too large unpacked.
    """
    folder = tempfile.TemporaryDirectory(prefix="carmask-")
    try:
        with zipfile.ZipFile(archive) as packed:
            entries = [entry for entry in packed.infolist() if not entry.is_dir()]
            size = sum(entry.file_size for entry in entries)
            if size > min(MAX_UNPACKED, MAX_RATIO * archive.stat().st_size + 2**20):
                raise DataError(f"{archive}: {size / 1e9:.1f} GB unpacked, which is no archive of pictures")
            for entry in entries:
                if stat.S_ISLNK(entry.external_attr >> 16):
                    raise DataError(f"{archive}: holds a link, {entry.filename!r}")
                name = _inside(entry.filename, archive)
                target = Path(folder.name, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                with packed.open(entry) as source, target.open("wb") as into:
                    while block := source.read(2**20):
                        into.write(block)
    # The last two: of damaged content.
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, lzma.LZMAError) as error:
        folder.cleanup()
        raise DataError(f"{archive}: not a ZIP file that can be read: {error}") from error
    except OSError as error:
        folder.cleanup()
        raise DataError(f"{archive}: cannot be unpacked: {error.strerror or error}") from error
    except DataError:
        folder.cleanup()
        raise
    return Path(folder.name), folder


def _inside(name: str, archive: Path) -> str:
    try:
        return clean_name(name, str(archive))
    except DataError as error:
        raise DataError(f"{archive}: the name {name!r} in it leads out of it; nothing was unpacked") from error
