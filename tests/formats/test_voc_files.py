"""VOC data as they come from other programs: suffixes in capitals, greys in place of a palette."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from carmask.errors import DataError
from carmask.formats.convert import convert
from carmask.formats.table import read_annotations
from tests.formats.masks import cars, drawn_mask

MASK = drawn_mask("blobs", (20, 30), 1)


def test_png_files_with_their_suffix_in_capitals_are_found(tmp_path):
    convert(cars(MASK), tmp_path / "out", "voc")
    for folder in ("SegmentationClass", "SegmentationObject"):
        (file,) = (tmp_path / "out" / folder).iterdir()
        file.rename(file.with_suffix(".PNG"))
    (picture,) = read_annotations(tmp_path / "out").strict().pictures
    assert [np.array_equal(one.mask, MASK) for one in picture.instances()] == [True]
    assert len(picture.files) == 2


@pytest.mark.parametrize(("car", "void"), [(15, 255), (1, 255), (255, 0)])
def test_greys_are_indices_that_lost_their_palette(tmp_path, car, void):
    """But where 255 is the only value, it is the car."""
    values = np.where(MASK, car, 0).astype(np.uint8)
    values[:2] = void
    expected = MASK.copy()
    expected[:2] = False
    (tmp_path / "SegmentationClass").mkdir()
    Image.fromarray(values).save(tmp_path / "SegmentationClass" / "a.png")
    (picture,) = read_annotations(tmp_path).strict().pictures
    assert np.array_equal(picture.mask(), expected)


def test_white_of_a_grey_mask_with_soft_edges_is_no_void(tmp_path):
    values = np.where(MASK, 255, 0).astype(np.uint8)
    values[0, :3] = (1, 90, 200)
    (tmp_path / "SegmentationClass").mkdir()
    Image.fromarray(values).save(tmp_path / "SegmentationClass" / "a.png")
    (picture,) = read_annotations(tmp_path).strict().pictures
    assert np.array_equal(picture.mask(), values > 0)


def labelled(folder, values, lines):
    (folder / "SegmentationClass").mkdir(parents=True)
    Image.fromarray(values.astype(np.uint8)).save(folder / "SegmentationClass" / "a.png")
    (folder / "labelmap.txt").write_text("\n".join(["background:0,0,0::", *lines]))
    (picture,) = read_annotations(folder).strict().pictures
    return picture


@pytest.mark.parametrize(
    ("value", "lines"),
    [(2, ["door:128,0,0::", "car:0,128,0::"]), (2, ["door:128,0,0::", "car:2,2,2::"]), (255, ["car:255,255,255::"])],
)
def test_greys_are_the_labels_that_labelmap_has_by_number_or_by_grey(tmp_path, value, lines):
    """VOC's second colour is 0,128,0."""
    (found,) = labelled(tmp_path, np.where(MASK, value, 0), lines).instances()
    assert found.label == "car"
    assert np.array_equal(found.mask, MASK)


@pytest.mark.parametrize("value", [2, 255])
def test_greys_that_are_no_labels_are_told_with_what_to_write(tmp_path, value):
    picture = labelled(tmp_path, np.where(MASK, value, 0), ["car:9,7,200::"])
    told = rf"a\.png: the colour {value},{value},{value} is no label's \(car is 9,7,200\); the picture is grey.* "
    with pytest.raises(DataError, match=rf"{told}.*in labelmap\.txt: car:{value},{value},{value}::$"):
        picture.instances()
    (tmp_path / "labelmap.txt").write_text(f"car:{value},{value},{value}::")
    (picture,) = read_annotations(tmp_path).pictures
    assert np.array_equal(picture.mask(), MASK)
