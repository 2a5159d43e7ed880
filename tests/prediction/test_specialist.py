"""A specialist: which photos it is given, when it is believed, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from carmask.geometry import Crop
from carmask.model.behaviour import Behaviour, GateSettings
from carmask.model.info import ModelInfo, Specialist
from carmask.prediction.predict import predict
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prediction.specialist import background_cells, background_distance, disagreement, is_familiar

from .test_guided_stages import RED, Guided, draw, guided_info

WALL = 220
GRID = GateSettings().grid


def special(**changes) -> Specialist:
    """For studios with the wall of ``draw``."""
    mean, deviation = (np.full((*GRID, 3), value).tolist() for value in (float(WALL), 8.0))
    values = {"network": "mobilenetv2-unet", "normalisation": "", "mean": mean, "deviation": deviation}
    return Specialist.model_validate(values | changes)


def special_info(info: ModelInfo, **changes) -> ModelInfo:
    guided = guided_info(info).model_dump()
    return ModelInfo.model_validate({**guided, "format": 4, "specialist": special(**changes)})


class Mixed(Guided):
    """Its specialist calls exactly the red pixels car, and a corner of the photo if it is told to."""

    def __init__(self, info: ModelInfo, *, wrong: bool = False) -> None:
        super().__init__(info)
        self.wrong, self.specialised = wrong, 0

    def specialise(self, pixels, /):
        self.specialised += 1
        found = (pixels[..., 0].astype(int) - pixels[..., 2] > 60).astype(np.float32)
        if self.wrong:
            found[: found.shape[0] // 3] = 1
        return found


CAR = (150, 160, 260, 460, RED)


def test_a_photo_of_its_studio_is_the_specialists(dark):
    network = Mixed(special_info(dark.info))
    found = predict(network, draw(CAR))
    alone = predict(Guided(guided_info(dark.info)), draw(CAR))
    assert (network.specialised, len(network.guides)) == (1, 0)
    truth = (draw(CAR) == RED).all(axis=2)
    assert np.count_nonzero(found.mask ^ truth) <= np.count_nonzero(alone.mask ^ truth)
    assert found.mask.any()


@pytest.mark.parametrize("wall", [60, 140, 255])
def test_a_photo_of_another_place_is_not(dark, wall):
    network, photo = Mixed(special_info(dark.info)), draw(CAR)
    photo[(photo == WALL).all(axis=2)] = wall
    plain = Guided(guided_info(dark.info))
    assert np.array_equal(predict(network, photo).mask, predict(plain, photo).mask)
    assert network.specialised == 0


def test_what_localisation_contradicts_is_segmented_again(dark):
    network = Mixed(special_info(dark.info), wrong=True)
    plain = Guided(guided_info(dark.info))
    assert np.array_equal(predict(network, draw(CAR)).mask, predict(plain, draw(CAR)).mask)
    # Twice, as what it calls car goes on beyond the crop; then the segmentation network.
    assert (network.specialised, len(network.guides)) == (2, 1)


def test_without_a_car_there_is_nothing_to_specialise(dark):
    network = Mixed(special_info(dark.info))
    predict(network, draw())
    assert network.specialised == 0


def test_both_crops_are_segmented_by_the_specialist(dark):
    info = special_info(dark.info).model_copy(update={"test_time_augmentation": True})
    network = Mixed(info)
    predict(network, draw(CAR))
    assert (network.specialised, len(network.guides)) == (2, 0)


def whole(probability, size=(400, 600)) -> ProbabilityMap:
    return ProbabilityMap(np.asarray(probability, np.float32), Crop.whole(size))


def test_cells_by_hand():
    """A photo of four colours, each over a quarter; the car fills the upper left one."""
    photo = np.zeros((64, 96, 3), np.uint8)
    photo[:32, 48:], photo[32:, :48], photo[32:, 48:] = (10, 20, 30), (40, 50, 60), (70, 80, 90)
    car = np.zeros((64, 96), np.float32)
    car[:32, :48] = 1
    cells = background_cells(photo, whole(car))
    assert cells.shape == (*GRID, 3)
    assert np.isnan(cells[:2, :3]).all()
    assert np.allclose(cells[:2, 4:], (10, 20, 30))
    assert np.allclose(cells[3:, :3], (40, 50, 60))
    assert np.allclose(cells[3:, 3:], (70, 80, 90))


@settings(max_examples=40)
@given(arrays(np.uint8, (24, 36, 3)), arrays(np.float32, (24, 36), elements=st.floats(0, 1, width=32)))
def test_distance_is_zero_from_itself_and_grows_with_a_shift(photo, car):
    cells = background_cells(photo, whole(car))
    if np.isnan(cells).all():
        assert background_distance(cells, special()) == float("inf")
        return
    own = special(mean=np.nan_to_num(cells).tolist())
    assert background_distance(cells, own) == pytest.approx(0, abs=1e-3)
    # Every colour shifted by one deviation of 8.
    assert background_distance(cells + 8, own) == pytest.approx(1, abs=1e-3)


def test_a_car_that_fills_the_photo_is_not_familiar():
    assert not is_familiar(draw(), whole(np.ones((32, 48))), special())


def test_disagreement_by_hand():
    coarse = np.zeros((40, 60), np.float32)
    coarse[10:30, 20:40] = 1  # 400 pixels
    fine = coarse.copy()
    fine[10:12] = 0  # next to the contour: not counted
    assert disagreement(whole(fine), whole(coarse), 0.5, 0.5) == 0
    fine[18:22, 28:32] = 0  # 16 in the middle
    fine[:4, :5] = 1  # 20 far away
    assert disagreement(whole(fine), whole(coarse), 0.5, 0.5) == pytest.approx(36 / 400)
    assert disagreement(whole(fine), whole(np.zeros((40, 60))), 0.5, 0.5) == float("inf")


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.sampled_from([1, 2, 3]))
def test_the_format_says_which_networks_a_file_holds(dark, place):
    good = special_info(dark.info).model_dump()
    assert ModelInfo.model_validate(good).specialist is not None
    with pytest.raises(ValidationError, match="4 is for files with a specialist"):
        ModelInfo.model_validate({**good, "format": place})
    with pytest.raises(ValidationError, match="4 is for files with a specialist"):
        ModelInfo.model_validate({**good, "specialist": None})
    with pytest.raises(ValidationError, match="a specialist needs a localisation network"):
        ModelInfo.model_validate({**good, "localisation": None})


def test_the_gate_is_as_the_file_says(dark):
    """With a grid of one cell a photo's upper half may have any colour that its mean hides."""
    photo, empty = draw(CAR), draw()
    for one in (photo, empty):
        one[:200][(one[:200] == WALL).all(axis=2)] = WALL - 60
    one = Behaviour(gate=GateSettings(grid=(1, 1)))
    mean = background_cells(empty, whole(np.zeros((40, 60))), one.gate)
    info = special_info(dark.info).model_copy(
        update={"behaviour": one, "specialist": special(mean=mean.tolist(), deviation=[[[8.0] * 3]])}
    )
    network = Mixed(ModelInfo.model_validate(info.model_dump()))
    predict(network, photo)
    assert network.specialised == 1
    usual = Mixed(special_info(dark.info))
    predict(usual, photo)
    assert usual.specialised == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"mean": [[[1.0] * 3] * 6] * 3},
        {"mean": [[[1.0] * 3] * 5] * 4},
        {"deviation": [[[1.0] * 3] * 6] * 5},
        {"deviation": [[[0.0] * 3] * 6] * 4},
    ],
)
def test_a_background_that_does_not_fit_the_grid_is_refused(dark, wrong):
    good = special_info(dark.info).model_dump()
    with pytest.raises(ValidationError, match=r"a mean and a deviation above 0 for each cell of behaviour\.gate\.grid"):
        ModelInfo.model_validate({**good, "specialist": {**good["specialist"], **wrong}})
