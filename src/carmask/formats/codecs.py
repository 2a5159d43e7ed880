"""Run lengths of masks: COCO's, plain and compressed, and those of a box, as CVAT writes them.

COCO counts column by column through the whole picture, beginning with the background
(https://cocodataset.org/#format-data); its compressed form writes each count, from the fourth on less the count two
before it, in characters of five bits (maskApi.c of the COCO API describes it). CVAT counts row by row through the
mask's tight box, beginning with the background (https://docs.cvat.ai/docs/manual/advanced/xml_format/).
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats.rle import mask_to_runs
from carmask.geometry import Crop, Size, box_of

Counts = NDArray[np.int64]
#: Of a character of compressed counts: it is written from '0' on, and has a bit for "more follows" above five bits.
_ZERO, _MORE, _BITS, _SIGN = 48, 32, 5, 16


def counts_of(mask: Mask) -> Counts:
    """Alternating run lengths of a mask, row by row, beginning with the background.

    Args:
        mask: bool (height, width).

    Returns:
        int64: background, mask, background, …; they sum to the number of pixels.
    """
    runs = mask_to_runs(mask)
    # Where each run begins and ends, between the picture's own ends; a mask's last run may end with the picture.
    edges = np.concatenate([[0], np.stack([runs[:, 0] - 1, runs[:, 0] - 1 + runs[:, 1]], axis=1).ravel(), [mask.size]])
    counts = np.diff(edges)
    return counts if counts.size == 1 or counts[-1] else counts[:-1]


def mask_of(counts: Counts, size: Size) -> Mask:
    """The mask of alternating run lengths, row by row, beginning with the background.

    Args:
        counts: int64; from ``check_counts``.
        size: (height, width).

    Returns:
        bool (height, width).
    """
    flat = np.zeros(size[0] * size[1], np.bool_)
    ends = np.cumsum(counts)
    for start, end in zip(ends[:-1:2].tolist(), ends[1::2].tolist(), strict=False):
        flat[start:end] = True
    return flat.reshape(size)


def check_counts(counts: Sequence[int] | Counts, size: Size) -> Counts:
    """Return counts as an array if they fill a picture exactly.

    Args:
        counts: whole numbers.
        size: (height, width).

    Returns:
        int64.

    Raises:
        DataError: if one is not a whole number or negative, or they do not sum to the picture's pixels.
    """
    try:
        found = np.asarray(counts)
        exact = found.astype(np.int64)
        if found.ndim != 1 or (found.size and (found.dtype.kind not in "iuf" or not (exact == found).all())):
            raise ValueError
    except (TypeError, ValueError, OverflowError) as error:
        raise DataError("the run lengths are not a list of whole numbers") from error
    if exact.size and exact.min() < 0:
        raise DataError(f"a run has the length {exact.min()}")
    # Each is checked by itself first: a sum may overflow.
    pixels = size[0] * size[1]
    if exact.size and (exact.max() > pixels or int(exact.sum()) != pixels):
        raise DataError(f"run lengths of {sum(exact.tolist())} pixels in a picture of {size[1]}x{size[0]}")
    if not exact.size and pixels:
        raise DataError(f"no run lengths for a picture of {size[1]}x{size[0]}")
    return exact


def columns_counts(mask: Mask) -> Counts:
    """COCO's counts of a mask, bool (height, width): column by column."""
    return counts_of(cv2.transpose(np.ascontiguousarray(mask).view(np.uint8)).view(np.bool_))


def columns_mask(counts: Counts, size: Size) -> Mask:
    """The mask of COCO's counts; see ``mask_of``."""
    across = mask_of(counts, (size[1], size[0]))
    return cv2.transpose(across.view(np.uint8)).view(np.bool_) if across.size else across.T


