"""Staged prediction: a localisation stage finds the car in the whole photo, a segmentation stage finds its contour.

A refinement stage, if there is one, moves the contour at the photo's own size. A specialist, if there is one, takes the
place of the segmentation network for photos of the one studio that it knows.

A studio's photo is half wall and floor. A network that is given a crop of the car alone sees the car half as large
again for the same work, and always at about the same size. Coarse to fine, as in PointRend (Kirillov et al. 2020,
https://arxiv.org/abs/1912.08193) and the zoom-in of HRDA (Hoyer et al. 2022, https://arxiv.org/abs/2204.13132).

Models without a ``localisation_size`` have the segmentation stage alone, on the whole photo.
"""

from __future__ import annotations

import numpy as np

from carmask import geometry
from carmask.arrays import Photo, Probability
from carmask.geometry import Box, Crop, Size
from carmask.images import ReducedPhoto
from carmask.model.network import Network
from carmask.prediction.crops import (
    WHOLE,
    CroppedInput,
    beyond_crop,
    crop_around,
    crop_photo,
    find_box,
    limit_to_reach,
    suppress_unconfirmed,
)
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prediction.specialist import disagreement, is_familiar

#: Where localisation finds no car, its probabilities are kept below the threshold by this factor at least.
_JUST_NO_CAR = np.float32(0.98)


def predict_map(network: Network, photo: ReducedPhoto) -> ProbabilityMap:
    """Run all stages of a model on a photo.

    Args:
        network: a loaded model.
        photo: from ``open_for``.

    Returns:
        The probabilities at the network's resolution, of the whole photo or of the crop around the car. With test-time
        augmentation they are the mean of the photo's and its mirror image's.
    """
    info = network.info
    if info.localisation_size is None:
        whole = _whole_photo(network, photo)
        found = segment(network, photo, whole)
        return mean_map(found, segment(network, photo, whole, mirrored=True)) if info.test_time_augmentation else found
    coarse = localise(network, photo)
    fine = _segment_car(network, photo, coarse)
    return fine if info.refinement is None else refine(network, photo, fine)


def localise(network: Network, photo: ReducedPhoto) -> ProbabilityMap:
    """The localisation stage: the whole photo, at ``info.localisation_size``."""
    pixels, place = localisation_input(network, photo)
    found = network.run(pixels) if network.info.localisation is None else network.locate(pixels)
    return ProbabilityMap(np.ascontiguousarray(geometry.without_bars(found, place)), Crop.whole(photo.size))


def localisation_input(network: Network, photo: ReducedPhoto) -> tuple[Photo, geometry.Letterbox]:
    """The input of the localisation stage: uint8 (``*info.localisation_size``, 3), RGB, and the photo's place in it."""
    place = geometry.fit_letterbox(photo.size, network.info.localisation_size or network.info.size)
    return geometry.letterbox(geometry.subsample(photo.pixels, place.inner), place), place


def guide_of(coarse: ProbabilityMap, crop: CroppedInput) -> Probability:
    """The part of an earlier stage's map that a stage is given beside the photo.

    Args:
        coarse: the earlier stage's.
        crop: what the stage is given of the photo, in pixels of the photo at any size.

    Returns:
        float32 (``*crop.place.size``) in [0, 1]; 0 beside the photo.
    """
    place = crop.place
    guide = np.zeros(place.size, np.float32)
    rows, columns = place.top + place.inner[0], place.left + place.inner[1]
    guide[place.top : rows, place.left : columns] = coarse.seen_in(crop.crop.of(coarse.crop.photo), place.inner)
    return guide


