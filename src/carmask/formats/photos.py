"""Photos of annotated pictures: found by the name the annotations give, and put where a format wants them."""

from __future__ import annotations

import io
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

from PIL import Image

from carmask.errors import DataError, OutputError
from carmask.images import encode_picture, is_photo, is_turned, make_folder, open_photo, write_atomically

PhotoMode = Literal["copy", "link", "none"]
#: Folders of masks, whose pictures are no photos.
_MASKS = frozenset({"masks", "labels", "train_masks", "SegmentationClass", "SegmentationObject", "fields", "parts"})
#: What Label Studio puts before the name of an uploaded file.
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
#: Of a photo that is written anew, upright: no difference to be seen.
_UPRIGHT_QUALITY = 95


class Photos:
    """Photos of some folders, found by name."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """List them.

        Args:
            folders: searched with their sub-folders; those that do not exist are passed over.
        """
        self._paths: dict[str, Path] = {}
        self._bare: dict[str, Path] = {}
        self._names: dict[str, list[Path]] = {}
        self._stems: dict[str, list[Path]] = {}
        seen: set[Path] = set()
        listed: set[Path] = set()
        for folder in folders:
            if folder.is_dir() and folder.resolve() not in seen:
                seen.add(folder.resolve())
                self._list(folder, listed)

    def _list(self, folder: Path, listed: set[Path]) -> None:
        whole = folder.resolve()
        for place, inner, files in os.walk(folder):
            inner[:] = sorted(name for name in inner if not name.startswith(".") and name not in _MASKS)
            for name in sorted(files):
                path = Path(place, name)
                if is_photo(name) and not name.startswith("."):
                    relative = path.relative_to(folder)
                    self._paths.setdefault(_key(relative.as_posix()), path)
                    self._bare.setdefault(_key(relative.with_suffix("").as_posix()), path)
                    if whole / relative in listed:  # in a folder of this folder, which was listed before
                        continue
                    listed.add(whole / relative)
                    self._names.setdefault(_key(name), []).append(path)
                    self._stems.setdefault(_key(path.stem), []).append(path)

    def find(self, name: str, subset: str = "") -> Path | None:
        """The photo that annotations mean by a name.

        Args:
            name: a file name, a path of any system, or an address; what Label Studio puts before an uploaded file's
                name is taken off if there is no photo with it.
            subset: the part of the data set that it is of, such as ``train``: a folder of this name is looked into
                first.

        Returns:
            The photo whose path ends so; else the only one of this file name; else the only one of this stem. None if
            there is none, or several.
        """
        for candidate in (name, *_readings(name)):
            parts = _key(candidate.replace("\\", "/")).split("/")
            for start in range(len(parts)):
                rest = "/".join(parts[start:])
                if found := (subset and self._paths.get(_key(f"{subset}/{rest}"))) or self._paths.get(rest):
                    return found
        for candidate in (name, *_readings(name)):
            file = _key(candidate.replace("\\", "/")).rpartition("/")[2]
            for table, key in ((self._names, file), (self._stems, file.rpartition(".")[0] or file)):
                if len(table.get(key, ())) == 1:
                    return table[key][0]
        return None

    def find_stem(self, stem: str) -> Path | None:
        """The photo of a mask's file.

        Args:
            stem: the name without suffix, folders included.

        Returns:
            The photo whose path without suffix ends so; else the only one of this stem. None if there is none.
        """
        parts = _key(stem).split("/")
        for start in range(len(parts)):
            if found := self._bare.get("/".join(parts[start:])):
                return found
        same = self._stems.get(parts[-1], [])
        return same[0] if len(same) == 1 else None

    def at(self, stem: str) -> Path | None:
        """The photo of just this path in one of the folders, without suffix; None if there is none."""
        return self._bare.get(_key(stem))

    def all(self) -> list[Path]:
        """All of them."""
        return [path for paths in self._names.values() for path in paths]

    def __len__(self) -> int:
        return sum(len(paths) for paths in self._names.values())


def _key(name: str) -> str:
    # File systems write the same letters with different code points.
    return unicodedata.normalize("NFC", name)


def _readings(name: str) -> list[str]:
    """What an address may mean: its path, the file that Label Studio serves, without what an upload adds."""
    found = []
    if "://" in name or name.startswith("/data/") or "%" in name or "?" in name:
        with suppress(ValueError):  # no address, such as one with half of the brackets of IPv6
            parts = urlsplit(name)
            served = parse_qs(parts.query, errors="surrogateescape").get("d", [])
            found = [*served, unquote(parts.path, errors="surrogateescape").lstrip("/")]
    for one in [name, *found]:
        folder, slash, file = one.rpartition("/")
        if _UPLOADED.match(file):
            found.append(folder + slash + file[9:])
    return found


def address_name(address: str) -> str:
    """The likeliest file name of a picture that is given by an address and has no photo."""
    return (_readings(address) or [address])[-1].replace("\\", "/").rpartition("/")[2]


def place_photo(photo: Path, target: Path, mode: PhotoMode, *, upright: bool) -> bool:
    """Put a photo where a format wants it.

    Args:
        photo: the file.
        target: its place; folders are made.
        mode: copy it, make a hard link, or leave it out.
        upright: whether the format's readers pass over EXIF orientation: a photo that it turns is then written anew.

    Returns:
        Whether EXIF turns the photo.

    Raises:
        PhotoError: if it cannot be read.
        OutputError: if it cannot be written.
    """
    turned = is_turned(photo)
    if mode == "none":
        return turned
    make_folder(target.parent)
    if target.exists():
        raise OutputError(f"{target}: two pictures would be written there; rename one of them")
    if turned and upright:
        write_atomically(target, _upright(photo, target))
        return True
    try:
        if mode == "link":
            os.link(photo, target)
        else:
            shutil.copyfile(photo, target)
    except OSError as error:
        what = "linked (name a folder on the same disk, or copy)" if mode == "link" else "copied"
        raise OutputError(f"{target}: {photo.name} cannot be {what}: {error.strerror or error}") from error
    return turned


def _upright(photo: Path, target: Path) -> bytes:
    content = open_photo(photo)
    kind = target.suffix.lower()
    if kind in {".jpg", ".jpeg"}:
        return encode_picture(
            content.pixels, content.icc_profile, format="jpg", quality=_UPRIGHT_QUALITY, exif=content.exif
        )
    if kind == ".png":
        return encode_picture(content.pixels, content.icc_profile, exif=content.exif)
    if kind == ".webp":
        return encode_picture(
            content.pixels, content.icc_profile, format="webp", quality=_UPRIGHT_QUALITY, exif=content.exif
        )
    buffer = io.BytesIO()
    try:
        Image.fromarray(content.pixels).save(buffer, Image.registered_extensions()[kind])
    except (KeyError, OSError, ValueError) as error:
        raise DataError(f"{photo}: cannot be written upright as {kind}") from error
    return buffer.getvalue()
