"""Hashes of the content of files and folders; of a file that has not changed since, it is remembered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from carmask.errors import DataError
from carmask.images import write_atomically


class Hashes:
    """SHA-256 of contents. A file is read again if its size or time of modification is another one."""

    def __init__(self, memory: Path) -> None:
        """Open the memory.

        Args:
            memory: a JSON file; what cannot be read of it is forgotten.
        """
        self._memory, self._changed = memory, False
        self._known: dict[str, tuple[int, int, str]] = {}
        with suppress(OSError, ValueError, TypeError, IndexError, AttributeError):
            self._known = {name: (one[0], one[1], one[2]) for name, one in json.loads(memory.read_text()).items()}

    def of(self, path: Path) -> str:
        """The hash of a file's content, or of a folder's: of the names and contents of all files in it.

        Folders that links in it lead to are looked into: a data set's photos may lie on another disk.

        Raises:
            DataError: if it cannot be read.
        """
        if path.is_dir():
            whole = hashlib.sha256()
            for file in sorted(_files_in(path)):
                line = f"{file.relative_to(path).as_posix()}\0{self._of_file(file)}\n"
                whole.update(line.encode("utf-8", "surrogateescape"))
            return whole.hexdigest()
        return self._of_file(path)

    def save(self) -> None:
        """Write the memory.

        Raises:
            OutputError: if it cannot be written.
        """
        if self._changed:
            write_atomically(self._memory, json.dumps(self._known).encode())
            self._changed = False

    def _of_file(self, file: Path) -> str:
        name = str(file.resolve())
        try:
            status = file.stat()
            known = self._known.get(name)
            if known is not None and known[:2] == (status.st_size, status.st_mtime_ns):
                return known[2]
            with file.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise DataError(f"{file}: cannot be read: {error.strerror}") from error
        self._known[name] = (status.st_size, status.st_mtime_ns, found)
        self._changed = True
        return found


def _files_in(folder: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """All files in a folder and below, also where a link leads to another folder."""
    here = folder.resolve()
    if here in above:  # a link that leads back
        return
    try:
        entries = list(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error.strerror}") from error
    for one in entries:
        if one.is_dir():
            yield from _files_in(one, (*above, here))
        elif one.is_file():
            yield one
