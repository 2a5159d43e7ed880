"""VOC data as they come from other programs: suffixes in capitals, greys in place of a palette."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

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
