"""From a decoded picture of any kind to an array of RGB, a band of rows at a time, without copies of the whole."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from carmask.arrays import Photo
from carmask.images.opening import UnknownRangeError, orientation
from carmask.images.profiles import png_profile, profile_space

#: Pixels of a band.
_BAND = 2**22
#: TIFF's tags of the bits of each value, and of what 0 stands for: TIFF 6.0, p. 29 and 37.
_BITS, _PHOTOMETRIC = 0x0102, 0x0106
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC

_Turn = Callable[[NDArray[Any]], NDArray[Any]]

#: What makes a picture upright, by its EXIF orientation (EXIF 2.32, table 6).
_TURNS: dict[int, _Turn] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels.swapaxes(0, 1)[:, ::-1],
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels.swapaxes(0, 1)[::-1],
}


class Coloured(NamedTuple):
    """Pixels and what their values mean.

    Attributes:
        pixels: uint8 (height, width, channels), RGB or RGBA, upright.
        icc_profile: their profile; None is sRGB.
    """

    pixels: NDArray[np.uint8]
    icc_profile: bytes | None


def rgb_pixels(image: Image.Image, *, alpha: bool = False) -> Coloured:
    """Load a picture as upright 8-bit RGB.

    CMYK, grey and L*a*b* become sRGB through their profile, if they have one. Of values with more bits the
    highest 8 are kept; grey TIFFs in which 0 is white are read as they are shown.

    Args:
        image: an open picture.
        alpha: keep transparency, as a fourth channel; without, transparent pixels are put on white.

    Returns:
        The pixels and their profile.

    Raises:
        UnknownRangeError: if the range of its values is not known: floating-point numbers, and integers beyond 16 bits.
    """
    image.load()
    turn = orientation(image)
    transparent = image.has_transparency_data and not image.mode.startswith("I")
    convert, profile = _converter(image)

    def rgb(band: Image.Image) -> Image.Image:
        if not transparent:
            return convert(band)
        rgba = band.convert("RGBA")
        if band.mode in {"L", "LA"}:  # its grey may have a profile
            opacity = rgba.getchannel("A")
            rgba = convert(band)
            rgba.putalpha(opacity)
        return rgba if alpha else Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")

    return Coloured(upright(_banded(image, rgb), turn), profile)


def upright(pixels: NDArray[Any], turn: int) -> NDArray[Any]:
    """Turn decoded pixels.

    Args:
        pixels: (height, width) or (height, width, channels).
        turn: EXIF orientation, 1 to 8.

    Returns:
        The same if it is upright already, else a copy.
    """
    return np.ascontiguousarray(_TURNS[turn](pixels)) if turn in _TURNS else pixels


def stored_values(image: Image.Image) -> NDArray[Any]:
    """Load a picture's values as they are stored, such as the indices of a palette, upright.

    Args:
        image: an open picture.

    Returns:
        (height, width) or (height, width, channels), of the file's own type.
    """
    image.load()
    return upright(np.asarray(image), orientation(image))


def _banded(image: Image.Image, rgb: Callable[[Image.Image], Image.Image]) -> Photo:
    width, height = image.size
    rows = max(1, _BAND // max(1, width))
    if rows >= height:
        return np.asarray(rgb(image))
    pixels: Photo | None = None
    for top in range(0, height, rows):
        band = np.asarray(rgb(image.crop((0, top, width, min(height, top + rows)))))
        if pixels is None:
            pixels = np.empty((height, width, band.shape[2]), np.uint8)
        pixels[top : top + len(band)] = band
    assert pixels is not None
    return pixels


def _converter(image: Image.Image) -> tuple[Callable[[Image.Image], Image.Image], bytes | None]:
    """What makes RGB of each band, and the profile of its values."""
    profile = image.info.get("icc_profile")
    space = profile_space(profile)
    mode = image.mode
    if mode == "F":
        raise UnknownRangeError("floating-point pixels, whose range is not known; save it as 8-bit")
    if mode.startswith("I"):  # 16-bit grey: "I;16", "I;16B" or, widened to 32 bits, "I"
        full, negative = wide_range(image), is_negative(image)
        if full > 65535 or np.asarray(image).min() < 0:
            raise UnknownRangeError("pixels of 32 bits or with a sign, whose range is not known; save it as 8-bit")
        grey = (_through_profile("L", profile) if space == "GRAY" else None) or (lambda band: band.convert("RGB"))
        return lambda band: grey(_high_byte(band, full, negative=negative)), None
    if (mode, space) == ("LA", "GRAY") and (of_grey := _through_profile("L", profile)) is not None:
        return lambda band: of_grey(band.getchannel("L")), None
    if (mode, space) in {("CMYK", "CMYK"), ("L", "GRAY"), ("LAB", "Lab")} or mode == "LAB":
        through = _through_profile(mode, profile if space else None)
        if through is not None:
            return through, None
    if mode in {"CMYK", "L", "LA", "LAB"} or space != "RGB":
        profile = None  # of other channels than these
    if image.format == "PNG" and profile is None and "srgb" not in image.info and mode not in {"L", "LA"}:
        profile = png_profile(image.info.get("gamma"), image.info.get("chromaticity"))
    return lambda band: band if band.mode == "RGB" else band.convert("RGB"), profile


def wide_range(image: Image.Image) -> int:
    """The highest value that a grey picture of more than 8 bits can have; 255 if none of its values is higher.

    Args:
        image: loaded, of a mode that begins with ``I``.

    Returns:
        255, or 2**bits - 1; 65535 where the file does not say how many bits there are.
    """
    # Not getextrema, which takes no "I;16B".
    highest = int(np.asarray(image).max())
    bits = _tiff_tag(image, _BITS, 16)
    return 255 if highest <= 255 else max(highest, 2 ** min(bits, 16) - 1)


def is_negative(image: Image.Image) -> bool:
    """Whether 0 is white in a grey TIFF of more than 8 bits; with 8 and fewer, Pillow exchanges black and white."""
    return _tiff_tag(image, _PHOTOMETRIC, 1) == 0


def _tiff_tag(image: Image.Image, tag: int, default: int) -> int:
    found = image.tag_v2.get(tag, default) if image.format == "TIFF" else default  # type: ignore[attr-defined]
    first = found[0] if isinstance(found, tuple) and found else found
    return first if isinstance(first, int) else default


def _high_byte(band: Image.Image, full: int, *, negative: bool) -> Image.Image:
    values = np.asarray(band).astype(np.int32)
    values = (full - values if negative else values) >> (full.bit_length() - 8)
    return Image.fromarray(values.astype(np.uint8))


def _through_profile(mode: str, profile: bytes | None) -> Callable[[Image.Image], Image.Image] | None:
    """A conversion to sRGB; None if the profile is damaged."""
    try:
        source = ImageCms.createProfile("LAB") if profile is None else ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB", renderingIntent=_INTENT)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    return lambda band: _applied(band, transform)


def _applied(band: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(band, transform)
    assert converted is not None  # it is made anew, not in place
    return converted
