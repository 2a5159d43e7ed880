from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from carmask.compositing.plates import PlateCover
from carmask.errors import PhotoError, UsageError

SQUARE = np.array([[60, 80], [180, 70], [182, 112], [58, 118]], np.float32)


def photo_with_plate(corners=SQUARE, text="AB 123", ground=(235, 235, 230), ink=(10, 10, 10), size=(200, 240)):
    """A grey photo with a lettered plate in perspective."""
    plate = np.full((60, 180, 3), ground, np.uint8)
    cv2.putText(plate, text, (8, 45), cv2.FONT_HERSHEY_DUPLEX, 1.4, ink, 4, cv2.LINE_AA)
    unit = np.array([[0, 0], [180, 0], [180, 60], [0, 60]], np.float32)
    matrix = cv2.getPerspectiveTransform(unit, corners)
    seen = cv2.warpPerspective(plate, matrix, size[::-1])
    share = cv2.warpPerspective(np.full((60, 180), 255, np.uint8), matrix, size[::-1])[..., None] > 127
    photo = np.random.default_rng(0).normal(120, 3, (*size, 3)).clip(0, 255).astype(np.uint8)
    return np.where(share, seen, photo)


def inside(corners, size=(200, 240)):
    return cv2.fillConvexPoly(np.zeros(size, np.uint8), np.rint(corners).astype(np.int32), 1) > 0


@st.composite
def plates(draw):
    """A plate's corners: convex, in some perspective, anywhere, also beyond the photo's edge."""
    wide, high = draw(st.floats(20, 140)), draw(st.floats(8, 60))
    middle = np.array([draw(st.floats(-10, 250)), draw(st.floats(-10, 210))])
    shift = np.array(draw(st.lists(st.floats(-0.2, 0.2), min_size=8, max_size=8))).reshape(4, 2) * [wide, high]
    unit = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    return (unit * [wide, high] + shift + middle).astype(np.float32)


PICTURE = np.dstack([np.full((20, 90, 3), (10, 200, 30), np.uint8), np.full((20, 90), 255, np.uint8)])


@given(plates(), st.sampled_from(["blur", "plain", "picture"]))
def test_the_plate_is_covered_and_nothing_far_from_it_changes(corners, kind):
    cover = PlateCover(kind, PICTURE if kind == "picture" else None)
    photo = np.random.default_rng(1).integers(0, 255, (200, 240, 3), np.uint8)
    before = photo.copy()
    made = cover.hide(photo, [corners])
    assert (photo == before).all()
    assert made.shape == photo.shape
    assert made.dtype == np.uint8
    place = cover.place(corners)
    # What is hidden holds the plate, whatever its perspective is.
    for corner in corners:
        assert cv2.pointPolygonTest(place, (float(corner[0]), float(corner[1])), measureDist=False) >= 0
    reach = 6 + 0.25 * np.linalg.norm(place[3] - place[0])
    near = cv2.dilate(inside(place).astype(np.uint8), np.ones((2 * int(reach) + 1,) * 2, np.uint8)) > 0
    assert (made[~near] == photo[~near]).all()


@pytest.mark.parametrize("kind", ["blur", "plain"])
def test_nothing_of_the_writing_is_left(kind):
    """Two plates with other writing look alike once they are hidden, but for their mean."""
    one, other = photo_with_plate(text="AB 123"), photo_with_plate(text="WM 880")
    core = inside(SQUARE)
    apart = np.abs(one[core].astype(int) - other[core]).mean()
    cover = PlateCover(kind)
    hidden = [cover.hide(photo, [SQUARE])[core].astype(float) for photo in (one, other)]
    left = np.abs((hidden[0] - hidden[0].mean()) - (hidden[1] - hidden[1].mean())).mean()
    assert apart > 20
    assert left < 5
    # No stroke is left: neighbouring pixels of the middle hardly differ.
    smooth = cover.hide(one, [SQUARE]).astype(int)
    middle = inside((SQUARE - SQUARE.mean(axis=0)) * 0.7 + SQUARE.mean(axis=0))[:, 1:]
    assert np.abs(np.diff(smooth, axis=1))[middle].max() <= 12


def test_a_plain_plate_has_the_colour_of_its_ground_and_the_light_across_it():
    photo = photo_with_plate(ground=(230, 200, 40))
    shade = np.linspace(1.0, 0.6, 240)[None, :, None]
    photo = (photo * shade).astype(np.uint8)
    made = PlateCover("plain").hide(photo, [SQUARE])
    for x in (80, 120, 160):
        expected = np.array([230, 200, 40]) * shade[0, x, 0]
        assert np.abs(made[94, x].astype(float) - expected).max() < 14


