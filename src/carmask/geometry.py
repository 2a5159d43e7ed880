"""The one resize convention: from a photo to a network's input, and from its probabilities back to the photo.

Pixels are areas; their centres lie at half-integers, so the left edge of the first pixel of both pictures is the same
line. Making smaller averages areas, making larger interpolates linearly between centres, the edge repeated. Training,
evaluation and prediction all go through here. The one exception are the last small steps of a photo into the frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo, Probability

#: (height, width) in pixels.
Size: TypeAlias = tuple[int, int]


_Array = TypeVar("_Array", NDArray[np.uint8], NDArray[np.float32])

#: A photo whose shape differs from the frame's by no more than this factor is stretched to fill the frame.
MAX_STRETCH = 1.1
#: A photo that is larger than the frame by less than this factor enters it by linear interpolation: between 1 and 2
#: pixels contribute to each value either way, and it takes a sixth of the time of averaging areas, while
#: masks come out as good (benchmarks/decode.py, docs/decisions/0010-reduced-decode.md).
LINEAR_BELOW = 1.5
#: Below this factor, values interpolated at twice the frame's size are averaged two by two: a third of the time of
#: averaging areas of any size, and masks are as good (docs/decisions/0017-two-looks.md).
HALVED_BELOW = 3.0
#: What fills the frame beside a photo of another shape: ImageNet's mean colour, which networks see as zero.
PADDING = (124, 116, 104)


class Box(NamedTuple):
    """A rectangle: rows ``top`` to ``bottom``, columns ``left`` to ``right``, ends excluded.

    In pixels of the photo, or, where it is said, in fractions of its height and width.
    """

    top: float
    left: float
    bottom: float
    right: float

    def scaled(self, down: float, across: float) -> Box:
        """The rectangle with rows and columns multiplied: to fractions, or to pixels of another size."""
        return Box(self.top * down, self.left * across, self.bottom * down, self.right * across)

    def moved(self, down: float, across: float) -> Box:
        """The rectangle so many rows further down and columns further right."""
        return Box(self.top + down, self.left + across, self.bottom + down, self.right + across)

    def grown(self, above: float, left: float, below: float, right: float) -> Box:
        """The rectangle with sides moved outwards, by fractions of its height and width."""
        height, width = self.bottom - self.top, self.right - self.left
        top, bottom = self.top - above * height, self.bottom + below * height
        return Box(top, self.left - left * width, bottom, self.right + right * width)

    def slices(self, around: int = 0) -> tuple[slice, slice]:
        """Rows and columns of a rectangle of whole pixels, and of so many pixels around it that lie in the picture."""
        rows = slice(max(int(self.top) - around, 0), int(self.bottom) + around)
        return rows, slice(max(int(self.left) - around, 0), int(self.right) + around)


def box_of(mask: Mask) -> Box | None:
    """The rectangle that a mask fills; None if it is empty."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    return Box(top, left, top + height, left + width) if width else None


def union(boxes: Iterable[Box | None]) -> Box | None:
    """The rectangle around several; None if there are none."""
    found = [box for box in boxes if box is not None]
    if not found:
        return None
    tops, lefts, bottoms, rights = zip(*found, strict=True)
    return Box(min(tops), min(lefts), max(bottoms), max(rights))


class Crop(NamedTuple):
    """A rectangle of a photo, in whole pixels.

    Attributes:
        photo: (height, width) of the photo.
        top: first row.
        left: first column.
        size: (height, width) of the rectangle.
    """

    photo: Size
    top: int
    left: int
    size: Size

    @classmethod
    def whole(cls, photo: Size) -> Crop:
        """All of a photo of (height, width)."""
        return cls(photo, 0, 0, photo)

    @property
    def where(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.size[0]), slice(self.left, self.left + self.size[1])

    @property
    def all(self) -> bool:
        """Whether it is the whole photo."""
        return self.size == self.photo

    @property
    def ends(self) -> tuple[bool, bool, bool, bool]:
        """Which of its sides, top, left, bottom and right, are the photo's."""
        (rows, columns), (height, width) = self.where, self.photo
        return rows.start == 0, columns.start == 0, rows.stop == height, columns.stop == width

    def of(self, photo: Size) -> Crop:
        """The same rectangle of the photo at another size."""
        if photo == self.photo:
            return self
        down, across = photo[0] / self.photo[0], photo[1] / self.photo[1]
        rows, columns = self.where
        top, left = round(rows.start * down), round(columns.start * across)
        return Crop(photo, top, left, (round(rows.stop * down) - top, round(columns.stop * across) - left))


