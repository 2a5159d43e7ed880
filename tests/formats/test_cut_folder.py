"""The output of cut as annotations: predictions, and corrections in their place."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from carmask.batch.corrected_masks import corrected_masks
from carmask.batch.corrections import FILE, Correction, Corrections
from carmask.batch.names import STATE
from carmask.batch.outputs import OutputSpec
from carmask.batch.run import cut_folder
from carmask.batch.vehicles import Grouping
from carmask.cli import main
from carmask.errors import DataError
from carmask.formats.convert import convert
from carmask.formats.reading import ReadOptions
from carmask.formats.table import detect, read_annotations
from carmask.images import encode_mask, read_mask, write_mask
from tests.conftest import draw_photo
from tests.formats.masks import drawn_mask

MASK = drawn_mask("blobs", (20, 30), 1)


OTHER = drawn_mask("frame", (20, 30), 1)


@pytest.fixture
def cut(tmp_path):
    """An output folder of cut: masks, a cut-out alone, a failure, a correction; photos elsewhere."""
    out, photos = tmp_path / "out", tmp_path / "photos"
    (out / "sub").mkdir(parents=True)
    (photos / "sub").mkdir(parents=True)
    for name in ("a", "sub/b", "c", "d"):
        Image.new("RGB", (30, 20)).save(photos / f"{name}.jpg")
    write_mask(out / "a_mask.png", MASK)
    write_mask(out / "sub" / "b_mask.png", MASK)
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[..., 3] = np.where(OTHER, 255, 127)
    Image.fromarray(rgba).save(out / "c.png")
    rows = [
        "photo,status,reason,confidence,area,seconds,expected_error_px,review",
        f"{photos}/a.jpg,done,,0.9912,0.3,0.1,0.5,",
        f"{photos}/sub/b.jpg,done,,0.6,0.3,0.1,0.5,yes",
        "moved/c.jpg,done,,0.7,0.3,0.1,0.5,yes",
        "moved/d.jpg,failed,damaged,,,0.1,,",
        "moved/e.jpg,done,,0.9,0.3,0.1,0.5,",
    ]
    (out / "report.csv").write_text("\n".join(rows) + "\n")
    return out


def test_the_output_of_cut_becomes_predictions(cut, tmp_path):
    assert detect(cut) == "cut"
    found = read_annotations(cut, ReadOptions(photos=tmp_path / "photos")).strict()
    assert [picture.name for picture in found.pictures] == ["a.jpg", "sub/b.jpg", "c.jpg"]
    assert [one.score for picture in found.pictures for one in picture.instances()] == [0.9912, 0.6, 0.7]
    assert all(picture.photo is not None for picture in found.pictures)
    assert np.array_equal(found.pictures[2].mask(), OTHER)
    assert found.model == "carmask"
    assert found.notes == [f"1 photo of report.csv has no mask or cut-out in {cut}"]
    done = convert(found, tmp_path / "tasks", "label-studio")
    assert done.changed == 0
    content = json.loads((tmp_path / "tasks" / "tasks.json").read_text())
    assert [one["predictions"][0]["score"] for one in content] == [0.9912, 0.6, 0.7]


def test_only_those_to_review(cut):
    found = read_annotations(cut, ReadOptions(doubtful=True)).strict()
    assert [picture.name for picture in found.pictures] == ["sub/b.jpg", "c.jpg"]


def test_where_none_is_to_review_it_is_said(cut):
    report = cut / "report.csv"
    report.write_text(report.read_text().replace("yes", ""))
    with pytest.raises(DataError, match=r"no photo is marked for review in report\.csv"):
        read_annotations(cut, ReadOptions(doubtful=True))


def test_corrections_take_the_place_of_masks(cut):
    (cut / "corrections" / "sub").mkdir(parents=True)
    write_mask(cut / "corrections" / "sub" / "b.png", OTHER)
    found = read_annotations(cut).strict()
    (one,) = found.pictures[1].instances()
    assert np.array_equal(one.mask, OTHER)
    assert one.score is None
    assert detect(cut / "corrections") == "folders"
    (picture,) = read_annotations(cut / "corrections").pictures
    assert picture.name == "sub/b.jpg"


def test_corrections_are_read_from_the_store_of_the_review(cut, tmp_path, monkeypatch):
    with Corrections(cut / STATE / FILE) as store:
        for name in ("sub/b", "e", "a"):  # of e there is no mask in the folder
            store.save(Correction(name, "corrected", "0", mask=encode_mask(OTHER)), seen=0)
        store.save(Correction("a", "open", "0"), seen=1)  # taken back
    assert sorted(corrected_masks(cut)) == ["e", "sub/b"]
    words = ["carmask", "convert", str(cut), "--to", "label-studio", "--out", str(tmp_path / "tasks")]
    monkeypatch.setattr("sys.argv", [*words, "--photo-files", "none"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    content = json.loads((tmp_path / "tasks" / "tasks.json").read_text())
    found = read_annotations(tmp_path / "tasks").pictures
    assert [picture.name for picture in found] == ["a.jpg", "sub/b.jpg", "c.jpg", "e.jpg"]
    assert [np.array_equal(picture.mask(), OTHER) for picture in found] == [False, True, True, True]
    # What a person has drawn is no prediction.
    assert [one["predictions"][0].get("score") for one in content] == [0.9912, None, 0.7, None]
    assert corrected_masks(tmp_path / "tasks") == {}


def test_outputs_that_a_pattern_has_named(tiny_model, tmp_path, monkeypatch):
    """Photos 2 and 3 of a vehicle have the outputs 1 and 2: the mask of one is no mask of the other."""
    for number in (2, 3):
        photo = tmp_path / "day" / "4711" / f"{number:02}.jpg"
        photo.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw_photo(number)).save(photo, quality=95)
    out, to = tmp_path / "out", tmp_path / "converted"
    spec = OutputSpec(mask=True)
    grouping = Grouping.parse("folder")
    naming = "{vehicle}/{number:02}"
    cut_folder(tmp_path / "day", out, spec, model=tiny_model, recursive=True, group=grouping, name=naming)
    monkeypatch.setattr("sys.argv", ["carmask", "convert", str(out), "--to", "folders", "--out", str(to)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    found = read_annotations(to).strict().pictures
    assert [picture.name for picture in found] == ["4711/01.jpg", "4711/02.jpg"]
    for picture, number in zip(found, (2, 3), strict=True):
        assert picture.photo.read_bytes() == (tmp_path / "day" / "4711" / f"{number:02}.jpg").read_bytes()
        assert np.array_equal(picture.mask(), read_mask(out / "4711" / f"{number - 1:02}_mask.png"))


def test_an_output_of_cut_without_masks(cut):
    for file in cut.rglob("*.png"):
        file.unlink()
    with pytest.raises(DataError, match="no masks in it; cut again with mask"):
        read_annotations(cut)


def test_a_photo_whose_name_ends_as_masks_do(tmp_path):
    """The cut-out of red_mask.jpg is its own, and no mask of red.jpg; where masks were written, each has one."""
    lines = ["photo,status,reason,confidence,area,seconds,expected_error_px,review"]
    lines += [f"photos/{name}.jpg,done,,0.9,0.3,0.1,0.5," for name in ("red", "red_mask", "red_parts")]
    shown = {"red": MASK, "red_mask": OTHER, "red_parts": ~MASK}
    for mode, ending in (("cutout", ""), ("mask", "_mask")):
        out = tmp_path / mode
        out.mkdir()
        (out / "report.csv").write_text("\n".join(lines) + "\n")
        for name, mask in shown.items():
            rgba = np.dstack([*[np.zeros_like(mask)] * 3, mask]).astype(np.uint8) * np.uint8(255)
            Image.fromarray(rgba if mode == "cutout" else rgba[..., 3]).save(out / f"{name}{ending}.png")
        found = read_annotations(out).strict().pictures
        assert {picture.name[:-4]: picture.mask().tolist() for picture in found} == {
            name: mask.tolist() for name, mask in shown.items()
        }
