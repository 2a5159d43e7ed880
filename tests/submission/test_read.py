from __future__ import annotations

import cv2
import numpy as np
import pytest

from carmask.formats.rle import mask_to_runs
from carmask.submission.frames import likely_heights, row_length
from carmask.submission.read import Reading, read
from carmask.submission.search import find_reading
from tests.cars import SIZE, car_mask

HEIGHT, WIDTH = SIZE


def nearest(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    return cv2.resize(mask.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0


def coarse(mask: np.ndarray) -> np.ndarray:
    small = cv2.resize(mask.astype(np.float32), (WIDTH // 8, HEIGHT // 8), interpolation=cv2.INTER_AREA)
    return cv2.resize(small, (WIDTH, HEIGHT)) >= 0.5


def moved(mask: np.ndarray, shift: int) -> np.ndarray:
    runs = mask_to_runs(mask)
    runs[:, 0] += shift
    return runs


def with_ends(mask: np.ndarray) -> np.ndarray:
    runs = mask_to_runs(mask)
    runs[:, 1] += runs[:, 0] - 1
    return runs


def with_pixels_after(mask: np.ndarray) -> np.ndarray:
    runs = mask_to_runs(mask)
    runs[:, 1] += runs[:, 0]
    return runs


@pytest.mark.parametrize(
    ("write", "reading"),
    [
        (mask_to_runs, Reading(SIZE)),
        (lambda m: moved(m, -1), Reading(SIZE, shift=-1)),
        (lambda m: moved(m, 2 * WIDTH + 3), Reading(SIZE, shift=2 * WIDTH + 3)),
        (lambda m: mask_to_runs(m.T), Reading(SIZE, order="columns")),
        (lambda m: mask_to_runs(~m), Reading(SIZE, inverted=True)),
        (lambda m: mask_to_runs(m[:, ::-1]), Reading(SIZE, mirror="left-right")),
        (lambda m: mask_to_runs(m[::-1]), Reading(SIZE, mirror="up-down")),
        (lambda m: mask_to_runs(m[::-1, ::-1]), Reading(SIZE, mirror="both")),
        (with_ends, Reading(SIZE, ends="last")),
        (with_pixels_after, Reading(SIZE, ends="after")),
        (lambda m: mask_to_runs(np.pad(m, ((0, 0), (0, 6)))), Reading((HEIGHT, WIDTH + 6), place="start")),
        (lambda m: mask_to_runs(np.pad(m, ((2, 2), (3, 3)))), Reading((HEIGHT + 4, WIDTH + 6), place="centre")),
        (lambda m: mask_to_runs(np.pad(m, ((0, 0), (6, 0)))), Reading((HEIGHT, WIDTH + 6), place="end")),
        (lambda m: mask_to_runs(m[:, 4:-4]), Reading((HEIGHT, WIDTH - 8), place="centre")),
    ],
)
def test_what_was_written_is_read_back(write, reading):
    mask = car_mask()
    found = read(write(mask), reading, SIZE)
    assert found.lost == ""
    assert np.array_equal(found.mask, mask)


def test_what_may_be_lost_is_said():
    mask = car_mask()
    assert (
        "has not the photo's pixels"
        in read(mask_to_runs(nearest(mask, 64, 96)), Reading((64, 96), place="nearest"), SIZE).lost
    )
    assert "outside the frame" in read(np.array([[HEIGHT * WIDTH, 2]]), Reading(SIZE), SIZE).lost
    assert "outside the frame" in read(np.array([[0, 5]]), Reading(SIZE), SIZE).lost
    touching = mask.copy()
    touching[100, :] = True
    cut = mask_to_runs(touching[:, :-8])
    assert "reaches the edge" in read(cut, Reading((HEIGHT, WIDTH - 8)), SIZE).lost
    wide = mask_to_runs(np.pad(mask, ((0, 0), (0, 5)), constant_values=True))
    assert "outside the photo" in read(wide, Reading((HEIGHT, WIDTH + 5)), SIZE).lost


def test_runs_that_overlap_are_painted_once():
    found = read(np.array([[3, 4], [1, 4]]), Reading((2, 8)), (2, 8))
    assert found.mask.sum() == 6
    assert read(np.zeros((0, 2), np.int64), Reading((2, 8)), (2, 8)).mask.sum() == 0


@pytest.mark.parametrize("width", [96, 470, 480, 500])
def test_the_length_of_rows(width):
    mask = nearest(car_mask(), HEIGHT * width // WIDTH, width)
    assert row_length(mask_to_runs(mask)) == width


def test_a_small_mask_does_not_tell():
    assert row_length(mask_to_runs(np.eye(10, dtype=np.bool_))) is None


def test_likely_heights():
    assert likely_heights(1912, 1280 * 1912, (1280, 1918)) == [1280, 1912]
    assert likely_heights(768, 500 * 768, (1280, 1918))[0] == 512
    assert likely_heights(224, 200 * 224, (1280, 1918)) == [224, 1280]


@pytest.mark.parametrize("rough", [False, True])
@pytest.mark.parametrize(
    ("write", "length", "reading"),
    [
        (mask_to_runs, None, Reading(SIZE)),
        (lambda m: moved(m, -1), None, Reading(SIZE, shift=-1)),
        (lambda m: moved(m, 1), None, Reading(SIZE, shift=1)),
        (lambda m: moved(m, WIDTH), None, Reading(SIZE, shift=WIDTH)),
        (lambda m: moved(m, -WIDTH + 1), None, Reading(SIZE, shift=-WIDTH + 1)),
        (lambda m: mask_to_runs(m.T), None, Reading(SIZE, order="columns")),
        (lambda m: moved(m.T, -1), None, Reading(SIZE, order="columns", shift=-1)),
        (with_ends, None, Reading(SIZE, ends="last")),
        (with_pixels_after, None, Reading(SIZE, ends="after")),
        (lambda m: mask_to_runs(~m), None, Reading(SIZE, inverted=True)),
        (lambda m: mask_to_runs(np.pad(m, ((0, 0), (0, 8)))), WIDTH + 8, Reading((HEIGHT, WIDTH + 8), place="start")),
        (lambda m: mask_to_runs(np.pad(m, ((0, 0), (4, 4)))), WIDTH + 8, Reading((HEIGHT, WIDTH + 8), place="centre")),
        (lambda m: mask_to_runs(m[:, :-8]), WIDTH - 8, Reading((HEIGHT, WIDTH - 8), place="start")),
    ],
)
def test_the_right_reading_is_found(write, length, reading, rough):
    """Also for a model that is not perfect: its masks are those of the truth, with a coarse contour."""
    cars = {f"car{i}": car_mask(i - 2) for i in range(5)}
    runs = {name: write(coarse(mask) if rough else mask) for name, mask in cars.items()}
    before, after = find_reading(runs, {name: mask_to_runs(m) for name, m in cars.items()}, SIZE, length=length)
    assert after.reading == reading
    assert before.reading == Reading(SIZE)
    assert after.mean >= before.mean
    assert after.mean > 0.9


def test_a_resized_mask_is_not_taken_for_a_cut_one():
    cars = {f"car{i}": car_mask(i) for i in range(4)}
    runs = {name: mask_to_runs(nearest(mask, HEIGHT, WIDTH + 8)) for name, mask in cars.items()}
    _, after = find_reading(runs, {n: mask_to_runs(m) for n, m in cars.items()}, SIZE, length=WIDTH + 8)
    assert after.reading.frame == (HEIGHT, WIDTH + 8)
    assert after.reading.place in {"stretched", "nearest"}
