"""What annotation tools write: chosen annotations, polygons, order, names of uploads, and the output of cut."""

from __future__ import annotations

import base64
import json

import numpy as np
import pytest
from PIL import Image

from carmask.batch.corrected_masks import corrected_masks
from carmask.batch.corrections import FILE, Correction, Corrections
from carmask.batch.names import STATE
from carmask.cli import main
from carmask.data.layouts import read_data
from carmask.errors import DataError
from carmask.formats.convert import convert
from carmask.formats.label_studio_rle import encode
from carmask.formats.photos import Photos, address_name
from carmask.formats.picture import from_masks
from carmask.formats.reading import ReadOptions
from carmask.formats.table import detect, read_annotations
from carmask.formats.writing import WriteOptions
from carmask.images import encode_mask, encode_stencil, write_mask
from tests.formats.masks import cars, drawn_mask

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


def cvat(*shapes):
    body = "".join(f'<{kind} label="{label}" {fields}/>' for kind, label, fields in shapes)
    labels = "".join(f"<label><name>{label}</name></label>" for label in dict.fromkeys(one[1] for one in shapes))
    head = f"<annotations><meta><task><labels>{labels}</labels></task></meta>"
    return f'{head}<image id="0" name="a.jpg" width="300" height="200">{body}</image></annotations>'


def within(angle, about, rows=200, columns=300):
    """Where each pixel's centre lies from a point, along the sides of a shape rotated clockwise about it: x, y."""
    y, x = np.mgrid[:rows, :columns] + 0.5
    x, y, radians = x - about[0], y - about[1], np.deg2rad(angle)
    return x * np.cos(radians) + y * np.sin(radians), y * np.cos(radians) - x * np.sin(radians)


def alike(mask, value):
    """A mask is what is below 1, but for what is it to a hundredth."""
    assert mask[value < 0.99].all()
    assert not mask[value > 1.01].any()
    assert mask.any()


@pytest.mark.parametrize("angle", [0, 30, 90, 200.5, -45])
def test_cvat_s_boxes_and_ellipses_are_rotated_about_their_centres(tmp_path, angle):
    box = f'xtl="30" ytl="20" xbr="130" ybr="60" rotation="{angle}"'
    ellipse = f'cx="200" cy="100" rx="80" ry="30" rotation="{angle}"'
    (tmp_path / "annotations.xml").write_text(cvat(("box", "door", box), ("ellipse", "wheel", ellipse)))
    door, wheel = read_annotations(tmp_path / "annotations.xml").strict().pictures[0].instances()
    x, y = within(angle, (80, 40))
    alike(door.mask, np.maximum(abs(x) / 50, abs(y) / 20))
    x, y = within(angle, (200, 100))
    alike(wheel.mask, np.hypot(x / 80, y / 30))


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


def test_cvat_draws_in_its_order(tmp_path):
    (tmp_path / "annotations.xml").write_text(
        "<annotations><meta><job><labels><label><name>car</name></label><label><name>door</name></label></labels></job>"
        '</meta><image id="0" name="sub/a.jpg" width="30" height="20">'
        '<polygon label="door" points="2,2;12,2;12,12;2,12" z_order="1"/>'
        '<mask label="car" rle="0, 600" left="0" top="0" width="30" height="20" z_order="0">'
        '<attribute name="confidence">0.5</attribute></mask>'
        '<ellipse label="door" cx="20" cy="10" rx="5" ry="5" z_order="2"/>'
        '<polyline label="car" points="1,1;2,2"/></image></annotations>'
    )
    found = read_annotations(tmp_path).strict()
    labels = found.pictures[0].labels(found.names)
    assert found.pictures[0].name == "sub/a.jpg"
    assert labels[5, 5] == 2  # the door lies on top, though it stands first
    assert labels[15, 2] == 1
    assert (labels[:, 14:26] == 2).sum() == pytest.approx(np.pi * 25, abs=4)
    assert [one.score for one in found.pictures[0].instances()] == [0.5, None, None]
    assert found.notes == ["annotations.xml: 1 shape without an area (lines, points) was passed over"]


