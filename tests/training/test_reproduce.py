"""The sources' trainings: protocols that hold, a run that is interrupted and goes on, scores, and the page."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from carmask.networks.network import SegmentationNetwork
from carmask.training.dataset.cache import PhotoCache
from carmask.training.history import write_history
from carmask.training.predictor import Normalised

from .conftest import FAST, small, stages

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
#: Runs the script with protocols of its own, as they are under ``benchmarks/protocols``.
WITH_PROTOCOLS = """
import sys
from pathlib import Path
folder, results, *sys.argv[1:] = sys.argv[1:]
sys.argv[0] = {script!r}
sys.path.insert(0, {benchmarks!r})
import _protocol, _sources, reproduce
_protocol.FOLDER, reproduce.RESULTS = Path(folder), Path(results)
reproduce.main()
print(_sources.page(Path(results)), file=open(Path(results) / "page.md", "w"))
_sources.draw(Path(results), Path(results) / "pictures")
"""


@pytest.fixture
def modules(monkeypatch):
    """The benchmark's modules; a script finds those beside it."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    import _judge
    import _protocol
    import _sources
    import leaderboard

    return {"judge": _judge, "protocol": _protocol, "sources": _sources, "leaderboard": leaderboard}


def test_every_protocol_is_a_recipe_and_its_figures_can_be_found(modules):
    protocol = modules["protocol"]
    assert len(protocol.names()) == 18
    row = {f"{part}/{name}": 0.5 for part in ("train", "validation") for name in ("loss", "accuracy", "dice", "f1")}
    scores = {"loss": 0.5, "accuracy": 0.5, "dice": 0.5}
    for one in map(protocol.read, protocol.names()):
        history = [row] * one.settings.epochs
        found = {"history": history, "best_epoch": 1, "epochs": 1, "first": scores, "best": scores, "native": scores}
        found["alone"] = scores
        for figure in one.figures:
            assert protocol.look_up(found, figure.ours) in {0.5, 1}, (one.name, figure)
        assert one.hours > 0
        assert bool(one.encoder) == (one.settings.encoder.weights == "imagenet")


def test_a_figure_that_a_run_has_not_reached_is_none(modules):
    look_up = modules["protocol"].look_up
    found = {"history": [{"loss": 3.0}, {"loss": 2.0}, {"loss": 4.0}], "best_epoch": 2, "native": {"dice": 0.9}}
    assert [look_up(found, f"history.{which}.loss") for which in ("1", "best", "last")] == [3.0, 2.0, 4.0]
    assert look_up(found, "native.dice") == 0.9
    assert look_up(found, "history.4.loss") is None
    assert look_up(found, "first.accuracy") is None
    assert look_up(found, "native.fifth") is None


def test_a_run_that_stopped_early_is_finished(modules, tmp_path):
    protocol = modules["protocol"]
    one = protocol.read("mobilenetv2-pix2pix")
    assert protocol.state(one, tmp_path) == (0, 20, 1, False, None, pytest.approx(one.hours))
    losses = [0.5, 0.4, 0.41, 0.42, 0.43, 0.44, 0.45]
    rows = [{"epoch": float(number), "validation/loss": value} for number, value in enumerate(losses)]
    (tmp_path / "spent.json").write_text('{"minutes": 12.0}')
    write_history(tmp_path, rows[:6])
    # 14 epochs to go, at 2 minutes each.
    assert protocol.state(one, tmp_path) == (6, 20, 1, False, 12.0, pytest.approx(28 / 60))
    write_history(tmp_path, rows)
    assert not protocol.state(one, tmp_path).finished  # its weights are not written yet
    (tmp_path / "weights.safetensors").touch()
    assert protocol.state(one, tmp_path).words == "finished: 7 epochs, stopped early of 20"


