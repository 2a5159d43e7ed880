from __future__ import annotations

import io

import pytest
from PIL import ExifTags, Image, TiffImagePlugin

from carmask.images import encode_picture, open_photo
from tests.images.pictures import encoded

BASE, GPS = ExifTags.Base, ExifTags.GPS


@pytest.fixture
def phone(photo):
    """A phone's photo: camera, dates, place, owner, a maker's notes and a thumbnail."""
    exif = Image.Exif()
    exif[BASE.Make], exif[BASE.Model], exif[BASE.DateTime] = "ACME", "Phone 7", "2026:11:26 02:00:00"
    exif[BASE.Artist], exif[BASE.Copyright], exif[BASE.ImageDescription] = "A. Owner", "A. Owner", "plate B-XY 1"
    exif[BASE.Orientation] = 1
    exif[BASE.XResolution], exif[BASE.YResolution], exif[BASE.ResolutionUnit] = 300, 240, 2
    details = exif.get_ifd(ExifTags.IFD.Exif)
    details[BASE.FNumber], details[BASE.DateTimeOriginal] = 1.8, "2026:11:25 12:00:00"
    details[BASE.BodySerialNumber], details[BASE.CameraOwnerName] = "12345", "A. Owner"
    details[BASE.MakerNote], details[BASE.ExifImageWidth] = b"preview" * 500, 64
    places = exif.get_ifd(ExifTags.IFD.GPSInfo)
    places[GPS.GPSLatitudeRef], places[GPS.GPSLatitude] = "N", (52.0, 31.0, 12.0)
    return encoded(Image.fromarray(photo), "JPEG", exif=exif.tobytes())


def written(content: bytes, keep: str, kind: str = "png") -> Image.Exif:
    photo = open_photo("phone.jpg", content, keep=keep)
    picture = encode_picture(photo.pixels, photo.icc_profile, format=kind, exif=photo.exif, dpi=photo.dpi)
    return Image.open(io.BytesIO(picture)).getexif()


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_camera_and_dates_stay_place_and_owner_go(phone, kind):
    exif = written(phone, "safe", kind)
    assert (exif[BASE.Make], exif[BASE.Model], exif[BASE.DateTime]) == ("ACME", "Phone 7", "2026:11:26 02:00:00")
    assert (exif[BASE.XResolution], exif[BASE.YResolution]) == (300, 240)
    details = exif.get_ifd(ExifTags.IFD.Exif)
    assert details[BASE.DateTimeOriginal] == "2026:11:25 12:00:00"
    assert float(details[BASE.FNumber]) == pytest.approx(1.8)
    assert set(details) == {BASE.DateTimeOriginal, BASE.FNumber}
    assert not exif.get_ifd(ExifTags.IFD.GPSInfo)
    assert not {BASE.Artist, BASE.Copyright, BASE.ImageDescription, BASE.Orientation} & set(exif)


def test_all_keeps_owner_and_place_but_no_notes_of_the_maker(phone):
    exif = written(phone, "all")
    assert exif[BASE.Artist] == "A. Owner"
    assert exif.get_ifd(ExifTags.IFD.GPSInfo)[GPS.GPSLatitudeRef] == "N"
    details = exif.get_ifd(ExifTags.IFD.Exif)
    assert details[BASE.BodySerialNumber] == "12345"
    assert BASE.MakerNote not in details


def test_none_keeps_nothing(phone):
    assert len(written(phone, "none")) == 0
    assert open_photo("phone.jpg", phone, keep="none")[2:4] == (None, None)


def test_a_tiff_s_layout_and_layers_stay_behind(photo):
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[37724], tags.tagtype[37724] = b"layers" + bytes(200_000), 7
    tags[BASE.Make], tags[BASE.DateTime] = "ACME", "2026:11:26 02:00:00"
    content = encoded(Image.fromarray(photo).convert("CMYK"), "TIFF", tiffinfo=tags, dpi=(300, 300))
    file = open_photo("layered.tif", content, keep="all")
    assert len(file.exif) < 300
    exif = Image.Exif()
    exif.load(file.exif)
    assert exif[BASE.Make] == "ACME"
    assert set(exif) == {BASE.Make, BASE.DateTime, BASE.XResolution, BASE.YResolution, BASE.ResolutionUnit}
    assert file.dpi == (300, 300)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
def test_resolution_is_read_wherever_it_stands(photo, kind):
    content = encoded(Image.fromarray(photo), kind, dpi=(300, 300))
    assert open_photo("x", content).dpi == pytest.approx((300, 300), abs=0.1)
    assert written(content, "safe", "webp")[BASE.XResolution] == pytest.approx(300, abs=0.1)


def test_a_resolution_that_nobody_gave_is_not_made_up(photo):
    exif = Image.Exif()
    exif[BASE.Make] = "ACME"
    content = encoded(Image.fromarray(photo), "JPEG", exif=exif.tobytes())
    assert open_photo("x", content).dpi is None


def test_damaged_entries_are_left_out(photo):
    exif = Image.Exif()
    exif[BASE.Make] = "ACME"
    exif[BASE.XResolution] = (1, 2, 3)
    exif[BASE.Model] = "M" * 100_000
    content = encoded(Image.fromarray(photo), "PNG", exif=exif.tobytes())
    assert set(written(content, "safe")) == {BASE.Make}
