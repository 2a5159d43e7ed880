"""Trainings of a few steps: every recipe, interruption, early stopping, several devices, and what is refused."""

from __future__ import annotations

import csv
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from carmask.errors import (
    CarmaskError,
    DataError,
    DeviceError,
    OutputError,
    PhotoError,
    RecipeError,
    UnknownNameError,
    WeightsError,
)
from carmask.locking import only_run
from carmask.networks import build
from carmask.training.checkpoint import WholeCheckpointIO
from carmask.training.compare import compare
from carmask.training.export import export, read_run
from carmask.training.history import read_history, write_history
from carmask.training.machines import Machines
from carmask.training.recipe import Recipe, load_recipe
from carmask.training.train import train

from .conftest import CPU, FAST, copy, small, stages


def test_what_a_run_says_of_itself(run):
    info = json.loads((run / "model.json").read_text())
    with (run / "data.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 10
    assert {row["car"] for row in rows if row["use"] == "validation"} == set(info["validation_cars"])
    assert {row["car"] for row in rows if row["use"] == "train"} == set(info["training_cars"])
    assert Recipe.model_validate_json((run / "recipe.json").read_text()) == small(3)
    assert {"carmask", "torch", "lightning", "python"} <= set(json.loads((run / "versions.json").read_text()))
    assert not info["stretch"]  # 96x64 has the drawn photos' own shape


def test_photos_of_another_shape_are_stretched_in_prediction_as_in_training(cars, cache, tmp_path):
    train(small(1, stages(1, (64, 64))), cars, tmp_path / "run", cache=cache, machines=CPU)
    _, info = read_run(tmp_path / "run")
    assert info.stretch
    assert info.place((96, 144)).inner == (64, 64)


def test_the_loss_falls_and_the_car_is_found(cars, cache, tmp_path):
    recipe = small(14, "epoch_photos=0", "learning_rate=3e-3", "loss=bce+dice", "initialisation=he")
    train(recipe, cars, tmp_path / "run", cache=cache, machines=CPU)
    rows = read_history(tmp_path / "run")
    assert rows[-1]["train/loss"] < 0.5 * rows[0]["train/loss"]
    assert max(row["validation/dice"] for row in rows) > 0.85


def test_a_run_that_is_given_again_does_nothing_more(run, cars, cache):
    before = (run / "weights.safetensors").read_bytes()
    train(small(3), cars, run, cache=cache, machines=CPU)
    assert (run / "weights.safetensors").read_bytes() == before
    assert len(read_history(run)) == 3


def test_a_killed_run_goes_on_where_it_was(cars, cache, tmp_path):
    """SIGKILL at a random moment; the curves are those of an undisturbed run."""
    recipe, epochs = "cnn-small", 8
    changes = [*FAST, stages(epochs), "epoch_photos=8"]
    settings = load_recipe(recipe, changes)
    train(settings, cars, tmp_path / "whole", cache=cache, machines=CPU)

    out = tmp_path / "killed"
    command = [sys.executable, "-m", "carmask", "train", recipe, "--data", str(cars), "--out", str(out)]
    command += ["--device", "cpu", "--cache", str(cache)]
    for change in changes:
        command += ["--set", change]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not (out / "last.ckpt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(random.random())
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "weights.safetensors").exists() or process.returncode == 0
    (out / ".last.ckpt.abcd1234.tmp").touch()  # as if it had been killed while it wrote

    train(settings, cars, out, cache=cache, machines=CPU)
    whole, resumed = read_history(tmp_path / "whole"), read_history(out)
    assert [row["epoch"] for row in resumed] == list(range(epochs))
    assert not list(out.glob(".*.tmp"))
    for one, other in zip(whole, resumed, strict=True):
        assert other == pytest.approx(one, rel=0.02, abs=0.005)


def test_early_stopping_stops(cars, cache, tmp_path):
    stop = ["early_stopping.monitor=dice", "early_stopping.min_delta=1.0", "early_stopping.patience=2"]
    recipe = small(9, *stop)
    for _ in range(2):  # given again, it stays stopped
        train(recipe, cars, tmp_path / "run", cache=cache, machines=CPU)
        assert len(read_history(tmp_path / "run")) == 3


@pytest.mark.parametrize(("monitor", "figures"), [("score", (0.5, 0.9, 0.6, 0.89)), ("loss", (0.5, 0.1, 0.4, 0.11))])
def test_the_best_weights_are_returned_to(cars, cache, tmp_path, monkeypatch, monitor, figures):
    """Validation is told to find the second epoch the best; its weights must be those that are kept."""
    seen = []

    def told(network, *_):
        seen.append({key: value.clone() for key, value in network.model.state_dict().items()})
        return {"dice": 0.5, "accuracy": 0.5, "loss": 0.5, "score": 0.5, monitor: figures[len(seen) - 1]}

    monkeypatch.setattr("carmask.training.module.validate_all", told)
    changes = [f"early_stopping.monitor={monitor}", "early_stopping.patience=9"]
    train(small(4, *changes), cars, tmp_path / "run", cache=cache, machines=CPU)
    kept = read_run(tmp_path / "run")[0].state_dict()
    assert all(torch.equal(kept[key], seen[1][key]) for key in kept)
    assert any(not torch.equal(kept[key], seen[3][key]) for key in kept)


def test_two_processes_train_together(cars, cache, tmp_path):
    """DDP on two processes of this processor: one history, one set of weights."""
    command = [sys.executable, "-m", "carmask", "train", "cnn-small", "--data", str(cars)]
    command += ["--out", str(tmp_path / "run"), "--cache", str(cache), "--device", "cpu", "--devices", "2"]
    for change in [*FAST, stages(2), "epoch_photos=8"]:
        command += ["--set", change]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=400, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(read_history(tmp_path / "run")) == 2
    # Eight photos, two in a batch, two processes: two steps an epoch.
    assert torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["global_step"] == 4
    read_run(tmp_path / "run")


def test_compare(run, cars, cache, tmp_path):
    train(small(1, "loss=bce"), cars, tmp_path / "bce", cache=cache, machines=CPU)
    lines = compare([tmp_path / "bce", run], tmp_path / "out")
    assert {line.run for line in lines} == {"bce", "cnn"}
    assert lines[0].dice >= lines[1].dice
    by_name = {line.run: line for line in lines}
    assert (by_name["cnn"].epochs, by_name["cnn"].parameters) == (3, 654_755)
    assert by_name["cnn"].dice == max(row["validation/dice"] for row in read_history(run))
    assert Image.open(tmp_path / "out" / "compare.png").size == (1500, 440)
    with pytest.raises(WeightsError, match=r"carmask train"):
        compare([tmp_path])


def test_runs_of_parts_are_compared_at_their_best_f1(parts, cache, tmp_path):
    recipe = load_recipe("parts-unet", [*FAST, stages(), "network=cnn-small"])
    for name, figures in (("one", ((0.3, 0.9), (0.5, 0.7))), ("other", ((0.4, 0.95),))):
        train(recipe, parts, tmp_path / name, cache=cache, machines=CPU)
        rows = [{"epoch": n, "validation/f1": f1, "validation/dice": dice} for n, (f1, dice) in enumerate(figures)]
        write_history(tmp_path / name, rows)
    lines = compare([tmp_path / "other", tmp_path / "one"])
    assert [(line.run, line.best_epoch, line.f1, line.dice) for line in lines] == [
        ("one", 2, 0.5, 0.7),
        ("other", 1, 0.4, 0.95),
    ]


def test_an_export_that_differs_is_not_written(run, tmp_path, monkeypatch):
    monkeypatch.setattr("carmask.training.export.STORAGE_TOLERANCE", -1.0)
    with pytest.raises(CarmaskError, match="not written"):
        export(run, tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()
    assert not (run / "export.onnx").exists()


def without_mask(data: Path) -> None:
    (data / "train_masks" / "car1_01_mask.png").unlink()


def other_size(data: Path) -> None:
    Image.new("1", (20, 20)).save(data / "train_masks" / "car1_01_mask.png")


def not_binary(data: Path) -> None:
    grey = np.arange(96 * 144, dtype=np.uint32).reshape(96, 144) % 200
    Image.fromarray(grey.astype(np.uint8)).save(data / "train_masks" / "car1_01_mask.png")


@pytest.mark.parametrize(
    ("harm", "error", "message"),
    [
        (without_mask, DataError, "1 of 10 photos has no mask, the first is car1_01"),
        (other_size, DataError, "the mask is 20x20, its photo 144x96"),
        (not_binary, PhotoError, "not a binary mask"),
    ],
)
def test_faulty_data_is_refused_and_nothing_is_left(cars, tmp_path, harm, error, message):
    data = copy(cars, tmp_path / "data")
    harm(data)
    with pytest.raises(error, match=message) as caught:
        train(small(1, "validation=0"), data, tmp_path / "run", cache=tmp_path / "cache", machines=CPU)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
    assert not list((tmp_path / "cache").glob("*")) if (tmp_path / "cache").exists() else True


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        (["network=nope"], UnknownNameError, "there is no network 'nope'"),
        (["loss=focal"], UnknownNameError, "there is no loss 'focal'"),
        (["network=unet-small"], RecipeError, "needs several channels"),
        (["network=unet-deep", "loss=bce"], RecipeError, "96x64: unet-deep takes multiples of 128"),
        ([stages(1, (64, 96), more="window=[0,32]")], RecipeError, r"stages\.0\.window: both sides must be above 0"),
        ([stages(1, (64, 96), more="window=[96,32]")], RecipeError, "a window of 32x96 in photos of 96x64"),
        (
            [stages(1, (64, 96), more="window=[32,32],locate=[0,48]")],
            RecipeError,
            r"stages\.0\.locate: both sides must be above 0",
        ),
        (
            [stages(1, (64, 96), more="window=[32,32],locate=[32,48]"), "early_stopping.monitor=loss"],
            RecipeError,
            "with locate no loss is measured",
        ),
        (["epoch_photos=1"], RecipeError, "do not fill a batch"),
        (["network=unet-small", "loss=bce", "encoder.frozen=true"], RecipeError, "has none"),
        (["early_stopping.patience=2", "validation=0"], RecipeError, "needs cars to validate on"),
        (["early_stopping.monitor=f1"], RecipeError, "measured on parts only"),
        (["loss=dice", "border=2.0"], RecipeError, "dice has no BCE to weigh; use one of: bce, bce"),
        (["initialisation=glorot", "encoder.weights=imagenet"], WeightsError, "no encoder that ImageNet weights"),
    ],
)
def test_recipes_that_cannot_run_are_refused_and_nothing_is_left(cars, cache, tmp_path, changes, error, message):
    with pytest.raises(error, match=message) as caught:
        train(small(1, *changes), cars, tmp_path / "run", cache=cache, machines=CPU)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_a_device_that_is_missing_is_an_error(cars, cache, tmp_path):
    with pytest.raises(DeviceError, match="no CUDA device"):
        train(small(), cars, tmp_path / "run", cache=cache, machines=Machines("cuda"))


