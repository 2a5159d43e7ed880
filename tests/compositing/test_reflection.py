from __future__ import annotations

import cv2
import numpy as np
import pytest

from carmask.compositing.background import Background
from carmask.compositing.contact import contact_line, lower_contour
from carmask.compositing.reflection import lay, lay_under, reflect
from carmask.compositing.scene import HORIZON, showroom
from carmask.compositing.shadow import made
from carmask.compositing.style import RenderStyle, transparent
from carmask.errors import UsageError


def block(height=120, width=160, top=30, bottom=80, left=40, right=120):
    """A car that is a block: red above, blue below."""
    car, alpha = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    car[top:bottom, left:right] = (200, 0, 0)
    car[bottom - 10 : bottom, left:right] = (0, 0, 200)
    alpha[top:bottom, left:right] = 255
    return car, alpha


def test_it_is_the_mirror_image_about_the_line_of_the_tyres():
    car, alpha = block()
    found = reflect(car, alpha)
    rows = slice(found.top, found.top + len(found.opacity))
    opacity = np.zeros(alpha.shape, np.float32)
    opacity[rows] = found.opacity
    assert opacity[:80].max() == 0
    assert opacity[:, :36].max() == 0
    middle = opacity[80:, 80]
    assert 0.2 < middle[0] <= 0.3
    assert (np.diff(middle) <= 1e-6).all()
    assert middle[30:].max() == 0  # 0.45 of 50 rows
    colours = np.zeros((*alpha.shape, 3), np.float32)
    colours[rows] = found.colours
    # Row 79 is mirrored in row 80: blue first, then red.
    assert colours[81, 80, 2] > 5 * colours[81, 80, 0]
    assert colours[95, 80, 0] > 5 * colours[95, 80, 2]


def test_between_the_wheels_it_begins_where_the_car_does():
    car, alpha = block()
    alpha[70:80, 60:100] = 0  # air between two wheels
    found = reflect(car, alpha)
    column = np.zeros(120, np.float32)
    column[found.top : found.top + len(found.opacity)] = found.opacity[:, 80]
    assert column[80:88].max() < 0.02
    assert column[91] > 0.05


def test_a_large_picture_has_the_reflection_of_a_small_one():
    car, alpha = block()
    small = reflect(car, alpha)
    size = (1600, 1200)
    large = reflect(*(cv2.resize(layer, size, interpolation=cv2.INTER_NEAREST) for layer in (car, alpha)))
    rows = slice(large.top, large.top + len(large.opacity))
    whole = np.zeros((1200, 1600), np.float32)
    whole[rows] = large.opacity
    seen = cv2.resize(whole, (160, 120), interpolation=cv2.INTER_AREA)
    wanted = np.zeros((120, 160), np.float32)
    wanted[small.top : small.top + len(small.opacity)] = small.opacity
    assert np.abs(seen - wanted)[81:, 42:118].max() < 0.02
    assert whole[:798].max() < 0.02


def test_no_car_no_reflection_and_none_below_the_picture():
    car, alpha = block()
    assert reflect(car, np.zeros_like(alpha)) is None
    assert reflect(*block(bottom=120)) is None
    assert reflect(car, alpha, strength=0).opacity.max() == 0


def test_on_transparency_and_on_a_floor_it_is_the_same_light():
    car, alpha = block()
    found, behind = reflect(car, alpha), np.full((120, 160, 3), 180, np.uint8)
    cut = lay_under(found, transparent(None, car, alpha)).astype(np.float32)
    share = cut[..., 3:] / 255
    assert np.abs((cut[..., :3] * share + behind * (1 - share))[80:] - lay(found, behind)[80:]).max() <= 2
    assert (cut[30:80, 40:120, 3] == 255).all()


def test_the_floor_goes_on_under_the_other_face_of_a_car_and_not_under_a_bumper():
    # Seen at an angle: a long face that rises slowly to the left; a steep bumper on the right.
    outline = np.array([[20, 60], [100, 80], [160, 80], [175, 66], [175, 20], [20, 20]])
    car = cv2.fillPoly(np.zeros((100, 200), np.uint8), [outline], 1).astype(bool)
    columns, bottom = lower_contour(car)
    line, below = contact_line(columns, bottom, 155.0)
    assert below[columns == 25] == 1
    assert below[columns == 174] < 0.5
    assert line[columns == 60] == pytest.approx(70, abs=1)


def test_light_from_a_side_throws_the_shadow_to_the_other():
    mask = block()[1] > 0
    above, left, right = (made(mask, light).astype(float) for light in ("above", "left", "right"))
    across = np.arange(160)

    def middle(shadow):
        return (shadow[80:] * across).sum() / shadow[80:].sum()

    assert middle(left) > middle(above) + 1
    assert middle(right) < middle(above) - 1
    assert np.abs(left[:, ::-1] - right).max() <= 2  # the block is symmetric


def test_light_is_for_made_shadows_and_runs_without_a_choice_go_on():
    RenderStyle("reflect", light="left").check()
    with pytest.raises(UsageError, match="light: it lights a made shadow"):
        RenderStyle("keep", light="left").check()
    assert "light" not in RenderStyle("make").settings()
    assert RenderStyle("make", light="left").settings()["light"] == "left"


def test_the_room_has_a_floor_below_its_horizon_and_is_the_same_each_time():
    room = showroom((300, 400))
    assert np.array_equal(room, showroom((300, 400)))
    wall, floor = room[int(300 * HORIZON) - 12, 200].mean(), room[int(300 * HORIZON) + 12, 200].mean()
    assert wall > floor + 20
    steps = np.abs(np.diff(cv2.blur(room, (9, 9)).astype(int), axis=0))
    assert steps.max() <= 25


def test_the_room_is_a_background_of_any_size():
    room = Background.parse("showroom")
    assert not room.own
    assert room.scene == "showroom"
    assert room.digest() != Background.parse("white").digest() != Background.parse("blur").digest()
    assert room.fitted((30, 40)).shape == (30, 40, 3)
    assert np.array_equal(room.fitted((300, 400)), showroom((300, 400)))
