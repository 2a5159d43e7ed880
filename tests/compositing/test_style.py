from __future__ import annotations

import cv2
import numpy as np
import pytest

from carmask.compositing.background import Background
from carmask.compositing.light import LINEAR, matched, to_display
from carmask.compositing.matte import Matte
from carmask.compositing.placement import Placing
from carmask.compositing.style import (
    NO_FLOOR,
    Layers,
    RenderStyle,
    blend,
    make_layers,
    render,
    see_through,
    shadow_layer,
    transparent,
)
from carmask.errors import UsageError

GREY = np.full((4, 5, 3), 100, np.uint8)


def constant(value: int) -> np.ndarray:
    return np.full((4, 5), value, np.uint8)


def test_every_display_value_comes_back():
    assert np.array_equal(to_display(LINEAR), np.arange(256))


def test_light_adds_up():
    black, white = np.zeros_like(GREY), np.full_like(GREY, 255)
    # Half of white light is 188 in sRGB (IEC 61966-2-1), not 128.
    assert (blend(None, white, constant(128), black) == 188).all()
    assert (blend(None, white, constant(255), black) == 255).all()
    assert (blend(None, white, constant(0), GREY) == 100).all()


def test_a_shadow_is_a_black_layer():
    result = blend(constant(51), GREY, constant(0), GREY)
    assert (result == 80).all()
    assert (GREY == 100).all()


def test_a_shadow_on_nothing():
    rgba = transparent(constant(102), GREY, constant(0))
    assert (rgba == (0, 0, 0, 102)).all()
    # Over: alpha 0.4 of black under 0.6 of grey.
    rgba = transparent(constant(102), GREY, constant(153))
    assert (rgba[..., 3] == 194).all()
    assert (rgba[..., :3] == round(100 * 153 / 194.2)).all()
    assert (transparent(None, GREY, constant(0)) == 0).all()


def test_windows_let_through_what_they_should():
    soft = Matte(constant(200), GREY)
    glass = np.zeros((2, 5), np.float32)
    glass[:, 3:] = 1
    alpha = see_through(soft, glass, 0.5)
    assert (alpha[:, :2] == 200).all()
    assert (alpha[:, 4:] == 100).all()


def test_matching_goes_the_right_way_and_not_far():
    before, after = np.full(3, 0.5), np.array([0.9, 0.5, 0.1])
    assert np.array_equal(matched(GREY, before, after, 0.0), GREY)
    red, green, blue = matched(GREY, before, after, 1.0)[0, 0]
    assert red > 100 == green > blue
    extreme = matched(GREY, np.zeros(3), np.ones(3), 1.0)[0, 0]
    assert np.allclose(LINEAR[extreme], 1.6 * LINEAR[100], atol=0.005)


def scene():
    photo = np.full((120, 180, 3), 180, np.uint8)
    photo[40:90, 40:140] = (30, 40, 120)
    mask = np.zeros((120, 180), np.bool_)
    mask[40:90, 40:140] = True
    return photo, mask, mask[::2, ::2].astype(np.float32)


@pytest.mark.parametrize("size", [None, (60, 90), (300, 200)])
@pytest.mark.parametrize("rule", ["photo", "centre"])
def test_nothing_of_the_photo_is_left_beside_the_car(size, rule):
    photo, mask, probability = scene()
    look = RenderStyle(placing=Placing(rule, size=size))
    layers = make_layers(photo, mask, probability, look, threshold=0.5)
    result = render(layers, photo, mask, look, Background.parse("#00c000"))
    assert result.shape == (*(size or mask.shape), 3)
    # Whatever is mixed at the edge is mixed of the car and the new background: nothing is light in all channels.
    assert result.min(axis=2).max() <= 45


def test_the_photos_own_surroundings_hold_no_car():
    photo, mask, probability = scene()
    layers = make_layers(photo, mask, probability, RenderStyle(), threshold=0.5)
    result = render(layers, photo, mask, RenderStyle(), Background.parse("blur"))
    assert np.abs(result[~mask].astype(int) - 180).mean() < 3
    assert np.array_equal(result[60, 90], photo[60, 90])


