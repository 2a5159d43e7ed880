"""What of a network's answer is the car: its largest piece, and what lies close to it or is nearly as large."""

from __future__ import annotations

import cv2
import numpy as np

from carmask.arrays import Probability

#: A piece of at least this fraction of the largest one's area stays: it may be a second car, or a car behind a post.
LARGE = 0.2
#: A piece that comes this close to the largest one, as a fraction of the picture's width, stays: an antenna, a rack, a
#: mirror's edge, parted from the body by a line that the network lost.
CLOSE = 0.01


def remove_small_components(probability: Probability, threshold: float) -> Probability:
    """Take out small pieces that lie away from the car: signs, shutters, bushes that a network took for some of it.

    Confidence is judged before this: a stray piece is a sign of doubt (``ConfidenceFeatures.pieces``).

    Args:
        probability: float32 (height, width) in [0, 1], at the resolution that the network gave it in.
        threshold: what counts as car.

    Returns:
        The same array where all is one car, as in most photos; else a copy in which strays and their rims are 0.
    """
    # Contours take a fifth of the time of labelled components; a piece in a hole of another one belongs to it.
    mask = (probability >= threshold).astype(np.uint8) * np.uint8(255)
    pieces, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if len(pieces) <= 1:
        return probability
    # Pick's theorem: the pixels of a filled piece, those on its contour included.
    areas = [cv2.contourArea(piece) + len(piece) / 2 + 1 for piece in pieces]
    most = max(areas)
    away = np.full_like(mask, 255)
    cv2.drawContours(away, pieces, int(np.argmax(areas)), 0, cv2.FILLED)
    # Looked up, not measured contour against contour: an untrained network gives thousands of pieces.
    distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_3)
    reach = max(1.0, CLOSE * mask.shape[1])
    strays = [
        piece
        for piece, area in zip(pieces, areas, strict=True)
        if area < LARGE * most and distance[piece[:, 0, 1], piece[:, 0, 0]].min() > reach
    ]
    if not strays:
        return probability
    stray, rim = np.zeros_like(mask), np.ones((5, 5), np.uint8)
    cv2.drawContours(stray, strays, -1, 255, cv2.FILLED)
    kept = cv2.bitwise_and(mask, cv2.bitwise_not(stray))
    # Enlarging looks at neighbours, so the rim goes too; not where it is also a rim of what stays.
    gone = cv2.bitwise_or(stray, cv2.bitwise_and(cv2.dilate(stray, rim), cv2.bitwise_not(cv2.dilate(kept, rim))))
    cleaned: Probability = np.where(gone, np.float32(0), probability)
    return cleaned
