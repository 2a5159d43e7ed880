"""What is found on a photo beside the mask: view, measurements, and a signature by which copies are found."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.images import ReducedPhoto
from carmask.prediction.pieces import car_box, cut_piece
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prediction.quality import BLUR_SIDE, QualityMeasures, measure_quality
from carmask.prediction.view import MARGIN, View, ViewNetwork, piece_input

#: Of the code below and of the view network: raised when the same photo gives other facts.
FACTS_REVISION = 1
#: From this probability on a photo shows a whole car.
WHOLE = 0.85
#: (height, width) of a signature.
_SIGNATURE = (24, 40)


@dataclass(frozen=True, eq=False)
class PhotoFacts:
    """What is found on a photo beside the mask.

    Attributes:
        measures: of the photo and the car.
        view: None where no car was found.
        signature: uint8 (24, 40), the car in grey; None where no car was found.
    """

    measures: QualityMeasures
    view: View | None = None
    signature: NDArray[np.uint8] | None = None

    @property
    def whole(self) -> bool:
        """Whether the photo shows a whole car."""
        return self.view is not None and self.view.whole >= WHOLE


def find_facts(network: ViewNetwork, photo: ReducedPhoto, prob_map: ProbabilityMap, threshold: float) -> PhotoFacts:
    """Find out what a photo shows.

    Args:
        network: of the views.
        photo: from ``open_for``.
        prob_map: its probabilities, without small components away from the car.
        threshold: what counts as car.

    Returns:
        View, measurements and signature; without a car, what is measured on the photo alone.
    """
    box = car_box(prob_map, threshold)
    if box is None:
        return PhotoFacts(measure_quality(photo, prob_map, threshold))
    piece = cut_piece(photo, prob_map, box.grown(MARGIN, MARGIN, MARGIN, MARGIN), BLUR_SIDE)
    pixels = piece_input(piece)
    measures = measure_quality(photo, prob_map, threshold, piece)
    return PhotoFacts(measures, network.predict(pixels), _sign(pixels))


def _sign(pixels: Photo) -> NDArray[np.uint8]:
    """The signature of a view's input."""
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, _SIGNATURE[::-1], interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def pack_facts(facts: PhotoFacts) -> str:
    """Facts as a text that a manifest keeps."""
    return json.dumps(
        {
            "measures": [round(one, 5) if isinstance(one, float) else one for one in _flat(facts.measures)],
            "view": None if facts.view is None else [round(float(one), 5) for one in facts.view],
            "signature": None if facts.signature is None else base64.b85encode(facts.signature.tobytes()).decode(),
        }
    )


def unpack_facts(text: str) -> PhotoFacts | None:
    """Facts from the text that ``pack_facts`` made; None if it is another text."""
    try:
        found = json.loads(text)
        width, height, car, share, top, left, bottom, right, *rest = found["measures"]
        measures = QualityMeasures(int(width), int(height), car, share, (top, left, bottom, right), *rest)
        view = None if found["view"] is None else View(int(found["view"][0]), *found["view"][1:])
        signature = None
        if found["signature"] is not None:
            signature = np.frombuffer(base64.b85decode(found["signature"]), np.uint8).reshape(_SIGNATURE)
    except (ValueError, TypeError, KeyError):
        return None
    return PhotoFacts(measures, view, signature)


def _flat(measures: QualityMeasures) -> list[float]:
    return [number for one in measures for number in (one if isinstance(one, tuple) else (one,))]
