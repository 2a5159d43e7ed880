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

from carmask import geometry
from carmask.arrays import Photo
from carmask.data.warp import SoftMask
from carmask.geometry import Box, Crop, Size, box_of
from carmask.prediction.components import remove_small_components
from carmask.prediction.probability_map import ProbabilityMap

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


class CroppedInput(NamedTuple):
    """A part of a photo, and where it lies in a network's input."""

    crop: Crop
    place: geometry.Letterbox


def find_box(prob_map: ProbabilityMap, threshold: float) -> Box | None:
    """Where the car is, strays left out, in fractions of the photo; None if no pixel reaches the threshold."""
    box = box_of(remove_small_components(prob_map.probability, threshold) >= threshold)
    if box is None:
        return None
    (height, width), part = prob_map.probability.shape, prob_map.crop
    of_part = box.scaled(part.size[0] / height, part.size[1] / width)
    return of_part.moved(part.top, part.left).scaled(1 / part.photo[0], 1 / part.photo[1])


def crop_around(box: Box, photo: Size, size: Size) -> CroppedInput:
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
    place = geometry.Letterbox(size, (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2, (inner[0], inner[1]))
    return CroppedInput(Crop(photo, top, left, (sides[0], sides[1])), place)


def largest_useful_size(photo: Size, size: Size) -> Size:
    """(height, width) of a photo at the largest_useful_size scale that ``crop_around`` may choose."""
    _, most = _scales(photo, size)
    return max(1, round(photo[0] * most)), max(1, round(photo[1] * most))


def _scales(photo: Size, size: Size) -> tuple[float, float]:
    """The least scale, at which the whole photo fits into the input, and the greatest that is of use."""
    fits = size[0] / photo[0], size[1] / photo[1]
    return min(fits), max(MAX_ZOOM * min(fits), max(fits))


def beyond_crop(prob_map: ProbabilityMap, threshold: float) -> Box | None:
    """Whether the car goes on beyond the part of the photo that a network looked at.

    Args:
        prob_map: the network's.
        threshold: what counts as car.

    Returns:
        None if the car ends within the part or the photo. Else a box that reaches on to the photo's edge, on each side
        where the car goes on, in fractions of the photo.
    """
    edges = prob_map.probability[0], prob_map.probability[:, 0], prob_map.probability[-1], prob_map.probability[:, -1]
    goes_on = [not end and float(edge.max()) >= threshold for edge, end in zip(edges, prob_map.crop.ends, strict=True)]
    if not any(goes_on):
        return None
    rows, columns = prob_map.crop.where
    part = Box(rows.start, columns.start, rows.stop, columns.stop)
    part = part.scaled(1 / prob_map.crop.photo[0], 1 / prob_map.crop.photo[1])
    return Box(*(far if on else near for on, far, near in zip(goes_on, WHOLE, part, strict=True)))


def suppress_unconfirmed(prob_map: ProbabilityMap, first: ProbabilityMap, threshold: float) -> ProbabilityMap:
    """Leave out what a look at a part of the photo takes for car and a first look at all of it does not.

    Close up, a letter on the wall behind a car may look like some of it; from afar it is a letter.

    Args:
        prob_map: of the part; float32 (height, width) in [0, 1].
        first: of the whole photo, coarser; the same.
        threshold: what counts as car, 0 to 1.

    Returns:
        The same map where both stages agree, as in most photos; else a copy with 0 in components that lie beyond what
        localisation found and in their rims, unless they are thin.
    """
    near = cv2.dilate(first.probability, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)).astype(
        np.float32, copy=False
    )
    size = prob_map.probability.shape[0], prob_map.probability.shape[1]
    beyond = ProbabilityMap(near, first.crop).seen_in(prob_map.crop, size) < DOUBT
    alone = (beyond & (prob_map.probability >= threshold)).astype(np.uint8)
    thick = cv2.erode(alone, np.ones((THICK, THICK), np.uint8)).astype(np.bool_)
    if not thick.any():
        return prob_map
    _, pieces = cv2.connectedComponents(alone, connectivity=8)
    dropped = np.isin(pieces, np.unique(pieces[thick])).astype(np.uint8)
    # With the soft edge around each.
    around = cv2.dilate(dropped, np.ones((THICK, THICK), np.uint8)).astype(np.bool_) & beyond
    return ProbabilityMap(np.where(around, np.float32(0), prob_map.probability), prob_map.crop)


def crop_photo(photo: Photo, region: CroppedInput) -> Photo:
    """What a network is shown: uint8 (height, width, 3) RGB to (``*region.place.size``, 3)."""
    return geometry.letterbox(photo[region.crop.where], region.place)


def crop_mask(mask: SoftMask, region: CroppedInput) -> SoftMask:
    """The same of a soft mask, uint8 (height, width); beside the photo is no car."""
    place = region.place
    cut = np.zeros(place.size, np.uint8)
    cut[place.top : place.top + place.inner[0], place.left : place.left + place.inner[1]] = geometry.resize(
        np.ascontiguousarray(mask[region.crop.where]), place.inner
    )
    return cut