def segment(
    network: Network,
    photo: ReducedPhoto,
    crop: CroppedInput,
    coarse: ProbabilityMap | None = None,
    *,
    mirrored: bool = False,
    special: bool = False,
) -> ProbabilityMap:
    """The segmentation stage: a crop of the photo, at ``info.size``.

    Args:
        network: a loaded model.
        photo: from ``open_for``.
        crop: in pixels of the photo as it was decoded.
        coarse: the localisation stage's map, for models that are guided by it.
        mirrored: predict the crop's mirror image, and mirror the prediction back.
        special: by the model's specialist, which is given the photo alone.

    Returns:
        The probabilities of the crop.
    """
    pixels = crop_photo(photo.pixels, crop)
    guide = None if coarse is None or special or not network.info.guided else guide_of(coarse, crop)
    if mirrored:
        pixels = np.ascontiguousarray(pixels[:, ::-1])
        guide = None if guide is None else np.ascontiguousarray(guide[:, ::-1])
    if special:
        found = network.specialise(pixels)
    else:
        # Networks that take no guide need not know of it.
        found = network.run(pixels) if guide is None else network.run(pixels, guide)
    if mirrored:
        found = found[:, ::-1]
    return ProbabilityMap(np.ascontiguousarray(geometry.without_bars(found, crop.place)), crop.crop.of(photo.size))


def refine(network: Network, photo: ReducedPhoto, fine: ProbabilityMap) -> ProbabilityMap:
    """The refinement stage: the car that the other stages found, at ``info.refinement.size``.

    Args:
        network: a loaded model with a refinement network.
        photo: from ``open_for``.
        fine: the other stages' map.

    Returns:
        The probabilities of a crop around that car; ``fine`` itself where there is none.
    """
    crop = refinement_crop(network, photo, fine)
    if crop is None:
        return fine
    found = network.refine(crop_photo(photo.pixels, crop), guide_of(fine, crop))
    return ProbabilityMap(
        np.ascontiguousarray(geometry.without_bars(found, crop.place)), crop.crop.of(photo.size), fine.coarse
    )


def refinement_crop(network: Network, photo: ReducedPhoto, fine: ProbabilityMap) -> CroppedInput | None:
    """The crop that the refinement stage is given.

    Args:
        network: a loaded model.
        photo: from ``open_for``.
        fine: the other stages' map.

    Returns:
        The crop, in pixels of the photo as it was decoded; None without a car, or without a refinement network.
    """
    settings, box = network.info.refinement, find_box(fine, network.info)
    if settings is None or box is None:
        return None
    return crop_around(box.grown(*settings.margin), _decoded_size(photo), settings.size, settings.max_zoom)


def refinement_inputs(network: Network, photo: ReducedPhoto) -> tuple[Photo, Probability] | None:
    """The refinement stage's inputs: uint8 (height, width, 3) RGB, float32 (height, width); None without a car."""
    fine = _segment_car(network, photo, localise(network, photo))
    crop = refinement_crop(network, photo, fine)
    return None if crop is None else (crop_photo(photo.pixels, crop), guide_of(fine, crop))


def mean_map(one: ProbabilityMap, other: ProbabilityMap) -> ProbabilityMap:
    """The mean of two predictions of a photo, at the first one's crop and resolution."""
    size = one.probability.shape[0], one.probability.shape[1]
    return ProbabilityMap(np.float32(0.5) * (one.probability + other.seen_in(one.crop, size)), one.crop)


def find_crop(network: Network, photo: ReducedPhoto) -> CroppedInput:
    """The crop that the segmentation stage is given: the whole photo, or the car's surroundings by localisation.

    Args:
        network: a loaded model.
        photo: from ``open_for``.

    Returns:
        The crop, in pixels of the photo as it was decoded, and its place in the input.
    """
    if network.info.localisation_size is None:
        return _whole_photo(network, photo)
    return _located_crop(network, photo, localise(network, photo))


def network_input(network: Network, photo: ReducedPhoto) -> Photo:
    """The input of the segmentation stage: uint8 (``*info.size``, 3), RGB."""
    return network_inputs(network, photo)[0]


