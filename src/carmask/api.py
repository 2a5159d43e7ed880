"""The public API: cut cars out of photos from a program."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carmask.arrays import Mask, Photo, Probability, check_photo
from carmask.batch.engines.engine import TIMEOUT
from carmask.batch.job import Result
from carmask.batch.outputs import OutputSpec
from carmask.batch.photo import CutPhoto
from carmask.batch.process import refuse_glass
from carmask.batch.report import Review
from carmask.batch.run import CutSummary, cut_folder
from carmask.compositing.background import Background
from carmask.compositing.placement import SERIES_RULES
from carmask.compositing.plates import PlateCover
from carmask.compositing.style import RenderStyle
from carmask.errors import ArrayError, UsageError, check_kind, check_number
from carmask.images import PhotoFile, ReducedPhoto, image_photo, open_photo
from carmask.model.info import ModelInfo
from carmask.model.runtime import DEFAULT_MODEL, Device, load_model
from carmask.prediction.parts import predict_parts
from carmask.prediction.plates import PlateNetwork, find_plates
from carmask.prediction.predict import Prediction, open_for, predict_reduced, reduce_for
from carmask.prediction.stages import predict_map

#: A photo: a file's path, its content, a picture that Pillow opened, or uint8 (height, width, 3), RGB.
PhotoLike: TypeAlias = str | Path | bytes | Image.Image | NDArray[np.uint8]


class Cutter:
    """Cuts cars out of photos, one at a time or a folder at once. Loads the model once; may be used by several threads.

    Pickled, it is the model's name and the device: another process loads the model itself.

    >>> cutter = Cutter()
    >>> mask = cutter.mask("car.jpg")  # doctest: +SKIP
    """

    def __init__(self, model: str | Path = DEFAULT_MODEL, device: Device = "cpu") -> None:
        """Load a model.

        Args:
            model: a model file, or the name of a shipped model.
            device: ``cpu``, ``cuda`` or ``tensorrt``.

        Raises:
            ModelError: if there is no such model, or its file is damaged.
            DeviceError: if the device is not available.
            UsageError: if there is no device of this name.
        """
        self._model, self._device = model, device
        self._network = load_model(model, device=device)
        self._plates: PlateNetwork | None = None  # loaded when plates are to be hidden for the first time

    def __reduce__(self) -> tuple[type[Cutter], tuple[str | Path, Device]]:
        """Make it anew, as the network of one process is of no use in another."""
        return type(self), (self._model, self._device)

    @property
    def info(self) -> ModelInfo:
        """What the model's file says of itself."""
        return self._network.info

    def mask(self, photo: PhotoLike) -> Mask:
        """Find the car.

        Args:
            photo: a path, a file's content, a Pillow image, or uint8 (height, width, 3), RGB.

        Returns:
            bool (height, width) at the photo's own size, upright: True where the car is.

        Raises:
            PhotoError: if the photo cannot be read.
            ArrayError: if it is none of these.
        """
        return self.predict(photo).mask

    def predict(self, photo: PhotoLike) -> Prediction:
        """Find the car, with its confidence.

        Args:
            photo: as for ``mask``.

        Returns:
            Mask, confidence, area, and the expected error of the contour.

        Raises:
            PhotoError: if the photo cannot be read.
            ArrayError: if it is none of what ``mask`` takes.
        """
        return predict_reduced(self._network, self._reduced(photo))

    def probability(self, photo: PhotoLike) -> Probability:
        """The probability of each pixel to be car.

        Args:
            photo: as for ``mask``.

        Returns:
            float32 (height, width) in [0, 1].

        Raises:
            PhotoError: if the photo cannot be read.
            ArrayError: if it is none of what ``mask`` takes.
        """
        return predict_map(self._network, self._reduced(photo)).enlarged()

    def cut_out(
        self, photo: PhotoLike, style: RenderStyle | None = None, *, plate: str | PlateCover | None = None
    ) -> NDArray[np.uint8]:
        """Cut the car out, with soft edges in its own colours.

        Args:
            photo: as for ``mask``.
            style: shadow, glass and placing; by default the car alone, where the photo has it.
            plate: what number plates are hidden with: ``blur``, ``plain``, or a picture's path. Experimental: plates
                are missed.

        Returns:
            uint8 (height, width, 4), RGBA, in the photo's own colour space; transparent where the car is not.

        Raises:
            PhotoError: if the photo cannot be read.
            ArrayError: if it is none of what ``mask`` takes.
            UsageError: if the style cannot be followed.
        """
        return self._render(photo, style, None, plate)

    def composite(
        self,
        photo: PhotoLike,
        background: str | Path | Background | Photo,
        style: RenderStyle | None = None,
        *,
        plate: str | PlateCover | None = None,
    ) -> Photo:
        """Put the car in front of a background.

        Args:
            photo: as for ``mask``.
            background: a picture's path; a colour, ``white`` or ``#d0d4d8``; a gradient, ``white:#8a8f98``;
                ``showroom``, a drawn wall and floor; ``blur``, the photo's own surroundings out of focus; or uint8
                (height, width, 3), sRGB. Pictures cover the frame.
            style: shadow, glass, light and placing; by default the car alone, where the photo has it.
            plate: as for ``cut_out``.

        Returns:
            uint8 (height, width, 3), RGB, in the photo's own colour space.

        Raises:
            PhotoError: if the photo or the background cannot be read.
            ArrayError: if one is none of what is taken.
            UsageError: if the background is none of these, or the style cannot be followed.
        """
        if isinstance(background, str | Path):
            background = Background.parse(str(background))
        elif not isinstance(background, Background):
            background = Background(check_photo(background, "background"))
        return self._render(photo, style, background, plate)

    def cut_folder(
        self,
        paths: str | Path | Sequence[str | Path],
        out: str | Path,
        spec: OutputSpec | None = None,
        *,
        recursive: bool = False,
        review: Review | None = None,
        restart: bool = False,
        timeout: float = TIMEOUT,
        progress: Callable[[Result, int, int], None] | None = None,
    ) -> CutSummary:
        """Cut all photos of a folder in processes of their own, and write the results and ``report.csv``.

        Args:
            paths: photos, and folders whose photos are meant.
            out: output folder; made if it is missing.
            spec: what to make of each photo; transparent cut-outs by default.
            recursive: search sub-folders too; their structure is kept in the output.
            review: which photos are marked for a person to look at; by default those below the model's own confidence.
            restart: do everything again, also what an earlier run has done.
            timeout: seconds that a photo may take.
            progress: called after each photo with its result, the number done and the number of all.

        Returns:
            How it ended: photos done, failed, to review, files left out, and the report.

        Raises:
            UsageError: if the request cannot be served as it was put: nothing was written.
            OutputError: if nothing more can be written. What was finished is safe; the same call goes on from there.
        """
        if spec is not None:
            check_kind(spec, OutputSpec, "spec")
        if review is not None:
            if not isinstance(review, Review):  # no argument is named: the command line makes its own
                raise UsageError(f"review: {review!r}: give a Review, such as Review(0.97)")
            review.check()
        check_number(timeout, "timeout")
        if not 0 < timeout < math.inf:
            raise UsageError(f"{timeout!r}: give seconds, more than 0", argument="timeout")
        return cut_folder(
            paths,
            out,
            spec,
            model=self._model,
            device=self._device,
            recursive=recursive,
            review=review,
            restart=restart,
            timeout=timeout,
            progress=progress,
        )

    def _render(
        self,
        photo: PhotoLike,
        style: RenderStyle | None,
        background: Background | None,
        plate: str | PlateCover | None,
    ) -> NDArray[np.uint8]:
        style = style or RenderStyle()
        cover = PlateCover.parse(plate) if isinstance(plate, str) else plate
        spec = OutputSpec(background=background, style=style, plate=cover)
        spec.check()
        refuse_glass(self._network.info, spec)
        if style.placing.rule in SERIES_RULES:
            raise UsageError(f"{style.placing.rule} is for all views of a car: use cut_folder", argument="rule")
        whole = self._whole(photo)
        reduced, parts = reduce_for(self._network, whole), None
        if style.glass is not None:
            parts = predict_parts(self._network, reduced)
        found = predict_reduced(self._network, reduced) if parts is None else parts.car
        if cover is not None:
            if self._plates is None:
                self._plates = PlateNetwork()
            plates = find_plates(self._plates, reduced, found.probability_map, self._network.info.threshold)
            hidden = cover.hide(whole.pixels, [one.corners for one in plates], icc_profile=whole.icc_profile)
            whole = whole._replace(pixels=hidden)
        cut = CutPhoto(
            whole,
            found,
            threshold=self._network.info.threshold,
            style=style,
            background=background,
            glass=None if parts is None else parts.glass,
        )
        del whole  # ``cut`` lets go of it when it has no more use for it
        return cut.picture

    def _reduced(self, photo: PhotoLike) -> ReducedPhoto:
        """The photo at the size that the network makes use of."""
        if isinstance(photo, str | Path):
            return open_for(self._network, Path(photo))
        if isinstance(photo, bytes):
            return open_for(self._network, "photo", photo)
        return reduce_for(self._network, self._whole(photo))

    def _whole(self, photo: Any) -> PhotoFile:
        """The photo at its own size."""
        if isinstance(photo, str | Path):
            return open_photo(Path(photo))
        if isinstance(photo, bytes):
            return open_photo("photo", photo)
        if isinstance(photo, Image.Image):
            return image_photo(photo)
        if not isinstance(photo, np.ndarray):
            raise ArrayError(
                f"a photo must be a path, bytes, a Pillow image or a uint8 array, not {type(photo).__name__}"
            )
        return PhotoFile(check_photo(photo), None)
