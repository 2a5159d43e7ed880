"""True masks by name, whichever layout they are taken from."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from carmask.data.mask_source import Truth
from carmask.errors import DataError, PhotoError
from carmask.formats.rle import mask_to_runs
from tests.data.test_layouts import MASK, NAMES, VOC, fill, index, save


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


def test_grey_masks_are_read_with_a_threshold(tmp_path):
    fill(tmp_path, "images/{}.jpg", "masks/{}.png")
    for file in (tmp_path / "masks").iterdir():
        save(file, Image.fromarray(np.where(MASK, 255, 40).astype(np.uint8)))
    for source in (tmp_path, tmp_path / "masks"):
        assert np.array_equal(Truth(source, 128).mask("a_01", (20, 30)), MASK)
        with pytest.raises(PhotoError, match="not a binary mask"):
            Truth(source).mask("a_01", (20, 30))
