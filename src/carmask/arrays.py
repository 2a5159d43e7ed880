"""The three kinds of array that travel through carmask, and the checks at its borders.

* ``Photo``: uint8 (height, width, 3), RGB, 0 to 255.
* ``Mask``: bool (height, width), True is the car.
* ``Probability``: float32 (height, width) in [0, 1], the probability that a pixel is car.

``height, width`` always come in that order. Functions inside the package trust their arrays; those that take arrays
from outside call a check first.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from carmask.errors import ArrayError

Photo: TypeAlias = NDArray[np.uint8]
Mask: TypeAlias = NDArray[np.bool_]
Probability: TypeAlias = NDArray[np.float32]


def check_photo(array: Any, name: str = "photo") -> Photo:
    """Return ``array`` unchanged if it is a Photo.

    Args:
        array: anything.
        name: what it is to be, for the message.

    Returns:
        The same array: uint8 (height, width, 3), RGB.

    Raises:
        ArrayError: if it is not; the message gives the dtype and shape found.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        raise ArrayError(f"a {name} must be a uint8 array of shape (height, width, 3), RGB; got {_describe(array)}")
    if array.size == 0:
        raise ArrayError(f"a {name} must have at least one pixel; got {_describe(array)}")
    return array


def check_mask(array: Any) -> Mask:
    """Return ``array`` unchanged if it is a Mask.

    Args:
        array: anything.

    Returns:
        The same array: bool (height, width).

    Raises:
        ArrayError: if it is not; the message gives the dtype and shape found.
    """
    if not isinstance(array, np.ndarray) or array.dtype != np.bool_ or array.ndim != 2:
        raise ArrayError(
            f"a mask must be a bool array of shape (height, width); got {_describe(array)}"
            + ("; write mask > 0 to make one" if isinstance(array, np.ndarray) and array.ndim == 2 else "")
        )
    return array


def use_own_numbers(settings: Any) -> None:
    """Put Python's numbers in place of numpy's, which no JSON can hold, and tuples in place of lists.

    Args:
        settings: a dataclass, also a frozen one that is being made; changed in place.
    """
    for field in fields(settings):
        value = getattr(settings, field.name)
        own = tuple(map(_own, value)) if isinstance(value, tuple | list) else _own(value)
        if own is not value:
            object.__setattr__(settings, field.name, own)


def _own(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} {value.shape}"
    return type(value).__name__
