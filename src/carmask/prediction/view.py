"""Which side of the car a photo shows, and whether it shows one whole car: a small network of its own.

Views are numbered as the turntable of the Carvana challenge numbers them: 1 is the front, 5 the car's left side, 9 the
rear, 13 its right side; 22.5 degrees lie between two of them. Mirroring a photo turns view v into 18 - v (1 into 1).

The network is given the car alone, cut out with its mask, on grey: so it works with any model, and in any place. Its
file is part of the package (``carmask/models/views``); ``carmask.training.views`` makes it.
"""

from __future__ import annotations

import math
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.geometry import Size
from carmask.images import ReducedPhoto
from carmask.model.small import SmallNetwork
from carmask.prediction.pieces import CarPiece, car_box, cut_piece, reduced_to
from carmask.prediction.probability_map import ProbabilityMap

#: How many views there are: 22.5 degrees from one to the next.
VIEWS = 16
#: (height, width) of the network's input.
INPUT: Size = (96, 160)
#: What the car stands on in it, and how much of its box is left around it.
GREY, MARGIN = 127, 0.03
#: Names of the views 1, 3, 5 ...; those between belong to the corner beside them.
_NAMES = ("front", "front left", "left", "rear left", "rear", "rear right", "right", "front right")
#: The network's outputs: a score for each view, then these.
_WHOLE, _SEVERAL, _TILT = VIEWS, VIEWS + 1, VIEWS + 2
#: Degrees for a unit of the network's tilt.
TILT_UNIT = 10.0
#: A larger tilt is given as this: the network was trained on none.
MOST_TILT = 20.0


class View(NamedTuple):
    """The network's result for a photo.

    Attributes:
        view: 1 to 16.
        confidence: 0 to 1, the probability that it is this view or one beside it.
        whole: 0 to 1, the probability that the photo shows a whole car, and not a part of one or something else.
        several: 0 to 1, the probability that more than one car was cut out.
        tilt: by how many degrees the camera was turned clockwise: the car then leans to the left.
    """

    view: int
    confidence: float
    whole: float
    several: float
    tilt: float

    @property
    def name(self) -> str:
        """``front``, ``front left``, ``left`` and so on: of the car, not of the picture."""
        return view_name(self.view)


def view_name(view: int) -> str:
    """The name of a view, 1 to 16: of eight, where 2, 3 and 4 are all ``front left``, and so on.

    Raises:
        ValueError: if there is no such view.
    """
    if not 1 <= view <= VIEWS:
        raise ValueError(f"views are 1 to {VIEWS}, not {view}")
    corner, odd = divmod(view - 1, 4)
    return _NAMES[2 * corner + bool(odd)]


def mirrored_view(view: int) -> int:
    """The view that the mirror image of a photo shows: of 5, the left side, 13, the right one."""
    return (1 - view) % VIEWS + 1


def view_input(photo: ReducedPhoto, prob_map: ProbabilityMap, threshold: float) -> Photo | None:
    """The network's input: the car alone, as large as it fits, on grey.

    Args:
        photo: from ``open_for``, or any reduced photo.
        prob_map: its probabilities.
        threshold: what counts as car.

    Returns:
        uint8 (``*INPUT``, 3), RGB; None where no car was found.
    """
    box = car_box(prob_map, threshold)
    if box is None:
        return None
    return piece_input(cut_piece(photo, prob_map, box.grown(MARGIN, MARGIN, MARGIN, MARGIN), 4 * INPUT[1]))


def piece_input(piece: CarPiece) -> Photo:
    """The same from a piece that holds the car and ``MARGIN`` around it."""
    box, shown = piece.box, piece.shown
    scale = min(INPUT[0] / (box.bottom - box.top), INPUT[1] / (box.right - box.left))
    height, width = round((shown.bottom - shown.top) * scale), round((shown.right - shown.left) * scale)
    height, width = min(max(height, 1), INPUT[0]), min(max(width, 1), INPUT[1])
    top = (INPUT[0] - (box.bottom - box.top) * scale) / 2 + (shown.top - box.top) * scale
    left = (INPUT[1] - (box.right - box.left) * scale) / 2 + (shown.left - box.left) * scale
    row, column = min(round(top), INPUT[0] - height), min(round(left), INPUT[1] - width)
    pixels, alpha = reduced_to(piece.pixels, (height, width)), reduced_to(piece.probability, (height, width))
    made = np.full((*INPUT, 3), GREY, np.uint8)
    made[row : row + height, column : column + width] = blend(pixels, alpha)
    return made


def blend(pixels: Photo, alpha: NDArray[np.float32]) -> Photo:
    """Put a car on grey.

    Args:
        pixels: uint8 (height, width, 3).
        alpha: float32 (height, width) in [0, 1], how much of each pixel is car.

    Returns:
        uint8 (height, width, 3).
    """
    mixed: Photo = np.rint(GREY + (pixels.astype(np.float32) - GREY) * alpha[:, :, None]).astype(np.uint8)
    return mixed


class ViewNetwork:
    """The network, loaded. May be used by several threads."""

    def __init__(self, *, streams: int = 1) -> None:
        """Load it.

        Args:
            streams: photos worked on at the same time.

        Raises:
            ModelError: if its file is missing or not the one that was published.
        """
        path = Path(str(files("carmask") / "models" / "views" / "view.onnx"))
        self._network = SmallNetwork(path, streams=streams)

    def predict(self, pixels: Photo) -> View:
        """Find which view a photo shows.

        Args:
            pixels: from ``view_input``.

        Returns:
            The view, and the network's other results.
        """
        return read_scores(self._network.run(pixels))


def read_scores(scores: NDArray[np.float32]) -> View:
    """What the network's outputs mean.

    Args:
        scores: float32 (19): logits of the views, of a whole car and of several cars, and the tilt in ``TILT_UNIT``.

    Returns:
        The view whose probability is largest together with half of its neighbours': between two views that are equally
        probable the middle of a wider peak is taken.
    """
    logits = scores[:VIEWS].astype(np.float64)
    probability = np.exp(logits - logits.max())
    probability /= probability.sum()
    around = np.roll(probability, 1) + np.roll(probability, -1)
    best = int(np.argmax(probability + 0.5 * around))
    return View(
        best + 1,
        float(min(1.0, probability[best] + around[best])),
        _sigmoid(float(scores[_WHOLE])),
        _sigmoid(float(scores[_SEVERAL])),
        max(-MOST_TILT, min(MOST_TILT, TILT_UNIT * float(scores[_TILT]))),
    )


def _sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, value))))
