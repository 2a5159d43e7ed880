"""Data sets of parts from form to form, against pycocotools; and arrays that are none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from pycocotools.coco import COCO

from carmask.data.parts import read_parts
from carmask.errors import DataError, OutputError
from carmask.formats.convert import convert as run
from carmask.formats.labels import write_labels
from carmask.formats.table import read_annotations
from tests.conftest import REPOSITORY

SIZE = (240, 320)
RENDERED = REPOSITORY / "tests" / "rendered"
COCO_FILE = "annotations/instances_default.json"


def convert(data, out, form):
    """Convert strictly: how many photos, and the names of the parts."""
    done = run(read_annotations(data, name="coco" if data == RENDERED else None).strict(), out, form)
    assert not done.faults
    return done.pictures, done.names


def star(rng, centre):
    angles = np.sort(rng.uniform(0, 2 * np.pi, 12))
    radius = rng.uniform(24, 72, 12)
    return np.stack([centre[0] + radius * np.cos(angles), centre[1] + radius * np.sin(angles)], 1).ravel().round(1)


@pytest.fixture
def polygons(tmp_path):
    """Three photos with three parts that overlap, one of them of two polygons."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "in"
    (folder / "images").mkdir(parents=True)
    images, annotations = [], []
    for number in range(3):
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(folder / "images" / f"{number}.png")
        images.append({"id": number, "height": SIZE[0], "width": SIZE[1], "file_name": f"{number}.png"})
        for part, centres in enumerate([[(100, 100)], [(152, 120)], [(240, 80), (232, 160)]], start=2):
            shapes = [star(rng, centre).tolist() for centre in centres]
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": part, "segmentation": shapes}
            )
    categories = [{"id": one, "name": name} for one, name in enumerate(("_background_", "hood", "door", "wheel"), 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations.json").write_text(json.dumps(content))
    return folder


def masks_of(file) -> dict[tuple[str, str], np.ndarray]:
    """Each part of each photo, as pycocotools reads the file."""
    data = COCO(str(file))
    found: dict[tuple[str, str], np.ndarray] = {}
    for one in data.loadAnns(data.getAnnIds()):
        key = (data.imgs[one["image_id"]]["file_name"], data.cats[one["category_id"]]["name"])
        found[key] = found.get(key, False) | data.annToMask(one).astype(bool)
    return found


@pytest.mark.parametrize("through", [["coco"], ["index-png", "coco"], ["coco", "index-png", "coco"]])
def test_coco_in_coco_out_has_the_areas_and_overlaps_of_pycocotools(polygons, tmp_path, through, capsys):
    data = polygons
    for step, form in enumerate(through):
        assert convert(data, tmp_path / str(step), form) == (3, ("hood", "door", "wheel"))
        data = tmp_path / str(step)
    before, after = masks_of(polygons / "annotations.json"), masks_of(data / COCO_FILE)
    capsys.readouterr()  # pycocotools prints
    assert before.keys() == after.keys()
    drawn = ("hood", "door", "wheel")
    for (image, name), mask in before.items():
        on_top = np.zeros(SIZE, bool)
        for later in drawn[drawn.index(name) + 1 :]:
            on_top |= before[image, later]
        # COCO keeps parts that overlap; of an index picture's pixels each has one.
        seen = mask & ~on_top if "index-png" in through else mask
        written = after[image, name]
        both = coco.iou([coco.encode(np.asfortranarray(written))], [coco.encode(np.asfortranarray(seen))], [0])
        assert both[0, 0] > 0.97
        assert written.sum() == pytest.approx(seen.sum(), rel=0.02)
    for one in json.loads((data / COCO_FILE).read_text())["annotations"]:
        packed = one["segmentation"]
        assert one["area"] == coco.area(packed)
        assert one["bbox"] == coco.toBbox(packed).tolist()


def test_labels_and_photos_come_through_unchanged(polygons, tmp_path):
    convert(polygons, tmp_path / "png", "index-png")
    convert(tmp_path / "png", tmp_path / "coco", "coco")
    for data in ("png", "coco"):
        for one, other in zip(read_parts(polygons)[0], read_parts(tmp_path / data)[0], strict=True):
            assert np.array_equal(one.read_labels(), other.read_labels())
            assert one.photo.read_bytes() == other.photo.read_bytes()


@pytest.mark.real
def test_the_real_annotations_agree_with_pycocotools(carparts):
    """Area of each polygon, and its overlap with what we draw: 3,073 annotations of 400 photos, one photo in ten."""
    examples, names = read_parts(carparts)
    content = json.loads((carparts / "annotations.json").read_text())
    number = {image["file_name"]: str(image["id"]) for image in content["images"]}
    theirs: dict[str, list] = {}
    for one in content["annotations"]:
        given = one["segmentation"]
        theirs.setdefault(str(one["image_id"]), []).append(json.loads(given) if isinstance(given, str) else given)
    ratios, overlaps = [], []
    for example in examples[::10]:
        size = example.picture.size
        for one, polygons in zip(example.picture.load(), theirs[number[example.photo.name]], strict=True):
            packed = coco.merge(coco.frPyObjects(polygons, *size))
            ours = coco.encode(np.asfortranarray(one.mask))
            ratios.append(coco.area(ours) / max(coco.area(packed), 1))
            overlaps.append(coco.iou([ours], [packed], [0])[0, 0])
    assert len(names) == 18
    assert np.mean(ratios) == pytest.approx(1, abs=0.002)
    assert np.mean(overlaps) > 0.99
    assert min(overlaps) > 0.8  # the smallest have a dozen pixels


def arrays(folder, **files):
    folder.mkdir()
    for name, array in files.items():
        np.save(folder / f"{name}.npy", array)
    return folder


def example_array(dtype=np.uint8):
    array = np.random.default_rng(0).integers(0, 256, (32, 40, 4)).astype(dtype)
    array[..., 3] = np.random.default_rng(1).choice(np.arange(0, 100, 10), (32, 40))
    return array


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
def test_the_source_s_arrays(tmp_path, dtype):
    data = arrays(tmp_path / "in", car_1=example_array(dtype))
    assert convert(data, tmp_path / "out", "index-png")[0] == 1
    (example,), names = read_parts(tmp_path / "out")
    assert names[0] == "hood"
    assert names[-1] == "rest_of_car"
    assert np.array_equal(example.read_labels() * 10, example_array()[..., 3])
    assert np.array_equal(np.asarray(Image.open(example.photo)), example_array()[..., :3])


def test_arrays_with_classes_of_their_own(tmp_path):
    array = example_array()
    array[..., 3] = np.where(array[..., 3] > 40, 7, 0)
    data = arrays(tmp_path / "in", a=array)
    (data / "classes.txt").write_text("7 car\n")
    assert convert(data, tmp_path / "out", "coco")[1] == ("car",)


def changed(**changes):
    array = example_array(np.float64)
    for index, value in changes.items():
        array[0, 0, int(index[1:])] = value
    return array


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 32, 40), np.uint8), r"its shape is \(4, 32, 40\); it must be \(height, width, 4\)"),
        (np.zeros((32, 40, 3), np.uint8), r"its shape is \(32, 40, 3\)"),
        (np.zeros((0, 40, 4), np.uint8), "its shape is"),
        (changed(_3=35), "the value 35 has no class"),
        (changed(_0=300), "whole, from 0 to 255; found 0 to 300"),
        (changed(_0=0.5), "whole, from 0 to 255"),
        (changed(_0=np.nan), "whole, from 0 to 255"),
        (np.full((8, 8, 4), "x"), "not numbers"),
        (np.array([{}], object), "not an array of numbers"),
    ],
)
def test_arrays_of_another_kind_are_refused_and_nothing_is_left(tmp_path, array, message):
    data = arrays(tmp_path / "in", a=array)
    with pytest.raises(DataError, match=message) as caught:
        convert(data, tmp_path / "out", "index-png")
    assert "\n" not in str(caught.value)
    assert "a.npy" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_an_output_that_is_not_empty_is_left_alone(polygons):
    with pytest.raises(OutputError, match="not an empty folder"):
        convert(polygons, polygons, "index-png")
    assert (polygons / "annotations.json").is_file()


def test_labels_of_another_size_than_the_photo_are_refused(polygons, tmp_path):
    convert(polygons, tmp_path / "png", "index-png")
    write_labels(tmp_path / "png" / "labels" / "1.png", np.zeros((5, 5), np.uint8))
    done = run(read_annotations(tmp_path / "png"), tmp_path / "out", "coco")
    assert done.pictures == 2
    assert done.faults == ["1.png: the mask is 5x5, but the picture is 320x240"]


def test_rendered_parts_are_read(tmp_path):
    assert convert(RENDERED, tmp_path / "out", "index-png")[0] == 16
    examples, names = read_parts(tmp_path / "out")
    assert "wheel" in names
    assert len({example.car for example in examples}) == 1
