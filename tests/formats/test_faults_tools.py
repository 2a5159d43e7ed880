"""Label Studio, labelme, Datumaro, FiftyOne, YOLO and VOC that break tools: each fault gets words."""

from __future__ import annotations

import base64
import io
import json
import zlib

import numpy as np
import pytest
from PIL import Image

from carmask.data.layouts import read_data
from carmask.errors import DataError
from carmask.formats import huggingface
from carmask.formats.convert import convert
from carmask.formats.fiftyone import pack_array
from carmask.formats.label_studio_rle import encode
from carmask.formats.reading import ReadOptions
from carmask.formats.table import read_annotations
from carmask.formats.yolo import read_names
from tests.formats.faulty import MASK, RLE, refused
from tests.formats.masks import cars


def task(**changes):
    region = {
        "id": "r",
        "type": "brushlabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": 30,
        "original_height": 20,
        "image_rotation": 0,
        "value": {"format": "rle", "rle": list(encode(MASK)), "brushlabels": ["car"]},
    }
    data = changes.pop("data", {"image": "/data/upload/1/0123abcd-a.jpg"})
    value = region["value"] | changes.pop("value", {})
    return json.dumps([{"id": 5, "data": data, "annotations": [{"result": [region | {"value": value} | changes]}]}])


def box_task(**changes):
    (one,) = json.loads(task())
    value = {"x": 10, "y": 10, "width": 50, "height": 50, "rectanglelabels": ["car"]}
    one["annotations"][0]["result"][0]["value"] = value | changes
    return json.dumps([one])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            task(value={"rle": list(encode(MASK))[:30]}),
            r"task 5 \(a.jpg\): shape 1 \(car\): the brush's run lengths are cut",
        ),
        (task(value={"rle": [1, 999]}), "bytes must be in range"),
        (task(original_width=31), "run lengths have 600 pixels, the picture of 31x20 has 620"),
        (task(original_height=None), "is no size of a picture"),
        (task(image_rotation=90), "turned by 90 degrees in Label Studio; turn the photo itself"),
        (box_task(x=90), r"task 5 \(a.jpg\): .*a corner at \(42, 2\) lies outside"),
        (box_task(rotation="30"), "task 5.*not as the format has it"),
        (task(data={}), "names no picture"),
        (task(value={"rle": None, "brushlabels": ["car"]}), "not as the format has it"),
        ('[{"data": 3, "annotations": [], "predictions": []}]', "not as the format has it"),
        ('[7, {"data": {}, "annotations": []}]', "task 1: not a task"),
    ],
)
def test_label_studio(tmp_path, text, message):
    refused(tmp_path, "tasks.json", text, message)


def test_label_studio_s_labels_are_those_of_its_configuration(tmp_path):
    (tmp_path / "label_config.xml").write_text('<View><BrushLabels name="l"><Label value="door"/></BrushLabels></View>')
    refused(tmp_path, "tasks.json", task(), r"the label 'car' is not among those of label_config.xml \(door\)")
    (tmp_path / "label_config.xml").write_text("<View>")
    refused(tmp_path, "label_config.xml", "<View>", "no format|not XML|names no")


def test_the_min_export_is_named(tmp_path):
    text = '[{"image": "a.jpg", "label": [], "annotations": 2, "note": {"data": 1}}]'
    refused(tmp_path, "min.json", text, "task 1: has no 'data'; export as JSON, not as JSON-MIN")


def labelme(**changes):
    shape = {"label": "car", "points": [[0, 0], [29, 19]], "shape_type": "mask", "mask": png(MASK)} | changes
    return json.dumps(
        {
            "version": "5",
            "shapes": [shape],
            "imagePath": "a.jpg",
            "imageHeight": 20,
            "imageWidth": 30,
            "imageData": None,
        }
    )


def png(mask):
    buffer = io.BytesIO()
    Image.fromarray(mask).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (labelme(points=[[0, 0], [28, 19]]), "the mask is 30x20, but the picture is 29x20"),
        (labelme(points=[[1, 0], [30, 19]]), "at column 1, row 0 does not lie in the picture"),
        (labelme(mask="!!"), "no PNG in base64"),
        (labelme(mask=None), "without its PNG"),
        (labelme(shape_type="polygon", points=[[1, 1], [2, 2]]), "has 4 numbers"),
        (labelme(shape_type="polygon", points=[[1, 1], [99, 2], [3, 3]]), "lies outside"),
        (labelme(shape_type="circle", points=[[1, 1], [99, 2]]), "lies outside"),
        (labelme(shape_type="oriented_rectangle", points=[[1, 1], [2, 2]]), "has 4 numbers"),
        (labelme(shape_type="oriented_rectangle", points=[[1, 1], ["nan", 2], [2, 4], [1, 4]]), "not all numbers"),
        (labelme(points=7), "not as the format has it"),
        (labelme(label="car").replace('"imageHeight": 20', '"imageHeight": 1e9'), "is no size"),
    ],
)
def test_labelme(tmp_path, text, message):
    refused(tmp_path, "a.json", text, message)


