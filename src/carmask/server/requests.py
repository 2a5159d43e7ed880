"""What the server asks of its worker processes, and what they answer: all of it is picklable."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from carmask.batch.job import Job, Result
from carmask.batch.outputs import OutputSpec
from carmask.compositing.background import Fit
from carmask.errors import CarmaskError
from carmask.geometry import Size
from carmask.images import PhotoFile
from carmask.review import edits


@dataclass(frozen=True)
class Predict:
    """Ask for the network's mask of a photo, and all that a page needs with it.

    Attributes:
        photo: the file.
        model: of which the mask is meant; None for the workers' own.
        whole: decode the photo at its own size first, as a run does that writes pictures: its mask is the same then.
    """

    photo: Path
    model: str | None = None
    whole: bool = False


@dataclass(frozen=True)
class Preview:
    """Ask for a picture of a photo, as JPEG.

    Attributes:
        photo: the file.
        side: its longer side, in pixels; None for the photo's own.
    """

    photo: Path
    side: int | None = None


@dataclass(frozen=True)
class Thumbnail:
    """Ask for a small picture of a file that was made, as WebP, sRGB, with its transparency.

    Attributes:
        output: the file.
        side: its longer side, in pixels, if the file's is not shorter.
    """

    output: Path
    side: int


@dataclass(frozen=True)
class Edit:
    """Ask for an edited mask.

    Attributes:
        photo: the file.
        tool: which edit.
        stroke: points, x and y, in pixels of the photo.
        radius: in pixels.
        mask: as ``runs.to_bytes`` gives it.
        size: (height, width) of the mask.
    """

    photo: Path
    tool: edits.Tool
    stroke: tuple[tuple[float, float], ...]
    radius: float
    mask: bytes
    size: Size


@dataclass(frozen=True)
class PredictedPhoto:
    """A photo with the network's mask, as the page needs them.

    Attributes:
        size: (height, width), upright.
        digest: SHA-256 of the file.
        media_type: of the file, if every browser shows it as it is; else ''.
        mask: the network's, as ``runs.to_bytes`` gives it.
        png: the same as PNG.
        band: PNG (height, width, 4) at the network's resolution: where the network is uncertain, and how far.
        confidence: 0 to 1.
        error: expected distance of the contour from the true one, in pixels; None if it is not known.
    """

    size: Size
    digest: str
    media_type: str
    mask: bytes
    png: bytes
    band: bytes
    confidence: float
    error: float | None


@dataclass(frozen=True)
class SpecWithFile:
    """What to make, with the background in a file: tens of megabytes are not sent to the workers with each photo.

    Attributes:
        spec: all but the background.
        pixels: uint8 (height, width, 3), RGB, as ``numpy.save`` writes it; another background has another path.
        fit: how it fills the frame.
        icc_profile: of the background; None is sRGB.
    """

    spec: OutputSpec
    pixels: Path
    fit: Fit
    icc_profile: bytes | None


@dataclass(frozen=True)
class Render:
    """Ask for the outputs of a photo in a folder, as a run writes them.

    Attributes:
        job: the photo, and where its outputs go.
        spec: what to make.
        model: that renders it; None for the workers' own.
    """

    job: Job
    spec: OutputSpec | SpecWithFile
    model: str | None = None


@dataclass(frozen=True)
class Cut:
    """Ask for the outputs of a photo that a client sent.

    Attributes:
        content: what is in the file.
        spec: what to make.
        pixels: a larger photo is refused.
        most: pixels of the picture that is made, if it would have more; None for the photo's own.
        facts: find the view and what checks are made of, too.
    """

    content: bytes
    spec: OutputSpec
    pixels: int
    most: int | None = None
    facts: bool = False


@dataclass(frozen=True)
class Decode:
    """Ask for a picture's pixels, such as a background's.

    Attributes:
        content: what is in the file.
        pixels: a larger picture is refused.
    """

    content: bytes
    pixels: int


@dataclass(frozen=True)
class CutPhoto:
    """A photo that a client sent, with what was made of it.

    Attributes:
        result: as a run records it.
        outputs: the files' contents, in the order of ``OutputSpec.outputs``.
        size: (height, width) of the photo, upright.
    """

    result: Result
    outputs: tuple[bytes, ...]
    size: Size


Request: TypeAlias = Predict | Preview | Thumbnail | Edit | Render | Cut | Decode
Response: TypeAlias = PredictedPhoto | bytes | Result | CutPhoto | PhotoFile | CarmaskError
