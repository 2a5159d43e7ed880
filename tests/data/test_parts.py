"""Part labels drawn from polygons, against COCO's own tools and by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco

from carmask.data.parts import is_parts, read_parts
from carmask.errors import DataError, PhotoError
from carmask.formats.codecs import columns_counts
from carmask.formats.labels import write_labels


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
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.998


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": [{"id": 1, "width": 40, "height": 30, "file_name": "z.png"}]},
            "1 of 1 annotated picture has no photo, the first is z.png",
        ),
        (
            {"annotations": [{"image_id": 1, "category_id": 99, "segmentation": [[1, 1, 2, 2, 3, 1]]}]},
            "1 of image 1: category 99 is",
        ),
        (
            {"annotations": [{"image_id": 9, "category_id": 8, "segmentation": [[1, 1, 2, 2, 3, 1]]}]},
            "image 9: there is no",
        ),
        ({"annotations": [{"image_id": 1, "category_id": 8, "segmentation": [[1, 1, 2, 2]]}]}, "has 4 numbers"),
        (
            {"annotations": [{"image_id": 1, "category_id": 8, "segmentation": {"counts": "x"}}]},
            "compressed run lengths",
        ),
        (
            {"annotations": [{"image_id": 1, "category_id": 8, "segmentation": {"counts": [7]}}]},
            "run lengths of 7 pixels",
        ),
        (
            {"annotations": [{"id": 5, "image_id": 1, "category_id": 8, "segmentation": [[1, 1, 43, 2, 3, 9]]}]},
            r"annotation 5 of image 1: a corner at \(43, 2\) lies outside the picture of 40x30",
        ),
        ({"annotations": [{"image_id": 1, "category_id": 8, "segmentation": [[1, 1, 3, "nan", 3, 9]]}]}, "outside"),
        ({"annotations": [{"image_id": 1, "category_id": 8, "segmentation": 7}]}, "a list of polygons, or run"),
        ({"categories": [{"id": 8, "name": "background"}], "annotations": []}, "0 labels"),
        ({"categories": [{"id": 8}]}, "COCO annotations: not as the format has it: a field is missing: 'name'"),
    ],
)
def test_faulty_annotations_are_named(data, changes, message):
    change(data, **changes)
    with pytest.raises(DataError, match=message) as caught:
        read_parts(data)
    assert "\n" not in str(caught.value)


def test_corners_a_little_outside_are_cut_off(data):
    """The DSMLR set has corners up to 1.8 pixels outside."""
    change(
        data,
        annotations=[{"image_id": 1, "category_id": 8, "segmentation": [[-1.8, -1, 41.5, -1, 41.5, 31, -1.8, 31]]}],
    )
    assert read_parts(data)[0][1].read_mask().all()


def test_run_lengths_are_read(data):
    mask = np.random.default_rng(0).random((30, 40)) < 0.5
    runs = {"size": [30, 40], "counts": columns_counts(mask).tolist()}
    change(data, annotations=[{"image_id": 1, "category_id": 11, "segmentation": runs}])
    assert np.array_equal(read_parts(data)[0][1].read_labels(), mask * 2)


def test_views_of_a_car_belong_together(data):
    change(data, images=[{"id": 1, "width": 40, "height": 30, "file_name": "abc_03.png"}], annotations=[])
    Image.new("RGB", (40, 30), "grey").save(data / "images" / "abc_03.png")
    (example,) = read_parts(data)[0]
    assert (example.car, example.view) == ("abc", 3)


def index_set(folder):
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    Image.new("RGB", (40, 30), "grey").save(folder / "images" / "a.png")
    labels = np.zeros((30, 40), np.uint8)
    labels[3:9, 5:20], labels[12:20, 8:30] = 10, 90
    write_labels(folder / "labels" / "a.png", labels)
    (folder / "classes.txt").write_text("# value, name\n0 background\n90 rest of car\n10 hood\n")
    return labels


@pytest.mark.parametrize("mode", ["P", "L"])
def test_index_png(tmp_path, mode):
    values = index_set(tmp_path)
    if mode == "L":
        Image.fromarray(values).save(tmp_path / "labels" / "a.png")
    assert is_parts(tmp_path)
    (example,), names = read_parts(tmp_path)
    assert names == ("hood", "rest of car")
    assert np.array_equal(example.read_labels(), np.select([values == 10, values == 90], [1, 2]))


def test_faulty_index_sets_are_named(tmp_path):
    index_set(tmp_path)
    (tmp_path / "classes.txt").write_text("10 hood\n")
    with pytest.raises(DataError, match=r"a\.png: the value 90 has no class; those there are: 0, 10"):
        read_parts(tmp_path)[0][0].read_labels()
    Image.new("RGB", (40, 30)).save(tmp_path / "labels" / "a.png")
    with pytest.raises(PhotoError, match="not an index PNG"):
        read_parts(tmp_path)[0][0].read_labels()
    Image.new("L", (40, 30)).save(tmp_path / "labels" / "b.png")
    with pytest.raises(DataError, match="1 of 2 annotated pictures has no photo, the first is b"):
        read_parts(tmp_path)
    (tmp_path / "labels" / "b.png").rename(tmp_path / "labels" / "c.png")
    (tmp_path / "labels" / "a.png").rename(tmp_path / "labels" / "b.png")
    Image.new("RGB", (40, 30), "grey").save(tmp_path / "images" / "b.png")
    Image.new("RGB", (40, 30), "grey").save(tmp_path / "images" / "c.png")
    with pytest.raises(DataError, match="1 of 3 photos has no mask, the first is a"):
        read_parts(tmp_path)
    (tmp_path / "classes.txt").unlink()
    with pytest.raises(DataError, match=r"classes\.txt: cannot be read"):
        read_parts(tmp_path)


def test_what_is_no_set_of_parts(tmp_path):
    with pytest.raises(DataError, match="not a data set of parts"):
        read_parts(tmp_path)


def test_arrays_are_converted_first(tmp_path):
    """Their photos are in no file that could be read later."""
    np.save(tmp_path / "a.npy", np.zeros((20, 30, 4), np.uint8))
    with pytest.raises(DataError, match="arrays; 'carmask convert"):
        read_parts(tmp_path)


def test_unreadable_annotations(data):
    (data / "annotations.json").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        read_parts(data)
