"""What scenes for any place are made of: a table of a recipe."""

from __future__ import annotations

from pydantic import Field, model_validator

from carmask.validation import Settings


class SceneSettings(Settings):
    """How often each kind of scene is drawn, and what is done to it. All shares are probabilities."""

    real: float = Field(0.46, ge=0, le=1, description="photos of the extra data sets, moved, squeezed and zoomed to")
    composite: float = Field(0.30, ge=0, le=1, description="cars cut out of any data set before another background")
    main: float = Field(0.12, ge=0, le=1, description="photos of the main data set")
    empty: float = Field(0.12, ge=0, le=1, description="backgrounds without any car, empty mask")
    main_as_is: float = Field(0.0, ge=0, le=1, description="of the main photos: those not moved nor changed in light")
    others: float = Field(0.45, ge=0, le=1, description="of the composites: other, smaller cars behind the car")
    others_in_real: float = Field(0.15, ge=0, le=1, description="of the real photos: the same")
    two_equal: float = Field(
        0.07, ge=0, le=1, description="of the composites: two cars of equal size, both in the mask"
    )
    main_cars: float = Field(0.6, ge=0, le=1, description="of the cars cut out: those of the main data set")
    captions: float = Field(0.1, ge=0, le=1, description="text and bars over the photo, the car included")
    squeezed: tuple[str, ...] = Field(
        (), description="names of extra data sets whose photos were squeezed to squares: they are widened at random"
    )
    no_cut_outs: tuple[str, ...] = Field(
        (), description="names of extra data sets that no cars are cut out of, because they are partly hidden there"
    )

    @model_validator(mode="after")
    def _adds_up(self) -> SceneSettings:
        total = self.real + self.composite + self.main + self.empty
        if abs(total - 1) > 1e-6:
            raise ValueError(f"real, composite, main and empty must add up to 1, and add up to {total:g}")
        return self
