"""Index PNG: ``images/``, ``labels/NAME.png`` with a number for each pixel, and ``classes.txt``.

With the photos in ``photos/``, there are no names, and all values above 0 are the car.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from carmask.errors import DataError
from carmask.formats.classes import CLASSES, Classes, read_classes, write_classes
from carmask.formats.labels import read_labels, write_labels
from carmask.formats.listing import mask_owner
from carmask.formats.photos import Photos
from carmask.formats.picture import Annotations, Instance, Picture, index_picture, split_labels
from carmask.formats.reading import ReadOptions, file_size, gathered, without_mask
from carmask.formats.writing import Loaded, WriteOptions
from carmask.images import make_folder, search_photos

LABELS = "labels"


def read(path: Path, options: ReadOptions) -> Annotations:
    """Read index pictures.

    Args:
        path: a folder with ``labels``.
        options: where the photos lie, if elsewhere; what the labels show if they have no names.

    Raises:
        DataError: if there are none, or ``classes.txt`` is not one.
    """
    classes = None if is_unnamed(path) else read_classes(path / CLASSES)
    photos = options.find(path / "photos" if classes is None else path / "images")
    files = mask_files(path / LABELS, photos)
    if not files:
        raise DataError(f"{path / LABELS}: no pictures in it")
    names = (options.label,) if classes is None else classes.names
    found = Annotations([], names)
    gathered([_maker(stem, file, classes, names, photos) for stem, file in files.items()], found)
    found.bare = without_mask(found, photos)
    return found


def is_unnamed(path: Path) -> bool:
    """Whether a data set of index pictures has no names for them."""
    return (path / "photos").is_dir() and (path / LABELS).is_dir()


def mask_files(folder: Path, photos: Photos | None = None) -> dict[str, Path]:
    """The pictures of a folder and those below it, by their path without suffix and ``_mask``.

    Args:
        folder: that of the pictures.
        photos: those that they are of, where they are known: one may be called ``NAME_mask`` itself.

    Raises:
        DataError: if there is no such folder, or two would be of the same photo.
    """
    files = search_photos(folder, recursive=True).photos
    stems = {file: file.relative_to(folder).with_suffix("").as_posix() for file in files}
    of_file = {stem: file for file, stem in stems.items()}
    known = {*of_file}

    def has_photo(stem: str) -> bool:
        photo = None if photos is None else photos.at(stem)
        return photo is not None and photo != of_file.get(stem)

    found: dict[str, Path] = {}
    for file, full in stems.items():
        stem = mask_owner(full, has_photo, known)
        if stem in found:
            raise DataError(f"{folder}: {found[stem].name} and {file.name} are both {stem}; keep one of them")
        found[stem] = file
    return found


def _maker(
    stem: str, file: Path, classes: Classes | None, names: Sequence[str], photos: Photos
) -> Callable[[], Picture]:
    def make() -> Picture:
        photo = photos.find_stem(stem)
        load = partial(_instances, file, classes, names)
        return Picture(stem + (photo.suffix if photo else ".jpg"), file_size(file, photo), load, photo, (file,))

    return make


def _instances(file: Path, classes: Classes | None, names: Sequence[str]) -> list[Instance]:
    values = read_labels(file)
    if classes is None:
        return [Instance(names[0], values > 0)]
    return split_labels(classes.labels_of(values, file), names, file)


def write(out: Path, pictures: Iterable[Loaded], names: Sequence[str], _: WriteOptions) -> None:
    """Write ``labels/NAME.png`` and ``classes.txt``.

    Args:
        out: the data set's folder.
        pictures: taken one at a time.
        names: of the labels from 1.
        _: no option is of effect here.

    Raises:
        DataError: if a label is empty, has white space around it, or takes several lines.
        OutputError: if it cannot be written.
    """
    for name in names:
        if not name or name != name.strip() or len(name.splitlines()) > 1:
            raise DataError(f"the label {name!r} does not fit on a line of {CLASSES}; give it another name")
    make_folder(out / LABELS)
    write_classes(out / CLASSES, names)
    for picture in pictures:
        target = out / LABELS / f"{picture.stem}.png"
        make_folder(target.parent)
        write_labels(target, index_picture(picture.instances, picture.size, names))
