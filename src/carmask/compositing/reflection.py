"""The car's reflection in a glossy floor: its mirror image about the line on which its tyres stand."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.compositing.contact import contact_line, lower_contour

#: Opacity of the reflection at the tyres, where a floor of polished stone or resin mirrors about this much.
_STRENGTH = 0.30
#: How far down it is seen, in parts of the car's height.
_REACH = 0.45
#: Blur at the far end, in parts of the car's width: a floor is not quite flat.
_BLUR = 0.010
#: Pictures of twice this width in pixels and more are mirrored at a fraction of their size: a reflection is soft.
_SIDE = 700
#: How far past the outer wheels it is seen, in parts of the car's width; there the floor's line is a guess.
_BEYOND = 0.22


class Reflection(NamedTuple):
    """What the floor mirrors.

    Attributes:
        top: first row of the picture that it has.
        colours: float32 (rows, width, 3), RGB display values, multiplied by the opacity.
        opacity: float32 (rows, width), 0 to 1.
    """

    top: int
    colours: NDArray[np.float32]
    opacity: NDArray[np.float32]


def reflect(car: Photo, alpha: NDArray[np.uint8], strength: float = 1.0) -> Reflection | None:
    """Mirror a car in the floor that it stands on.

    Args:
        car: uint8 (height, width, 3), RGB, where it stands in the picture.
        alpha: uint8 (height, width), its opacity.
        strength: factor on the opacity, 0 to 3.

    Returns:
        The reflection; None if there is no car, or no floor below it in the picture.
    """
    height, width = alpha.shape
    factor = max(1, width // _SIDE)
    if factor == 1:
        return _mirrored(car, alpha, strength)
    size = max(1, width // factor), max(1, height // factor)
    less_car = cv2.resize(car, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    less_alpha = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    small = _mirrored(less_car, less_alpha, strength)
    if small is None:
        return None
    down = height / size[1]
    top, end = round(small.top * down), min(height, round((small.top + len(small.opacity)) * down))
    large = (width, end - top)
    return Reflection(
        top,
        cv2.resize(small.colours, large, interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False),
        cv2.resize(small.opacity, large, interpolation=cv2.INTER_LINEAR).astype(np.float32, copy=False),
    )


def _mirrored(car: Photo, alpha: NDArray[np.uint8], strength: float) -> Reflection | None:
    """``reflect`` at the size that it is given."""
    solid = alpha > 127
    if np.count_nonzero(solid.any(axis=0)) < 8:
        return None
    columns, bottom = lower_contour(solid)
    wide, high = float(columns[-1] - columns[0] + 1), float(bottom.max() - int(np.argmax(solid.any(axis=1))) + 1)
    line, below = contact_line(columns, bottom, wide, _BEYOND)
    height, width = alpha.shape
    reach = max(4.0, _REACH * high)
    top, end = int(line.min()), min(height, int(np.ceil(line.max() + reach)))
    if end - top < 2:
        return None
    across = np.arange(width)
    ground = np.interp(across, columns, line).astype(np.float32)
    seen = np.interp(across, columns, below, left=0, right=0).astype(np.float32)
    rows = np.arange(top, end, dtype=np.float32)[:, None]
    down = rows - ground  # distance below the floor's line
    source = ground + 1 - down  # rows are areas: the line is the lower edge of the lowest row
    grid = np.broadcast_to(across.astype(np.float32), source.shape)
    share = cv2.remap(alpha, grid, source.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    colours = cv2.remap(car, grid, source.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    opacity = share.astype(np.float32) / 255 * (down > 0)
    layers = np.dstack([colours.astype(np.float32) * opacity[..., None], opacity])
    far = cv2.GaussianBlur(layers, (0, 0), max(0.6, _BLUR * wide))
    depth = np.clip(down / reach, 0, 1)[..., None]
    layers = layers * (1 - depth) + far * depth
    fade = min(1.0, _STRENGTH * strength) * (1 - depth[..., 0]) ** 1.6 * seen * (down > 0)
    layers *= fade[..., None].astype(np.float32)
    return Reflection(top, layers[..., :3], layers[..., 3])


def lay(reflection: Reflection, behind: Photo) -> Photo:
    """Lay a reflection over a floor.

    Args:
        reflection: from ``reflect``.
        behind: uint8 (height, width, 3), RGB: the picture without car and shadow.

    Returns:
        uint8 (height, width, 3), RGB; a new array.
    """
    result = behind.copy()
    rows = slice(reflection.top, reflection.top + len(reflection.opacity))
    mixed = behind[rows] * (1 - reflection.opacity[..., None]) + reflection.colours
    result[rows] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)
    return result


def lay_under(reflection: Reflection, rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put a reflection under a cut-out.

    Args:
        reflection: from ``reflect``.
        rgba: uint8 (height, width, 4), RGBA, alpha not multiplied in.

    Returns:
        uint8 (height, width, 4), RGBA, alpha not multiplied in; a new array. Porter and Duff's "over" (SIGGRAPH 1984).
    """
    result = rgba.copy()
    rows = slice(reflection.top, reflection.top + len(reflection.opacity))
    own = rgba[rows, :, 3].astype(np.float32) / 255
    under = (1 - own) * reflection.opacity
    touched = under > 1 / 512
    total = np.where(touched, own + under, 1)
    colours = own[..., None] * rgba[rows, :, :3] + (1 - own)[..., None] * reflection.colours
    made = np.dstack([colours / total[..., None], total * 255])
    result[rows][touched] = np.clip(made + 0.5, 0, 255).astype(np.uint8)[touched]
    return result
