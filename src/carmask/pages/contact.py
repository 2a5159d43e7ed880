"""Contact sheets: the views of a car beside one another, with the true contour."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from carmask.arrays import Photo
from carmask.pages.pictures import outlined
from carmask.survey.problems import VIEWS
from carmask.survey.survey import SMALL, SmallView

#: Views in a row.
COLUMNS = 4
_MISSING = 128


def contact_sheet(views: Mapping[int, SmallView]) -> Photo:
    """Put the views of a car on one sheet, four in a row, with the true contour drawn.

    Args:
        views: by view.

    Returns:
        uint8 (height, width, 3), RGB. If half of the 16 views or more are there, the place of a view that is missing is
        grey; else there are no places for missing ones.
    """
    height, width = SMALL
    numbers = sorted(views)
    if len(views) >= VIEWS / 2:  # most of a turntable: each view has its place
        numbers = [*([0] if 0 in views else []), *range(1, max(VIEWS, *views) + 1)]
    rows = -(-len(numbers) // COLUMNS)
    sheet = np.full((rows * height, min(COLUMNS, len(numbers)) * width, 3), _MISSING, np.uint8)
    for place, view in enumerate(numbers):
        if view in views:
            row, column = divmod(place, COLUMNS)
            drawn = outlined(views[view].photo, views[view].mask)
            sheet[row * height : (row + 1) * height, column * width : (column + 1) * width] = drawn
    return sheet
