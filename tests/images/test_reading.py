from __future__ import annotations

import contextlib
import io
import os
import stat

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from carmask.errors import OutputError, PhotoError
from carmask.images import (
    encode_picture,
    make_folder,
    open_photo,
    opening,
    picture_size,
    read_mask,
    read_photo,
    write_atomically,
    write_mask,
)
from tests.images.pictures import grey_tiff


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "WEBP"])
def test_lossless_formats_read_as_they_are(tmp_path, photo, kind):
    path = tmp_path / f"photo.{kind.lower()}"
    path.write_bytes(encoded(Image.fromarray(photo), kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert np.array_equal(read_photo(path), photo)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, photo, orientation):
    # EXIF 2.32, table "Orientation": what must be done to the stored pixels to make them upright.
    stored = {
        1: photo,
        2: photo[:, ::-1],
        3: photo[::-1, ::-1],
        4: photo[::-1],
        5: photo.transpose(1, 0, 2),
        6: np.rot90(photo, 1),
        7: photo[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(photo, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "phone.png"
    path.write_bytes(encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif))
    assert np.array_equal(read_photo(path), photo)
    assert picture_size(path) == photo.shape[:2]


def test_grey_palette_and_alpha_become_rgb(tmp_path, photo):
    image = Image.fromarray(photo)
    grey = np.asarray(image.convert("L"))
    (tmp_path / "grey.png").write_bytes(encoded(image.convert("L"), "PNG"))
    assert np.array_equal(read_photo(tmp_path / "grey.png"), np.repeat(grey[..., None], 3, axis=2))

    palette = image.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
    (tmp_path / "palette.gif").write_bytes(encoded(palette, "GIF"))
    assert np.array_equal(read_photo(tmp_path / "palette.gif"), np.asarray(palette.convert("RGB")))

    alpha = np.full(photo.shape[:2], 255, np.uint8)
    alpha[:10] = 0
    (tmp_path / "alpha.png").write_bytes(encoded(Image.fromarray(np.dstack([photo, alpha])), "PNG"))
    read = read_photo(tmp_path / "alpha.png")
    assert (read[:10] == 255).all()
    assert np.array_equal(read[10:], photo[10:])


def test_16_bit_keeps_the_high_byte(tmp_path):
    values = (np.arange(64 * 64).reshape(64, 64) * 16).astype(np.uint16)
    for name in ("deep.png", "deep.tiff"):
        Image.fromarray(values).save(tmp_path / name)
        assert np.array_equal(read_photo(tmp_path / name)[..., 1], (values >> 8).astype(np.uint8))
    # As Photoshop writes it on a Macintosh, the high byte first: it was called damaged.
    big = Image.frombytes("I;16B", (64, 64), values.astype(">u2").tobytes())
    (tmp_path / "big.tiff").write_bytes(encoded(big, "TIFF"))
    assert (tmp_path / "big.tiff").read_bytes().startswith(b"MM")
    assert np.array_equal(read_photo(tmp_path / "big.tiff")[..., 1], (values >> 8).astype(np.uint8))


@pytest.mark.parametrize(("bits", "white_is_zero"), [(12, False), (16, False), (16, True)])
def test_grey_of_more_bits_is_as_bright_as_it_is_shown(bits, white_is_zero):
    shown = np.arange(64 * 64).reshape(64, 64) * (2**bits - 1) // (64 * 64 - 1)
    stored = 2**bits - 1 - shown if white_is_zero else shown
    file = open_photo("deep.tif", grey_tiff(stored, bits, white_is_zero=white_is_zero))
    assert np.array_equal(file.pixels[..., 1], shown >> (bits - 8))
    mask = shown >= 2 ** (bits - 1)
    stored = np.where(mask != white_is_zero, 2**bits - 1, 0)
    read = read_mask("deep.tif", content=grey_tiff(stored, bits, white_is_zero=white_is_zero))
    assert np.array_equal(read, mask)


@pytest.mark.parametrize(("bits", "signed"), [(16, True), (32, False)])
def test_grey_of_an_unknown_range_is_refused(bits, signed):
    values = np.linspace(-(2**15) if signed else 0, 2 ** (bits - signed) - 1, 64 * 64).reshape(64, 64).astype(np.int64)
    with pytest.raises(PhotoError, match=r"deep\.tif: pixels of 32 bits or with a sign, whose"):
        open_photo("deep.tif", grey_tiff(values, bits, signed=signed))


def test_cmyk_with_and_without_a_profile(tmp_path, photo):
    cmyk = Image.fromarray(photo).convert("CMYK")
    (tmp_path / "cmyk.tiff").write_bytes(encoded(cmyk, "TIFF"))
    assert np.abs(read_photo(tmp_path / "cmyk.tiff").astype(int) - photo).max() <= 2
    # A broken profile must not lose the photo; a profile of four channels must not go on to an RGB result.
    (tmp_path / "profile.tiff").write_bytes(encoded(cmyk, "TIFF", icc_profile=b"not a profile"))
    file = open_photo(tmp_path / "profile.tiff")
    assert file.pixels.shape == photo.shape
    assert file.icc_profile is None


def test_colour_profile_reaches_the_picture(tmp_path, photo):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "wide.png").write_bytes(encoded(Image.fromarray(photo), "PNG", icc_profile=profile))
    file = open_photo(tmp_path / "wide.png")
    (tmp_path / "cut.png").write_bytes(encode_picture(file.pixels, file.icc_profile))
    with Image.open(tmp_path / "cut.png") as cut:
        assert cut.info["icc_profile"] == profile


def test_unusable_files_are_refused_with_path_and_reason(tmp_path, photo):
    jpeg = encoded(Image.fromarray(photo).resize((640, 480)), "JPEG")
    frames = [Image.fromarray(photo), Image.fromarray(photo[::-1].copy())]
    cases = {
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        "empty.jpg": (b"", "the file is empty"),
        "text.jpg": (b"this is not a photo", "not an image"),
        "animated.gif": (encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), "animated"),
        "animated.webp": (encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]), "animated"),
        "pixel.png": (encoded(Image.new("RGB", (1, 1)), "PNG"), "1x1 is too small"),
        "float.tiff": (encoded(Image.fromarray(photo[..., 0].astype(np.float32)), "TIFF"), "floating-point"),
    }
    for name, (content, reason) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(PhotoError, match=reason) as caught:
            read_photo(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(PhotoError, match="no such file"):
        read_photo(tmp_path / "missing.jpg")
    with pytest.raises(PhotoError, match="a folder"):
        read_photo(tmp_path)


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch, photo):
    (tmp_path / "large.png").write_bytes(encoded(Image.fromarray(photo), "PNG"))
    monkeypatch.setattr(opening, "MAX_PIXELS", photo.shape[0] * photo.shape[1] - 1)
    with pytest.raises(PhotoError, match=r"64x48 is 0\.00 megapixels"):
        read_photo(tmp_path / "large.png")


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_raise_nothing_but_photo_errors(tmp_path, photo, kind, data):
    content = bytearray(encoded(Image.fromarray(photo), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    for read in (read_photo, read_mask):
        with contextlib.suppress(PhotoError):
            assert read(path).dtype in (np.uint8, np.bool_)


def test_masks_of_all_kinds_read_alike(tmp_path):
    mask = np.zeros((30, 50), np.bool_)
    mask[5:20, 10:41] = True
    write_mask(tmp_path / "one_bit.png", mask)
    Image.fromarray(mask.astype(np.uint8) * 255).save(tmp_path / "grey.png")
    Image.fromarray(mask.astype(np.uint8)).save(tmp_path / "index.png")
    carvana = Image.fromarray(mask.astype(np.uint8))
    carvana.putpalette([0, 0, 0, 255, 255, 255])
    carvana.save(tmp_path / "carvana.gif")
    for name in ("one_bit.png", "grey.png", "index.png", "carvana.gif"):
        read = read_mask(tmp_path / name)
        assert np.array_equal(read, mask)
        # True must be the byte 1: sums of views and word comparisons rely on it.
        assert set(np.unique(read.view(np.uint8))) == {0, 1}
    with Image.open(tmp_path / "one_bit.png") as written:
        assert written.mode == "1"


def test_a_mask_with_grey_edges_is_refused(tmp_path):
    grey = np.zeros((20, 20), np.uint8)
    grey[5:10] = 255
    grey[10] = 128
    Image.fromarray(grey).save(tmp_path / "soft.png")
    with pytest.raises(PhotoError, match="not a binary mask: it has 3 grey values"):
        read_mask(tmp_path / "soft.png")


@pytest.mark.parametrize("kind", ["png", "webp", "jpg"])
def test_every_format_keeps_exif_and_says_what_it_cannot_hold(photo, kind):
    exif = Image.Exif()
    exif[0x010F] = "ACME"
    with Image.open(io.BytesIO(encode_picture(photo, format=kind, exif=exif.tobytes(), quality=60))) as image:
        assert image.getexif()[0x010F] == "ACME"
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - photo).mean() < 8
    too_long = bytes(70000)
    if kind == "jpg":
        assert len(encode_picture(photo, format=kind, exif=too_long)) < 70000
        assert encode_picture(np.zeros((1, 65500, 3), np.uint8), format=kind)
        with pytest.raises(OutputError, match="65501x1 is too large for JPEG"):
            encode_picture(np.zeros((1, 65501, 3), np.uint8), format=kind)


def test_writing_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "result.png"
    write_atomically(path, b"before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OutputError, match=r"result\.png: cannot be written: No space left"):
        write_atomically(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_results_get_ordinary_permissions(tmp_path):
    write_atomically(tmp_path / "result", b"x")
    (tmp_path / "ordinary").write_bytes(b"x")
    assert stat.S_IMODE((tmp_path / "result").stat().st_mode) == stat.S_IMODE((tmp_path / "ordinary").stat().st_mode)


def test_a_folder_that_is_missing_or_in_the_way(tmp_path):
    with pytest.raises(OutputError, match="No such file"):
        write_atomically(tmp_path / "missing" / "x", b"")
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="a file has this name"):
        make_folder(tmp_path / "file")