def test_cvat_s_confidence_is_that_of_its_own_shape(tmp_path):
    """Shapes that are passed over, and tags of the picture, have attributes of this name, too."""
    attribute = '<attribute name="confidence">0.25</attribute>'
    line = f'<polyline label="car" points="1,1;2,2">{attribute}</polyline>'
    (tmp_path / "annotations.xml").write_text(
        "<annotations><meta><job><labels><label><name>car</name></label></labels></job></meta>"
        f'<image id="0" name="a.jpg" width="30" height="20">{line}'
        f'<polygon label="car" points="2,2;12,2;12,12;2,12"/>{line}<tag label="car">{attribute}</tag></image>'
        "</annotations>"
    )
    found = read_annotations(tmp_path).strict()
    assert [one.score for one in found.pictures[0].instances()] == [None]
    assert found.notes == ["annotations.xml: 2 shapes without an area (lines, points) were passed over"]


def test_datumaro_s_other_shapes_are_said(tmp_path):
    types = [{"type": kind, "label_id": 0} for kind in ("bbox", "label", "bbox", "caption")]
    square = {"type": "polygon", "label_id": 0, "points": [2, 2, 12, 2, 12, 12, 2, 12]}
    item = {"id": "a", "annotations": [*types, square], "image": {"path": "a.jpg", "size": [20, 30]}}
    content = {"infos": {}, "categories": {"label": {"labels": [{"name": "car"}]}}, "items": [item]}
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "default.json").write_text(json.dumps(content))
    found = read_annotations(tmp_path, name="datumaro").strict()
    assert [int(one.mask.sum()) for one in found.pictures[0].instances()] == [100]
    assert found.notes == ["2 annotations of the type bbox were passed over"]


def test_cvat_masks_begin_with_zeros_in_their_tight_box(tmp_path):
    mask = np.zeros((20, 30), np.bool_)
    mask[3:5, 4:7] = [[True, False, True], [True, True, True]]
    convert(cars(mask), tmp_path / "out", "cvat")
    text = (tmp_path / "out" / "annotations.xml").read_text()
    assert 'rle="0, 1, 1, 4" left="4" top="3" width="3" height="2" z_order="0"' in text
    assert json.loads((tmp_path / "out" / "labels.json").read_text())[0]["name"] == "car"


@pytest.mark.parametrize(
    ("project", "labels", "classes"),
    [
        ("car", ["door", "hood"], ("door", "hood")),
        ("car", ["car"], ("car",)),
        ("my-cars-x1", ["sedan"], ("car",)),  # the only label is the car
    ],
)
def test_roboflow_s_category_over_the_others_is_no_label(tmp_path, project, labels, classes):
    """Nothing is labelled with it. As one, it made doors a car without a pixel, or the only label a part."""
    categories = [{"id": 0, "name": project, "supercategory": "none"}]
    categories += [{"id": index, "name": name, "supercategory": project} for index, name in enumerate(labels, 1)]
    corners = [4, 5, 20, 5, 20, 15, 4, 15]
    annotations = [
        {"id": index, "image_id": 0, "category_id": index, "segmentation": [corners]}
        for index in range(1, len(categories))
    ]
    image = {"id": 0, "file_name": "a.jpg", "height": 20, "width": 30}
    content = {"categories": categories, "images": [image], "annotations": annotations}
    (tmp_path / "_annotations.coco.json").write_text(json.dumps(content))
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg")
    (example,), found = read_data(tmp_path)
    assert found == classes
    assert example.read_mask().sum() == 160
    annotations[0]["category_id"] = 0  # what is labelled with it, it is a label of
    (tmp_path / "_annotations.coco.json").write_text(json.dumps(content))
    if labels != ["car"]:
        assert project in read_annotations(tmp_path).names


