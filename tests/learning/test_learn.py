"""From corrections to a better model, or to none."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from carmask.cli import app
from carmask.data.table import read_examples
from carmask.errors import DataError, OutputError, UsageError
from carmask.evaluation.overlap import dice
from carmask.images import read_photo
from carmask.learning import gather, scores
from carmask.learning.learn import learn
from carmask.learning.page import learning_page
from carmask.learning.rehearsal import find_rehearsal, shipped_examples
from carmask.learning.scores import ScoreFile
from carmask.learning.settings import Limits
from carmask.model.file import find_model, read_info
from carmask.model.runtime import load_model
from carmask.prediction.predict import predict
from tests.learning.conftest import write_shifted
from tests.processes import started

FAST = Limits(passes=20, rate=4e-3, tolerance=0.1)


def _mean_dice(model, data):
    network = load_model(model)
    return float(
        np.mean([dice(predict(network, read_photo(one.photo)).mask, one.read_mask()) for one in read_examples(data)])
    )


@pytest.fixture(scope="module")
def learned(small_model, known, tmp_path_factory):
    place = tmp_path_factory.mktemp("learned")
    data = write_shifted(place / "shifted", 18, 1)
    return learn([data], place / "ours.onnx", model=small_model, data=known, limits=FAST), place, data


def test_corrections_make_the_model_better(learned, small_model, tmp_path):
    made, place, _ = learned
    assert made.verdict.accepted, made.verdict.reason
    chosen = made.verdict.candidate
    assert chosen.corrected.gain > chosen.corrected.margin > 0
    assert chosen.rehearsal.gain >= -0.1
    others = write_shifted(tmp_path / "others", 4, 2, first=50)
    assert _mean_dice(made.model, others) > _mean_dice(small_model, others) + 0.05
    info = read_info(made.model)
    assert (info.name, info.score) == ("ours", None)
    assert info.extra_data[-1].name == "corrections"
    assert len(info.extra_data[-1].validation_cars) == 6
    card = made.model.with_suffix(".md").read_text()
    assert "## Learned from corrections" in card
    assert (place / "ours.learn" / "learn.log").read_text().count("of the new weights") == 3
    page = learning_page(made)
    assert "better by more than chance" in page
    assert page.count('class="dot"') == len(made.before[0]) + len(made.before[1])


def test_the_same_call_does_nothing_twice(learned, small_model, known):
    made, place, data = learned
    trained = place / "ours.learn" / "trained.onnx"
    for left in (".ours.onnx.abcd1234.tmp", ".ours.md.abcd1234.tmp", "ours.learn/.trained.onnx.abcd1234.tmp"):
        (place / left).touch()  # as a killed run leaves it
    stamp, lines = trained.stat().st_mtime_ns, (place / "ours.learn" / "scores.jsonl").read_text()
    again = learn([data], place / "ours.onnx", model=small_model, data=known, limits=FAST)
    assert again.verdict == made.verdict
    assert trained.stat().st_mtime_ns == stamp
    assert (place / "ours.learn" / "scores.jsonl").read_text() == lines
    assert not [*place.glob(".*.tmp"), *(place / "ours.learn").glob(".*.tmp")]


def test_another_run_in_the_same_folder_is_refused(learned, small_model, known, tmp_path):
    _, place, data = learned
    other = write_shifted(tmp_path / "other", 6, 1, first=30)
    for sources, limits in (([other], FAST), ([data], Limits(passes=3))):
        with pytest.raises(OutputError, match="holds a run of other corrections"):
            learn(sources, tmp_path / "x.onnx", model=small_model, data=known, work=place / "ours.learn", limits=limits)


def test_random_corrections_are_refused(small_model, known, tmp_path):
    data = write_shifted(tmp_path / "random", 9, 2, random=True)
    out = tmp_path / "ours.onnx"
    done = CliRunner().invoke(
        app,
        [
            *("learn", str(data), "--out", str(out), "--model", str(small_model), "--data", str(known)),
            *("--passes", "2", "--rate", "1e-3"),
        ],
    )
    assert done.exit_code == 3, done.output
    assert done.stdout.startswith("refused: ")
    assert not out.exists()
    assert "Refused: no model was written" in (tmp_path / "ours.learn" / "learn.html").read_text()


def test_a_killed_run_goes_on_to_the_same_end(learned, small_model, known, tmp_path):
    data = write_shifted(tmp_path / "shifted", 18, 1)
    command = [
        *(sys.executable, "-m", "carmask", "learn", str(data), "--out", str(tmp_path / "ours.onnx")),
        *("--model", str(small_model), "--data", str(known), "--passes", "20", "--rate", "4e-3", "--tolerance", "0.1"),
    ]
    checkpoint = tmp_path / "ours.learn" / "run" / "last.ckpt"
    with started(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not checkpoint.exists():
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "ours.learn" / "trained.onnx").exists()
    made = learn([data], tmp_path / "ours.onnx", model=small_model, data=known, limits=FAST)
    assert "resumed learn" in (tmp_path / "ours.learn" / "run" / "train.log").read_text()
    for one, other in zip(made.candidates, learned[0].candidates, strict=True):
        assert one.share == other.share
        assert one.corrected.after == pytest.approx(other.corrected.after, abs=5e-3)
        assert one.rehearsal.after == pytest.approx(other.rehearsal.after, abs=5e-3)


def test_half_a_line_of_scores_is_dropped(small_model, known, tmp_path):
    examples = read_examples(known)[:3]
    rows = ScoreFile(tmp_path / "s.jsonl").score(small_model, examples, kind="rehearsal")
    whole = (tmp_path / "s.jsonl").read_text()
    (tmp_path / "s.jsonl").write_text(whole[:-40])
    again = ScoreFile(tmp_path / "s.jsonl").score(small_model, examples, kind="rehearsal")
    assert [one["name"] for one in again] == [one["name"] for one in rows]
    # Scored once more, in bfloat16 by other threads.
    assert [one["dice"] for one in again] == pytest.approx([one["dice"] for one in rows], abs=2e-3)
    kept = [json.loads(line) for line in (tmp_path / "s.jsonl").read_text().splitlines() if line.endswith("}")]
    assert [one["name"] for one in kept] == [one.name for one in examples]


def test_photos_of_two_kinds_may_have_one_name(small_model, known, tmp_path):
    one = read_examples(known)[0]
    other = replace(one, photo=read_examples(known)[-1].photo)
    scored = ScoreFile(tmp_path / "s.jsonl")
    first = scored.score(small_model, [one], kind="corrected")[0]
    second = scored.score(small_model, [other], kind="rehearsal")[0]
    assert first["dice"] > second["dice"]  # the second mask is another photo's
    assert scored.score(small_model, [one], kind="corrected")[0] == first


def test_scores_and_links_that_cannot_be_written_are_said(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="folder: cannot be read: Is a directory"):
        ScoreFile(tmp_path / "folder")
    with (
        pytest.raises(OutputError, match="full: cannot be written: No space left"),
        scores._added_to(Path("/dev/full")) as stream,
    ):
        stream.write("{}")
    with pytest.raises(OutputError, match="folder: the link cannot be made: File exists"):
        gather._link(tmp_path / "folder", tmp_path)


def test_requests_that_cannot_be_served(small_model, tmp_path):
    for message, out, limits in (
        ("ends in .onnx", tmp_path / "ours", None),
        ("the model to learn from", small_model, None),
        ("scale: 0.1 is not", tmp_path / "ours.onnx", Limits(scale=0.1)),
    ):
        with pytest.raises(UsageError, match=message):
            learn([tmp_path], out, model=small_model, limits=limits)


def test_what_is_rehearsed(known, small_model):
    info = read_info(small_model)
    found = find_rehearsal(known, info)
    assert {one.car for one in found.tested} == set(info.validation_cars)
    assert not {one.car for one in found.trained} & {one.car for one in found.tested}
    shipped = find_rehearsal(None, read_info(find_model("shipped:default")))
    assert len(shipped.trained) == len(shipped.tested) == 4
    assert shipped_examples().is_dir()


def test_a_rehearsal_has_two_cars_to_test_on(small_model, tmp_path):
    """One car has no spread: it was refused when all had been trained."""
    info = read_info(small_model)
    with pytest.raises(DataError, match=r"two: photos of 2 cars; a rehearsal needs 3, one to train on and 2 to test"):
        find_rehearsal(write_shifted(tmp_path / "two", 2, 1), info)
    cars = write_shifted(tmp_path / "six", 6, 1)
    trained = sorted(one.car for one in read_examples(cars))[1:]
    found = find_rehearsal(cars, info.model_copy(update={"training_cars": tuple(trained)}))
    assert len({one.car for one in found.tested}) == 3