def network_inputs(network: Network, photo: ReducedPhoto) -> tuple[Photo] | tuple[Photo, Probability]:
    """The same, and for models that are guided the localisation stage's map, float32 (``*info.size``) in [0, 1]."""
    info = network.info
    if info.localisation_size is None:
        return (crop_photo(photo.pixels, _whole_photo(network, photo)),)
    coarse = localise(network, photo)
    crop = _located_crop(network, photo, coarse)
    pixels = crop_photo(photo.pixels, crop)
    return (pixels, guide_of(coarse, crop)) if info.guided else (pixels,)


def _located_crop(network: Network, photo: ReducedPhoto, coarse: ProbabilityMap) -> CroppedInput:
    """The crop around the car that localisation found, or the whole photo."""
    box = find_box(coarse, network.info, network.info.localisation_threshold) or WHOLE
    return _crop(network, photo, box.grown(*network.info.behaviour.crop.margin))


def _segment_car(network: Network, photo: ReducedPhoto, coarse: ProbabilityMap) -> ProbabilityMap:
    """The segmentation stage around the car that localisation found, again if the car goes on beyond the crop."""
    info = network.info
    found = find_box(coarse, info, info.localisation_threshold)
    kept = coarse if info.localisation is not None else None
    if found is None and info.behaviour.confirmation.car:
        return ProbabilityMap(np.minimum(coarse.probability, _JUST_NO_CAR * info.threshold), coarse.crop, kept)
    gate, special = info.behaviour.gate, info.specialist
    if special is not None and found is not None and is_familiar(photo.pixels, coarse, special, gate):
        fine = _segment_box(network, photo, coarse, found, special=True)
        if disagreement(fine, coarse, info.threshold, info.localisation_threshold, gate) <= special.disagreement:
            return fine._replace(coarse=kept)
    return _segment_box(network, photo, coarse, found, special=False)._replace(coarse=kept)


def _segment_box(
    network: Network, photo: ReducedPhoto, coarse: ProbabilityMap, found: Box | None, *, special: bool
) -> ProbabilityMap:
    """The segmentation stage around a box; around more if the car goes on beyond the crop."""
    info = network.info
    margins = info.behaviour.crop
    box = found or WHOLE
    fine = _limited(network, photo, _crop(network, photo, box.grown(*margins.margin)), coarse, special=special)
    more = beyond_crop(fine, info.threshold)
    if more is not None:
        # Localisation missed some of the car: once more, with all that may be missing.
        box = more
        fine = _limited(network, photo, _crop(network, photo, box), coarse, special=special)
    if info.test_time_augmentation:
        wider = _crop(network, photo, box.grown(*margins.mirrored_margin))
        fine = mean_map(fine, _limited(network, photo, wider, coarse, mirrored=True, special=special))
    # A localisation that missed some of the car confirms nothing.
    if found is not None and more is None and info.behaviour.confirmation.components:
        fine = suppress_unconfirmed(fine, coarse, info.threshold, info.behaviour.confirmation)
    return fine


def _limited(
    network: Network,
    photo: ReducedPhoto,
    crop: CroppedInput,
    coarse: ProbabilityMap,
    *,
    mirrored: bool = False,
    special: bool = False,
) -> ProbabilityMap:
    """The segmentation stage's map within reach of what localisation found, if the model limits it."""
    fine = segment(network, photo, crop, coarse, mirrored=mirrored, special=special)
    return limit_to_reach(fine, coarse, network.info.behaviour.confirmation)


def _crop(network: Network, photo: ReducedPhoto, box: Box) -> CroppedInput:
    return crop_around(box, _decoded_size(photo), network.info.size, network.info.behaviour.crop.max_zoom)


def _whole_photo(network: Network, photo: ReducedPhoto) -> CroppedInput:
    return CroppedInput(Crop.whole(_decoded_size(photo)), network.info.place(photo.size))


def _decoded_size(photo: ReducedPhoto) -> Size:
    return photo.pixels.shape[0], photo.pixels.shape[1]