def test_datumaro_as_cvat_exports_it(tmp_path):
    """With neither a version nor ``infos``: its categories are a table, where COCO's are a list."""
    convert(cars(MASK), tmp_path / "out", "datumaro")
    file = tmp_path / "out" / "annotations" / "default.json"
    written = json.loads(file.read_text())
    content = {"info": {}, "categories": written["categories"], "items": written["items"]}
    file.write_text(json.dumps(content))
    for path in (tmp_path / "out", file):
        assert detect(path) == "datumaro"
        assert np.array_equal(read_annotations(path).strict().pictures[0].mask(), MASK)
    categories = [{"id": 1, "name": "car"}]
    file.write_text(json.dumps({"info": {}, "categories": categories, "images": [], "annotations": []}))
    assert detect(file) == "coco"


@pytest.mark.parametrize(
    "told",
    [
        "..\\..\\label-studio\\media\\upload\\4\\0a1b2c3d-a.jpg",  # Label Studio from 1.16 on
        "/data/local-files/?d=cars/0a1b2c3d-a.jpg",
        "C:\\cars\\0a1b2c3d-a.jpg",
    ],
)
def test_coco_s_paths_into_a_tool_s_own_folders(tmp_path, told):
    """The photo lies in images/: it is found by its file's name. Without it such a name is refused."""
    image = {"id": 0, "file_name": told, "height": 20, "width": 30}
    annotation = {"id": 0, "image_id": 0, "category_id": 0, "segmentation": [[4, 5, 20, 5, 20, 15, 4, 15]]}
    content = {"categories": [{"id": 0, "name": "car"}], "images": [image], "annotations": [annotation]}
    (tmp_path / "result.json").write_text(json.dumps(content))
    assert "leads out of its folder" in read_annotations(tmp_path).faults[0]
    (tmp_path / "images").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "images" / "0a1b2c3d-a.jpg")
    (picture,) = read_annotations(tmp_path).strict().pictures
    assert (picture.name, picture.photo) == ("0a1b2c3d-a.jpg", tmp_path / "images" / "0a1b2c3d-a.jpg")


def test_labelme_draws_polygons_as_labelme_does(tmp_path):
    """With their outline; shapes of a group are one; background takes away. labelme's shape_to_mask is Pillow's."""
    from PIL import ImageDraw

    points = [[3.2, 2.7], [25.1, 4.4], [18.0, 17.3], [5.5, 12.1]]
    shapes = [
        {"label": "car", "points": points, "shape_type": "polygon", "group_id": 1},
        {"label": "car", "points": [[26, 1], [28, 3]], "shape_type": "rectangle", "group_id": 1},
        {"label": "_background_", "points": [[10, 8], [12, 10]], "shape_type": "rectangle"},
        {"label": "car", "points": [[1, 1]], "shape_type": "point"},
    ]
    content = {
        "shapes": shapes,
        "imagePath": "..\\photos\\a.jpg",
        "imageHeight": 20,
        "imageWidth": 30,
        "imageData": None,
    }
    (tmp_path / "ann").mkdir()
    (tmp_path / "images").mkdir()
    (tmp_path / "ann" / "a.json").write_text(json.dumps(content))
    Image.new("RGB", (30, 20)).save(tmp_path / "images" / "a.jpg")
    found = read_annotations(tmp_path / "ann").strict()
    (instance,) = found.pictures[0].instances()
    image = Image.new("1", (30, 20))
    draw = ImageDraw.Draw(image)
    draw.polygon([tuple(point) for point in points], outline=1, fill=1)
    draw.rectangle([26, 1, 28, 3], outline=1, fill=1)
    draw.rectangle([10, 8, 12, 10], outline=0, fill=0)
    assert np.array_equal(instance.mask, np.asarray(image))
    assert found.names == ("car",)
    assert found.pictures[0].photo == tmp_path / "images" / "a.jpg"
    assert found.notes == ["1 shape of the type point was passed over"]


