"""Trainings with initial weights, with extra data, and of networks that locate the car first."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from carmask.data.split import split_cars
from carmask.errors import RecipeError, WeightsError
from carmask.model.runtime import load_model
from carmask.training.export import export, read_run
from carmask.training.extra_data import ExtraFolder, Sources
from carmask.training.history import read_history
from carmask.training.predictor import TorchNetwork
from carmask.training.train import train

from .conftest import CPU, copy, small, stages


def test_the_validation_cars_of_the_initial_weights_are_kept(run, cars, cache, tmp_path):
    """Another seed would be another split; a car that was added is trained on; a list may not name what was seen."""
    initial, held = run / "weights.safetensors", read_run(run)[1].validation_cars
    seed = next(s for s in range(1, 50) if split_cars({f"car{n}" for n in range(5)}, 1, seed=s).validation != held)
    grown = copy(cars, tmp_path / "grown")
    for folder, ending in (("train", ".png"), ("train_masks", "_mask.png")):
        (grown / folder / f"car0_01{ending}").rename(grown / folder / f"added_01{ending}")
    out = tmp_path / "run"
    train(small(1, f"seed={seed}"), grown, out, sources=Sources(initial_weights=initial), cache=cache, machines=CPU)
    info = read_run(out)[1]
    assert info.validation_cars == held
    assert "added" in info.training_cars
    # Resumed without naming the initial weights again, the split stays.
    train(small(1, f"seed={seed}"), grown, out, cache=cache, machines=CPU)
    assert read_run(out)[1] == info
    given = Sources(initial_weights=initial, validation_cars=tuple(read_run(run)[1].training_cars[:1]))
    with pytest.raises(RecipeError, match="were trained on 1 of the cars to validate on"):
        train(small(1), cars, tmp_path / "other", sources=given, cache=cache, machines=CPU)
    assert not (tmp_path / "other").exists()


def test_what_the_initial_weights_have_seen_is_remembered(run, cars, cache, tmp_path):
    """On other cars: the model has seen those of its initial weights all the same, and its card says so."""
    other = copy(cars, tmp_path / "other")
    for folder in ("train", "train_masks"):
        for file in (other / folder).iterdir():
            file.rename(file.with_name(f"new{file.name}"))
    out, start = tmp_path / "run", Sources(initial_weights=run / "weights.safetensors")
    train(small(1), other, out, sources=start, cache=cache, machines=CPU)
    info = read_run(out)[1]
    assert info.seen() == {*info.training_cars, *read_run(run)[1].training_cars}
    assert info.held_out({f"car{n}" for n in range(5)}) == ()
    train(small(1), other, out, cache=cache, machines=CPU)
    assert read_run(out)[1] == info
    export(out, tmp_path / "model.onnx")
    assert "initial weights of cnn-small, which had seen 4 others" in (tmp_path / "model.md").read_text()


def test_names_that_are_alike_by_chance_are_no_data_set(run):
    info = read_run(run)[1]
    everything = {*info.training_cars, *info.validation_cars}
    assert info.seen_of(everything) == set(info.training_cars)
    assert info.seen_of({info.training_cars[0], "a", "b"}) == frozenset()


def test_further_data_and_a_start(run, cars, cache, tmp_path):
    """A second set with its share and its own split; the first run's weights to begin with."""
    other = copy(cars, tmp_path / "other")
    for folder in ("train", "train_masks"):
        for file in (other / folder).iterdir():
            file.rename(file.with_name(f"new{file.name}"))
    sources = Sources(extra=(ExtraFolder(other, 0.5),), initial_weights=run / "weights.safetensors")
    recipe = small(1, "learning_rate=1e-9", "freeze_norm=true", "border=2.0", "augment.background=1.0", "loss=bce")
    out = tmp_path / "run"
    train(recipe, cars, out, sources=sources, cache=cache, machines=CPU)

    before, after = (read_run(folder)[0].state_dict() for folder in (run, out))
    assert all(torch.allclose(before[key].float(), after[key].float(), atol=1e-5) for key in before)
    info = read_run(out)[1]
    (extra,) = info.extra_data
    assert (extra.name, extra.share, len(extra.validation_cars)) == ("other", 0.5, 3)
    assert info.held_out({f"newcar{n}" for n in range(5)}) == extra.validation_cars
    assert info.held_out({f"car{n}" for n in range(5)}) == info.validation_cars
    assert info.held_out({"of another set"}) == ()
    assert set(extra.training_cars) < info.seen()
    with (out / "data.csv").open(newline="") as stream:
        uses = {(row["car"], row["use"]) for row in csv.DictReader(stream)}
    assert {(car, "validation") for car in extra.validation_cars} < uses
    assert "validation/dice other" in read_history(out)[0]
    with pytest.raises(RecipeError, match="holds a run with other extra data"):
        train(recipe, cars, out, cache=cache, machines=CPU)
    wrong = Sources(initial_weights=tmp_path / "wrong.safetensors")
    save_file({"x": torch.zeros(1)}, wrong.initial_weights)
    with pytest.raises(WeightsError, match="not weights of this recipe's network"):
        train(small(2), cars, tmp_path / "second", sources=wrong, cache=cache, machines=CPU)


def test_a_network_that_locates_the_car_first_is_trained_and_exported(cars, cache, tmp_path):
    """Trained on what the car fills, validated and exported as a model of two stages; in ONNX Runtime, too."""
    import onnxruntime

    zoomed = stages(1, (96, 144), more="window=[64,96],locate=[32,48]")
    train(small(1, zoomed), cars, tmp_path / "run", cache=cache, machines=CPU)
    model, info = read_run(tmp_path / "run")
    assert (info.size, info.localisation_size, info.stretch) == ((64, 96), (32, 48), False)
    (row,) = read_history(tmp_path / "run")
    assert 0 <= row["validation/dice"] <= 1
    assert "validation/loss" not in row
    made = export(tmp_path / "run", tmp_path / "model.onnx", data=cars)
    assert made.info.score is not None
    assert "localisation in the whole photo at 48x32" in (tmp_path / "model.md").read_text()
    exported, trained = load_model(tmp_path / "model.onnx"), TorchNetwork(model, info)
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"), providers=["CPUExecutionProvider"])
    for size in ((64, 96), (32, 48)):
        probe = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
        expected = trained.run(probe)
        assert expected.shape == size
        assert np.abs(exported.run(probe) - expected).mean() < 0.02
        assert np.abs(session.run(None, {"photo": probe[None]})[0][0] - expected).mean() < 0.001


def test_photos_of_another_shape_are_zoomed_into_unstretched(cars, tmp_path):
    """Where the network locates the car, prediction never stretches a photo, so training must not."""
    train(
        small(1, stages(1, (128, 128), more="window=[64,64],locate=[32,32]")),
        cars,
        tmp_path / "run",
        cache=tmp_path / "cache",
        machines=CPU,
    )
    assert all(folder.name.endswith("-whole") for folder in (tmp_path / "cache").iterdir() if folder.is_dir())
    assert not read_run(tmp_path / "run")[1].stretch


def test_a_training_that_diverges_ends_with_an_error_and_keeps_nothing_of_it(cars, cache, tmp_path):
    run, wild = tmp_path / "run", small(3, "learning_rate=1e30", "warmup=0", "schedule=constant")
    with pytest.raises(RecipeError, match=r"the training diverged in epoch 1: .* a learning_rate below 1e\+30"):
        train(wild, cars, run, cache=cache, machines=CPU)
    assert not [one.name for one in run.rglob("*") if one.suffix in {".ckpt", ".safetensors"} or one.stem == "history"]