def test_a_dark_plate_stays_dark():
    photo = photo_with_plate(ground=(20, 22, 30), ink=(230, 230, 230))
    assert PlateCover("plain").hide(photo, [SQUARE])[94, 120].max() < 60


def test_a_picture_stands_in_the_plates_perspective():
    """Its four quarters are at the plate's four corners."""
    quarters = np.zeros((40, 80, 3), np.uint8)
    quarters[:20, :40], quarters[:20, 40:] = (255, 0, 0), (0, 255, 0)
    quarters[20:, 40:], quarters[20:, :40] = (0, 0, 255), (255, 255, 255)
    made = PlateCover("picture", quarters).hide(photo_with_plate(text=""), [SQUARE])
    towards = (SQUARE * 0.75 + SQUARE.mean(axis=0) * 0.25).round().astype(int)
    seen = [made[y, x].astype(int) for x, y in towards]
    assert [int(np.argmax(one)) for one in seen[:3]] == [0, 1, 2]
    assert min(seen[3]) > 180
    assert all(np.sort(one)[1] < 60 for one in seen[:3])


def test_a_picture_is_as_bright_as_the_plate():
    white = np.full((20, 60, 3), 255, np.uint8)
    sunny = PlateCover("picture", white).hide(photo_with_plate(ground=(235, 235, 235)), [SQUARE])
    shady = PlateCover("picture", white).hide(photo_with_plate(ground=(100, 100, 100)), [SQUARE])
    assert sunny[94, 120].min() > 225
    assert 90 < shady[94, 120].mean() < 125


def test_through_a_transparent_picture_the_plain_plate_is_seen():
    photo = photo_with_plate()
    clear = np.zeros((20, 60, 4), np.uint8)
    assert np.abs(PlateCover("picture", clear).hide(photo, [SQUARE])[94, 120].astype(int) - 233).max() < 10
    assert (photo[inside(SQUARE)].min(axis=1) < 60).any()
    assert PlateCover("picture", clear).hide(photo, [SQUARE])[inside(SQUARE)].min() > 140


def test_without_plates_the_photo_is_the_same_array():
    photo = photo_with_plate()
    assert PlateCover("blur").hide(photo, []) is photo


def test_what_a_user_writes(tmp_path):
    assert PlateCover.parse("keep") is None
    assert PlateCover.parse("blur").kind == "blur"
    assert PlateCover.parse("plain").kind == "plain"
    Image.fromarray(PICTURE).save(tmp_path / "plate.png")
    Image.fromarray(PICTURE[..., :3]).save(tmp_path / "plate.jpg")
    first, second = PlateCover.parse(str(tmp_path / "plate.png")), PlateCover.parse(str(tmp_path / "plate.jpg"))
    assert first.kind == second.kind == "picture"
    assert len({one.digest() for one in (first, second, PlateCover("blur"), PlateCover("plain"))}) == 4
    assert first.digest() == PlateCover.parse(str(tmp_path / "plate.png")).digest()
    for wrong in (str(tmp_path / "none.png"), "blurr", "", str(tmp_path)):
        with pytest.raises(UsageError, match="no such picture, and it is not keep, blur or plain"):
            PlateCover.parse(wrong)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(PhotoError, match=r"text\.png"):
        PlateCover.parse(str(tmp_path / "text.png"))


def test_a_large_picture_is_made_smaller():
    for high in (200, 30):
        made = PlateCover("picture", np.zeros((high, 5000, 3), np.uint8))
        assert max(made.picture.shape) == 1600
        assert min(made.picture.shape[:2]) >= 16
        assert made.hide(photo_with_plate(), [SQUARE])[94, 120].max() < 10


def test_a_picture_that_is_too_small_is_refused():
    with pytest.raises(UsageError, match="40x8: both sides of a picture need 16 pixels"):
        PlateCover("picture", np.zeros((8, 40, 3), np.uint8))


def test_small_plates_and_plates_beyond_the_edge():
    photo = photo_with_plate()
    for corners in (
        np.array([[10, 10], [13, 10], [13, 12], [10, 12]], np.float32),
        SQUARE - np.float32([120, 90]),
        SQUARE + np.float32([1000, 0]),
    ):
        for cover in (PlateCover("blur"), PlateCover("plain"), PlateCover("picture", PICTURE)):
            assert cover.hide(photo, [corners]).shape == photo.shape


def test_a_picture_must_be_given_to_be_put_over_plates():
    with pytest.raises(UsageError, match="plate: 'picture': there is no picture"):
        PlateCover("picture")