@pytest.mark.parametrize(
    ("kind", "points"), [("circle", [[3, 10], [12, 10]]), ("oriented_rectangle", [[-6, 8], [2, -4], [20, 9], [12, 24]])]
)
def test_labelme_s_shapes_that_reach_beyond_the_picture(tmp_path, kind, points):
    """A circle round a point at the edge, a rectangle that is turned there: both are cut off, as labelme does."""
    from PIL import ImageDraw

    shape = {"label": "car", "points": points, "shape_type": kind}
    content = {"shapes": [shape], "imagePath": "a.jpg", "imageHeight": 20, "imageWidth": 30, "imageData": None}
    (tmp_path / "a.json").write_text(json.dumps(content))
    image = Image.new("1", (30, 20))
    draw = ImageDraw.Draw(image)
    if kind == "circle":
        draw.ellipse([-6, 1, 12, 19], outline=1, fill=1)
    else:
        draw.polygon([tuple(point) for point in points], outline=1, fill=1)
    (picture,) = read_annotations(tmp_path).strict().pictures
    assert np.array_equal(picture.mask(), np.asarray(image))


@pytest.mark.parametrize("order", ["{kind}/{split}", "{split}/{kind}"])
def test_yolo_s_splits_may_have_photos_of_one_name(tmp_path, order):
    """Each label file is of the photo in its place; the split tells the pictures apart."""
    (tmp_path / "data.yaml").write_text("names: [car]\n")
    for split, width in (("train", 0.5), ("val", 0.9)):
        photos, labels = (tmp_path / order.format(kind=kind, split=split) for kind in ("images", "labels"))
        for folder in (photos, labels):
            folder.mkdir(parents=True)
        for name in ("1", "2", f"only {split}"):
            Image.new("RGB", (30, 20)).save(photos / f"{name}.jpg")
        for name in ("1", f"only {split}"):
            # A label's number as NumPy's savetxt writes it, which Ultralytics reads, too.
            (labels / f"{name}.txt").write_text(f"0.0 0.1 0.1 {width} 0.1 {width} 0.9 0.1 0.9\n")
    pictures = {one.name: one for one in read_annotations(tmp_path).strict().pictures}
    named = {f"{split}/{name}.jpg" for split in ("train", "val") for name in "12"} | {"only train.jpg", "only val.jpg"}
    assert set(pictures) == named
    for name, one in pictures.items():
        split = "train" if "train" in name else "val"
        assert one.photo == tmp_path / order.format(kind="images", split=split) / name.rpartition("/")[2]
        columns = np.flatnonzero(one.mask().any(axis=0))
        assert (columns.max(initial=0)) == (0 if "2" in name else 15 if split == "train" else 27)


def test_a_label_file_has_no_photo_of_another_split(tmp_path):
    (tmp_path / "data.yaml").write_text("names: [car]\n")
    for split in ("train", "val"):
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / "1.txt").write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n")
    (tmp_path / "images" / "train").mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(tmp_path / "images" / "train" / "1.jpg")
    found = read_annotations(tmp_path)
    assert [one.name for one in found.pictures] == ["train/1.jpg"]
    assert len(found.faults) == 1
    assert "val/1.jpg: its size is not known" in found.faults[0]


def test_voc_s_void_is_neither(tmp_path):
    convert(cars(MASK), tmp_path / "out", "voc")
    file = tmp_path / "out" / "SegmentationClass" / "car 0.png"
    for mode in ("P", "RGB"):
        with Image.open(file) as image:
            indices, palette = np.array(image), image.getpalette()
        indices[MASK] = 1
        indices[0], indices[1] = 255, 0
        image = Image.fromarray(indices, "P")
        image.putpalette(palette)
        (image if mode == "P" else image.convert("RGB")).save(file.with_name("x.png"))
        (tmp_path / "out" / "SegmentationObject" / "x.png").unlink(missing_ok=True)
        found = {one.stem: one for one in read_annotations(tmp_path / "out").pictures}
        expected = MASK.copy()
        expected[:2] = False
        assert np.array_equal(found["x"].mask(), expected)


