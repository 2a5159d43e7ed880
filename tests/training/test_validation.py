"""Validation figures against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score

from carmask.data.table import read_examples
from carmask.evaluation.evaluate import evaluate
from carmask.images import read_photo
from carmask.inference.model import ModelInfo
from carmask.inference.predict import predict
from carmask.networks import build
from carmask.training.cache import build_cache
from carmask.training.losses import find_loss
from carmask.training.predictor import Normalised, TorchNetwork
from carmask.training.validation import macro_f1, validate


def test_macro_f1_is_scikit_learn_s():
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 4, 500), rng.integers(0, 4, 500)
    confusion = torch.from_numpy(confusion_matrix(truth, found))
    assert macro_f1(confusion) == pytest.approx(f1_score(truth, found, average="macro"))
    assert macro_f1(torch.zeros(3, 3)) == 1.0
    assert macro_f1(torch.diag(torch.tensor([5, 0, 2]))) == 1.0  # a class that is nowhere does not count


def test_figures_are_those_of_native_size(cars, cache):
    torch.manual_seed(0)
    info = ModelInfo(
        name="t",
        version="1",
        network="cnn-small",
        height=64,
        width=64,
        stretch=True,
        normalisation="",
        threshold=0.5,
        training_data="",
        licence="",
    )
    network = TorchNetwork(Normalised(build("cnn-small")), info)
    examples = read_examples(cars)[:3]
    measured = validate(network, examples, build_cache(examples, (64, 64), cache), find_loss("bce"))
    right = [(predict(network, read_photo(e.photo)).mask == e.read_mask()).mean() for e in examples]
    assert measured["accuracy"] == pytest.approx(np.mean(right), abs=1e-9)
    assert measured["dice"] == pytest.approx(np.mean([score.dice for score in evaluate(network, examples)]))
    losses = []
    for example in examples:
        pixels = torch.from_numpy(build_cache([example], (64, 64), cache).read(0, (64, 64))[0])[None]
        mask = torch.from_numpy(build_cache([example], (64, 64), cache).read(0, (64, 64))[1]).double() / 255
        with torch.no_grad():
            p = network.model.eval().car(pixels)[0].double()
        losses.append(-(mask * p.log() + (1 - mask) * (1 - p).log()).mean())
    assert measured["loss"] == pytest.approx(float(np.mean(losses)), rel=1e-4)
