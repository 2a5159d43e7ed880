"""Localisation, then segmentation: with a network that is exact, whatever it is given."""

from __future__ import annotations

import numpy as np
import pytest

from carmask.images import ReducedPhoto
from carmask.model.behaviour import Behaviour, CropSettings
from carmask.prediction.predict import predict, predict_reduced
from carmask.prediction.stages import find_crop, network_input, predict_map


class TwoStages:
    """Calls pixels car by how dark they are; localisation can be made half blind. Remembers what sizes it was given."""

    def __init__(self, info, *, blind=0, augment=False):
        self.info, self.blind, self.seen = info.model_copy(update={"test_time_augmentation": augment}), blind, []

    def run(self, pixels):
        self.seen.append(pixels.shape[:2])
        found = np.clip((220 - pixels.mean(axis=2)) / 210, 0, 1).astype(np.float32)
        if pixels.shape[:2] == self.info.localisation_size and self.blind:
            found[:, -self.blind :] = 0
        return found

    run_parts = run


@pytest.fixture
def staged(dark):
    return lambda **how: TwoStages(
        dark.info.model_copy(update={"height": 64, "width": 96, "localisation_size": (32, 48)}), **how
    )


def draw(size=(400, 600), car=(150, 100, 260, 330)):
    photo = np.full((*size, 3), 220, np.uint8)
    photo[car[0] : car[2], car[1] : car[3]] = 10
    return photo


def test_two_stages_are_exact(staged):
    network, photo = staged(), draw()
    found = predict(network, photo)
    assert network.seen == [(32, 48), (64, 96)]
    truth = photo[..., 0] < 100
    assert found.area == pytest.approx(found.mask.mean())
    # Linear between pixel centres, a straight edge is found to a pixel of the photo; corners are rounded.
    assert np.count_nonzero(found.mask ^ truth) < 0.005 * truth.sum()


def test_what_localisation_missed_is_found(staged):
    # 48 columns of 12.5 pixels: localisation sees nothing from column 375 on.
    network, photo = staged(blind=18), draw(car=(150, 100, 260, 560))
    found = predict(network, photo)
    assert network.seen == [(32, 48), (64, 96), (64, 96)]
    truth = photo[..., 0] < 100
    assert np.count_nonzero(found.mask ^ truth) < 0.005 * truth.sum()


def test_without_a_car_the_whole_photo_is_segmented(staged):
    network = staged()
    found = predict(network, np.full((400, 600, 3), 220, np.uint8))
    assert network.seen == [(32, 48), (64, 96)]
    assert not found.mask.any()
    assert found.confidence == 0
    assert found.probability_map.crop.all


def test_a_reduced_photo_gives_the_same_place(staged):
    """A photo decoded at half its size has the same crop: masks differ by the reduction alone."""
    network, photo = staged(), draw(size=(800, 1200), car=(300, 200, 520, 660))
    half = ReducedPhoto(np.ascontiguousarray(photo[::2, ::2]), (800, 1200))
    whole = predict_map(network, ReducedPhoto(photo, (800, 1200)))
    assert predict_map(network, half).crop.size == pytest.approx(whole.crop.size, abs=4)
    found = predict_reduced(network, half)
    assert found.mask.shape == (800, 1200)
    truth = photo[..., 0] < 100
    assert np.count_nonzero(found.mask ^ truth) < 0.005 * truth.sum()
    assert predict_map(network, half).crop.photo == (800, 1200)
    assert network_input(network, half).shape == (64, 96, 3)


def test_the_mirrored_crop_has_more_around_the_car_and_the_same_place(staged):
    """The photo's mirror image, and a photo that is not mirrored, have masks in the same place."""
    plain, both, photo = staged(), staged(augment=True), draw()
    found = predict(both, photo)
    assert both.seen == [(32, 48), (64, 96), (64, 96)]
    truth = photo[..., 0] < 100
    assert np.count_nonzero(found.mask ^ truth) < 0.005 * truth.sum()
    assert found.probability_map.crop == predict_map(plain, ReducedPhoto(photo, (400, 600))).crop


def test_the_model_decides_the_margin(staged):
    network, photo = staged(), ReducedPhoto(draw(), (400, 600))
    tight = Behaviour(crop=CropSettings(margin=(0, 0, 0, 0), max_zoom=8))
    wide = Behaviour(crop=CropSettings(margin=(0.5, 0.5, 0.5, 0.5)))
    crops = []
    for behaviour in (tight, wide):
        network.info = network.info.model_copy(update={"behaviour": behaviour})
        crops.append(find_crop(network, photo).crop)
    # The car is 110x230; localisation's pixels are 12.5 of the photo's wide.
    assert 230 <= crops[0].size[1] <= 230 + 4 * 12.5
    assert crops[1].size[1] == pytest.approx(2 * crops[0].size[1], abs=2)
