"""Scenes for any place: what is car in them, and that they follow from the seed."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from carmask.data.layouts import read_data
from carmask.data.photometric import change_camera, change_light, compress, darken_corners, saturate
from carmask.data.table import Example
from carmask.errors import DataError
from carmask.formats.rle import rle_encode
from carmask.geometry import box_of
from carmask.training.dataset.anywhere import generator as module
from carmask.training.dataset.anywhere.cutouts import cut_car_out, place, put_into
from carmask.training.dataset.anywhere.epoch import ScenePhotos, letterbox_both, spoil
from carmask.training.dataset.anywhere.generator import SceneGenerator
from carmask.training.dataset.anywhere.places import add_caption, draw_page, draw_stage, piece_of
from carmask.training.dataset.anywhere.store import PhotoStore
from carmask.training.dataset.anywhere.viewpoint import change_viewpoint
from carmask.training.scene_settings import SceneSettings

CAR, OTHER, WALL = (200, 30, 30), (30, 30, 200), (120, 130, 120)


def draw(colour=CAR, size=(120, 180), box=(40, 50, 90, 130)) -> tuple[np.ndarray, np.ndarray]:
    photo = np.full((*size, 3), WALL, np.uint8)
    mask = np.zeros(size, np.uint8)
    photo[box[0] : box[2], box[1] : box[3]] = colour
    mask[box[0] : box[2], box[1] : box[3]] = 255
    return photo, mask


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    folder = tmp_path_factory.mktemp("anywhere")

    def store(name, colour, count, *, masks=True):
        examples = []
        for number in range(count):
            photo, mask = draw(colour, box=(40, 40 + 4 * number, 90, 120 + 4 * number))
            file = folder / f"{name}_{number}"
            cv2.imwrite(f"{file}.png", photo[..., ::-1] if masks else np.full_like(photo, (90, 140, 60)))
            cv2.imwrite(f"{file}_mask.png", mask)
            truth = file.with_name(f"{file.name}_mask.png") if masks else None
            examples.append(
                Example(file.name, file.with_name(f"{file.name}.png"), truth, None if masks else "", name, 0)
            )
        made = PhotoStore(name, examples, (896, 1344), folder / "store")
        made.fill()
        return made

    return store("main", CAR, 3), store("street", OTHER, 3), store("backgrounds", CAR, 2, masks=False)


def generator(stores, scale=0.5, **shares):
    main, street, backgrounds = stores
    kinds = {"real": 0.0, "composite": 0.0, "main": 0.0, "empty": 0.0, "captions": 0.0, **shares}
    return SceneGenerator(main, [(street, 1.0)], backgrounds, SceneSettings(**kinds), scale=scale)


def test_a_store_keeps_photo_and_mask_in_place(stores):
    photo, mask = stores[0].read(1)
    assert (photo.shape, mask.shape) == ((120, 180, 3), (120, 180))
    assert box_of(mask >= 128) == (40, 44, 90, 124)
    assert np.abs(photo[60, 80].astype(int) - CAR).max() < 12
    half = stores[0].read(1, half=True)
    assert (half[0].shape, half[1].shape) == ((60, 90, 3), (60, 90))
    assert not stores[2].read(0)[1].any()


def test_a_store_refuses_a_mask_of_another_size(tmp_path):
    photo, mask = draw()
    cv2.imwrite(str(tmp_path / "a.png"), photo)
    cv2.imwrite(str(tmp_path / "m.png"), mask[:-2])
    store = PhotoStore("x", [Example("a", tmp_path / "a.png", tmp_path / "m.png", None, "a", 0)], (896, 1344), tmp_path)
    with pytest.raises(DataError, match="180x118"):
        store.fill()


@pytest.mark.parametrize("layout", ["train", "table", "labels", "coco"])
def test_a_store_keeps_the_truth_of_every_layout(layout, tmp_path):
    """Truths lie in files of masks, in a table of run lengths, or in a format of annotation tools."""
    photo, mask = draw()
    data, kept = tmp_path / "data", tmp_path / "store"
    photos = data / ("train" if layout in {"train", "table"} else "photos")
    photos.mkdir(parents=True)
    cv2.imwrite(str(photos / "a_01.png"), photo)
    if layout == "train":
        (data / "train_masks").mkdir()
        cv2.imwrite(str(data / "train_masks" / "a_01_mask.png"), mask)
    elif layout == "table":
        (data / "train_masks.csv").write_text(f"img,rle_mask\na_01.png,{rle_encode(mask > 0)}\n")
    elif layout == "labels":
        (data / "labels").mkdir()
        cv2.imwrite(str(data / "labels" / "a_01.png"), mask // 255)
    else:
        box = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[50, 40, 130, 40, 130, 90, 50, 90]]}
        image = {"id": 1, "file_name": "photos/a_01.png", "height": 120, "width": 180}
        told = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "car"}]}
        (data / "annotations.json").write_text(json.dumps(told))
    examples, _ = read_data(data)
    store = PhotoStore("x", examples, (896, 1344), kept)
    store.fill()
    np.testing.assert_allclose(store.read(0)[1], mask, atol=1)
    # Another truth is another file, so that an old one is never taken for it.
    changed = [replace(examples[0], threshold=7)]
    assert PhotoStore("x", changed, (896, 1344), kept).file(0) != store.file(0)


@pytest.mark.parametrize("kind", ["real", "composite", "main", "empty"])
@pytest.mark.parametrize("scale", [0.5, 1.7])
def test_every_kind_gives_a_photo_and_its_mask(stores, kind, scale):
    drawn = generator(stores, scale, **{kind: 1.0})
    for seed in range(6):
        photo, mask = drawn.draw(np.random.default_rng(seed))
        again, _ = drawn.draw(np.random.default_rng(seed))
        assert (photo.dtype, mask.dtype) == (np.uint8, np.uint8)
        assert photo.shape == (*mask.shape, 3)
        assert photo.shape[0] <= 256 * scale * 1.11
        np.testing.assert_array_equal(photo, again)
        if kind == "empty":
            assert not mask.any()


def test_other_cars_behind_are_not_in_the_mask(stores, monkeypatch):
    """The car alone is red: where the mask is, and nowhere else; the blue cars behind it are not in it."""
    monkeypatch.setattr(module, "change_light", lambda photo, *_, **__: photo)
    monkeypatch.setattr(module, "change_camera", lambda photo, **_: photo)
    drawn = generator(stores, 1.0, composite=1.0, others=1.0, two_equal=0.0, main_cars=1.0)
    monkeypatch.setattr(drawn, "_background", lambda size, _: np.full((*size, 3), (90, 140, 60), np.uint8))
    street = cut_car_out(*stores[1].read(0))
    plain = drawn._cut_out
    monkeypatch.setattr(drawn, "_cut_out", lambda rng, main: plain(rng, 1.0) if main == 1.0 else street)
    blue = 0
    for seed in range(8):
        photo, mask = drawn.draw(np.random.default_rng(seed))
        values = photo.astype(int)
        red = (values[..., 0] - values[..., 2] > 60) & (values[..., 0] > 120)
        assert red[mask > 250].mean() > 0.97
        behind = (values[..., 2] - values[..., 0] > 60) & (values[..., 2] > 100)
        assert not behind[mask > 128].any()
        blue += int(behind.any())
    assert blue >= 4


def test_a_car_is_placed_where_it_is_said():
    car = cut_car_out(*draw())
    assert car is not None
    assert car.shape == pytest.approx(62 / 92)
    rng = np.random.default_rng(0)
    _, alpha = place(car, (200, 300), width=92, middle=150, bottom=120, rng=rng)
    box = box_of(alpha >= 128)
    # The car's own margin of six pixels lies below it; it may be turned by some degrees.
    assert box is not None
    assert (box.left + box.right) / 2 == pytest.approx(150, abs=4)
    assert box.bottom == pytest.approx(114, abs=5)
    assert box.right - box.left == pytest.approx(80, abs=5)


@pytest.mark.parametrize("box", [(0, 20, 60, 100), (40, 50, 120, 130)])
def test_a_car_that_the_frame_cuts_off_is_not_cut_out(box):
    assert cut_car_out(*draw(box=box)) is None
    assert cut_car_out(draw()[0], np.zeros((120, 180), np.uint8)) is None


def test_a_reflection_lies_below_the_car_only():
    car, alpha = draw()
    scene = np.full((120, 180, 3), 100, np.uint8)
    plain = put_into(scene, car, alpha, shadow=False, reflection=False, rng=np.random.default_rng(0))
    shiny = put_into(scene, car, alpha, shadow=False, reflection=True, rng=np.random.default_rng(0))
    changed = np.abs(shiny.astype(int) - plain).max(2) > 3
    assert changed[90:, 60:120].any()
    assert not changed[:70].any()
    np.testing.assert_array_equal(shiny[45:85, 55:125], car[45:85, 55:125])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.floats(0.8, 1.9))
def test_a_viewpoint_moves_photo_and_mask_alike(seed, tilt, widen):
    photo, mask = draw()
    seen, there = change_viewpoint(photo, mask, (128.0, 192.0), widen=widen, tilt=tilt, rng=np.random.default_rng(seed))
    assert seen.shape == (*there.shape, 3)
    assert there.shape[0] <= 128
    assert there.shape[1] <= 192
    red = (seen[..., 0].astype(int) - seen[..., 2]) * (255 / 170)
    assert np.abs(red - there).mean() < 3


def test_settings_that_do_not_add_up():
    with pytest.raises(ValueError, match=r"add up to 1, and add up to 1\.1"):
        SceneSettings(real=0.5, composite=0.3, main=0.2, empty=0.1)


@pytest.mark.parametrize("place_of", [draw_page, draw_stage])
def test_drawn_places(place_of):
    seen = {place_of((60, 90), rng=np.random.default_rng(seed)).tobytes() for seed in range(5)}
    assert len(seen) == 5
    picture = place_of((60, 90), rng=np.random.default_rng(0))
    assert (picture.shape, picture.dtype) == ((60, 90, 3), np.uint8)
    marked = add_caption(picture, rng=np.random.default_rng(3))
    assert (marked.shape, marked.dtype) == (picture.shape, np.uint8)
    piece = piece_of(picture, (70, 40), scale=1.0, rng=np.random.default_rng(1))
    assert (piece.shape, piece.dtype) == ((70, 40, 3), np.uint8)


def test_photometric_changes_by_hand():
    photo = draw()[0]
    np.testing.assert_array_equal(saturate(photo, 1.0), photo)
    assert np.ptp(saturate(photo, 0.0).astype(int), axis=2).max() == 0
    np.testing.assert_array_equal(change_light(photo, 0.0, rng=np.random.default_rng(0)), photo)
    assert np.abs(compress(photo, 95).astype(int) - photo).mean() < 3
    dark = darken_corners(np.full((60, 90, 3), 200, np.uint8), 0.5, rng=np.random.default_rng(0))
    assert dark[30, 45, 0] > 180 > dark[0, 0, 0]
    changed = change_camera(photo, scale=2.0, rng=np.random.default_rng(0))
    assert (changed.shape, changed.dtype) == (photo.shape, np.uint8)


def test_a_compressed_photo_is_what_pillow_makes_of_it():
    photo = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    photo[16:48, 16:80] = (200, 20, 30)
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=40)
    assert np.abs(compress(photo, 40).astype(int) - np.asarray(Image.open(buffer))).mean() < 0.5


def test_a_letterboxed_mask_stays_on_the_car():
    photo, mask = letterbox_both(*draw(size=(120, 120), box=(30, 30, 90, 90)), (64, 96))
    assert (photo.shape, mask.shape) == ((64, 96, 3), (64, 96))
    assert box_of(mask >= 128) == pytest.approx((16, 32, 48, 64))
    red = photo[..., 0].astype(int) - photo[..., 2] > 80
    assert np.count_nonzero(red ^ (mask >= 128)) < 40


def test_a_spoilt_map_stays_a_map():
    probability = np.linspace(0, 1, 64 * 96, dtype=np.float32).reshape(64, 96)
    changes = []
    for seed in range(20):
        spoilt = spoil(probability, rng=np.random.default_rng(seed))
        assert (spoilt.dtype, spoilt.shape) == (np.float32, (64, 96))
        assert 0 <= spoilt.min() <= spoilt.max() <= 1
        changes.append(float(np.abs(spoilt - probability).mean()))
    assert min(changes) < 0.05 < max(changes)


class Dark:
    """A localisation network that calls red car."""

    def __init__(self, info):
        self.info = info

    def run(self, pixels):
        return (pixels[..., 0].astype(int) - pixels[..., 2] > 80).astype(np.float32)


def test_both_stages_are_shown_the_same_scene(stores, dark):
    drawn = generator(stores, 1.0, main=1.0, main_as_is=1.0)
    whole = ScenePhotos(drawn, (64, 96), 4, seed=(0, 1))
    photo, mask = whole[2]
    assert (tuple(photo.shape), tuple(mask.shape)) == ((64, 96, 3), (64, 96))
    info = dark.info.model_copy(update={"height": 64, "width": 96})
    guided = ScenePhotos(drawn, (64, 96), 4, seed=(0, 1), locating=Dark(info))
    pixels, truth, guide = guided[2]
    assert (tuple(pixels.shape), tuple(truth.shape), tuple(guide.shape)) == ((64, 96, 3), (64, 96), (64, 96))
    assert ((guide.numpy() > 0.5) ^ (truth.numpy() > 127)).mean() < 0.2
    assert all(bool((one == other).all()) for one, other in zip(guided[2], guided[2], strict=True))
    with pytest.raises(IndexError):
        whole[4]
