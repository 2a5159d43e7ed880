"""Connected components of a mask: the largest is the car, and what is close to it or nearly as large belongs to it."""

from __future__ import annotations

import cv2
import numpy as np

from carmask.arrays import Probability
from carmask.model.behaviour import ComponentSettings


def remove_small_components(
    probability: Probability, threshold: float, settings: ComponentSettings | None = None
) -> Probability:
    """Remove small components away from the car: signs, shutters, bushes that the network took for parts of it.

    Confidence is estimated before this: such components lower it (``ConfidenceFeatures.components``).

    Args:
        probability: float32 (height, width) in [0, 1], at the network's resolution.
        threshold: what counts as car.
        settings: which components are kept; the defaults if None.

    Returns:
        The same array if nothing is removed, as for most photos; else a copy in which the removed components and their
        soft edges are 0.
    """
    settings = settings or ComponentSettings()
    # Contours take a fifth of the time of labelled components; a component in a hole of another one belongs to it.
    mask = (probability >= threshold).astype(np.uint8) * np.uint8(255)
    components, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if len(components) <= 1:
        return probability
    # Pick's theorem: the pixels of a filled component, those on its contour included.
    areas = [cv2.contourArea(component) + len(component) / 2 + 1 for component in components]
    largest = max(areas)
    away = np.full_like(mask, 255)
    cv2.drawContours(away, components, int(np.argmax(areas)), 0, cv2.FILLED)
    # Looked up, not measured contour against contour: an untrained network gives thousands of components.
    distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_3)
    reach = max(1.0, settings.max_distance * mask.shape[1])
    small = [
        component
        for component, area in zip(components, areas, strict=True)
        if area < settings.min_area * largest and distance[component[:, 0, 1], component[:, 0, 0]].min() > reach
    ]
    if not small:
        return probability
    removed, edge = np.zeros_like(mask), np.ones((5, 5), np.uint8)
    cv2.drawContours(removed, small, -1, 255, cv2.FILLED)
    kept = cv2.bitwise_and(mask, cv2.bitwise_not(removed))
    # Enlarging interpolates between neighbours, so the soft edge goes too, but for that of what is kept.
    around = cv2.bitwise_and(cv2.dilate(removed, edge), cv2.bitwise_not(cv2.dilate(kept, edge)))
    gone = cv2.bitwise_or(removed, around)
    cleaned: Probability = np.where(gone, np.float32(0), probability)
    return cleaned
