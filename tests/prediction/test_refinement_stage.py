"""The refinement stage: which crop it is given, at which size, and what becomes of its map."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from carmask.images import ReducedPhoto
from carmask.model.info import ModelInfo, Refinement
from carmask.prediction.predict import _useful_size, predict
from carmask.prediction.stages import predict_map, refinement_inputs

from .test_guided_stages import RED, Guided, draw, guided_info


class Refined(Guided):
    """Finds the red car roughly, and refines to exactly the red pixels of what it is given."""

    def __init__(self, info: ModelInfo) -> None:
        super().__init__(info)
        self.given = []

    def refine(self, pixels, coarse, /):
        self.given.append((pixels, coarse))
        return (pixels[..., 0].astype(int) - pixels[..., 2] > 60).astype(np.float32)


def refined_info(info: ModelInfo, size=(128, 256), **changes) -> ModelInfo:
    stage = Refinement(network="mobilenetv2-unet-refinement", normalisation="", size=size, **changes)
    return ModelInfo.model_validate({**guided_info(info).model_dump(), "format": 3, "refinement": stage})


def test_the_mask_is_the_refined_one(dark):
    network = Refined(refined_info(dark.info, size=(256, 512)))
    photo = draw((151, 63, 262, 259, RED))
    truth = (photo == RED).all(axis=2)
    coarse, fine = predict(Guided(guided_info(dark.info)), photo), predict(network, photo)
    # The photo is 400x600 and the input 256x512: the car comes in at its own size, so no pixel is lost.
    assert np.count_nonzero(fine.mask ^ truth) == 0
    assert np.count_nonzero(coarse.mask ^ truth) > 0
    (pixels, guide) = network.given[0]
    assert (pixels.shape, guide.shape, guide.dtype) == ((256, 512, 3), (256, 512), np.float32)


def test_the_coarse_map_lies_on_the_photo(dark):
    """What the stage is given beside the photo is the other stages' map of the same pixels."""
    network = Refined(refined_info(dark.info))
    photo = draw((150, 60, 260, 260, RED))
    pixels, coarse = refinement_inputs(network, ReducedPhoto(photo, photo.shape[:2]))
    red = pixels[..., 0].astype(int) - pixels[..., 2] > 60
    assert np.count_nonzero((coarse > 0.5) ^ red) < 0.1 * np.count_nonzero(red)


def test_without_a_car_nothing_is_refined(dark):
    network = Refined(refined_info(dark.info))
    assert not predict(network, draw()).mask.any()
    assert refinement_inputs(network, ReducedPhoto(draw(), (400, 600))) is None
    assert not network.given


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(top=st.integers(0, 300), left=st.integers(0, 500), height=st.integers(60, 100), width=st.integers(90, 100))
def test_the_crop_holds_the_car_wherever_it_is(dark, top, left, height, width):
    network = Refined(refined_info(dark.info))
    photo = draw((top, left, top + height, left + width, RED))
    found = predict_map(network, ReducedPhoto(photo, photo.shape[:2]))
    truth = (photo == RED).all(axis=2)
    outside = truth.copy()
    outside[found.crop.where] = False
    assert not outside.any()
    assert found.coarse is not None


def test_a_photo_is_decoded_as_large_as_refinement_needs_it(dark):
    plain, fine = guided_info(dark.info), refined_info(dark.info, size=(768, 1536))
    assert _useful_size(plain, (1280, 1918))[1] < 500
    # At the challenge's size a pixel of the input is one of the photo.
    assert _useful_size(fine, (1280, 1918)) == (1280, 1918)


def test_descriptions_that_contradict_themselves_are_refused(dark):
    values = refined_info(dark.info).model_dump()
    for wrong in ({"format": 2}, {"refinement": None}, {"localisation": None, "localisation_size": None}):
        with pytest.raises(ValidationError):
            ModelInfo.model_validate({**values, **wrong})
