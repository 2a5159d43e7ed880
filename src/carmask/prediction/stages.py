"""Staged prediction: a localisation stage finds the car in the whole photo, a segmentation stage finds its contour.

A studio's photo is half wall and floor. A network that is given a crop of the car alone sees the car half as large
again for the same work, and always at about the same size. Coarse to fine, as in PointRend (Kirillov et al. 2020,
https://arxiv.org/abs/1912.08193) and the zoom-in of HRDA (Hoyer et al. 2022, https://arxiv.org/abs/2204.13132).

Models without a ``localisation_size`` have the segmentation stage alone, on the whole photo.
"""

from __future__ import annotations

import numpy as np

from carmask import geometry
from carmask.arrays import Photo
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
    suppress_unconfirmed,
)
from carmask.prediction.probability_map import ProbabilityMap


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
    return _segment_car(network, photo, coarse)


def localise(network: Network, photo: ReducedPhoto) -> ProbabilityMap:
    """The localisation stage: the whole photo, at ``info.localisation_size``."""
    place = geometry.fit_letterbox(photo.size, network.info.localisation_size or network.info.size)
    found = network.run(geometry.letterbox(geometry.subsample(photo.pixels, place.inner), place))
    return ProbabilityMap(np.ascontiguousarray(geometry.without_bars(found, place)), Crop.whole(photo.size))


def segment(network: Network, photo: ReducedPhoto, crop: CroppedInput, *, mirrored: bool = False) -> ProbabilityMap:
    """The segmentation stage: a crop of the photo, at ``info.size``.

    Args:
        network: a loaded model.
        photo: from ``open_for``.
        crop: in pixels of the photo as it was decoded.
        mirrored: predict the crop's mirror image, and mirror the prediction back.

    Returns:
        The probabilities of the crop.
    """
    pixels = crop_photo(photo.pixels, crop)
    found = network.run(np.ascontiguousarray(pixels[:, ::-1]))[:, ::-1] if mirrored else network.run(pixels)
    return ProbabilityMap(np.ascontiguousarray(geometry.without_bars(found, crop.place)), crop.crop.of(photo.size))


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
    box = find_box(localise(network, photo), network.info) or WHOLE
    return _crop(network, photo, box.grown(*network.info.behaviour.crop.margin))


def network_input(network: Network, photo: ReducedPhoto) -> Photo:
    """The input of the segmentation stage: uint8 (``*info.size``, 3), RGB."""
    return crop_photo(photo.pixels, find_crop(network, photo))


def _segment_car(network: Network, photo: ReducedPhoto, coarse: ProbabilityMap) -> ProbabilityMap:
    """The segmentation stage around the car that localisation found, again if the car goes on beyond the crop."""
    info = network.info
    margins = info.behaviour.crop
    found = find_box(coarse, info)
    box = found or WHOLE
    fine = segment(network, photo, _crop(network, photo, box.grown(*margins.margin)))
    more = beyond_crop(fine, info.threshold)
    if more is not None:
        # Localisation missed some of the car: once more, with all that may be missing.
        box = more
        fine = segment(network, photo, _crop(network, photo, box))
    if info.test_time_augmentation:
        wider = _crop(network, photo, box.grown(*margins.mirrored_margin))
        fine = mean_map(fine, segment(network, photo, wider, mirrored=True))
    # A localisation that missed some of the car confirms nothing.
    if found is None or more is not None:
        return fine
    return suppress_unconfirmed(fine, coarse, info.threshold, info.behaviour.confirmation)


def _crop(network: Network, photo: ReducedPhoto, box: Box) -> CroppedInput:
    return crop_around(box, _decoded_size(photo), network.info.size, network.info.behaviour.crop.max_zoom)


def _whole_photo(network: Network, photo: ReducedPhoto) -> CroppedInput:
    return CroppedInput(Crop.whole(_decoded_size(photo)), network.info.place(photo.size))


def _decoded_size(photo: ReducedPhoto) -> Size:
    return photo.pixels.shape[0], photo.pixels.shape[1]
