"""Data sets of parts from one form into another: COCO, index PNG, and from the source's arrays.

The source's arrays are ``NAME.npy`` of (height, width, 4): RGB, and a value for the class (0, 10 … 90 if no
``classes.txt`` lies beside them).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.data.classes import ARRAY_CLASSES, CLASSES, Classes, read_classes, write_classes
from carmask.data.coco import coco_of
from carmask.data.labels import Labels, write_labels
from carmask.data.parts import ANNOTATIONS, LABELS, PartsExample, read_parts
from carmask.errors import DataError, OutputError
from carmask.images import make_folder, picture_size, write_atomically, write_picture

Form = Literal["coco", "png"]


class Converted(NamedTuple):
    """What ``convert`` wrote: how many photos, and the names of the parts."""

    photos: int
    names: tuple[str, ...]


def find_arrays(data: Path) -> list[Path]:
    """The ``.npy`` files of a folder, or of ``arrays/`` in it, sorted."""
    return sorted(data.glob("*.npy")) or sorted((data / "arrays").glob("*.npy"))


def read_array(file: Path, classes: Classes = ARRAY_CLASSES) -> tuple[Photo, Labels]:
    """Read one of the source's arrays.

    Args:
        file: a ``.npy`` file of (height, width, 4), whole numbers from 0 to 255 of any type.
        classes: what the values of the fourth channel mean.

    Returns:
        uint8 (height, width, 3) RGB, and uint8 (height, width) labels.

    Raises:
        DataError: if it is not such an array, or a value has no class.
    """
    try:
        found = np.load(file, allow_pickle=False)
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise DataError(f"{file}: not an array of numbers: {str(error).splitlines()[0]}") from error
    if not isinstance(found, np.ndarray) or found.ndim != 3 or found.shape[2] != 4 or not found.size:
        shape = getattr(found, "shape", "several arrays")
        raise DataError(f"{file}: its shape is {shape}; it must be (height, width, 4): RGB and the class's value")
    values = _bytes(found, file)
    return np.ascontiguousarray(values[..., :3]), classes.labels_of(np.ascontiguousarray(values[..., 3]), file)


def convert(data: Path, out: Path, form: Form, *, progress: Callable[[int, int], None] | None = None) -> Converted:
    """Write a data set of parts in another form.

    Labels come out pixel by pixel as they went in: COCO gets run lengths, which keep holes. Photos are copied as they
    are; those of arrays become PNG.

    Args:
        data: a folder as ``read_parts`` takes it, or with ``.npy`` files.
        out: a new folder, or an empty one.
        form: ``coco`` or ``png``.
        progress: called with the number of photos done and of all.

    Returns:
        What was written.

    Raises:
        DataError: if the data set is faulty.
        PhotoError: if a photo or a picture of labels cannot be read.
        OutputError: if ``out`` is not empty, or cannot be written.
    """
    arrays = find_arrays(data)
    examples: Sequence[PartsExample] = ()
    if arrays:
        classes = read_classes(data / CLASSES) if (data / CLASSES).is_file() else ARRAY_CLASSES
        names = classes.names
    else:
        classes = ARRAY_CLASSES
        examples, names = read_parts(data)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out}: not an empty folder; name a new one")
    make_folder(out / "images")
    pictures = _from_arrays(arrays, classes, out) if arrays else _copied(examples, out)
    total = len(arrays) or len(examples)

    def counted() -> Iterator[tuple[str, Labels]]:
        for done, picture in enumerate(pictures, 1):
            yield picture
            if progress is not None:
                progress(done, total)

    try:
        if form == "coco":
            write_atomically(out / ANNOTATIONS, json.dumps(coco_of(counted(), names)).encode())
        else:
            make_folder(out / LABELS)
            for name, labels in counted():
                write_labels(out / LABELS / f"{Path(name).stem}.png", labels)
            write_classes(out / CLASSES, names)
    except BaseException:
        # The folder was empty: leave it so, for the next try.
        for part in ("images", LABELS):
            shutil.rmtree(out / part, ignore_errors=True)
        raise
    return Converted(total, names)


def read_checked(example: PartsExample) -> Labels:
    """Read an example's labels and hold them against the photo's size.

    Raises:
        DataError: if the sizes differ, or a value has no class.
        PhotoError: if the photo or the labels cannot be read.
    """
    labels, (height, width) = example.read_labels(), picture_size(example.photo)
    if labels.shape != (height, width):
        raise DataError(
            f"{example.mask or example.name}: the labels are {labels.shape[1]}x{labels.shape[0]}, but the photo is "
            f"{width}x{height}"
        )
    return labels


def _copied(examples: Sequence[PartsExample], out: Path) -> Iterator[tuple[str, Labels]]:
    for example in examples:
        labels = read_checked(example)
        try:
            shutil.copyfile(example.photo, out / "images" / example.photo.name)
        except OSError as error:
            raise OutputError(f"{out}: {example.photo.name} cannot be copied: {error.strerror}") from error
        yield example.photo.name, labels


def _from_arrays(files: Sequence[Path], classes: Classes, out: Path) -> Iterator[tuple[str, Labels]]:
    for file in files:
        photo, labels = read_array(file, classes)
        write_picture(out / "images" / f"{file.stem}.png", photo)
        yield f"{file.stem}.png", labels


def _bytes(array: NDArray[np.generic], file: Path) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return np.asarray(array, np.uint8)
    try:
        values = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{file}: not numbers, but {array.dtype}") from error
    # Written so that NaN fails.
    if not (values.min() >= 0 and values.max() <= 255 and (values == np.rint(values)).all()):
        raise DataError(f"{file}: its numbers must be whole, from 0 to 255; found {values.min():g} to {values.max():g}")
    return values.astype(np.uint8)
