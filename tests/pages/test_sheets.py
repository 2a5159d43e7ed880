from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from carmask.errors import DataError, UsageError
from carmask.formats.rle import rle_encode
from carmask.pages.sheets import CELL, LINE, view_sheets
from tests.cars import SIZE, car_mask, car_photo


@pytest.fixture
def photos(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "masks").mkdir()
    for i in range(5):
        Image.fromarray(car_photo(car_mask(i))).save(tmp_path / "photos" / f"car_{i:02d}.png")
        if i < 4:
            Image.fromarray(car_mask(i)).save(tmp_path / "masks" / f"car_{i:02d}_mask.png")
    (tmp_path / "masks.csv").write_text(
        "img,rle_mask\n" + "".join(f"car_{i:02d}.png,{rle_encode(car_mask(i))}\n" for i in range(3))
    )
    return tmp_path


def test_a_row_for_each_photo_that_has_all_masks(photos):
    files = view_sheets(
        photos / "photos", photos / "out", truth=photos / "masks", prediction=photos / "masks.csv", rows=2
    ).files
    assert [file.name for file in files] == ["sheet-001.png", "sheet-002.png"]
    height = round(SIZE[0] * CELL / SIZE[1]) + LINE
    assert Image.open(files[0]).size == (4 * CELL, 2 * height)
    assert Image.open(files[1]).size == (4 * CELL, height)
    row = np.asarray(Image.open(files[0]))[LINE:height]
    assert (row[150:, CELL : 2 * CELL] == row[150:, 2 * CELL : 3 * CELL]).all()


def test_one_kind_of_mask(photos):
    files = view_sheets(photos / "photos", photos / "out", truth=photos / "masks", names=["car_03"]).files
    assert Image.open(files[0]).size[0] == 3 * CELL


def test_photos_of_a_data_set_that_have_no_mask_are_left_out(photos):
    data = photos / "data"
    shutil.copytree(photos / "photos", data / "train")
    shutil.copytree(photos / "masks", data / "train_masks")
    done = view_sheets(data, photos / "out", rows=1)
    assert (len(done.files), done.without_mask) == (4, 1)


def test_sheets_of_an_earlier_call_do_not_stay(photos):
    for rows, count in ((1, 4), (2, 2)):
        done = view_sheets(photos / "photos", photos / "out", truth=photos / "masks", rows=rows)
        assert sorted((photos / "out").iterdir()) == done.files
        assert (len(done.files), done.without_mask) == (count, 1)


@pytest.mark.parametrize(("photo", "mask"), [("imgs", "masks"), ("train", "train_masks"), (".", ".")])
def test_a_data_set_shows_its_own_masks(photos, photo, mask):
    data = photos / "data"
    for folder, source in ((photo, "photos"), (mask, "masks")):
        shutil.copytree(photos / source, data / folder, dirs_exist_ok=True)
    (data / photo / "car_04.png").unlink()
    for file in (data / mask).glob("*_mask.png"):
        with Image.open(file) as image:
            grey = image.convert("L").point(lambda value: 40 + value // 2)
        grey.save(file)
    files = view_sheets(data, photos / "out", mask_threshold=128).files
    sheet = np.asarray(Image.open(files[0]))
    height = round(SIZE[0] * CELL / SIZE[1]) + LINE
    assert sheet.shape == (4 * height, 3 * CELL, 3)
    shown = sheet[LINE + 40 : height, CELL : 2 * CELL, 0] > 127
    assert shown.mean() == pytest.approx(car_mask(0)[40:].mean(), abs=0.01)
    with pytest.raises(DataError, match=r"none of 4 photos could be drawn; the first: .*not a binary mask"):
        view_sheets(data, photos / "out")


def test_bad_input(photos):
    with pytest.raises(UsageError, match="nothing to show beside the photos"):
        view_sheets(photos / "photos", photos / "out")
    with pytest.raises(UsageError, match="no photo is called nobody"):
        view_sheets(photos / "photos", photos / "out", truth=photos / "masks", names=["nobody"])
    with pytest.raises(DataError, match="car_04: there is no mask of this photo in truth"):
        view_sheets(photos / "photos", photos / "out", truth=photos / "masks", names=["car_00", "car_04"])
    for photo in (photos / "photos").iterdir():
        photo.rename(photo.with_stem(f"other_{photo.stem}"))
    with pytest.raises(DataError, match="none of 5 photos has a mask in truth"):
        view_sheets(photos / "photos", photos / "out", truth=photos / "masks")


def test_a_mask_of_another_size(photos):
    Image.fromarray(car_mask()[:99]).save(photos / "masks" / "car_00_mask.png")
    with pytest.raises(DataError, match="none of 1 photo could be drawn; the first: car_00: the truth is 480x99"):
        view_sheets(photos / "photos", photos / "out", truth=photos / "masks", names=["car_00"])


def test_a_photo_that_fails_is_named_and_the_others_are_drawn(photos):
    Image.fromarray(car_mask()[:99]).save(photos / "masks" / "car_00_mask.png")
    (photos / "photos" / "car_03.png").write_bytes(b"nothing")
    done = view_sheets(photos / "photos", photos / "out", truth=photos / "masks", rows=1)
    assert [file.name for file in done.files] == ["sheet-001.png", "sheet-002.png"]
    reasons = dict(done.failures)
    assert reasons["car_00"] == "car_00: the truth is 480x99, its photo 480x320"
    assert "car_03.png" in reasons["car_03"]
