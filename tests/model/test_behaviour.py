"""A model's behaviour is in its file: old files have today's defaults, new ones what they say."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from carmask.model.behaviour import Behaviour
from carmask.model.calibration import SEGMENTATION_FEATURES, Calibration
from carmask.model.file import find_model, read_info
from carmask.model.info import ModelInfo

#: What the masks of version 4 were made with, when these numbers stood in the code.
VERSION_4 = {
    "crop": {"margin": (0.12, 0.05, 0.05, 0.05), "mirrored_margin": (0.16, 0.1, 0.1, 0.1), "max_zoom": 2.0},
    "confirmation": {
        "components": True,
        "car": False,
        "probability": 0.3,
        "distance": 2,
        "thickness": 5,
        "reach": None,
        "possible": 0.1,
    },
    "components": {"min_area": 0.2, "max_distance": 0.01},
    "features": {"decided": (0.1, 0.9), "near": 4, "offset": 3e-6},
}
#: With what the specialist of version 6 was chosen, when these numbers stood in the code.
VERSION_6 = VERSION_4 | {"gate": {"grid": (4, 6), "background": 0.1, "around": 3, "shown": 0.3, "near": 2}}


def test_files_that_name_no_behaviour_keep_theirs(dark):
    assert Behaviour().model_dump() == VERSION_6
    old = {key: value for key, value in dark.info.model_dump().items() if key != "behaviour"}
    assert ModelInfo.model_validate(old).behaviour.model_dump() == VERSION_6


def test_a_file_s_behaviour_is_read_and_unknown_numbers_are_refused(dark):
    values = dark.info.model_dump()
    changed = ModelInfo.model_validate({**values, "behaviour": {"crop": {"max_zoom": 3}}})
    assert changed.behaviour.crop.max_zoom == 3
    assert changed.behaviour.components == Behaviour().components
    assert ModelInfo.model_validate_json(changed.model_dump_json()) == changed
    with pytest.raises(ValidationError, match="Extra inputs"):
        ModelInfo.model_validate({**values, "behaviour": {"crop": {"zoom": 3}}})


def test_old_names_are_read(dark):
    values = {
        key: value
        for key, value in dark.info.model_dump().items()
        if key not in {"localisation_size", "test_time_augmentation", "extra_data"}
    }
    info = ModelInfo.model_validate({**values, "locate": [192, 288], "flip": True, "further_data": []})
    assert (info.localisation_size, info.test_time_augmentation, info.extra_data) == ((192, 288), True, ())


def test_old_calibrations_are_read():
    old = ("width", "doubt", "band", "far", "pieces", "holes", "rough", "area", "cut", "sides")
    none, head = [0.0] * 10, {"weights": [0.0] * 10, "bias": 0.0}
    values = {"centre": none, "scale": [1.0] * 10, "error": head, "loss": head, "strange": head}
    found = Calibration.model_validate({"signs": old, **values, "review_below": 0.9, "data": "none"})
    assert found.features == SEGMENTATION_FEATURES
    assert "signs" not in found.model_dump()


@pytest.mark.parametrize("name", ["default", "best"])
def test_the_shipped_models_are_read(name):
    info = read_info(find_model(name))
    assert info.localisation_size is not None
    assert info.calibration is not None
