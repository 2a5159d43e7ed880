"""Search folders for photos; whatever is not taken is listed with the reason."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from carmask.errors import DataError
from carmask.images.presence import is_folder, is_link
from carmask.images.suffixes import why_left_out

#: Why a folder in a folder is left out.
SUB_FOLDER = "a sub-folder, which is not searched"


def real_path(path: Path) -> Path:
    """A path with its links resolved, as far as they lead anywhere.

    Args:
        path: a file or folder; it may be missing, or be a link to itself, at which ``Path.resolve`` raises.

    Returns:
        Absolute.
    """
    return Path(os.path.realpath(path))


def list_folder(folder: Path) -> list[Path]:
    """What is in a folder, sorted by name.

    Raises:
        DataError: if it is missing, or cannot be listed.
    """
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise DataError(f"{folder}: the folder cannot be read: {error.strerror or error}") from error


class RealPaths:
    """Real paths of many files: links of a folder are resolved once, however many files are in it."""

    def __init__(self) -> None:
        """Begin with none; a folder that changes while it is kept is not noticed."""
        self._real = cache(real_path)

    def folder(self, file: Path) -> Path:
        """The folder that a file is in, with its links resolved."""
        return self._real(file.parent)

    def of(self, file: Path) -> Path:
        """A file's path with its links resolved, as ``real_path`` has it."""
        return real_path(file) if is_link(file) else self.entry(file)

    def entry(self, file: Path) -> Path:
        """A file's path with its folder's links resolved; a link itself is not what it leads to."""
        return real_path(file) if file.name in {"", ".."} else self.folder(file) / file.name


class LeftOut(NamedTuple):
    """A file or folder that was found, and is not among the photos.

    Attributes:
        path: where it is.
        reason: why it is left out, in words.
        failed: it may hold photos, and cannot be read: a failure, not a choice.
    """

    path: Path
    reason: str
    failed: bool = False


class FoundPhotos(NamedTuple):
    """What a folder holds.

    Attributes:
        photos: files with a photo's suffix, sorted by path. One may be a link whose target is missing: it fails when it
            is read, under its own name.
        left_out: everything else, sorted by path. A folder that is not searched is one entry.
    """

    photos: tuple[Path, ...]
    left_out: tuple[LeftOut, ...]


def search_photos(folder: Path, *, recursive: bool = False, skip: Path | None = None) -> FoundPhotos:
    """List a folder's photos, and what is left out.

    Args:
        folder: where to look.
        recursive: look into sub-folders too; links to folders are not followed.
        skip: a folder that is passed over without mention, such as that of the results.

    Returns:
        The photos, and the rest with reasons.

    Raises:
        DataError: if the folder itself is missing or cannot be listed.
    """
    if not is_folder(folder, DataError):
        raise DataError(f"{folder}: there is no such folder")
    passed = None if skip is None else real_path(skip)
    photos: list[Path] = []
    left_out: list[LeftOut] = []
    waiting = [folder]
    while waiting:
        here = waiting.pop()
        try:
            with os.scandir(here) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            reason = f"the folder cannot be read: {error.strerror or error}"
            if here == folder:
                raise DataError(f"{folder}: {reason}") from error
            left_out.append(LeftOut(here, reason, failed=True))
            continue
        for entry in listed:
            path = here / entry.name
            if _is_folder(entry):
                if real_path(path) == passed:
                    continue
                reason = _why_not_searched(entry, recursive=recursive)
                if reason:
                    left_out.append(LeftOut(path, reason))
                else:
                    waiting.append(path)
            elif reason := why_left_out(path):
                left_out.append(LeftOut(path, reason))
            elif not (entry.is_symlink() or _is_file(entry)):
                # To open a pipe would wait for ever.
                left_out.append(LeftOut(path, "not a file: a pipe, a socket or a device", failed=True))
            else:
                photos.append(path)
    return FoundPhotos(tuple(sorted(photos)), tuple(sorted(left_out)))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads round in a circle
        return False


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file(follow_symlinks=False)
    except OSError:  # it fails when it is read, under its own name
        return True


def _why_not_searched(entry: os.DirEntry[str], *, recursive: bool) -> str:
    if entry.name.startswith("."):
        return "hidden: its name begins with a dot"
    if not recursive:
        return SUB_FOLDER
    return "a link to a folder, which is not followed" if entry.is_symlink() else ""
