from __future__ import annotations

import csv
import os
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carmask.errors import DataError, OutputError, UsageError
from carmask.evaluation.run import evaluate_masks
from carmask.formats.rle import rle_decode, rle_encode
from carmask.images.colour import to_lab
from carmask.pages.contact import contact_sheet
from carmask.pages.html import write_page
from carmask.pages.pictures import outlined
from carmask.pages.survey import explore_page
from carmask.survey.facts import measure_photo
from carmask.survey.photo_table import write_table
from carmask.survey.problems import count_problems
from carmask.survey.survey import SMALL, SmallView, survey
from tests.cars import SIZE, car_mask, car_photo


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.fixture
def data(tmp_path):
    """Two cars: one with all 16 views, one with two, red and blue."""
    for car, views, colour in (("0001", 16, (150, 30, 40)), ("0002", 2, (30, 40, 150))):
        for view in range(1, views + 1):
            mask = np.roll(car_mask(), (view, 3 * view + (50 if car == "0002" else 0)), (0, 1))
            save(tmp_path / "train" / f"{car}_{view:02d}.png", car_photo(mask, colour))
            save(tmp_path / "train_masks" / f"{car}_{view:02d}_mask.png", mask)
    (tmp_path / "metadata.csv").write_text(
        '"id","year","make","model","trim1","trim2"\n"0001","2014","Acura","RLX <b>","RLX","w/Tech"\n'
    )
    return tmp_path


def problems(data: Path) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for problem in survey(data).problems:
        found.setdefault(problem.kind, []).append((problem.where, problem.what))
    return found


def test_facts_by_hand(data):
    found = survey(data, sheets=1)
    assert found.photos == len(found.facts) == 18
    assert found.cars == ["0001", "0002"]
    first = found.facts[0]
    mask = np.roll(car_mask(), (1, 3), (0, 1))
    photo = car_photo(mask)
    assert (first.name, first.car, first.view, first.size) == ("0001_01", "0001", 1, SIZE)
    assert first.area == mask.mean()
    assert first.car_colour == pytest.approx(photo[mask].mean(axis=0))
    assert first.background_colour == pytest.approx(photo[~mask].mean(axis=0))
    grey = photo @ np.array([0.299, 0.587, 0.114])
    assert first.car_brightness == pytest.approx(
        grey[mask].mean(), abs=0.6
    )  # the photo's luma is rounded to whole numbers
    assert first.background_brightness == pytest.approx(grey[~mask].mean(), abs=0.6)
    assert np.array_equal(rle_decode(first.rle, *SIZE), mask)
    assert list(found.mean_masks) == list(range(1, 17))
    assert found.mean_masks[3].mean() == pytest.approx(car_mask().mean(), abs=2e-3)
    assert len(found.sheets) == 1


def test_a_good_set_has_no_problems_but_those_it_has(data):
    found = problems(data)
    assert found.pop("views") == [("0002", "2 of 16 views; missing: " + ", ".join(f"{v:02d}" for v in range(3, 17)))]
    assert found.pop("metadata") == [("0002", "not in metadata.csv")]
    assert not found


