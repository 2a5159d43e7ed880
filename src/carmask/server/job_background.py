"""The background picture that a job was given, in the job's folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from carmask.images import PhotoFile, encode_picture, flush_folder, open_photo, remove_file, write_atomically

_FILE = "background.png"
#: In place of a picture whose pixels are not needed.
_STAND_IN = PhotoFile(np.zeros((1, 1, 3), np.uint8), None)


def kept_background(folder: Path, *, decode: bool = True) -> PhotoFile | None:
    """The picture, or None; without ``decode`` something in place of it."""
    if not (folder / _FILE).exists():
        return None
    return open_photo(folder / _FILE) if decode else _STAND_IN


def keep_background(folder: Path, picture: PhotoFile | None) -> None:
    """Write the picture, or remove the one that is there.

    Raises:
        OutputError: if it cannot be written.
    """
    if picture is None:
        remove_file(folder / _FILE)
    else:
        write_atomically(folder / _FILE, encode_picture(picture.pixels, picture.icc_profile))
    flush_folder(folder)
