"""One photo and what is made of it: each thing once, when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Probability
from carmask.compositing.background import Background, cover_or_contain
from carmask.compositing.style import Layers, RenderStyle, make_layers, render, shadow_layer
from carmask.formats.labels import Labels
from carmask.geometry import Box, Size
from carmask.images import PhotoFile
from carmask.prediction.predict import Prediction


class CutPhoto:
    """A photo, the car found in it, and the pictures made of both.

    Used by one thread; nothing is computed before it is asked for, and nothing twice.
    """

    def __init__(
        self,
        photo: PhotoFile | None,
        found: Prediction,
        *,
        threshold: float,
        style: RenderStyle,
        background: Background | None = None,
        labels: Labels | None = None,
        glass: Probability | None = None,
        series: Callable[[Size], Box | None] | None = None,
        kept: bool = False,
    ) -> None:
        """Keep what is known.

        Args:
            photo: at its own size; None if only the mask is asked for.
            found: the mask and the probabilities that it was cut from.
            threshold: what counts as car.
            style: how the car stands in the picture.
            background: what it is put in front of; None for transparency.
            labels: uint8 (height, width), the parts, if the model tells them.
            glass: float32, of the whole photo, at any resolution: the probability of a window, if the model tells.
            series: from the photo's (height, width) to what the masks of all views of this car cover.
            kept: the finished picture is the photo itself, made to fit the size that ``style`` says.
        """
        self.kept = kept
        self._photo, self._found, self._threshold = photo, found, threshold
        self._style, self._background, self._series = style, background, series
        self._labels, self._glass = labels, glass

    @property
    def photo(self) -> PhotoFile:
        """The photo at its own size: uint8 (height, width, 3), RGB, with profile and metadata."""
        assert self._photo is not None  # whoever wants a picture has read the photo
        return self._photo

    @property
    def mask(self) -> Mask:
        """The car: bool (height, width)."""
        return self._found.mask

    @property
    def labels(self) -> Labels:
        """uint8 (height, width): 0 background, else the number of the part."""
        assert self._labels is not None  # a task that wants parts has a model of parts
        return self._labels

    @cached_property
    def layers(self) -> Layers:
        """What the picture is put together from."""
        probability = self._found.probability_map.whole()
        layers = make_layers(
            self.photo.pixels, self.mask, probability, self._style, threshold=self._threshold, glass=self._glass
        )
        if self._background is None:
            # Nothing is drawn of the photo any more: of large ones, the pixels are a sixth of the memory.
            self._photo = self.photo._replace(pixels=layers.foreground)
        return layers

    @property
    def shadow(self) -> NDArray[np.uint8]:
        """The shadow as a layer of the photo's own size: uint8 (height, width), opacity of black."""
        return shadow_layer(self.layers, self.mask, self._style)

    @cached_property
    def picture(self) -> NDArray[np.uint8]:
        """The finished picture: uint8 (height, width, 3), RGB, or, on transparency, (height, width, 4), RGBA."""
        if self.kept:
            size = self._style.placing.size
            return self.photo.pixels if size is None else cover_or_contain(self.photo.pixels, size)
        return render(
            self.layers,
            self.photo.pixels,
            self.mask,
            self._style,
            self._background,
            icc_profile=self.photo.icc_profile,
            series=None if self._series is None else self._series((self.mask.shape[0], self.mask.shape[1])),
        )

    @property
    def note(self) -> str:
        """What is remarkable about the picture, or ''; '' if none was made."""
        return self.layers.note if "layers" in self.__dict__ else ""
