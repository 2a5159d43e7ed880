"""Snap a stroke to the photo's edge, and make it the mask's contour there.

A person draws roughly along the car's true contour. Across the stroke, colours are compared on both sides of every
place where the contour may be, as compositing compares them at a soft edge (``carmask.compositing.matte``): in linear
light, by Fisher's ratio of the distance between both sides to their scatter. The path of greatest contrast that bends
no more than the stroke allows is found by dynamic programming, as in active contours (Amini, Weymouth and Jain,
"Using Dynamic Programming for Solving Variational Problems in Vision", PAMI 1990). It then takes the place of an arc of
the mask's contour, the one after which less of the mask is another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.compositing.light import LINEAR
from carmask.compositing.matte import NOISE
from carmask.review.edits import Stroke, polygon

_Floats = NDArray[np.float32]

#: Pixels on each side of a candidate whose colours are compared.
SIDE = 4
#: Steps along the stroke over which contrast is averaged.
ALONG = 5
#: What a place at ``radius`` from the stroke loses against one on it, in units of contrast (log of 1 + Fisher's ratio).
HOLD = 0.6
#: What a step sideways costs: contours are smooth.
BEND = 0.15
#: The contour must pass within this many radii of a stroke's ends, or within half of the stroke's length.
ENDS = 6.0
#: A stroke whose ends are closer than this many radii, and which is longer than three times that, is closed.
CLOSED = 2.0
#: A closed stroke takes the place of a hole's contour that shares this much with it: intersection over union.
LIKE = 0.3


def snap(photo: Photo, mask: Mask, stroke: Stroke, radius: float) -> Mask:
    """Move the mask's contour to the photo's edge along a stroke.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        stroke: float (points, 2), x and y in pixels from the top left corner, roughly along the true contour.
        radius: how far from the stroke the edge may be, in pixels.

    Returns:
        bool (height, width): a new mask; unchanged if the stroke is shorter than three pixels or no contour is near.
    """
    path = resample(stroke)
    if len(path) < 4:
        return mask.copy()
    reach = max(ENDS * radius, len(path) / 2)
    return reshape(mask, to_edge(photo, path, radius), closed=is_closed(path, radius), reach=reach)


def is_closed(path: Stroke, radius: float) -> bool:
    """Whether a stroke comes back to where it began."""
    gap = float(np.hypot(*(path[-1] - path[0])))
    return gap <= CLOSED * radius and len(path) > 3 * CLOSED * radius


def resample(stroke: Stroke) -> _Floats:
    """Points at a distance of one pixel along a stroke.

    Args:
        stroke: float (points, 2).

    Returns:
        float32 (points, 2).
    """
    points: NDArray[np.float64] = np.asarray(stroke, np.float64).reshape(-1, 2)
    moves = np.ones(len(points), np.bool_)
    moves[1:] = np.hypot(*np.diff(points, axis=0).T) > 0
    points = points[moves]
    if len(points) < 2:
        return np.asarray(points, np.float32)
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    at = np.linspace(0, length[-1], max(2, round(length[-1]) + 1))
    path: _Floats = np.empty((len(at), 2), np.float32)
    for axis in (0, 1):
        path[:, axis] = np.interp(at, length, points[:, axis])
    return path


def to_edge(photo: Photo, path: Stroke, radius: float) -> _Floats:
    """The path of greatest contrast near a path.

    Args:
        photo: uint8 (height, width, 3), RGB.
        path: float (points, 2), at steps of about one pixel.
        radius: how far it may be moved, in pixels.

    Returns:
        float32 (points, 2).
    """
    guide = _smoothed(path.astype(np.float32), max(1.0, radius / 3))
    normal = _normals(guide)
    reach = max(1, round(radius))
    offsets = np.arange(-reach - SIDE, reach + SIDE, dtype=np.float32) + np.float32(0.5)
    # Sampled between candidates: candidate u has the samples at u - 0.5, u - 1.5 … on one side.
    where: _Floats = guide[:, None, :] + offsets[None, :, None] * normal[:, None, :]
    contrast = _contrast(_sampled(photo, where))
    places: _Floats = np.arange(-reach, reach + 1, dtype=np.float32)
    gain: _Floats = np.log1p(contrast) - np.float32(HOLD) * (places / np.float32(reach)) ** 2
    moved: _Floats = guide + normal * _smoothed(places[_best_path(gain)][:, None], 1.5)
    return moved


def reshape(mask: Mask, path: Stroke, *, closed: bool = False, reach: float = math.inf) -> Mask:
    """Make a path the contour of a mask: it takes the place of an arc, so that little else changes.

    Args:
        mask: bool (height, width).
        path: float (points, 2).
        closed: the path is a whole contour. It takes the place of a hole's if it is like that one, else of that of the
            component that it shares most with; where there is none, it is one more component.
        reach: how far the contour may be from each end of the path, in pixels.

    Returns:
        bool (height, width): a new mask; unchanged if no contour is so near.
    """
    found, tree = cv2.findContours(mask.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    contours = [np.asarray(contour, np.int32) for contour in found]
    if not contours:
        return mask | polygon(np.asarray(path, np.float32), mask.shape) if closed else mask.copy()
    whole = np.asarray(path, np.float32)
    if closed:
        new = polygon(whole, mask.shape)
        at = _covered(contours, np.asarray(tree, np.int32), new)
        if at is None:
            return mask | new
        zone = np.ones_like(mask)
    else:
        ends = np.stack([whole[0], whole[-1]])
        # Contours run through pixel centres.
        lines = [contour[:, 0, :] + np.float32(0.5) for contour in contours]
        at = int(np.argmin([sum(_nearest(line, end)[1] for end in ends) for line in lines]))
        if max(_nearest(lines[at], end)[1] for end in ends) > reach:
            return mask.copy()
        # Either arc may give way: the one after which less of the mask is another.
        sides = _arcs(lines[at], whole)
        zones = [_grown(polygon(np.concatenate([whole, arc]), mask.shape)) for arc in sides]
        less = int(np.count_nonzero(zones[1]) < np.count_nonzero(zones[0]))
        zone, new = zones[less], polygon(np.concatenate([whole, sides[1 - less]]), mask.shape)
    old = _filled(contours[at], mask.shape)
    hole = bool(tree[0][at][3] >= 0)
    if hole:
        old &= ~mask
    result = mask.copy()
    result[zone & new & ~old] = not hole
    result[zone & old & ~new] = hole
    return result


def _arcs(line: _Floats, path: _Floats) -> tuple[_Floats, _Floats]:
    """The two arcs of a contour from where a path ends back to where it begins."""
    first, last = _nearest(line, path[0])[0], _nearest(line, path[-1])[0]
    on = np.roll(line, -last, axis=0)[: (first - last) % len(line) + 1]
    back = np.roll(line, -first, axis=0)[: (last - first) % len(line) + 1][::-1]
    return on, back


def _nearest(line: _Floats, point: _Floats) -> tuple[int, float]:
    apart = np.hypot(*(line - point).T)
    at = int(np.argmin(apart))
    return at, float(apart[at])


def _covered(contours: Sequence[NDArray[np.int32]], tree: NDArray[np.int32], new: Mask) -> int | None:
    """The contour whose place a region takes: a hole that is like it, else the component with most of it; or None."""
    hole, alike, outer, most = None, LIKE, None, 0
    for number, contour in enumerate(contours):
        left, top, width, height = cv2.boundingRect(contour)
        if not new[top : top + height, left : left + width].any():
            continue
        old = _filled(contour, new.shape)
        common = int(np.count_nonzero(old & new))
        if tree[0][number][3] >= 0:
            share = common / np.count_nonzero(old | new)
            hole, alike = (number, share) if share > alike else (hole, alike)
        elif common > most:
            outer, most = number, common
    return outer if hole is None else hole


def _filled(contour: NDArray[np.int32], size: tuple[int, ...]) -> Mask:
    inside = np.zeros(size[:2], np.uint8)
    cv2.drawContours(inside, [contour], -1, 1, cv2.FILLED)
    return inside.view(np.bool_)


def _grown(zone: Mask) -> Mask:
    return cv2.dilate(zone.view(np.uint8), np.ones((3, 3), np.uint8)).view(np.bool_)


def _smoothed(values: _Floats, sigma: float) -> _Floats:
    """Gaussian means along the first axis, the ends repeated."""
    size = 2 * round(3 * sigma) + 1
    soft = cv2.GaussianBlur(values, (1, size), sigmaX=0.1, sigmaY=sigma, borderType=cv2.BORDER_REPLICATE)
    return soft.reshape(values.shape).astype(np.float32, copy=False)


def _normals(path: _Floats) -> _Floats:
    """Unit vectors across a path, float32 (points, 2)."""
    along = np.gradient(path, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    unit: _Floats = (across / np.maximum(np.hypot(*across.T), 1e-6)[:, None]).astype(np.float32)
    return unit


def _sampled(photo: Photo, where: _Floats) -> _Floats:
    """Linear light at places (x, y), float32 (points, samples, 3); beyond the photo its edge is repeated."""
    height, width = photo.shape[:2]
    left, top = (max(0, int(np.floor(where[..., axis].min())) - 2) for axis in (0, 1))
    right, bottom = (int(np.ceil(where[..., axis].max())) + 2 for axis in (0, 1))
    left, top = min(left, width - 1), min(top, height - 1)
    light = LINEAR[photo[top : max(top + 1, bottom), left : max(left + 1, right)]]
    # Pixel centres lie at halves.
    across, down = where[..., 0] - np.float32(left + 0.5), where[..., 1] - np.float32(top + 0.5)
    found = np.empty((*where.shape[:2], 3), np.float32)
    for start in range(0, len(where), 16384):  # remap takes no more than 32767 rows
        piece = slice(start, start + 16384)
        found[piece] = cv2.remap(light, across[piece], down[piece], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found


def _contrast(light: _Floats) -> _Floats:
    """Fisher's ratio of both sides of every candidate: float32 (points, candidates), 0 or more."""
    totals = [_sums(_along(values)) for values in (light, np.square(light))]
    count = light.shape[1] - 2 * SIDE + 1
    left, right = (
        [(total[:, at + SIDE : at + SIDE + count] - total[:, at : at + count]) / SIDE for total in totals]
        for at in (0, SIDE)
    )
    scatter = sum(np.maximum(square - mean**2, 0).sum(axis=2) for mean, square in (left, right))
    apart = ((left[0] - right[0]) ** 2).sum(axis=2)
    return np.asarray(apart / (scatter + 6 * NOISE), np.float32)


