"""Where a mask may lie in a file: each place by hand, and all that the rule leaves open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from carmask.errors import PhotoError
from carmask.images import FORMATS, mask_size, read_mask, write_mask
from carmask.images.masks import _cut, _Levels

MASK = np.zeros((30, 50), np.bool_)
MASK[5:20, 10:41] = True
WHITE = (MASK * 255).astype(np.uint8)


def palette(colours: list[tuple[int, int, int]], indices: np.ndarray = MASK) -> Image.Image:
    image = Image.fromarray(indices.astype(np.uint8))
    image.putpalette([value for colour in colours for value in colour])
    return image


def layered(colours: np.ndarray | tuple[int, int, int], alpha: np.ndarray) -> Image.Image:
    pixels = np.empty((*MASK.shape, 4), np.uint8)
    pixels[..., :3], pixels[..., 3] = colours, alpha
    return Image.fromarray(pixels)


def photo_like() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (*MASK.shape, 3), np.uint8)


def saved(tmp_path, image: Image.Image, suffix: str = "png", **options: object):
    path = tmp_path / f"car_mask.{suffix}"
    image.save(path, **options)
    return path


KINDS = {
    "one bit": (Image.fromarray(MASK), "png"),
    "grey 0 and 255": (Image.fromarray(WHITE), "png"),
    "grey 0 and 1": (Image.fromarray(MASK.astype(np.uint8)), "png"),
    "16 bits, full": (Image.fromarray(MASK.astype(np.uint16) * 65535), "png"),
    "16 bits, 0 and 1": (Image.fromarray(MASK.astype(np.uint16)), "tif"),
    "floats": (Image.fromarray(MASK.astype(np.float32)), "tif"),
    "Carvana's palette": (palette([(0, 0, 0), (255, 255, 255)]), "gif"),
    "palette, black last": (palette([(255, 255, 255), (0, 0, 0)], ~MASK), "png"),
    "VOC's palette": (palette([(0, 0, 0), (128, 0, 0)]), "png"),
    "palette without black": (palette([(255, 255, 255), (200, 0, 0)]), "png"),
    "RGB white": (Image.fromarray(np.repeat(WHITE[..., None], 3, axis=2)), "bmp"),
    "RGB red": (Image.fromarray(np.dstack([WHITE, 0 * WHITE, 0 * WHITE])), "png"),
    "RGB nearly black": (Image.fromarray(np.dstack([0 * WHITE, 0 * WHITE, MASK.astype(np.uint8)])), "png"),
    "opaque RGBA": (layered(WHITE[..., None], np.uint8(255)), "png"),
    "white on transparent": (layered((255, 255, 255), WHITE), "png"),
    "black on transparent": (layered((0, 0, 0), WHITE), "png"),
    "white on transparent black": (layered(WHITE[..., None], WHITE), "png"),
    "a cut-out": (layered(photo_like(), WHITE), "png"),
    "grey and alpha": (Image.merge("LA", [Image.fromarray(WHITE | 255), Image.fromarray(WHITE)]), "png"),
    "WebP": (Image.fromarray(WHITE).convert("RGB"), "webp"),
    "JPEG 2000": (Image.fromarray(WHITE), "jp2"),
    "PGM": (Image.fromarray(WHITE), "pgm"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("threshold", [None, 128])
def test_the_mask_is_found_wherever_it_lies(tmp_path, kind, threshold):
    image, suffix = KINDS[kind]
    read = read_mask(saved(tmp_path, image, suffix, **({"lossless": True} if suffix == "webp" else {})), threshold)
    assert np.array_equal(read, MASK)
    # True must be the byte 1: sums of views and word comparisons rely on it.
    assert set(np.unique(read.view(np.uint8))) == {0, 1}


def test_a_palette_with_a_transparent_entry(tmp_path):
    # Index 0 transparent, both entries white: only the opacity tells them apart.
    path = saved(tmp_path, palette([(255, 255, 255), (255, 255, 255)]), transparency=0)
    assert np.array_equal(read_mask(path), MASK)
    path = saved(tmp_path, palette([(0, 0, 0), (255, 255, 255)]), "gif", transparency=0)
    assert np.array_equal(read_mask(path), MASK)


REFUSED = {
    "three greys": (Image.fromarray(np.where(MASK, 255, np.arange(50) // 49 * 128).astype(np.uint8)), "3 grey values"),
    "grey on grey": (Image.fromarray(np.where(MASK, 200, 90).astype(np.uint8)), "2 grey values"),
    "all grey": (Image.fromarray(np.full(MASK.shape, 90, np.uint8)), "all of it is 90, neither background nor car"),
    "labels": (
        palette([(0, 0, 0), (128, 0, 0), (0, 128, 0)], MASK + MASK[::-1].astype(int)),
        "2 colours besides black",
    ),
    "red on blue": (palette([(0, 0, 255), (0, 255, 0), (255, 0, 0)], MASK + 1), "2 colours, and none is black"),
    "three colours": (
        palette([(0, 0, 255), (0, 255, 0), (255, 0, 0)], MASK + MASK[::-1].astype(int)).convert("RGB"),
        "3 colours, and none is black",
    ),
    "all red": (Image.new("RGB", (50, 30), (255, 0, 0)), "1 colour, and none is black"),
    "two masks": (layered(WHITE[..., None], np.where(np.arange(50) < 30, 255, 0)), "holds two masks"),
    "negative": (Image.fromarray(np.where(MASK, 1, -1).astype(np.float32)), "from -1 to 1"),
    "not numbers": (Image.fromarray(np.where(MASK, 1, np.nan).astype(np.float32)), "not numbers"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_the_rule_leaves_open_is_refused_in_words(tmp_path, kind):
    image, words = REFUSED[kind]
    path = saved(tmp_path, image, "tif" if image.mode == "F" else "png")
    with pytest.raises(PhotoError, match=words) as caught:
        read_mask(path)
    assert str(caught.value).startswith(str(path))


def test_empty_and_full_masks_say_so_themselves(tmp_path):
    for value, full in ((0, False), (1, True), (255, True)):
        for mode in ("L", "RGB", "RGBA"):
            image = Image.new("L", (50, 30), value).convert(mode)
            for threshold in (None, 128):
                assert read_mask(saved(tmp_path, image), threshold).all() == full
    write_mask(tmp_path / "none.png", np.zeros((4, 5), np.bool_))
    assert not read_mask(tmp_path / "none.png").any()


XMP = '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


@pytest.mark.parametrize("place", ["exif", "exif behind the pixels", "xmp", "text of an editor", "none"])
def test_the_size_of_a_mask_is_that_of_the_mask_that_is_read(tmp_path, place):
    path, exif, texts = tmp_path / "a.png", Image.Exif(), PngInfo()
    exif[0x0112] = 6
    if place == "xmp":
        texts.add_itxt("XML:com.adobe.xmp", XMP)
    if place == "text of an editor":
        texts.add_text("Software", "paint")
    Image.fromarray(np.where(MASK, 255, 0).astype(np.uint8)).save(
        path, pnginfo=texts, exif=exif if "exif" in place else b""
    )
    if "behind" in place:
        content = path.read_bytes()
        at = content.index(b"eXIf") - 4
        chunk = content[at : at + 12 + int.from_bytes(content[at : at + 4], "big")]
        path.write_bytes(content.replace(chunk, b"")[:-12] + chunk + content[-12:])
    turned = place not in {"text of an editor", "none"}
    assert mask_size(path) == read_mask(path).shape == (MASK.shape[::-1] if turned else MASK.shape)


def test_the_size_of_a_mask_that_was_cut_off(tmp_path):
    write_mask(tmp_path / "a.png", MASK)
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:-20])
    assert mask_size(tmp_path / "a.png") == MASK.shape


def test_grey_anti_aliased_and_jpeg_masks_with_a_threshold(tmp_path):
    soft = Image.fromarray(np.where(MASK, 255, 0).astype(np.uint8))
    soft = soft.resize((200, 120), Image.Resampling.BILINEAR)
    expected = np.asarray(soft) >= 100
    for mode in ("L", "RGB"):
        path = saved(tmp_path, soft.convert(mode))
        with pytest.raises(PhotoError, match=r"not a binary mask: it has .* a mask threshold of 128 takes those from"):
            read_mask(path)
        assert np.array_equal(read_mask(path, 100), expected)
    assert np.array_equal(read_mask(saved(tmp_path, layered((0, 0, 0), WHITE // 2 + 20)), 100), MASK)
    deep = np.asarray(soft).astype(np.uint16) * 257
    assert np.array_equal(read_mask(saved(tmp_path, Image.fromarray(deep), "tif"), 100), expected)
    path = saved(tmp_path, Image.fromarray(WHITE), "jpg", quality=60)
    with pytest.raises(PhotoError, match="not a binary mask"):
        read_mask(path)
    assert np.array_equal(read_mask(path, 128), MASK)


def test_a_threshold_that_makes_everything_alike_is_refused(tmp_path):
    labels = np.where(MASK, 2, np.arange(50) % 2).astype(np.uint8)
    with pytest.raises(PhotoError, match="values go from 0 to 2, all below the mask threshold of 128"):
        read_mask(saved(tmp_path, Image.fromarray(labels)), 128)
    with pytest.raises(PhotoError, match="values go from 100 to 200, all above the mask threshold of 50"):
        read_mask(saved(tmp_path, Image.fromarray(np.where(MASK, 200, 100).astype(np.uint8))), 50)


@given(st.data())
def test_two_values_of_which_one_is_0_are_the_mask_whatever_the_threshold(data):
    value = data.draw(st.integers(1, 255))
    threshold = data.draw(st.none() | st.integers(1, 255))
    assert np.array_equal(_cut(_Levels((MASK * value).astype(np.uint8), 255), threshold), MASK)


def test_every_format_of_photos_is_one_of_masks(tmp_path):
    tried = set()
    for kind, suffixes in FORMATS.items():
        if kind == "HEIF":
            continue
        path = tmp_path / f"mask{suffixes[0].upper()}"
        Image.fromarray(WHITE).convert("RGB").save(path, kind)
        assert np.array_equal(read_mask(path, 128), MASK)
        tried.add(kind)
    assert len(tried) == len(FORMATS) - 1
