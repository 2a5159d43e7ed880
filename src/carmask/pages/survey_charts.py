"""Charts about a data set's masks and colours."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.pages import charts
from carmask.pages.html import Cell, Column, Html, box, heading, join, picture, say, table, text
from carmask.pages.subject import car_title
from carmask.survey.facts import Facts
from carmask.survey.survey import Survey
from carmask.words import counted

#: Photos of the table with the least colour difference.
HARDEST = 200


def mask_charts(found: Survey) -> Html:
    """Area, contour length and mean mask, by view."""
    views = sorted(found.mean_masks)
    by_view = {view: [one for one in found.facts if one.view == view] for view in views}
    labels = {view: f"{view:02d}" if view else "?" for view in views}
    area = charts.boxes([(labels[v], [100 * one.area for one in by_view[v]]) for v in views], name="view", digits=0)
    length = charts.boxes(
        [(labels[v], [float(one.contour) for one in by_view[v]]) for v in views], name="view", digits=0
    )
    means = [
        picture(
            _heat(found.mean_masks[view]),
            f"mean mask of view {labels[view]}, {counted(len(by_view[view]), 'photo')}",
            shown=f"view {labels[view]}",
        )
        for view in views
    ]
    key = say("White: car in every photo. Black: car in none. Red to yellow: car in some.")
    grid = Html(f'<div class="grid eight">{join(means)}</div>')
    return box(
        "stack",
        box(
            "columns",
            box("card", heading("Mask area, % of the photo"), area),
            box("card", heading("Contour length, pixels"), length),
        ),
        box("card", heading("Mean mask"), key, grid),
    )


def colour_charts(found: Survey) -> Html:
    """Brightness and colour of cars against their background, of photos that have both."""
    lit = [one for one in found.facts if not math.isnan(one.difference)]
    by_car: dict[str, list[Facts]] = defaultdict(list)
    for one in lit:
        by_car[one.car].append(one)
    points = []
    for car, of in by_car.items():
        x, y = mean([o.background_brightness for o in of]), mean([o.car_brightness for o in of])
        points.append((x, y, f"{car_title(found.metadata, car)}: car {y:.0f}, background {x:.0f}"))
    differences = [one.difference for one in lit]
    top = 10.0 * max(1, math.ceil(max(differences, default=10.0) / 10))
    edges = [float(v) for v in np.linspace(0, top, 31)]
    hard = sorted(lit, key=lambda one: one.difference)[:HARDEST]
    rows = [
        (
            one.name,
            car_title(found.metadata, one.car),
            number(one.difference, 1),
            swatch(one.car_colour),
            swatch(one.background_colour),
        )
        for one in hard
    ]
    columns = (
        Column("photo"), Column("car"), Column("difference", number=True), Column("colour of the car"),
        Column("colour of the background"),
    )  # fmt: skip
    return box(
        "stack",
        box(
            "columns",
            box(
                "card",
                heading("Mean brightness, 0 to 255; a dot is a car"),
                charts.scatter(points, across="background", up="car"),
            ),
            box(
                "card",
                heading("Photos by colour difference of car and background"),
                charts.histogram(differences, edges=edges, name="difference in CIE L*a*b*", digits=0),
            ),
        ),
        box(
            "card",
            heading(f"The {counted(len(hard), 'photo')} with the least difference"),
            table(columns, rows, find=True),
        ),
    )


def mean(values: Sequence[float]) -> float:
    """The mean of the values that are known; NaN if none is."""
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else float("nan")


def number(value: float, digits: int) -> Cell:
    """A number in a table."""
    return Cell(f"{value:,.{digits}f}", value)


def swatch(colour: Sequence[float]) -> Html:
    """A patch of a colour (red, green, blue) with its code; a dash where the colour is not known."""
    if any(math.isnan(value) for value in colour):
        return text("–")
    red, green, blue = (round(value) for value in colour)
    return Html(
        f'<i class="patch" style="background:rgb({red},{green},{blue})"></i> {text(f"#{red:02x}{green:02x}{blue:02x}")}'
    )


def _heat(fraction: NDArray[np.float32]) -> Photo:
    coloured = cv2.applyColorMap((255 * fraction).round().astype(np.uint8), cv2.COLORMAP_HOT)
    return np.ascontiguousarray(coloured[..., ::-1], np.uint8)
