"""Input that breaks tools: each gets words that say what is wrong and where, and the other pictures are kept."""

from __future__ import annotations

import base64
import io
import json
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from carmask.errors import DataError
from carmask.formats import sources
from carmask.formats.codecs import columns_counts, compress
from carmask.formats.convert import convert
from carmask.formats.fiftyone import pack_array
from carmask.formats.label_studio_rle import encode
from carmask.formats.reading import ReadOptions
from carmask.formats.table import WRITABLE, read_annotations
from carmask.formats.yolo import read_names
from tests.formats.masks import cars, drawn_mask

MASK = drawn_mask("blobs", (20, 30), 1)
RLE = {"size": [20, 30], "counts": compress(columns_counts(MASK))}


def coco(**changes):
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 20, "width": 30}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": RLE, "iscrowd": 0}],
    }
    return json.dumps(content | changes)


def annotation(**changes):
    return [{"id": 1, "image_id": 1, "category_id": 1, "segmentation": RLE} | changes]


def image(**changes):
    return {"id": 1, "file_name": "a.jpg", "height": 20, "width": 30} | changes


def read(tmp_path, name, text, **options):
    """Faults as one error; what was read else."""
    file = tmp_path / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_annotations(file, ReadOptions(**options)).strict()


def decoded(tmp_path, name, text):
    return [picture.instances() for picture in read(tmp_path, name, text).pictures]


def refused(tmp_path, name, text, message):
    with pytest.raises(DataError, match=message) as caught:
        decoded(tmp_path, name, text)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value) or "a.jpg" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"annotations": annotation(segmentation={"size": [20, 30], "counts": [599]})},
            "run lengths of 599 pixels in a",
        ),
        (
            {"annotations": annotation(segmentation={"size": [20, 30], "counts": [500, 101]})},
            "run lengths of 601 pixels",
        ),
        (
            {"annotations": annotation(segmentation={"size": [20, 30], "counts": "PPP"})},
            "compressed run lengths are cut",
        ),
        ({"annotations": annotation(segmentation={"size": [30, 20], "counts": "x"})}, "sides are exchanged.*EXIF"),
        ({"annotations": annotation(segmentation=[[1, 1, 50, 1, 50, 9]])}, r"a corner at \(50, 1\) lies outside"),
        ({"annotations": annotation(segmentation=[])}, "a box without a segmentation"),
        ({"annotations": annotation(category_id=7)}, "category 7 is not among the categories"),
        ({"annotations": annotation(image_id=9)}, "image 9: there is no image of this number"),
        ({"images": [image(), image(file_name="b.jpg")]}, "the image '1' is there twice"),
        ({"images": [image(), image(id=2)], "annotations": []}, "a.jpg is there twice"),
        (
            {"images": [image(), image(id=2, file_name="a.png")], "annotations": []},
            "a.png and a.jpg differ in their suf",
        ),
        ({"categories": [{"id": 1, "name": "car"}, {"id": 1, "name": "door"}]}, "the category '1' is there twice"),
        ({"categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "car"}]}, "the category's name 'car' is there tw"),
        ({"images": [image(file_name="../../etc/passwd")]}, r"'\.\./\.\./etc/passwd' leads out of its folder"),
        ({"images": [image(file_name="C:\\cars\\a.jpg")]}, "leads out of its folder"),
        ({"images": [image(file_name="/a.jpg")]}, "leads out of its folder"),
        ({"images": [image(file_name="")]}, "no file name"),
        ({"images": [image(height=10**6, width=10**6)]}, "is no size of a picture"),
        ({"images": [image(height=-3)]}, "is no size of a picture"),
        ({"images": [image(height="20.5")]}, "is no size of a picture"),
        ({"images": 7}, "COCO annotations: not as the format has it"),
        ({"annotations": [7]}, "COCO annotations: not as the format has it"),
    ],
)
def test_coco(tmp_path, changes, message):
    refused(tmp_path, "result.json", coco(**changes), message)


