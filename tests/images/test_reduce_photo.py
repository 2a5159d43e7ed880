"""A photo that was decoded whole and is then reduced, beside what the decoder makes of it at that size."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from carmask.images import open_photo, open_reduced, reduce_photo
from tests.conftest import draw_photo


def encoded(pixels: np.ndarray, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, quality=92)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("size", "least", "expected"),
    [
        ((256, 384), (60, 90), (64, 96)),
        ((256, 384), (100, 100), (128, 192)),
        ((256, 384), (200, 300), (256, 384)),
        ((255, 384), (10, 10), (255, 384)),  # odd: corners would move
    ],
)
def test_the_size_is_that_of_reduced_decoding(size, least, expected):
    content = encoded(cv2.GaussianBlur(draw_photo(1, size), (0, 0), 3), "JPEG")
    by_decoder = open_reduced("x", lambda _: least, content)
    afterwards = reduce_photo(open_photo("x", content), lambda _: least)
    assert afterwards.pixels.shape == by_decoder.pixels.shape == (*expected, 3)
    assert afterwards.size == by_decoder.size == size
    # Of a picture without noise, both are means of the same pixels.
    assert np.abs(afterwards.pixels.astype(int) - by_decoder.pixels).mean() < 3


def test_reduction_is_the_mean_of_squares():
    pixels = draw_photo(2, (64, 96))
    photo = open_photo("x", encoded(pixels, "JPEG"))
    reduced = reduce_photo(photo, lambda _: (16, 24)).pixels
    by_hand = photo.pixels.reshape(16, 4, 24, 4, 3).mean(axis=(1, 3))
    assert np.abs(reduced - by_hand).max() <= 0.5 + 1e-6


def test_other_formats_stay_as_they_are():
    photo = open_photo("x", encoded(draw_photo(3, (64, 96)), "PNG"))
    assert reduce_photo(photo, lambda _: (16, 24)).pixels is photo.pixels
