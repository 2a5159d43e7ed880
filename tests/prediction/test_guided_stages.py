"""Models with a localisation network of its own: what guides the segmentation stage, and what limits it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.geometry import Box, Crop
from carmask.images import ReducedPhoto
from carmask.model.behaviour import Behaviour, ConfirmationSettings
from carmask.model.info import Localisation, ModelInfo
from carmask.prediction.confidence import measure_map
from carmask.prediction.crops import crop_around, crop_mask, limit_to_reach
from carmask.prediction.predict import predict
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prediction.stages import guide_of, localise, network_inputs, predict_map


class Guided:
    """Localises what is red, and calls dark pixels car where the guide does. Remembers the guides."""

    def __init__(self, info: ModelInfo) -> None:
        self.info, self.guides = info, []

    def locate(self, pixels, /):
        return (pixels[..., 0].astype(int) - pixels[..., 2] > 60).astype(np.float32)

    def run(self, pixels, guide=None, /):
        self.guides.append(guide)
        return ((pixels.mean(axis=2) < 120) & (guide > 0.5)).astype(np.float32)

    run_parts = run


def guided_info(info: ModelInfo, **confirmation) -> ModelInfo:
    values = {"height": 64, "width": 96, "localisation_size": (32, 48), "format": 2}
    stage = Localisation(network="efficientnet-lite2-unet", normalisation="")
    rules = Behaviour(confirmation=ConfirmationSettings(components=False, **confirmation))
    return ModelInfo.model_validate({**info.model_dump(), **values, "localisation": stage, "behaviour": rules})


def draw(*cars, size=(400, 600)):
    photo = np.full((*size, 3), 220, np.uint8)
    for top, left, bottom, right, colour in cars:
        photo[top:bottom, left:right] = colour
    return photo


RED, BLUE = (160, 20, 20), (20, 20, 160)


def test_the_guide_decides_which_of_two_cars_is_meant(dark):
    network = Guided(guided_info(dark.info))
    photo = draw((150, 60, 260, 260, RED), (150, 340, 260, 540, BLUE))
    found = predict(network, photo)
    truth = (photo == RED).all(axis=2)
    assert np.count_nonzero(found.mask ^ truth) < 0.08 * truth.sum()  # a coarse guide rounds the corners
    assert network.guides[0].shape == (64, 96)


@settings(max_examples=30, deadline=None)
@given(st.floats(0, 0.6), st.floats(0, 0.6), st.floats(0.1, 0.4), st.integers(0, 3))
def test_the_guide_lies_on_the_car_of_the_crop(top, left, side, shape):
    """The same rectangle: as the crop's mask has it, and as the coarse map of the whole photo gives it to the crop."""
    size = [(400, 600), (300, 300), (600, 400), (200, 600)][shape]
    mask = np.zeros(size, np.uint8)
    rows = slice(int(top * size[0]), int((top + side) * size[0]))
    columns = slice(int(left * size[1]), int((left + side) * size[1]))
    mask[rows, columns] = 255
    crop = crop_around(Box(top, left, top + side, left + side).grown(0.3, 0.3, 0.3, 0.3), size, (64, 96))
    guide = guide_of(ProbabilityMap(mask.astype(np.float32) / 255, Crop.whole(size)), crop)
    assert guide.dtype == np.float32
    assert np.mean(np.abs(guide - crop_mask(mask, crop) / 255)) < 0.03


def test_beside_the_photo_nothing_guides():
    size = (300, 300)
    crop = crop_around(Box(0, 0, 1, 1), size, (64, 96))
    guide = guide_of(ProbabilityMap(np.ones((30, 30), np.float32), Crop.whole(size)), crop)
    assert guide[:, crop.place.left : crop.place.left + crop.place.inner[1]].min() == 1
    assert not guide[:, : crop.place.left].any()


def test_no_car_where_localisation_finds_none_if_the_model_says_so(dark):
    photo = draw((150, 60, 260, 260, BLUE))
    network = Guided(guided_info(dark.info, car=True))
    found = predict(network, photo)
    assert not found.mask.any()
    assert found.confidence == 0
    assert network.guides == []
    other = Guided(guided_info(dark.info))
    predict(other, photo)
    assert len(other.guides) == 1


def test_what_lies_beyond_reach_is_removed():
    crop = Crop.whole((320, 480))
    coarse = np.zeros((32, 48), np.float32)
    coarse[10:20, 10:20] = 1
    fine = np.zeros((64, 96), np.float32)
    fine[20:40, 20:40] = 0.9
    fine[30:34, 80:90] = 0.9  # 20 of localisation's pixels away
    fine[30:34, 44:48] = 0.9  # two to four away
    maps = ProbabilityMap(fine, crop), ProbabilityMap(coarse, crop)
    limited = limit_to_reach(*maps, ConfirmationSettings(reach=6)).probability
    assert not limited[:, 70:].any()
    np.testing.assert_array_equal(limited[:, :50], fine[:, :50])
    assert limit_to_reach(*maps, ConfirmationSettings()) is maps[0]
    assert limit_to_reach(*maps, ConfirmationSettings(reach=30)) is maps[0]


def test_stages_that_disagree_lower_the_confidence_s_features(dark):
    info = guided_info(dark.info)
    crop = Crop.whole((320, 480))
    fine = np.zeros((64, 96), np.float32)
    fine[20:40, 20:60] = 1

    def features(shift: int, certain: float = 1.0):
        coarse = np.zeros((32, 48), np.float32)
        coarse[10:20, 10 + shift : 30 + shift] = certain
        return measure_map(ProbabilityMap(fine, crop, ProbabilityMap(coarse, crop)), info)

    same, moved = features(0), features(5)
    # 1 - Dice of two rectangles of 20 columns, moved by 5, and what is added before the logarithm.
    assert np.exp(moved.disagreement) == pytest.approx(5 / 20 + 1e-3, abs=1e-3)
    assert same.disagreement < moved.disagreement
    assert features(0, 0.6).unsure > same.unsure
    assert measure_map(ProbabilityMap(fine, crop), info).disagreement == 0


def test_the_input_of_the_segmentation_stage(dark):
    network = Guided(guided_info(dark.info))
    photo = draw((150, 60, 260, 260, RED))
    pixels, guide = network_inputs(network, ReducedPhoto(photo, (400, 600)))
    assert (pixels.shape, guide.shape) == ((64, 96, 3), (64, 96))
    assert localise(network, ReducedPhoto(photo, (400, 600))).probability.shape == (32, 48)
    assert predict_map(network, ReducedPhoto(photo, (400, 600))).coarse is not None


def test_descriptions_that_contradict_themselves(dark):
    values = guided_info(dark.info).model_dump()
    with pytest.raises(ValueError, match=r"format 1 does not fit: .* 2 for those with a localisation network"):
        ModelInfo.model_validate({**values, "format": 1})
    with pytest.raises(ValueError, match="needs localisation_size"):
        ModelInfo.model_validate({**values, "localisation_size": None})
