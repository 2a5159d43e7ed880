"""Which stage loses what."""

from __future__ import annotations

import numpy as np
import pytest

from carmask.data.table import read_examples
from carmask.learning.diagnose import StageLosses, measure_losses
from carmask.learning.rehearsal import shipped_examples
from carmask.model.file import find_model
from carmask.model.network import Redescribed
from carmask.model.runtime import load_model
from carmask.prediction.predict import open_for
from carmask.prediction.stages import predict_map


class _Blind:
    """The shipped model with a localisation that finds nothing."""

    def __init__(self, network):
        self.info, self.run, self.refine, self.run_parts = network.info, network.run, network.refine, network.run_parts
        self.specialise = network.specialise

    def locate(self, pixels):
        return np.zeros(pixels.shape[:2], np.float32)


@pytest.fixture(scope="module")
def network():
    return load_model(find_model("shipped:default"))


def test_a_blind_localisation_is_what_loses(network):
    examples = read_examples(shipped_examples())[:2]
    found = measure_losses(_Blind(network), examples)
    # Where localisation finds no car there is none; with the true masks the segmentation stage finds all of it.
    assert found.own == 1
    assert 0 < found.located < 0.05
    assert (found.training, found.photos) == (0.75, 2)
    assert measure_losses(network, examples).located == pytest.approx(found.located, abs=1e-3)


def test_a_specialist_is_left_out_as_it_does_not_learn(network):
    known = network.info.specialist
    assert known is not None
    # Every photo is of its studio, and it is always believed.
    special = known.model_copy(update={"distance": 1e9, "disagreement": 1e9})
    asked = Redescribed(network, network.info.model_copy(update={"specialist": special}))
    asked.specialise = None
    examples = read_examples(shipped_examples())[:1]
    with pytest.raises(TypeError, match="not callable"):
        predict_map(asked, open_for(asked, examples[0].photo))
    assert measure_losses(asked, examples).own < 0.05


@pytest.mark.parametrize(
    ("own", "located", "part"),
    [(0.01, 0.006, 0.4), (0.01, 0.0095, 0), (0.01, 0.0085, 0.25), (0.01, 0.02, 0), (0, 0, 0)],
)
def test_the_training_is_divided_as_the_losses_are(own, located, part):
    assert StageLosses(own, located, 9).training == pytest.approx(part)
