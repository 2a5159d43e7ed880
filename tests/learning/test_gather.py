"""Corrected masks of output folders and data sets, split by vehicle."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from PIL import Image

from carmask.batch.corrections import Correction, Corrections
from carmask.batch.outputs import OutputSpec
from carmask.batch.run import cut_folder
from carmask.data.table import read_examples
from carmask.errors import DataError, UsageError
from carmask.images import encode_mask
from carmask.learning.gather import _split, gather, join_sets
from tests.conftest import draw_photo
from tests.training.conftest import write_cars


@pytest.fixture(scope="module")
def reviewed(tiny_model, tmp_path_factory):
    """Photos of eight cars, two views each, cut; of seven of them both masks are corrected."""
    place = tmp_path_factory.mktemp("reviewed")
    (place / "photos").mkdir()
    for car in range(8):
        for view in (1, 2):
            Image.fromarray(draw_photo(10 * car + view)).save(place / "photos" / f"car{car}_{view:02}.png")
    cut_folder(place / "photos", place / "out", OutputSpec(mask=True), model=tiny_model)
    with Corrections(place / "out" / ".carmask" / "corrections.sqlite") as store:
        for photo in sorted((place / "photos").iterdir())[:14]:
            mask = np.zeros((128, 192), np.bool_)
            mask[20:60, 30 : 60 + int(photo.stem[3])] = True
            digest = hashlib.sha256(photo.read_bytes()).hexdigest()
            store.save(Correction(photo.stem, "corrected", digest, encode_mask(mask)), seen=0)
    return place


def test_corrected_masks_come_out_as_they_were_stored(reviewed, tmp_path):
    found = gather([reviewed / "out"], tmp_path / "data")
    assert len(found.names) == 14
    assert (len(found.split.train), len(found.split.validation)) == (4, 3)
    assert not found.problems
    examples = read_examples(tmp_path / "data")
    assert {one.car for one in examples} == {*found.split.train, *found.split.validation}
    for one in examples:
        origin = found.names[one.name]
        car = int(origin[3])
        assert one.read_mask().sum() == 40 * (30 + car)
        assert one.photo.read_bytes() == (reviewed / "photos" / f"{origin.partition(' (')[0]}.png").read_bytes()
    views = {one.car: sum(other.car == one.car for other in examples) for one in examples}
    assert set(views.values()) == {2}


@pytest.mark.parametrize(("vehicles", "held"), [(5, 3), (6, 3), (9, 4), (11, 5), (12, 6), (18, 6), (30, 10)])
def test_a_third_is_held_out_or_six_if_half_are_enough(vehicles, held):
    split = _split({f"s0-car{number}": [] for number in range(vehicles)}, seed=0)
    assert (len(split.train), len(split.validation)) == (vehicles - held, held)
    assert not {*split.train} & {*split.validation}


def test_the_split_is_the_same_every_time(reviewed, tmp_path):
    one, other = gather([reviewed / "out"], tmp_path / "a"), gather([reviewed / "out"], tmp_path / "b")
    assert one.split == other.split
    assert one.names == other.names


def test_photos_that_changed_or_went_are_named(reviewed, tmp_path):
    import shutil

    shutil.copytree(reviewed / "photos", tmp_path / "photos")
    first, second, third, *_ = sorted((reviewed / "photos").iterdir())
    try:
        Image.fromarray(draw_photo(999)).save(first)
        second.unlink()
        third.unlink()
        third.mkdir()  # what cannot be read as a file, whoever asks
        found = gather([reviewed / "out"], tmp_path / "data")
    finally:
        third.rmdir()
        for one in (first, second, third):
            shutil.copy(tmp_path / "photos" / one.name, one)
    assert len(found.names) == 11
    assert any("cannot be read: Is a directory" in line for line in found.problems)
    assert any("another photo than was corrected" in line for line in found.problems)
    assert any("no such photo any more" in line for line in found.problems)


def test_data_sets_too_and_a_photo_twice_counts_once(reviewed, tmp_path):
    data = write_cars(tmp_path / "cars", 3, 2)
    found = gather([reviewed / "out", data], tmp_path / "data")
    assert len(found.names) == 20
    assert (len(found.split.train), len(found.split.validation)) == (5, 5)
    assert len(gather([data, reviewed / "out", data], tmp_path / "again").names) == 20


def test_photos_whose_mask_has_another_size_count_for_no_vehicle(tmp_path):
    """Split before they are left out, none could be left to test on, which was found out after the training."""
    data = write_cars(tmp_path / "data", 7, 1)
    for mask in sorted((data / "train_masks").iterdir())[:3]:
        Image.new("1", (8, 8)).save(mask)
    with pytest.raises(DataError, match="4 corrected photos of 4 vehicles: learning needs 5 vehicles at least"):
        gather([data], tmp_path / "few")
    other = write_cars(tmp_path / "other", 5, 1)
    found = gather([other, data], tmp_path / "out")
    assert len(found.problems) == 3
    assert all("the photo and its mask differ in size" in line for line in found.problems)
    assert len(found.split.train) + len(found.split.validation) == len({one.car for one in read_examples(found.folder)})


def test_views_that_a_vehicle_has_no_names_for_are_said(tmp_path, monkeypatch):
    monkeypatch.setattr("carmask.learning.gather._VIEWS", 2)
    found = gather([write_cars(tmp_path / "cars", 5, 3)], tmp_path / "data")
    assert len(found.names) == 5 * 2
    assert len(found.problems) == 5
    assert all(line.endswith("3 corrected photos; the first 2 are taken") for line in found.problems)


def test_what_cannot_be_learned_from(tiny_model, reviewed, tmp_path):
    with pytest.raises(DataError, match="4 corrected photos of 2 vehicles: learning needs 5 vehicles"):
        gather([write_cars(tmp_path / "few", 2, 2)], tmp_path / "data")
    cut_folder(reviewed / "photos", tmp_path / "plain", OutputSpec(mask=True), model=tiny_model)
    with pytest.raises(UsageError, match="nothing was corrected here"):
        gather([tmp_path / "plain"], tmp_path / "data")
    with pytest.raises(DataError):
        gather([tmp_path / "nowhere"], tmp_path / "data")
    with pytest.raises(UsageError, match="no corrected photos"):
        gather([], tmp_path / "data")


def test_a_mixture_takes_photos_as_often_as_is_said(tmp_path):
    one, other = (read_examples(write_cars(tmp_path / name, cars, 2)) for name, cars in (("a", 2), ("b", 3)))
    join_sets(tmp_path / "mixture", [("c", one, 3), ("r", other, 1)])
    found = read_examples(tmp_path / "mixture")
    assert len(found) == 3 * 4 + 6
    assert sum(example.name.startswith("c") for example in found) == 12
    assert len({example.car for example in found}) == 3 * 2 + 3
