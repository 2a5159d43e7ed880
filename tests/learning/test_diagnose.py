"""Which stage loses what."""

from __future__ import annotations

import numpy as np
import pytest

from carmask.data.table import read_examples
from carmask.learning.diagnose import StageLosses, measure_losses
from carmask.learning.rehearsal import shipped_examples
from carmask.model.file import find_model
from carmask.model.runtime import load_model


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


@pytest.mark.parametrize(
    ("own", "located", "part"),
    [(0.01, 0.006, 0.4), (0.01, 0.0095, 0), (0.01, 0.0085, 0.25), (0.01, 0.02, 0), (0, 0, 0)],
)
def test_the_training_is_divided_as_the_losses_are(own, located, part):
    assert StageLosses(own, located, 9).training == pytest.approx(part)
