"""Ctrl-C and SIGTERM in a training, and the processes of its loader."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.process import BaseProcess

import pytest

from carmask.errors import Terminated
from carmask.training.history import read_history
from carmask.training.train import train

from .conftest import CPU, FAST, small, stages

BOTH = [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]


@pytest.fixture(autouse=True)
def _not_ignored():
    """A process that a script starts in the background ignores Ctrl-C, and so do those that it starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("number", "raised"), BOTH)
def test_a_signal_ends_a_training_and_the_run_goes_on(cars, cache, tmp_path, monkeypatch, number, raised):
    """Lightning ends the process with status 1 or 0, without a word, and ignores further signals."""
    before, recipe, out = signal.getsignal(number), small(2), tmp_path / "run"

    def validate(*arguments, **more):
        if (out / "last.ckpt").exists():
            os.kill(os.getpid(), number)
        return validate_all(*arguments, **more)

    with monkeypatch.context() as patch:
        from carmask.training.module import validate_all

        patch.setattr("carmask.training.module.validate_all", validate)
        with pytest.raises(raised):
            train(recipe, cars, out, cache=cache, machines=CPU)
    assert signal.getsignal(number) == before
    assert len(read_history(out)) == 1
    train(recipe, cars, out, cache=cache, machines=CPU)
    assert len(read_history(out)) == 2


@pytest.mark.parametrize(("number", "raised"), BOTH)
def test_a_signal_while_the_loader_s_processes_start_is_not_lost(cars, cache, tmp_path, monkeypatch, number, raised):
    """As in a hook of os.fork, what is raised in a __del__ is ignored."""

    class Dropped:
        def __del__(self):
            os.kill(os.getpid(), number)

    def started(process, start=BaseProcess.start):
        start(process)
        Dropped()

    monkeypatch.setattr(BaseProcess, "start", started)
    with pytest.raises(raised):
        train(small(1), cars, tmp_path / "run", cache=cache, machines=CPU)
    assert not (tmp_path / "run" / "last.ckpt").exists()


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "inter")]
)
def test_a_signal_to_the_process_group_is_one_line(cars, cache, tmp_path, number, code, said):
    """The loader's processes get it, too, and PyTorch reports that they ended."""
    out = tmp_path / "run"
    command = [sys.executable, "-m", "carmask", "train", "cnn-small", "--data", str(cars), "--out", str(out)]
    command += ["--device", "cpu", "--cache", str(cache), "--progress", "quiet"]
    for change in (*FAST, stages(60), "epoch_photos=40"):
        command += ["--set", change]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 240
    while not (out / "last.ckpt").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, number)
    _, error = process.communicate(timeout=240)
    assert process.returncode == code
    assert [line for line in error.splitlines() if line and not line.startswith(f"carmask: {said}")] == []
    assert f"carmask: {said}" in error
    assert (out / "last.ckpt").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs another operating system")
def test_processes_are_forked_also_where_the_training_was_spawned(cars, cache, tmp_path, monkeypatch):
    """``carmask learn`` trains in such a process, where the loader's own would be spawned for every epoch."""
    kinds = []

    def started(process, start=BaseProcess.start):
        kinds.append(type(process).__name__)
        start(process)

    monkeypatch.setattr(BaseProcess, "start", started)
    before = multiprocessing.get_start_method()
    multiprocessing.set_start_method("spawn", force=True)
    try:
        train(small(2), cars, tmp_path / "run", cache=cache, machines=CPU)
    finally:
        multiprocessing.set_start_method(before, force=True)
    assert len(kinds) >= 2
    assert set(kinds) == {"ForkProcess"}