@pytest.fixture
def cut(tmp_path):
    """An output folder of cut: masks, a cut-out alone, a failure, a correction; photos elsewhere."""
    out, photos = tmp_path / "out", tmp_path / "photos"
    (out / "sub").mkdir(parents=True)
    (photos / "sub").mkdir(parents=True)
    for name in ("a", "sub/b", "c", "d"):
        Image.new("RGB", (30, 20)).save(photos / f"{name}.jpg")
    write_mask(out / "a_mask.png", MASK)
    write_mask(out / "sub" / "b_mask.png", MASK)
    rgba = np.zeros((20, 30, 4), np.uint8)
    rgba[..., 3] = np.where(OTHER, 255, 127)
    Image.fromarray(rgba).save(out / "c.png")
    rows = [
        "photo,status,reason,confidence,area,seconds,expected_error_px,review",
        f"{photos}/a.jpg,done,,0.9912,0.3,0.1,0.5,",
        f"{photos}/sub/b.jpg,done,,0.6,0.3,0.1,0.5,yes",
        "moved/c.jpg,done,,0.7,0.3,0.1,0.5,yes",
        "moved/d.jpg,failed,damaged,,,0.1,,",
        "moved/e.jpg,done,,0.9,0.3,0.1,0.5,",
    ]
    (out / "report.csv").write_text("\n".join(rows) + "\n")
    return out


def test_the_output_of_cut_becomes_predictions(cut, tmp_path):
    assert detect(cut) == "cut"
    found = read_annotations(cut, ReadOptions(photos=tmp_path / "photos")).strict()
    assert [picture.name for picture in found.pictures] == ["a.jpg", "sub/b.jpg", "c.jpg"]
    assert [one.score for picture in found.pictures for one in picture.instances()] == [0.9912, 0.6, 0.7]
    assert all(picture.photo is not None for picture in found.pictures)
    assert np.array_equal(found.pictures[2].mask(), OTHER)
    assert found.model == "carmask"
    assert found.notes == [f"1 photo of report.csv has no mask or cut-out in {cut}"]
    done = convert(found, tmp_path / "tasks", "label-studio")
    assert done.changed == 0
    content = json.loads((tmp_path / "tasks" / "tasks.json").read_text())
    assert [one["predictions"][0]["score"] for one in content] == [0.9912, 0.6, 0.7]


def test_only_those_to_review(cut):
    found = read_annotations(cut, ReadOptions(doubtful=True)).strict()
    assert [picture.name for picture in found.pictures] == ["sub/b.jpg", "c.jpg"]


def test_where_none_is_to_review_it_is_said(cut):
    report = cut / "report.csv"
    report.write_text(report.read_text().replace("yes", ""))
    with pytest.raises(DataError, match=r"no photo is marked for review in report\.csv"):
        read_annotations(cut, ReadOptions(doubtful=True))


def test_corrections_take_the_place_of_masks(cut):
    (cut / "corrections" / "sub").mkdir(parents=True)
    write_mask(cut / "corrections" / "sub" / "b.png", OTHER)
    found = read_annotations(cut).strict()
    (one,) = found.pictures[1].instances()
    assert np.array_equal(one.mask, OTHER)
    assert one.score is None
    assert detect(cut / "corrections") == "folders"
    (picture,) = read_annotations(cut / "corrections").pictures
    assert picture.name == "sub/b.jpg"


