"""The one resize convention: how a photo gets into a network's frame, and its answer back out.

Pixels are areas; their centres lie at half-integers, so the left edge of the first pixel of both pictures is the same
line. Making smaller averages areas, making larger interpolates linearly between centres, the edge repeated. Training,
evaluation and prediction all go through here. The one exception are the last small steps of a photo into the frame.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo, Probability, Size

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


class Frame(NamedTuple):
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


def fit(photo: Size, size: Size) -> Frame:
    """Place a photo in the input: filling it if the shapes are alike, else centred and as large as possible.

    Args:
        photo: (height, width) of the photo.
        size: (height, width) of the input.

    Returns:
        The placement.
    """
    across, down = size[1] / photo[1], size[0] / photo[0]
    if max(across, down) / min(across, down) <= MAX_STRETCH:
        return Frame(size, 0, 0, size)
    scale = min(across, down)
    inner = (max(1, round(photo[0] * scale)), max(1, round(photo[1] * scale)))
    return Frame(size, (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2, inner)


def enter(photo: Photo, frame: Frame) -> Photo:
    """Bring a photo into the frame.

    Args:
        photo: uint8 (height, width, 3), RGB; at its own size or reduced, in the same shape.
        frame: from ``fit``, for the photo's own size.

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


def thinned(photo: Photo, size: Size) -> Photo:
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


def inside(probability: Probability, frame: Frame) -> Probability:
    """The part of a network's answer that lies on the photo: float32 (``*frame.inner``), a view."""
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
