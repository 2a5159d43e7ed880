from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from carmask.errors import ArrayError, RLEError
from carmask.formats.rle import mask_to_runs, rle_decode, rle_encode
from carmask.formats.rle_table import read_rle_table
from carmask.images import read_mask

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40))


def encode_by_definition(mask: np.ndarray) -> str:
    """One pixel at a time, straight from the challenge's text."""
    numbers = []
    pixels = [bool(value) for row in mask for value in row]
    position = 0
    while position < len(pixels):
        if pixels[position]:
            length = 0
            while position + length < len(pixels) and pixels[position + length]:
                length += 1
            numbers += [position + 1, length]
            position += length
        else:
            position += 1
    return " ".join(str(number) for number in numbers)


def decode_by_definition(text: str, height: int, width: int) -> np.ndarray:
    pixels = [False] * (height * width)
    numbers = [int(word) for word in text.split()]
    for start, length in zip(numbers[::2], numbers[1::2], strict=True):
        for position in range(start, start + length):
            pixels[position - 1] = True
    return np.array(pixels).reshape(height, width)


@given(masks)
@example(np.ones((1, 1), np.bool_))
@example(np.ones((3, 8), np.bool_))
@example(np.zeros((5, 8), np.bool_))
@example(np.eye(24, dtype=np.bool_))
def test_encode_and_decode_agree_with_the_definition(mask):
    text = rle_encode(mask)
    assert text == encode_by_definition(mask)
    assert np.array_equal(rle_decode(text, *mask.shape), mask)
    assert np.array_equal(decode_by_definition(text, *mask.shape), mask)


@given(
    hnp.arrays(np.bool_, 8),
    st.integers(1, 40),
    st.integers(0, 15),
    st.integers(1, 12),
)
def test_repeating_words_are_not_missed(pattern, repeats, cut, height):
    # Stripes of eight pixels make equal neighbouring words that hold changes: what the fast path must not skip.
    row = np.tile(pattern, repeats + 2)[cut:]
    mask = np.tile(row, (height, 1))
    assert rle_encode(mask) == encode_by_definition(mask)


@given(masks)
def test_layout_in_memory_does_not_matter(mask):
    wide = np.zeros((mask.shape[0] * 2, mask.shape[1] * 3), np.bool_)
    wide[::2, 1::3] = mask
    for same in (np.asfortranarray(mask), wide[::2, 1::3], mask[::-1][::-1]):
        assert rle_encode(same) == encode_by_definition(mask)


def test_agrees_with_pycocotools():
    # COCO counts column by column and writes all lengths, background first.
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(1)
    for _ in range(20):
        mask = np.kron(rng.random((9, 7)) < 0.4, np.ones((11, 13))).astype(np.bool_)
        runs = mask_to_runs(mask)
        theirs = coco.encode(np.asfortranarray(mask.T.astype(np.uint8)))
        assert coco.area(theirs) == runs[:, 1].sum()
        assert np.array_equal(coco.decode(theirs).T, rle_decode(rle_encode(mask), *mask.shape))


def test_by_hand():
    mask = np.array([[0, 1, 1, 0], [1, 0, 0, 1]], np.bool_)
    assert rle_encode(mask) == "2 2 5 1 8 1"
    assert rle_encode(np.ones((2, 3), np.bool_)) == "1 6"
    assert rle_encode(np.zeros((2, 3), np.bool_)) == ""
    assert not rle_decode("", 2, 3).any()
    # a run may go on over the end of a row
    assert np.array_equal(rle_decode("3 2", 2, 3), np.array([[0, 0, 1], [1, 0, 0]], np.bool_))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", "no length"),
        ("1 2 3", "no length"),
        ("1 x", "'x' is not a whole number"),
        ("1.0 2", "'1.0' is not a whole number"),
        ("-1 2", "'-1' is not a whole number"),
        ("1 ²", "not a whole number"),
        ("0 2", "starts before pixel 1"),
        ("1 0", "length 0"),
        ("5 3", "ends at pixel 7; a frame of 3x2 has 6"),
        ("1 2 2 1", r"run 2 \(2 1\) overlaps run 1 \(1 2\)"),
        ("4 1 1 2", r"run 2 \(1 2\) comes before run 1 \(4 1\)"),
        ("1 99999999999999999999", "more than 18 digits"),
    ],
)
def test_decode_says_what_is_wrong(text, message):
    with pytest.raises(RLEError, match=message):
        rle_decode(text, 2, 3)


@given(st.text(alphabet="0123456789 -.x\n", max_size=30))
def test_decode_raises_nothing_else(text):
    try:
        mask = rle_decode(text, 3, 5)
    except RLEError:
        return
    assert rle_encode(mask) == encode_by_definition(mask)


@pytest.mark.parametrize(
    ("text", "height", "width", "said"),
    [
        (float("nan"), 2, 3, "run lengths are text, not float; read tables with keep_default_na=False"),
        (None, 2, 3, "run lengths are text, not NoneType"),
        (b"1 2", 2, 3, "run lengths are text, not bytes"),
        ("", -1, 3, "a frame of 3 x -1: give height and width in whole pixels"),
        ("1 2", 2.0, 3.0, "a frame of 3.0 x 2.0: give height and width in whole pixels"),
        ("1 2", "2", "3", "a frame of '3' x '2'"),
    ],
)
def test_decode_refuses_other_things_than_texts_and_frames(text, height, width, said):
    with pytest.raises(RLEError) as error:
        rle_decode(text, height, width)
    assert str(error.value).startswith(said)


def test_encode_takes_masks_only():
    for wrong in (np.zeros((2, 2), np.uint8), np.zeros(4, np.bool_), np.zeros((2, 2, 1), np.bool_), [[True]]):
        with pytest.raises(ArrayError, match="bool array"):
            rle_encode(wrong)


@pytest.mark.real
def test_the_challenge_s_own_rows(carvana):
    rows = read_rle_table(carvana / "original" / "train_masks.csv").rows
    assert rows[0].text.startswith("879386 40 881253 141 883140 205")
    for _, name, text in rows:
        mask = read_mask(carvana / "original" / "train_masks" / name.replace(".jpg", "_mask.gif"))
        assert rle_encode(mask) == text
