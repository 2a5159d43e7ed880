"""The public API, as a program uses it."""

from __future__ import annotations

import io
import logging
import pickle
import re
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import carmask
from carmask import (
    ArrayError,
    Background,
    Cutter,
    ModelError,
    OutputSpec,
    PhotoError,
    Placing,
    RenderStyle,
    Review,
    UsageError,
)
from carmask.images import read_mask
from tests.conftest import REPOSITORY, draw_photo


@pytest.fixture(scope="module")
def cutter(tiny_model):
    return Cutter(tiny_model)


@pytest.fixture
def png(tmp_path):
    path = tmp_path / "car.png"  # lossless, so that all ways in have the same pixels
    Image.fromarray(draw_photo(1)).save(path)
    return path


def test_the_readme_s_script_runs(tmp_path, examples):
    text = (REPOSITORY / "README.md").read_text()
    script = next(code for code in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "cut_folder" in code)
    for call in ("mask(", "predict(", "cut_out(", "composite(", "cut_folder(", "rle_encode("):
        assert call in script
    photos = sorted((examples / "train").glob("*.jpg"))
    (tmp_path / "photos").mkdir()
    shutil.copy(photos[0], tmp_path / "car.jpg")
    for photo in photos[:2]:
        shutil.copy(photo, tmp_path / "photos")
    command = [sys.executable, "-W", "error", "-c", script]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[1].startswith("2 0 ")
    assert Image.open(tmp_path / "cut.png").mode == "RGBA"
    assert Image.open(tmp_path / "white.jpg").size == Image.open(tmp_path / "car.jpg").size
    assert len(list((tmp_path / "out").glob("*_mask.png"))) == len(list((tmp_path / "out").glob("*.webp"))) == 2


def test_all_ways_in_are_the_same_photo(cutter, png):
    pixels = np.asarray(Image.open(png))
    ways = [png, str(png), png.read_bytes(), Image.open(png), Image.fromarray(pixels), pixels]
    first = cutter.predict(png)
    assert first.mask.any()
    assert first.mask.shape == pixels.shape[:2]
    for way in ways:
        assert np.array_equal(cutter.mask(way), first.mask)
        assert cutter.predict(way).confidence == first.confidence
        assert np.array_equal(cutter.cut_out(way), cutter.cut_out(png))


def test_orientation_is_applied_on_all_ways(cutter, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    Image.fromarray(np.ascontiguousarray(np.rot90(draw_photo(3), 1))).save(path, exif=exif)
    for way in (path, path.read_bytes(), Image.open(path)):
        assert cutter.mask(way).shape == (128, 192)
        assert cutter.cut_out(way).shape == (128, 192, 4)


def test_pictures_are_those_of_the_command(cutter, png, tmp_path):
    summary = cutter.cut_folder(png, tmp_path / "out", OutputSpec(mask=True, background=Background.parse("teal")))
    assert (summary.done, summary.failed) == (1, 0)
    assert np.array_equal(read_mask(tmp_path / "out" / "car_mask.png"), cutter.mask(png))
    made = np.asarray(Image.open(tmp_path / "out" / "car.png"))
    for background in ("teal", Background.parse("teal"), np.full((1, 1, 3), (0, 128, 128), np.uint8)):
        assert np.array_equal(cutter.composite(png, background), made)
    assert cutter.cut_folder([png], tmp_path / "cut").done == 1
    assert np.array_equal(np.asarray(Image.open(tmp_path / "cut" / "car.png")), cutter.cut_out(png))


def test_a_style_moves_the_car(cutter, png):
    style = RenderStyle(placing=Placing("centre", size=(60, 90)))
    assert cutter.cut_out(png, style).shape == (60, 90, 4)
    assert cutter.composite(png, "white", style).shape == (60, 90, 3)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c.mask("missing.jpg"), PhotoError, "missing.jpg: there is no such file"),
        (lambda c: c.mask(b"no photo"), PhotoError, "photo: not an image that can be read"),
        (lambda c: c.mask(np.zeros((5, 5), np.uint8)), ArrayError, "a photo must be a uint8 array of shape"),
        (lambda c: c.mask(7), ArrayError, "a photo must be a path, bytes, a Pillow image or a uint8 array, not int"),
        (lambda c: c.mask(Image.new("F", (64, 64))), PhotoError, "image: floating-point pixels"),
        (lambda c: c.composite(draw_photo(1), "no such colour"), UsageError, "background: no such colour"),
        (lambda c: c.cut_out(draw_photo(1), RenderStyle(glass=0.5)), UsageError, "glass: it needs a model"),
        (
            lambda c: c.cut_out(draw_photo(1), RenderStyle(placing=Placing("turntable"))),
            UsageError,
            "use cut_folder",
        ),
        (lambda c: c.cut_folder("missing", "out"), UsageError, "missing: there is no such photo or folder"),
        (lambda c: c.cut_folder(b"photos", "out"), UsageError, "b'photos': give a path, or a list of paths"),
        (lambda c: c.cut_folder(None, "out"), UsageError, "None: give a path"),
        (lambda c: c.cut_folder("photos", None), UsageError, "None: give a path"),
    ],
)
def test_errors(cutter, call, error, message):
    with pytest.raises(error, match=message):
        call(cutter)


