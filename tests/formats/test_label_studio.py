"""What Label Studio writes: the annotation that counts, its shapes, names of uploads."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from PIL import Image

from carmask.formats.convert import convert
from carmask.formats.label_studio_rle import encode
from carmask.formats.table import detect, read_annotations
from carmask.formats.writing import WriteOptions
from carmask.images import encode_stencil
from tests.formats.masks import alike, cars, drawn_mask, within

MASK = drawn_mask("blobs", (20, 30), 1)


OTHER = drawn_mask("frame", (20, 30), 1)


def region(mask, index="r", label="car", **changes):
    value = {"format": "rle", "rle": list(encode(mask)), "brushlabels": [label]}
    fields = {"id": index, "type": "brushlabels", "original_width": 30, "original_height": 20, "value": value}
    return fields | changes


def tasks(tmp_path, *found, photos=True):
    if photos:
        Image.new("RGB", (30, 20)).save(tmp_path / "a b.jpg")
    (tmp_path / "export.json").write_text(json.dumps(list(found)))
    return read_annotations(tmp_path / "export.json").strict()


def test_label_studio_s_last_word_counts(tmp_path):
    """Ground truth before others, cancelled ones not at all, the newest of the rest; predictions only without."""
    data = {"image": "/data/local-files/?d=photos/a%20b.jpg"}
    old = {"result": [region(OTHER)], "updated_at": "2026-01-01T00:00:00Z"}
    new = {"result": [region(MASK)], "updated_at": "2026-01-02T00:00:00Z"}
    gone = {"result": [region(OTHER)], "updated_at": "2026-01-03T00:00:00Z", "was_cancelled": True}
    guess = {"result": [region(OTHER, score=0.9)], "score": 0.4, "model_version": "m 1"}
    found = tasks(tmp_path, {"data": data, "annotations": [gone, new, old], "predictions": [guess]})
    (picture,) = found.pictures
    assert picture.name == "a b.jpg"
    assert picture.photo == tmp_path / "a b.jpg"
    assert found.model == ""
    assert [(one.label, one.score) for one in picture.instances()] == [("car", None)]
    assert np.array_equal(picture.mask(), MASK)
    truth = {**old, "ground_truth": True}
    assert np.array_equal(tasks(tmp_path, {"data": data, "annotations": [new, truth]}).pictures[0].mask(), OTHER)
    found = tasks(tmp_path, {"data": data, "annotations": [gone], "predictions": [guess]})
    assert found.model == "m 1"
    assert [one.score for one in found.pictures[0].instances()] == [0.9]
    assert found.notes == ["0 pictures are annotated; of 1 the predictions were read"]


def test_label_studio_s_other_shapes(tmp_path):
    """Polygons and boxes are in percent; bitmaps are opaque where the mask is; a brush may have its label beside it."""
    square = {"points": [[10, 10], [50, 10], [50, 60], [10, 60]], "polygonlabels": ["door"]}
    box = {"x": 50, "y": 50, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": ["wheel"]}
    url = "data:image/png;base64," + base64.b64encode(encode_stencil(MASK)).decode()
    bitmap = {"imageDataURL": url, "bitmasklabels": ["glass"]}
    brush = {"format": "rle", "rle": list(encode(OTHER))}
    size = {"original_width": 30, "original_height": 20}
    result = [
        {"id": "1", "type": "polygonlabels", "value": square, **size},
        {"id": "2", "type": "rectanglelabels", "value": box, **size},
        {"id": "3", "type": "bitmasklabels", "value": bitmap, **size},
        {"id": "4", "type": "brush", "value": brush, **size},
        {"id": "4", "type": "labels", "value": {"labels": ["frame"]}, **size},
        {"id": "5", "type": "choices", "value": {"choices": ["good"]}},
    ]
    found = tasks(tmp_path, {"data": {"image": "https://host/a%20b.jpg"}, "annotations": [{"result": result}]})
    masks = {one.label: one.mask for one in found.pictures[0].instances()}
    assert list(masks) == ["door", "wheel", "glass", "frame"]
    door = np.zeros((20, 30), np.bool_)
    door[2:12, 3:15] = True
    assert np.array_equal(masks["door"], door)
    wheel = np.zeros((20, 30), np.bool_)
    wheel[10:, 15:] = True
    assert np.array_equal(masks["wheel"], wheel)
    assert np.array_equal(masks["glass"], MASK)
    assert np.array_equal(masks["frame"], OTHER)
    assert found.notes == ["1 region of kind choices was passed over"]


def test_label_studio_s_ellipses_are_drawn_and_key_points_passed_over(tmp_path):
    ellipse = {"x": 50, "y": 50, "radiusX": 100 / 3, "radiusY": 25, "rotation": 0, "ellipselabels": ["car"]}
    point = {"x": 10, "y": 10, "width": 0.5, "keypointlabels": ["door"]}
    size = {"original_width": 30, "original_height": 20}
    result = [
        {"id": "1", "type": "ellipselabels", "value": ellipse, **size},
        {"id": "2", "type": "keypointlabels", "value": point, **size},
    ]
    found = tasks(tmp_path, {"data": {"image": "a b.jpg"}, "annotations": [{"result": result}]})
    (one,) = found.pictures[0].instances()
    rows, columns = np.mgrid[:20, :30] + 0.5
    inside = ((columns - 15) / 10) ** 2 + ((rows - 10) / 5) ** 2
    assert one.label == "car"
    assert one.mask[inside < 0.99].all()
    assert not one.mask[inside > 1.01].any()
    assert found.notes == ["1 region of kind keypointlabels was passed over"]


@pytest.mark.parametrize("angle", [0, 30, 90, 200.5, -45])
def test_label_studio_s_boxes_are_rotated_about_their_corner(tmp_path, angle):
    """In pixels, not in percent of two sides that differ; ellipses about the centre, which they give."""
    box = {"x": 40, "y": 50, "width": 25, "height": 15, "rotation": angle, "rectanglelabels": ["door"]}
    ellipse = {"x": 50, "y": 50, "radiusX": 25, "radiusY": 10, "rotation": angle, "ellipselabels": ["wheel"]}
    size = {"original_width": 300, "original_height": 200}
    result = [
        {"id": "1", "type": "rectanglelabels", "value": box, **size},
        {"id": "2", "type": "ellipselabels", "value": ellipse, **size},
    ]
    Image.new("RGB", (300, 200)).save(tmp_path / "a b.jpg")
    found = tasks(tmp_path, {"data": {"image": "a b.jpg"}, "annotations": [{"result": result}]}, photos=False)
    door, wheel = found.pictures[0].instances()
    x, y = within(angle, (120, 100))
    alike(door.mask, np.maximum(abs(x / 37.5 - 1), abs(y / 15 - 1)))
    x, y = within(angle, (150, 100))
    alike(wheel.mask, np.hypot(x / 75, y / 20))


def test_a_region_of_label_studio_with_several_tags_is_one(tmp_path):
    """As its OCR template writes it: shape, label and a text of each region, all with the shape."""
    box = {"x": 0, "y": 0, "width": 50, "height": 50, "rotation": 0}
    size = {"original_width": 30, "original_height": 20, "id": "1"}
    result = [
        {"type": "rectangle", "value": box, **size},
        {"type": "labels", "value": {**box, "labels": ["plate"]}, **size},
        {"type": "textarea", "value": {**box, "text": ["AB 12"]}, **size},
        # The same id by hand, and another shape.
        {"type": "rectangle", "value": {**box, "x": 50}, **size},
    ]
    found = tasks(tmp_path, {"data": {"image": "a b.jpg"}, "annotations": [{"result": result}]})
    assert [(one.label, int(one.mask.sum())) for one in found.pictures[0].instances()] == [("plate", 150)] * 2
    assert found.notes == []


def test_an_annotation_from_label_studio_s_storage(tmp_path):
    """One file an annotation, with its task inside."""
    one = {"id": 3, "result": [region(MASK)], "task": {"id": 5, "data": {"image": "a b.jpg"}, "predictions": []}}
    (tmp_path / "5.json").write_text(json.dumps(one))
    assert detect(tmp_path) == "label-studio"
    assert np.array_equal(read_annotations(tmp_path).strict().pictures[0].mask(), MASK)


@pytest.mark.parametrize("tag", ["brush", "bitmask"])
def test_label_studio_s_tasks(tmp_path, tag):
    source = cars(MASK, OTHER, score=0.75)
    convert(source, tmp_path / "out", "label-studio", options=WriteOptions("default 4", tag, "http://photos/"))
    content = json.loads((tmp_path / "out" / "tasks.json").read_text())
    assert [one["data"]["image"] for one in content] == ["http://photos/car%200.jpg", "http://photos/car%201.jpg"]
    predictions = [one["predictions"][0] for one in content]
    assert all(one["model_version"] == "default 4" and one["score"] == 0.75 for one in predictions)
    regions = [region for one in predictions for region in one["result"]]
    assert len({one["id"] for one in regions}) == 2
    assert all((one["original_width"], one["original_height"]) == (30, 20) for one in regions)
    name = {"brush": "BrushLabels", "bitmask": "BitmaskLabels"}[tag]
    assert all(one["type"] == name.lower() and one["value"][name.lower()] == ["car"] for one in regions)
    text = (tmp_path / "out" / "label_config.xml").read_text()
    assert f'<{name} name="label" toName="image">' in text
    assert '<Label value="car"' in text


@pytest.mark.parametrize("name", ["Porsche 911", "v1.2", 7])
def test_a_task_s_own_column_called_name_is_not_the_picture_s(tmp_path, name):
    data = {"image": "/data/upload/1/abcd1234-a%20b.jpg", "name": name}
    (picture,) = tasks(tmp_path, {"data": data, "annotations": [{"result": [region(MASK)]}]}).pictures
    assert (picture.name, picture.photo) == ("a b.jpg", tmp_path / "a b.jpg")
