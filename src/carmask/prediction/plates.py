"""Where the number plates are: a small network of its own, which runs only when plates are to be hidden.

The network is given the car's box and a little around it, stretched to one size. At every fourth pixel it says whether
a plate is there and, as EAST does for text (Zhou et al. 2017, https://arxiv.org/abs/1704.03155), where the plate's four
corners lie from there. A plate is what sits in a plate's place: also a dealer's sign and a plate without a number.

Its file is part of the package (``carmask/models/plates``); ``carmask.training.plates`` makes it.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.geometry import Box, Crop, Size
from carmask.images import ReducedPhoto
from carmask.model.small import SmallNetwork
from carmask.prediction.pieces import car_box, resized_piece
from carmask.prediction.probability_map import ProbabilityMap

#: (height, width) of the network's input, and pixels of it for one of its output.
INPUT: Size = (256, 384)
STRIDE = 4
#: How much of the car's box is left around it.
MARGIN = 0.05
#: Corners are given in units of this many pixels of the input.
CORNER_UNIT = 16.0
#: Scores from which a plate is taken for one, and from which it may be one.
FOUND, DOUBTFUL = 0.5, 0.2
#: Cells with this share of a plate's highest score or more decide where its corners are.
_DECIDING = 0.6
#: By how much of its length or height a plate may be longer than the mean of its cells' corners.
_LONGER = 1 / 3
#: How much of a plate must lie on the car, or near it: else it is another car's.
_ON_CAR = 0.5
#: No car has more in sight.
_MOST = 2
#: A plate has at least this share of the car's box, and at most.
_SHARES = (0.0004, 0.12)

#: A plate's corners: float32 (4, 2), x and y in pixels; from its upper left one clockwise.
Corners: TypeAlias = NDArray[np.float32]
#: What a report says of a photo's plates.
Plates: TypeAlias = Literal["none", "found", "doubtful"]


class FoundPlate(NamedTuple):
    """A plate, or what may be one.

    Attributes:
        corners: float32 (4, 2), x and y in pixels of the photo (0, 0 is the upper left corner of the first pixel).
        score: 0 to 1; from ``FOUND`` on it is taken for a plate.
    """

    corners: Corners
    score: float


class PlateNetwork:
    """The network, loaded. May be used by several threads."""

    def __init__(self, *, streams: int = 1) -> None:
        """Load it.

        Args:
            streams: photos worked on at the same time.

        Raises:
            ModelError: if its file is missing or not the one that was published.
        """
        path = Path(str(files("carmask") / "models" / "plates" / "plate.onnx"))
        self._network = SmallNetwork(path, streams=streams)

    def predict(self, pixels: Photo) -> NDArray[np.float32]:
        """Find plates in a car's box: the network's output as it is.

        Args:
            pixels: uint8 (``*INPUT``, 3), RGB.

        Returns:
            float32 (9, height / 4, width / 4), for ``read_plates``.
        """
        return self._network.run(pixels)


def find_plates(
    network: PlateNetwork, photo: ReducedPhoto, prob_map: ProbabilityMap, threshold: float
) -> list[FoundPlate]:
    """Find the plates of the car; of a photo without a car, in the whole photo.

    Args:
        network: of plates.
        photo: from ``open_for``, or any reduced photo.
        prob_map: its probabilities, without small components away from the car.
        threshold: what counts as car.

    Returns:
        At most two, the most certain first; plates of other cars are left out.
    """
    height, width = photo.size
    car = car_box(prob_map, threshold)
    box = Box(0, 0, height, width) if car is None else car.grown(MARGIN, MARGIN, MARGIN, MARGIN)
    shown = Box(max(box.top, 0), max(box.left, 0), min(box.bottom, height), min(box.right, width))
    pixels = resized_piece(photo.pixels, Crop.whole(photo.size), shown, INPUT)
    scale = (shown.right - shown.left) / INPUT[1], (shown.bottom - shown.top) / INPUT[0]
    plates = read_plates(network.predict(pixels))
    if car is not None:
        probability = resized_piece(prob_map.probability, prob_map.crop, shown, INPUT)
        plates = [one for one in plates if _on_car(one.corners, probability >= threshold)]
    start = np.array([shown.left, shown.top], np.float32)
    return [one._replace(corners=(one.corners * scale + start).astype(np.float32)) for one in plates[:_MOST]]


def read_plates(output: NDArray[np.float32]) -> list[FoundPlate]:
    """What the network's output means.

    Args:
        output: float32 (9, height, width): a plate's logit for each cell, then x and y of the four corners from the
            cell's centre, in ``CORNER_UNIT``.

    Returns:
        Plates in pixels of the input, the most certain first.
    """
    score = 1 / (1 + np.exp(-np.clip(output[0], -30, 30)))
    count, labels, boxes, _ = cv2.connectedComponentsWithStats((score >= DOUBTFUL).astype(np.uint8), connectivity=8)
    found = []
    for label in range(1, count):
        left, top, width, height = boxes[label, :4]
        place = slice(top, top + height), slice(left, left + width)
        cells = np.where(labels[place] == label, score[place], 0)
        best = float(cells.max())
        rows, columns = np.nonzero(cells >= _DECIDING * best)
        weight = cells[rows, columns][:, None, None] ** 2
        centre = STRIDE * (np.stack([columns + left, rows + top], 1) + 0.5)
        corners = output[1:, rows + top, columns + left].T.reshape(-1, 4, 2) * CORNER_UNIT + centre[:, None]
        mean = ((corners * weight).sum(axis=0) / weight.sum()).astype(np.float32)
        size = STRIDE * output.shape[1], STRIDE * output.shape[2]
        if is_plate(mean, size):
            held = _with_cells(mean, centre.astype(np.float32))
            found.append(FoundPlate(held if is_plate(held, size) else mean, best))
    found.sort(key=lambda one: -one.score)
    kept: list[FoundPlate] = []
    for one in found:
        if all(_covers(one.corners, other.corners) < 0.2 for other in kept):
            kept.append(one)
    return kept


def _with_cells(corners: Corners, centres: NDArray[np.float32]) -> Corners:
    """Corners that hold all deciding cells: the mean alone makes long plates too short.

    Args:
        corners: float32 (4, 2), the mean of what the cells say, convex.
        centres: float32 (cells, 2), of the cells.

    Returns:
        float32 (4, 2), never smaller, and longer by a third at each end at most.
    """
    unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    from_unit = cv2.getPerspectiveTransform(unit, corners)
    places = cv2.perspectiveTransform(centres[None], np.linalg.inv(from_unit))[0]
    least, most = np.clip(places.min(axis=0), -_LONGER, 0), np.clip(places.max(axis=0), 1, 1 + _LONGER)
    held: Corners = cv2.perspectiveTransform((unit * (most - least) + least)[None].astype(np.float32), from_unit)[0]
    return held.astype(np.float32)


def is_plate(corners: Corners, size: Size) -> bool:
    """Whether four corners can be a plate's: convex, clockwise, of a plate's share of the car's box.

    Args:
        corners: float32 (4, 2), in pixels of the box.
        size: (height, width) of the box.

    Returns:
        False also of four points in a line.
    """
    sides = np.roll(corners, -1, axis=0) - corners
    turns = sides[:, 0] * np.roll(sides[:, 1], -1) - sides[:, 1] * np.roll(sides[:, 0], -1)
    share = float(cv2.contourArea(corners)) / (size[0] * size[1])
    return bool((turns > 0).all()) and _SHARES[0] <= share <= _SHARES[1]


def describe_plates(plates: list[FoundPlate]) -> Plates:
    """What a report says of them: ``found`` if all are certain, ``doubtful`` if one is not, ``none`` without any."""
    if not plates:
        return "none"
    return "found" if all(one.score >= FOUND for one in plates) else "doubtful"


def plate_iou(one: Corners, other: Corners) -> float:
    """Intersection over union of two convex quadrilaterals: float32 (4, 2) each."""
    shared = _shared(one, other)
    union = float(cv2.contourArea(one)) + float(cv2.contourArea(other)) - shared
    return shared / union if union > 0 else 0.0


def covered(plate: Corners, by: Corners) -> float:
    """Which part of a plate's area another convex quadrilateral covers, 0 to 1."""
    area = float(cv2.contourArea(plate))
    return _shared(plate, by) / area if area > 0 else 0.0


