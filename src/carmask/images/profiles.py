"""Colour profiles (ICC.1:2010, https://www.color.org/specification/ICC1v43_2010-12.pdf).

The rule, wherever a photo goes: pixels that are written with a photo's values carry its profile; pixels that are shown,
compared or measured are converted to sRGB, which is what a picture without a profile is taken for.
"""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from carmask.arrays import Photo

#: x, y of white, red, green and blue in sRGB (IEC 61966-2-1).
SRGB_PRIMARIES = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
#: What PNG files say of sRGB's curve.
SRGB_GAMMA = 0.45455
#: The white of profiles, D50: X, Y, Z.
_D50 = np.array([0.9642, 1.0, 0.8249])
#: Bradford's cone responses, for adaptation from one white to another (ICC.1:2010, annex E).
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def profile_space(profile: bytes | None) -> str:
    """The colour space of the values that a profile is for: ``RGB``, ``GRAY``, ``CMYK`` …; empty if it is damaged."""
    if profile is None or len(profile) < 132 or profile[36:40] != b"acsp":
        return ""
    return profile[16:20].decode("latin-1").strip()


@lru_cache(maxsize=64)
def is_srgb(profile: bytes | None) -> bool:
    """Whether values with this profile are sRGB: none is, and so is one that says so in its description."""
    if profile is None:
        return True
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    return name.strip().lower().startswith(("srgb", "c2"))


def to_profile(pixels: Photo, source: bytes | None, target: bytes | None) -> Photo:
    """Convert colours from one ICC profile to another, by relative colorimetry.

    Args:
        pixels: uint8 (height, width, 3), RGB.
        source: their profile; None is sRGB.
        target: the profile wanted; None is sRGB.

    Returns:
        uint8 (height, width, 3), RGB; as it was if a profile is damaged.
    """
    if source == target or (is_srgb(source) and is_srgb(target)):
        return pixels
    with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
        before, after = (
            ImageCms.createProfile("sRGB") if content is None else ImageCms.ImageCmsProfile(io.BytesIO(content))
            for content in (source, target)
        )
        image = Image.fromarray(pixels)
        intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
        converted = ImageCms.profileToProfile(image, before, after, renderingIntent=intent, outputMode="RGB")
        if converted is not None:
            return np.asarray(converted)
    return pixels


def to_srgb(pixels: NDArray[np.uint8], profile: bytes | None) -> NDArray[np.uint8]:
    """Convert colours to sRGB; opacity stays.

    Args:
        pixels: uint8 (height, width, 3), RGB, or (height, width, 4), RGBA.
        profile: their profile; None is sRGB.

    Returns:
        uint8, of the same shape.
    """
    if is_srgb(profile):
        return pixels
    colours = to_profile(np.ascontiguousarray(pixels[..., :3]), profile, None)
    return colours if pixels.shape[2] == 3 else np.dstack([colours, pixels[..., 3]])


def png_profile(gamma: float | None, primaries: Sequence[float] | None) -> bytes | None:
    """The profile that a PNG's gAMA and cHRM chunks stand for (https://www.w3.org/TR/png-3/#11gAMA).

    Args:
        gamma: of gAMA, 0.45455 for sRGB; None if there is none.
        primaries: x, y of white, red, green and blue, of cHRM; None if there are none.

    Returns:
        An ICC profile; None if they say sRGB, nothing, or nonsense.
    """
    gamma, primaries = gamma or SRGB_GAMMA, tuple(primaries or SRGB_PRIMARIES)
    same_curve = abs(gamma - SRGB_GAMMA) < 0.005
    same_colours = len(primaries) == 8 and np.allclose(primaries, SRGB_PRIMARIES, atol=0.005)
    if not 0.05 < gamma < 5 or len(primaries) != 8 or (same_curve and same_colours):
        return None
    try:
        columns = _colorants(primaries)
    except (np.linalg.LinAlgError, ZeroDivisionError):
        return None
    if not np.isfinite(columns).all() or np.abs(columns).max() > 4:
        return None
    return _matrix_profile(columns, gamma)


def _colorants(primaries: Sequence[float]) -> NDArray[np.float64]:
    """X, Y, Z of red, green and blue, as columns, seen under D50."""
    white, *colours = (
        np.array([x / y, 1.0, (1 - x - y) / y]) for x, y in zip(primaries[::2], primaries[1::2], strict=True)
    )
    matrix = np.stack(colours, axis=1)
    matrix = matrix * np.linalg.solve(matrix, white)
    scale = (_BRADFORD @ _D50) / (_BRADFORD @ white)
    adapted: NDArray[np.float64] = np.linalg.inv(_BRADFORD) @ np.diag(scale) @ _BRADFORD @ matrix
    return adapted


def _matrix_profile(columns: NDArray[np.float64], gamma: float) -> bytes:
    """A display profile of version 2: three colorants and one curve."""

    def xyz(values: NDArray[np.float64]) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))

    name = b"PNG gamma and primaries\0"
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, min(65535, round(256 / gamma)))
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78),
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": xyz(_D50),
        b"rXYZ": xyz(columns[:, 0]),
        b"gXYZ": xyz(columns[:, 1]),
        b"bXYZ": xyz(columns[:, 2]),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, data = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", start + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    white = struct.pack(">3i", *(round(float(value) * 65536) for value in _D50))
    head = struct.pack(">I4xI4s4s4s", start + len(data), 0x02100000, b"mntr", b"RGB ", b"XYZ ")
    head += struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + white
    return head.ljust(128, b"\0") + table + data
