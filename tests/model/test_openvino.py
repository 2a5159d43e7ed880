from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from carmask.model.runtime import load_model
from tests.conftest import draw_photo

PHOTOS = [np.ascontiguousarray(draw_photo(seed, (32, 48))) for seed in range(24)]


@pytest.mark.parametrize("streams", [None, 1, 3])
def test_threads_get_their_own_answers(tiny_model, streams):
    network = load_model(tiny_model, streams=streams)
    # Independent: the graph of the tiny model, in numpy.
    expected = [1 / (1 + np.exp((photo.mean(axis=2) - 110) / 10)) for photo in PHOTOS]
    with ThreadPoolExecutor(5) as pool:
        for found, right in zip(pool.map(network.run, PHOTOS), expected, strict=True):
            assert found.dtype == np.float32
            assert found == pytest.approx(right, abs=0.02)  # bf16, where the processor has it


def test_streams_do_not_change_a_bit(tiny_model):
    alone, many = load_model(tiny_model), load_model(tiny_model, streams=2)
    for photo in PHOTOS:
        assert np.array_equal(alone.run(photo), many.run(photo))


def test_answers_stay_when_the_next_photo_comes(tiny_model):
    network = load_model(tiny_model)
    first = network.run(PHOTOS[0])
    kept = first.copy()
    network.run(PHOTOS[1])
    assert np.array_equal(first, kept)


def test_photos_are_taken_as_they_come(tiny_model):
    network = load_model(tiny_model)
    expected = network.run(PHOTOS[0])
    frozen = PHOTOS[0].copy()
    frozen.flags.writeable = False
    strided = np.repeat(PHOTOS[0], 2, axis=1)[:, ::2]
    assert np.array_equal(network.run(frozen), expected)
    assert np.array_equal(network.run(strided), expected)


LETTING_GO = """
import faulthandler, gc, os, signal, sys
from pathlib import Path

faulthandler.enable()  # as test runners do: signals are handled on a stack of their own
from carmask.model.runtime import load_model

first, second = load_model(sys.argv[1]), load_model(sys.argv[1])
del first
gc.collect()
del second
gc.collect()
got = []
signal.signal(signal.SIGUSR1, lambda *_: got.append(1))
os.kill(os.getpid(), signal.SIGUSR1)
sys.exit(0 if got else 3)
"""


def test_a_process_takes_signals_after_models_were_let_go(tiny_model):
    # In a process of its own: without one core for all models this is a segmentation fault.
    ended = subprocess.run([sys.executable, "-c", LETTING_GO, str(tiny_model)], capture_output=True, timeout=120)
    assert ended.returncode == 0, ended.stderr.decode()


def test_threads_that_need_the_specialist_first_share_it():
    """It is compiled once, by whichever thread comes first."""
    together, alone = load_model("shipped:default", streams=2), load_model("shipped:default", streams=2)
    pixels = np.random.default_rng(0).integers(0, 256, (*alone.info.size, 3), np.uint8)
    wanted = alone.specialise(pixels)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(together.specialise, [pixels] * 4))
    assert all(np.array_equal(one, wanted) for one in found)
