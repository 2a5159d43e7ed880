import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from carmask.errors import PhotoError
from carmask.studio.coco import coco_of, read_labels, run_lengths, write_labels
from carmask.studio.parts import PARTS

coco_mask = pytest.importorskip("pycocotools.mask")


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
@settings(max_examples=60, deadline=None)
def test_run_lengths_are_read_alike_by_pycocotools(mask):
    height, width = mask.shape
    packed = coco_mask.frPyObjects({"size": [height, width], "counts": run_lengths(mask)}, height, width)
    assert np.array_equal(coco_mask.decode(packed).astype(bool), mask)
    assert coco_mask.area(packed) == mask.sum()


def test_annotations_partition_the_mask():
    labels = np.random.default_rng(1).integers(0, len(PARTS) + 1, (30, 40)).astype(np.uint8)
    labels[:, :3] = 0
    content = coco_of([("a_01.jpg", labels), ("a_02.jpg", np.zeros((5, 6), np.uint8))])
    assert [image["file_name"] for image in content["images"]] == ["a_01.jpg", "a_02.jpg"]
    assert [category["name"] for category in content["categories"]] == list(PARTS)
    total = np.zeros((30, 40), int)
    for one in content["annotations"]:
        assert one["image_id"] == 1
        packed = coco_mask.frPyObjects(one["segmentation"], 30, 40)
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
    with pytest.raises(PhotoError, match=r"a\.png: cannot be read"):
        read_labels(tmp_path / "a.png")
