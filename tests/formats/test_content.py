"""Digests of annotations: the same wherever these lie, another one where a mask is another one."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from carmask.data.layouts import read_data
from carmask.data.table import Example
from carmask.formats.car_labels import only_cars
from carmask.formats.content import digest_picture
from carmask.formats.convert import convert
from carmask.formats.fiftyone import METADATA, SAMPLES
from carmask.formats.labels import write_labels
from carmask.formats.picture import from_masks
from carmask.formats.reading import ReadOptions
from carmask.formats.table import WRITABLE, read_annotations
from carmask.images import write_mask, write_picture

SIZE = (40, 60)


def a_mask(left=10):
    mask = np.zeros(SIZE, np.bool_)
    mask[8:30, left:45] = True
    mask[12:20, 20:25] = False
    return mask


def digests(source):
    found = read_annotations(source, ReadOptions(size=SIZE)).strict()
    return [digest_picture(picture) for picture in found.pictures]


@pytest.mark.parametrize("name", [name for name in WRITABLE if name != "carvana"])  # examples of its own, below
def test_annotations_that_are_moved_are_the_same(tmp_path, name):
    for folder, left in (("a", 10), ("changed", 11)):
        convert(from_masks([("car_01.jpg", SIZE, a_mask(left), None)]), tmp_path / folder, name, check=False)
    shutil.copytree(tmp_path / "a", tmp_path / "moved")
    for file in (tmp_path / "moved").rglob("*"):
        os.utime(file, (1, 1))
    first = digests(tmp_path / "a")
    assert digests(tmp_path / "moved") == first
    assert digests(tmp_path / "changed") != first


def test_a_mask_in_a_file_of_its_own_counts(tmp_path):
    (tmp_path / METADATA).write_text("{}")
    write_labels(tmp_path / "car.png", a_mask().view(np.uint8))
    value = {"_cls": "Segmentation", "mask_path": "car.png"}
    sample = {"filepath": "data/car_01.jpg", "metadata": {"width": SIZE[1], "height": SIZE[0]}, "ground_truth": value}
    (tmp_path / SAMPLES).write_text(json.dumps({"samples": [sample]}))
    (picture,) = read_annotations(tmp_path, name="fiftyone").strict().pictures
    assert picture.files == (tmp_path / "car.png",)
    before = digest_picture(picture)
    write_labels(tmp_path / "car.png", a_mask(11).view(np.uint8))
    assert digest_picture(picture) != before


def test_examples_of_all_kinds(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder / "train").mkdir(parents=True)
        (tmp_path / folder / "train_masks").mkdir()
        write_picture(tmp_path / folder / "train" / "car_01.png", np.zeros((*SIZE, 3), np.uint8))
        write_mask(tmp_path / folder / "train_masks" / "car_01_mask.png", a_mask())
    (one,), (other,) = (read_data(tmp_path / folder)[0] for folder in ("a", "b"))
    assert one.digest() == other.digest()
    (binary,) = read_data(tmp_path / "a", mask_threshold=128)[0]
    assert binary.digest() != one.digest()
    write_mask(tmp_path / "b" / "train_masks" / "car_01_mask.png", a_mask(11))
    assert one.digest() != other.digest()
    (tmp_path / "b" / "train_masks" / "car_01_mask.png").unlink()
    assert other.digest() == ""  # whoever reads it says what is wrong

    runs = [Example("car_01", tmp_path / "car_01.png", None, text, "car", 1).digest() for text in ("1 2", "1 3")]
    assert runs[0] != runs[1]


def test_which_labels_are_the_car_counts():
    found = from_masks([("car_01.jpg", SIZE, a_mask(), None)])
    found.names = ("car", "road", "vehicle")
    (whole,), (cars,) = found.pictures, only_cars(found).pictures
    assert digest_picture(cars) == digest_picture(only_cars(found).pictures[0])
    assert digest_picture(cars) != digest_picture(whole)
