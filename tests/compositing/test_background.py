from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from carmask.compositing.background import Background, compose, cover
from carmask.errors import PhotoError, UsageError


def test_colours_by_name_and_number():
    for text, rgb in (("white", (255, 255, 255)), ("#8a5", (136, 170, 85)), ("#102030", (16, 32, 48))):
        assert (Background.parse(text).fitted((3, 5)) == rgb).all()
    with pytest.raises(UsageError, match="--background wite: no such picture, and not a colour"):
        Background.parse("wite")


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