def datumaro(**changes):
    one = {"id": 1, "type": "mask", "label_id": 0, "rle": RLE, "z_order": 0, "attributes": {}} | changes
    labels = {"label": {"labels": [{"name": "car", "parent": "", "attributes": []}]}}
    items = [{"id": "a", "annotations": [one], "image": {"path": "a.jpg", "size": [20, 30]}}]
    return json.dumps({"dm_format_version": "1.0", "infos": {}, "categories": labels, "items": items})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (datumaro(label_id=3), "the label 3 is not among the 1 labels"),
        (datumaro(rle={"counts": RLE["counts"], "size": [30, 20]}), "EXIF"),
        (datumaro(rle={"counts": "o" * 9, "size": [20, 30]}), "cut off"),
        (datumaro(rle=None), "not as the format has it"),
        (datumaro().replace('"label"', '"other"'), "not as the format has it: a field is missing: 'label'"),
    ],
)
def test_datumaro(tmp_path, text, message):
    refused(tmp_path, "default.json", text, message)


def fiftyone(**changes):
    one = {"_cls": "Detection", "label": "car", "bounding_box": [0, 0, 1, 1], "mask": pack_array(MASK)} | changes
    sample = {
        "filepath": "data/a.jpg",
        "metadata": {"width": 30, "height": 20},
        "ground_truth": {"_cls": "Detections", "detections": [one]},
    }
    return json.dumps({"samples": [sample]})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (fiftyone(bounding_box=[0.5, 0, 1, 1]), "at column 15, row 0 does not lie in the picture"),
        (fiftyone(bounding_box=[0, 0, 0.5, 1]), "the mask is 30x20, but the picture is 15x20 of its box"),
        (fiftyone(mask="xxxx"), "no array as FiftyOne writes them"),
        (fiftyone(mask={"$binar": {"base64": ""}}), "no array as FiftyOne writes them"),
        (fiftyone(mask=base64.b64encode(zlib.compress(b"no array")).decode()), "no array"),
        (fiftyone(mask=pack_array(np.zeros((2, 2, 2), np.uint8))), r"a mask of the shape \(2, 2, 2\)"),
        (fiftyone(mask=pack_array(np.zeros((20, 30)))), "no array of whole numbers"),
        (fiftyone(mask=None), "a detection without a mask"),
        ('{"samples": [{"filepath": "a.jpg"}]}', "no field has detections with masks"),
        ('{"samples": 7}', "not as the format has it"),
    ],
)
def test_fiftyone(tmp_path, text, message):
    refused(tmp_path, "samples.json", text, message)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.1 0.1 0.5 0.1", "line 1: a box, not a polygon"),
        ("0 0.1 0.1 0.5 0.1 0.2", "6 numbers"),
        ("0 0.1 0.1 0.5 0.1 0.2 0.2 0.9", "8 numbers.*predictions end in a confidence"),
        ("0 0.1 0.1 x 0.1 0.2 0.2", "not numbers"),
        ("3 0.1 0.1 0.5 0.1 0.2 0.2", "the label 3 is none of the 1"),
        ("0.5 0.1 0.1 0.5 0.1 0.2 0.2", "the label 0.5 is none of the 1"),
        ("nan 0.1 0.1 0.5 0.1 0.2 0.2", "the label nan is none of the 1"),
        ("0 0.1 0.1 1.5 0.1 0.2 0.2", "a corner lies outside the picture"),
        ("0 0.1 nan 0.5 0.1 0.2 0.2", "a corner lies outside the picture"),
    ],
)
def test_yolo(tmp_path, line, message):
    for folder in ("images/train", "labels/train"):
        (tmp_path / folder).mkdir(parents=True)
    Image.new("RGB", (30, 20)).save(tmp_path / "images" / "train" / "a.jpg")
    (tmp_path / "labels" / "train" / "a.txt").write_text(line)
    (tmp_path / "data.yaml").write_text("names: [car]\n")
    with pytest.raises(DataError, match=message):
        read_annotations(tmp_path).strict()


@pytest.mark.parametrize("text", ["", "names:\n", "names: {1: car}\n", "names:\n  0: car\n  2: door\n"])
def test_yolo_without_names(tmp_path, text):
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(DataError, match="names no labels"):
        read_annotations(tmp_path)


def test_yolo_names_in_all_forms(tmp_path):
    for text in (
        'names: ["car", door]\n',
        "names: {0: car, 1: 'door'}\n",
        "names:\n  0: car  # comment\n  1: door\nnc: 2\n",
        'names:\n  - car\n  - "door"\n',
        "names:\n  - car\n  - 'door'\n",
        # As PyYAML writes it: dashes under the key, and brackets that go on in the next line.
        "names:\n- car\n- door\nnc: 2\n",
        'names: [car,\n  "door"]\nnc: 2\n',
        "names: [  # two\n  car,  # the whole\n  door,\n]\n",
        "names: {0: car,\n  1: door}\n",
        "names:\n\n  0: car\n  # its doors\n  1: door\n",
    ):
        (tmp_path / "data.yaml").write_text("path: .\n" + text)
        assert read_names(tmp_path / "data.yaml") == ("car", "door"), text


