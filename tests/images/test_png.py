from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
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