def test_everything_wrong_is_found(data):
    masks, photos = data / "train_masks", data / "train"
    (masks / "0001_01_mask.png").unlink()
    (photos / "0001_02.png").unlink()
    save(masks / "0001_03_mask.png", np.zeros((20, 30), np.bool_))
    save(masks / "0001_04_mask.png", np.arange(SIZE[0] * SIZE[1], dtype=np.uint8).reshape(SIZE))
    save(masks / "0001_05_mask.png", np.zeros(SIZE, np.bool_))
    (photos / "0001_06.png").write_bytes(b"\x89PNG no more")
    save(photos / "0001_08.png", np.asarray(Image.open(photos / "0001_07.png")))
    save(masks / "0001_10_mask.png", np.asarray(Image.open(masks / "0001_09_mask.png")))
    full = np.roll(car_mask(), 90, 1)
    save(masks / "0001_11_mask.png", full)
    save(photos / "0001_12.png", car_photo(car_mask())[:300])
    save(masks / "0001_12_mask.png", car_mask()[:300])
    save(photos / "odd.png", car_photo(car_mask(9)))
    save(masks / "odd_mask.png", car_mask(9))
    found = problems(data)
    assert found["missing mask"] == [("0001_01.png", "the photo has no mask")]
    assert found["missing photo"] == [("0001_02_mask.png", "the mask has no photo")]
    assert ("0001_03_mask.png", "the mask is 30x20, its photo 480x320") in found["size"]
    assert found["not binary"][0][0] == "0001_04_mask.png"
    assert found["empty mask"] == [("0001_05", "no car in the mask")]
    assert found["unreadable"][0][0] == "0001_06.png"
    assert found["duplicate photo"] == [("0001_07", "the same photo, pixel by pixel, as 0001_08")]
    assert found["duplicate mask"][0][0] == "0001_09"
    assert found["at the edge"][0] == ("0001_11", "the mask touches the edge of the photo")
    assert ("0001_12", "480x300, where most photos are 480x320") in found["size"]
    assert [car for car, _ in found["views"]] == ["0002"]  # a view that lacks its mask, or its photo, is there
    assert found["name"] == [("odd", "the name does not say car and view: <car>_<two digits>")]


@pytest.mark.parametrize("names", [["0001_01"], ["car"], ["0001_01", "0001_02", "car"]])
def test_empty_full_and_inverted_masks(tmp_path, names):
    """Also where every mask of the data set is empty, or full, and where there is one photo only."""
    for kind, mask in (
        ("empty mask", np.zeros(SIZE, np.bool_)),
        ("full mask", np.ones(SIZE, np.bool_)),
        ("perhaps inverted", ~car_mask()),
    ):
        data = tmp_path / kind.replace(" ", "-")
        for index, name in enumerate(names):
            save(data / "train" / f"{name}.png", car_photo(car_mask(index)))
            save(data / "train_masks" / f"{name}_mask.png", mask)
        found = survey(data)
        assert sum(problem.kind == kind for problem in found.problems) == len(names)
        kinds = dict(count_problems(found.problems))
        assert "at the edge" not in kinds
        # Empty masks are all alike, and no copies of each other.
        assert ("duplicate mask" in kinds) == (kind != "empty mask" and len(names) > 1)
        document = explore_page(found, "data")
        assert f"{kind}: {len(names)}" in document
        plain = re.sub(r'src="[^"]*"|<script>.*?</script>', "", document, flags=re.DOTALL)
        assert not re.search(r"\bnan\b|\binf\b", plain)
        assert write_table(data / "photos.csv", found) == len(names)


def test_a_photo_that_fails_is_a_problem_and_a_failure(data, monkeypatch):
    (data / "train" / "0001_06.png").write_bytes(b"\x89PNG no more")

    def broken(name, *rest, **more):
        if name == "0001_07":
            raise IndexError("list index out of range")
        return measure_photo(name, *rest, **more)

    monkeypatch.setattr("carmask.survey.survey.measure_photo", broken)
    found = survey(data)
    assert [failure.name for failure in found.failures] == ["0001_06.png", "0001_07.png"]
    assert len(found.facts) == 16
    unreadable = {problem.where: problem.what for problem in found.problems if problem.kind == "unreadable"}
    assert unreadable["0001_07.png"] == "0001_07.png: unexpected IndexError: list index out of range"


def test_photos_of_single_cars_lack_no_views(tmp_path):
    for index, name in enumerate(("red car", "blue car")):
        save(tmp_path / "train" / f"{name}.png", car_photo(car_mask(index)))
        save(tmp_path / "train_masks" / f"{name}_mask.png", car_mask(index))
    assert survey(tmp_path).problems == []


