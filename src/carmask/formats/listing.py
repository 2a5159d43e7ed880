"""Photos and masks of a folder, by the stem that pairs them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from pathlib import Path, PurePath

from carmask.errors import DataError
from carmask.images import is_there, search_photos

#: What masks are called beside their photo: CAR_01_mask.gif, car-mask.png, CAR_MASK.PNG.
_MASK_ENDING = re.compile(r"[_-]mask$", re.IGNORECASE)


def composed(name: str) -> str:
    """A name with its letters composed (NFC): macOS and some programs write the same letters with other code points."""
    return unicodedata.normalize("NFC", name)


def file_stem(file: PurePath | str) -> str:
    """The stem that pairs a file with others: without suffix, composed."""
    return composed(PurePath(file).stem)


def find_photos(folder: Path) -> dict[str, Path]:
    """List a folder's photos by stem, sorted.

    Raises:
        DataError: if the folder is missing, holds no photos, or two of them have the same stem.
    """
    return _by_stem(folder, file_stem)


def find_masks(folder: Path, photos: Collection[str] = ()) -> dict[str, Path]:
    """List a folder's masks by the stem of the photo they belong to (``_mask`` taken off), sorted.

    Where ``car_mask.png`` lies beside ``car.png``, as in the folder of a run's results, it is the mask of the two.

    Args:
        folder: that of the masks.
        photos: stems of the photos, composed, where they are known: see ``mask_owner``.

    Raises:
        DataError: if the folder is missing, holds no masks, or two belong to the same photo.
    """
    stems = {file_stem(path) for path in search_photos(folder).photos}
    owners = {stem: mask_owner(stem, photos.__contains__, stems) for stem in stems}
    named = {owner for stem, owner in owners.items() if owner != stem}

    def is_mask(path: Path) -> bool:
        stem = file_stem(path)
        return stem not in named or (owners[stem] != stem and owners[stem] in photos)

    return _by_stem(folder, lambda path: owners[file_stem(path)], is_mask)


def list_masks(paths: Sequence[Path]) -> dict[str, Path]:
    """List mask files, and those of folders, by the stem of the photo they belong to, in the order given.

    Args:
        paths: files or folders, see ``find_masks``.

    Raises:
        DataError: if one is not there, a folder holds no masks, or two belong to the same photo.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if not is_there(path, DataError):
            raise DataError(f"{path}: there is no such file")
        for file in find_masks(path).values() if path.is_dir() else [path]:
            stem = photo_stem(file)
            if stem in found:
                raise DataError(f"{found[stem]} and {file} are both masks of {stem}; give one of them")
            found[stem] = file
    return found


def photo_stem(mask: Path) -> str:
    """The stem of the photo that a mask's file belongs to: ``_mask`` at its end is taken off, in any case."""
    return _MASK_ENDING.sub("", mask.stem) or mask.stem


def mask_owner(stem: str, has_photo: Callable[[str], bool], masks: Collection[str]) -> str:
    """The stem of the photo that a mask belongs to, where photos may be called ``NAME_mask``, too.

    The mask ``a_mask.png`` is that of ``a``, unless there is a photo ``a_mask`` that has no other mask, and ``a`` is no
    photo or has another one.

    Args:
        stem: of the mask's file, folders included.
        has_photo: whether there is a photo of a stem.
        masks: stems of all masks' files.
    """
    plain = _MASK_ENDING.sub("", stem)
    if plain == stem or not plain or plain.endswith("/"):
        return stem
    if not has_photo(stem) or f"{stem}_mask" in masks or f"{stem}-mask" in masks:
        return plain
    return plain if has_photo(plain) and plain not in masks else stem


def _by_stem(
    folder: Path, stem_of: Callable[[Path], str], counts: Callable[[Path], bool] = lambda _: True
) -> dict[str, Path]:
    photos, left_out = search_photos(folder)
    found: dict[str, Path] = {}
    for path in filter(counts, photos):
        stem = composed(stem_of(path))
        if stem in found:
            raise DataError(f"{folder}: {found[stem].name} and {path.name} are both {stem}; keep one of them")
        found[stem] = path
    if not found:
        others = [f"; {len(left_out)} left out, the first is {one.path.name}: {one.reason}" for one in left_out[:1]]
        raise DataError(f"{folder}: no pictures in it{''.join(others)}")
    return found
