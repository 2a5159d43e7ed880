"""Where photos are read from and results are written to: the file system, or stores that Arrow reaches.

A location with a scheme (``s3://bucket/photos``, ``gs://``, ``abfss://``, ``hdfs://``) is handled here, as text;
``file://`` and everything else is a path. https://arrow.apache.org/docs/python/filesystems.html
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

from carmask.errors import OutputError, PhotoError, UsageError
from carmask.failures import first_line
from carmask.images import PHOTO_SUFFIXES, make_folder, write_atomically

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

    #: From a location to its file system and its path there.
    Resolve: TypeAlias = Callable[[str], tuple[FileSystem, str]]

#: Stores that show an object only once it is whole. Elsewhere a file is written under another name and moved.
_WHOLE_OBJECTS = frozenset({"s3", "gs", "gcs", "abfs", "abfss"})


class Storage(Protocol):
    """Where photos are read from and results are written to."""

    def read(self, photo: Path | str) -> tuple[bytes, str]:
        """Read a file whole.

        Returns:
            Its content and its stamp, which changes when the content does.

        Raises:
            PhotoError: if it cannot be read.
        """

    def write(self, output: Path | str, content: bytes) -> None:
        """Write a file whole or not at all, and the folders it lies in.

        Raises:
            OutputError: if it cannot be written.
        """

    def remove(self, output: Path | str) -> None:
        """Delete a file; nothing if it is not there.

        Raises:
            OutputError: if it cannot be deleted.
        """


class LocalStorage:
    """The file system, with everything that is mounted in it."""

    def read(self, photo: Path | str) -> tuple[bytes, str]:
        """Read a file whole; see ``Storage``."""
        try:
            with Path(photo).open("rb") as stream:
                return stream.read(), stamp_of(os.fstat(stream.fileno()))
        except FileNotFoundError as error:
            missing = "a link to a file that is missing" if Path(photo).is_symlink() else "there is no such file"
            raise PhotoError(f"{photo}: {missing}") from error
        except IsADirectoryError as error:
            raise PhotoError(f"{photo}: this is a folder, not a photo") from error
        except OSError as error:
            raise PhotoError(f"{photo}: cannot be read: {error.strerror or error}") from error

    def write(self, output: Path | str, content: bytes) -> None:
        """Write a file whole or not at all; see ``Storage``."""
        path = Path(output)
        make_folder(path.parent)
        write_atomically(path, content)

    def remove(self, output: Path | str) -> None:
        """Delete a file; see ``Storage``."""
        try:
            Path(output).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{output}: cannot be deleted: {error.strerror or error}") from error


def stamp_of(status: os.stat_result) -> str:
    """What changes when a file is written to: its size, and two clocks, of which one cannot be set by a user."""
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def location(place: Path | str) -> Path | str:
    """A path, or the text itself if it is a location in a store.

    Raises:
        UsageError: if it is neither a path nor a text.
    """
    if isinstance(place, Path):
        return place
    if not isinstance(place, str):
        raise UsageError(f"{place!r}: give a path, or a list of paths")
    text = place
    if text.startswith("file://"):
        return Path(unquote(urlsplit(text).path))
    return text.rstrip("/") if "://" in text else Path(text)


def resolve(text: str) -> tuple[FileSystem, str]:
    """Find the file system of a location, and its path there.

    Raises:
        UsageError: if there is none for this scheme.
    """
    from pyarrow import ArrowInvalid, ArrowNotImplementedError
    from pyarrow.fs import FileSystem

    try:
        found: tuple[FileSystem, str] = FileSystem.from_uri(text)
    except (ArrowInvalid, ArrowNotImplementedError, OSError) as error:
        raise UsageError(f"{text}: no such store can be reached: {first_line(error)}") from error
    return found


class Stores:
    """Reads and writes locations of both kinds; picklable, as it goes to other machines."""

    def __init__(self, find: Resolve = resolve) -> None:
        """Use a way to find file systems.

        Args:
            find: importable, as it is sent by its name.
        """
        self._find = find
        self._local = LocalStorage()

    def read(self, photo: Path | str) -> tuple[bytes, str]:
        """Read a file whole; see ``Storage``. The stamp is empty: what a store says of times is not to be relied on."""
        if isinstance(photo, Path):
            return self._local.read(photo)
        try:
            files, path = self._find(photo)
            with files.open_input_stream(path, compression=None) as stream:
                return stream.read(), ""
        except OSError as error:
            raise PhotoError(f"{photo}: cannot be read: {first_line(error)}") from error

    def write(self, output: Path | str, content: bytes) -> None:
        """Write a file whole or not at all; see ``Storage``."""
        if isinstance(output, Path):
            self._local.write(output, content)
            return
        try:
            files, path = self._find(output)
            if urlsplit(output).scheme in _WHOLE_OBJECTS:
                with files.open_output_stream(path, compression=None) as stream:
                    stream.write(content)
                return
            target = PurePosixPath(path)
            files.create_dir(str(target.parent), recursive=True)
            temporary = str(target.with_name(f".{target.name[:200]}.tmp"))
            with files.open_output_stream(temporary, compression=None) as stream:
                stream.write(content)
            files.move(temporary, path)
        except OSError as error:
            raise OutputError(f"{output}: cannot be written: {first_line(error)}") from error

    def remove(self, output: Path | str) -> None:
        """Delete a file; see ``Storage``."""
        if isinstance(output, Path):
            self._local.remove(output)
            return
        try:
            files, path = self._find(output)
            files.delete_file(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise OutputError(f"{output}: cannot be deleted: {first_line(error)}") from error

    def find(self, folder: str, *, recursive: bool = False) -> dict[str, str]:
        """Find the photos of a folder, as ``plan`` does on paths.

        Args:
            folder: a location.
            recursive: search sub-folders too.

        Returns:
            Their names, relative to the folder, without suffix, by location; sorted.

        Raises:
            UsageError: if there are none.
        """
        from pyarrow.fs import FileSelector, FileType

        files, path = self._find(folder)
        try:
            entries = files.get_file_info(FileSelector(path, recursive=recursive))
        except OSError as error:
            raise UsageError(f"{folder}: cannot be listed: {first_line(error)}") from error
        names = sorted(
            str(PurePosixPath(entry.path).relative_to(path)) for entry in entries if entry.type == FileType.File
        )
        found = {f"{folder}/{name}": str(PurePosixPath(name).with_suffix("")) for name in names if _is_photo(name)}
        if not found:
            raise UsageError(f"{folder}: no photos in this folder ({', '.join(sorted(PHOTO_SUFFIXES))})")
        return found

    def by_stem(self, folder: str) -> dict[str, str]:
        """List a folder's photos by stem, for a submission.

        Raises:
            UsageError: if there are none, or two have the same stem.
        """
        named = self.find(folder)
        found = {name: photo for photo, name in named.items()}
        if len(found) < len(named):
            raise UsageError(f"{folder}: two photos differ only in their suffix; keep one of them")
        return found


def _is_photo(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in PHOTO_SUFFIXES and not any(part.startswith(".") for part in path.parts)


def join(folder: Path | str, file: str) -> Path | str:
    """A file in a folder, of either kind."""
    return folder / file if isinstance(folder, Path) else f"{folder}/{file}"


def need_state(out: Path | str, state: Path | None) -> Path:
    """The local folder that holds manifest and report: the output folder itself, where that is local.

    Args:
        out: where results go.
        state: what the user asked for.

    Raises:
        UsageError: if results go to a store and no local folder is named.
    """
    if state is not None:
        return state
    if isinstance(out, Path):
        return out
    raise UsageError(f"{out}: add a local folder for manifest and report.csv, state=…")


def local_only(paths: Sequence[Path | str]) -> list[Path]:
    """Return paths.

    Raises:
        UsageError: if one of them is in a store.
    """
    for path in paths:
        if not isinstance(path, Path):
            raise UsageError(f"{path}: object stores are read and written with engine='ray'")
    return [Path(path) for path in paths]
