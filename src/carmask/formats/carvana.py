"""The challenge's form: ``train/`` with ``train_masks/`` or ``train_masks.csv``; or a CSV alone, as submissions are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

from carmask.errors import DataError, RLEError
from carmask.formats.folders import mask_picture
from carmask.formats.listing import find_masks
from carmask.formats.picture import Annotations, Instance, Picture, union
from carmask.formats.reading import ReadOptions, gathered, photo_size, without_mask
from carmask.formats.rle import rle_decode, rle_encode
from carmask.formats.rle_csv import write_rle_csv
from carmask.formats.rle_table import HEADER, find_mask_table, is_table, read_rle_table
from carmask.formats.sources import clean_name, peek
from carmask.formats.writing import Loaded, WriteOptions
from carmask.geometry import Size
from carmask.images import make_folder

PHOTOS, MASKS, CSV = "train", "train_masks", "train_masks.csv"


def is_csv(path: Path) -> bool:
    """Whether a file is a CSV of masks."""
    if not path.is_file() or not is_table(path):
        return False
    # What is compressed shows no header.
    return path.suffix.lower() != ".csv" or all(word in peek(path, 64) for word in HEADER)


def is_source(path: Path) -> bool:
    """Whether a path is a data set of the challenge, or a CSV of masks."""
    return is_csv(path) or (path / MASKS).is_dir() or find_mask_table(path) is not None


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read a data set of the challenge, or a CSV of masks.

    Args:
        path: a folder, or the CSV.
        options: where the photos lie, if elsewhere, or the size of all; what the masks show.

    Raises:
        DataError: if there are no masks, or the CSV is not one.
    """
    found = Annotations([], (options.label,), "submission" if path.is_file() and path.name != CSV else "")
    photos = options.find(*([path / PHOTOS] if path.is_dir() else [path.parent / PHOTOS]))
    if (path / MASKS).is_dir():
        files = find_masks(path / MASKS)
        gathered([mask_picture(stem, file, photos, options.label) for stem, file in files.items()], found)
        found.bare = without_mask(found, photos)
        return found
    file = path if path.is_file() else find_mask_table(path) or path / CSV
    makers: list[Callable[[], Picture]] = []
    for line, name, text in read_rle_table(file).rows:
        makers.append(_maker(f"{file}: line {line}", name, text, options, photos.find(name)))
    if not makers:
        raise DataError(f"{file}: has no rows")
    gathered(makers, found)
    found.bare = without_mask(found, photos)
    return found


def _maker(where: str, name: str, text: str, options: ReadOptions, photo: Path | None) -> Callable[[], Picture]:
    def make() -> Picture:
        clean = clean_name(name, where)
        size = photo_size(clean, photo, options)
        return Picture(clean, size, partial(_instances, f"{where}: {clean}", text, size, options.label), photo)

    return make


def _instances(where: str, text: str, size: Size, label: str) -> list[Instance]:
    try:
        return [Instance(label, rle_decode(text, *size))]
    except RLEError as error:
        raise DataError(f"{where}: {error}") from error


def write(out: Path, pictures: Iterable[Loaded], _: Sequence[str], __: WriteOptions) -> None:
    """Write ``train_masks.csv``.

    Args:
        out: the data set's folder.
        pictures: taken one at a time.
        _: labels become one.
        __: no option is of effect here.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(out)

    def rows() -> Iterator[tuple[str, str]]:
        for picture in pictures:
            yield picture.name, rle_encode(union(picture.instances, picture.size))

    write_rle_csv(out / CSV, rows())