def _along(values: _Floats) -> _Floats:
    """Means over neighbours along the path, float32 of the same shape."""
    rows = values.reshape(len(values), -1)
    return cv2.blur(rows, (1, ALONG), borderType=cv2.BORDER_REPLICATE).astype(np.float32).reshape(values.shape)


def _sums(values: _Floats) -> NDArray[np.float64]:
    """Sums along the second axis up to each place, beginning with 0."""
    sums = np.cumsum(values, axis=1, dtype=np.float64)
    return np.concatenate([np.zeros_like(sums[:, :1]), sums], axis=1)


def _best_path(gain: _Floats) -> NDArray[np.intp]:
    """The candidate at each point that makes the sum of gains greatest; neighbours differ by one at most."""
    points, places = gain.shape
    best = gain[0].astype(np.float64)
    came = np.zeros((points, places), np.int8)
    padded = np.empty(places + 2)
    for point in range(1, points):
        padded[0] = padded[-1] = -np.inf
        padded[1:-1] = best
        choices = np.stack([padded[:-2] - BEND, padded[1:-1], padded[2:] - BEND])
        step = choices.argmax(axis=0)
        came[point] = step - 1
        best = choices[step, np.arange(places)] + gain[point]
    path = np.empty(points, np.intp)
    path[-1] = int(best.argmax())
    for point in range(points - 1, 0, -1):
        path[point - 1] = path[point] + came[point, path[point]]
    return path
