import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.errors import PhotoError
from carmask.formats.coco import write_file
from carmask.formats.labels import read_labels, write_labels
from carmask.formats.picture import split_labels
from carmask.formats.polygons import polygon_mask
from carmask.formats.writing import Loaded

PARTS = tuple(f"part {number}" for number in range(24))

coco_mask = pytest.importorskip("pycocotools.mask")


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_polygons_cover_what_coco_s_tools_cover(seed):
    """Stars, so with edges of every direction and hollows; pycocotools rounds corners to a fifth of a pixel."""
    rng = np.random.default_rng(seed)
    angles = np.sort(rng.uniform(0, 2 * np.pi, 24))
    radius = rng.uniform(40, 110, 24)
    corners = np.stack([160 + radius * np.cos(angles), 120 + radius * np.sin(angles)], axis=1).ravel().round(1)
    ours = polygon_mask(corners.tolist(), (240, 320))
    theirs = coco_mask.decode(coco_mask.frPyObjects([corners.tolist()], 240, 320))[..., 0] > 0
    length = np.hypot(*np.diff(corners.reshape(-1, 2), axis=0, append=corners[None, :2]).T).sum()
    assert (ours ^ theirs).sum() <= 0.1 * length  # a tenth of a pixel along the contour


@given(st.integers(0, 10_000))
@settings(max_examples=40)
def test_corners_at_halves_cover_what_coco_s_tools_cover(seed):
    """As find_contours gives them, whose corners lie in the middle of pixels."""
    rng = np.random.default_rng(seed)
    x, y = 4.5 + rng.integers(1, 9), 2.5 + rng.integers(1, 9)
    box = [x, y, x + 20, y, x + 20, y + 10, x, y + 10]
    theirs = coco_mask.decode(coco_mask.frPyObjects([box], 32, 40))[..., 0] > 0
    assert np.array_equal(polygon_mask(box, (32, 40)), theirs)
    percent = np.array(box).reshape(-1, 2) / (90, 60) * 100  # as Label Studio has them: 5.5 becomes 5.500000000000001
    assert np.array_equal(polygon_mask((percent * (90, 60) / 100).ravel(), (32, 40)), theirs)


def test_polygons_by_hand():
    square = polygon_mask([1, 1, 4, 1, 4, 3, 1, 3], (5, 6))
    assert square.sum() == 6
    assert square[1:3, 1:4].all()
    assert not polygon_mask([1.2, 1.2, 1.4, 1.2, 1.3, 1.4], (5, 6)).any()  # no pixel's centre lies in it
    assert polygon_mask([-9, -9, 99, -9, 99, 99, -9, 99], (5, 6)).all()  # cut off at the border


def test_annotations_partition_the_mask(tmp_path):
    labels = np.random.default_rng(1).integers(0, len(PARTS) + 1, (30, 40)).astype(np.uint8)
    labels[:, :3] = 0
    pictures = [
        Loaded("a_01.jpg", (30, 40), split_labels(labels, PARTS, "a_01")),
        Loaded("a_02.jpg", (5, 6), []),
    ]
    write_file(tmp_path / "a.json", pictures, PARTS)
    content = json.loads((tmp_path / "a.json").read_text())
    assert [image["file_name"] for image in content["images"]] == ["a_01.jpg", "a_02.jpg"]
    assert [category["name"] for category in content["categories"]] == list(PARTS)
    total = np.zeros((30, 40), int)
    for one in content["annotations"]:
        assert one["image_id"] == 1
        packed = one["segmentation"]
        part = coco_mask.decode(packed).astype(bool)
        assert np.array_equal(part, labels == one["category_id"])
        assert one["bbox"] == coco_mask.toBbox(packed).tolist()
        assert one["area"] == part.sum()
        total += part
    assert np.array_equal(total, (labels > 0).astype(int))


def test_labels_come_back_from_their_file(tmp_path):
    labels = np.arange(25, dtype=np.uint8).reshape(5, 5)
    write_labels(tmp_path / "a.png", labels)
    assert np.array_equal(read_labels(tmp_path / "a.png"), labels)


def test_what_is_no_label_file_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"nothing")
    with pytest.raises(PhotoError, match=r"a\.png: not an image that can be read"):
        read_labels(tmp_path / "a.png")
