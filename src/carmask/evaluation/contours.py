"""Scores that depend on where the contours lie: contour error, Hausdorff distance, boundary IoU.

The contour of a mask is its pixels that have a background pixel above, below, left or right of them; what lies outside
the picture is background. Distances are Euclidean, between pixel centres, in pixels.

Everything is measured in the smallest rectangle that holds both masks: nothing outside it can be nearest to a contour.
Pixels that are on both contours are at distance 0 and are not looked up, so two equal masks cost no transform at all.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.errors import ArrayError
from carmask.evaluation.overlap import check_same_size
from carmask.geometry import Size, box_of

#: Width of the band of boundary IoU, as a fraction of the picture's diagonal (Cheng et al. 2021, section 4).
STANDARD_BAND = 0.02

_Bytes = NDArray[np.uint8]
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)).astype(np.uint8)


class ContourScores(NamedTuple):
    """How far apart two contours are.

    Attributes:
        contour_error: mean distance of the pixels of each contour to the other contour, both directions pooled.
        hd95: the larger of the two directed 95th percentiles (linear between ranks) of these distances.
        boundary_iou: boundary IoU at the standard band, 2 % of the diagonal.
        boundary_iou_2px: the same in a band of 2 pixels.
        boundary_iou_5px: the same in a band of 5 pixels.
    """

    contour_error: float
    hd95: float
    boundary_iou: float
    boundary_iou_2px: float
    boundary_iou_5px: float


def contour_scores(prediction: Mask, truth: Mask) -> ContourScores:
    """Compare two contours.

    If one mask is empty, the distances are the picture's diagonal and the overlaps 0; if both are, 0 and 1.

    Args:
        prediction: bool (height, width).
        truth: bool (height, width), of the same size.

    Returns:
        The scores.

    Raises:
        ArrayError: if the sizes differ.

    References:
        Boundary IoU: B. Cheng, R. Girshick, P. Dollár, A. C. Berg, A. Kirillov, CVPR 2021, arXiv:2103.16562, with the
        square neighbourhood of the authors' program. HD95: D. P. Huttenlocher et al., IEEE TPAMI 15 (9), 1993, the
        maximum replaced by the 95th percentile.
    """
    check_same_size(prediction, truth)
    size = prediction.shape[0], prediction.shape[1]
    if not prediction.any() or not truth.any():
        return _empty(prediction, truth, size)
    predicted, true = _crop(prediction, truth)
    there, back = _distances(_contour(predicted), _contour(true))
    bands = (standard_band(size), 2, 5)
    inner_predicted, inner_true = _depth(predicted), _depth(true)
    ious = []
    for band in bands:
        mine = (inner_predicted <= band) & (predicted > 0)
        theirs = (inner_true <= band) & (true > 0)
        # A contour is never empty here, so neither is the union.
        ious.append(float(np.count_nonzero(mine & theirs) / np.count_nonzero(mine | theirs)))
    return ContourScores(
        float((there.sum() + back.sum()) / (there.size + back.size)),
        float(max(np.percentile(there, 95), np.percentile(back, 95))),
        *ious,
    )


def hd95(prediction: Mask, truth: Mask) -> float:
    """The 95th-percentile Hausdorff distance in pixels; see ``contour_scores``.

    Raises:
        ArrayError: if the sizes differ.
    """
    return contour_scores(prediction, truth).hd95


def boundary_iou(prediction: Mask, truth: Mask, *, band: int | None = None) -> float:
    """IoU of the parts of two masks that lie within ``band`` pixels of their own contours.

    Args:
        prediction: bool (height, width).
        truth: bool (height, width), of the same size.
        band: in pixels, 1 or more, counted in squares (Chebyshev distance) as in the authors' program; by default 2 %
            of the picture's diagonal.

    Returns:
        0 to 1; 1 if both are empty.

    Raises:
        ArrayError: if the sizes differ, or the band has no pixel.
    """
    check_same_size(prediction, truth)
    if band is not None and band < 1:
        raise ArrayError(f"a band of {band} pixels holds none; give 1 or more")
    if not prediction.any() or not truth.any():
        return float(prediction.any() == truth.any())
    width = standard_band((prediction.shape[0], prediction.shape[1])) if band is None else band
    predicted, true = _crop(prediction, truth)
    mine = (_depth(predicted) <= width) & (predicted > 0)
    theirs = (_depth(true) <= width) & (true > 0)
    return float(np.count_nonzero(mine & theirs) / np.count_nonzero(mine | theirs))


def standard_band(size: Size) -> int:
    """Width in pixels of boundary IoU's standard band: 2 % of the diagonal, at least 1; 46 at 1918x1280."""
    return max(1, round(STANDARD_BAND * math.hypot(*size)))


def contour_length(mask: Mask) -> int:
    """Count the pixels of a mask's contour."""
    if not mask.any():
        return 0
    return int(np.count_nonzero(_contour(_crop(mask, mask)[0])))


def distance_to_contour(mask: Mask) -> NDArray[np.float32]:
    """How deep each pixel lies: its distance to the nearest pixel of the other kind.

    Args:
        mask: bool (height, width).

    Returns:
        float32 (height, width), 1 or more: inside the distance to the background, outside to the car. Infinite
        where there is no pixel of the other kind. Outside the picture is neither.
    """
    found = mask.view(np.uint8)
    if not found.any() or found.all():
        return np.full(mask.shape, np.inf, np.float32)
    inside = cv2.distanceTransform(found, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    outside = cv2.distanceTransform(found ^ 1, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return np.asarray(np.maximum(inside, outside), np.float32)


def _empty(prediction: Mask, truth: Mask, size: Size) -> ContourScores:
    if prediction.any() or truth.any():
        return ContourScores(math.hypot(*size), math.hypot(*size), 0.0, 0.0, 0.0)
    return ContourScores(0.0, 0.0, 1.0, 1.0, 1.0)


def _crop(prediction: Mask, truth: Mask) -> tuple[_Bytes, _Bytes]:
    """Both masks as 0 and 1 in the rectangle that holds them, with a margin of one background pixel."""
    box = box_of(prediction | truth)
    assert box is not None  # the callers have tested for it
    where = box.slices()
    cropped = [np.pad(mask[where].view(np.uint8), 1) for mask in (prediction, truth)]
    return cropped[0], cropped[1]


def _contour(mask: _Bytes) -> Mask:
    """The contour of a mask that has a margin."""
    return np.asarray(mask != cv2.erode(mask, _CROSS), np.bool_)


def _distances(one: Mask, other: Mask) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distance of each contour pixel to the other contour, from one to the other and back."""
    both = one & other
    shared = int(np.count_nonzero(both))
    return _directed(one & ~both, other, shared), _directed(other & ~both, one, shared)


def _directed(source: Mask, target: Mask, at_zero: int) -> NDArray[np.float64]:
    distances = np.zeros(np.count_nonzero(source) + at_zero)
    if distances.size > at_zero:
        field = cv2.distanceTransform((~target).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
        # Squared distances are whole numbers: rounding them takes away what 32 bits have left of error.
        distances[at_zero:] = np.sqrt(np.rint(np.square(field[source], dtype=np.float64)))
    return distances


def _depth(mask: _Bytes) -> NDArray[np.float32]:
    """Chebyshev distance to the background: above n where n erosions by a 3x3 square leave a pixel standing."""
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_C, 3), np.float32)
