"""One window of a photo along the car's contour, its mask, and a coarse map of it that is spoilt at random."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo, Probability
from carmask.data.warp import SoftMask
from carmask.geometry import Size
from carmask.training.contour_settings import ContourSettings

#: Half the range, in windows, in which the contour's point lies around the middle.
_OFF_CENTRE = 0.4
#: Probabilities count as no nearer to 0 or 1 than this when they are spoilt.
_LEAST = 1e-3


class Window(NamedTuple):
    """What the network is shown.

    Attributes:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 255 times the fraction of car.
        coarse: float32 (height, width) in [0, 1].
    """

    photo: Photo
    mask: SoftMask
    coarse: Probability


class _View(NamedTuple):
    """From a window's coordinates (x, y), centres at halves, to the photo's: ``linear @ (x, y) + offset``."""

    linear: NDArray[np.float64]
    offset: NDArray[np.float64]

    def scaled(self, factors: tuple[float, float]) -> _View:
        """To the coordinates of the same photo at another size: ``factors`` in x and y."""
        by = np.diag(factors)
        return _View(by @ self.linear, by @ self.offset)

    def warp(self, picture: NDArray[np.uint8] | NDArray[np.float32], size: Size) -> NDArray[Any]:
        """The window of a picture, mirrored at its edges."""
        half = np.array([0.5, 0.5])
        matrix = np.c_[self.linear, self.offset + self.linear @ half - half]
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(picture, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def draw_window(
    photo: Photo,
    mask: SoftMask,
    coarse: Probability,
    size: Size,
    settings: ContourSettings,
    *,
    main: bool,
    squeezed: bool = False,
    rng: np.random.Generator,
) -> Window:
    """Draw a window.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: uint8 (height, width), 255 times the fraction of car.
        coarse: float32, a model's map of the whole photo, at any resolution.
        size: (height, width) of the window.
        settings: what is done to it.
        main: the photo is of the main data set.
        squeezed: the photo was squeezed to a square.
        rng: source of all randomness.

    Returns:
        The window; the photo is mirrored beyond its edges.
    """
    view = _choose(mask, coarse, size, settings, main=main, squeezed=squeezed, rng=rng)
    factors = coarse.shape[1] / mask.shape[1], coarse.shape[0] / mask.shape[0]
    found = _spoil_map(coarse, view.scaled(factors), size, settings, rng)
    shown = np.asarray(view.warp(photo, size), np.uint8)
    truth = np.asarray(view.warp(mask, size), np.uint8)
    return Window(_change_light(shown, truth, main=main, rng=rng), truth, found)


def _choose(
    mask: SoftMask,
    coarse: Probability,
    size: Size,
    settings: ContourSettings,
    *,
    main: bool,
    squeezed: bool,
    rng: np.random.Generator,
) -> _View:
    """Where the window lies, how large it is, and how it is turned."""
    height, width = mask.shape
    car = (mask > 127).astype(np.uint8)
    rows, columns = np.nonzero(cv2.morphologyEx(car, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    as_is = main and rng.random() < settings.as_is
    scale = 1.0
    if main and not as_is:
        scale = 1 / _between(settings.zoom, rng)
    elif not main:
        wide = float(columns.max() - columns.min() + 1) if len(columns) else width / 2
        scale = float(np.clip(wide / _between(settings.car_width, rng), 0.3, 1.6))
    middle = rng.uniform(0, (width, height))
    places = np.stack([columns, rows], axis=1).astype(np.float64)
    if rng.random() < settings.wrong and len(wrong := _wrong_places(mask, coarse)):
        places = wrong
    elif rng.random() < settings.elsewhere:
        places = places[:0]
    if len(places):
        middle = rng.choice(places) + rng.uniform(-_OFF_CENTRE, _OFF_CENTRE, 2) * size[::-1]
    reach = np.array([size[1], size[0]]) * scale / 2
    whole = np.array([width, height], float)
    middle = np.clip(middle, np.minimum(whole / 2, reach), np.maximum(whole / 2, whole - reach))
    turn, aspect = 0.0, 1.0
    if as_is:
        # Whole pixels: nothing is interpolated.
        middle = np.round(middle - reach) + reach
    else:
        turn = float(np.radians(rng.normal(0, 2.5))) if rng.random() < 0.5 else 0.0
        aspect = float(np.exp(rng.normal(0, 0.03 if main else 0.1) + (rng.uniform(0, 0.5) if squeezed else 0)))
    across = (-1 if rng.random() < 0.5 else 1) / aspect
    cosine, sine = np.cos(turn) * scale, np.sin(turn) * scale
    linear = np.array([[cosine * across, -sine], [sine * across, cosine]])
    return _View(linear, middle - linear @ (np.array([size[1], size[0]]) / 2))


def _wrong_places(mask: SoftMask, coarse: Probability) -> NDArray[np.float64]:
    """Where a map is wrong: (places, 2), x and y in pixels of the photo; one for each pixel of the map."""
    small = cv2.resize(mask, coarse.shape[::-1], interpolation=cv2.INTER_AREA)
    rows, columns = np.nonzero((small > 127) != (coarse > 0.5))
    scale = mask.shape[1] / coarse.shape[1], mask.shape[0] / coarse.shape[0]
    return np.asarray((np.stack([columns, rows], axis=1) + 0.5) * scale, np.float64)


def _between(limits: tuple[float, float], rng: np.random.Generator) -> float:
    """A factor between two, evenly on the logarithm's scale."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def _spoil_map(
    coarse: Probability, view: _View, size: Size, settings: ContourSettings, rng: np.random.Generator
) -> Probability:
    """The map in the window; bent and moved by some pixels, more or less certain, with smooth noise on its logits.

    On photos that it was trained on a model is better than on others: its map must not be relied on.
    """
    if rng.random() >= settings.spoilt:
        found = np.asarray(view.warp(coarse, size), np.float32)
    else:
        strength = rng.uniform(0, 3) if rng.random() < 0.8 else rng.uniform(0, 7)
        cell = _between((24, 160), rng)
        x, y = np.meshgrid(np.arange(size[1], dtype=np.float32) + 0.5, np.arange(size[0], dtype=np.float32) + 0.5)
        x += 0.6 * strength * _smooth(size, cell, rng) + np.float32(rng.normal(0, 0.7))
        y += 0.6 * strength * _smooth(size, cell, rng) + np.float32(rng.normal(0, 0.7))
        (a, b), (c, d) = view.linear
        columns = (a * x + b * y + view.offset[0] - 0.5).astype(np.float32)
        lines = (c * x + d * y + view.offset[1] - 0.5).astype(np.float32)
        bent = cv2.remap(coarse, columns, lines, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        found = np.asarray(bent, np.float32)
    certain = np.clip(found, _LEAST, 1 - _LEAST)
    logits = np.log(certain / (1 - certain)) * np.float32(np.exp(rng.normal(0, 0.2)))
    if rng.random() < settings.noisy:
        logits = logits + np.float32(rng.uniform(0, 2)) * _smooth(size, float(rng.choice((16, 32, 64))), rng)
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


def _smooth(size: Size, cell: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise: float32 ``size``, about standard normal where a cell begins."""
    coarse = rng.standard_normal([int(side / cell) + 3 for side in size], np.float32)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.float32)


def _change_light(photo: Photo, mask: SoftMask, *, main: bool, rng: np.random.Generator) -> Photo:
    """Exposure, contrast and white balance; seldom the car's hue, no colour, JPEG's traces or noise."""
    if rng.random() < 0.7:
        photo = _expose(photo, 0.07 if main else 0.2, rng)
    kind = rng.random()
    if kind < 0.08:
        turned = cv2.cvtColor(photo, cv2.COLOR_RGB2HSV)
        turned[..., 0] = (turned[..., 0].astype(np.int16) + rng.integers(-90, 90)) % 180
        share = (mask.astype(np.float32) / 255)[..., None]
        other = cv2.cvtColor(turned, cv2.COLOR_HSV2RGB)
        photo = np.rint(other * share + photo * (1 - share)).astype(np.uint8)
    elif kind < 0.12:
        photo = np.asarray(cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB), np.uint8)
    kind = rng.random()
    if kind < 0.12:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))]
        stored = cv2.imencode(".jpg", photo[..., ::-1], quality)[1]
        decoded = cv2.imdecode(stored, cv2.IMREAD_COLOR)
        assert decoded is not None
        photo = np.ascontiguousarray(decoded[..., ::-1]).astype(np.uint8, copy=False)
    elif kind < 0.24:
        photo = np.clip(photo + rng.normal(0, rng.uniform(1, 5), photo.shape), 0, 255).astype(np.uint8)
    return photo


def _expose(photo: Photo, strength: float, rng: np.random.Generator) -> Photo:
    levels = np.linspace(0, 1, 256) ** np.exp(rng.normal(0, strength)) * np.exp(rng.normal(0, strength))
    levels = (levels - 0.5) * np.exp(rng.normal(0, 0.7 * strength)) + 0.5
    table = levels[:, None] * (1 + rng.normal(0, 0.3 * strength, 3)) * 255
    return np.asarray(cv2.LUT(np.ascontiguousarray(photo), table.clip(0, 255).astype(np.uint8)[:, None]), np.uint8)
