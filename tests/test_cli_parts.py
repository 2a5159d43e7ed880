"""The commands about car parts, as a user gives them."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

from carmask.cli import main
from carmask.data.parts import read_parts
from tests.conftest import REPOSITORY

RENDERED = REPOSITORY / "tests" / "rendered"


@pytest.fixture
def run(monkeypatch, capsys):
    """Give a command; its exit code, output and complaints."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["carmask", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return call


def test_convert_check_and_score(run, tmp_path):
    code, out, _ = run("convert", RENDERED, "--from", "coco", "--to", "index-png", "--out", tmp_path / "png")
    assert code == 0
    assert out.splitlines()[0] == f"16 pictures with 24 labels in {tmp_path / 'png'}"
    assert out.splitlines()[1].startswith("read back: no pixel changed; ")
    code, out, _ = run("parts", "check", tmp_path / "png")
    assert code == 0
    assert "16 photos with 24 parts" in out
    labels = [one.read_labels() for one in read_parts(tmp_path / "png")[0]]
    wheel = read_parts(tmp_path / "png")[1].index("wheel") + 1
    share = np.mean([(one == wheel).mean() for one in labels])
    (line,) = [line for line in out.splitlines() if line.startswith("wheel ")]
    assert line.split()[1:] == [str(sum((one == wheel).any() for one in labels)), f"{100 * share:.3f}"]
    code, out, _ = run("evaluate", tmp_path / "png" / "labels", tmp_path / "png", "--out", tmp_path / "scores")
    assert code == 0
    assert [line.split()[-4:] for line in out.splitlines() if "mean of parts" in line] == [["1.0000"] * 4]
    assert (tmp_path / "scores" / "parts.html").is_file()


def test_one_faulty_photo_or_label_never_ends_a_conversion_or_a_check(run, tmp_path):
    run("convert", RENDERED, "--from", "coco", "--to", "index-png", "--out", tmp_path / "png")
    labels, photos = (sorted((tmp_path / "png" / name).rglob("*.*")) for name in ("labels", "images"))
    labels[0].write_bytes(labels[0].read_bytes()[:60])
    photos[-1].write_bytes(b"no photo")
    code, out, err = run("convert", tmp_path / "png", "--to", "coco", "--out", tmp_path / "coco")
    assert code == 1
    assert out.startswith(f"14 pictures with 24 labels in {tmp_path / 'coco'}")
    assert [labels[0].stem in line or photos[-1].stem in line for line in err.splitlines()] == [True, True]
    code, out, err = run("parts", "check", tmp_path / "png")
    assert code == 1
    assert labels[0].stem in err
    assert "photos with 24 parts" in out


def test_wrong_use_is_one_line(run, tmp_path):
    for words, message in (
        (("parts", "check", tmp_path), "not a data set of parts"),
        (("convert", RENDERED, "--to", "coco", "--out", RENDERED), "not an empty folder"),
        (("cut", RENDERED / "train", "--out", tmp_path / "out", "--parts"), "default tells no parts apart"),
    ):
        code, _, err = run(*words)
        assert code in {1, 2}
        assert message in err
        assert len(err.splitlines()) == 1


def test_a_threshold_is_refused_for_labels(run, tmp_path):
    run("convert", RENDERED, "--from", "coco", "--to", "index-png", "--out", tmp_path)
    code, out, err = run("evaluate", tmp_path / "labels", tmp_path, "--mask-threshold", "128")
    assert (code, out) == (2, "")
    assert err.startswith("carmask: --mask-threshold is for masks of whole cars; labels of parts are taken as they are")


def test_rendered_data_has_parts_and_whole_cars(run, tmp_path):
    """What ``render --parts`` writes is in Carvana's form, with parts beside it; what is given decides, or --layout."""
    for labels in (RENDERED / "parts", tmp_path / "cut"):
        code, out, _ = run("evaluate", labels, RENDERED)
        assert code == 0
        assert [line.split()[-4:] for line in out.splitlines() if "mean of parts" in line] == [["1.0000"] * 4]
        if not (tmp_path / "cut").is_dir():
            shutil.copytree(labels, tmp_path / "cut")
            for file in (tmp_path / "cut").iterdir():
                file.rename(file.with_name(f"{file.stem}_parts.png"))
    for words in (("train_masks",), ("train_masks.csv",), ("train_masks", "--layout", "carvana")):
        code, out, _ = run("evaluate", RENDERED / words[0], RENDERED, *words[1:])
        assert code == 0
        assert "Dice" in out
        assert "mean of parts" not in out


def test_the_layout_decides_for_parts_as_well(run):
    code, out, _ = run("evaluate", RENDERED / "parts", RENDERED, "--layout", "coco")
    assert code == 0
    assert "mean of parts" in out
    code, out, err = run("evaluate", RENDERED / "parts", RENDERED, "--layout", "carvana")
    assert (code, out) == (2, "")
    assert "could be scored" in err