def compress(counts: Counts) -> str:
    """COCO's compressed form of its counts."""
    values = counts.copy()
    values[3:] -= counts[1:-2]
    # A value takes as many characters of five bits, lowest first, as hold it with its sign.
    magnitude = np.where(values < 0, ~values, values)
    lengths = np.ones(values.size, np.int64)
    for more in range(1, 13):
        lengths += magnitude >= 1 << (_BITS * more - 1)
    places = np.arange(lengths.max(initial=1))
    characters = (values[:, None] >> (_BITS * places)) & 31
    characters |= np.where(places < lengths[:, None] - 1, _MORE, 0)
    written = characters[places < lengths[:, None]] + _ZERO
    return str(written.astype(np.uint8).tobytes(), "ascii")


def decompress(text: str) -> Counts:
    """COCO's counts from their compressed form.

    Raises:
        DataError: if a character is none of the form, or the last value is cut off.
    """
    try:
        characters = np.frombuffer(text.encode("ascii"), np.uint8).astype(np.int64) - _ZERO
    except UnicodeEncodeError as error:
        raise DataError("compressed run lengths hold a character that is none of theirs") from error
    if not characters.size:
        return np.zeros(0, np.int64)
    if characters.min() < 0 or characters.max() > 63:
        raise DataError("compressed run lengths hold a character that is none of theirs")
    last = (characters & _MORE) == 0
    if not last[-1]:
        raise DataError("compressed run lengths are cut off")
    starts = np.concatenate([[0], np.flatnonzero(last)[:-1] + 1])
    place = np.arange(characters.size) - np.repeat(starts, np.diff(np.append(starts, characters.size)))
    if place.max() > 8:
        raise DataError("compressed run lengths hold a number of more than 40 bits")
    values = np.add.reduceat((characters & 31) << (_BITS * place), starts)
    ends = np.flatnonzero(last)
    negative = (characters[ends] & _SIGN) != 0
    values -= np.where(negative, np.int64(1) << (_BITS * (place[ends] + 1)), 0)
    # From the fourth on they are differences to the one two before.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def compressed_mask(text: str, size: Size) -> Mask:
    """The mask of COCO's compressed counts, bool (height, width), which were checked before."""
    return columns_mask(decompress(text), size)


def box_counts(mask: Mask) -> tuple[Crop, Counts]:
    """CVAT's counts of a mask that is not empty: its tight box, and the counts row by row inside it."""
    crop = tight(mask)
    return crop, counts_of(np.ascontiguousarray(mask[crop.where]))


def box_mask(crop: Crop, counts: Counts) -> Mask:
    """The mask of CVAT's counts.

    Args:
        crop: the box that they fill, in its picture.
        counts: from ``check_counts``.

    Returns:
        bool (height, width) of the picture.
    """
    mask = np.zeros(crop.photo, np.bool_)
    mask[crop.where] = mask_of(counts, crop.size)
    return mask


def tight(mask: Mask) -> Crop:
    """The least box that holds all pixels of a mask, which has at least one."""
    box = box_of(mask)
    assert box is not None
    top, left, bottom, right = map(int, box)
    return Crop((mask.shape[0], mask.shape[1]), top, left, (bottom - top, right - left))


def check_crop(left: int, top: int, width: int, height: int, size: Size) -> Crop:
    """A box in a picture.

    Args:
        left: first column of the box.
        top: first row of the box.
        width: of the box.
        height: of the box.
        size: (height, width) of the picture.

    Raises:
        DataError: if the box does not lie in the picture.
    """
    if left < 0 or top < 0 or width < 1 or height < 1 or left + width > size[1] or top + height > size[0]:
        raise DataError(
            f"a box of {width}x{height} pixels at column {left}, row {top} does not lie in the picture of "
            f"{size[1]}x{size[0]}"
        )
    return Crop(size, top, left, (height, width))


def placed(inside: Mask, left: int, top: int, size: Size) -> Mask:
    """Put a mask of a box into a picture.

    Args:
        inside: bool (height, width) of the box.
        left: first column of the box.
        top: first row of the box.
        size: (height, width) of the picture.

    Returns:
        bool (height, width) of the picture.

    Raises:
        DataError: if the box does not lie in the picture.
    """
    crop = check_crop(left, top, inside.shape[1], inside.shape[0], size)
    mask = np.zeros(size, np.bool_)
    mask[crop.where] = inside
    return mask