def _shared(one: Corners, other: Corners) -> float:
    """The area that two convex quadrilaterals share, in any order of corners.

    The method is Sutherland and Hodgman's (1974, https://doi.org/10.1145/360767.360802). OpenCV's
    ``intersectConvexConvex`` gives 0 for some quadrilaterals whose sides lie nearly on each other.
    """
    left = one.astype(np.float64)
    clip = other.astype(np.float64)
    if cv2.contourArea(other, oriented=True) < 0:
        clip = clip[::-1]
    for start, end in zip(clip, np.roll(clip, -1, axis=0), strict=True):
        (along, down), away = end - start, left - start
        inside = along * away[:, 1] - down * away[:, 0]
        kept = []
        for index, here in enumerate(inside):
            before = inside[index - 1]
            if (here < 0) != (before < 0):
                kept.append(left[index - 1] + before / (before - here) * (left[index] - left[index - 1]))
            if here >= 0:
                kept.append(left[index])
        if len(kept) < 3:
            return 0.0
        left = np.array(kept)
    return float(cv2.contourArea((left - left[0]).astype(np.float32)))


def _covers(one: Corners, other: Corners) -> float:
    """The larger of the two parts that each of two plates covers of the other, 0 to 1."""
    return max(covered(one, other), covered(other, one))


def _on_car(corners: Corners, car: NDArray[np.bool_]) -> bool:
    plate = cv2.fillConvexPoly(np.zeros(car.shape, np.uint8), np.rint(corners).astype(np.int32), 1) > 0
    # A plate that hangs below the bumper may be left out of the mask.
    near = cv2.dilate(car.view(np.uint8), np.ones((9, 9), np.uint8)) > 0
    return int((plate & near).sum()) >= _ON_CAR * int(plate.sum())