def test_another_recipe_s_run_is_not_gone_on_with(run, cars, cache):
    with pytest.raises(RecipeError, match="holds a run with other settings"):
        train(small(4), cars, run, cache=cache, machines=CPU)


def test_checkpoints_of_another_network_and_damaged_ones(run, cars, cache, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    last = tmp_path / "run" / "last.ckpt"
    torch.save({"state_dict": build("unet-small").state_dict()}, last)
    with pytest.raises(WeightsError, match="another network"):
        train(small(3), cars, tmp_path / "run", cache=cache, machines=CPU)
    last.write_bytes(last.read_bytes()[:5000])
    with pytest.raises(WeightsError, match="damaged"):
        train(small(3), cars, tmp_path / "run", cache=cache, machines=CPU)


def test_no_space_at_a_checkpoint_leaves_the_one_before(tmp_path):
    """A limit on file sizes stands in for a full disk: both end a write in the middle with an OSError."""
    file, writer = tmp_path / "last.ckpt", WholeCheckpointIO()
    writer.save_checkpoint({"epoch": 1}, file)
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OutputError) as caught:
            writer.save_checkpoint({"weights": torch.zeros(1_000_000)}, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert "\n" not in str(caught.value)
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_a_second_training_in_a_folder_is_refused(cars, cache, tmp_path):
    """Each removed what the other was writing, and their histories were mixed."""
    out = tmp_path / "run"
    out.mkdir()
    with (
        only_run(out / "train.lock", "another training runs"),
        pytest.raises(OutputError, match=f"{out}: another training runs in this folder"),
    ):
        train(small(1), cars, out, cache=cache, machines=CPU)
    assert [path.name for path in out.iterdir()] == ["train.lock"]
    train(small(1), cars, out, cache=cache, machines=CPU)
    assert len(read_history(out)) == 1


def test_a_time_limit_ends_a_run_with_its_weights(cars, cache, tmp_path):
    train(small(2000), cars, tmp_path / "run", cache=cache, machines=Machines("cpu", minutes=0.03))
    assert 1 <= len(read_history(tmp_path / "run")) < 2000
    read_run(tmp_path / "run")
