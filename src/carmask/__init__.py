"""Take the car out of a photo: mask, cut-out, or the car in front of another background.

>>> from carmask import Cutter, rle_encode
>>> mask = Cutter().mask("car.jpg")  # doctest: +SKIP
>>> rle_encode(mask)  # doctest: +SKIP
'879386 40 881253 141 …'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from carmask._version import __version__

if TYPE_CHECKING:
    from carmask.api import Cutter
    from carmask.batch.outputs import OutputSpec
    from carmask.batch.report import Review
    from carmask.batch.run import CutSummary
    from carmask.compositing.background import Background
    from carmask.compositing.placement import Placing
    from carmask.compositing.plates import PlateCover
    from carmask.compositing.style import RenderStyle
    from carmask.errors import (
        ArrayError,
        CarmaskError,
        DataError,
        DeviceError,
        IncompleteError,
        ModelError,
        OutputError,
        PhotoError,
        RecipeError,
        RLEError,
        StudioError,
        SubmissionError,
        UnknownNameError,
        UsageError,
        WeightsError,
    )
    from carmask.formats.rle import rle_decode, rle_encode
    from carmask.prediction.predict import Prediction

__all__ = [
    "ArrayError",
    "Background",
    "CarmaskError",
    "CutSummary",
    "Cutter",
    "DataError",
    "DeviceError",
    "IncompleteError",
    "ModelError",
    "OutputError",
    "OutputSpec",
    "PhotoError",
    "Placing",
    "PlateCover",
    "Prediction",
    "RLEError",
    "RecipeError",
    "RenderStyle",
    "Review",
    "StudioError",
    "SubmissionError",
    "UnknownNameError",
    "UsageError",
    "WeightsError",
    "__version__",
    "rle_decode",
    "rle_encode",
]

# Loaded on first use (PEP 562), so that `carmask --version` does not wait for numpy and OpenVINO.
_HOMES = {
    "Background": "carmask.compositing.background",
    "CutSummary": "carmask.batch.run",
    "Cutter": "carmask.api",
    "OutputSpec": "carmask.batch.outputs",
    "Placing": "carmask.compositing.placement",
    "PlateCover": "carmask.compositing.plates",
    "Prediction": "carmask.prediction.predict",
    "RenderStyle": "carmask.compositing.style",
    "Review": "carmask.batch.report",
    "rle_decode": "carmask.formats.rle",
    "rle_encode": "carmask.formats.rle",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name, "carmask.errors" if name in __all__ else None)
    if home is None:
        raise AttributeError(f"module 'carmask' has no attribute {name!r}")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return __all__
