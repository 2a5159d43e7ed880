"""The car's soft edge: how much of each pixel at the contour is car, and which colour that part has.

The mask is certain but for a narrow band along its contour. In the band, alpha is the mean of two estimates, each
weighted by one over its variance. The network's probability gives the contour to within a few pixels. The colours on
both sides give the share of each in a pixel exactly, wherever the two sides differ: Fisher's linear discriminant (1936)
of the certain pixels nearby, scaled so that the background's mean is 0 and the car's is 1. Where both variances are
large, the mean of the pixels around takes over, and the contour is smooth.

The colour of the car alone follows as in M. Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021: means of
both sides weighted by alpha, then the rest of the pixel itself. Everything is done in linear light, where pixels
mix, and only in the band.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo, Probability
from carmask.compositing.light import LINEAR, to_display

_Floats = NDArray[np.float32]
_Array = TypeVar("_Array", NDArray[np.uint8], NDArray[np.float32])


class Matte(NamedTuple):
    """A car without its background.

    Attributes:
        alpha: uint8 (height, width), 255 where the pixel is all car.
        foreground: uint8 (height, width, 3), RGB: the car's own colour wherever alpha is not 0, elsewhere the photo's.
    """

    alpha: NDArray[np.uint8]
    foreground: Photo


#: All lengths are in pixels of the network, in which its errors are alike whatever the photo's size.
#: Half the band's width.
REACH = 3.2
#: Half the side of the square whose certain pixels a pixel is compared with.
NEAR = 2.0
#: Side of the cells in which these are summed.
CELL = 0.8
#: Twice the distance from 1/2 below which a pixel's probability is too uncertain for its colour to count for a side.
CERTAIN = 0.3
#: Variance of colours beyond what was seen, in linear light: noise and compression.
NOISE = 2e-4
#: Variance of the network's alpha: this factor times p (1 - p), plus this.
NETWORK_VARIANCE, LEAST_VARIANCE = 1.5, 0.002
#: The colours' estimate counts less where the sides' means are no farther apart than this, in squared deviations, ...
WEAK = 30.0
#: ... and where the pixel's colour is on neither side nor between, by this factor.
STRANGE = 4.0
#: Weight, one over variance, of the mean of a pixel's surroundings.
SMOOTHING = 15.0
#: Contrast of alpha: noise leaves traces on both sides of the contour, and what is nearly whole is whole.
GAIN = 1.08
#: Width in photo pixels of the edge that the network's contour is given.
EDGE = 2.6


#: Cells on a side of a tile, without its rim.
TILE = 20


def matte(photo: Photo, mask: Mask, probability: Probability, threshold: float) -> Matte:
    """Estimate alpha and foreground.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width): the probability at the photo's size, at or above the threshold.
        probability: float32, of the whole photo, at the network's resolution, in [0, 1].
        threshold: what counts as car.

    Returns:
        The matte. Beyond the band alpha is 0 or 255, as the mask says, and colours are the photo's.
    """
    unit = max(1.0, mask.shape[0] / probability.shape[0], mask.shape[1] / probability.shape[1])
    reach, cell = max(2, round(REACH * unit)), max(1, round(CELL * unit))
    radius, calm = max(1, round(NEAR * unit / cell)), max(1, round(0.8 * unit))
    rim = cell * max(radius, -(-calm // cell), 1)
    place = _around(mask, reach + rim)
    if place is None:
        return _hard(photo, mask)
    inside = mask[place].view(np.uint8)
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    # Beyond the photo's edge the car goes on.
    band = cv2.dilate(inside, kernel) != cv2.erode(inside, kernel)
    flat = np.flatnonzero(band)
    if not len(flat):
        return _hard(photo, mask)
    rows, columns = np.divmod(flat, band.shape[1])
    tiles = _Tiles(band.shape, (rows, columns), cell, rim)
    enlarged = cv2.resize(probability, mask.shape[::-1], interpolation=cv2.INTER_LINEAR)
    sure = _centred(tiles.gather(enlarged[place].astype(np.float32, copy=False)), threshold)
    del enlarged, band  # as large as the photo or the car; what follows is about the contour
    colours = [tiles.gather(photo[place][..., channel]) for channel in range(3)]
    grid = _Grid(tiles, colours, sure)
    pixels = np.stack([LINEAR[channel.ravel()[tiles.of_band]] for channel in colours], axis=1)
    soft, weight = _alpha(grid, pixels, sure.ravel()[tiles.of_band], radius)
    whole = inside.astype(np.float32)
    whole.ravel()[flat] = soft
    smooth = cv2.blur(tiles.gather(whole), (2 * calm + 1, 2 * calm + 1)).ravel()[tiles.of_band]
    soft = (soft * weight + smooth * SMOOTHING) / (weight + SMOOTHING)
    soft = np.clip((soft - 0.5) * GAIN + 0.5, 0, 1)
    whole.ravel()[flat] = soft
    light = _foreground(grid, pixels, soft, tiles.gather(whole), radius)
    del whole
    # Made last: until here there are arrays as large as these.
    alpha, foreground = _hard(photo, mask)
    alpha[place][rows, columns] = (soft * 255 + 0.5).astype(np.uint8)
    mixed = (soft > 0) & (soft < 1)
    foreground[place][rows[mixed], columns[mixed]] = to_display(light[mixed])
    return Matte(alpha, foreground)


def _hard(photo: Photo, mask: Mask) -> Matte:
    """The matte that a mask alone makes."""
    return Matte(mask.view(np.uint8) * np.uint8(255), photo.copy())


def _around(mask: Mask, margin: int) -> tuple[slice, slice] | None:
    """The part of the photo that holds the mask and what lies near it."""
    left, top, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return None
    bottom, right = min(mask.shape[0], top + height + margin), min(mask.shape[1], left + width + margin)
    return slice(max(0, top - margin), bottom), slice(max(0, left - margin), right)


def _centred(probability: _Floats, threshold: float) -> _Floats:
    """Bend probabilities so that the threshold comes to 1/2."""
    if threshold == 0.5:
        return probability
    return np.interp(probability, (0, threshold, 1), (0, 0.5, 1)).astype(np.float32)


class _Tiles:
    """The squares that hold some of the band, each with a rim, below each other: most of a picture is not near it.

    What is computed from a pixel's neighbourhood, up to the rim's width, is the same in a tile as in the picture.
    """

    def __init__(
        self, size: tuple[int, ...], band: tuple[NDArray[np.intp], NDArray[np.intp]], cell: int, rim: int
    ) -> None:
        self.cell, self._rim = cell, rim
        inner, self.side = cell * TILE, cell * TILE + 2 * rim
        across = -(-size[1] // inner)
        row, column = band[0] // inner, band[1] // inner
        tile = row * across + column
        used = np.zeros(across * -(-size[0] // inner), np.bool_)
        used[tile] = True
        numbers = np.flatnonzero(used)
        self._corners = numbers // across * inner, numbers % across * inner
        self._beyond = -size[0] % inner + rim, -size[1] % inner + rim
        self.count = len(numbers)
        number = (np.cumsum(used, dtype=np.intp) - 1)[tile]
        #: Where each of the band's pixels is in a gathered layer: row and column, and both in one number.
        self.rows = number * self.side + band[0] - row * inner + rim
        self.columns = band[1] - column * inner + rim
        self.of_band = self.rows * self.side + self.columns

    def gather(self, layer: _Array) -> _Array:
        """The tiles of a layer: (tiles * side, side); beyond the layer its edge is repeated."""
        below, right = self._beyond
        wide = cv2.copyMakeBorder(layer, self._rim, below, self._rim, right, cv2.BORDER_REPLICATE)
        windows = np.lib.stride_tricks.sliding_window_view(wide, (self.side, self.side))
        tiles: _Array = windows[self._corners].reshape(-1, self.side).astype(layer.dtype, copy=False)
        return tiles


class _Grid:
    """The tiles in cells, for sums over neighbourhoods that are looked up at the band's pixels."""

    def __init__(self, tiles: _Tiles, photo: list[NDArray[np.uint8]], sure: _Floats) -> None:
        self.cell = tiles.cell
        #: Across and down, as OpenCV has it.
        self.size = tiles.side // self.cell, tiles.count * tiles.side // self.cell
        self.light = [cv2.LUT(self.shrunk(channel), LINEAR).astype(np.float32, copy=False) for channel in photo]
        self.sure = self.shrunk(sure)
        flat = tiles.rows // self.cell * self.size[0] + tiles.columns // self.cell
        used = np.zeros(self.size[0] * self.size[1], np.bool_)
        used[flat] = True
        #: The cells that have a part in the band, and which of them each pixel of the band lies in.
        self.cells = np.flatnonzero(used)
        self.of_pixel = (np.cumsum(used, dtype=np.int32) - 1)[flat]

    def shrunk(self, layer: _Array) -> _Array:
        """Means over the cells."""
        if self.cell == 1:
            return layer
        return cv2.resize(layer, self.size, interpolation=cv2.INTER_AREA).astype(layer.dtype, copy=False)

    def near(self, layer: _Floats, radius: int) -> _Floats:
        """Means over squares around the band's cells: float32 (cells,)."""
        means = cv2.blur(layer, (2 * radius + 1, 2 * radius + 1), borderType=cv2.BORDER_REPLICATE)
        return np.asarray(means, np.float32).ravel()[self.cells]


