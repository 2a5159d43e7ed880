"""Charts of an error breakdown: wrong pixels by distance to the contour, by region, and on a map of the car."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.evaluation.error_breakdown import FAR, MARGIN, ErrorBreakdown, distance_names, region_names
from carmask.geometry import resize
from carmask.pages import charts
from carmask.pages.html import Html, box, heading, picture, say
from carmask.pages.pictures import EXTRA, MISSED

#: (height, width) of the map.
MAP_SIZE = (384, 576)
KINDS = ("extra", "missed")


def breakdown_charts(found: ErrorBreakdown, mean_dice: float) -> Html:
    """Show the error breakdown of one model.

    Args:
        found: of all photos together.
        mean_dice: of the photos.

    Returns:
        The charts, and the map.
    """
    whole = max(found.wrong, 1)
    near = 100 * float(found.by_distance[:, :2].sum()) / whole
    told = (
        f"The mean Dice is {1 - mean_dice:.4f} below 1. {near:.0f} % of the wrong pixels lie within 2 pixels of the "
        "true contour: there the masks of two annotators differ, too."
    )
    regions = (
        "Height within the rectangle of the true car, from its top: roof 0 to 0.15, windows to 0.45, body to 0.75, "
        f"then wheels and ground. Away from the car: extra pixels more than {FAR} pixels from it."
    )
    distance = charts.stacked(distance_names(), _shares(found.by_distance, whole), KINDS, unit=" %")
    region = charts.stacked(region_names(), _shares(found.by_region, whole), KINDS, unit=" %")
    return box(
        "stack",
        say(told),
        box(
            "columns",
            box("card", heading("By distance to the true contour, pixels"), distance),
            box("card", heading("By region"), region, say(regions)),
        ),
        box(
            "card",
            heading("On the car"),
            say(
                "All photos on top of each other, each scaled so that the rectangle of its true car, drawn as a line, "
                "is the same. The stronger the colour, the more wrong pixels."
            ),
            box(
                "columns",
                picture(_map(found.map[0], EXTRA), "extra pixels on the car", quality=101),
                picture(_map(found.map[1], MISSED), "missed pixels on the car", quality=101),
            ),
        ),
    )


def compared_breakdowns(found: Sequence[ErrorBreakdown], names: Sequence[str], photos: int) -> Html:
    """Show the error breakdowns of two models on the same photos side by side, on one scale.

    Args:
        found: of each model, all photos together.
        names: of the models.
        photos: how many there are.

    Returns:
        The charts, in thousands of pixels for each photo.
    """
    per = 1000 * photos
    highest = [
        max(float(counts.sum(axis=0).max()) / per for counts in kind)
        for kind in ([one.by_distance for one in found], [one.by_region for one in found])
    ]
    cards = [
        box(
            "card",
            heading(f"{letter}: {name}"),
            say("By distance to the true contour, pixels"),
            charts.stacked(distance_names(), _shares(one.by_distance, per, 1), KINDS, top=highest[0]),
            say("By region"),
            charts.stacked(region_names(), _shares(one.by_region, per, 1), KINDS, top=highest[1]),
        )
        for letter, name, one in zip("AB", names, found, strict=True)
    ]
    return box("columns", *cards)


def _shares(counts: NDArray[np.int64], whole: int, unit: int = 100) -> list[tuple[float, float]]:
    return [(unit * float(extra) / whole, unit * float(missed) / whole) for extra, missed in counts.T]


def _map(counts: NDArray[np.integer], colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A map of counts, transparent where they are 0: uint8 (*MAP_SIZE, 4), RGBA."""
    height, width = MAP_SIZE
    # The square root shows the weak places as well as the strong ones.
    strength = np.sqrt(counts / max(int(counts.max()), 1)).astype(np.float32)
    shown = np.empty((height, width, 4), np.uint8)
    shown[..., :3] = colour
    shown[..., 3] = np.rint(255 * np.clip(resize(strength, MAP_SIZE), 0, 1))
    top, left = round(height * MARGIN / (1 + 2 * MARGIN)), round(width * MARGIN / (1 + 2 * MARGIN))
    cv2.rectangle(shown, (left, top), (width - left, height - top), (128, 128, 128, 255), 1)
    return shown
