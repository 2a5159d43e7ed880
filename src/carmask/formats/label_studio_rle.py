"""Label Studio's run lengths of a brush mask: RGBA values row by row, packed into bits.

The form is that of the package ``rle-pack``: 32 bits for the count of values, 5 for the word size less 1, four times 4
for the sizes less 1 of a block length; then blocks. A block has a bit that says whether one value is repeated, 2 bits
that choose the size of its length, the length less 1, and the value, or as many values as the length says. Bits that
fill the last byte are 0. https://labelstud.io/tags/brushlabels, "Result parameters".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask
from carmask.errors import DataError
from carmask.formats.codecs import counts_of
from carmask.geometry import Size

#: Bits of a value, and the four sizes of a length, as Label Studio writes them.
_WORD, _SIZES = 8, (3, 4, 8, 16)
#: Bits before the blocks.
_HEADER = 32 + 5 + 4 * 4
#: Values of a pixel; the last one, opacity, decides.
_CHANNELS = 4
_LONGEST = 1 << _SIZES[-1]
_PLACES = np.arange(32)


def encode(mask: Mask) -> bytes:
    """Encode a mask as Label Studio's SDK does, byte by byte the same.

    Args:
        mask: bool (height, width); its pixels become 255 in all four channels, the others 0.

    Returns:
        The bytes that are listed as numbers in ``rle``.
    """
    counts = counts_of(mask) * _CHANNELS
    values = np.arange(counts.size) % 2 * 255
    values, counts = values[counts > 0], counts[counts > 0]
    # A run longer than a length can say is cut into blocks of the longest, and what is left.
    blocks = -(-counts // _LONGEST)
    ends = np.cumsum(blocks) - 1
    lengths = np.full(int(blocks.sum()), _LONGEST, np.int64)
    lengths[ends] = counts - (blocks - 1) * _LONGEST
    values = np.repeat(values, blocks)
    choice = np.searchsorted(np.array([1 << size for size in _SIZES]), lengths)
    sizes = np.array(_SIZES)[choice]
    # The bits of a block, first ones highest: 1, choice, length less 1, value.
    words = (((4 | choice) << sizes | (lengths - 1)) << _WORD) | values
    widths = 1 + 2 + sizes + _WORD
    return _packed(mask.size * _CHANNELS, words, widths)


def _packed(count: int, words: NDArray[np.int64], widths: NDArray[np.int64]) -> bytes:
    header = count << (_HEADER - 32) | (_WORD - 1) << 16
    for place, size in enumerate(_SIZES):
        header |= (size - 1) << (12 - 4 * place)
    # Each word at the front of 32 bits, of which as many are taken as it has.
    wide = (words << (32 - widths)).astype(">u4").view(np.uint8).reshape(-1, 4)
    bits = np.unpackbits(wide, axis=1)[widths[:, None] > _PLACES]
    total = _HEADER + bits.size
    # The SDK fills up to the next byte, and adds a whole one where there is nothing to fill.
    filled = np.zeros(total + 8 - total % 8, np.uint8)
    filled[:_HEADER] = [header >> place & 1 for place in range(_HEADER - 1, -1, -1)]
    filled[_HEADER:total] = bits
    return np.packbits(filled).tobytes()


def decode(rle: Sequence[int] | bytes, size: Size) -> Mask:
    """Decode a brush mask, whichever program wrote it.

    Args:
        rle: the numbers, 0 to 255.
        size: (height, width).

    Returns:
        bool (height, width), True where opacity is above 0.

    Raises:
        DataError: if it is cut off, is not for a picture of this size, or not of this form.
    """
    try:
        data = bytes(rle)
    except (TypeError, ValueError) as error:
        raise DataError("the brush's run lengths are not numbers from 0 to 255") from error
    if len(data) * 8 < _HEADER:
        raise DataError("the brush's run lengths are cut off")
    pixels = size[0] * size[1]
    header = int.from_bytes(data[:8], "big") >> (64 - _HEADER)
    count, word = header >> (_HEADER - 32), (header >> 16 & 31) + 1
    sizes = [(header >> shift & 15) + 1 for shift in (12, 8, 4, 0)]
    if count != pixels * _CHANNELS:
        raise DataError(_count_fault(count, size))
    if word != _WORD:
        raise DataError(f"the brush's values have {word} bits; masks have {_WORD}")
    flat = np.zeros(pixels, np.bool_)
    position, done, bits = _HEADER, 0, len(data) * 8
    while done < count:
        # 64 bits from the byte that the block begins in hold its head (at most 1 + 2 + 16 bits) and one value.
        window = int.from_bytes(data[position >> 3 : (position >> 3) + 8].ljust(8, b"\0"), "big")
        window = window << (position & 7) & 0xFFFF_FFFF_FFFF_FFFF
        length_bits = sizes[window >> 61 & 3]
        length = (window >> (61 - length_bits) & ((1 << length_bits) - 1)) + 1
        head = 3 + length_bits
        repeated = window >> 63
        end = position + head + (_WORD if repeated else _WORD * length)
        if end > bits:
            raise DataError(f"the brush's run lengths are cut off after {done} of {count} values")
        if done + length > count:
            raise DataError(f"the brush's run lengths hold more than {count} values")
        # Pixel k has the values 4k to 4k + 3: those whose opacity lies in this block.
        first, last = done // _CHANNELS, (done + length) // _CHANNELS
        if repeated:
            if window >> (64 - head - _WORD) & 0xFF and last > first:
                flat[first:last] = True
        elif last > first:
            values = _literal(data, position + head, length)
            flat[first:last] = values[first * _CHANNELS + 3 - done :: _CHANNELS] > 0
        position, done = end, done + length
    return flat.reshape(size)


def _literal(data: bytes, start: int, count: int) -> NDArray[np.uint8]:
    """Values that are written one after the other, from any bit on."""
    first, shift = start >> 3, start & 7
    found = np.frombuffer(data, np.uint8, min(count + 1, len(data) - first), first)
    bits = np.unpackbits(found)[shift : shift + count * _WORD]
    return np.packbits(bits)


def _count_fault(count: int, size: Size) -> str:
    pixels, rest = divmod(count, _CHANNELS)
    if rest:
        return f"the brush's run lengths have {count} values, which are no pixels of {_CHANNELS}"
    return f"the brush's run lengths have {pixels} pixels, the picture of {size[1]}x{size[0]} has {size[0] * size[1]}"