def _alpha(grid: _Grid, pixels: _Floats, sure: _Floats, radius: int) -> tuple[_Floats, _Floats]:
    """Alpha of the band's pixels from both estimates, in [0, 1], and its weight: one over its variance."""
    weight: _Floats = np.clip((np.abs(2 * grid.sure - 1) - CERTAIN) / (1 - CERTAIN), 0, 1).astype(np.float32)
    car: _Floats = np.where(grid.sure > 0.5, weight, np.float32(0))
    light = grid.light
    weighted: list[_Floats] = [weight * channel for channel in light]
    total, ours = grid.near(weight, radius), grid.near(car, radius)
    theirs = total - ours
    sums = [grid.near(channel, radius) for channel in weighted]
    front = [grid.near(car * channel, radius) / np.maximum(ours, 1e-6) for channel in light]
    back = [(sums[i] - ours * front[i]) / np.maximum(theirs, 1e-6) for i in range(3)]
    # Scatter within the two sides: second moments less those of the means.
    scatter = {}
    for i in range(3):
        for j in range(i, 3):
            moment = grid.near(weighted[i] * light[j], radius)
            moment = moment - ours * front[i] * front[j] - theirs * back[i] * back[j]
            scatter[i, j] = moment / np.maximum(total, 1e-6) + (NOISE if i == j else 0)
    step = [front[i] - back[i] for i in range(3)]
    direction = _solved(scatter, step)
    # The squared distance of the sides in standard deviations: one over the variance of the colours' estimate.
    distance = np.maximum(direction[0] * step[0] + direction[1] * step[1] + direction[2] * step[2], 1e-9)
    gains = np.stack([direction[i] / distance for i in range(3)], axis=1).astype(np.float32)
    offset = gains[:, 0] * back[0] + gains[:, 1] * back[1] + gains[:, 2] * back[2]
    # With one side alone there is no estimate.
    distance[np.minimum(ours, theirs) < 0.02] = 0
    by_colour = np.einsum("ij,ij->i", pixels, gains[grid.of_pixel]) - offset[grid.of_pixel]
    by_network = _sharpened(grid, sure)
    network_weight = 1 / (NETWORK_VARIANCE * sure * (1 - sure) + LEAST_VARIANCE)
    spread = (scatter[0, 0] + scatter[1, 1] + scatter[2, 2]).astype(np.float32)
    line = np.clip(by_colour, 0, 1)[:, None] * np.stack(step, axis=1)[grid.of_pixel]
    strange = ((pixels - np.stack(back, axis=1)[grid.of_pixel] - line) ** 2).sum(axis=1) / spread[grid.of_pixel]
    colour_weight = distance[grid.of_pixel] / (1 + strange * STRANGE)
    colour_weight = colour_weight * colour_weight / (colour_weight + WEAK)
    total_weight = colour_weight + network_weight
    alpha = (np.clip(by_colour, -0.1, 1.1) * colour_weight + by_network * network_weight) / total_weight
    return np.clip(alpha, 0, 1).astype(np.float32), total_weight.astype(np.float32)


