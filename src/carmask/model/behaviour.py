"""The numbers that decide a mask or a confidence, besides the network's weights and the threshold.

They are part of a model file: a new release of carmask may change the defaults, and a file keeps what it was measured
with. A file that names none of them has today's defaults, with which the files of version 4 and before were made.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from carmask.geometry import Size

_FROZEN = ConfigDict(extra="forbid", frozen=True)


class CropSettings(BaseModel):
    """Which crop of the photo the segmentation stage is given.

    Attributes:
        margin: around the box of the localisation stage, above, to the left, below and to the right, as fractions of
            the box's height and width. Localisation misses aerials, which rise by up to a sixth of a car's height, and
            little else.
        mirrored_margin: the same for the mirrored photo of test-time augmentation: predictions at two scales have fewer
            errors in common.
        max_zoom: the car is enlarged by no more than this factor over its size in the whole photo that fits into the
            input, unless the photo's full width (or height) has room: the size at which a file is decoded is then known
            before localisation.
    """

    model_config = _FROZEN

    margin: tuple[float, float, float, float] = (0.12, 0.05, 0.05, 0.05)
    mirrored_margin: tuple[float, float, float, float] = (0.16, 0.1, 0.1, 0.1)
    max_zoom: float = Field(2.0, ge=1)


class ConfirmationSettings(BaseModel):
    """What the localisation stage must confirm (``suppress_unconfirmed``).

    Attributes:
        components: whether components are removed that it does not confirm.
        car: whether there is no car where it finds none; else the segmentation stage is given the whole photo then.
        probability: a pixel is unconfirmed if localisation gives it less than this ...
        distance: ... within this many of localisation's pixels.
        thickness: components thinner than this, in pixels of the segmentation stage, need no confirmation: aerials are
            too fine for localisation.
        reach: there is no car where localisation gives less than ``possible`` within this many of its pixels, however
            certain the segmentation stage is; None to leave it to the segmentation stage.
        possible: see ``reach``.
    """

    model_config = _FROZEN

    components: bool = True
    car: bool = False
    probability: float = Field(0.3, ge=0, le=1)
    distance: int = Field(2, ge=0)
    thickness: int = Field(5, ge=1)
    reach: int | None = Field(None, ge=0)
    possible: float = Field(0.1, ge=0, le=1)


#: Of models whose localisation stage is a network of its own, which are better told what is a car and worse where its
#: contour runs: docs/decisions/0019-localisation-network.md.
WITH_LOCALISATION_NETWORK = ConfirmationSettings(components=False, car=True, reach=9)


class ComponentSettings(BaseModel):
    """Which connected components beside the largest one are kept (``remove_small_components``).

    Attributes:
        min_area: those of at least this fraction of the largest one's area: a second car, or a car behind a post.
        max_distance: those that come this close to the largest one, as a fraction of the width: an antenna, a rack, a
            mirror's edge, separated from the body by a line that the network missed.
    """

    model_config = _FROZEN

    min_area: float = Field(0.2, ge=0, le=1)
    max_distance: float = Field(0.01, ge=0)


class FeatureSettings(BaseModel):
    """How confidence features are measured (``measure_features``).

    Attributes:
        decided: below the first and above the second probability, a pixel counts as decided.
        near: pixels of the network's input within which of the contour uncertainty is usual.
        offset: added to a fraction of the photo before its logarithm is taken: about a pixel of 512x768.
    """

    model_config = _FROZEN

    decided: tuple[float, float] = (0.1, 0.9)
    near: int = Field(4, ge=0)
    offset: float = Field(3e-6, gt=0)


class GateSettings(BaseModel):
    """How photos of a specialist's studio are recognised (``carmask.prediction.specialist``).

    Attributes:
        grid: (rows, columns) of the cells that a photo's background is described by.
        background: pixels to which localisation gives at most this are background ...
        around: ... but for those this close to others, in localisation's pixels.
        shown: a cell counts if at least this share of it is background.
        near: this close to localisation's contour, in its pixels, the specialist's map may differ from it.
    """

    model_config = _FROZEN

    grid: Size = (4, 6)
    background: float = Field(0.1, ge=0, lt=1)
    around: int = Field(3, ge=0)
    shown: float = Field(0.3, gt=0, le=1)
    near: int = Field(2, ge=0)


class Behaviour(BaseModel):
    """All of them, by what they decide.

    Attributes:
        crop: the crop of the segmentation stage.
        confirmation: what localisation must confirm.
        components: which connected components are kept.
        features: how confidence features are measured.
        gate: which photos are a specialist's.
    """

    model_config = _FROZEN

    crop: CropSettings = CropSettings()
    confirmation: ConfirmationSettings = ConfirmationSettings()
    components: ComponentSettings = ComponentSettings()
    features: FeatureSettings = FeatureSettings()
    gate: GateSettings = GateSettings()
