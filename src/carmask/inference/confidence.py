"""How far a mask can be trusted, from the probabilities it was cut from."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from carmask.arrays import Probability


def expected_dice(probability: Probability, threshold: float) -> float:
    """The Dice score to expect if each pixel is car with its probability.

    With the mask M of the pixels at or above the threshold, ``2 sum(p in M) / (|M| + sum(p))``: the ratio of the
    expectations of Dice's numerator and denominator. No stretching per image: it is comparable between photos.

    Args:
        probability: float32 (height, width) in [0, 1], at any resolution.
        threshold: what counts as car.

    Returns:
        0 to 1; 0 where no pixel reaches the threshold, for then there is no car to be confident of.
    """
    inside = probability >= threshold
    count = int(np.count_nonzero(inside))
    if not count:
        return 0.0
    # OpenCV adds up in 64 bits, in half the time that numpy takes for it.
    both, expected = cv2.sumElems(probability * inside)[0], cv2.sumElems(probability)[0]
    return 2.0 * both / (count + expected)


def calibrated(raw: float, points: Sequence[tuple[float, float]]) -> float:
    """Correct a raw confidence by a model's calibration.

    Args:
        raw: 0 to 1.
        points: pairs of raw and corrected values, rising in both; empty for none.

    Returns:
        The corrected value, interpolated linearly, constant beyond the ends.
    """
    if not points:
        return raw
    xs, ys = zip(*points, strict=True)
    return float(np.interp(raw, xs, ys))
