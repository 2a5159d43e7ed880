"""Photos with pictures of labels: what counts as car, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from carmask.data.layouts import read_data
from carmask.errors import DataError, PhotoError


@pytest.fixture
def labelled(tmp_path):
    """Two photos of one car and one of another; labels as grey values and as a palette."""
    for folder in ("photos", "labels"):
        (tmp_path / folder).mkdir()
    labels = np.zeros((6, 8), np.uint8)
    labels[2:4, 3:6] = [[1, 2, 4], [3, 1, 1]]
    for name in ("van_01", "van_02", "other"):
        Image.new("RGB", (8, 6), "grey").save(tmp_path / "photos" / f"{name}.png")
        picture = Image.fromarray(labels)
        if name == "other":
            picture = picture.convert("P")
            picture.putpalette([0, 0, 0, 9, 9, 9] + [1, 2, 3] * 4)
        picture.save(tmp_path / "labels" / f"{name}.png")
    return tmp_path


def test_every_label_is_car(labelled):
    examples, classes = read_data(labelled)
    assert classes == ("car",)
    assert [(e.name, e.car, e.view) for e in examples] == [
        ("other", "other", 0),
        ("van_01", "van", 1),
        ("van_02", "van", 2),
    ]
    for example in examples:
        mask = example.read_mask()
        assert mask.dtype == bool
        assert mask.sum() == 6
        assert mask[2:4, 3:6].all()


def test_what_is_refused(labelled):
    (labelled / "labels" / "van_01.png").unlink()
    with pytest.raises(DataError, match="1 of 3 photos has no mask, the first is van_01"):
        read_data(labelled)
    Image.new("RGB", (8, 6)).save(labelled / "labels" / "van_01.png")
    with pytest.raises(PhotoError, match="not an index PNG"):
        read_data(labelled)[0][1].read_mask()
    (labelled / "labels" / "van_01.png").write_bytes(b"no picture")
    with pytest.raises(PhotoError, match=r"van_01\.png: not an image that can be read"):
        read_data(labelled)[0][1].read_mask()
