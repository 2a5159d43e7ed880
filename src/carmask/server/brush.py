"""Label Studio's run lengths of a brush mask.

RGBA values row by row, packed into bits as the package ``rle-pack`` does: 32 bits for the count of values, 5 for the
word size less 1, four times 4 for the sizes less 1 of a length; then blocks of 1 bit (the value repeats), 2 bits (which
size the length has), the length less 1, and the value. https://labelstud.io/tags/brushlabels, "Result parameters".
"""

from __future__ import annotations

import numpy as np

from carmask.arrays import Mask
from carmask.rle import mask_to_runs

#: Bits of a value, and the four sizes of a length, as Label Studio writes them.
_WORD, _SIZES = 8, (3, 4, 8, 16)
#: Values of a pixel.
_CHANNELS = 4
_LONGEST = 1 << _SIZES[-1]


def brush_rle(mask: Mask) -> list[int]:
    """Encode a mask.

    Args:
        mask: bool (height, width); its pixels become 255 in all four channels, the others 0.

    Returns:
        Bytes, 0 to 255, as ``rle`` holds them.
    """
    runs = mask_to_runs(mask)
    starts, ends = runs[:, 0] - 1, runs[:, 0] - 1 + runs[:, 1]
    edges = np.unique(np.concatenate([[0], starts, ends, [mask.size]]))
    flat, bits = mask.ravel(), [_field(mask.size * _CHANNELS, 32), _field(_WORD - 1, 5)]
    bits += [_field(size - 1, 4) for size in _SIZES]
    for start, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        value, left = 255 if flat[start] else 0, (end - start) * _CHANNELS
        while left:
            length = min(left, _LONGEST)
            choice = next(number for number, size in enumerate(_SIZES) if length <= 1 << size)
            bits.append("1" + _field(choice, 2) + _field(length - 1, _SIZES[choice]) + _field(value, _WORD))
            left -= length
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8, "big"))


def _field(value: int, width: int) -> str:
    return format(value, f"0{width}b")
