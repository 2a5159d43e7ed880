"""Orientation, pages, and faults of files that cost no pixel."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from carmask.errors import PhotoError
from carmask.images import decode, open_photo, open_reduced, picture_size, read_layered, read_mask, read_photo
from tests.images.pictures import STORED, encoded, turned


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_reader_turns_every_format_upright(tmp_path, photo, kind, orientation):
    path = tmp_path / "phone.any"
    path.write_bytes(turned(photo, orientation, kind))
    size = photo.shape[:2]
    assert picture_size(path) == size
    for pixels in (
        read_photo(path),
        open_photo(path).pixels,
        open_reduced(path, lambda found: found).pixels,
        read_layered(path),
    ):
        assert pixels.shape == photo.shape
        # AVIF and JPEG lose a little; anything turned wrongly is far away.
        assert np.abs(pixels.astype(int) - photo).mean() < (6 if kind in {"JPEG", "AVIF"} else 0.001)
    assert open_reduced(path, lambda found: found).size == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_compressed_tiffs_and_those_of_a_phone_s_xmp_are_upright_too(tmp_path, photo, orientation):
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](photo)))
    stored.save(tmp_path / "lzw.tif", compression="tiff_lzw", tiffinfo={0x0112: orientation})
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="{orientation}"/>'.encode()
    stored.save(tmp_path / "xmp.tif", tiffinfo={700: xmp})
    for name in ("lzw.tif", "xmp.tif"):
        assert picture_size(tmp_path / name) == photo.shape[:2]
        assert np.array_equal(read_photo(tmp_path / name), photo)


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_an_orientation_that_is_no_number_is_none(photo, number):
    entry = struct.pack("<HHIf", 0x0112, 11, 1, number)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
    content = encoded(Image.fromarray(photo), "PNG", exif=exif)
    assert np.array_equal(open_photo("photo", content).pixels, photo)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_masks_are_turned_as_their_photo_is(tmp_path, orientation):
    mask = np.zeros((20, 30), np.uint8)
    mask[3:9, 5:27] = 255
    for kind in ("PNG", "TIFF"):
        (tmp_path / "mask").write_bytes(turned(mask, orientation, kind))
        assert np.array_equal(read_mask(tmp_path / "mask"), mask > 0)


def tiff(*pages: tuple[Image.Image, dict[int, int]]) -> bytes:
    buffer = io.BytesIO()
    with TiffImagePlugin.AppendingTiffWriter(buffer, new=True) as writer:
        for image, tags in pages:
            info = TiffImagePlugin.ImageFileDirectory_v2()
            for tag, value in tags.items():
                info[tag] = value
            image.save(writer, "TIFF", tiffinfo=info)
            writer.newFrame()
    return buffer.getvalue()


def test_of_a_tiff_s_pages_the_photo_is_read(photo):
    whole, small = Image.fromarray(photo), Image.fromarray(photo).resize((32, 24))
    other = Image.new("RGB", (40, 40))
    for pages in (
        [(small, {254: 1}), (whole, {})],
        [(small, {255: 2}), (whole, {255: 1})],
        [(small, {}), (whole, {})],  # a thumbnail that does not say so
        [(whole, {}), (small, {254: 1})],
        [(other.resize((640, 640)), {254: 4}), (whole, {})],  # a mask of transparency
        [(whole, {}), (other, {})],  # another picture: the first counts
    ):
        content = tiff(*pages)
        assert np.array_equal(open_photo("scan.tif", content).pixels, photo)
        assert picture_size("scan.tif", content) == photo.shape[:2]


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_rows": 1}])
def test_a_jpeg_that_lacks_only_its_end_marker_is_whole(photo, options):
    content = encoded(Image.fromarray(photo).resize((200, 150)), "JPEG", **options)
    whole = open_photo("car.jpg", content).pixels
    assert content.endswith(b"\xff\xd9")
    for missing in (1, 2):
        assert np.array_equal(open_photo("car.jpg", content[:-missing]).pixels, whole)
        assert open_reduced("car.jpg", lambda size: size, content[:-missing]).size == (150, 200)
    for missing in (40, 200, len(content) // 2):
        with pytest.raises(PhotoError, match=r"car\.jpg: damaged: image file is truncated"):
            open_photo("car.jpg", content[:-missing])


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt"])
def test_a_png_with_an_enormous_text_is_read_without_it(photo, kind):
    content = encoded(Image.fromarray(photo), "PNG")
    text = zlib.compress(bytes(40_000_000))
    data = b"history\0\0" + text if kind == b"zTXt" else b"XML:com.adobe.xmp\0\1\0\0\0" + text
    # After the header, before the pixels.
    large = content[:33] + chunk(kind, data) + content[33:]
    assert np.array_equal(open_photo("editor.png", large).pixels, photo)


def test_a_heic_photo_needs_the_extra_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "IMG_6.HEIC").write_bytes(bytes(100))
    (tmp_path / "renamed.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    for name in ("IMG_6.HEIC", "renamed.jpg"):
        with pytest.raises(PhotoError, match=rf"{name}: HEIC and HEIF need the extra: pip install 'carmask\[heif\]'"):
            read_photo(tmp_path / name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_photos_are_read_upright_with_the_extra(tmp_path, photo, orientation):
    heif = pytest.importorskip("pillow_heif")
    heif.register_heif_opener()
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](photo)))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "ACME"
    path = tmp_path / "phone.heic"
    stored.save(path, "HEIF", quality=95, exif=exif.tobytes())
    assert picture_size(path) == photo.shape[:2]
    file = open_photo(path)
    assert np.abs(file.pixels.astype(int) - photo).mean() < 6
    assert b"ACME" in (file.exif or b"")
    path.write_bytes(bytes(100))
    with pytest.raises(PhotoError, match="not an image that can be read"):
        read_photo(path)


def test_pixels_of_another_size_than_the_header_says_are_damage(tmp_path):
    """libheif decodes some damaged files to other sizes than it announced; which, depends on its version."""
    content = encoded(Image.new("RGB", (64, 48), (200, 10, 10)), "AVIF")

    def decoded_otherwise(image):
        image.load()
        image._size = (64, 64)

    with pytest.raises(PhotoError, match=r"car\.avif: damaged: its header says 64x48, its pixels are 64x64"):
        decode(tmp_path / "car.avif", decoded_otherwise, content)
    assert decode(tmp_path / "car.avif", lambda image: image.copy().size, content) == (64, 48)