def test_every_public_name_is_there_and_described():
    page = (REPOSITORY / "docs" / "reference" / "python.md").read_text()
    for name in carmask.__all__:
        assert getattr(carmask, name) is not None
    for name in dir(Cutter):
        if not name.startswith("_") and name != "info":
            assert f"cutter.{name}(" in page
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        carmask.nonsense  # noqa: B018


def test_importing_loads_little_and_changes_nothing_global():
    code = (
        "import sys, logging, warnings, numpy, cv2\n"
        "from PIL import Image, PngImagePlugin\n"
        "def state(): return Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK, warnings.filters[:], "
        "logging.getLogger().handlers[:], logging.getLogger().level\n"
        "before = state()\n"
        "import carmask\n"
        "print(sorted({'openvino', 'pydantic', 'torch'} & set(sys.modules)))\n"
        "from carmask import *\n"
        "print(state() == before, 'torch' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\nTrue False\n"


def test_pillow_s_limits_are_back_after_reading(cutter, png, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    threads = [threading.Thread(target=cutter.mask, args=(png,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert (Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK) == (1000, 2**20)
    with pytest.raises(PhotoError):
        cutter.mask(io.BytesIO(b"x").getvalue())
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_nothing_is_printed_by_the_library_s_logger(capfd):
    import carmask.batch.run

    assert carmask.batch.run is not None
    logging.getLogger("carmask.anything").error("not seen")
    assert capfd.readouterr() == ("", "")


def test_plates_are_hidden_where_they_are_found(cutter, png, monkeypatch):
    from carmask import api
    from carmask.compositing.plates import PlateCover
    from carmask.prediction.plates import FoundPlate

    rows, columns = np.nonzero(cutter.mask(png))
    x, y = np.median(columns), np.median(rows)
    corners = np.array([[x - 9, y - 3], [x + 9, y - 3], [x + 9, y + 3], [x - 9, y + 3]], np.float32)
    monkeypatch.setattr(api, "PlateNetwork", lambda: None)
    monkeypatch.setattr(api, "find_plates", lambda *_: [FoundPlate(corners, 0.9)])
    green = PlateCover("picture", np.full((16, 48, 3), (0, 250, 0), np.uint8))
    pixels = np.asarray(Image.open(png)).copy()
    before = pixels.copy()
    for made in (cutter.cut_out(pixels, plate=green), cutter.composite(pixels, "white", plate=green)):
        red, lit, blue = (int(value) for value in made[int(y), int(x)][:3])
        assert lit > 60 > max(red, blue)
    assert (pixels == before).all()
    assert (cutter.cut_out(png, plate="keep") == cutter.cut_out(png)).all()
    with pytest.raises(UsageError, match="not keep, blur or plain"):
        cutter.cut_out(png, plate="blurr")


@pytest.mark.parametrize(
    ("style", "said"),
    [
        (RenderStyle(shadow="soft"), "shadow: 'soft': give 'none', 'keep', 'make', 'reflect'"),
        (RenderStyle(shadow="make", light="up"), "light: 'up': give 'above', 'left', 'right'"),
        (RenderStyle(placing=Placing("center")), "rule: 'center': give 'photo', 'centre', 'turntable', 'vehicle'"),
        (
            RenderStyle(placing=Placing("centre", size=(0, 10))),
            "size: (0, 10): give (height, width), two whole numbers",
        ),
        (RenderStyle(placing=Placing("centre", size="3x4")), "size: '3x4': give (height, width), two whole numbers"),
        (RenderStyle(placing=Placing("centre", size=(3.5, 4))), "size: (3.5, 4): give (height, width), two whole"),
        (RenderStyle(placing=Placing(crop="0.1")), "crop: '0.1': give a number"),
        (RenderStyle(placing=Placing("centre", fill=None)), "fill: None: give a number"),
        (RenderStyle(shadow="make", strength="1"), "strength: '1': give a number"),
        (RenderStyle(glass="some"), "glass: 'some': give a number"),
        (RenderStyle(placing=None), "placing: None: give a Placing, such as Placing()"),
        ("make", "style: 'make': give a RenderStyle, such as RenderStyle()"),
    ],
)
def test_a_style_that_there_is_not_is_refused_not_passed_over(cutter, png, style, said):
    with pytest.raises(UsageError) as error:
        cutter.composite(png, "white", style)
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"format": "gif"}, "format: 'gif': give 'png', 'webp', 'jpg'"),
        ({"others": "drop"}, "others: 'drop': give 'cut', 'keep', 'skip'"),
        ({"keep_metadata": "some"}, "keep_metadata: 'some': give 'all', 'safe', 'none'"),
        ({"background": "white"}, "background: 'white': give a Background, such as Background.parse(…)"),
        ({"plate": "blur"}, "plate: 'blur': give a PlateCover, such as PlateCover.parse(…)"),
        ({"format": "webp", "quality": 1000}, "quality: 1000: give 1 to 100"),
        ({"format": "webp", "quality": "90"}, "quality: '90': give 1 to 100"),
        ({"style": None}, "style: None: give a RenderStyle, such as RenderStyle()"),
    ],
)
def test_outputs_that_there_are_not_are_refused_before_anything_is_written(cutter, png, tmp_path, settings, said):
    with pytest.raises(UsageError) as error:
        cutter.cut_folder(png, tmp_path / "out", OutputSpec(**settings))
    assert str(error.value) == said
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"timeout": -1}, "timeout: -1: give seconds, more than 0"),
        ({"timeout": float("nan")}, "timeout: nan: give seconds, more than 0"),
        ({"timeout": "9"}, "timeout: '9': give a number"),
        ({"review": Review(0.9, budget=5)}, "budget: 5: give 0 to 1"),
        ({"review": Review(float("nan"))}, "below: nan: give 0 to 1"),
        ({"review": Review("0.9")}, "below: '0.9': give a number"),
        ({"review": 0.9}, "review: 0.9: give a Review, such as Review(0.97)"),
        ({"spec": "webp"}, "spec: 'webp': give an OutputSpec, such as OutputSpec()"),
    ],
)
def test_settings_of_a_run_that_there_are_not_are_refused_before_it(cutter, png, tmp_path, settings, said):
    """All photos failed by the time limit, none or all were to review, or the run broke off when all was done."""
    with pytest.raises(UsageError) as error:
        cutter.cut_folder(png, tmp_path / "out", **settings)
    assert str(error.value) == said
    assert not (tmp_path / "out").exists()


def test_a_model_and_a_device_that_there_are_not_are_refused(tiny_model):
    with pytest.raises(UsageError, match="device: 'gpu': give 'cpu', 'cuda', 'tensorrt'"):
        Cutter(tiny_model, device="gpu")
    with pytest.raises(ModelError, match="a model is a file's path or a model's name, not NoneType"):
        Cutter(None)


def test_a_cutter_goes_to_another_process(cutter, png):
    again = pickle.loads(pickle.dumps(cutter))
    np.testing.assert_array_equal(again.mask(png), cutter.mask(png))


def test_a_background_of_another_kind_is_called_one(cutter, png):
    with pytest.raises(ArrayError, match="a background must be a uint8 array"):
        cutter.composite(png, np.zeros((4, 4)))
    with pytest.raises(UsageError, match="fit: 'stretch': give 'cover', 'contain'"):
        Background.parse("white", fit="stretch")
    with pytest.raises(UsageError, match="plate: 'fancy': give 'blur', 'plain', 'picture'"):
        carmask.PlateCover("fancy")
