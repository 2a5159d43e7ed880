"""What a network looks at: all of a photo, or the part of it that the car fills.

A studio's photo is half wall and floor. A network that is shown the car alone sees it half as large again for the same
work, and always about as large: a first look at the whole photo, small, says where it is. Coarse to fine, as in
PointRend (Kirillov et al. 2020, https://arxiv.org/abs/1912.08193) and the zoom-in of HRDA (Hoyer et al. 2022,
https://arxiv.org/abs/2204.13132), with one network for both looks.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from carmask.arrays import Mask, Photo, Probability, Size
from carmask.compositing.placement import Box, box_of
from carmask.data.warp import SoftMask
from carmask.inference import frame
from carmask.inference.pieces import leave_strays

#: How much is shown around the car above, to the left, below and to the right, as fractions of its height and width. A
#: first look misses aerials, which rise by up to a sixth of a car's height, and little else.
AROUND = (0.12, 0.05, 0.05, 0.05)
#: The same for its mirror image, of which models say that take both: two looks that differ in size, too, have fewer
#: errors in common.
AROUND_MIRRORED = (0.16, 0.1, 0.1, 0.1)
#: The car is shown no more than this factor larger than it is in the whole photo that fits into the input, unless the
#: photo's full width (or height) has room: files are then read at a size that is known before the first look.
MAX_ZOOM = 2.0
#: What the first look gives less than this, within this many of its pixels, is no car: it sees most of what is around.
DOUBT, REACH = 0.3, 2
#: But for what is thinner than this in pixels of the second look: aerials are too fine for the first one.
THICK = 5
#: All of a photo.
WHOLE = Box(0.0, 0.0, 1.0, 1.0)


class Part(NamedTuple):
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
    def whole(cls, photo: Size) -> Part:
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

    def of(self, photo: Size) -> Part:
        """The same rectangle of the photo at another size."""
        if photo == self.photo:
            return self
        down, across = photo[0] / self.photo[0], photo[1] / self.photo[1]
        rows, columns = self.where
        top, left = round(rows.start * down), round(columns.start * across)
        return Part(photo, top, left, (round(rows.stop * down) - top, round(columns.stop * across) - left))


class Region(NamedTuple):
    """A part of a photo, and where it lies in a network's input."""

    part: Part
    place: frame.Frame