def test_masks_in_a_csv_are_named_by_line(data):
    rows = ["img,rle_mask"]
    for path in sorted((data / "train").iterdir()):
        mask = np.asarray(Image.open(data / "train_masks" / f"{path.stem}_mask.png"))
        rows.append(f"{path.name},{rle_encode(mask)}")
    rows[3] = "0001_03.png,5 x"
    rows.append(rows[1])
    for path in (data / "train_masks").iterdir():
        path.unlink()
    (data / "train_masks").rmdir()
    (data / "train_masks.csv").write_text("\n".join(rows) + "\n")
    found = problems(data)
    assert found["run-length text"][0][0] == "train_masks.csv, line 4"
    assert found["double mask"] == [("train_masks.csv, line 20", "0001_01.png has a row already, in line 2")]


def test_bad_input(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        survey(tmp_path / "nothing")
    empty = tmp_path / "empty"
    (empty / "train").mkdir(parents=True)
    with pytest.raises(DataError, match="not laid out in a way that is known"):
        survey(empty)
    (empty / "train_masks").mkdir()
    with pytest.raises(DataError, match="no pictures in it"):
        survey(empty)


def test_other_layouts(data, tmp_path):
    expected = survey(data)
    other = tmp_path / "other"
    (data / "train").rename(data / "images")
    (data / "train_masks").rename(data / "masks")
    (data / "masks" / "0001_05_mask.png").unlink()
    found = survey(data)
    assert {one.name: one.area for one in found.facts} == {
        one.name: one.area for one in expected.facts if one.name != "0001_05"
    }
    assert found.photos == 18
    assert ("missing mask", "0001_05.png") in [(problem.kind, problem.where) for problem in found.problems]
    other.mkdir()
    for folder, name in (("images", "photos"), ("masks", "labels")):
        (data / folder).rename(other / name)
    (other / "photos" / "0001_05.png").unlink()
    labelled = survey(other)
    assert [one.area for one in labelled.facts] == [one.area for one in found.facts]


def test_the_page_is_complete_and_safe(data):
    document = explore_page(survey(data), "a & b")
    assert document.startswith("<!doctype html>")
    assert "a &amp; b" in document
    assert "RLX &lt;b&gt;" in document
    assert "RLX <b>" not in document
    # Nothing is fetched: every address is a data: address or a place in the page.
    assert set(re.findall(r'(?:src|href)="([^"]{0,5})', document)) <= {
        "data:",
        "#over",
        "#prob",
        "#cars",
        "#mask",
        "#colo",
        "#all-",
        "#shee",
    }
    assert not re.search(r"https?://|@import|url\(", document)
    assert document.count("<section") == document.count("</section>") == 7
    assert "2 of 2 cars" in document


def test_a_page_that_would_be_too_large_leaves_sheets_out(data, monkeypatch):
    found = survey(data)
    monkeypatch.setattr("carmask.pages.survey.MAX_PAGE_BYTES", 1000)
    assert "2 more would have made the page too large" in explore_page(found, "data")


def test_the_table(data, tmp_path):
    found = survey(data, sheets=0)
    assert write_table(tmp_path / "out" / "photos.csv", found) == 18
    with (tmp_path / "out" / "photos.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0])[:11] == [
        "id",
        "img",
        "mask_file",
        "rle_mask",
        "year",
        "make",
        "model",
        "trim1",
        "trim2",
        "view",
        "area",
    ]
    assert (rows[0]["id"], rows[0]["img"], rows[0]["mask_file"]) == ("0001", "0001_01.png", "0001_01_mask.png")
    assert (rows[0]["make"], rows[-1]["make"]) == ("Acura", "")
    assert float(rows[0]["area"]) == found.facts[0].area
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "photos.parquet", found)
    table = parquet.read_table(tmp_path / "photos.parquet").to_pydict()
    assert table["area"] == [one.area for one in found.facts]
    assert table["rle_mask"] == [one.rle for one in found.facts]


