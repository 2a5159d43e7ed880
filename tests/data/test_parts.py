"""Part labels drawn from polygons, against COCO's own tools and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from carmask.data.parts import is_parts, read_parts
from carmask.errors import DataError


@pytest.fixture
def data(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("b.png", "a.png"):
        Image.new("RGB", (40, 30), "grey").save(tmp_path / "images" / name)
    content = {
        "images": [
            {"id": 1, "width": 40, "height": 30, "file_name": "b.png"},
            {"id": 2, "width": 40, "height": 30, "file_name": "a.png"},
        ],
        "categories": [{"id": 7, "name": "_background_"}, {"id": 8, "name": "door"}, {"id": 11, "name": "wheel"}],
        "annotations": [
            {"image_id": 1, "category_id": 8, "segmentation": [[5, 5, 25, 5, 25, 20, 5, 20]]},
            {"image_id": "1", "category_id": "11", "segmentation": "[[20, 15, 30, 15, 30, 25, 20, 25]]"},
        ],
    }
    (tmp_path / "annotations.json").write_text(json.dumps(content))
    return tmp_path


def change(data, **changes):
    file = data / "annotations.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def test_labels_are_numbered_and_drawn_in_order(data):
    assert is_parts(data)
    examples, names = read_parts(data)
    assert names == ("door", "wheel")
    assert [example.name for example in examples] == ["a", "b"]
    labels = examples[1].read_labels()
    assert labels.shape == (30, 40)
    assert labels.dtype == np.uint8
    assert labels[10, 10] == 1
    assert labels[17, 22] == 2  # the later polygon lies on top
    assert labels[2, 2] == 0
    assert np.array_equal(examples[1].read_mask(), labels > 0)
    assert not examples[0].read_mask().any()


def test_polygons_cover_what_coco_s_tools_cover(data):
    rng = np.random.default_rng(0)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 24))
    radius = rng.uniform(60, 110, 24)
    corners = np.stack([160 + radius * np.cos(angles), 120 + radius * np.sin(angles)], axis=1).ravel().round(1)
    change(
        data,
        images=[{"id": 1, "width": 320, "height": 240, "file_name": "a.png"}],
        annotations=[{"image_id": 1, "category_id": 8, "segmentation": [corners.tolist()]}],
    )
    ours = read_parts(data)[0][0].read_mask()
    theirs = coco.decode(coco.frPyObjects([corners.tolist()], 240, 320))[..., 0] > 0
    # OpenCV draws the contour's own pixels too.
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.975
    assert not (theirs & ~ours).sum() > 0.005 * theirs.sum()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [{"id": 1, "width": 4, "height": 3, "file_name": "z.png"}]}, "z.png: annotated, but not among"),
        ({"annotations": [{"image_id": 1, "category_id": 99, "segmentation": [[1, 1, 2, 2, 3, 1]]}]}, "99"),
        ({"annotations": [{"image_id": 1, "category_id": 8, "segmentation": [[1, 1, 2, 2]]}]}, "has 4 numbers"),
        ({"annotations": [{"image_id": 1, "category_id": 8, "segmentation": {"counts": "x"}}]}, "not COCO"),
        ({"categories": [{"id": 8}]}, "not COCO annotations"),
    ],
)
def test_faulty_annotations_are_named(data, changes, message):
    change(data, **changes)
    with pytest.raises(DataError, match=message) as caught:
        read_parts(data)
    assert "\n" not in str(caught.value)


def test_unreadable_annotations(data):
    (data / "annotations.json").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        read_parts(data)
