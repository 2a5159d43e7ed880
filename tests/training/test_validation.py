"""Validation figures against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage
from sklearn.metrics import accuracy_score, f1_score

from carmask.data.parts import read_parts
from carmask.data.table import read_examples
from carmask.evaluation.scoring import evaluate
from carmask.images import ReducedPhoto, read_photo
from carmask.model.info import ModelInfo
from carmask.networks import build
from carmask.prediction.parts import predict_parts
from carmask.prediction.predict import open_for, predict
from carmask.prediction.stages import network_input
from carmask.training.dataset.cache import build_cache
from carmask.training.losses import find_loss
from carmask.training.predictor import Normalised, TorchNetwork
from carmask.training.train import train
from carmask.training.validation import validate

from .conftest import CPU, small


def test_f1_of_parts_is_scikit_learn_s_at_native_size(parts, cache):
    torch.manual_seed(0)
    examples, names = read_parts(parts)
    info = ModelInfo(
        name="t",
        version="1",
        network="mobilenetv2-unet",
        classes=names,
        height=64,
        width=64,
        stretch=True,
        normalisation="",
        threshold=0.5,
        training_data="",
        licence="",
    )
    network = TorchNetwork(Normalised(build("mobilenetv2-unet", 2)), info)
    some = examples[:3]
    measured = validate(network, some, build_cache(some, (64, 64), cache), find_loss("sparse-categorical+dice"))
    found = [predict_parts(network, open_for(network, one.photo)).labels.ravel() for one in some]
    truth = np.concatenate([one.read_labels().ravel() for one in some])
    expected = f1_score(truth, np.concatenate(found), labels=[1, 2], average="macro", zero_division=0)
    assert measured["f1"] == pytest.approx(expected, abs=1e-9)
    # Of labels, as training measures it, not of car against background.
    assert measured["accuracy"] == pytest.approx(accuracy_score(truth, np.concatenate(found)), abs=1e-9)


def small_network() -> TorchNetwork:
    """With weights that follow from a seed alone."""
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
    return TorchNetwork(Normalised(build("cnn-small")), info)


def test_figures_are_those_of_native_size(cars, cache):
    network = small_network()
    examples = read_examples(cars)[:3]
    measured = validate(network, examples, build_cache(examples, (64, 64), cache), find_loss("bce"))
    right = [(predict(network, read_photo(e.photo)).mask == e.read_mask()).mean() for e in examples]
    assert measured["accuracy"] == pytest.approx(np.mean(right), abs=1e-9)
    assert measured["dice"] == pytest.approx(np.mean([score.dice for score in evaluate(network, examples)]))
    losses = []
    for example in examples:
        photo = read_photo(example.photo)
        # As prediction shows it: by a shorter way than the cache's averages.
        pixels = torch.from_numpy(network_input(network, ReducedPhoto(photo, (photo.shape[0], photo.shape[1]))))[None]
        mask = torch.from_numpy(build_cache([example], (64, 64), cache).read(0, (64, 64))[1]).double() / 255
        with torch.no_grad():
            p = network.model.eval().car(pixels)[0].double()
        losses.append(-(mask * p.log() + (1 - mask) * (1 - p).log()).mean())
    assert measured["loss"] == pytest.approx(float(np.mean(losses)), rel=1e-4)


@pytest.mark.parametrize(("name", "border"), [("bce", 0.0), ("bce", 2.0), ("dice", 0.0), ("bce+dice", 2.0)])
def test_the_loss_is_on_the_masks_that_are_trained_on(cars, cache, name, border):
    """By the definitions, with scipy's neighbourhoods: binary masks, and contours that weigh more."""
    network = small_network()
    examples = read_examples(cars)[:2]
    decoded, losses = build_cache(examples, (64, 64), cache), []
    for index, example in enumerate(examples):
        soft = decoded.read(index, (64, 64))[1]
        assert np.unique(soft).size > 2  # or there would be nothing to cut
        mask = (soft >= 128).astype(float)
        pixels = torch.from_numpy(network_input(network, open_for(network, example.photo)))[None]
        with torch.no_grad():
            p = network.model.eval().car(pixels)[0].double().numpy()
        near = ndimage.maximum_filter(mask, 7) - ndimage.minimum_filter(mask, 7)
        weights = 1 + border * near
        bce = -(mask * np.log(p) + (1 - mask) * np.log(1 - p))
        dice = 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)
        losses.append(("bce" in name) * (bce * weights).mean() / weights.mean() + ("dice" in name) * dice)
    found = validate(network, examples, decoded, find_loss(name), binary=True, border=border)
    assert found["loss"] == pytest.approx(float(np.mean(losses)), rel=1e-4)


def test_a_training_validates_on_such_masks(cars, cache, tmp_path, monkeypatch):
    given = []

    def told(_network, checks, _loss):
        given.append((checks.binary, checks.border))
        return {"dice": 0.5, "accuracy": 0.5, "loss": 0.5, "score": 0.5}

    monkeypatch.setattr("carmask.training.module.validate_all", told)
    for number, changes in enumerate((["loss=bce", "border=2.0"], ["augment.binary=false"])):
        train(small(1, *changes), cars, tmp_path / str(number), cache=cache, machines=CPU)
    assert given == [(True, 2.0), (False, 0.0)]