class Known(SegmentationNetwork):
    """Sees a car where a photo is dark: its scores are known."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return -20.0 * self.scale * images[:, :1]


class Truth:
    """An example with a mask and nothing else."""

    def __init__(self, mask: np.ndarray) -> None:
        self.read_mask = lambda: mask


def test_epochs_are_counted_as_the_source_has_them(modules):
    protocol, sources = modules["protocol"], modules["sources"]
    quarters = protocol.read("unet-320")
    assert (quarters.settings.epochs, quarters.parts) == (40, 4)
    found = {"epochs": 2, "finished": False, "minutes": 60.0, "hours_left": 1.0}
    found["history"] = [{"epoch": 0.0, "train/loss": 0.5}, {"epoch": 1.0, "train/loss": 0.25}]
    assert protocol.recorded_state(quarters, found).words == "0.5 of 10 epochs"
    drawn = sources._history(quarters, found)
    assert [(row["epoch"] + 1, row["train/loss"]) for row in drawn] == [(0.25, 0.5), (0.5, 0.25)]
    for one in map(protocol.read, protocol.names()):
        assert one.settings.epochs % one.parts == 0


def test_scores_are_those_worked_out_by_hand(modules):
    photos, masks = np.full((20, 8, 12, 3), 255, np.uint8), np.zeros((20, 8, 12), np.uint8)
    photos[:, 2:6, 2:6] = 0
    masks[:, 2:6, 4:8] = 255  # of 16 predicted and 16 true pixels, 8 are both
    masks[10:, 2:6, 2:4] = 255  # of 16 and 24: 16
    cache, model = PhotoCache(photos, masks), Normalised(Known()).eval()
    recipe = small(1, stages(1, (8, 12)), "loss=bce")
    # Enlarged eight times, the car's border stays where it was; its corners are rounded.
    truths = [Truth(np.kron(mask, np.ones((8, 8))) >= 128) for mask in masks]
    found = modules["judge"].judge(model, recipe, cache, truths)
    assert found["small"]["dice"] == pytest.approx((0.5 + 0.8) / 2)
    assert found["small"]["accuracy"] == pytest.approx(1 - (16 + 8) / 2 / 96)
    assert found["native"]["dice"] == pytest.approx((0.5 + 0.8) / 2, abs=0.01)
    assert found["native"]["lowest"] == pytest.approx(0.5, abs=0.01)
    assert modules["judge"].judge(model, recipe, cache) == {"small": found["small"]}


def test_what_is_written_1912_wide_is_read_1918_wide(modules):
    truth = np.zeros((1280, 1918), bool)
    truth[400:1000, 300:1500] = True
    rows, columns = (np.arange(1280) * 224 // 1280, np.arange(1912) * 224 // 1912)
    small_mask = np.zeros((224, 224), np.float32)
    small_mask[70:175, 35:175] = 1.0
    first, second, third = modules["leaderboard"].three_ways(small_mask, truth)
    # By position: the 1912 x 1280 pixels come first in the frame, what is left of it stays empty.
    read = np.zeros(1280 * 1918, bool)
    read[: 1280 * 1912] = (small_mask[rows][:, columns] > 0).ravel()
    read = read.reshape(truth.shape)
    wanted = 2 * (read & truth).sum() / (read.sum() + truth.sum())
    assert first == pytest.approx(wanted, abs=0.01)
    assert first < 0.7 < 0.99 < second <= 1
    assert third > 0.99


def test_a_run_goes_on_with_the_same_command_and_is_scored_and_shown(cars, tmp_path):
    folder, results, out = tmp_path / "protocols", tmp_path / "results", tmp_path / "runs"
    folder.mkdir()
    changes = [*FAST, stages(2), "early_stopping.patience=3"]
    (folder / "tiny.toml").write_text(
        f'title = "Tiny"\norder = 1\nsource = "S"\nrecipe = "cnn-small"\nchanges = {json.dumps(changes)}\n'
        'protocol = "P"\nsaid = "Said."\nwhy = "Because."\ngroup = "G"\nhours = 0.1\n'
        '[[figures]]\nname = "accuracy"\npublished = 0.9\nours = "first.accuracy"\n'
    )
    code = WITH_PROTOCOLS.format(script=str(BENCHMARKS / "reproduce.py"), benchmarks=str(BENCHMARKS))

    def run(*words: str) -> str:
        command = [sys.executable, "-c", code, str(folder), str(results), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    given = ("tiny", "--data", str(cars), "--out", str(out), "--device", "cpu", "--poll", "0.02", "--record")
    results.mkdir()
    assert "not run" in run("--list", "--out", str(out))
    assert "1 of 2 epochs" in run(*given, "--until", "1")
    halfway = json.loads((results / "tiny.json").read_text())
    assert (halfway["epochs"], halfway["finished"]) == (1, False)
    page = (results / "page.md").read_text()
    assert "**1 of 2 epochs**" in page
    assert "![" not in page  # one point is no curve
    assert "finished: 2 epochs" in run(*given)
    done = json.loads((results / "tiny.json").read_text())
    assert done["history"][0] == halfway["history"][0]
    assert done["first"] == halfway["first"] == halfway["best"]
    assert 0 <= done["native"]["lowest"] <= done["native"]["dice"] <= 1
    assert done["minutes"] > 0
    page = (results / "page.md").read_text()
    assert "**finished: 2 epochs**" in page
    assert f"| accuracy | 0.9000 | {done['first']['accuracy']:.4f} | {done['first']['accuracy'] - 0.9:+.4f} |" in page
    assert "(sources/g.png)" in page
    assert (results / "pictures" / "g.png").stat().st_size > 1000
    assert "finished: 2 epochs" in run("--list", "--out", str(out))
    assert "finished: 2 epochs" in run("--list", "--out", str(tmp_path / "elsewhere"))  # as it was recorded
