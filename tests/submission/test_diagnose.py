from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest

from carmask.data.mask_source import Truth
from carmask.errors import DataError, SubmissionError
from carmask.formats.rle import mask_to_runs, rle_encode
from carmask.formats.rle_csv import write_rle_csv
from carmask.images import read_mask, write_picture
from carmask.submission.diagnose import diagnose
from carmask.submission.known import PredictedMasks
from carmask.submission.repair import repair
from tests.cars import SIZE, car_mask, car_photo

HEIGHT, WIDTH = SIZE
NAMES = [f"car{i}_01.jpg" for i in range(8)]
MASKS = [np.roll(car_mask(), (i, 2 * i - 8), (0, 1)) for i in range(8)]


class Known:
    """Truth in the frame of the drawings."""

    names: ClassVar[list[str]] = [Path(name).stem for name in NAMES]

    def runs(self, name):
        return mask_to_runs(MASKS[self.names.index(name)]), SIZE


def text(mask: np.ndarray, shift: int = 0, *, ends: str = "") -> str:
    runs = mask_to_runs(np.ascontiguousarray(mask))
    runs[:, 0] += shift
    if ends:
        runs[:, 1] += runs[:, 0] - (ends == "last")
    return " ".join(map(str, runs.ravel().tolist()))


def nearest(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0


@pytest.fixture
def write(tmp_path):
    def write(encode, names=NAMES):
        file = tmp_path / "submission.csv"
        write_rle_csv(file, [(name, encode(mask)) for name, mask in zip(names, MASKS, strict=True)])
        return file

    return write


RIGHT = [(name, rle_encode(mask)) for name, mask in zip(NAMES, MASKS, strict=True)]


def kinds(findings) -> list[str]:
    return [finding.kind for finding in findings]


def test_a_good_file(write):
    assert diagnose(write(rle_encode), NAMES, SIZE) == []
    assert diagnose(write(rle_encode), NAMES, SIZE, truth=Known()) == []
    assert diagnose(write(rle_encode), None, SIZE, truth=Known()) == []


@pytest.mark.parametrize(
    ("kind", "encode", "words"),
    [
        ("off-by-one", lambda m: text(m, -1), "one pixel too small; they seem to be counted from 0"),
        ("off-by-one", lambda m: text(m, 1), "one pixel too large: subtract 1"),
        ("shift", lambda m: text(m, WIDTH), "one row too low"),
        ("shift", lambda m: text(m, -WIDTH + 1), "one row too high and 1 px too far right"),
        ("column-major", lambda m: text(m.T), "encode mask, not mask.T"),
        ("ends", lambda m: text(m, ends="last"), "is its last pixel; write its length instead"),
        ("ends", lambda m: text(m, ends="after"), "is the pixel after its last one (start + length); write its length"),
        ("inverted", lambda m: text(~m), "encode the car"),
        ("mirrored", lambda m: text(m[:, ::-1]), "the masks are mirrored left and right"),
        ("mirrored", lambda m: text(m[::-1]), "the masks are upside down"),
        ("mirrored", lambda m: text(m[::-1, ::-1]), "turned by 180 degrees"),
        ("frame", lambda m: text(np.pad(m, ((0, 0), (0, 8)))), f"written at width {WIDTH + 8}"),
        ("frame", lambda m: text(np.pad(m, ((0, 0), (4, 4)))), "evenly on both sides"),
        ("frame", lambda m: text(m[:, :-8]), f"written at width {WIDTH - 8}"),
        ("frame", lambda m: text(np.pad(m, ((0, 0), (0, 1)))), f"written at width {WIDTH + 1}"),
        ("frame", lambda m: text(m[:, :-1]), f"written at width {WIDTH - 1}"),
    ],
)
def test_found_and_repaired_exactly(write, tmp_path, kind, encode, words):
    file = write(encode)
    findings = diagnose(file, NAMES, SIZE, truth=Known())
    assert kinds(findings) == [kind]
    assert words in findings[0].message
    assert "it would score 1.0000" in findings[0].message
    assert repair(file, tmp_path / "repaired.csv", NAMES, SIZE, findings) == len(NAMES)
    write_rle_csv(tmp_path / "right.csv", RIGHT)
    assert (tmp_path / "repaired.csv").read_bytes() == (tmp_path / "right.csv").read_bytes()


@pytest.mark.parametrize("size", [(64, 96), (96, 96), (HEIGHT, WIDTH - 8), (HEIGHT, WIDTH + 8)])
def test_found_but_not_to_be_repaired_exactly(write, tmp_path, size):
    file = write(lambda m: text(nearest(m, *size)))
    findings = diagnose(file, NAMES, SIZE, truth=Known())
    assert kinds(findings) == ["frame"]
    assert f"written at width {size[1]} ({size[1]}x{size[0]}; each mask was resized to it" in findings[0].message
    with pytest.raises(SubmissionError, match=r"cannot be repaired exactly: car0_01\.jpg: a mask resized to"):
        repair(file, tmp_path / "repaired.csv", NAMES, SIZE, findings)
    assert not (tmp_path / "repaired.csv").exists()


@pytest.mark.parametrize("rows", [1, -1, 2])
def test_masks_in_the_rows_of_their_neighbours(tmp_path, rows):
    file = tmp_path / "submission.csv"
    write_rle_csv(file, [(name, rle_encode(MASKS[(i + rows) % 8])) for i, name in enumerate(NAMES)])
    findings = diagnose(file, NAMES, SIZE, truth=Known())
    assert kinds(findings) == ["rows"]
    assert f"{abs(rows)} row" in findings[0].message
    assert ("early" if rows > 0 else "late") in findings[0].message
    repair(file, tmp_path / "repaired.csv", NAMES, SIZE, findings)
    assert diagnose(tmp_path / "repaired.csv", NAMES, SIZE, truth=Known()) == []


@pytest.mark.parametrize("rows", [2, -2])
def test_rows_are_counted_in_the_file_where_only_every_second_mask_is_known(tmp_path, rows):
    """They were counted among the known ones: half as many were named, and the repair gave each mask a wrong name."""

    class Half(Known):
        names: ClassVar[list[str]] = Known.names[::2]

        def runs(self, name):
            return Known().runs(name)

    file = tmp_path / "submission.csv"
    write_rle_csv(file, [(name, rle_encode(MASKS[(i + rows) % 8])) for i, name in enumerate(NAMES)])
    findings = diagnose(file, NAMES, SIZE, truth=Half())
    assert [finding.rows for finding in findings] == [rows]
    repair(file, tmp_path / "repaired.csv", NAMES, SIZE, findings)
    assert diagnose(tmp_path / "repaired.csv", NAMES, SIZE, truth=Known()) == []


def test_the_file_alone_tells_of_frames_columns_ends_and_inversion(write):
    assert kinds(diagnose(write(lambda m: text(m.T)), NAMES, SIZE)) == ["column-major"]
    assert kinds(diagnose(write(lambda m: text(m, ends="last")), NAMES, SIZE)) == ["ends"]
    assert kinds(diagnose(write(lambda m: text(m, ends="after")), NAMES, SIZE)) == ["ends"]
    assert kinds(diagnose(write(lambda m: text(~m)), NAMES, SIZE)) == ["inverted"]
    found = diagnose(write(lambda m: text(nearest(m, 96, 96))), NAMES, SIZE)
    assert kinds(found) == ["frame"]
    assert "width 96 (96x96" in found[0].message


@pytest.mark.parametrize("wider", [-1, 1])
def test_the_file_alone_tells_of_a_frame_one_pixel_off(write, wider):
    found = diagnose(write(lambda m: text(nearest(m, HEIGHT, WIDTH + wider))), NAMES, SIZE)
    assert kinds(found) == ["frame"]
    assert f"width {WIDTH + wider}" in found[0].message


def test_masks_that_nothing_explains_are_named_by_their_score(write):
    """Half of the car: no frame, order, offset or row makes them right."""

    def half(mask: np.ndarray) -> np.ndarray:
        return mask & (np.arange(WIDTH) < WIDTH // 2)

    [found] = diagnose(write(lambda m: text(half(m))), NAMES, SIZE, truth=Known())
    assert (found.kind, found.severity) == ("low-score", "error")
    parts = [np.count_nonzero(half(m)) / np.count_nonzero(m) for m in MASKS]
    assert f"score {np.mean([2 * part / (1 + part) for part in parts]):.4f} (Dice" in found.message
    assert "Dice of 8 images" in found.message


def test_a_frame_that_only_the_file_tells_of_is_not_repaired(write, tmp_path):
    file = write(lambda m: text(np.pad(m, ((0, 0), (0, 8)))))
    with pytest.raises(SubmissionError, match="true masks or photos are needed to find its convention"):
        repair(file, tmp_path / "repaired.csv", NAMES, SIZE, diagnose(file, NAMES, SIZE))


def test_ends_that_may_be_of_two_kinds_are_not_repaired_by_the_file_alone(write, tmp_path):
    wide = [mask & ~np.roll(mask, 1, 1) for mask in MASKS]
    assert any((mask_to_runs(mask)[:, 1] == 1).any() for mask in wide)  # runs of one pixel: their end is their start
    single = write(lambda m: text(m & ~np.roll(m, 1, 1), ends="last"))
    [found] = diagnose(single, NAMES, SIZE)
    assert (found.kind, found.reading.ends) == ("ends", "last")
    either = write(lambda m: text(m, ends="after"))
    [found] = diagnose(either, NAMES, SIZE)
    assert "its last pixel or the pixel after it" in found.message
    with pytest.raises(SubmissionError, match="true masks or photos are needed"):
        repair(either, tmp_path / "repaired.csv", NAMES, SIZE, [found])


def test_photos_in_place_of_the_truth(write, tmp_path, dark):
    photos = {}
    for name, mask in zip(NAMES, MASKS, strict=True):
        photos[Path(name).stem] = tmp_path / f"{Path(name).stem}.png"
        write_picture(photos[Path(name).stem], car_photo(mask, (20, 20, 30)))
    seen = PredictedMasks(type(dark)(*SIZE), photos)  # a model that sees every pixel
    assert seen.names == Known.names
    file = write(lambda m: text(m, WIDTH + 2))
    findings = diagnose(file, NAMES, SIZE, truth=seen)
    assert kinds(findings) == ["shift"]
    assert "against what the model predicts" in findings[0].message
    repair(file, tmp_path / "repaired.csv", NAMES, SIZE, findings)
    assert diagnose(tmp_path / "repaired.csv", NAMES, SIZE, truth=Known()) == []


def test_masks_by_column_that_are_off_by_chance_are_not_called_shifted_as_well(write):
    """Five of eight are a row too low: in the mean a shift gains, of most images it is not one."""
    moved = iter([2, 0, 3, 0, 2, 3, 0, 2])
    file = write(lambda m: text(np.roll(m, next(moved), axis=0).T))
    findings = diagnose(file, NAMES, SIZE, truth=Known())
    assert kinds(findings) == ["column-major"]
    assert "encode mask, not mask.T; read so" in findings[0].message


def test_a_model_that_grows_its_masks_is_not_called_shifted(write):
    def grown(mask: np.ndarray) -> str:
        return text(cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0)

    assert diagnose(write(grown), NAMES, SIZE, truth=Known()) == []


def test_names(write, tmp_path):
    file = write(rle_encode, [*NAMES[:7], "other.jpg"])
    assert kinds(diagnose(file, NAMES, SIZE)) == ["missing", "unknown"]
    with pytest.raises(SubmissionError, match=r"1 image has no row, the first is car7_01\.jpg"):
        repair(file, tmp_path / "repaired.csv", NAMES, SIZE, [])
    suffix = write(rle_encode, [Path(name).stem + ".png" for name in NAMES])
    assert kinds(diagnose(suffix, NAMES, SIZE)) == ["names"]
    repair(suffix, tmp_path / "repaired.csv", NAMES, SIZE, [])
    assert diagnose(tmp_path / "repaired.csv", NAMES, SIZE) == []
    assert kinds(diagnose(write(rle_encode), NAMES[::-1], SIZE)) == ["order"]


def test_rows_that_cannot_be_read_are_named_by_line(tmp_path):
    file = tmp_path / "submission.csv"
    rows = [*RIGHT]
    rows[2] = (NAMES[2], "12 x")
    rows[4] = (NAMES[4], f"{HEIGHT * WIDTH} 2")
    rows[5] = (NAMES[5], "20 5 10 3")
    write_rle_csv(file, rows)
    messages = {finding.kind: finding.message for finding in diagnose(file, NAMES, SIZE)}
    assert "line 4, car2_01.jpg: 'x' is not a whole number" in messages["malformed"]
    assert "line 6, car4_01.jpg" in messages["outside"]
    assert "line 7, car5_01.jpg" in messages["order-of-runs"]
    with pytest.raises(SubmissionError, match=r"cannot be repaired: line 4: car2_01\.jpg: 'x' is not a whole number"):
        repair(file, tmp_path / "repaired.csv", NAMES, SIZE, [])


@pytest.mark.parametrize(
    ("kind", "encode"),
    [
        ("decimals", lambda m: rle_encode(m).replace(" ", ".0 ") + ".0"),
        ("list", lambda m: str(mask_to_runs(m).ravel().tolist())),
        ("white-space", lambda m: rle_encode(m).replace(" ", "\u00a0")),
    ],
)
def test_other_styles_of_text_are_named_and_repaired_exactly(write, tmp_path, kind, encode):
    file = write(encode)
    for truth in (None, Known()):
        [found] = diagnose(file, NAMES, SIZE, truth=truth)
        assert found.kind == kind
        assert "8 rows: " in found.message
        assert "the first is line 2, car0_01.jpg: " in found.message
    repair(file, tmp_path / "repaired.csv", NAMES, SIZE, [found])
    write_rle_csv(tmp_path / "right.csv", RIGHT)
    assert (tmp_path / "repaired.csv").read_bytes() == (tmp_path / "right.csv").read_bytes()


def test_malformed_rows_are_said_before_what_follows_from_them(write):
    for names in (NAMES, [f"other{i}.jpg" for i in range(8)]):
        found = diagnose(write(lambda _: "1 2 x", names), NAMES, SIZE, truth=Known())
        assert found[0].kind == "malformed"
        assert f"line 2, {names[0]}: 'x' is not a whole number" in found[0].message
    assert "truth" not in kinds(diagnose(write(lambda _: "1 2 x"), NAMES, SIZE, truth=Known()))


def test_tables_of_spreadsheets_are_named_and_repaired(write, tmp_path):
    file = write(rle_encode)
    write_rle_csv(tmp_path / "right.csv", RIGHT)
    file.write_bytes(file.read_text().replace(",", ";").encode("utf-16"))
    found = diagnose(file, NAMES, SIZE)
    assert kinds(found) == ["table", "table"]
    repair(file, tmp_path / "repaired.csv", NAMES, SIZE, found)
    assert (tmp_path / "repaired.csv").read_bytes() == (tmp_path / "right.csv").read_bytes()


def test_masks_that_a_spreadsheet_has_cut_off_are_not_repaired(tmp_path):
    file = tmp_path / "submission.csv"
    cut = " ".join(f"{start} 1" for start in range(1, 99_999, 2))[:32_767]
    write_rle_csv(file, [*RIGHT[:7], (NAMES[7], cut)])
    found = diagnose(file, NAMES, SIZE)
    assert "truncated" in kinds(found)
    with pytest.raises(SubmissionError, match="cannot be repaired: 1 mask has exactly 32,767 characters"):
        repair(file, tmp_path / "repaired.csv", NAMES, SIZE, found)


def test_true_masks_that_cannot_be_read_are_named(write):
    class Partly(Known):
        def runs(self, name):
            if name != "car3_01":
                raise DataError(f"{name}: no mask")
            return super().runs(name)

    found = diagnose(write(rle_encode), NAMES, SIZE, truth=Partly())
    assert [finding.message for finding in found] == ["7 true masks cannot be read, the first: car0_01: no mask"]


def test_bad_input(tmp_path, write):
    file = tmp_path / "broken.csv"
    file.write_text("img,rle_mask\na.jpg,1 2\nb.jpg\n")
    with pytest.raises(SubmissionError, match="line 3: 1 fields where img and rle_mask are two"):
        diagnose(file, NAMES, SIZE)
    file.write_text("img,rle_mask\n")
    with pytest.raises(SubmissionError, match="holds no rows"):
        diagnose(file, NAMES, SIZE)
    [found] = diagnose(write(rle_encode, [f"other{i}.jpg" for i in range(8)]), None, SIZE, truth=Known())
    assert found.kind == "truth"
    assert "no image of the file has a true mask or a photo to compare it with" in found.message
    found = diagnose(write(rle_encode), NAMES, (100, 100), truth=Known())
    assert "truth" in kinds(found)


def test_two_different_rows_of_an_image_are_not_repaired(tmp_path):
    file = tmp_path / "submission.csv"
    write_rle_csv(file, [*RIGHT, (NAMES[0], "1 2")])
    findings = diagnose(file, NAMES, SIZE)
    assert kinds(findings) == ["duplicates"]
    assert "the first is car0_01.jpg, in lines 2 and 10" in findings[0].message
    with pytest.raises(SubmissionError, match="car0_01 has one mask in line 2 and another in line 10"):
        repair(file, tmp_path / "repaired.csv", NAMES, SIZE, findings)


@pytest.mark.real
def test_real_masks_written_wrongly(carvana, tmp_path):
    files = sorted((carvana / "train_masks").iterdir())[::500]
    masks = {file.stem.removesuffix("_mask") + ".jpg": read_mask(file) for file in files}
    height, width = next(iter(masks.values())).shape
    write_rle_csv(tmp_path / "truth.csv", [(name, rle_encode(mask)) for name, mask in masks.items()])
    for kind, encode, exact in (
        ("frame", lambda m: text(nearest(m, height, 1912)), False),
        ("frame", lambda m: text(np.pad(m, ((0, 0), (0, 2)))), True),
        ("frame", lambda m: text(nearest(m, 224, 224)), False),
        ("off-by-one", lambda m: text(m, -1), True),
        ("off-by-one", lambda m: text(m, 1), True),
        ("column-major", lambda m: text(m.T), True),
    ):
        write_rle_csv(tmp_path / "wrong.csv", [(name, encode(mask)) for name, mask in masks.items()])
        findings = diagnose(tmp_path / "wrong.csv", list(masks), (height, width), truth=Truth(tmp_path / "truth.csv"))
        assert kinds(findings) == [kind]
        if exact:
            repair(tmp_path / "wrong.csv", tmp_path / "repaired.csv", list(masks), (height, width), findings)
            assert (tmp_path / "repaired.csv").read_bytes() == (tmp_path / "truth.csv").read_bytes()


@pytest.mark.parametrize("wanted", [None, NAMES])
def test_rows_that_name_no_image_are_found(tmp_path, wanted):
    file = tmp_path / "submission.csv"
    write_rle_csv(file, [*RIGHT[:3], ("", RIGHT[3][1]), (" ", RIGHT[4][1]), *RIGHT[5:]])
    findings = diagnose(file, wanted, SIZE)
    assert findings[0].kind == "names"
    assert findings[0].message.startswith("2 rows name no image, the first is line 5")
    assert "duplicates" not in kinds(findings)


def test_names_in_another_unicode_form_are_put_right(tmp_path):
    """As macOS writes them: the challenge, which compares bytes, finds no row of the sample."""
    sample = [unicodedata.normalize("NFC", name) for name in ("Käfer_01.jpg", "Käfer_02.jpg")]
    file = tmp_path / "s.csv"
    rows = [f"{unicodedata.normalize('NFD', name)},{number} 1" for number, name in enumerate(sample, 1)]
    file.write_text("\n".join(["img,rle_mask", *rows, ""]), encoding="utf-8")
    found = [one for one in diagnose(file, sample, SIZE) if one.kind in {"names", "missing", "unknown"}]
    assert [one.kind for one in found] == ["names"]
    assert "another Unicode form" in found[0].message
    repair(file, tmp_path / "good.csv", sample, SIZE, [])
    lines = (tmp_path / "good.csv").read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == sample
