"""Find clusters of wrong pixels: connected, beyond the roughness of the contour, or on thin parts of the car."""

from __future__ import annotations

import cv2
import numpy as np

from carmask.arrays import Mask
from carmask.evaluation.error_scene import Scene

#: Wrong pixels within this distance of the true contour are counted as roughness of the contour.
RIM = 3
#: Clusters of fewer pixels are left out.
MIN_PIXELS = 60
#: On thin parts, which have few pixels, clusters from this size on are kept.
MIN_THIN_PIXELS = 20


def find_clusters(where: Mask, scene: Scene) -> list[Mask]:
    """Find the clusters of wrong pixels of one kind.

    Args:
        where: bool (height, width), the extra pixels of the scene, or the missed ones.
        scene: the photo.

    Returns:
        A mask for each cluster: connected pixels beyond the rim, grown back into it, and those on thin parts.
    """
    core = where & ((scene.depth > RIM) | scene.separate)
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


def _mostly(thin: Mask, scene: Scene) -> Mask:
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
