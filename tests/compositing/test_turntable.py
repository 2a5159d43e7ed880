from __future__ import annotations

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from carmask.compositing.turntable import (
    animation,
    find_views,
    make_turntables,
    read_views,
    spin_page,
    write_turntable,
)
from carmask.errors import PhotoError, UsageError
from tests.images.pictures import p3_profile


@pytest.fixture
def views(tmp_path):
    for number in range(1, 17):
        pixels = np.full((48, 64, 3), number * 15, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"a car_{number:02d}.png")
    for name in ("a car_01_mask.png", "report.csv", "alone_01.png"):
        Image.new("RGB", (64, 48)).save(tmp_path / name, "PNG")
    return tmp_path


def test_views_are_found_in_their_order(views):
    found = find_views(views)
    assert list(found) == ["a car"]
    assert [path.name for path in found["a car"]] == [f"a car_{number:02d}.png" for number in range(1, 17)]


@pytest.mark.parametrize(
    ("names", "car"),
    [
        (["IMG_1021.JPG", "IMG_1022.JPG", "IMG_1023.JPG"], "IMG"),
        (["DSC01021.png", "DSC01022.png"], "DSC"),
        (["IMG_20261126_101500.jpg", "IMG_20261126_101502.jpg"], "IMG_20261126"),
        (["0001.webp", "0002.webp"], "spin"),
        (["red car (9).jpg", "red car (10).jpg"], "red car"),
        (["polo_9.png", "polo_10.png"], "polo"),
    ],
)
def test_pictures_that_a_camera_numbered_are_views(tmp_path, names, car):
    (tmp_path / "spin").mkdir()
    for name in names:
        (tmp_path / "spin" / name).touch()
    found = find_views(tmp_path / "spin")
    assert {key: [path.name for path in paths] for key, paths in found.items()} == {car: names}


def test_views_are_shown_in_srgb_whatever_their_profile(tmp_path):
    # (234, 51, 35) in Display P3 is sRGB's pure red.
    for number in (1, 2):
        image = Image.new("RGB", (64, 48), (234, 51, 35))
        image.save(tmp_path / f"car_{number:02d}.png", icc_profile=p3_profile())
    views = read_views(find_views(tmp_path)["car"], 64)
    assert np.abs(views[0].astype(int) - (255, 0, 0)).max() <= 1
    shown = re.findall(r'<img src="data:image/webp;base64,([^"]+)"', spin_page("car", views, 100))
    with Image.open(io.BytesIO(base64.b64decode(shown[0]))) as image:
        assert "icc_profile" not in image.info
        assert np.abs(np.asarray(image).astype(int) - (255, 0, 0)).max() <= 6


def test_page_and_animation_hold_every_view(views, tmp_path):
    pictures = read_views(find_views(views)["a car"], 32)
    page, film = write_turntable(tmp_path / "new" / "spin", "a <car>", pictures, seconds=4, quality=90)
    text = page.read_text()
    assert "a &lt;car&gt;" in text
    assert "http" not in text
    assert "@" not in re.sub(r"base64,[^\"]*", "", text)
    shown = re.findall(r'<img src="data:image/webp;base64,([^"]+)"([^>]*)>', text)
    assert ["class=on" in rest for _, rest in shown] == [True] + [False] * 15
    for number, (content, _) in enumerate(shown, 1):
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
        assert pixels.shape == (24, 32, 3)
        assert abs(int(pixels.mean()) - number * 15) < 6
    with Image.open(film) as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (16, (32, 24), 0)
        image.seek(1)
        image.load()
        assert image.info["duration"] == 250


def test_views_of_different_sizes_get_the_smallest(views):
    Image.fromarray(np.full((96, 128, 3), 7, np.uint8)).save(views / "a car_03.png")
    Image.fromarray(np.full((36, 48, 3), 9, np.uint8)).save(views / "a car_04.png")
    assert {view.shape for view in read_views(find_views(views)["a car"], 960)} == {(36, 48, 3)}


def test_views_of_different_shapes_are_refused(views):
    Image.new("RGB", (64, 64)).save(views / "a car_09.png")
    with pytest.raises(UsageError, match=r"a car_09\.png is 64x64 and a car_01\.png 64x48: views of one car need one"):
        read_views(find_views(views)["a car"], 960)
    # The first one that can be read is named.
    (views / "a car_01.png").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"a car_09\.png is 64x64 and a car_02\.png 64x48"):
        read_views(find_views(views)["a car"], 960, [])


