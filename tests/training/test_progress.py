"""Progress of a training: the pace, the lines, and the file they are kept in."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from lightning.pytorch.callbacks import Timer

from carmask.logs import duration
from carmask.training.budget import ProcessorBudget
from carmask.training.history import read_history
from carmask.training.machines import Machines, choose_precision
from carmask.training.pace import Pace
from carmask.training.progress_log import LOGGER, ProgressLog, describe_scores
from carmask.training.recipe import load_recipe
from carmask.training.train import train

from .conftest import small

TWO_STAGES = "stages=[{height=64,width=96,batch=2,epochs=2},{height=128,width=192,batch=4,epochs=1}]"


def test_time_left_counts_pixels_and_validation():
    recipe = load_recipe("cnn-small", [TWO_STAGES, "epoch_photos=8"])
    assert Pace(recipe).left(0, 0) is None
    # 8 photos of 64x96 in 10 s; one more such epoch, then 8 photos with four times the pixels: 10 + 40 s.
    pace = Pace(recipe).with_epoch(0, 8, 10.0, checks=3.0)
    assert pace.left(1, 0) == pytest.approx(50 + 2 * 3)
    assert pace.left(1, 4) == pytest.approx(45 + 2 * 3)
    assert pace.left(2, 6) == pytest.approx(10 + 3)
    assert pace.left(3, 0) == 0
    # Half of the large epoch in 30 s is slower than it was.
    assert pace.with_epoch(2, 4, 30.0).left(2, 4) == pytest.approx(16 * 40 / 24 + 3)


def test_durations():
    texts = {None: "?", 0.4: "0 s", 89: "89 s", 90: "2 min", 3600: "60 min", 5400: "1 h 30 min", 7500: "2 h 05 min"}
    assert {seconds: duration(seconds) for seconds in texts} == texts


def test_scores_of_every_data_set_are_named():
    row = {
        "epoch": 0.0,
        "validation/dice": 0.5,
        "validation/accuracy": 0.9,
        "validation/iou": 0.3,
        "validation/dice street": 0.25,
    }
    row |= {"validation/loss": 1.0, "validation/score": 0.4}
    assert describe_scores(row) == "Dice 0.5000, street 0.2500, validation loss 1.0000, score 0.4000"


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, LOGGER.name)
    return caplog


def begun(*callbacks):
    """A log in its first epoch, its trainer, and the clock's time, in a list."""
    recipe = load_recipe("cnn-small", [TWO_STAGES, "epoch_photos=8"])
    now = [0.0]
    log = ProgressLog(every=60, clock=lambda: now[0])
    trainer = SimpleNamespace(world_size=1, is_global_zero=True, current_epoch=0, callbacks=callbacks)
    log.on_train_start(trainer, SimpleNamespace(recipe=recipe, history=[]))
    log.on_train_epoch_start()
    return log, trainer, now


def test_lines_within_a_long_epoch_and_of_its_end(lines):
    log, trainer, now = begun()
    for index in range(4):
        now[0] += 25
        log.on_train_batch_end(trainer, None, {"loss": 0.5}, None, index)
    log.on_train_epoch_end()
    now[0] += 10
    log.epoch_done({"epoch": 0.0, "learning_rate": 1e-3, "train/loss": 0.25, "validation/score": 0.75})
    # 2 photos in 25 s: 8 more, and 8 with four times the pixels; then with three validations of 10 s.
    assert [record.message for record in lines.records] == [
        "epoch 1/3, step 3/4: loss 0.5000, 0.1 photos/s, 9 min left",
        "epoch 1/3, step 4/10: loss 0.2500; score 0.7500 (best); learning rate 1.0e-03; 0.1 photos/s; 9 min left",
    ]


