"""Where the car stands in the finished picture."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import use_own_numbers
from carmask.errors import UsageError, check_choice, check_number
from carmask.geometry import Box, Size
from carmask.images import MAX_PIXELS

Rule = Literal["photo", "centre", "turntable", "vehicle"]
#: Rules that need to know all views of a car.
SERIES_RULES = frozenset({"turntable", "vehicle"})


class Move(NamedTuple):
    """How the photo gets into the picture: point (x, y) of it comes to (x * scale + left, y * scale + top).

    Attributes:
        scale: pixels of the picture for each of the photo.
        top: rows, may be negative.
        left: columns, may be negative.
        size: (height, width) of the picture.
    """

    scale: float
    top: int
    left: int
    size: Size


def _is_size(value: object) -> bool:
    """Whether this is a height and a width."""
    return (
        isinstance(value, tuple | list)
        and len(value) == 2
        and all(isinstance(side, numbers.Integral) and int(side) >= 1 for side in value)
    )


@dataclass(frozen=True)
class Placing:
    """A rule for where the car goes.

    Attributes:
        rule: ``photo`` leaves it where the photo has it; ``centre`` puts it in the middle, as large as ``fill`` says;
            ``turntable`` does that to all views of one car at once, so that they share scale and horizon, as a camera
            that does not move has them; ``vehicle`` gives all views of a vehicle one height, as photos taken by hand
            need it: the widest view is as large as ``fill`` says, the others as high as that one.
        fill: the most of the picture's width and height that the car takes, 0 to 1; not for ``photo``.
        floor: where the lowest wheel stands, as a fraction of the picture's height from the top; None for the car's
            middle in the picture's. Not for ``photo``.
        size: (height, width) of the picture; None for the photo's.
        crop: cut the picture to the car, with this margin as a fraction of the car's longer side; only with ``photo``
            and without ``size``.
    """

    rule: Rule = "photo"
    fill: float = 0.8
    floor: float | None = None
    size: Size | None = None
    crop: float | None = None

    def __post_init__(self) -> None:
        use_own_numbers(self)

    def check(self) -> None:
        """Refuse rules that cannot be followed.

        Raises:
            UsageError: if a number is out of range or two rules exclude each other.
        """
        check_choice(self.rule, Rule, "rule")
        for name in ("fill", "floor", "crop"):
            if (value := getattr(self, name)) is not None or name == "fill":
                check_number(value, name)
        if not 0 < self.fill <= 1:
            raise UsageError(
                f"{self.fill:g}: the car can take more than 0 and at most 1 of the picture", argument="fill"
            )
        if self.fill != Placing.fill and self.rule == "photo":
            raise UsageError(
                "it says how large a moved car is: it needs rule='centre', rule='turntable' or rule='vehicle'",
                argument="fill",
            )
        if self.floor is not None and not 0 < self.floor <= 1:
            raise UsageError(
                f"{self.floor:g}: give a fraction of the picture's height, more than 0, at most 1", argument="floor"
            )
        if self.floor is not None and self.rule == "photo":
            raise UsageError(
                "it says where a moved car stands: it needs rule='centre', rule='turntable' or rule='vehicle'",
                argument="floor",
            )
        if self.crop is not None and not 0 <= self.crop <= 10:
            raise UsageError(
                f"{self.crop:g}: give the margin as a fraction of the car's longer side, 0 to 10", argument="crop"
            )
        if self.crop is not None and (self.rule != "photo" or self.size is not None):
            raise UsageError(
                "it cuts the photo's own frame: it goes neither with rule=… nor with size=…", argument="crop"
            )
        if self.size is not None and not _is_size(self.size):
            raise UsageError(
                f"{self.size!r}: give (height, width), two whole numbers of pixels, at least 1", argument="size"
            )
        if self.size is not None and self.size[0] * self.size[1] > MAX_PIXELS:
            raise UsageError(
                f"{self.size[1]}x{self.size[0]}: at most {MAX_PIXELS // 10**6} megapixels", argument="size"
            )

    @property
    def in_photo(self) -> bool:
        """Whether the picture is the photo's frame, or a part of it."""
        return self.rule == "photo" and self.size is None

    def move(self, photo: Size, car: Box | None, series: Box | None = None) -> Move:
        """Apply the rule.

        Args:
            photo: (height, width).
            car: what the mask covers; None if there is no car, which then stays where it is.
            series: what the masks of all views of this car cover together, for ``turntable``; a rectangle as high and
                wide as the widest view, anywhere, for ``vehicle``.

        Returns:
            The move.
        """
        size = self.size or photo
        box = (series or car) if self.rule == "turntable" else car
        if self.crop is not None and car is not None:
            margin = self.crop * max(car.bottom - car.top, car.right - car.left)
            top, left = max(0, round(car.top - margin)), max(0, round(car.left - margin))
            bottom, right = min(photo[0], round(car.bottom + margin)), min(photo[1], round(car.right + margin))
            return Move(1.0, -top, -left, (bottom - top, right - left))
        if self.rule == "photo" or box is None:
            # Whole, so that no part of the car is lost.
            scale = min(size[0] / photo[0], size[1] / photo[1])
            return Move(scale, round((size[0] - photo[0] * scale) / 2), round((size[1] - photo[1] * scale) / 2), size)
        high, wide = box.bottom - box.top, box.right - box.left
        room = size[0] * self.fill if self.floor is None else min(size[0] * self.fill, size[0] * self.floor)
        scale = min(room / high, size[1] * self.fill / wide)
        if self.rule == "vehicle" and series is not None:
            widest = max(wide / high, (series.right - series.left) / (series.bottom - series.top))
            scale = min(room, size[1] * self.fill / widest) / high
        left = round(size[1] / 2 - (box.left + box.right) / 2 * scale)
        if self.floor is None:
            return Move(scale, round(size[0] / 2 - (box.top + box.bottom) / 2 * scale), left, size)
        return Move(scale, round(size[0] * self.floor - box.bottom * scale), left, size)


