from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carmask.compositing.placement import Move, Placing, moved
from carmask.errors import UsageError
from carmask.geometry import Box, box_of, union

PHOTO = (100, 200)
CAR = Box(40, 50, 80, 150)


def test_boxes():
    mask = np.zeros(PHOTO, np.bool_)
    assert box_of(mask) is None
    mask[40:80, 50:150] = True
    assert box_of(mask) == CAR
    assert union([None, CAR, Box(10, 60, 20, 190)]) == Box(10, 50, 80, 190)
    assert union([None]) is None


@pytest.mark.parametrize(
    ("placing", "move"),
    [
        (Placing(), Move(1, 0, 0, PHOTO)),
        (Placing(size=(50, 100)), Move(0.5, 0, 0, (50, 100))),
        (Placing(size=(100, 100)), Move(0.5, 25, 0, (100, 100))),  # whole, in the middle
        (Placing("centre", 0.5), Move(1, -10, 0, PHOTO)),  # 100 of 200 wide
        (Placing("centre", 0.8), Move(1.6, -46, -60, PHOTO)),
        (Placing("centre", 0.5, floor=0.9), Move(1, 10, 0, PHOTO)),  # row 80 comes to 90
        (Placing("turntable", 0.5), Move(1, -10, 0, PHOTO)),  # without a series as centre
        (Placing(crop=0), Move(1, -40, -50, (40, 100))),
        (Placing(crop=0.1), Move(1, -30, -40, (60, 120))),
        (Placing(crop=5), Move(1, 0, 0, PHOTO)),  # no more than there is
    ],
)
def test_rules_by_hand(placing, move):
    assert placing.move(PHOTO, CAR) == move


def test_all_views_of_a_car_move_alike():
    placing, series = Placing("turntable", floor=0.9, size=(300, 400)), Box(30, 40, 90, 160)
    assert len({placing.move(PHOTO, car, series) for car in (CAR, Box(30, 90, 90, 110), None)}) == 1


@given(
    top=st.integers(0, 60),
    left=st.integers(0, 150),
    high=st.integers(1, 40),
    wide=st.integers(1, 50),
    fill=st.floats(0.1, 1),
    floor=st.none() | st.floats(0.3, 1),
    size=st.tuples(st.integers(40, 300), st.integers(40, 300)),
)
def test_a_placed_car_is_whole_in_the_picture(top, left, high, wide, fill, floor, size):
    mask = np.zeros(PHOTO, np.uint8)
    mask[top : top + high, left : left + wide] = 255
    move = Placing("centre", fill, floor, size).move(PHOTO, Box(top, left, top + high, left + wide))
    result = moved(mask, move)
    assert result.shape == size
    # Interpolation and whole pixels cost about one pixel, of the photo or of the picture, at each side.
    found, slack = box_of(result > 127), 2 * (max(1, move.scale) + 1)
    wanted = min(high * move.scale, size[0]), min(wide * move.scale, size[1])
    if min(wanted) > slack:
        assert found is not None
        assert found.bottom - found.top == pytest.approx(wanted[0], abs=slack)
        assert found.right - found.left == pytest.approx(wanted[1], abs=slack)


def test_moving_by_whole_pixels_keeps_every_value():
    layer = np.random.default_rng(0).integers(0, 256, (*PHOTO, 3), np.uint8)
    assert moved(layer, Move(1, 0, 0, PHOTO)) is layer
    result = moved(layer, Move(1, -30, 20, (50, 240)))
    assert np.array_equal(result[:50, 20:220], layer[30:80])
    assert not result[:, :20].any()
    assert not moved(layer, Move(1, 500, 0, PHOTO)).any()


@pytest.mark.parametrize(
    ("placing", "message"),
    [
        (Placing(fill=0), "fill: 0"),
        (Placing("centre", floor=1.2), "floor: 1.2"),
        (Placing(fill=0.5), "fill: it says how large a moved car is"),
        (Placing(floor=0.5), "floor: it says where a moved car stands"),
        (Placing(crop=-0.1), "crop: -0.1"),
        (Placing("centre", crop=0.1), "crop: it cuts the photo's own frame"),
        (Placing(size=(20000, 20000)), "size: 20000x20000: at most 128 megapixels"),
    ],
)
def test_rules_that_cannot_be_followed(placing, message):
    with pytest.raises(UsageError, match=message):
        placing.check()


def test_numpy_s_numbers_become_python_s():
    placing = Placing("centre", np.float32(0.5), np.float64(0.75), [np.int64(480), np.int32(640)])
    assert placing == Placing("centre", 0.5, 0.75, (480, 640))
    kinds = [type(one) for one in (placing.fill, placing.floor, placing.size, *placing.size)]
    assert kinds == [float, float, tuple, int, int]
    placing.check()