def test_transparent_views_stay_transparent(views):
    rgba = np.zeros((48, 64, 4), np.uint8)
    rgba[10:30, 20:40] = (200, 100, 50, 255)
    Image.fromarray(rgba).save(views / "a car_05.png")
    pictures = read_views(find_views(views)["a car"], 32)
    assert {view.shape for view in pictures} == {(24, 32, 4)}
    # Transparent black does not get into the edge.
    shown = pictures[4][pictures[4][..., 3] > 0][:, :3].astype(int)
    assert np.abs(shown - (200, 100, 50)).max() <= 1
    assert "webp" in spin_page("x", pictures, 80)
    assert Image.open(io.BytesIO(animation(pictures, 1, 80))).n_frames == 16


def test_folders_without_views(tmp_path):
    with pytest.raises(UsageError, match="there is no such folder"):
        find_views(tmp_path / "missing")
    with pytest.raises(UsageError, match="no views of a car"):
        find_views(tmp_path)
    Image.new("RGB", (64, 48)).save(tmp_path / "c_01.png")
    with pytest.raises(UsageError, match=r"no car has two views in this folder; c_01\.png is the only one"):
        find_views(tmp_path)
    Image.new("RGB", (64, 48)).save(tmp_path / "c_01.jpg")
    with pytest.raises(UsageError, match="the same view"):
        find_views(tmp_path)


def test_the_only_view_of_a_car_is_left_out_and_named(tmp_path):
    for name in ("a_1", "a_2", "b_7", "logo"):
        Image.new("RGB", (32, 24)).save(tmp_path / f"{name}.png")
    alone: list[Path] = []
    made, failures = make_turntables(tmp_path, tmp_path / "out", alone=alone)
    assert [one.car for one in made] == ["a"]
    assert failures == []
    assert alone == [tmp_path / "b_7.png"]


def test_no_picture_is_overwritten_and_no_animation_put_among_the_views(tmp_path):
    """a.webp beside a_1.png was replaced; the next run over the folder took animations for photos."""
    folder, out = tmp_path / "views", tmp_path / "out"
    folder.mkdir()
    for name in ("a_1.png", "a_2.png", "a.webp"):
        Image.new("RGB", (32, 24), "red").save(folder / name)
    (tmp_path / "link").symlink_to(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for same in (folder, tmp_path / "link", folder / ".." / "views"):
        with pytest.raises(UsageError, match=r"out: .*: the folder of the views; name another one"):
            make_turntables(folder, same)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before
    out.mkdir()
    (out / "a.webp").write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"a\.webp: a picture would be overwritten; name another folder"):
        make_turntables(folder, out)
    assert [path.name for path in out.iterdir()] == ["a.webp"]
    (out / "a.webp").unlink()
    for _ in range(2):  # its own files are replaced
        assert len(make_turntables(folder, out)[0]) == 1


def test_a_view_that_fails_is_left_out_and_the_other_cars_are_turned(tmp_path):
    folder = tmp_path / "cut"
    folder.mkdir()
    for car, shape in (("a", (40, 60)), ("b", (40, 60)), ("c", (40, 60))):
        for view in range(1, 4):
            size = (40, 90) if (car, view) == ("c", 2) else shape
            Image.fromarray(np.full((*size, 3), 40 * view, np.uint8)).save(folder / f"{car}_{view:02d}.png")
    (folder / "a_02.png").write_bytes(b"nothing")
    for view in (1, 3):
        (folder / f"b_{view:02d}.png").write_bytes(b"nothing")
    steps = []
    made, failures = make_turntables(folder, tmp_path / "out", progress=lambda *step: steps.append(step))
    assert [(one.car, one.views) for one in made] == [("a", 2)]
    assert made[0].page.is_file()
    assert made[0].film.is_file()
    assert [failure.name for failure in failures] == ["a_02.png", "b_01.png", "b_03.png", "b", "c"]
    assert failures[3].reason == "b: 1 of 3 views can be read; a turntable needs two"
    assert "views of one car need one shape" in failures[4].reason
    assert steps == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(PhotoError):
        read_views([folder / "a_01.png", folder / "a_02.png"], 100)
