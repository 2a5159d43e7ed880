"""Weights of single epochs: which are kept, which is the best, and models of trainings that were stopped."""

from __future__ import annotations

import shutil

import pytest
import torch

from carmask.errors import UsageError, WeightsError
from carmask.model.runtime import load_model
from carmask.training.epochs import best_epoch, find_weights, has_stopped, kept_epochs
from carmask.training.export import export, read_run
from carmask.training.recipe import EarlyStoppingSettings
from carmask.training.run_folder import WEIGHTS_FILE, epoch_file
from carmask.training.train import train

from .conftest import CPU, small


def rows(name, *values):
    return [{"epoch": float(epoch), f"validation/{name}": value} for epoch, value in enumerate(values)]


def test_the_best_epoch_is_the_first_of_the_highest_score():
    assert best_epoch(rows("score", 0.5, 0.9, 0.9, 0.1), None) == 1
    assert best_epoch(rows("loss", 0.5, 0.9, 0.1, 0.1), EarlyStoppingSettings(monitor="loss")) == 2
    assert best_epoch([{"epoch": 0.0}, {"epoch": 1.0}], None) == 1


def test_stopping_by_hand():
    stop = EarlyStoppingSettings(monitor="score", patience=2, min_delta=0.1)
    assert not has_stopped(rows("score", 0.5, 0.55), stop)
    assert has_stopped(rows("score", 0.5, 0.55, 0.6), stop)
    assert not has_stopped(rows("score", 0.5, 0.55, 0.65), stop)


@pytest.fixture(scope="module")
def stopped(cars, cache, tmp_path_factory):
    """A training of seven epochs, of which the second was the best; killed before its end."""
    scores = iter((0.5, 0.9, 0.6, 0.6, 0.7, 0.6, 0.6))
    out = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("carmask.training.module.validate_all", lambda *_: {"score": next(scores)})
        patch.setattr("carmask.memory.keep_memory", lambda: False)
        train(small(7, "epoch_photos=2", "keep_epochs=2"), cars, out, cache=cache, machines=CPU)
    (out / WEIGHTS_FILE).unlink()
    return out


def test_the_best_and_the_last_epochs_are_kept(stopped):
    assert kept_epochs(stopped) == [1, 5, 6]


def test_a_training_that_was_stopped_is_exported(stopped, tmp_path):
    with pytest.raises(WeightsError, match="not a finished training: 7 epochs are done; resume it, or name the epoch"):
        export(stopped, tmp_path / "m.onnx")
    files = {epoch: find_weights(stopped, epoch) for epoch in ("best", "last", "6", 7)}
    assert files == {
        "best": epoch_file(stopped, 1),
        "last": epoch_file(stopped, 6),
        "6": epoch_file(stopped, 5),
        7: epoch_file(stopped, 6),
    }
    best, last = (read_run(stopped, epoch)[0].state_dict() for epoch in ("best", "last"))
    assert any(not torch.equal(best[key], last[key]) for key in best)
    made = export(stopped, tmp_path / "m.onnx", epoch="best")
    assert load_model(tmp_path / "m.onnx").info == made.info
    for epoch, message in (
        ("3", "epoch 3 are not kept; there are those of: 2, 6, 7"),
        ("first", "write best, last or"),
    ):
        with pytest.raises(WeightsError, match=message):
            export(stopped, tmp_path / "n.onnx", epoch=epoch)
    assert not (tmp_path / "n.onnx").exists()


def test_an_interruption_that_cost_the_best_epoch_costs_no_more(stopped, tmp_path):
    shutil.copytree(stopped, tmp_path / "run")
    epoch_file(tmp_path / "run", 1).unlink()
    assert find_weights(tmp_path / "run", "best") == epoch_file(tmp_path / "run", 5)


def test_what_was_trained_without_validation_cars_is_not_scored(cars, cache, tmp_path):
    train(small(1, "validation=0", "epoch_photos=2"), cars, tmp_path / "run", cache=cache, machines=CPU)
    with pytest.raises(UsageError, match="trained without validation cars, so there is nothing to score"):
        export(tmp_path / "run", tmp_path / "m.onnx", data=cars)
    assert export(tmp_path / "run", tmp_path / "m.onnx").info.score is None


def test_what_is_no_run(tmp_path):
    with pytest.raises(WeightsError, match="not a training run"):
        read_run(tmp_path)
