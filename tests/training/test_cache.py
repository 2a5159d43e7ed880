"""Decoded photos: on the disk before what says that they are whole, and damage is said."""

from __future__ import annotations

import logging
import os
import threading
import time
from concurrent.futures import ProcessPoolExecutor

import pytest
from filelock import FileLock

from carmask.data.table import read_examples
from carmask.errors import OutputError
from carmask.failures import disk_errors
from carmask.images import writing
from carmask.training.dataset import cache
from carmask.training.dataset.cache import build_cache

SIZE = (32, 48)


def test_decoded_photos_are_flushed_before_what_says_that_they_are_there(cars, tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr(writing, "_flush", lambda file: flushed.append(file.name.split(".json")[0].lstrip(".")))
    build_cache(read_examples(cars)[:2], SIZE, tmp_path)
    assert flushed == ["photos.npy", "masks.npy", "done"]


def test_what_a_power_cut_left_half_written_is_removed(cars, tmp_path):
    examples = read_examples(cars)[:2]
    build_cache(examples, SIZE, tmp_path)
    (done,) = tmp_path.rglob("done.json")
    left = done.rename(done.with_name(".done.json.abcd1234.tmp"))
    build_cache(examples, SIZE, tmp_path)
    assert done.exists()
    assert not left.exists()


@pytest.mark.parametrize("left", [b"", bytes(1000)])
def test_damaged_decoded_photos_are_said(cars, tmp_path, left):
    examples = read_examples(cars)[:2]
    build_cache(examples, SIZE, tmp_path)
    (file,) = tmp_path.rglob("photos.npy")
    file.write_bytes(left)
    with pytest.raises(OutputError, match="the decoded photos are damaged; remove this folder to decode them again"):
        build_cache(examples, SIZE, tmp_path)


def test_waiting_for_another_training_is_said(cars, tmp_path, monkeypatch, caplog):
    examples = read_examples(cars)[:2]
    build_cache(examples, SIZE, tmp_path)
    (done,) = tmp_path.rglob("done.json")
    monkeypatch.setattr(cache, "_SILENT", 0.1)
    held = threading.Event()

    def hold():
        with FileLock(done.parent.with_name(f"{done.parent.name}.lock")):
            held.set()
            time.sleep(1)

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(20)
    with caplog.at_level(logging.INFO, "carmask.training"):
        assert len(build_cache(examples, SIZE, tmp_path)) == 2
    other.join(20)
    (line,) = caplog.messages
    assert line.startswith("another training decodes the same photos: waiting for it (")


def test_what_the_disk_refuses_is_one_line(tmp_path):
    words = "missing: cannot be read or written: No such file or directory$"
    with pytest.raises(OutputError, match=words), disk_errors(tmp_path):
        os.open(os.fsencode(tmp_path / "missing"), os.O_RDONLY)
    # As PyTorch raises what one of its processes met.
    words = rf"^{tmp_path}: cannot be read or written: OSError: \[Errno 5\] b$"
    with pytest.raises(OutputError, match=words), disk_errors(tmp_path):
        raise OSError("Caught OSError in worker\nTraceback\nOSError: [Errno 5] b\n")


def test_as_many_processes_decode_as_there_are_cores_to_use(cars, tmp_path, monkeypatch):
    counts = []

    class Pool(ProcessPoolExecutor):
        def __init__(self, count, **options):
            counts.append(count)
            super().__init__(count, **options)

    monkeypatch.setattr(cache, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(cache, "_FEW", 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    build_cache(read_examples(cars)[:2], SIZE, tmp_path)
    assert counts == [1]
