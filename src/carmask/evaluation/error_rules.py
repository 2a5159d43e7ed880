"""Rules that name the cause of a cluster of wrong pixels; the first that fits decides.

Heights are those of the cluster's centre within the rectangle of the true car, 0 at its top and 1 at its bottom.
"""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np

from carmask.arrays import Mask
from carmask.evaluation.error_clusters import RIM
from carmask.evaluation.error_scene import Scene
from carmask.images.colour import to_lab

Tag = Literal[
    "separate component", "antenna", "roof rack", "mirror", "hole inside", "glass", "gap closed",
    "shadow at the wheels", "colour of the background", "contour", "something else",
]  # fmt: skip
Kind = Literal["extra", "missed"]

#: A mast: a part thinner than this many pixels.
MAST = 12
#: Extra pixels darker than this fraction of the floor's luma are shadow; missed ones darker than the second, tyre.
DARK: dict[Kind, float] = {"extra": 0.7, "missed": 0.5}
#: Mean colours nearer than this in CIE L*a*b* are alike.
ALIKE = 12.0
#: Glass differs from the paint by more than this, and missed glass reaches deeper into the car than this, in pixels.
GLASS, GLASS_DEPTH = 18.0, 12

RULES: tuple[tuple[Tag, str], ...] = (
    ("separate component", "extra pixels in a connected component of the prediction that nowhere touches the true car"),
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
        f"missed pixels at 0.05 to 0.45 of the height that reach more than {GLASS_DEPTH} pixels into the car, of "
        f"another colour than its paint (more than {GLASS:.0f} in CIE L*a*b*)",
    ),
    (
        "colour of the background",
        f"missed pixels whose mean colour is within {ALIKE:.0f} in CIE L*a*b* of one of the background's main colours; "
        "or extra ones, of the car's",
    ),
    (
        "hole inside",
        "missed pixels that the prediction encloses on all sides; given in addition to a rule above that fits",
    ),
    ("something else", "none of these"),
    ("contour", f"given to a photo whose wrong pixels mostly lie within {RIM} pixels of the true contour"),
)


def find_cause(cluster: Mask, kind: Kind, scene: Scene, height: float, extent: tuple[int, int]) -> tuple[Tag, str]:
    """Name the cause of a cluster.

    Args:
        cluster: bool (height, width).
        kind: of its pixels.
        scene: the photo.
        height: of its centre in the car's rectangle.
        extent: (height, width) of the cluster's own rectangle in pixels.

    Returns:
        The tag of the first rule that fits, and what was measured, in words.
    """
    tall, wide = extent
    if share_in(scene.separate, cluster) > 0.5:
        return "separate component", "in a connected component that does not touch the car"
    if share_in(scene.thin, cluster) > 0.5 and height < 0.6:
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
    if kind == "extra" and share_in(scene.gaps, cluster) > 0.5:
        return "gap closed", "enclosed by the true car"
    inside = scene.photo[cluster]
    colour = to_lab(inside.mean(axis=0)[None])[0]
    luma = float(inside.mean(axis=0) @ (0.299, 0.587, 0.114))
    if height > 0.6 and luma < DARK[kind] * scene.floor:
        return "shadow at the wheels", f"luma {luma:.0f} where the floor has {scene.floor:.0f}"
    deepest = float(scene.depth[cluster].max())
    to_paint = float(np.linalg.norm(colour - scene.paint))
    if kind == "missed" and 0.05 <= height <= 0.45 and deepest > GLASS_DEPTH and to_paint > GLASS:
        return "glass", f"reaching {deepest:.0f} pixels into the car, {to_paint:.0f} in L*a*b* from the paint"
    others = scene.background_colours if kind == "missed" else scene.car_colours
    nearest = float(np.linalg.norm(others - colour, axis=1).min()) if len(others) else float("inf")
    what = "the background's" if kind == "missed" else "the car's"
    if nearest < ALIKE:
        return "colour of the background", f"{nearest:.1f} in L*a*b* from one of {what} main colours"
    if kind == "missed" and share_in(scene.holes, cluster) > 0.5:
        return "hole inside", "enclosed by the prediction"
    return (
        "something else",
        f"luma {luma:.0f}, floor {_number(scene.floor)}, {_number(nearest, 1)} in L*a*b* from {what} main colours",
    )


def _number(value: float, digits: int = 0) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "unknown"


def share_in(mask: Mask, cluster: Mask) -> float:
    """Fraction of a cluster that lies in a mask."""
    return float(np.count_nonzero(mask & cluster) / np.count_nonzero(cluster))