@pytest.mark.parametrize(("spent", "left"), [(0, "4 min"), (200, "40 s"), (250, "0 s")])
def test_no_more_time_is_left_than_the_limit_leaves(lines, spent, left):
    limit = Timer(timedelta(minutes=4))
    limit.load_state_dict({"time_elapsed": {"train": spent}})  # as of a run that goes on
    log, trainer, now = begun(limit)
    for index in range(4):
        now[0] += 25
        log.on_train_batch_end(trainer, None, {"loss": 0.5}, None, index)
    log.on_train_epoch_end()
    log.epoch_done({"epoch": 0.0, "learning_rate": 1e-3, "train/loss": 0.25})
    assert [record.message.rpartition(" photos/s")[2][2:] for record in lines.records] == [f"{left} left"] * 2


def test_no_more_time_is_left_than_the_limit_of_processor_time_leaves(lines, monkeypatch):
    # Two cores: 50 s of processor time in each step of 25 s. After three steps 150 s of 300 are left: 75 s on it.
    now, budget = [0.0], ProcessorBudget(300)
    monkeypatch.setattr(time, "process_time", lambda: 2 * now[0])
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    assert budget.time_left() is None
    log, trainer, clock = begun(budget)
    budget.on_train_epoch_start(trainer)
    for index in range(4):
        clock[0] = now[0] = now[0] + 25
        budget.on_train_batch_end(trainer)
        log.on_train_batch_end(trainer, None, {"loss": 0.5}, None, index)
    log.on_train_epoch_end()
    log.epoch_done({"epoch": 0.0, "learning_rate": 1e-3, "train/loss": 0.25})
    assert [record.message.rpartition(" photos/s")[2][2:] for record in lines.records] == ["75 s left", "50 s left"]


def test_an_epoch_that_the_time_limit_ends_counts_the_steps_that_were_done(lines):
    log, trainer, now = begun()
    now[0] += 4
    log.on_train_batch_end(trainer, None, {"loss": 0.5}, None, 0)
    log.on_train_epoch_end()
    log.epoch_done({"epoch": 0.0, "learning_rate": 1e-3, "train/loss": 0.25})
    (record,) = lines.records  # 2 photos in 4 s, of 8
    assert record.message == (
        "epoch 1/3, step 1/10: loss 0.2500; learning rate 1.0e-03; 0.5 photos/s; ended within this epoch"
    )


def test_a_run_keeps_its_lines(run):
    log = (run / "train.log").read_text().splitlines()
    assert "started cnn-small: 4 cars of drawn; 8 photos of 4 cars to train on, 1 validation car;" in log[0]
    epochs = [line for line in log if ": loss" in line]
    assert ["epoch 1/3, step 2/6" in epochs[0], "epoch 3/3, step 6/6" in epochs[2], len(epochs)] == [True, True, 3]
    assert "0 s left" in epochs[-1]
    for line, row in zip(epochs, read_history(run), strict=True):
        assert f"score {row['validation/score']:.4f}" in line


@pytest.mark.parametrize("bf16", [False, True])
def test_auto_precision_follows_the_hardware(cars, cache, tmp_path, monkeypatch, bf16):
    """Both ways on any machine: what cannot be computed in bfloat16 is emulated."""
    monkeypatch.setattr("carmask.training.machines._has_bf16", lambda _: bf16)
    out = tmp_path / "run"
    train(small(1, "precision=auto", "epoch_photos=2"), cars, out, cache=cache, machines=Machines("cpu"))
    wanted = "bf16-mixed" if bf16 else "32-true"
    assert f'"precision": "{wanted}"' in (out / "versions.json").read_text()
    assert f"precision {wanted}" in (out / "train.log").read_text()
    assert 0 <= read_history(out)[0]["validation/dice"] <= 1


def test_a_precision_that_is_named_is_taken():
    assert choose_precision("bf16-mixed", "cpu", bf16=False) == "bf16-mixed"
    assert choose_precision("32-true", "cpu", bf16=True) == "32-true"
    assert choose_precision("auto", "cpu", bf16=True) == "bf16-mixed"
    assert choose_precision("auto", "cpu", bf16=False) == "32-true"