def cvat(shape, name="a.jpg", size=(20, 30), labels=("car",), head=""):
    meta = "".join(f"<label><name>{one}</name></label>" for one in labels)
    return (
        f'<?xml version="1.0"?>{head}<annotations><meta><task><labels>{meta}</labels></task></meta>'
        f'<image id="0" name="{name}" width="{size[1]}" height="{size[0]}">{shape}</image></annotations>'
    )


def cvat_mask(rle="2, 4", left=0, top=0, width=3, height=2, label="car"):
    return f'<mask label="{label}" rle="{rle}" left="{left}" top="{top}" width="{width}" height="{height}"></mask>'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cvat(cvat_mask(rle="2, 3")), "run lengths of 5 pixels in a picture of 3x2"),
        (cvat(cvat_mask(rle="2, 5")), "run lengths of 7 pixels"),
        (cvat(cvat_mask(rle="2, x")), "not a list of whole numbers"),
        (cvat(cvat_mask(rle="")), "not a list of whole numbers"),
        (cvat(cvat_mask(left=28)), "a box of 3x2 pixels at column 28, row 0 does not lie in the picture of 30x20"),
        (cvat(cvat_mask(top=-1)), "at column 0, row -1"),
        (cvat(cvat_mask(width=10**9, height=10**9)), "does not lie in the picture"),
        (cvat(cvat_mask(label="dog")), r"the label 'dog' is not among those of <meta> \(car\)"),
        (cvat('<polygon label="car" points="1,1;40,1;40,9"/>'), r"a corner at \(40, 1\) lies outside"),
        (cvat('<polygon label="car" points="1,1;4"/>'), "has 3 numbers"),
        (cvat('<box label="car" xtl="1" ytl="1" xbr="5" ybr="5" rotation="30"/>'), "a turned box"),
        (cvat('<mask label="car" rle="6"/>'), "a field is missing: 'top'"),
        (cvat("", name="../a.jpg"), "leads out of its folder"),
        (cvat("", size=(0, 30)), "is no size of a picture"),
        (cvat("", labels=()), "names no labels"),
        (cvat("", head='<!DOCTYPE a [<!ENTITY x "y">]>'), "has a document type"),
        ("<annotations><image", "not XML"),
        ("<annotations><meta><task/></meta><track id='0'/></annotations>", "not 'CVAT for images 1.1'"),
    ],
)
def test_cvat(tmp_path, text, message):
    refused(tmp_path, "annotations.xml", text, message)


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
        ("0 0.1 0.1 x 0.1 0.2 0.2", "not numbers"),
        ("3 0.1 0.1 0.5 0.1 0.2 0.2", "the label 3 is none of the 1"),
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
        "names:\n- car\n- door\n".replace("\n-", "\n  -"),
    ):
        (tmp_path / "data.yaml").write_text("path: .\n" + text)
        assert read_names(tmp_path / "data.yaml") == ("car", "door"), text


def test_voc(tmp_path):
    convert(cars(MASK), tmp_path / "out", "voc")
    out = tmp_path / "out"
    labels = (out / "labelmap.txt").read_text()
    for text, message in (
        (labels.replace("car:128,0,0", "car:1,2,3"), r"the colour \(128, 0, 0\) is none of the 1 labels'"),
        (labels + "door:128,0,0::\n", "line 4: the label or its colour was there before"),
        (labels + "door\n", "line 4: not 'name:red,green,blue::'"),
        ("background:0,0,0::\n", "names no label"),
    ):
        (out / "labelmap.txt").write_text(text)
        with pytest.raises(DataError, match=message):
            read_annotations(out).strict().pictures[0].instances()
    (out / "labelmap.txt").write_text(labels)
    (out / "ImageSets" / "Segmentation" / "default.txt").write_text("../../x\n")
    assert "leads out of its folder" in read_annotations(out).faults[0]


