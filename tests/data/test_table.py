from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carmask.data.table import (
    CarInfo,
    Example,
    car_and_view,
    find_metadata,
    of_cars,
    read_cars,
    read_examples,
    read_metadata,
    sample,
)
from carmask.errors import DataError
from carmask.formats.listing import find_masks, find_photos
from carmask.formats.rle import rle_encode

MASK = np.zeros((20, 30), np.bool_)
MASK[4:12, 6:25] = True


@pytest.fixture
def data(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train_masks").mkdir()
    for name in ("b_01", "a_02", "a_01"):
        Image.new("RGB", (30, 20)).save(tmp_path / "train" / f"{name}.jpg")
        Image.fromarray(MASK).save(tmp_path / "train_masks" / f"{name}_mask.gif")
    return tmp_path


def test_photos_and_masks_are_paired_by_name(data):
    examples = read_examples(data)
    assert [(one.name, one.car, one.view) for one in examples] == [("a_01", "a", 1), ("a_02", "a", 2), ("b_01", "b", 1)]
    assert all(np.array_equal(one.read_mask(), MASK) for one in examples)
    assert [one.name for one in of_cars(examples, ["b"])] == ["b_01"]


def test_a_csv_stands_in_for_the_folder_of_masks(data):
    for file in (data / "train_masks").iterdir():
        file.unlink()
    (data / "train_masks").rmdir()
    rows = "".join(f"{name}.jpg,{rle_encode(MASK)}\n" for name in ("a_01", "a_02", "b_01"))
    (data / "train_masks.csv").write_text("img,rle_mask\n" + rows)
    assert all(np.array_equal(one.read_mask(), MASK) for one in read_examples(data))


def test_names_of_another_form_are_cars_of_their_own():
    assert car_and_view("00087a6bd4dc_16") == ("00087a6bd4dc", 16)
    assert car_and_view("IMG_20201123_132905") == ("IMG_20201123_132905", 0)
    assert car_and_view("_01") == ("_01", 0)


@pytest.mark.parametrize(
    "name",
    [
        "IMG_0001",
        "IMG_01",
        "img_20201123_13",
        "DSC_07",
        "DSCF_12",
        "DSCN1_02",
        "_MG_33",
        "photo_12",
        "Image_01",
        "P1010123_04",
    ],
)
def test_a_camera_s_numbers_are_not_views_of_one_car(name):
    assert car_and_view(name) == (name, 0)


@pytest.mark.parametrize("car", ["coupe", "suv-white", "00087a6bd4dc", "MG", "imgrund", "p208", "photos of a car"])
def test_names_of_cars_are_cars(car):
    assert car_and_view(f"{car}_03") == (car, 3)


@pytest.mark.parametrize(
    ("photo", "car"),
    [("2056", "2056"), ("IMG_3147", "IMG_3147"), ("00087a6bd4dc_03", "00087a6bd4dc"), ("a.rf", "a.rf")],
)
def test_copies_of_one_photo_that_roboflow_augmented_are_of_one_car(photo, car):
    """Each is a photo of its own by name; on both sides of a split they are the same."""
    copies = [
        f"{photo}{kind}.rf.{end}"
        for kind in ("_jpg", "_JPG", "_png", "")
        for end in ("68cb444f6249" * 2, "VbyYOOHqAAeFVwxhPBmP")
    ]
    assert {car_and_view(copy)[0] for copy in copies} == {car}
    assert car_and_view("golf.rf.2020") == ("golf.rf.2020", 0)


def test_what_is_missing_is_named(data, tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        read_examples(tmp_path / "nowhere")
    (data / "train_masks" / "b_01_mask.gif").unlink()
    with pytest.raises(DataError, match="1 of 3 photos has no mask, the first is b_01"):
        read_examples(data)
    (data / "train" / "a_01.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"a_01\.jpg and a_01\.png are both a_01"):
        read_examples(data)


def test_cars_without_photos_are_named(data):
    with pytest.raises(DataError, match="1 of 2 cars has no photo in the data, the first is c"):
        of_cars(read_examples(data), ["a", "c"])


def test_an_empty_folder_says_what_was_left_out(tmp_path):
    with pytest.raises(DataError, match=r"no pictures in it$"):
        find_masks(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match=r"no pictures in it; 1 left out, the first is notes\.txt: not a picture"):
        find_masks(tmp_path)


def test_a_run_s_folder_of_pictures_and_masks_is_one_of_masks(tmp_path):
    for name in ("a.png", "a_mask.png", "b.webp", "b_mask.png", "c_mask.png"):
        (tmp_path / name).touch()
    assert [path.name for path in find_masks(tmp_path).values()] == ["a_mask.png", "b_mask.png", "c_mask.png"]
    (tmp_path / "a_MASK.gif").touch()
    with pytest.raises(DataError, match=r"are both a; keep one of them"):
        find_masks(tmp_path)


def test_masks_are_known_by_their_ending_in_any_case(tmp_path):
    for name in ("a_mask.png", "B_MASK.PNG", "c-mask.webp", "d.bmp", "_mask.gif"):
        (tmp_path / name).touch()
    assert list(find_masks(tmp_path)) == ["B", "_mask", "a", "c", "d"]
    assert list(find_photos(tmp_path)) == ["B_MASK", "_mask", "a_mask", "c-mask", "d"]


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".csv.zip"])
def test_metadata_is_read_as_kaggle_has_it(tmp_path, suffix):
    text = '"id","year","make","model","trim1","trim2"\n"0004d4463b50","2014","Acura","TL","TL","w/SE"\n'
    file = tmp_path / f"metadata{suffix}"
    assert find_metadata(tmp_path) is None
    if suffix == ".csv.zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("metadata.csv", text)
            archive.writestr("__MACOSX/._metadata.csv", "x")
    else:
        file.write_bytes(gzip.compress(text.encode()) if suffix == ".csv.gz" else text.encode("utf-16"))
    assert find_metadata(tmp_path) == file
    assert read_metadata(file) == {"0004d4463b50": CarInfo("2014", "Acura", "TL", "TL", "w/SE")}
    file.write_bytes(file.read_bytes()[: 60 if suffix == ".csv.gz" else 9])
    with pytest.raises(DataError, match="metadata") as caught:
        read_metadata(file)
    assert "\n" not in str(caught.value)


def test_metadata_and_lists_of_cars(tmp_path):
    (tmp_path / "metadata.csv").write_text(
        '"id","year","make","model","trim1","trim2"\n"0004d4463b50","2014","Acura","TL","TL","w/SE"\n'
    )
    assert read_metadata(tmp_path / "metadata.csv") == {"0004d4463b50": CarInfo("2014", "Acura", "TL", "TL", "w/SE")}
    columns = "id,year,make,model,trim1,trim2\n"
    (tmp_path / "metadata.csv").write_text(columns + '\na,2014,"two\nlines",TL,TL,x\nb,2015\na,2016,Acura,TL,TL,x\n')
    with pytest.raises(DataError, match=r"line 6: a has a row already, in line 3"):
        read_metadata(tmp_path / "metadata.csv")
    (tmp_path / "metadata.csv").write_text(columns + "b,2015\n")
    assert read_metadata(tmp_path / "metadata.csv") == {"b": CarInfo("2015", "", "", "", "")}
    (tmp_path / "metadata.csv").write_text(columns + 'a,2014,"Acura,TL,TL,x\nb,2015,Acura,TL,TL,x\n')
    with pytest.raises(DataError, match=r"\(line 2: a quotation mark opens a cell that is never closed\)"):
        read_metadata(tmp_path / "metadata.csv")
    (tmp_path / "metadata.csv").write_text("id,year\n1,2\n")
    with pytest.raises(DataError, match="not a table with id,year"):
        read_metadata(tmp_path / "metadata.csv")
    (tmp_path / "cars.txt").write_text("# the worst\n\na\n b \n")
    assert read_cars(tmp_path / "cars.txt") == ("a", "b")
    (tmp_path / "cars.txt").write_text("# none\n")
    with pytest.raises(DataError, match="names no car"):
        read_cars(tmp_path / "cars.txt")


@given(st.integers(0, 200), st.integers(0, 250))
def test_a_sample_has_as_many_examples_as_there_can_be(there, count):
    examples = [Example(f"c_{i}", Path(f"c_{i}.jpg"), None, "", "c", i) for i in range(there)]
    chosen = sample(examples, count)
    assert len(set(chosen)) == len(chosen) == min(there, count)
    assert set(chosen) <= set(examples)


def test_a_sample_shows_many_cars_and_all_views():
    examples = [Example(f"c{c}_{v}", Path("c.jpg"), None, "", f"c{c}", v) for c in range(40) for v in range(1, 17)]
    chosen = sample(examples, 64)
    assert {one.view for one in chosen} == set(range(1, 17))
    assert len({one.car for one in chosen}) == 40
