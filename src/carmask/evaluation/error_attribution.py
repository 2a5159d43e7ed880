"""Say what went wrong in a photo: each cluster of wrong pixels gets a tag, by rules that are measured on it.

Wrong pixels within ``RIM`` of the true contour are the contour's own roughness and get no tag, except on thin parts.
The others fall into clusters, and the first rule that fits names each (``RULES``). Heights are those of the cluster's
centre within the rectangle that holds the true car, 0 at its top and 1 at its bottom.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.evaluation.contours import bounding_box, distance_to_contour
from carmask.images.colour import to_lab

Tag = Literal[
    "stray piece", "antenna", "roof rack", "mirror", "hole inside", "glass", "gap closed", "shadow at the wheels",
    "colour of the background", "contour", "something else",
]  # fmt: skip
Kind = Literal["extra", "missed"]

#: Wrong pixels nearer to the true contour than this are its roughness.
RIM = 3
#: Clusters of fewer pixels are not looked at.
MIN_PIXELS = 60
#: On thin parts, which a car has few pixels of, clusters from this size on are looked at.
MIN_THIN_PIXELS = 20
#: A part of the car is thin if a disc of this diameter, as a fraction of the car's height, does not fit in it.
THIN = 0.13
#: A mast: a part thinner than this many pixels.
MAST = 12
#: Extra pixels darker than this fraction of the floor's luma are shadow; missed ones darker than the second, tyre.
DARK: dict[Kind, float] = {"extra": 0.7, "missed": 0.5}
#: Mean colours nearer than this in CIE L*a*b* are alike.
ALIKE = 12.0
#: Glass differs from the paint by more than this.
GLASS = 18.0
#: Colours that car and background are reduced to, and the least fraction of pixels that one must have to count.
COLOURS = 6
MIN_COLOUR = 0.08
#: A tag is given to a photo if its clusters have this fraction of the wrong pixels.
MIN_SHARE = 0.12

RULES: tuple[tuple[Tag, str], ...] = (
    ("stray piece", "extra pixels in a piece of the prediction that nowhere touches the true car"),
    (
        "antenna",
        f"on a thin part above half the car's height: a mast (thinner than {MAST} pixels, higher than wide), or in the "
        "top 0.15 and less than twice as wide as high",
    ),
    ("roof rack", "on a thin part in the top quarter of the car, at least twice as wide as high"),
    ("mirror", "on another thin part between 0.15 and 0.6 of the car's height"),
    ("gap closed", "extra pixels in a place that the true car encloses on all sides"),
    (
        "shadow at the wheels",
        f"below 0.6 of the height, and extra and darker than {DARK['extra']} of the floor (shadow taken for car), or "
        f"missed and darker than {DARK['missed']} of it (tyre and sill taken for shadow)",
    ),
    (
        "glass",
        f"missed pixels at 0.05 to 0.45 of the height that reach more than 12 pixels into the car, of another colour "
        f"than its paint (more than {GLASS:.0f} in CIE L*a*b*)",
    ),
    (
        "colour of the background",
        f"missed pixels whose mean colour is within {ALIKE:.0f} in CIE L*a*b* of one of the background's main colours; "
        "or extra ones, of the car's",
    ),
    ("hole inside", "missed pixels that the prediction encloses on all sides; given besides a rule above that fits"),
    ("something else", "none of these"),
    ("contour", f"given to a photo whose wrong pixels mostly lie within {RIM} pixels of the true contour"),
)


class Fault(NamedTuple):
    """A cluster of wrong pixels.

    Attributes:
        tags: what went wrong, the cause first.
        kind: extra pixels are predicted and not true, missed ones the other way round.
        pixels: how many.
        centre: row and column of its centre in the photo.
        box: top, bottom (exclusive), left, right (exclusive) in the photo.
        evidence: what was measured, in words.
    """

    tags: tuple[Tag, ...]
    kind: Kind
    pixels: int
    centre: tuple[float, float]
    box: tuple[int, int, int, int]
    evidence: str


class Explanation(NamedTuple):
    """What went wrong in a photo.

    Attributes:
        tags: the tag with the most pixels first.
        faults: the clusters, largest first.
        wrong: wrong pixels in all.
        rim: how many of them are the contour's roughness.
    """

    tags: tuple[Tag, ...]
    faults: tuple[Fault, ...]
    wrong: int
    rim: int


class _Scene(NamedTuple):
    """The part of a photo where something is wrong, prepared for the rules."""

    photo: Photo
    prediction: Mask
    truth: Mask
    depth: NDArray[np.float32]
    thin: Mask
    stray: Mask
    holes: Mask
    gaps: Mask
    box: tuple[int, int, int, int]
    floor: float
    paint: NDArray[np.float64]
    car_colours: NDArray[np.float64]
    background_colours: NDArray[np.float64]


def explain(photo: Photo, prediction: Mask, truth: Mask) -> Explanation:
    """Find out what went wrong in a photo.

    Args:
        photo: uint8 (height, width, 3), RGB.
        prediction: bool (height, width).
        truth: bool (height, width), of the same size.

    Returns:
        The clusters of wrong pixels and their tags; no tags if nothing is wrong.
    """
    wrong = prediction ^ truth
    count = int(np.count_nonzero(wrong))
    if not count:
        return Explanation((), (), 0, 0)
    top, bottom, left, right = bounding_box(wrong | truth)
    rows, columns = slice(max(top - 40, 0), bottom + 40), slice(max(left - 40, 0), right + 40)
    scene = _scene(photo, prediction, truth, rows, columns)
    faults: list[Fault] = []
    kinds: tuple[tuple[Kind, Mask], ...] = (
        ("extra", scene.prediction & ~scene.truth),
        ("missed", scene.truth & ~scene.prediction),
    )
    for kind, where in kinds:
        for cluster in _clusters(where, scene):
            fault = _judge(cluster, kind, scene)
            t, b, le, r = fault.box
            faults.append(
                fault._replace(
                    centre=(fault.centre[0] + rows.start, fault.centre[1] + columns.start),
                    box=(t + rows.start, b + rows.start, le + columns.start, r + columns.start),
                )
            )
    faults.sort(key=lambda fault: -fault.pixels)
    rim = count - sum(fault.pixels for fault in faults)
    return Explanation(_tags(faults, count, rim), tuple(faults), count, rim)


def _tags(faults: Sequence[Fault], wrong: int, rim: int) -> tuple[Tag, ...]:
    pixels: dict[Tag, int] = defaultdict(int)
    for fault in faults:
        for tag in fault.tags:
            pixels[tag] += fault.pixels
    kept = sorted((tag for tag in pixels if pixels[tag] >= MIN_SHARE * wrong), key=lambda tag: -pixels[tag])
    if rim > wrong / 2 or not kept:
        # The roughness is the greater part, but a cluster that can be named says more: it comes first if it is large.
        return (*kept, "contour") if kept and pixels[kept[0]] > wrong / 4 else ("contour", *kept)
    return tuple(kept)


def _scene(all_photo: Photo, all_prediction: Mask, all_truth: Mask, rows: slice, columns: slice) -> _Scene:
    photo, prediction, truth = all_photo[rows, columns], all_prediction[rows, columns], all_truth[rows, columns]
    box = bounding_box(truth)
    diameter = max(3, round(THIN * (box[1] - box[0]))) | 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (diameter, diameter))
    either = (truth | prediction).astype(np.uint8)
    # Thin parts of either: an antenna may be missed or invented. Background outside the crop counts as background.
    opened = cv2.morphologyEx(
        cv2.copyMakeBorder(either, diameter, diameter, diameter, diameter, cv2.BORDER_CONSTANT), cv2.MORPH_OPEN, disc
    )
    inner = opened[diameter:-diameter, diameter:-diameter]
    _, pieces = cv2.connectedComponents(prediction.astype(np.uint8), connectivity=8)
    touching = np.unique(pieces[truth & prediction])
    stray = prediction & ~np.isin(pieces, touching)
    return _Scene(
        photo,
        prediction,
        truth,
        distance_to_contour(truth),
        (either > 0) & (inner == 0),
        stray,
        _enclosed(prediction),
        _enclosed(truth),
        box,
        _floor(all_photo, all_truth),
        _paint(photo, truth, box),
        _main_colours(all_photo, all_truth),
        _main_colours(all_photo, ~all_truth),
    )


def _floor(photo: Photo, truth: Mask) -> float:
    """Luma of the lit floor: the upper quartile of the background below the middle of the car."""
    top, bottom, _, _ = bounding_box(truth)
    below = slice((top + bottom) // 2, None)
    lower = np.asarray(cv2.cvtColor(np.ascontiguousarray(photo[below]), cv2.COLOR_RGB2GRAY))[~truth[below]]
    return float(np.percentile(lower, 75)) if lower.size else float("nan")


def _paint(photo: Photo, truth: Mask, box: tuple[int, int, int, int]) -> NDArray[np.float64]:
    """The car's colour in L*a*b*: the median between 0.4 and 0.7 of its height, where there is little glass."""
    height = box[1] - box[0]
    rows = slice(box[0] + round(0.4 * height), box[0] + round(0.7 * height) + 1)
    body = photo[rows][truth[rows]]
    return to_lab(np.median(body, axis=0)[None])[0] if body.size else np.full(3, np.nan)


