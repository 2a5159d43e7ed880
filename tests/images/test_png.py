from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from carmask.images import encode_mask, encode_png

SIZES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=70)


def decoded(content: bytes) -> np.ndarray:
    """What Pillow reads, which checks the sums of all chunks that it needs."""
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


@given(hnp.arrays(np.bool_, SIZES))
def test_masks_come_back(mask):
    assert np.array_equal(decoded(encode_mask(mask)), mask)


@given(st.data(), SIZES, st.sampled_from([None, 1, 2, 3, 4]))
def test_pictures_come_back(data, size, channels):
    pixels = data.draw(hnp.arrays(np.uint8, size if channels is None else (*size, channels)))
    assert np.array_equal(decoded(encode_png(pixels)), pixels[..., 0] if channels == 1 else pixels)


@pytest.mark.parametrize("channels", [3, 4])
def test_strided_pictures_come_back(channels):
    pixels = np.random.default_rng(0).integers(0, 255, (30, 50, 4), np.uint8)[::-2, 3:, :channels]
    assert np.array_equal(decoded(encode_png(pixels)), pixels)


def test_other_readers_read_them():
    cv2 = pytest.importorskip("cv2")
    pixels = np.random.default_rng(0).integers(0, 255, (31, 45, 3), np.uint8)
    mask = pixels[..., 0] > 127
    read = cv2.imdecode(np.frombuffer(encode_png(pixels), np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(read[..., ::-1], pixels)
    read = cv2.imdecode(np.frombuffer(encode_mask(mask), np.uint8), cv2.IMREAD_GRAYSCALE)
    assert np.array_equal(read, mask * 255)


def test_the_profile_is_kept():
    with Image.open(io.BytesIO(encode_png(np.zeros((4, 5, 3), np.uint8), b"a profile"))) as image:
        assert image.info["icc_profile"] == b"a profile"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.sampled_from([1, 2, 3, 4]))
def test_bands_without_change_are_put_together_with_others(seed, height, channels):
    """Read back by another reader; zlib's own checksum is over all of it."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((height, 23, channels), np.uint8)
    for _ in range(rng.integers(0, 4)):
        top = rng.integers(0, height)
        pixels[top : top + rng.integers(1, 40)] = rng.integers(0, 255, (23, channels))
        if rng.random() < 0.5:
            pixels[top : top + 3] = rng.integers(0, 255, pixels[top : top + 3].shape)
    shaped = pixels[..., 0] if channels == 1 else pixels
    content = encode_png(shaped)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content))), shaped)
    if channels in {1, 3, 4}:
        other = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
        swapped = {1: shaped, 3: shaped[..., ::-1], 4: shaped[..., [2, 1, 0, 3]] if channels == 4 else shaped}
        assert np.array_equal(other, swapped[channels])