def test_byte_order_marks_and_back_slashes(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "images" / "a.jpg")
    text = coco(images=[image(file_name="images\\a.jpg")])
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        found = read(tmp_path, "result.json", text.encode(encoding))
        (picture,) = found.pictures
        assert picture.photo == tmp_path / "images" / "a.jpg"
        assert picture.name == "images/a.jpg"
        assert np.array_equal(picture.mask(), MASK)


def test_json_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    file = tmp_path / "result.json"
    with file.open("wb") as stream:
        stream.write(b'{"images": [')
        stream.truncate(10**9)  # sparse: it takes no room
    with pytest.raises(DataError, match=r"result.json: 1.0 GB; at most 0.5 GB are read at once: export fewer pictures"):
        read_annotations(file)
    (tmp_path / "annotations.xml").write_text("<annotations>" + " " * 100)
    monkeypatch.setattr(sources, "MAX_TEXT", 50)
    with pytest.raises(DataError, match="are read at once"):
        read_annotations(tmp_path / "annotations.xml")


def test_json_nested_too_deeply(tmp_path):
    refused(tmp_path, "result.json", '{"images":' + "[" * 200_000, "nested too deeply|not JSON")


def zipped(path, files, link=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if link:
            entry = zipfile.ZipInfo("link.jpg")
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, link)
    return path


@pytest.mark.parametrize("name", ["../out.jpg", "/etc/out.jpg", "a/../../out.jpg", "..\\out.jpg", "C:\\out.jpg"])
def test_zip_files_with_paths_that_leave(tmp_path, name):
    (tmp_path / "in").mkdir()
    archive = zipped(tmp_path / "in" / "a.zip", {name: b"x"})
    with pytest.raises(DataError, match="leads out of it; nothing was unpacked"):
        read_annotations(archive)
    assert [one.name for one in tmp_path.rglob("*out.jpg")] == []


def test_zip_files_that_are_none(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK no")
    with pytest.raises(DataError, match="not a ZIP file that can be read"):
        read_annotations(tmp_path / "a.zip")
    with pytest.raises(DataError, match="holds a link"):
        read_annotations(zipped(tmp_path / "b.zip", {"annotations.xml": cvat("")}, link="/etc/passwd"))
    with pytest.raises(DataError, match="unpacked, which is no archive of pictures"):
        read_annotations(zipped(tmp_path / "c.zip", {"annotations.xml": bytes(50_000_000)}))


def test_an_export_is_read_from_its_zip_file(tmp_path):
    source = cars(MASK)
    for name in WRITABLE:
        out = tmp_path / name
        convert(source, out, name, check=False)
        files = {file.relative_to(tmp_path).as_posix(): file.read_bytes() for file in out.rglob("*") if file.is_file()}
        found = read_annotations(zipped(tmp_path / f"{name}.zip", files), ReadOptions(size=MASK.shape))
        assert len(found.pictures) == 1, name
        assert name == "yolo" or np.array_equal(found.pictures[0].mask(), MASK)


def test_the_good_pictures_of_a_faulty_file_are_kept(tmp_path):
    text = coco(
        images=[image(), image(id=2, file_name="b.jpg")],
        annotations=[*annotation(), *annotation(id=2, image_id=2, category_id=9)],
    )
    (tmp_path / "result.json").write_text(text)
    found = read_annotations(tmp_path / "result.json")
    assert [picture.name for picture in found.pictures] == ["a.jpg"]
    assert len(found.faults) == 1
    done = convert(found, tmp_path / "out", "cvat")
    assert done.pictures == 1
    assert "category 9" in done.faults[0]


def test_annotations_that_share_a_number_are_all_read(tmp_path):
    text = coco(images=[image(), image(id=2, file_name="b.jpg")], annotations=[*annotation(), *annotation(image_id=2)])
    found = read(tmp_path, "result.json", text)
    assert all(np.array_equal(picture.mask(), MASK) for picture in found.pictures)
    assert found.notes == [
        "result.json: 1 annotations have the number of another one; all were read, but pycocotools takes the last of "
        "each number only"
    ]
