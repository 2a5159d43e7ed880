"""Take the car out of a photo: mask, cut-out, or the car in front of another background.

>>> from carmask import Cutter, rle_encode
>>> mask = Cutter().mask(photo)  # photo: uint8 (height, width, 3), RGB  # doctest: +SKIP
>>> rle_encode(mask)  # doctest: +SKIP
'879386 40 881253 141 …'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from carmask.prediction.predict import Cutter, Prediction
    from carmask.rle import rle_decode, rle_encode

__version__ = "0.1.0"
__all__ = ["Cutter", "Prediction", "__version__", "rle_decode", "rle_encode"]

# Loaded on first use (PEP 562), so that `carmask --version` does not wait for numpy and OpenVINO.
_HOMES = {
    "Cutter": "carmask.prediction.predict",
    "Prediction": "carmask.prediction.predict",
    "rle_decode": "carmask.rle",
    "rle_encode": "carmask.rle",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'carmask' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
