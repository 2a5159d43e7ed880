"""Which photo a picture has, where photos of one name lie in several folders."""

from __future__ import annotations

import json
import shutil
from functools import partial

import numpy as np
import pytest
from PIL import Image

from carmask.data.layouts import list_pairs
from carmask.formats.convert import convert
from carmask.formats.picture import Annotations, Instance, Picture
from carmask.formats.table import WRITABLE, detected, read_annotations

NAMES = ("a/01.jpg", "b/01.jpg", "b/02.jpg")


def drawn(photos, names):
    """Pictures with photos in a folder; each photo has a grey of its own."""
    pictures = []
    for number, name in enumerate(names):
        path = photos / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (60, 40), (80 * number,) * 3).save(path)
        mask = np.zeros((40, 60), np.bool_)
        mask[5:25, 10 * number : 10 * number + 20] = True
        pictures.append(Picture(name, mask.shape, partial(list, [Instance("car", mask)]), path))
    return Annotations(pictures, ("car",))


@pytest.fixture
def source(tmp_path):
    """Pictures of two folders, two of which have one name."""
    return drawn(tmp_path / "photos", NAMES)


def grey(path):
    return round(np.asarray(Image.open(path)).mean() / 80)


@pytest.mark.parametrize("name", sorted(WRITABLE))
def test_each_picture_has_the_photo_of_its_own_folder(source, tmp_path, name):
    convert(source, tmp_path / "out", name)
    assert detected(tmp_path / "out") == name
    back = read_annotations(tmp_path / "out")
    assert {picture.name: grey(picture.photo) for picture in back.pictures} == {
        "a/01.jpg": 0,
        "b/01.jpg": 1,
        "b/02.jpg": 2,
    }


@pytest.mark.parametrize("name", sorted({*WRITABLE} - {"yolo"}))
def test_a_picture_whose_photo_is_missing_takes_no_other_ones(source, tmp_path, name):
    """Else a mask is trained on with the photo of another car. YOLO refuses it: without a photo it has no size."""
    convert(source, tmp_path / "out", name)
    (lost,) = [path for path in (tmp_path / "out").rglob("01.jpg") if path.parent.name == "b"]
    lost.unlink()
    back = read_annotations(tmp_path / "out", None, name)
    photos = {picture.name: picture.photo and grey(picture.photo) for picture in back.pictures}
    assert photos == {"a/01.jpg": 0, "b/01.jpg": None, "b/02.jpg": 2}
    assert any(note.startswith("b/01.jpg: its photo is missing; ") for note in back.notes)


def test_photos_where_cvat_puts_them_in_its_coco(source, tmp_path):
    """In images/SUBSET/, named without it: they were listed twice, and so were not the only ones of their name."""
    convert(source, tmp_path / "out", "coco")
    (file,) = (tmp_path / "out").rglob("*.json")
    content = json.loads(file.read_text())
    for image in content["images"]:
        image["file_name"] = image["file_name"].replace("/", "_")
    shutil.rmtree(tmp_path / "out" / "images")
    (tmp_path / "out" / "annotations").mkdir(exist_ok=True)
    for subset in ("default", "train"):
        folder = tmp_path / "out" / "images" / subset
        folder.mkdir(parents=True)
        for picture in source.pictures:
            Image.open(picture.photo).point(lambda value, add=subset == "train": value + 240 * add).save(
                folder / picture.name.replace("/", "_"), quality=95
            )
    file.unlink()
    (tmp_path / "out" / "annotations" / "instances_default.json").write_text(json.dumps(content))
    back = read_annotations(tmp_path / "out")
    assert not back.faults
    assert [grey(picture.photo) for picture in back.pictures] == [0, 1, 2]


def test_a_label_may_begin_with_a_hash_and_a_score_may_be_zero(source, tmp_path):
    picture = source.pictures[0]
    mask = picture.instances()[0].mask
    some = Annotations(
        [Picture(picture.name, mask.shape, partial(list, [Instance("#1", mask, 0.0)]), picture.photo)], ("#1",)
    )
    for name in ("voc", "labelme"):
        convert(some, tmp_path / name, name)
        back = read_annotations(tmp_path / name)
        assert (name, back.names) == (name, ("#1",))
    assert back.pictures[0].instances()[0].score == 0


def test_subsets_may_have_photos_of_one_name(source, tmp_path):
    """Of two files of annotations with the same names, those of the second were refused."""
    convert(source, tmp_path / "out", "coco")
    (file,) = (tmp_path / "out").rglob("*.json")
    content = json.loads(file.read_text())
    file.unlink()
    for number, subset in enumerate(("train", "val")):
        content["images"] = [image | {"file_name": "01.jpg"} for image in content["images"][:1]]
        (tmp_path / "out" / "images" / subset).mkdir()
        shutil.copy(source.pictures[number].photo, tmp_path / "out" / "images" / subset / "01.jpg")
        content["annotations"] = content["annotations"][:1]
        (file.parent / f"instances_{subset}.json").write_text(json.dumps(content))
    for folder in ("a", "b"):
        shutil.rmtree(tmp_path / "out" / "images" / folder)
    back = read_annotations(tmp_path / "out")
    assert not back.faults
    assert {one.name: grey(one.photo) for one in back.pictures} == {"train/01.jpg": 0, "val/01.jpg": 1}


@pytest.mark.parametrize("names", [("x_mask.jpg",), ("x_mask.jpg", "x.jpg"), ("sub/x_mask.jpg", "x_mask_mask.jpg")])
@pytest.mark.parametrize("form", sorted({*WRITABLE} - {"yolo"}))
def test_photos_called_as_masks_come_back(tmp_path, form, names):
    done = convert(drawn(tmp_path / "photos", names), tmp_path / "out", form)
    assert (done.pictures, done.changed, done.faults) == (len(names), 0, [])
    back = read_annotations(tmp_path / "out")
    assert {one.name: grey(one.photo) for one in back.pictures} == {name: at for at, name in enumerate(names)}


@pytest.mark.parametrize(
    ("photos", "masks", "pairs"),
    [
        ("x_mask", "x_mask", {"x_mask": "x_mask"}),
        ("x x_mask", "x x_mask", {"x": "x", "x_mask": "x_mask"}),
        ("x x_mask", "x_mask", {"x": "x_mask"}),
        ("x x_mask", "x_mask x_mask_mask", {"x": "x_mask", "x_mask": "x_mask_mask"}),
        ("x", "x_mask", {"x": "x_mask"}),
        ("y-mask", "y-mask", {"y-mask": "y-mask"}),
    ],
)
def test_whose_mask_it_is_where_photos_are_called_as_masks(tmp_path, photos, masks, pairs):
    for folder, names in (("images", photos), ("masks", masks)):
        (tmp_path / folder).mkdir()
        for name in names.split():
            Image.new("L", (8, 6)).save(tmp_path / folder / f"{name}.png")
    found = {one.stem: one.files[0].stem for one in read_annotations(tmp_path).pictures}
    listed = list_pairs(tmp_path).masks
    assert found == {name: file.stem for name, file in listed.items()} == pairs
