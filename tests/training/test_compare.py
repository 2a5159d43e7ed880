"""The table of several runs, of folders that are written by hand."""

from __future__ import annotations

import pytest

from carmask.model.info import ModelInfo, Refinement
from carmask.networks import build
from carmask.networks.summary import count
from carmask.training.compare import compare
from carmask.training.history import write_history
from carmask.training.recipe import load_recipe

INFO = ModelInfo(
    name="a", version="1", network="mobilenetv2-unet", height=64, width=96, normalisation="", threshold=0.5,
    training_data="drawn", licence="",
)  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def run(name, *changes, info=INFO):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "recipe.json").write_text(load_recipe("default", changes).model_dump_json())
        (folder / "model.json").write_text(info.model_dump_json())
        write_history(folder, [{"epoch": 0.0, "validation/dice": 0.5}])
        return folder

    return run


def test_what_stays_as_it_was_loaded_is_not_trainable(write):
    whole, part = compare([write("whole"), write("part", "encoder.frozen_part=0.5")])
    assert (whole.run, part.run) == ("whole", "part")
    network = build(load_recipe("default").network)
    assert whole.trainable == count(network).trainable
    network.freeze_lowest(0.5)
    assert part.trainable == count(network).trainable < whole.trainable
    assert part.parameters == whole.parameters


def test_a_refinement_stage_is_of_its_own_size(write):
    stage = Refinement(network="mobilenetv2-unet-refinement", normalisation="", size=(96, 192))
    info = INFO.model_copy(update={"format": 3, "localisation_size": (32, 48), "refinement": stage})
    (line,) = compare([write("refining", info=info)])
    assert line.size == "192x96"