def test_names_with_line_ends_and_without_utf8(data, tmp_path):
    """In the table and on the page; Parquet, whose texts are UTF-8, is refused and not written."""
    names = {"0001_01": "0001\r_01", "0001_02": "0001\n_02", "0002_01": os.fsdecode(b"0002\xff_01")}
    for old, new in names.items():
        (data / "train" / f"{old}.png").rename(data / "train" / f"{new}.png")
        (data / "train_masks" / f"{old}_mask.png").rename(data / "train_masks" / f"{new}_mask.png")
    found = survey(data, sheets=0)
    file = tmp_path / "photos.csv"
    write_table(file, found)
    with file.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        rows = {row["img"].removesuffix(".png"): row for row in csv.DictReader(stream)}
    assert {*names.values()} <= {*rows}
    assert (rows["0001\n_02"]["id"], rows["0001\n_02"]["view"]) == ("0001\n", "2")
    write_page(tmp_path / "page.html", explore_page(found, os.fsdecode(b"da\xffta")))
    assert "da?ta" in (tmp_path / "page.html").read_text(encoding="utf-8")
    pytest.importorskip("pyarrow")
    with pytest.raises(OutputError, match=r"0002.*is no UTF-8, which Parquet's texts are; write \.csv"):
        write_table(tmp_path / "photos.parquet", found)
    assert not (tmp_path / "photos.parquet").exists()


def test_a_table_that_cannot_be_written(data, tmp_path, monkeypatch):
    found = survey(data, sheets=0)
    with pytest.raises(UsageError, match=r"written as \.csv or \.parquet"):
        write_table(tmp_path / "photos.xlsx", found)
    monkeypatch.setattr("carmask.survey.photo_table.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"pip install 'carmask\[table\]'"):
        write_table(tmp_path / "photos.parquet", found)
    masks = tmp_path / "train_masks.csv"
    masks.write_text("img,rle_mask\na.jpg,1 1\n")
    with pytest.raises(UsageError, match=r"train_masks\.csv: another table is there, and would be overwritten"):
        write_table(masks, found)
    assert write_table(tmp_path / "photos.csv", found) == write_table(tmp_path / "photos.csv", found)


def test_problems_are_counted(data):
    assert dict(count_problems(survey(data).problems)) == {"views": 1, "metadata": 1}


def test_colours_by_hand():
    lab = to_lab(np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0]]))
    assert lab[0] == pytest.approx([100, 0, 0], abs=0.1)
    assert lab[1] == pytest.approx([0, 0, 0], abs=0.1)
    assert lab[2] == pytest.approx([53.24, 80.09, 67.20], abs=0.3)  # sRGB red, D65


def test_an_outline_lies_within_the_mask():
    mask = np.zeros((9, 9), np.bool_)
    mask[2:7, 2:7] = True
    photo = np.zeros((9, 9, 3), np.uint8)
    drawn = outlined(photo, mask, (1, 2, 3)).any(axis=2)
    assert drawn.sum() == 16
    assert not (drawn & ~mask).any()
    assert not photo.any()


def test_a_sheet_has_a_place_for_each_view():
    small = SmallView(np.zeros((*SMALL, 3), np.uint8), np.zeros(SMALL, np.bool_))
    sheet = contact_sheet(dict.fromkeys((1, *range(9, 17)), small))
    assert sheet.shape == (4 * SMALL[0], 4 * SMALL[1], 3)
    assert (sheet[0, 0] == 0).all()
    assert (sheet[0, SMALL[1]] == 128).all()
    assert (sheet[-1, -1] == 0).all()
    assert contact_sheet({1: small, 16: small}).shape == (SMALL[0], 2 * SMALL[1], 3)
    assert contact_sheet({0: small}).shape == (*SMALL, 3)
    assert contact_sheet(dict.fromkeys(range(16), small)).shape == (5 * SMALL[0], 4 * SMALL[1], 3)


def test_compressed_metadata_is_joined(data):
    plain = data / "metadata.csv"
    with zipfile.ZipFile(data / "metadata.csv.zip", "w") as archive:
        archive.write(plain, plain.name)
    plain.unlink()
    assert survey(data).metadata["0001"].make == "Acura"
    assert evaluate_masks([str(data / "train_masks")], data).metadata["0001"].make == "Acura"
