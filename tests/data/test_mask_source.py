"""True masks by name, whichever layout they are taken from."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from carmask.data.layouts import read_data
from carmask.data.mask_source import Truth
from carmask.errors import DataError, PhotoError
from carmask.formats.convert import convert
from carmask.formats.picture import from_masks
from carmask.formats.rle import mask_to_runs, rle_encode
from carmask.formats.rle_csv import write_rle_csv
from carmask.submission.score import score_submission
from tests.data.test_layouts import MASK, NAMES, VOC, fill, index, save


def test_a_table_without_rows_is_no_truth(tmp_path):
    (tmp_path / "masks.csv").write_text("img,rle_mask\n")
    with pytest.raises(DataError, match=r"masks\.csv: holds no masks"):
        Truth(tmp_path / "masks.csv")


@pytest.mark.parametrize(
    ("photos", "masks", "source"),
    [
        ("train/{}.jpg", "train_masks/{}_mask.gif", "."),
        ("train/{}.jpg", "train_masks/{}_mask.gif", "train_masks"),
        ("images/{}.jpg", "masks/{}.png", "."),
        ("images/{}.jpg", "masks/{}.bmp", "masks"),
        ("JPEGImages/{}.jpg", "SegmentationClass/{}.png", "."),
        ("out/{}.png", "out/{}_mask.png", "out"),
    ],
)
def test_masks_are_found(tmp_path, photos, masks, source):
    fill(tmp_path, photos, masks)
    for file in (tmp_path / "SegmentationClass").glob("*"):
        save(file, index(MASK, VOC))
    truth = Truth(tmp_path / source)
    assert sorted(truth.names) == sorted(NAMES)
    for name in NAMES:
        assert np.array_equal(truth.mask(name, (20, 30)), MASK)
        runs, size = truth.runs(name)
        assert size == (20, 30)
        assert np.array_equal(runs, mask_to_runs(MASK))
    with pytest.raises(DataError, match="has no mask of other"):
        truth.mask("other", (20, 30))


@pytest.mark.parametrize(
    ("names", "told", "cars"),
    [
        (["images/a_01", "images/train/a_02"], ["a_01", "a_02"], ["a", "a"]),
        (["a_01"], ["a_01"], ["a"]),
        (["train/images/Train/a_01"], ["a_01"], ["a"]),
        (["images/van/01", "images/golf/01"], ["golf_01", "van_01"], ["golf", "van"]),
        (["train/a_01", "val/a_01"], ["train_a_01", "val_a_01"], ["train_a", "val_a"]),
        (["images/images"], ["images"], ["images"]),
    ],
)
def test_examples_are_called_without_the_folders_that_tools_write(tmp_path, names, told, cars):
    """The cars that a model names for validation are found in exports of its data, too."""
    (tmp_path / "photos").mkdir()
    save(tmp_path / "photos" / "x.jpg", Image.new("RGB", (30, 20)))
    masks = [(f"{name}.jpg", (20, 30), MASK, None) for name in names]
    convert(from_masks(masks, photos=lambda _: tmp_path / "photos" / "x.jpg"), tmp_path / "coco", "coco")
    examples, _ = read_data(tmp_path / "coco")
    assert [one.name for one in examples] == told
    assert [one.car for one in examples] == cars
    truth = Truth(tmp_path / "coco")
    assert all(truth.has(name) for name in told)


def test_annotations_have_the_names_of_examples(tmp_path):
    """Those of pictures in sub-folders, too: masks from a tool are scored against a data set that lies so."""
    (tmp_path / "photos").mkdir()
    save(tmp_path / "photos" / "a.jpg", Image.new("RGB", (30, 20)))
    masks = [(name, (20, 30), MASK, None) for name in ("day/a.jpg", "night/a.jpg")]
    convert(from_masks(masks, photos=lambda _: tmp_path / "photos" / "a.jpg"), tmp_path / "coco", "coco")
    examples, _ = read_data(tmp_path / "coco")
    truth = Truth(tmp_path / "coco")
    assert truth.names == [one.name for one in examples] == ["day_a", "night_a"]
    assert all(np.array_equal(truth.mask(name, (20, 30)), MASK) for name in truth.names)
    masks += [("day_a.jpg", (20, 30), MASK, None)]
    convert(from_masks(masks, photos=lambda _: tmp_path / "photos" / "a.jpg"), tmp_path / "twice", "coco")
    with pytest.raises(DataError, match=r"day/a.jpg and day_a.jpg would both be called day_a; rename one"):
        read_data(tmp_path / "twice")


def test_two_photos_of_one_name_are_no_matter_where_masks_are_meant(tmp_path):
    fill(tmp_path, "images/{}.jpg", "masks/{}.png")
    save(tmp_path / "images" / "a_01.png", Image.new("RGB", (30, 20)))
    save(tmp_path / "images" / "b_mask.png", Image.new("RGB", (30, 20)))
    save(tmp_path / "masks" / "b_mask.png", Image.fromarray(~MASK))
    truth = Truth(tmp_path)
    assert np.array_equal(truth.mask("a_01", (20, 30)), MASK)
    assert np.array_equal(truth.mask("b_mask", (20, 30)), ~MASK)


def test_grey_masks_are_read_with_a_threshold(tmp_path):
    fill(tmp_path, "images/{}.jpg", "masks/{}.png")
    for file in (tmp_path / "masks").iterdir():
        save(file, Image.fromarray(np.where(MASK, 255, 40).astype(np.uint8)))
    for source in (tmp_path, tmp_path / "masks"):
        assert np.array_equal(Truth(source, 128).mask("a_01", (20, 30)), MASK)
        with pytest.raises(PhotoError, match="not a binary mask"):
            Truth(source).mask("a_01", (20, 30))


def test_a_folder_that_a_tool_writes_before_the_names_is_passed_over(tmp_path):
    masks = [("images/a_01.jpg", (20, 30), MASK, None)]
    convert(from_masks(masks), tmp_path / "coco", "coco")
    truth = Truth(tmp_path / "coco")
    assert truth.names == ["a_01"]
    assert np.array_equal(truth.mask("a_01", (20, 30)), MASK)
    assert not truth.has("b_01")
    write_rle_csv(tmp_path / "masks.csv", [("a_01.jpg", rle_encode(MASK))])
    assert [tuple(one) for one in score_submission(tmp_path / "masks.csv", truth)] == [("a_01", 1.0)]
