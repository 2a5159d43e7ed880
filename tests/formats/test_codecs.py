import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.errors import DataError
from carmask.formats import label_studio_rle
from carmask.formats.codecs import (
    box_counts,
    box_mask,
    check_counts,
    check_crop,
    columns_counts,
    columns_mask,
    compress,
    counts_of,
    decompress,
    mask_of,
)
from carmask.formats.polygons import fill_line, trace
from carmask.formats.roundtrip import shape_of
from tests.formats.masks import drawn_mask, masks

coco_mask = pytest.importorskip("pycocotools.mask")
GOLDEN = Path(__file__).with_name("golden.json")


@given(masks)
@settings(max_examples=500)
def test_compressed_counts_are_pycocotools_s(mask):
    theirs = coco_mask.encode(np.asfortranarray(mask.view(np.uint8)))["counts"].decode()
    ours = compress(columns_counts(mask))
    assert ours == theirs
    counts = check_counts(decompress(theirs), mask.shape)
    assert np.array_equal(columns_mask(counts, mask.shape), mask)


@given(st.lists(st.integers(0, 2**33), min_size=1, max_size=40))
def test_counts_of_any_size_are_their_own_inverse(counts):
    assert decompress(compress(np.array(counts, np.int64))).tolist() == counts


@given(masks)
@settings(max_examples=200)
def test_plain_counts_are_read_alike_by_pycocotools(mask):
    height, width = mask.shape
    packed = coco_mask.frPyObjects({"size": [height, width], "counts": columns_counts(mask).tolist()}, height, width)
    assert np.array_equal(coco_mask.decode(packed).astype(bool), mask)


@given(masks)
@settings(max_examples=500)
def test_box_counts_fill_the_tight_box_and_come_back(mask):
    if not mask.any():
        return
    crop, counts = box_counts(mask)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    assert (crop.top, crop.left) == (rows[0], columns[0])
    assert crop.size == (rows[-1] - rows[0] + 1, columns[-1] - columns[0] + 1)
    assert counts.sum() == crop.size[0] * crop.size[1]
    assert (counts[1:] > 0).all()
    assert np.array_equal(box_mask(crop, counts), mask)


@given(masks)
@settings(max_examples=500)
def test_brush_run_lengths_come_back(mask):
    encoded = label_studio_rle.encode(mask)
    assert np.array_equal(label_studio_rle.decode(encoded, mask.shape), mask)
    assert int.from_bytes(encoded[:4], "big") == 4 * mask.size


