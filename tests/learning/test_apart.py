"""Trainings in a process of their own, and what is made of their weights."""

from __future__ import annotations

import logging
import os
import signal
import time
from multiprocessing import Pipe

import pytest
import torch
from safetensors.torch import save_file

from carmask.errors import DataError, WeightsError
from carmask.learning import apart
from carmask.learning.apart import TRIES, Request, train_apart
from carmask.learning.settings import Limits
from carmask.learning.training import Photos, train_stages
from carmask.model.file import read_info
from carmask.training.extra_data import Sources
from carmask.training.recipe import load_recipe
from tests.training.conftest import CPU


def _request(data, place):
    return Request(load_recipe("cnn-small"), data, place / "run", Sources(), place / "cache", CPU)


def test_what_training_refuses_is_raised_here(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        train_apart(_request(tmp_path / "nowhere", tmp_path), lambda *_: None)


@pytest.mark.parametrize(("codes", "fails"), [([-11, -9, 0], False), ([-11] * TRIES, True)])
def test_a_training_that_a_signal_ends_is_started_again(monkeypatch, tmp_path, codes, fails):
    left = list(codes)
    monkeypatch.setattr(apart, "_once", lambda *_: left.pop(0))
    if fails:
        with pytest.raises(WeightsError, match="the same call goes on"):
            train_apart(_request(tmp_path, tmp_path), lambda *_: None)
    else:
        train_apart(_request(tmp_path, tmp_path), lambda *_: None)
    assert not left


def killed_with_a_child_left(request, _):
    """As a training that the system kills, with a process of its loader that hangs."""
    child = os.fork()
    if not child:
        time.sleep(600)
    request.out.write_text(str(child))
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_training_that_dies_is_not_waited_for_until_its_loader_ends(monkeypatch, tmp_path):
    """The loader's processes have the pipe, too: its end was waited for without limit."""
    monkeypatch.setattr(apart, "_serve", killed_with_a_child_left)
    request = _request(tmp_path, tmp_path)
    try:
        assert apart._once(request, lambda *_: None) == -signal.SIGKILL
        os.kill(int(request.out.read_text()), 0)  # it is still there
    finally:
        os.kill(int(request.out.read_text()), signal.SIGKILL)


def test_ctrl_c_leaves_no_traceback_of_the_other_process(monkeypatch, tmp_path):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("carmask.training.train.train", interrupted)
    monkeypatch.setattr(logging.getLogger("carmask.training"), "handlers", [])
    receiving, sending = Pipe(duplex=False)
    with receiving, pytest.raises(SystemExit) as ended:
        apart._serve(_request(tmp_path, tmp_path), sending)
    assert ended.value.code == 130


def test_a_training_that_diverged_leaves_the_old_weights(small_model, tmp_path, caplog):
    (tmp_path / "run").mkdir()
    save_file({"network.head.weight": torch.tensor([1.0, float("nan")])}, tmp_path / "run" / "weights.safetensors")
    (tmp_path / "mixture.done").touch()
    with caplog.at_level("WARNING"):
        made = train_stages(
            read_info(small_model), small_model, tmp_path, Photos([], [], 1), Limits(), report=lambda *_: None
        )
    assert made.file.read_bytes() == small_model.read_bytes()
    assert not made.localisation
    assert "diverged" in caplog.text
