"""The commands that look at data, scores and submissions, as a user types them."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from carmask.cli import main
from carmask.formats.listing import find_masks
from carmask.formats.rle import mask_to_runs
from carmask.images import read_mask

from .test_cli import run


@pytest.mark.parametrize("command", ["explore", "view"])
def test_every_command_teaches(command):
    assert "carmask" in run(command, "--help").stdout
    assert command in run("--help").stdout


def test_explore(examples, tmp_path):
    result = run("explore", examples, "--out", tmp_path / "page", "--table", tmp_path / "photos.csv")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "page" / "explore.html").read_text().startswith("<!doctype html>")
    assert (tmp_path / "photos.csv").is_file()
    told = r"^\d+ problems? of kind views; the first is .+: \d+ of 16 views; missing: .+$"
    assert re.search(told, result.stdout, re.MULTILINE)
    refused = run("explore", examples, "--out", tmp_path / "other", "--table", tmp_path / "photos.txt")
    assert refused.returncode == 2
    assert "carmask: " in refused.stderr
    assert not (tmp_path / "other").exists()


def test_pages_name_a_data_set_that_is_the_current_folder(examples, tmp_path):
    name = examples.resolve().name
    for command, page in ((("explore",), "explore.html"), (("evaluate", "train_masks"), "scores.html")):
        result = run(*command, ".", "--out", tmp_path / "out", cwd=examples)
        assert result.returncode == 0, result.stderr
        assert re.search(rf"cars? in {name}[,:]", (tmp_path / "out" / page).read_text())


def test_evaluate_masks_that_are_there_alone_and_in_pairs(examples, tmp_path):
    masks = examples / "train_masks"
    one = run("evaluate", masks, examples, "--out", tmp_path / "one")
    assert one.returncode == 0, one.stderr
    assert re.search(r"^ *Dice( +1\.000000){4}  coupe_06$", one.stdout, re.MULTILINE)
    assert (tmp_path / "one" / "scores.html").is_file()
    two = run("evaluate", masks, masks, examples, "--out", tmp_path / "two")
    assert two.returncode == 0, two.stderr
    assert (tmp_path / "two" / "compare.html").is_file()
    assert (tmp_path / "two" / "B" / "scores.csv").is_file()
    assert run("evaluate", examples).returncode == 2
    assert run("evaluate", masks, examples, "--val").returncode == 2


def test_view(examples, tmp_path):
    result = run("view", examples, "--truth", examples / "train_masks", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "sheet-001.png").is_file()
    assert run("view", examples, "--out", tmp_path / "own").returncode == 0  # the masks of the data set
    refused = run("view", examples / "train", "--out", tmp_path / "none")
    assert refused.returncode == 2
    assert "give --truth DIR|CSV, --prediction DIR|CSV, or both" in refused.stderr


def test_check_repairs(examples, tmp_path):
    rows, right, size = [], [], (0, 0)
    for name, file in find_masks(examples / "train_masks").items():
        mask = read_mask(file)
        size = mask.shape
        for lines, shift in ((right, 0), (rows, -1)):
            runs = mask_to_runs(mask) + np.array([shift, 0])
            lines.append(f"{name}.jpg,{' '.join(map(str, runs.ravel().tolist()))}")
    wrong, repaired = tmp_path / "wrong.csv", tmp_path / "repaired.csv"
    wrong.write_text("img,rle_mask\n" + "\n".join(rows) + "\n")
    frame = f"{size[1]}x{size[0]}"
    result = run("check", wrong, "--truth", examples / "train_masks", "--size", frame, "--fix", repaired)
    assert result.returncode == 1
    assert "error: off-by-one" in result.stdout
    assert repaired.read_text() == "img,rle_mask\n" + "\n".join(right) + "\n"
    assert run("check", repaired, "--truth", examples / "train_masks", "--size", frame).returncode == 0
    # A truth CSV says nothing of its frame: it is the photos'.
    by_table = run("check", wrong, "--truth", repaired, "--size", frame).stdout
    assert by_table.splitlines() == result.stdout.splitlines()[:1]


def test_check_calls_nothing_good_that_it_warns_of(tmp_path, monkeypatch, capsys):
    submission, sample = tmp_path / "s.csv", tmp_path / "sample.csv"
    submission.write_text("img,rle_mask\nx.jpg,1 1\ny.jpg,1 500\n")
    sample.write_text("img,rle_mask\ny.jpg,1 1\nx.jpg,1 1\n")
    shifts = "(a shift by a pixel shows only with --truth)"
    for arguments, last in (
        (("--sample", str(sample)), f"{submission}: no errors, 2 warnings {shifts}"),
        ((), f"{submission}: no errors, 1 warning {shifts}"),
    ):
        monkeypatch.setattr(sys, "argv", ["carmask", "check", str(submission), *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 0
        *findings, told = capsys.readouterr().out.splitlines()
        assert all(line.startswith("warning: ") for line in findings)
        assert told == last
