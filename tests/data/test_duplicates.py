"""Near-duplicates among drawn photos and, where they are, the real ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from carmask.data.duplicates import group_cars, near_duplicates
from carmask.data.split import split_cars
from carmask.data.table import Example


def scene(seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(cv2.resize(pixels, (160, 120), interpolation=cv2.INTER_CUBIC))


@pytest.fixture
def photos(tmp_path) -> list[Path]:
    scene(0).save(tmp_path / "a.png")
    scene(1).save(tmp_path / "b.png")
    scene(0).save(tmp_path / "c.jpg", quality=40)
    scene(2).save(tmp_path / "d.png")
    ImageOps.mirror(scene(1).resize((200, 200))).save(tmp_path / "e.png")
    Image.new("RGB", (160, 120), "grey").save(tmp_path / "f.png")
    Image.new("RGB", (160, 120), "white").save(tmp_path / "g.png")
    return sorted(tmp_path.iterdir())


def test_copies_are_found_and_others_are_not(photos):
    found = near_duplicates(photos)
    assert {(photos[one].stem, photos[other].stem) for one, other, _ in found} == {("a", "c"), ("b", "e")}
    assert all(0.95 <= alike <= 1.00001 for _, _, alike in found)
    assert near_duplicates([]) == []


def test_groups_stay_on_one_side_of_every_split(photos):
    examples = [Example(photo.stem, photo, None, None, photo.stem, 0) for photo in photos]
    groups = group_cars(examples)
    assert groups == {"a": "a", "b": "b", "c": "a", "d": "d", "e": "b", "f": "f", "g": "g"}
    for seed in range(20):
        split = split_cars(groups, 2, seed=seed, groups=groups)
        assert sorted((*split.train, *split.validation)) == list("abcdefg")
        assert not {groups[car] for car in split.train} & {groups[car] for car in split.validation}
        assert len({groups[car] for car in split.validation}) == 2
    assert split_cars("abc", 1, groups={car: car for car in "abc"}) == split_cars("abc", 1)


@pytest.mark.real
def test_the_real_parts_hold_three_pairs(carparts):
    photos = sorted((carparts / "images").iterdir())
    found = {(photos[one].stem, photos[other].stem) for one, other, _ in near_duplicates(photos)}
    assert found == {("train109", "train11"), ("train33", "train67"), ("train162", "train201")}