def test_corrections_are_read_from_the_store_of_the_review(cut, tmp_path, monkeypatch):
    with Corrections(cut / STATE / FILE) as store:
        for name in ("sub/b", "e", "a"):  # of e there is no mask in the folder
            store.save(Correction(name, "corrected", "0", mask=encode_mask(OTHER)), seen=0)
        store.save(Correction("a", "open", "0"), seen=1)  # taken back
    assert sorted(corrected_masks(cut)) == ["e", "sub/b"]
    words = ["carmask", "convert", str(cut), "--to", "label-studio", "--out", str(tmp_path / "tasks")]
    monkeypatch.setattr("sys.argv", [*words, "--photo-files", "none"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    content = json.loads((tmp_path / "tasks" / "tasks.json").read_text())
    found = read_annotations(tmp_path / "tasks").pictures
    assert [picture.name for picture in found] == ["a.jpg", "sub/b.jpg", "c.jpg", "e.jpg"]
    assert [np.array_equal(picture.mask(), OTHER) for picture in found] == [False, True, True, True]
    # What a person has drawn is no prediction.
    assert [one["predictions"][0].get("score") for one in content] == [0.9912, None, 0.7, None]
    assert corrected_masks(tmp_path / "tasks") == {}


def test_an_output_of_cut_without_masks(cut):
    for file in cut.rglob("*.png"):
        file.unlink()
    with pytest.raises(DataError, match="no masks in it; cut again with mask"):
        read_annotations(cut)


def test_a_submission_needs_sizes(tmp_path):
    (tmp_path / "s.csv").write_text("img,rle_mask\na.jpg,1 3\nb.jpg,\nc.jpg,599 3\n")
    assert detect(tmp_path / "s.csv") == "carvana"
    with pytest.raises(DataError, match=r"its size is not known: name a folder with the photos.*\(and 2 more\)"):
        read_annotations(tmp_path / "s.csv").strict()
    found = read_annotations(tmp_path / "s.csv", ReadOptions(size=(20, 30))).strict()
    assert found.pictures[0].mask().sum() == 3
    assert not found.pictures[1].mask().any()
    with pytest.raises(DataError, match=r"s.csv: line 4: c.jpg: run 1 \(599 3\) ends at pixel 601"):
        found.pictures[2].mask()
    done = convert(found, tmp_path / "out", "coco")
    assert (done.pictures, len(done.faults)) == (2, 1)


def test_photos_are_found_by_what_tools_make_of_their_names(tmp_path):
    for name in ("a b.jpg", "sub/c.png", "other/c.png", "Ü.jpg", "0123abcd-d.jpg", "e.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    photos = Photos([tmp_path])
    for told, wanted in {
        "a b.jpg": "a b.jpg",
        "/data/upload/3/0123abcd-a_b.jpg": None,
        "/data/upload/3/89abcdef-a%20b.jpg": "a b.jpg",
        "/data/local-files/?d=some/where/a%20b.jpg": "a b.jpg",
        "https://host/x/a%20b.jpg?token=1": "a b.jpg",
        "D:\\cars\\sub\\c.png": "sub/c.png",
        "c.png": None,  # there are two
        "U\u0308.jpg": "Ü.jpg",  # the same letter, written as two
        "0123abcd-d.jpg": "0123abcd-d.jpg",
        "e.jpg": "e.webp",
        "f.jpg": None,
    }.items():
        assert photos.find(told) == (None if wanted is None else tmp_path / wanted), told
    assert len(photos) == 6
    assert address_name("/data/upload/3/89abcdef-a%20b.jpg") == "a b.jpg"


def test_masks_at_hand_are_the_seam_for_other_programs(tmp_path):
    found = from_masks([("a.jpg", (20, 30), MASK, 0.5), ("b.jpg", (20, 30), OTHER, None)], model="mine")
    assert [one.score for picture in found.pictures for one in picture.instances()] == [0.5, None]
    assert convert(found, tmp_path / "out", "cvat").changed == 0
    with pytest.raises(DataError, match="EXIF"):
        from_masks([("a.jpg", (30, 20), MASK, None)])
