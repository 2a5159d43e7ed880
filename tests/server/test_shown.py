"""Which photos the editor's page gets as they are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from carmask.errors import PhotoError
from carmask.images import open_photo
from carmask.server.shown import media_type
from tests.images.pictures import encoded, turned

PHOTO = np.zeros((24, 32, 3), np.uint8)


def test_photos_that_all_browsers_show_alike_are_shown_as_they_are():
    assert [media_type(turned(PHOTO, 1, kind)) for kind in ("JPEG", "PNG", "WEBP", "TIFF")] == [
        "image/jpeg",
        "image/png",
        "image/webp",
        "",
    ]
    assert media_type(encoded(Image.fromarray(PHOTO).convert("CMYK"), "JPEG")) == ""
    with pytest.raises(PhotoError):
        media_type(b"no photo")


@pytest.mark.parametrize("orientation", [2, 3, 6])
def test_photos_that_browsers_do_not_turn_are_not(orientation):
    """A photo upside down has the size of one that is not: its mask lay upright over it."""
    assert media_type(turned(PHOTO, orientation, "JPEG")) == "image/jpeg"
    assert media_type(turned(PHOTO, orientation, "PNG")) == ""
    assert media_type(turned(PHOTO, orientation, "WEBP")) == ""
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/" tiff:Orientation="{orientation}"/>'.encode()
    for kind in ("JPEG", "WEBP"):
        content = encoded(Image.fromarray(PHOTO), kind, xmp=xmp)
        assert (open_photo("photo", content).pixels.shape == PHOTO.shape) == (orientation < 5)
        assert media_type(content) == ""
