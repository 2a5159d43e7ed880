"""Pascal VOC's layout: ``JPEGImages/NAME.jpg`` with ``SegmentationClass/NAME.png``.

A pixel's entry in the palette is its class, 0 is background and 255 is undecided. Which classes are car is said by
``labelmap.txt``, as CVAT writes it: a label called car, or the only label. Without that file the classes are VOC's own
(http://host.robots.ox.ac.uk/pascal/VOC/), where car is 7, if the data set has its lists; else all labels are car.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carmask.arrays import Mask
from carmask.data.table import Example, find_masks, find_photos
from carmask.errors import DataError, PhotoError
from carmask.images import decode, stored_values

PHOTOS, MASKS, LABELMAP = "JPEGImages", "SegmentationClass", "labelmap.txt"
UNDECIDED = 255
#: The number of cars among VOC's classes, and a list that only VOC's own data have.
_VOC_CAR, _VOC_LIST = 7, Path("ImageSets", "Main", "aeroplane_train.txt")
_CAR_LABELS = frozenset({"car", "cars", "vehicle", "auto"})

Colour = tuple[int, int, int]
#: What makes one number of a colour.
_WEIGHTS = np.array([65536, 256, 1])


@dataclass(frozen=True)
class VocExample(Example):
    """A photo whose truth is a picture of classes.

    Attributes:
        cars: the numbers of the classes that are car, or their colours; empty for all classes.
    """

    cars: frozenset[int] | frozenset[Colour] = frozenset()

    def read_mask(self) -> Mask:
        """Read the classes that are car.

        Returns:
            bool (height, width).

        Raises:
            PhotoError: if the file cannot be read, or its colours are no classes.
        """
        assert self.mask is not None
        values, palette = decode(self.mask, _classes)
        undecided = _code(_palette()[UNDECIDED])
        codes = [_code(one) for one in self.cars if isinstance(one, tuple)]
        found: Mask
        if palette is None:
            if len(codes) < len(self.cars):
                raise PhotoError(f"{self.mask}: has no palette; say in {LABELMAP} which colour is car")
            found = np.isin(values, codes) if codes else (values > 0) & (values != undecided)
        elif not self.cars:
            found = (values > 0) & (values != UNDECIDED)
        else:
            numbers = [one for one in self.cars if isinstance(one, int)]
            found = np.isin(values, [*numbers, *np.flatnonzero(np.isin(palette, codes))])
        return found


def is_voc(data: Path) -> bool:
    """Whether a folder has VOC's layout."""
    return (data / PHOTOS).is_dir() and (data / MASKS).is_dir()


def pair_voc(data: Path) -> tuple[dict[str, Path], dict[str, Path], frozenset[int] | frozenset[Colour]]:
    """List the photos that have a picture of classes; VOC has many more photos.

    Args:
        data: a folder with ``JPEGImages/`` and ``SegmentationClass/``.

    Returns:
        Photos, pictures of classes, and the classes that are car.

    Raises:
        DataError: if a folder is missing or empty, none of the photos has a mask, or no label is car.
    """
    photos, masks = find_photos(data / PHOTOS), find_masks(data / MASKS)
    kept = {name: path for name, path in photos.items() if name in masks}
    if not kept:
        raise DataError(f"{data}: none of {len(photos)} photos has a picture in {MASKS}/")
    return kept, masks, _cars(data)


def _cars(data: Path) -> frozenset[int] | frozenset[Colour]:
    file = data / LABELMAP
    if not file.is_file():
        return frozenset({_VOC_CAR}) if (data / _VOC_LIST).is_file() else frozenset[int]()
    labels: dict[str, Colour] = {}
    try:
        for line in file.read_text(encoding="utf-8-sig").splitlines():
            name, _, rest = line.strip().partition(":")
            if name and not name.startswith("#"):
                red, green, blue = (int(value) for value in rest.partition(":")[0].split(","))
                labels[name.lower()] = (red, green, blue)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{file}: not a list of label:red,green,blue::, one a line ({error})") from error
    shown = {name: colour for name, colour in labels.items() if colour != (0, 0, 0)}
    cars = {colour for name, colour in shown.items() if name in _CAR_LABELS or len(shown) == 1}
    if not cars:
        raise DataError(f"{file}: no label is called car; there are {', '.join(shown)}")
    return frozenset(cars)


def _classes(image: Image.Image) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """The entries and their colours' codes; of a picture without entries, each pixel's code and None."""
    if image.mode not in {"L", "P"}:
        return stored_values(image.convert("RGB")).astype(np.int64) @ _WEIGHTS, None
    palette = np.array(_palette(), np.int64)
    if image.mode == "P":
        palette = np.zeros((256, 3), np.int64)
        given = np.array(image.getpalette("RGB") or [], np.int64).reshape(-1, 3)
        palette[: len(given)] = given
    return stored_values(image), palette @ _WEIGHTS


def _code(colour: tuple[int, int, int]) -> int:
    return colour[0] << 16 | colour[1] << 8 | colour[2]


def _palette() -> list[Colour]:
    """VOC's colours: the bits of a number, lowest first, are spread over the high bits of red, green and blue."""
    colours = []
    for number in range(256):
        channels = [0, 0, 0]
        for bit in range(8):
            channels[bit % 3] |= (number >> bit & 1) << (7 - bit // 3)
        colours.append((channels[0], channels[1], channels[2]))
    return colours
