from __future__ import annotations

import cv2
import numpy as np
import pytest

from carmask.compositing.light import LINEAR, to_display
from carmask.compositing.shadow import kept, made

SIZE = (480, 720)


def studio():
    """A block on wheels on a floor that falls off in light, with a soft shadow around its foot: photo, mask, factor."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
    mask = np.zeros(SIZE, np.bool_)
    mask[150:340, 160:560] = True
    mask[340:370, 200:260] = mask[340:370, 460:520] = True
    floor = 0.45 * (1 + 0.15 * x / SIZE[1] - 0.1 * y / SIZE[0])
    dark = np.exp(-(((y - 362) / 14) ** 2) - np.maximum(0, np.abs(x - 360) - 190) ** 2 / 400)
    factor = 1 - 0.7 * dark
    light = np.repeat((floor * factor)[..., None], 3, axis=2).astype(np.float32)
    photo = to_display(light)
    photo[mask] = (40, 60, 160)
    return photo, mask, factor


def test_a_kept_shadow_is_the_floor_over_the_floor_without_it():
    photo, mask, factor = studio()
    opacity = kept(photo, mask)
    assert opacity is not None
    near = ~cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))).astype(bool)
    near[:330] = near[420:] = False
    wanted = 1 - factor ** (1 / 2.2)
    assert np.abs(opacity / 255 - wanted)[near].mean() < 0.05
    assert wanted[near].max() > 0.3
    # None above the car's foot, and none far from it.
    assert not opacity[:250].any()
    assert opacity[:, :60].max() < 8


def test_a_kept_shadow_puts_the_photo_together_again():
    photo, mask, factor = studio()
    opacity = kept(photo, mask)
    clean = to_display(LINEAR[photo] / factor[..., None].astype(np.float32))
    again = clean * (1 - opacity[..., None] / 255.0)
    zone = ~cv2.dilate(mask.astype(np.uint8), np.ones((9, 9))).astype(bool)
    zone[:345] = zone[400:] = False
    assert np.abs(again - photo)[zone].mean() < 8


def test_no_even_floor_no_shadow():
    rng = np.random.default_rng(0)
    photo, mask, _ = studio()
    coarse = rng.choice(np.array([10, 240], np.uint8), (12, 18))
    photo[~mask] = cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_NEAREST)[~mask][:, None]
    assert kept(photo, mask) is None


@pytest.mark.parametrize("area", [(0, 0), (3, 3)])
def test_no_car_no_shadow(area):
    mask = np.zeros(SIZE, np.bool_)
    mask[: area[0], : area[1]] = True
    assert made(mask) is None
    assert kept(np.full((*SIZE, 3), 128, np.uint8), mask) is None


def test_a_made_shadow_lies_under_the_car_and_fades():
    _, mask, _ = studio()
    opacity = made(mask)
    assert opacity.shape == SIZE
    assert opacity[352:366, 280:440].min() > 90  # between the wheels
    assert opacity[420:].max() < 12
    assert not opacity[:140].any()
    assert opacity[355, 20] == 0
    # A mirrored car has a mirrored shadow.
    mirrored = made(np.ascontiguousarray(mask[:, ::-1]))[:, ::-1]
    assert np.abs(mirrored.astype(int) - opacity).mean() < 1