def _main_colours(photo: Photo, where: Mask) -> NDArray[np.float64]:
    """The colours, in L*a*b*, that a part of a photo has most of; float64 (n, 3)."""
    pixels = photo[::8, ::8][where[::8, ::8]]
    if len(pixels) < 4 * COLOURS:
        return np.zeros((0, 3))
    lab = to_lab(pixels.astype(np.float32)).astype(np.float32)
    cv2.setRNGSeed(0)  # k-means begins at random; the same photo must get the same tags
    stop = (cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 30, 0.5)
    _, labels, centres = cv2.kmeans(lab, COLOURS, np.empty((0, 1), np.int32), stop, 2, cv2.KMEANS_PP_CENTERS)
    share = np.bincount(labels.ravel(), minlength=COLOURS) / len(lab)
    return np.asarray(centres[share >= MIN_COLOUR], np.float64)


def _enclosed(mask: Mask) -> Mask:
    """Background that is cut off from the picture's edge by the mask."""
    _, pieces = cv2.connectedComponents(
        cv2.copyMakeBorder((~mask).astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1), connectivity=4
    )
    outside = pieces[0, 0]
    inner = pieces[1:-1, 1:-1]
    return np.asarray(~mask & (inner != outside), np.bool_)


def _clusters(where: Mask, scene: _Scene) -> list[Mask]:
    """Connected wrong pixels of one kind: those beyond the rim grown back into it, and those on thin parts."""
    core = where & ((scene.depth > RIM) | scene.stray)
    grown = cv2.dilate(core.astype(np.uint8), np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)) > 0
    thin = where & scene.thin & _large(where & scene.thin, MIN_THIN_PIXELS)
    # A contour that is a little off is not a cluster, on a thin part either: more than the rim must be missing.
    thin &= _mostly(thin, scene)
    found = []
    for mask, least in ((where & grown & ~thin, MIN_PIXELS), (thin, MIN_THIN_PIXELS)):
        number, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        found += [labels == index for index in range(1, number) if stats[index, cv2.CC_STAT_AREA] >= least]
    return found


