"""Random changes: what they leave alone, how often they come, that photo and mask stay together."""

from __future__ import annotations

import hashlib

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from carmask.data import augment as changes
from carmask.data import warp
from carmask.data.augment import AugmentSettings, affine, augment, binarise, grey_car, relight, turn_hue
from carmask.formats.classes import mirrored

SIZE = (48, 72)


@pytest.fixture
def example():
    rng = np.random.default_rng(5)
    photo = cv2.resize(rng.integers(0, 256, (6, 9, 3), np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    mask = np.zeros(SIZE, np.uint8)
    mask[16:34, 20:50] = 255
    return photo, mask


def rng(seed=0):
    return np.random.default_rng(seed)


def test_nothing_is_on_by_default(example):
    photo, mask = example
    for seed in range(20):
        moved, moved_mask = augment(photo, mask, AugmentSettings(), rng=rng(seed))
        assert np.array_equal(moved, photo)
        assert np.array_equal(moved_mask, mask)


def test_flips(example):
    photo, mask = example
    for settings, by in ((AugmentSettings(flip=1), np.s_[:, ::-1]), (AugmentSettings(flip_up_down=1), np.s_[::-1])):
        moved, moved_mask = augment(photo, mask, settings, rng=rng())
        assert np.array_equal(moved, photo[by])
        assert np.array_equal(moved_mask, mask[by])
        assert moved.flags.c_contiguous
        assert moved_mask.flags.c_contiguous


@pytest.mark.parametrize("settings", [AugmentSettings(five=0.5), AugmentSettings(shift=0.1, scale=0.1, rotate=10)])
def test_the_same_seed_gives_the_same_and_another_another(example, settings):
    photo, mask = example
    one, again = (augment(photo, mask, settings, rng=rng(3)) for _ in range(2))
    assert np.array_equal(one[0], again[0])
    assert np.array_equal(one[1], again[1])
    others = [augment(photo, mask, settings, rng=rng(seed))[1] for seed in range(8)]
    assert len({other.tobytes() for other in others}) > 4


def test_each_of_the_five_comes_with_its_probability(example):
    """With p = 0.1 nothing happens to 0.9^5 = 59 % of photos; four standard deviations of 1,500 draws are 5 %."""
    photo, mask = example
    source = rng(1)
    same = 0
    for _ in range(1500):
        moved, _ = augment(photo, mask, AugmentSettings(five=0.1), rng=source)
        same += np.array_equal(moved, photo)
    assert abs(same / 1500 - 0.9**5) < 0.05


def test_the_five_stay_in_their_ranges(example):
    """Shift by at most 0.2, zoom at least 0.8: a pixel at the centre stays within reach."""
    photo, _ = example
    mask = np.zeros(SIZE, np.uint8)
    mask[22:26, 34:38] = 255
    source = rng(2)
    for _ in range(300):
        _, moved = augment(photo, mask, AugmentSettings(five=1), rng=source)
        rows, columns = np.nonzero(moved >= 128)
        assert len(rows)
        # 0.2 of the size, enlarged by 1 / 0.8, turned and sheared by at most 20 degrees, and the block's own size.
        reach = np.hypot(0.2 * SIZE[0], 0.2 * SIZE[1]) / 0.8 * 1.5 + 5
        assert np.hypot(rows - 23.5, columns - 35.5).max() < reach


@pytest.mark.parametrize(
    "settings",
    [
        AugmentSettings(five=1, binary=True),
        AugmentSettings(flip=0.5, flip_up_down=0.5, binary=True),
        AugmentSettings(shift=0.1, scale=0.2, rotate=30, binary=True),
    ],
)
def test_a_binary_mask_stays_binary_and_on_the_photo(example, settings):
    _, mask = example
    photo = np.repeat(mask[..., None], 3, axis=2)
    for seed in range(30):
        moved, moved_mask = augment(photo, mask, settings, rng=rng(seed))
        assert set(np.unique(moved_mask)) <= {0, 255}
        inside = np.s_[4:-4, 4:-4]
        border = np.concatenate([moved_mask[0], moved_mask[-1], moved_mask[:, 0], moved_mask[:, -1]])
        if not border.any():  # a car at the edge goes on in the photo alone
            assert np.array_equal(binarise(moved[..., 0])[inside], moved_mask[inside])


def test_affine_agrees_with_the_warp(example):
    """The two implementations of shift, scale and rotation, written in opposite directions."""
    from carmask.data import warp

    photo, mask = example
    one = affine(photo, mask, shift=(0.1, -0.05), scale=1.25, degrees=12)
    matrix = warp.rotation(12) @ warp.zoom(0.8, 0.8) @ warp.shift(0.1, -0.05, size=SIZE)
    other = warp.warp(photo, mask, matrix)
    assert np.abs(one[0].astype(int) - other[0]).max() <= 8
    assert ((one[1] >= 128) != (other[1] >= 128)).mean() < 0.003


def test_labels_stay_labels(example):
    photo, _ = example
    labels = np.zeros(SIZE, np.uint8)
    labels[10:30, 10:30], labels[20:40, 40:60] = 3, 18
    settings = AugmentSettings(shift=0.1, scale=0.2, rotate=15, binary=True)
    for seed in range(10):
        _, moved = augment(photo, labels, settings, rng=rng(seed), swap=np.arange(256, dtype=np.uint8))
        assert set(np.unique(moved)) <= {0, 3, 18}


def test_colours_change_in_the_photo_alone(example):
    photo, mask = example
    settings = AugmentSettings(brightness=0.5, contrast=0.5, hue=90, grey=1, colours=4)
    moved, moved_mask = augment(photo, mask, settings, rng=rng(4))
    assert np.array_equal(moved_mask, mask)
    assert not np.array_equal(moved, photo)


def test_grey_car_is_grey_where_the_car_is_and_nowhere_else(example):
    photo, mask = example
    grey = grey_car(photo, mask)
    assert np.array_equal(grey[mask == 0], photo[mask == 0])
    car = grey[mask == 255]
    assert (car.min(axis=1) == car.max(axis=1)).all()


def test_relight_by_hand():
    photo = np.array([[[10, 20, 30], [50, 60, 70]]], np.uint8)  # mean 40
    assert relight(photo, 1, 1).tolist() == photo.tolist()
    assert relight(photo, 2, 1).tolist() == [[[20, 40, 60], [100, 120, 140]]]
    assert relight(photo, 1, 2).tolist() == [[[0, 0, 20], [60, 80, 100]]]


def test_hue_by_hand():
    red = np.full((2, 2, 3), (200, 0, 0), np.uint8)
    assert turn_hue(red, 120)[0, 0].tolist() == [0, 200, 0]
    assert turn_hue(red, -120)[0, 0].tolist() == [0, 0, 200]
    assert turn_hue(red, 360)[0, 0].tolist() == [200, 0, 0]


def test_what_the_default_recipe_does_to_a_photo_stays():
    """Golden: new changes must not disturb the random numbers of recipes that do without them."""
    source = rng(11)
    photo = source.integers(0, 256, (40, 60, 3), np.uint8)
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 15:45] = 255
    settings = AugmentSettings(
        flip=0.5, shift=0.05, scale=0.1, rotate=3, brightness=0.15, contrast=0.15, hue=10, grey=0.5
    )
    sums = [[int(a.astype(np.int64).sum()) for a in augment(photo, mask, settings, rng=rng(s))] for s in range(3)]
    assert sums == [[943557, 124818], [994806, 181741], [828649, 129205]]
    assert hashlib.sha256(photo.tobytes()).hexdigest().startswith("8b1a5ee24ca5")  # the generator itself


@pytest.mark.parametrize("wrong", [{"five": 1.5}, {"flip": -0.1}, {"colours": 1000}, {"tilt": 1}])
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        AugmentSettings(**wrong)


@pytest.mark.parametrize("setting", ["flip", "flip_up_down"])
def test_labels_of_the_left_become_those_of_the_right_in_a_mirror(example, setting):
    photo, _ = example
    labels = np.zeros(SIZE, np.uint8)
    labels[10:30, 10:30], labels[20:40, 40:60] = 1, 3
    swap = mirrored(("front_left_door", "hood", "front_right_door"))
    settings = AugmentSettings(**{setting: 1.0})
    seen, moved = augment(photo, labels, settings, rng=rng(), swap=swap)
    axis = 1 if setting == "flip" else 0
    assert np.array_equal(seen, np.flip(photo, axis))
    assert np.array_equal(moved, np.flip(np.array([0, 3, 0, 1], np.uint8)[labels], axis))


def test_the_flip_of_the_five_swaps_sides_as_well(example):
    photo, _ = example
    labels = np.ones(SIZE, np.uint8)
    swap = mirrored(("left", "right"))
    found = {int(augment(photo, labels, AugmentSettings(five=0.5), rng=rng(s), swap=swap)[1].max()) for s in range(20)}
    assert found == {1, 2}


def test_grey_car_with_labels_is_grey_all_over_the_car(example):
    photo, mask = example
    labels = (mask > 0).astype(np.uint8)
    seen, _ = augment(photo, labels, AugmentSettings(grey=1.0), rng=rng(), swap=np.arange(256, dtype=np.uint8))
    car = seen[labels > 0].astype(int)
    assert np.abs(car - car.mean(axis=1, keepdims=True)).max() <= 2
    assert np.array_equal(seen[labels == 0], photo[labels == 0])


def test_stretch_agrees_with_the_warp(example):
    photo, mask = example
    ours = changes.affine(photo, mask, shift=(0, 0), scale=1, degrees=0, stretch=1.25)
    theirs = warp.warp(photo, mask, warp.zoom(1.25, 1 / 1.25))
    assert np.abs(ours[0].astype(int) - theirs[0]).max() <= 2
    assert np.abs(ours[1].astype(int) - theirs[1]).max() <= 2


def test_blur_and_noise_change_the_photo_alone(example):
    photo, mask = example
    blurred, same = augment(photo, mask, AugmentSettings(blur=1.0), rng=rng(1))
    assert np.array_equal(same, mask)
    assert np.square(np.diff(blurred.astype(int), axis=1)).sum() < np.square(np.diff(photo.astype(int), axis=1)).sum()
    grey = np.full((64, 64, 3), 128, np.uint8)
    assert changes.add_noise(grey, 5.0, rng=rng()).std() == pytest.approx(5.0, rel=0.05)
    assert changes.add_noise(grey, 5.0, rng=rng()).mean() == pytest.approx(128, abs=0.2)