class Answer(NamedTuple):
    """What a network says of a photo; beyond the part that it looked at there is no car.

    Attributes:
        probability: float32 (height, width) in [0, 1], at the network's resolution, of the part.
        part: of the photo, at the photo's own size.
    """

    probability: Probability
    part: Part

    @property
    def scale(self) -> float:
        """Pixels of the photo for each of the probabilities."""
        return float(self.part.size[1] / self.probability.shape[1])

    def enlarged(self) -> Probability:
        """The probabilities at the photo's own size: float32 (``*part.photo``)."""
        large = frame.resize(self.probability, self.part.size)
        if self.part.all:
            return large
        whole = np.zeros(self.part.photo, np.float32)
        whole[self.part.where] = large
        return whole

    def mask(self, threshold: float) -> Mask:
        """Cut a mask at the photo's own size. Enlarged first: the contour keeps sub-pixel precision."""
        mask: Mask = frame.resize(self.probability, self.part.size) >= threshold
        if self.part.all:
            return mask
        whole = np.zeros(self.part.photo, np.bool_)
        whole[self.part.where] = mask
        return whole

    def whole(self) -> Probability:
        """The probabilities of the whole photo, at the network's resolution: float32."""
        if self.part.all:
            return self.probability
        sides = zip(self.part.photo, self.part.size, self.probability.shape, strict=True)
        height, width = (max(1, round(length * pixels / side)) for length, side, pixels in sides)
        return self.seen_in(Part.whole(self.part.photo), (height, width))

    def seen_in(self, part: Part, size: Size) -> Probability:
        """The probabilities of another part of the same photo, interpolated linearly.

        Args:
            part: of the photo, at the photo's own size.
            size: (height, width) that is wanted of it.

        Returns:
            float32 ``size``; 0 where the answer does not reach.
        """
        if (part, size) == (self.part, self.probability.shape):
            return self.probability
        steps, inside = [], []
        for axis, pixels in enumerate(self.probability.shape):
            begin, side = (self.part.top, self.part.left)[axis], self.part.size[axis]
            # Pixel centres lie at halves, in both and in the photo.
            step = part.size[axis] / size[axis]
            first = (part.top, part.left)[axis] + step / 2
            steps.append((step * pixels / side, (first - begin) * pixels / side - 0.5))
            places = first + step * np.arange(size[axis])
            inside.append((places > begin) & (places < begin + side))
        (down, top), (across, left) = steps
        matrix = np.array([[across, 0, left], [0, down, top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(self.probability, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        moved: Probability = seen.astype(np.float32, copy=False)
        moved[~inside[0]] = 0
        moved[:, ~inside[1]] = 0
        return moved


def find_box(answer: Answer, threshold: float) -> Box | None:
    """Where the car is, strays left out, in fractions of the photo; None if no pixel reaches the threshold."""
    box = box_of(leave_strays(answer.probability, threshold) >= threshold)
    if box is None:
        return None
    (height, width), part = answer.probability.shape, answer.part
    of_part = box.scaled(part.size[0] / height, part.size[1] / width)
    return of_part.moved(part.top, part.left).scaled(1 / part.photo[0], 1 / part.photo[1])


def surround(box: Box, photo: Size, size: Size) -> Region:
    """Choose the part of a photo that holds a box, as large as the input allows.

    Args:
        box: what to show, in fractions of the photo's height and width; it may reach beyond the photo.
        photo: (height, width) of the photo.
        size: (height, width) of the input.

    Returns:
        The part, centred on the box and moved to lie within the photo. It holds what of the box is in the photo, at a
        scale between those of ``_scales``. If the photo ends before the input does, it lies in the input's middle.
    """
    height, width = (box.bottom - box.top) * photo[0], (box.right - box.left) * photo[1]
    least, most = _scales(photo, size)
    scale = max(least, min(most, size[0] / max(height, 1.0), size[1] / max(width, 1.0)))
    middle = (box.top + box.bottom) / 2 * photo[0], (box.left + box.right) / 2 * photo[1]
    sides = [min(length, round(side / scale)) for length, side in zip(photo, size, strict=True)]
    top, left = (
        min(max(0, round(m - side / 2)), length - side) for m, side, length in zip(middle, sides, photo, strict=True)
    )
    inner = [
        side if part < length else min(side, max(1, round(part * scale)))
        for part, length, side in zip(sides, photo, size, strict=True)
    ]
    place = frame.Frame(size, (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2, (inner[0], inner[1]))
    return Region(Part(photo, top, left, (sides[0], sides[1])), place)


def largest(photo: Size, size: Size) -> Size:
    """(height, width) of a photo at the largest scale that ``surround`` may choose."""
    _, most = _scales(photo, size)
    return max(1, round(photo[0] * most)), max(1, round(photo[1] * most))


def _scales(photo: Size, size: Size) -> tuple[float, float]:
    """The least scale, at which the whole photo fits into the input, and the greatest that is of use."""
    fits = size[0] / photo[0], size[1] / photo[1]
    return min(fits), max(MAX_ZOOM * min(fits), max(fits))


def unseen(answer: Answer, threshold: float) -> Box | None:
    """Whether the car goes on beyond the part of the photo that a network looked at.

    Args:
        answer: the network's.
        threshold: what counts as car.

    Returns:
        None if the car ends within the part or the photo. Else a box that reaches on to the photo's edge, on each side
        where the car goes on, in fractions of the photo.
    """
    edges = answer.probability[0], answer.probability[:, 0], answer.probability[-1], answer.probability[:, -1]
    goes_on = [not end and float(edge.max()) >= threshold for edge, end in zip(edges, answer.part.ends, strict=True)]
    if not any(goes_on):
        return None
    rows, columns = answer.part.where
    part = Box(rows.start, columns.start, rows.stop, columns.stop)
    part = part.scaled(1 / answer.part.photo[0], 1 / answer.part.photo[1])
    return Box(*(far if on else near for on, far, near in zip(goes_on, WHOLE, part, strict=True)))


def agreed(answer: Answer, first: Answer, threshold: float) -> Answer:
    """Leave out what a look at a part of the photo takes for car and a first look at all of it does not.

    Close up, a letter on the wall behind a car may look like some of it; from afar it is a letter.

    Args:
        answer: of the part; float32 (height, width) in [0, 1].
        first: of the whole photo, coarser; the same.
        threshold: what counts as car, 0 to 1.

    Returns:
        The same answer where the looks agree, as in most photos; else a copy with 0 in pieces that lie beyond what the
        first look found and in their rims, unless they are thin.
    """
    near = cv2.dilate(first.probability, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)).astype(
        np.float32, copy=False
    )
    size = answer.probability.shape[0], answer.probability.shape[1]
    beyond = Answer(near, first.part).seen_in(answer.part, size) < DOUBT
    alone = (beyond & (answer.probability >= threshold)).astype(np.uint8)
    thick = cv2.erode(alone, np.ones((THICK, THICK), np.uint8)).astype(np.bool_)
    if not thick.any():
        return answer
    _, pieces = cv2.connectedComponents(alone, connectivity=8)
    dropped = np.isin(pieces, np.unique(pieces[thick])).astype(np.uint8)
    # With the soft edge around each.
    around = cv2.dilate(dropped, np.ones((THICK, THICK), np.uint8)).astype(np.bool_) & beyond
    return Answer(np.where(around, np.float32(0), answer.probability), answer.part)


def cut_out(photo: Photo, region: Region) -> Photo:
    """What a network is shown: uint8 (height, width, 3) RGB to (``*region.place.size``, 3)."""
    return frame.enter(photo[region.part.where], region.place)


def cut_mask(mask: SoftMask, region: Region) -> SoftMask:
    """The same of a soft mask, uint8 (height, width); beside the photo is no car."""
    place = region.place
    cut = np.zeros(place.size, np.uint8)
    cut[place.top : place.top + place.inner[0], place.left : place.left + place.inner[1]] = frame.resize(
        np.ascontiguousarray(mask[region.part.where]), place.inner
    )
    return cut
