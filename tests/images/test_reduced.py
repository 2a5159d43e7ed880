"""Decoding at reduced size, masks as one-bit PNG, and what a killed process leaves: the fast side of ``images``."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from PIL import Image

from carmask.errors import OutputError, PhotoError
from carmask.images import encode_mask, encode_picture, open_reduced, read_photo, remove_leftovers


def picture(height: int, width: int) -> np.ndarray:
    """Smooth colours with a dark block: nothing that a JPEG would blur."""
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([80 + 120 * rows / height, 200 - 90 * columns / width, np.full_like(rows, 90)], axis=2)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = 30
    return pixels.astype(np.uint8)


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95, subsampling=0, **options)
    return stream.getvalue()


def reduced(content: bytes, height: int, width: int):
    return open_reduced("photo.jpg", lambda _: (height, width), content)


@pytest.mark.parametrize(
    ("size", "needed", "decoded"),
    [
        ((1280, 1920), (512, 768), (640, 960)),
        ((1280, 1920), (640, 960), (640, 960)),
        ((1280, 1920), (641, 768), (1280, 1920)),
        ((1280, 1920), (160, 240), (160, 240)),
        ((1280, 1920), (100, 100), (160, 240)),
        ((1280, 1918), (512, 768), (640, 959)),
        ((1281, 1920), (512, 768), (1281, 1920)),  # 1/2 would be 640.5 rows: the bottom would move
        ((1284, 1924), (160, 240), (321, 481)),  # 1/4 divides it, 1/8 does not
        ((300, 400), (512, 768), (300, 400)),
    ],
)
def test_the_largest_fraction_that_is_enough_is_decoded(size, needed, decoded):
    found = reduced(jpeg(picture(*size)), *needed)
    assert found.size == size
    assert found.pixels.shape == (*decoded, 3)


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_fraction_shows_the_same_picture_in_the_same_place(factor):
    content = jpeg(picture(640, 960))
    whole = np.asarray(Image.open(io.BytesIO(content)))
    size = (640 // factor, 960 // factor)
    # Independent: OpenCV averages the whole picture, libjpeg leaves coefficients out.
    expected = cv2.resize(whole, size[::-1], interpolation=cv2.INTER_AREA).astype(int)
    difference = np.abs(reduced(content, *size).pixels - expected)
    assert difference.mean() < 1
    assert np.percentile(difference, 99) <= 6


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_upright_at_any_size(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = jpeg(picture(320, 640), exif=exif.tobytes())
    asked = []
    found = open_reduced("photo.jpg", lambda size: (asked.append(size), (size[0] // 4, size[1] // 4))[1], content)
    whole = open_reduced("photo.jpg", lambda size: size, content).pixels
    assert asked == [whole.shape[:2]] == [found.size]
    assert found.pixels.shape == (whole.shape[0] // 4, whole.shape[1] // 4, 3)
    expected = cv2.resize(whole, found.pixels.shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(found.pixels - expected).mean() < 1


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_other_colours_are_reduced_too(mode, tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(picture(320, 640)).convert(mode).save(path, quality=95)
    found = open_reduced(path, lambda _: (160, 320))
    assert found.pixels.shape == (160, 320, 3)
    expected = cv2.resize(read_photo(path), (320, 160), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(found.pixels - expected).mean() < 2


def test_other_formats_come_whole(tmp_path):
    pixels = picture(320, 640)
    for suffix in ("png", "webp", "tif", "bmp"):
        path = tmp_path / f"photo.{suffix}"
        Image.fromarray(pixels).save(path, **({"lossless": True} if suffix == "webp" else {}))
        found = open_reduced(path, lambda _: (160, 320))
        assert found.size == (320, 640)
        assert np.array_equal(found.pixels, pixels)


def test_a_truncated_photo_is_refused_at_any_size():
    content = jpeg(picture(320, 640))
    for needed in ((320, 640), (160, 320), (40, 80)):
        with pytest.raises(PhotoError, match=r"photo\.jpg: damaged: image file is truncated"):
            reduced(content[: len(content) * 3 // 4], *needed)


@settings(deadline=None)
@given(hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=70)))
def test_masks_as_png_are_what_pillow_reads(mask):
    # Independent: Pillow's decoder checks lengths and check sums.
    image = Image.open(io.BytesIO(encode_mask(mask)))
    image.load()
    assert (image.mode, image.format) == ("1", "PNG")
    assert np.array_equal(np.asarray(image), mask)
    assert np.array_equal(cv2.imdecode(np.frombuffer(encode_mask(mask), np.uint8), cv2.IMREAD_GRAYSCALE), mask * 255)


def test_cut_outs_as_webp_keep_the_contour_and_nearly_the_colours():
    pixels = picture(200, 300) + np.random.default_rng(0).integers(0, 6, (200, 300, 3), np.uint8)
    mask = np.zeros((200, 300), np.bool_)
    mask[30:170, 41:255] = True
    cut = np.dstack([pixels, mask * np.uint8(255)]) * mask[..., None]
    content = encode_picture(cut, format="webp")
    rgba = np.asarray(Image.open(io.BytesIO(content)).convert("RGBA")).astype(int)
    assert np.array_equal(rgba[..., 3], mask * 255)
    assert np.abs(rgba[mask][:, :3] - pixels[mask]).mean() < 4
    assert len(content) < len(encode_picture(cut))


def test_webp_says_what_it_cannot_hold():
    with pytest.raises(OutputError, match="16400x20 is too large for WebP"):
        encode_picture(np.zeros((20, 16400, 3), np.uint8), format="webp")


def test_leftovers_of_long_and_strange_names_are_found(tmp_path):
    names = ["a" * 200 + ".png", "two\nlines.png", "größe.png"]
    left = [tmp_path / f".{name[:50]}.abcd_123.tmp" for name in names]
    kept = [tmp_path / ".other.png.abcd_123.tmp", tmp_path / ".two\nlines.png.abcd_12.tmp", tmp_path / "größe.png"]
    for path in left + kept:
        path.touch()
    remove_leftovers(tmp_path, names)
    assert sorted(tmp_path.iterdir()) == sorted(kept)
    remove_leftovers(tmp_path / "missing", names)
    with pytest.raises(OutputError, match="cannot be tidied"):
        remove_leftovers(kept[0], names)
    left[0].touch()
    remove_leftovers(tmp_path, None)  # a folder that is carmask's own
    assert sorted(tmp_path.iterdir()) == sorted(kept[1:])