@pytest.mark.parametrize("shadow", ["make", "reflect", "keep"])
def test_no_shadow_ends_in_a_straight_line_where_a_tight_photo_ended(shadow):
    """The floor of a white picture is as even across the photo's lower edge as it is in a photo with room below."""
    photo, mask, probability = scene()
    photo[88:100, 30:150] = np.minimum(photo[88:100, 30:150], 90)
    photo[mask] = 40
    look = RenderStyle(shadow, placing=Placing("centre", fill=0.6, size=(240, 320)))

    def made(rows: int) -> np.ndarray:
        tight = photo[:rows], mask[:rows]
        layers = make_layers(*tight, probability[: rows // 2], look, threshold=0.5)
        return render(layers, *tight, look, Background.parse("#ffffff")).astype(int)

    wide, close = made(120), made(92)
    assert wide.min() < 200
    below = wide[170:].min(axis=2), close[170:].min(axis=2)  # the car ends at about row 168
    steps = [np.abs(np.diff(rows, axis=0)).max() for rows in below]
    assert steps[1] <= steps[0] + 12
    if shadow != "keep":
        assert np.abs(below[0] - below[1]).max() <= 3


@pytest.mark.parametrize("shadow", ["make", "keep", "none"])
def test_the_layer_of_a_shadow_is_the_same_wherever_the_car_is_placed(shadow):
    photo, mask, probability = scene()
    photo[88:100, 30:150] = np.minimum(photo[88:100, 30:150], 90)
    photo[mask] = 40
    found = []
    for placing in (Placing(), Placing("centre", fill=0.6, size=(240, 320))):
        look = RenderStyle(shadow, placing=placing)
        found.append(shadow_layer(make_layers(photo, mask, probability, look, threshold=0.5), mask, look))
    assert np.array_equal(*found)
    assert found[0].shape == mask.shape
    assert found[0].any() == (shadow != "none")


def test_strength_and_notes():
    photo, mask, probability = scene()
    layers = make_layers(photo, mask, probability, RenderStyle("make", strength=0), threshold=0.5)
    assert not layers.shadow.any()
    rng = np.random.default_rng(0)
    wild = rng.integers(0, 2, photo.shape, np.uint8) * 255
    assert make_layers(wild, mask, probability, RenderStyle("keep"), threshold=0.5).note in {"", NO_FLOOR}
    assert make_layers(photo, ~mask & mask, probability * 0, RenderStyle("keep"), threshold=0.5) == Layers(
        None, pytest.approx(photo), pytest.approx(np.zeros_like(mask, np.uint8))
    )


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (RenderStyle(strength=2), "strength: there is no shadow"),
        (RenderStyle(strength=-1), "strength: -1"),
        (RenderStyle(glass=1.5), "glass: 1.5"),
        (RenderStyle(match=2), "match: 2"),
    ],
)
def test_out_of_range(look, message):
    with pytest.raises(UsageError, match=message):
        look.check()


@pytest.mark.parametrize("size", [(70, 84), (170, 204)])
def test_a_car_at_another_scale_is_as_bright_as_it_was(size):
    """Values were cut off, and half a level lost in the mean. The mean to expect is that of OpenCV in floats."""
    colours = np.random.default_rng(0).integers(0, 256, (100, 120, 3)).astype(np.uint8)
    mask = np.ones((100, 120), np.bool_)
    layers = Layers(None, colours, np.full(mask.shape, 255, np.uint8))
    style = RenderStyle(placing=Placing(size=size))
    made = render(layers, colours, mask, style, None)[..., :3]
    method = cv2.INTER_AREA if size[0] < 100 else cv2.INTER_LINEAR
    expected = cv2.resize(colours.astype(np.float32), size[::-1], interpolation=method)
    assert abs(float(made.mean()) - float(expected.mean())) < 0.1


def test_the_photos_own_surroundings_are_cropped_as_the_car_is():
    """All of the photo was squeezed into the crop: the car stood before what lay elsewhere."""
    photo = np.full((120, 400, 3), 20, np.uint8)
    photo[:, 200:] = 220
    mask = np.zeros((120, 400), np.bool_)
    mask[40:80, 290:350] = True
    layers = Layers(None, photo, mask.view(np.uint8) * np.uint8(255))
    made = render(layers, photo, mask, RenderStyle(placing=Placing(crop=0.1)), Background(None))
    assert made.shape == (52, 72, 3)
    assert made[:, :4].min() > 200
