"""Crops of a photo around the car, for staged prediction (``carmask.prediction.stages``)."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from carmask import geometry
from carmask.arrays import Photo
from carmask.data.warp import SoftMask
from carmask.geometry import Box, Crop, Size, box_of
from carmask.model.behaviour import ConfirmationSettings, CropSettings
from carmask.model.info import ModelInfo
from carmask.prediction.components import remove_small_components
from carmask.prediction.probability_map import ProbabilityMap

#: The zoom of models that do not say otherwise.
_MAX_ZOOM = CropSettings().max_zoom
#: All of a photo.
WHOLE = Box(0.0, 0.0, 1.0, 1.0)


class CroppedInput(NamedTuple):
    """A crop of a photo, and its place in a network's input."""

    crop: Crop
    place: geometry.Letterbox


def find_box(prob_map: ProbabilityMap, info: ModelInfo, threshold: float | None = None) -> Box | None:
    """The box around the car, without small components away from it.

    Args:
        prob_map: of the photo or of a crop.
        info: the model's threshold and behaviour.
        threshold: what counts as car, in place of the model's.

    Returns:
        In fractions of the photo; None if no pixel reaches the threshold.
    """
    threshold = info.threshold if threshold is None else threshold
    cleaned = remove_small_components(prob_map.probability, threshold, info.behaviour.components)
    box = box_of(cleaned >= threshold)
    if box is None:
        return None
    (height, width), crop = prob_map.probability.shape, prob_map.crop
    of_crop = box.scaled(crop.size[0] / height, crop.size[1] / width)
    return of_crop.moved(crop.top, crop.left).scaled(1 / crop.photo[0], 1 / crop.photo[1])


def crop_around(box: Box, photo: Size, size: Size, max_zoom: float = _MAX_ZOOM) -> CroppedInput:
    """Choose the crop of a photo that holds a box, at the largest scale that the input allows.

    Args:
        box: what the crop must hold, in fractions of the photo's height and width; it may reach beyond the photo.
        photo: (height, width) of the photo.
        size: (height, width) of the input.
        max_zoom: see ``CropSettings``.

    Returns:
        The crop, centred on the box and moved to lie within the photo. It holds what of the box is in the photo, at a
        scale between those of ``_scales``. If the photo ends before the input does, it lies in the input's middle.
    """
    height, width = (box.bottom - box.top) * photo[0], (box.right - box.left) * photo[1]
    least, most = _scales(photo, size, max_zoom)
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


def largest_useful_size(photo: Size, size: Size, max_zoom: float = _MAX_ZOOM) -> Size:
    """(height, width) of a photo at the largest scale that ``crop_around`` may choose."""
    _, most = _scales(photo, size, max_zoom)
    return max(1, round(photo[0] * most)), max(1, round(photo[1] * most))


def _scales(photo: Size, size: Size, max_zoom: float) -> tuple[float, float]:
    """The least scale, at which the whole photo fits into the input, and the greatest that is of use."""
    fits = size[0] / photo[0], size[1] / photo[1]
    return min(fits), max(max_zoom * min(fits), max(fits))


def beyond_crop(prob_map: ProbabilityMap, threshold: float) -> Box | None:
    """Whether the car goes on beyond the crop that was predicted.

    Args:
        prob_map: of the crop.
        threshold: what counts as car.

    Returns:
        None if the car ends within the crop or the photo. Else a box that reaches on to the photo's edge, on each side
        where the car goes on, in fractions of the photo.
    """
    edges = prob_map.probability[0], prob_map.probability[:, 0], prob_map.probability[-1], prob_map.probability[:, -1]
    goes_on = [not end and float(edge.max()) >= threshold for edge, end in zip(edges, prob_map.crop.ends, strict=True)]
    if not any(goes_on):
        return None
    rows, columns = prob_map.crop.where
    crop = Box(rows.start, columns.start, rows.stop, columns.stop)
    crop = crop.scaled(1 / prob_map.crop.photo[0], 1 / prob_map.crop.photo[1])
    return Box(*(far if on else near for on, far, near in zip(goes_on, WHOLE, crop, strict=True)))


def suppress_unconfirmed(
    fine: ProbabilityMap, coarse: ProbabilityMap, threshold: float, settings: ConfirmationSettings | None = None
) -> ProbabilityMap:
    """Remove components of the segmentation stage that the localisation stage, which sees more around, calls no car.

    Args:
        fine: of the segmentation stage.
        coarse: of the localisation stage, of the whole photo.
        threshold: what counts as car, 0 to 1.
        settings: what must be confirmed; the defaults if None.

    Returns:
        The same map where both stages agree, as for most photos; else a copy with 0 in components beyond what
        localisation found and in their soft edges, unless they are thin.
    """
    settings = settings or ConfirmationSettings()
    around = np.ones((2 * settings.distance + 1, 2 * settings.distance + 1), np.uint8)
    near = cv2.dilate(coarse.probability, around).astype(np.float32, copy=False)
    size = fine.probability.shape[0], fine.probability.shape[1]
    beyond = ProbabilityMap(near, coarse.crop).seen_in(fine.crop, size) < settings.probability
    alone = (beyond & (fine.probability >= threshold)).astype(np.uint8)
    thickness = np.ones((settings.thickness, settings.thickness), np.uint8)
    thick = cv2.erode(alone, thickness).astype(np.bool_)
    if not thick.any():
        return fine
    _, components = cv2.connectedComponents(alone, connectivity=8)
    removed = np.isin(components, np.unique(components[thick])).astype(np.uint8)
    # With the soft edge around each.
    with_edges = cv2.dilate(removed, thickness).astype(np.bool_) & beyond
    return ProbabilityMap(np.where(with_edges, np.float32(0), fine.probability), fine.crop)


def limit_to_reach(fine: ProbabilityMap, coarse: ProbabilityMap, settings: ConfirmationSettings) -> ProbabilityMap:
    """Remove what lies farther from the car that localisation found than its errors reach: other cars, walls, signs.

    Args:
        fine: of the segmentation stage.
        coarse: of the localisation stage, of the whole photo.
        settings: how far the car may reach; if they do not say, nothing is removed.

    Returns:
        The same map where nothing is removed, else a copy with 0 there.
    """
    if settings.reach is None:
        return fine
    side = 2 * settings.reach + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    near = cv2.dilate(coarse.probability, disc).astype(np.float32, copy=False)
    size = fine.probability.shape[0], fine.probability.shape[1]
    beyond = ProbabilityMap(near, coarse.crop).seen_in(fine.crop, size) < settings.possible
    if not (beyond & (fine.probability > 0)).any():
        return fine
    return fine._replace(probability=np.where(beyond, np.float32(0), fine.probability))


def crop_photo(photo: Photo, crop: CroppedInput) -> Photo:
    """Crop a photo and bring it into the input: uint8 (height, width, 3) RGB to (``*crop.place.size``, 3)."""
    return geometry.letterbox(photo[crop.crop.where], crop.place)


def crop_mask(mask: SoftMask, crop: CroppedInput) -> SoftMask:
    """The same of a soft mask, uint8 (height, width); beside the photo is no car."""
    place = crop.place
    cut = np.zeros(place.size, np.uint8)
    cut[place.top : place.top + place.inner[0], place.left : place.left + place.inner[1]] = geometry.resize(
        np.ascontiguousarray(mask[crop.crop.where]), place.inner
    )
    return cut