def test_yolo_as_label_studio_exports_it(tmp_path):
    """Without data.yaml: classes.txt has the labels' names, and no numbers as that of index pictures has."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "images" / "0a1b2c3d-a.jpg")
    (tmp_path / "labels" / "0a1b2c3d-a.txt").write_text("1 0.1 0.1 0.9 0.1 0.9 0.9\n")
    (tmp_path / "classes.txt").write_text("front door\nhood\n\n")
    (tmp_path / "notes.json").write_text('{"categories": []}')
    found = read_annotations(tmp_path).strict()
    assert found.names == ("front door", "hood")
    assert [one.label for one in found.pictures[0].instances()] == ["hood"]
    assert read_data(tmp_path)[1] == ("front door", "hood")
    (tmp_path / "classes.txt").write_text("\n")
    with pytest.raises(DataError, match=r"classes.txt: names no labels"):
        read_annotations(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        """names: ["a, b", 'it''s', "[c] # d", e#f]\n""",
        """names:\n- a, b\n- 'it''s'\n- "[c] # d"\n- e#f\n""",
    ],
)
def test_yolo_names_with_commas_quotes_and_brackets(tmp_path, text):
    (tmp_path / "data.yaml").write_text(text)
    assert read_names(tmp_path / "data.yaml") == ("a, b", "it's", "[c] # d", "e#f")


def test_yolo_s_photos_elsewhere_are_those_of_the_label_files(tmp_path):
    """A photo with a label file is one picture, wherever the photo lies; one without has nothing in it."""
    data, photos = tmp_path / "data", tmp_path / "far" / "away" / "photos"
    for folder in (data / "labels" / "train", photos / "sub"):
        folder.mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "sub/c.jpg"):
        Image.new("RGB", (30, 20)).save(photos / name)
    (data / "labels" / "train" / "a.txt").write_text("0 0.1 0.1 0.9 0.1 0.9 0.9\n")
    (data / "data.yaml").write_text("names: [car]\n")
    found = read_annotations(data, ReadOptions(photos)).strict()
    assert {one.name: one.mask().any() for one in found.pictures} == {"a.jpg": True, "b.jpg": False, "sub/c.jpg": False}


def test_fiftyone_s_values_are_those_of_its_mask_targets(tmp_path):
    value = {"_cls": "Segmentation", "mask": pack_array(MASK * np.uint8(2))}
    sample = {"filepath": "data/a.jpg", "metadata": {"width": 30, "height": 20}, "ground_truth": value}
    (tmp_path / "samples.json").write_text(json.dumps({"samples": [sample]}))
    for listed in ({}, {"default_classes": ["door", "car"]}):
        targets = {"0": "background", "2": "car", "3": "wheel"}
        metadata = {"mask_targets": {"ground_truth": targets}} | listed
        (tmp_path / "metadata.json").write_text(json.dumps(metadata))
        found = read_annotations(tmp_path, name="fiftyone").strict()
        (one,) = found.pictures[0].instances()
        assert one.label == "car"
        assert np.array_equal(one.mask, MASK)
        assert {"car", "wheel"} <= set(found.names)


def test_voc(tmp_path):
    convert(cars(MASK), tmp_path / "out", "voc")
    out = tmp_path / "out"
    labels = (out / "labelmap.txt").read_text()
    for text, message in (
        (labels.replace("car:128,0,0", "car:1,2,3"), r"the colour 128,0,0 is no label's \(car is 1,2,3\)"),
        (labels + "door:128,0,0::\n", "line 4: the label or its colour was there before"),
        (labels + "door\n", "line 4: not 'name:red,green,blue::'"),
        ("background:0,0,0::\n", "names no label"),
        (labels + "".join(f"{one}:1,1,{one}::\n" for one in range(254)), "255 labels; there may be up to 254"),
    ):
        (out / "labelmap.txt").write_text(text)
        with pytest.raises(DataError, match=message):
            read_annotations(out).strict().pictures[0].instances()
    (out / "labelmap.txt").write_text(labels)
    (out / "ImageSets" / "Segmentation" / "default.txt").write_text("../../x\n")
    assert "leads out of its folder" in read_annotations(out).faults[0]


def test_json_that_is_nested_too_deeply(tmp_path):
    file = tmp_path / "metadata.jsonl"
    file.write_text("[" * 100_000 + "\n")
    with pytest.raises(DataError):
        read_annotations(file)
    with pytest.raises(DataError, match="line 1: JSON nested too deeply"):
        next(iter(huggingface._rows(file)))
