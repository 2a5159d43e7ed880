from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from carmask.images import encode_picture, open_photo, open_reduced, read_layered, read_photo, to_profile, to_srgb
from carmask.images.profiles import is_srgb, png_profile, profile_space
from tests.images.pictures import encoded, p3_profile

#: (234, 51, 35) in Display P3 is sRGB's pure red.
P3_RED, RED = (234, 51, 35), (255, 0, 0)
ADOBE = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def flat(colour: tuple[int, int, int]) -> Image.Image:
    return Image.new("RGB", (32, 32), colour)


def png(image: Image.Image, **chunks: bytes) -> bytes:
    info = PngImagePlugin.PngInfo()
    for kind, data in chunks.items():
        info.add(kind.encode(), data)
    return encoded(image, "PNG", pnginfo=info)


def hundred_thousandths(*values: float) -> bytes:
    return b"".join(round(value * 100000).to_bytes(4, "big") for value in values)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_what_is_shown_or_measured_is_srgb_and_what_is_written_keeps_its_profile(tmp_path, kind):
    path = tmp_path / "phone.any"
    path.write_bytes(encoded(flat(P3_RED), kind, icc_profile=p3_profile()))
    for shown in (read_photo(path), read_layered(path), open_reduced(path, lambda _: (1, 1)).pixels):
        assert np.abs(shown.astype(int) - RED).max() <= 3
    file = open_photo(path)
    assert np.abs(file.pixels.astype(int) - P3_RED).max() <= 3
    assert file.icc_profile == p3_profile()


def test_opacity_stays_when_colours_are_converted():
    rgba = np.dstack([np.full((4, 5, 3), P3_RED, np.uint8), np.arange(20, dtype=np.uint8).reshape(4, 5)])
    shown = to_srgb(rgba, p3_profile())
    assert np.abs(shown[..., :3].astype(int) - RED).max() <= 1
    assert np.array_equal(shown[..., 3], rgba[..., 3])


@given(st.integers(0, 2**32 - 1))
def test_srgb_with_and_without_its_profile_is_one(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (3, 4, 3), np.uint8)
    assert is_srgb(SRGB)
    assert to_profile(pixels, SRGB, None) is pixels
    assert to_profile(pixels, None, None) is pixels


def test_damaged_profiles_and_profiles_of_other_channels_are_dropped():
    for profile in (b"not a profile", p3_profile()[:100], p3_profile().replace(b"RGB ", b"CMYK")):
        file = open_photo("x", encoded(flat(P3_RED), "PNG", icc_profile=profile))
        assert file.icc_profile is None
        assert tuple(file.pixels[0, 0]) == P3_RED
    assert profile_space(p3_profile()) == "RGB"


def test_a_png_s_gamma_is_what_its_own_formula_says():
    # https://www.w3.org/TR/png-3/#11gAMA: sample = light ^ gamma; light to sRGB by IEC 61966-2-1.
    for gamma in (1.0, 0.55556, 0.38):
        for value in (20, 128, 230):
            light = (value / 255) ** (1 / gamma)
            expected = 255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)
            path = io.BytesIO(png(flat((value,) * 3), gAMA=hundred_thousandths(gamma)))
            file = open_photo("x", path.getvalue())
            assert tuple(file.pixels[0, 0]) == (value,) * 3
            assert to_srgb(file.pixels, file.icc_profile)[0, 0] == pytest.approx(expected, abs=1.5)


def test_a_png_s_primaries_are_those_of_the_published_profile():
    # Adobe RGB (1998), annex: XYZ of the colorants in its profile.
    profile = png_profile(0.45455, ADOBE)
    assert profile is not None
    read = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile
    for found, expected in (
        (read.red_colorant, (0.60974, 0.31111, 0.01947)),
        (read.green_colorant, (0.20528, 0.62567, 0.06087)),
        (read.blue_colorant, (0.14919, 0.06322, 0.74457)),
    ):
        assert found[0] == pytest.approx(expected, abs=5e-4)


def test_gamma_counts_only_where_nothing_better_is_said():
    gamma = hundred_thousandths(0.55556)
    assert open_photo("x", png(flat(RED), gAMA=hundred_thousandths(0.45455))).icc_profile is None
    assert open_photo("x", png(flat(RED), gAMA=gamma, sRGB=b"\0")).icc_profile is None
    assert open_photo("x", png(flat(RED), gAMA=gamma)).icc_profile is not None
    assert png_profile(0.0, None) is None
    assert png_profile(0.5, (0, 0, 0, 0, 0, 0, 0, 0)) is None
    assert png_profile(0.5, (0.3127, 0.3290, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)) is None


def test_grey_cmyk_and_lab_become_srgb():
    lab = Image.new("LAB", (32, 32), (136, 128, 128))  # L* 53.3, a* and b* 0: sRGB (127, 127, 127)
    file = open_photo("x", encoded(lab, "TIFF"))
    assert file.pixels[0, 0] == pytest.approx((127,) * 3, abs=2)
    assert file.icc_profile is None


def grey_profile() -> bytes:
    """A profile of grey values that are light itself: gamma 1."""
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"grey\0" + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">I", 0),
    }
    table, data, start = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4xI4s4s4s", start + len(data), 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + data


@pytest.mark.parametrize("kind", ["grey", "grey of 16 bits", "grey and opacity", "grey with one transparent value"])
def test_grey_becomes_srgb_through_its_profile_with_and_without_opacity(kind, tmp_path):
    path, grey = tmp_path / "a.png", Image.new("L", (32, 32), 55)
    grey.putpixel((0, 0), 9)
    grey.putpixel((31, 31), 255)
    if kind == "grey and opacity":
        grey.putalpha(grey.point(lambda value: 0 if value == 9 else 255))
    if kind == "grey of 16 bits":
        grey = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    chosen = {"transparency": 9} if kind == "grey with one transparent value" else {}
    path.write_bytes(encoded(grey, "PNG", icc_profile=grey_profile(), **chosen))
    # IEC 61966-2-1 of a light of 55 / 255.
    expected = 255 * (1.055 * (55 / 255) ** (1 / 2.4) - 0.055)
    for pixels in (open_photo(path).pixels, read_photo(path), read_layered(path)[..., :3]):
        assert pixels[5, 5] == pytest.approx((expected,) * 3, abs=1)
        assert tuple(pixels[31, 31]) == (255, 255, 255)
    if kind in {"grey", "grey of 16 bits"}:
        assert read_layered(path).shape == (32, 32, 3)
    else:
        assert read_layered(path)[..., 3].tolist()[0][:2] == [0, 255]
        assert tuple(read_photo(path)[0, 0]) == (255, 255, 255)


def test_pictures_are_written_with_profile_and_resolution(photo):
    for kind in ("png", "jpg"):
        content = encode_picture(photo, p3_profile(), format=kind, dpi=(300, 240))
        with Image.open(io.BytesIO(content)) as image:
            assert image.info["icc_profile"] == p3_profile()
            assert image.info["dpi"] == pytest.approx((300, 240), abs=0.02)