class Letterbox(NamedTuple):
    """Where a photo lies in the network's input.

    Attributes:
        size: (height, width) of the input.
        top: first row of the photo.
        left: first column of the photo.
        inner: (height, width) of the photo within the input.
    """

    size: Size
    top: int
    left: int
    inner: Size


def fit_letterbox(photo: Size, size: Size) -> Letterbox:
    """Place a photo in the input: filling it if the shapes are alike, else centred and as large as possible.

    Args:
        photo: (height, width) of the photo.
        size: (height, width) of the input.

    Returns:
        The placement.
    """
    across, down = size[1] / photo[1], size[0] / photo[0]
    if max(across, down) / min(across, down) <= MAX_STRETCH:
        return Letterbox(size, 0, 0, size)
    scale = min(across, down)
    inner = (max(1, round(photo[0] * scale)), max(1, round(photo[1] * scale)))
    return Letterbox(size, (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2, inner)


def letterbox(photo: Photo, frame: Letterbox) -> Photo:
    """Bring a photo into the frame.

    Args:
        photo: uint8 (height, width, 3), RGB; at its own size or reduced, in the same shape.
        frame: from ``fit_letterbox``, for the photo's own size.

    Returns:
        uint8 (``*frame.size``, 3), RGB, contiguous.
    """
    height, width = frame.inner
    shrunk = max(photo.shape[0] / height, photo.shape[1] / width)
    if LINEAR_BELOW <= shrunk < HALVED_BELOW:
        photo = cv2.resize(photo, (2 * width, 2 * height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    if 1 < shrunk < LINEAR_BELOW:
        inner = cv2.resize(photo, (width, height), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    else:
        inner = resize(photo, frame.inner)
    if frame.inner == frame.size:
        return inner
    framed = np.empty((*frame.size, 3), np.uint8)
    framed[:] = PADDING
    framed[frame.top : frame.top + frame.inner[0], frame.left : frame.left + frame.inner[1]] = inner
    return framed


def subsample(photo: Photo, size: Size) -> Photo:
    """Leave out most pixels of a photo that will be made very small, and roughly: a twentieth of the time of averaging.

    Args:
        photo: uint8 (height, width, 3), RGB.
        size: (height, width) that it will have in the frame.

    Returns:
        uint8, RGB: of the photo's shape, with two pixels for each wanted one, if it has more than that.
    """
    if photo.shape[0] <= 2 * size[0] or photo.shape[1] <= 2 * size[1]:
        return photo
    thin = cv2.resize(photo, (2 * size[1], 2 * size[0]), interpolation=cv2.INTER_NEAREST)
    return thin.astype(np.uint8, copy=False)


def without_bars(probability: Probability, frame: Letterbox) -> Probability:
    """The part of a network's probabilities that lies on the photo: float32 (``*frame.inner``), a view."""
    return probability[frame.top : frame.top + frame.inner[0], frame.left : frame.left + frame.inner[1]]


def resize(array: _Array, size: Size) -> _Array:
    """Resize a photo, soft mask or probability by the convention above.

    Args:
        array: uint8 or float32 (height, width) or (height, width, channels).
        size: (height, width) wanted.

    Returns:
        The same dtype and number of dimensions, with the new size.
    """
    if array.shape[:2] == size:
        return np.ascontiguousarray(array)
    smaller = array.shape[0] >= size[0] and array.shape[1] >= size[1]
    # OpenCV takes (width, height).
    resized = cv2.resize(array, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
    return resized.astype(array.dtype, copy=False)