def test_brush_run_lengths_by_hand():
    """Two background pixels and one of the mask: 8 values of 0, 4 of 255."""
    bits = f"{12:032b}" + f"{7:05b}" + "0010" + "0011" + "0111" + "1111"
    bits += "1" + "00" + "111" + "00000000"  # repeated, 3 bits for the length: 8, of 0
    bits += "1" + "00" + "011" + "11111111"  # 4, of 255
    bits += "0" * (-len(bits) % 8)
    assert label_studio_rle.encode(np.array([[False, False, True]])) == int(bits, 2).to_bytes(len(bits) // 8, "big")


@given(masks, st.integers(0, 2**32 - 1))
@settings(max_examples=100)
def test_brush_masks_of_any_encoder_are_read(mask, seed):
    """Other sizes of lengths, single values one by one, colours under the opacity: what editors write."""
    rng = np.random.default_rng(seed)
    values = np.repeat(mask.ravel().astype(np.uint8)[:, None], 4, axis=1) * rng.integers(1, 256, 4, dtype=np.uint8)
    values[:, :3] = rng.integers(0, 256, (mask.size, 3)) if seed % 2 else values[:, :3]
    encoded = _encoded(values.ravel().tolist(), [int(size) for size in rng.integers(1, 17, 4)], rng)
    assert np.array_equal(label_studio_rle.decode(list(encoded), mask.shape), mask)


def _encoded(values: list[int], sizes: list[int], rng: np.random.Generator) -> bytes:
    """Blocks of random length, as the form allows; written from the form's description."""
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    at = 0
    while at < len(values):
        choice = int(rng.integers(4))
        longest = min(1 << sizes[choice], len(values) - at)
        run = 1
        while run < longest and values[at + run] == values[at]:
            run += 1
        repeated = bool(rng.integers(2))
        length = run if repeated else int(rng.integers(1, min(longest, 40) + 1))
        bits += f"{repeated:b}{choice:02b}{length - 1:0{sizes[choice]}b}"
        bits += "".join(f"{value:08b}" for value in ([values[at]] if repeated else values[at : at + length]))
        at += length
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


@given(masks)
@settings(max_examples=500)
def test_a_traced_line_fills_the_mask(mask):
    if not mask.any():
        return
    filled = fill_line(trace(mask), mask.shape)
    assert (filled >= mask).all()
    if shape_of(mask).components == 1:  # bridges between components cross what lies between
        assert np.array_equal(filled, mask)


@given(masks)
def test_counts_by_rows_come_back(mask):
    counts = counts_of(mask)
    assert counts.sum() == mask.size
    assert np.array_equal(mask_of(counts, mask.shape), mask)


def test_golden_bytes_of_the_tools_own_libraries():
    """What label-studio-sdk 2.1.2 and cvat-sdk 2.80.0 made of these masks (tests/formats/oracles.py --golden)."""
    golden = json.loads(GOLDEN.read_text())
    assert len(golden["masks"]) >= 40
    for one in golden["masks"]:
        mask = drawn_mask(one["kind"], tuple(one["size"]), one["seed"])
        assert bytes.fromhex(one["label_studio"]) == label_studio_rle.encode(mask), one
        if mask.any():
            crop, counts = box_counts(mask)
            ends = [crop.left, crop.top, crop.left + crop.size[1] - 1, crop.top + crop.size[0] - 1]
            assert one["cvat"] == counts.tolist() + ends, one


@pytest.mark.parametrize(
    "counts", [[3, 4], [10, -4, 6], [], [12, 1], ["12"], [[12]], [6.5, 5.5], [2**62, 2**62, 12], None]
)
def test_counts_that_do_not_fill_the_picture_are_refused(counts):
    with pytest.raises(DataError, match="run"):
        check_counts(counts, (3, 4))


@pytest.mark.parametrize("text", ["\x00", "é", "o" * 20, "P", "~"])
def test_compressed_counts_that_are_none_are_refused(text):
    with pytest.raises(DataError, match="compressed run lengths"):
        decompress(text)


@pytest.mark.parametrize("box", [(-1, 0, 2, 2), (3, 0, 2, 1), (0, 2, 1, 2), (0, 0, 0, 1), (0, 0, 10**9, 10**9)])
def test_boxes_beyond_the_picture_are_refused(box):
    with pytest.raises(DataError, match="does not lie in the picture of 4x3"):
        check_crop(*box, (3, 4))


def test_brush_run_lengths_that_are_none_are_refused():
    mask = drawn_mask("blobs", (9, 7), 1)
    good = label_studio_rle.encode(mask)
    with pytest.raises(DataError, match="cut off"):
        label_studio_rle.decode(good[:9], mask.shape)
    with pytest.raises(DataError, match="cut off"):
        label_studio_rle.decode(good[:4], mask.shape)
    with pytest.raises(DataError, match="has 64"):
        label_studio_rle.decode(good, (8, 8))
    with pytest.raises(DataError, match="0 to 255"):
        label_studio_rle.decode([1, 2, 300], mask.shape)
    with pytest.raises(DataError, match="0 to 255"):
        label_studio_rle.decode("text", mask.shape)
    with pytest.raises(DataError, match="more than"):
        # One block of 16 values where four are due.
        label_studio_rle.decode(
            int(f"{4:032b}{7:05b}{0x237F:016b}" + "1" + "01" + "1111" + "0" * 12, 2).to_bytes(9), (1, 1)
        )
