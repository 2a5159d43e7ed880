"""How windows along contours are drawn, to train a refinement stage on: a table of a recipe."""

from __future__ import annotations

from pydantic import Field

from carmask.validation import Settings


class ContourSettings(Settings):
    """What is done to the windows and to the coarse maps beside them. All shares are probabilities."""

    as_is: float = Field(0.5, ge=0, le=1, description="of the main photos' windows: at the photo's own size and angle")
    wrong: float = Field(0.4, ge=0, le=1, description="of all windows: around a place where the coarse map is wrong")
    elsewhere: float = Field(0.07, ge=0, le=1, description="of the others: anywhere in the photo, not at a contour")
    zoom: tuple[float, float] = Field(
        (0.77, 1.18), description="range of sizes of the main photos' other windows, 1 for their own"
    )
    car_width: tuple[float, float] = Field(
        (500, 1600), description="range of widths that cars of extra data are brought to, in pixels"
    )
    spoilt: float = Field(0.5, ge=0, le=1, description="of the coarse maps: those bent and moved at random")
    noisy: float = Field(0.25, ge=0, le=1, description="of the coarse maps: those with smooth noise on their logits")
    squeezed: tuple[str, ...] = Field(
        (), description="names of extra data sets whose photos were squeezed to squares: they are widened at random"
    )
