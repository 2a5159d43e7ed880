"""Names whose letters are encoded in two ways: composed (NFC), and decomposed (NFD) as on macOS."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from PIL import Image

from carmask.data.layouts import read_data
from carmask.data.mask_source import Truth
from carmask.data.table import of_cars, read_cars, read_metadata
from carmask.formats.rle import rle_encode
from carmask.pages.sheets import view_sheets
from carmask.submission.write import match_photos
from tests.data.test_layouts import MASK, save

NAME = "Citro\u00ebn_01"
FORMS = [("NFC", "NFD"), ("NFD", "NFC")]


@pytest.mark.parametrize(("photo", "mask"), FORMS)
@pytest.mark.parametrize(
    ("photos", "masks"),
    [
        ("images/{}.jpg", "masks/{}.png"),
        ("train/{}.jpg", "train_masks/{}_mask.gif"),
        ("train/{}.jpg", "train_masks.csv"),
        ("{}.jpg", "{}_mask.png"),
        ("{}.jpg", "{}.png"),
        ("JPEGImages/{}.jpg", "SegmentationClass/{}.png"),
    ],
)
def test_photos_and_masks_are_pairs_however_their_letters_are_encoded(tmp_path, photos, masks, photo, mask):
    file = tmp_path / photos.format(unicodedata.normalize(photo, NAME))
    other = unicodedata.normalize(mask, NAME)
    save(file, Image.new("RGB", (30, 20)))
    if masks.endswith(".csv"):
        (tmp_path / masks).write_text(f"img,rle_mask\n{other}.jpg,{rle_encode(MASK)}\n")
    else:
        save(tmp_path / masks.format(other), Image.fromarray(MASK))
    (example,), _ = read_data(tmp_path)
    assert (example.name, example.car, example.view) == (NAME, NAME[:-3], 1)
    assert example.photo == file
    assert np.array_equal(example.read_mask(), MASK)
    if (photos, masks) != ("{}.jpg", "{}.png"):
        assert np.array_equal(Truth(tmp_path).mask(NAME, (20, 30)), MASK)
    assert view_sheets(tmp_path, tmp_path / "sheets", names=[other]).failures == []
    (tmp_path / "cars.txt").write_text(other[:-3])
    assert of_cars([example], read_cars(tmp_path / "cars.txt")) == [example]


@pytest.mark.parametrize(("photo", "mask"), FORMS)
def test_tables_name_photos_and_cars_however_their_letters_are_encoded(tmp_path, photo, mask):
    there, told = (unicodedata.normalize(form, NAME) for form in (photo, mask))
    assert list(match_photos([f"{told}.jpg"], {there: "a.jpg"})) == [(f"{told}.jpg", "a.jpg")]
    (tmp_path / "metadata.csv").write_text(f"id,year,make,model,trim1,trim2\n{told[:-3]},2014,a,b,c,d\n")
    assert list(read_metadata(tmp_path / "metadata.csv")) == [NAME[:-3]]