def _large(mask: Mask, least: int) -> Mask:
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    keep = stats[:, cv2.CC_STAT_AREA] >= least
    keep[0] = False
    return np.asarray(keep[labels], np.bool_)


def _mostly(thin: Mask, scene: _Scene) -> Mask:
    """Those clusters on thin parts in which the thin part is gone, or invented, through and through.

    There the wrong pixels are thicker than the rim, or, on a part that is itself no thicker, reach across it.
    """
    _, labels = cv2.connectedComponents(thin.astype(np.uint8), connectivity=8)
    # How far a wrong pixel is from the nearest right one of the same part, against the part's own half width.
    inside = cv2.distanceTransform(
        cv2.copyMakeBorder(thin.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 5
    )[1:-1, 1:-1]
    part = (scene.truth | scene.prediction).astype(np.uint8)
    whole = cv2.distanceTransform(cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 5)[1:-1, 1:-1]
    keep = np.zeros(int(labels.max()) + 1, np.bool_)
    for index in range(1, len(keep)):
        where = labels == index
        deepest = float(inside[where].max())
        keep[index] = deepest > RIM or deepest >= 0.9 * float(whole[where].max())
    return np.asarray(keep[labels], np.bool_)


def _judge(cluster: Mask, kind: Kind, scene: _Scene) -> Fault:
    pixels = int(np.count_nonzero(cluster))
    ys, xs = np.nonzero(cluster)
    box = int(ys.min()), int(ys.max()) + 1, int(xs.min()), int(xs.max()) + 1
    height = (float(ys.mean()) + 0.5 - scene.box[0]) / max(scene.box[1] - scene.box[0], 1)
    tag, why = _cause(cluster, kind, scene, height, (box[1] - box[0], box[3] - box[2]))
    tags: tuple[Tag, ...] = (tag,)
    if kind == "missed" and _share(scene.holes, cluster) > 0.5 and tag in {"glass", "colour of the background"}:
        tags, why = (tag, "hole inside"), f"{why}; enclosed by the prediction"
    told = f"{pixels:,} {kind} pixels at height {height:.2f}; {why}"
    return Fault(tags, kind, pixels, (float(ys.mean()), float(xs.mean())), box, told)


def _cause(cluster: Mask, kind: Kind, scene: _Scene, height: float, extent: tuple[int, int]) -> tuple[Tag, str]:
    """The first rule that fits, and what was measured."""
    tall, wide = extent
    if _share(scene.stray, cluster) > 0.5:
        return "stray piece", "in a piece that does not touch the car"
    if _share(scene.thin, cluster) > 0.5 and height < 0.6:
        edge = cv2.copyMakeBorder(cluster.astype(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        thickness = 2 * float(cv2.distanceTransform(edge, cv2.DIST_L2, 5).max())
        shape = f"on a thin part, {wide} wide, {tall} high, {thickness:.0f} thick"
        mast = thickness <= MAST and tall > wide and height < 0.5
        if mast or (height < 0.15 and wide < 2 * tall):
            return "antenna", shape
        if height < 0.25 and wide >= 2 * tall:
            return "roof rack", shape
        if height >= 0.15:
            return "mirror", shape
    if kind == "extra" and _share(scene.gaps, cluster) > 0.5:
        return "gap closed", "enclosed by the true car"
    inside = scene.photo[cluster]
    colour = to_lab(inside.mean(axis=0)[None])[0]
    luma = float(inside.mean(axis=0) @ (0.299, 0.587, 0.114))
    if height > 0.6 and luma < DARK[kind] * scene.floor:
        return "shadow at the wheels", f"luma {luma:.0f} where the floor has {scene.floor:.0f}"
    deepest = float(scene.depth[cluster].max())
    to_paint = float(np.linalg.norm(colour - scene.paint))
    if kind == "missed" and 0.05 <= height <= 0.45 and deepest > 12 and to_paint > GLASS:
        return "glass", f"reaching {deepest:.0f} pixels into the car, {to_paint:.0f} in L*a*b* from the paint"
    others = scene.background_colours if kind == "missed" else scene.car_colours
    nearest = float(np.linalg.norm(others - colour, axis=1).min()) if len(others) else float("inf")
    what = "the background's" if kind == "missed" else "the car's"
    if nearest < ALIKE:
        return "colour of the background", f"{nearest:.1f} in L*a*b* from one of {what} main colours"
    if kind == "missed" and _share(scene.holes, cluster) > 0.5:
        return "hole inside", "enclosed by the prediction"
    return (
        "something else",
        f"luma {luma:.0f}, floor {scene.floor:.0f}, {nearest:.1f} in L*a*b* from {what} main colours",
    )


def _share(mask: Mask, cluster: Mask) -> float:
    """Fraction of a cluster that lies in a mask."""
    return float(np.count_nonzero(mask & cluster) / np.count_nonzero(cluster))
