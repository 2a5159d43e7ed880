"""Probabilities at the network's resolution, and the crop of the photo that they are of."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from carmask import geometry
from carmask.arrays import Mask, Probability
from carmask.geometry import Crop, Size


class ProbabilityMap(NamedTuple):
    """Probabilities of a crop of a photo; beyond the crop there is no car.

    Attributes:
        probability: float32 (height, width) in [0, 1], at the network's resolution, of the crop.
        crop: of the photo, at the photo's own size.
        coarse: what a localisation network of its own gives for the whole photo; None without one.
    """

    probability: Probability
    crop: Crop
    coarse: ProbabilityMap | None = None

    @property
    def scale(self) -> float:
        """Pixels of the photo for each of the probabilities."""
        return float(self.crop.size[1] / self.probability.shape[1])

    def enlarged(self) -> Probability:
        """The probabilities at the photo's own size: float32 (``*crop.photo``)."""
        large = geometry.resize(self.probability, self.crop.size)
        if self.crop.all:
            return large
        whole = np.zeros(self.crop.photo, np.float32)
        whole[self.crop.where] = large
        return whole

    def mask(self, threshold: float) -> Mask:
        """Cut a mask at the photo's own size. Enlarged first: the contour keeps sub-pixel precision."""
        mask: Mask = geometry.resize(self.probability, self.crop.size) >= threshold
        if self.crop.all:
            return mask
        whole = np.zeros(self.crop.photo, np.bool_)
        whole[self.crop.where] = mask
        return whole

    def whole(self) -> Probability:
        """The probabilities of the whole photo, at the network's resolution: float32."""
        if self.crop.all:
            return self.probability
        sides = zip(self.crop.photo, self.crop.size, self.probability.shape, strict=True)
        height, width = (max(1, round(length * pixels / side)) for length, side, pixels in sides)
        return self.seen_in(Crop.whole(self.crop.photo), (height, width))

    def seen_in(self, crop: Crop, size: Size) -> Probability:
        """The probabilities of another part of the same photo, interpolated linearly.

        Args:
            crop: of the photo, at the photo's own size.
            size: (height, width) that is wanted of it.

        Returns:
            float32 ``size``; 0 where the prob_map does not reach.
        """
        if (crop, size) == (self.crop, self.probability.shape):
            return self.probability
        steps, inside = [], []
        for axis, pixels in enumerate(self.probability.shape):
            begin, side = (self.crop.top, self.crop.left)[axis], self.crop.size[axis]
            # Pixel centres lie at halves, in both and in the photo.
            step = crop.size[axis] / size[axis]
            first = (crop.top, crop.left)[axis] + step / 2
            steps.append((step * pixels / side, (first - begin) * pixels / side - 0.5))
            places = first + step * np.arange(size[axis])
            inside.append((places > begin) & (places < begin + side))
        (down, top), (across, left) = steps
        matrix = np.array([[across, 0, left], [0, down, top]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpAffine(self.probability, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        moved: Probability = seen.astype(np.float32, copy=False)
        moved[~inside[0]] = 0
        moved[:, ~inside[1]] = 0
        return moved
