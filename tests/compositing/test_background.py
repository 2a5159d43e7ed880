from __future__ import annotations

import pickle

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from carmask.compositing.background import Background, blurred, compose, contain, cover
from carmask.errors import ArrayError, PhotoError, UsageError
from tests.conftest import draw_photo


def test_colours_by_name_and_number():
    for text, rgb in (("white", (255, 255, 255)), ("#8a5", (136, 170, 85)), ("#102030", (16, 32, 48))):
        assert (Background.parse(text).fitted((3, 5)) == rgb).all()
    for nonsense in ("wite", "#12345", "white:", "red:green:blue", "", "missing.jpg"):
        with pytest.raises(UsageError, match="no such picture, and not a colour"):
            Background.parse(nonsense)


def test_a_colour_that_is_partly_transparent_is_refused():
    assert (Background.parse("#102030ff").fitted((3, 5)) == (16, 32, 48)).all()
    for text in ("#10203080", "#fff8", "white:#ffffff00"):
        with pytest.raises(UsageError, match=r"partly transparent, and a background covers: take #(102030|ffffff)$"):
            Background.parse(text)


def test_a_folder_is_no_picture_and_hides_no_colour(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("rooms", "white"):
        (tmp_path / name).mkdir()
    with pytest.raises(UsageError, match="rooms: this is a folder; a background is one picture"):
        Background.parse("rooms")
    assert (Background.parse("white").fitted((3, 5)) == 255).all()


def test_a_gradient_goes_from_top_to_bottom():
    made = Background.parse("black:#ffffff").fitted((256, 40)).mean(axis=(1, 2))
    assert np.abs(made - np.arange(256)).max() < 1
    assert Background.parse("black:white").digest() != Background.parse("white:black").digest()


def test_whatever_a_picture_is_stored_as(tmp_path):
    upright = np.zeros((40, 60, 3), np.uint8)
    upright[:, :20] = (250, 10, 10)
    stored = Image.fromarray(upright)
    clear = np.dstack([upright, np.full((40, 60), 255, np.uint8)])
    clear[30:, :, 3] = 0
    exif = Image.Exif()
    exif[0x0112] = 6
    stored.convert("CMYK").save(tmp_path / "cmyk.tiff")
    Image.fromarray(clear).save(tmp_path / "alpha.png")
    Image.fromarray(np.ascontiguousarray(np.rot90(upright, 1))).save(tmp_path / "turned.png", exif=exif)
    stored.convert("L").save(tmp_path / "grey.png")
    for name in ("cmyk.tiff", "turned.png", "alpha.png", "grey.png"):
        # Smaller than the photo, as backgrounds from the web are.
        made = Background.parse(str(tmp_path / name)).fitted((400, 600))
        assert made.shape == (400, 600, 3)
        if name == "grey.png":
            continue
        assert np.abs(made[50:250, 20:150].astype(int) - (250, 10, 10)).mean() < 12, name
        assert made[50:250, 320:].max() < 25, name
        assert (made[330:] > 200).all() == (name == "alpha.png")


def test_contain_shows_all_of_it():
    picture = np.full((20, 60, 3), 90, np.uint8)
    picture[:, 30:] = 130
    made = contain(picture, (60, 60))
    assert (made[20:40, :29] == 90).all()
    assert (made[20:40, 31:] == 130).all()
    assert np.ptp(made[:20]) == 0
    assert 90 < made[0, 0, 0] < 130
    assert Background(picture, fit="contain").digest() != Background(picture).digest()


def test_blurred_surroundings_hold_nothing_of_the_car(photo):
    large = np.full((240, 320, 3), 160, np.uint8)
    mask = np.zeros((240, 320), np.bool_)
    mask[80:200, 60:260] = True
    large[mask] = (255, 0, 0)
    assert np.abs(blurred(large, mask).astype(int) - 160).max() <= 2
    assert blurred(photo, np.ones(photo.shape[:2], np.bool_)).shape == photo.shape


def test_colours_get_the_photos_profile():
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    background = Background.parse("#336699")
    assert (background.fitted((4, 4)) == (0x33, 0x66, 0x99)).all()
    # The same space under another name changes nothing; a damaged profile changes nothing either.
    assert np.abs(background.fitted((4, 4), wide).astype(int) - (0x33, 0x66, 0x99)).max() <= 1
    assert (background.fitted((4, 4), b"damaged") == (0x33, 0x66, 0x99)).all()


def test_long_frames_take_the_memory_of_what_is_seen():
    # Covered with a square, this one would be of 17 gigapixels.
    assert (cover(np.array([[[1, 2, 3]]], np.uint8), (1, 131072)) == (1, 2, 3)).all()
    picture = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    made = cover(picture, (16, 131072))
    assert made.shape == (16, 131072, 3)
    # One direction after the other is what both at once are, but for the rounding between.
    size = (4, 1600)
    whole = cv2.resize(picture, (1600, 1600), interpolation=cv2.INTER_CUBIC)[798:802].astype(int)
    assert np.abs(cover(picture, size).astype(int) - whole)[:, 200:-200].max() <= 4


def test_pictures_cover_and_keep_their_middle(tmp_path):
    picture = np.zeros((40, 120, 3), np.uint8)
    picture[:, 40:80] = 200  # the middle third
    assert (cover(picture, (40, 40)) == 200).all()
    assert cover(picture, (77, 31)).shape == (77, 31, 3)
    Image.fromarray(picture).save(tmp_path / "room.png")
    background = Background.parse(str(tmp_path / "room.png"))
    # Sizes may change from photo to photo.
    assert background.fitted((20, 60)).shape == (20, 60, 3)
    assert background.fitted((40, 120)).tolist() == picture.tolist()


def test_a_broken_picture_is_an_error(tmp_path):
    (tmp_path / "room.jpg").write_bytes(b"no")
    with pytest.raises(PhotoError, match=r"room\.jpg"):
        Background.parse(str(tmp_path / "room.jpg"))


def test_compose_takes_each_pixel_from_its_side(photo):
    mask = np.zeros(photo.shape[:2], np.bool_)
    mask[3:9, 20:40] = True
    background = np.full_like(photo, 9)
    result = compose(photo, mask, background)
    assert np.array_equal(result[mask], photo[mask])
    assert (result[~mask] == 9).all()


def test_what_is_no_picture_and_no_room_is_refused():
    for pixels in (np.zeros((20, 30, 3)), np.zeros((20, 30), np.uint8), np.zeros((0, 30, 3), np.uint8)):
        with pytest.raises(ArrayError, match="a background must"):
            Background(pixels)
    with pytest.raises(UsageError, match="scene='attic': there is no such room; there is showroom"):
        Background(None, scene="attic")


def test_a_picture_is_hashed_once_and_known_by_it_where_it_is_sent(monkeypatch):
    background = Background(draw_photo(1, (30, 40)))
    digest = background.digest()
    sent = pickle.loads(pickle.dumps(background))
    monkeypatch.setattr("hashlib.sha256", lambda _: pytest.fail("hashed again"))
    assert sent.digest() == background.digest() == digest
