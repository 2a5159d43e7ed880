"""carmask convert as a user gives it: what it prints, its exit status, and both ways through the annotation tools."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest
from PIL import Image

from carmask.cli import main
from carmask.data.table import read_examples
from carmask.formats.label_studio_rle import encode
from carmask.formats.table import read_annotations
from carmask.images import read_mask, write_mask
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


def test_a_data_set(run, tmp_path):
    out = tmp_path / "out"
    code, said, err = run("convert", RENDERED, "--to", "coco", "--out", out)
    assert (code, err) == (0, "")
    assert said.splitlines() == [
        f"16 pictures with 1 label in {out}",
        f"read back: no pixel changed; {out / 'roundtrip.csv'}",
    ]
    assert len(list((out / "images").iterdir())) == 16
    code, said, err = run("convert", out, "--to", "carvana", "--out", tmp_path / "back", "--no-check")
    assert (code, len(said.splitlines())) == (0, 1)
    before, after = read_examples(RENDERED), read_examples(tmp_path / "back")
    assert all(np.array_equal(x.read_mask(), y.read_mask()) for x, y in zip(before, after, strict=True))


@pytest.mark.parametrize("source", ["masks", "table", "submission"])
def test_photos_of_the_challenges_layout_without_a_mask_are_said_to_be_left_out(run, tmp_path, source):
    photos, masks = RENDERED / "train", RENDERED / "train_masks"
    data = tmp_path / "data"
    shutil.copytree(photos, data / "train")
    if source == "masks":
        shutil.copytree(masks, data / "train_masks")
        next(iter(sorted((data / "train_masks").iterdir()))).unlink()
    else:
        lines = (RENDERED / "train_masks.csv").read_text().splitlines()
        (data / "train_masks.csv").write_text("\n".join([lines[0], *lines[2:]]) + "\n")
    given = data if source != "submission" else data / "train_masks.csv"
    code, said, _ = run("convert", given, "--to", "coco", "--out", tmp_path / "out", "--no-check")
    assert code == 0
    first = min(photos.iterdir()).name
    assert said.splitlines() == [
        f"1 photo has no mask, and was left out: {first} …",
        f"15 pictures with 1 label in {tmp_path / 'out'}",
    ]


def test_yolo_says_what_it_loses(run, tmp_path):
    code, said, _ = run("convert", RENDERED, "--from", "coco", "--to", "yolo", "--out", tmp_path / "out")
    assert code == 0
    assert "pixels changed, components or holes in" in said.splitlines()[-1]


def test_faults_are_said_and_the_rest_is_done(run, tmp_path):
    (tmp_path / "s.csv").write_text("img,rle_mask\na.jpg,1 3\nb.jpg,599 3\n")
    code, said, err = run("convert", tmp_path / "s.csv", "--size", "30x20", "--to", "cvat", "--out", tmp_path / "out")
    assert code == 1
    assert err.startswith("carmask: ")
    assert "s.csv: line 3: b.jpg: run 1 (599 3) ends at pixel 601" in err
    assert "2 pictures have no photo here" not in said
    assert f"1 picture with 1 label in {tmp_path / 'out'}" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("nothing", "--to", "coco"), "there is no such file or folder"),
        ((RENDERED / "train", "--to", "coco"), "in no format that is known"),
        ((RENDERED, "--to", "cut"), "'cut' is not one of"),
        ((RENDERED, "--to", "coco", "--size", "30"), "not a size"),
        ((RENDERED, "--to", "coco", "--review-only"), "--review-only is for the output folder of 'carmask cut'"),
    ],
)
def test_wrong_use_is_one_line(run, tmp_path, words, message):
    code, _, err = run("convert", *words, "--out", tmp_path / "out")
    assert code == 2
    assert message in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_way_through_label_studio(run, tmp_path):
    """As docs/how-to/annotation-tools.md has it: doubtful masks out, a correction in the browser, masks back."""
    cut, photos = tmp_path / "cut", tmp_path / "photos"
    cut.mkdir()
    photos.mkdir()
    mask = np.zeros((20, 30), np.bool_)
    mask[5:15, 5:25] = True
    rows = ["photo,status,reason,confidence,area,seconds,expected_error_px,review"]
    for number in range(4):
        Image.new("RGB", (30, 20)).save(photos / f"car {number}.jpg")
        write_mask(cut / f"car {number}_mask.png", mask)
        rows.append(f"{photos}/car {number}.jpg,done,,0.{number + 5},0.3,0.1,0.5,{'yes' if number < 2 else ''}")
    (cut / "report.csv").write_text("\n".join(rows) + "\n")
    tasks = tmp_path / "tasks"
    code, said, _ = run("convert", cut, "--to", "label-studio", "--out", tasks, "--review-only")
    assert code == 0
    assert said.splitlines()[0] == f"2 pictures with 1 label in {tasks}"
    content = json.loads((tasks / "tasks.json").read_text())
    assert [one["predictions"][0]["score"] for one in content] == [0.5, 0.6]
    # What Label Studio's export holds then: an annotation beside the prediction.
    mended = mask.copy()
    mended[8:12, 8:12] = False
    region = content[0]["predictions"][0]["result"][0]
    region = {**region, "value": {**region["value"], "rle": list(encode(mended))}}
    content[0]["annotations"] = [{"id": 1, "result": [region], "was_cancelled": False}]
    (tmp_path / "export.json").write_text(json.dumps(content[:1]))
    code, _, _ = run(
        "convert", tmp_path / "export.json", "--to", "folders", "--out", tmp_path / "mended", "--photos", photos
    )
    assert code == 0
    assert np.array_equal(read_mask(tmp_path / "mended" / "masks" / "car 0.png"), mended)
    assert (tmp_path / "mended" / "images" / "car 0.jpg").is_file()
    (picture,) = read_annotations(tmp_path / "mended").pictures
    assert picture.photo is not None
