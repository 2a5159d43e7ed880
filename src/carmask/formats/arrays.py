"""Arrays of the car parts' source: ``NAME.npy`` of (height, width, 4), RGB and a value for the class; only read.

Classes are 0, 10 … 90 if no ``classes.txt`` lies beside the arrays. The photos become PNG.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.errors import DataError
from carmask.failures import first_line
from carmask.formats.classes import ARRAY_CLASSES, CLASSES, Classes, read_classes
from carmask.formats.labels import Labels
from carmask.formats.picture import Annotations, Instance, Picture, split_labels
from carmask.formats.reading import ReadOptions, gathered
from carmask.images import write_picture


def find(path: Path) -> list[Path]:
    """The ``.npy`` files of a folder, or of ``arrays/`` in it, sorted."""
    return sorted(path.glob("*.npy")) or sorted((path / "arrays").glob("*.npy"))


def read(path: Path, _: ReadOptions) -> Annotations:
    """Read arrays.

    Args:
        path: the folder.
        _: no option is of effect here.

    Raises:
        DataError: if ``classes.txt`` is not one.
    """
    classes = read_classes(path / CLASSES) if (path / CLASSES).is_file() else ARRAY_CLASSES
    folder = tempfile.TemporaryDirectory(prefix="carmask-")
    found = Annotations([], classes.names, held=folder)
    return gathered([_maker(file, classes, Path(folder.name)) for file in find(path)], found)


def _maker(file: Path, classes: Classes, folder: Path) -> Callable[[], Picture]:
    def make() -> Picture:
        photo, labels = read_array(file, classes)
        target = folder / f"{file.stem}.png"
        write_picture(target, photo)
        size = (labels.shape[0], labels.shape[1])
        return Picture(target.name, size, partial(_instances, file, classes), target, (file,))

    return make


def _instances(file: Path, classes: Classes) -> list[Instance]:
    return split_labels(read_array(file, classes)[1], classes.names, file)


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
        raise DataError(f"{file}: not an array of numbers: {first_line(error)}") from error
    if not isinstance(found, np.ndarray) or found.ndim != 3 or found.shape[2] != 4 or not found.size:
        shape = getattr(found, "shape", "several arrays")
        raise DataError(f"{file}: its shape is {shape}; it must be (height, width, 4): RGB and the class's value")
    values = _bytes(found, file)
    return np.ascontiguousarray(values[..., :3]), classes.labels_of(np.ascontiguousarray(values[..., 3]), file)


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
