"""What annotation tools write: polygons, order, boxes, names."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from carmask.data.layouts import read_data
from carmask.errors import DataError
from carmask.formats.convert import convert
from carmask.formats.photos import Photos, address_name
from carmask.formats.picture import from_masks
from carmask.formats.reading import ReadOptions
from carmask.formats.table import detect, read_annotations
from tests.formats.masks import alike, cars, drawn_mask, within

MASK = drawn_mask("blobs", (20, 30), 1)


OTHER = drawn_mask("frame", (20, 30), 1)


def cvat(*shapes):
    body = "".join(f'<{kind} label="{label}" {fields}/>' for kind, label, fields in shapes)
    labels = "".join(f"<label><name>{label}</name></label>" for label in dict.fromkeys(one[1] for one in shapes))
    head = f"<annotations><meta><task><labels>{labels}</labels></task></meta>"
    return f'{head}<image id="0" name="a.jpg" width="300" height="200">{body}</image></annotations>'


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