_Layer = TypeVar("_Layer", NDArray[np.uint8], NDArray[np.float32])


def moved(layer: _Layer, move: Move) -> _Layer:
    """Bring a layer of the photo to its place in the picture.

    Args:
        layer: uint8 or float32 (height, width) or (height, width, channels).
        move: from ``Placing.move``.

    Returns:
        (``*move.size``, ...), 0 where the layer does not reach.
    """
    if move.scale == 1 and not move.top and not move.left and layer.shape[:2] == move.size:
        return layer
    result = np.zeros((*move.size, *layer.shape[2:]), layer.dtype)
    # Only what will be seen is scaled: a small car may be made large, and the photo around it would be immense.
    first = [max(0, math.floor(-start / move.scale)) for start in (move.top, move.left)]
    last = [
        min(side, math.ceil((end - start) / move.scale))
        for side, end, start in zip(layer.shape, move.size, (move.top, move.left), strict=False)
    ]
    if first[0] >= last[0] or first[1] >= last[1]:
        return result
    part = layer[first[0] : last[0], first[1] : last[1]]
    if move.scale != 1:
        height, width = (max(1, round(side * move.scale)) for side in part.shape[:2])
        method = cv2.INTER_AREA if move.scale < 1 else cv2.INTER_LINEAR
        part = cv2.resize(part, (width, height), interpolation=method).astype(layer.dtype, copy=False)
    top, left = round(first[0] * move.scale) + move.top, round(first[1] * move.scale) + move.left
    part = part[max(0, -top) :, max(0, -left) :]
    top, left = max(0, top), max(0, left)
    target = result[top : top + part.shape[0], left : left + part.shape[1]]
    target[:] = part[: target.shape[0], : target.shape[1]]
    return result