def _sharpened(grid: _Grid, sure: _Floats) -> _Floats:
    """The network's estimate, its blurred contour made as sharp as a photo's."""
    across = cv2.Sobel(grid.sure, cv2.CV_32F, 1, 0, scale=1 / 8).ravel()[grid.cells]
    down = cv2.Sobel(grid.sure, cv2.CV_32F, 0, 1, scale=1 / 8).ravel()[grid.cells]
    slope = np.maximum(np.hypot(across, down) / grid.cell, 0.02)
    result: _Floats = np.clip((sure - 0.5) / (slope[grid.of_pixel] * EDGE) + 0.5, 0, 1).astype(np.float32)
    return result


def _solved(matrix: dict[tuple[int, int], _Floats], right: list[_Floats]) -> list[_Floats]:
    """Solve symmetric 3x3 systems, one for each cell, by cofactors."""
    a, b, c = matrix[0, 0], matrix[0, 1], matrix[0, 2]
    d, e, f = matrix[1, 1], matrix[1, 2], matrix[2, 2]
    rows = (
        (d * f - e * e, c * e - b * f, b * e - c * d),
        (c * e - b * f, a * f - c * c, b * c - a * e),
        (b * e - c * d, b * c - a * e, a * d - b * b),
    )
    determinant = np.maximum(a * rows[0][0] + b * rows[0][1] + c * rows[0][2], NOISE**3)
    return [(row[0] * right[0] + row[1] * right[1] + row[2] * right[2]) / determinant for row in rows]


def _foreground(grid: _Grid, pixels: _Floats, alpha: _Floats, whole: _Floats, radius: int) -> _Floats:
    """The car's own colour in the band's pixels, linear light, float32 (pixels, 3)."""
    coverage = grid.shrunk(whole)
    # Mixed pixels count little: their colours are what is to be found.
    ours = (coverage**4 + 1e-6).astype(np.float32)
    theirs = ((1 - coverage) ** 4 + 1e-6).astype(np.float32)
    near_ours, near_theirs = grid.near(ours, radius), grid.near(theirs, radius)
    result = np.empty_like(pixels)
    for channel in range(3):
        light = grid.light[channel]
        front = (grid.near(light * ours, radius) / near_ours)[grid.of_pixel]
        back = (grid.near(light * theirs, radius) / near_theirs)[grid.of_pixel]
        result[:, channel] = front + alpha * (pixels[:, channel] - alpha * front - (1 - alpha) * back)
    return result
