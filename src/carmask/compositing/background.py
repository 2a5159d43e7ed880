"""What a car is put in front of: a colour, gradient, picture, drawn room, or the photo's own surroundings, blurred."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageColor

from carmask.arrays import Mask, Photo, check_photo
from carmask.compositing.scene import REVISION, SCENES
from carmask.errors import UsageError, check_choice
from carmask.geometry import Size
from carmask.images import is_file, is_folder, open_photo, to_profile

Fit = Literal["cover", "contain"]
#: The word for the photo's own surroundings.
BLUR = "blur"
#: Standard deviation of that blur, in parts of the photo's width.
_BLUR = 0.02


class Background:
    """A colour, gradient, picture or drawn room, to fit pictures of any size; or the photo's own surroundings."""

    def __init__(
        self, pixels: Photo | None, *, fit: Fit = "cover", icc_profile: bytes | None = None, scene: str | None = None
    ) -> None:
        """Use a picture.

        Args:
            pixels: uint8 (height, width, 3), RGB; one pixel is a colour, two rows of one are a gradient. None for the
                photo's own surroundings, blurred.
            fit: ``cover`` crops evenly what stands over; ``contain`` shows all of it, its edge's mean colour beside it.
            icc_profile: of the picture; None is sRGB.
            scene: a drawn room, a key of ``SCENES``, with ``pixels`` None.

        Raises:
            ArrayError: if ``pixels`` are none.
            UsageError: if there is no such fit or room.
        """
        check_choice(fit, Fit, "fit")
        if pixels is not None:
            check_photo(pixels, "background")
        if scene is not None and scene not in SCENES:
            raise UsageError(f"scene={scene!r}: there is no such room; there is {', '.join(SCENES)}")
        self._pixels, self._fit, self._profile, self._scene = pixels, fit, icc_profile, scene
        self._last: tuple[Size, bytes | None, Photo] | None = None
        self._digest: str | None = None  # a server's workers are sent the background with each photo
        #: The picture's file, if it was read from one.
        self.file: Path | None = None

    @classmethod
    def parse(cls, text: str, fit: Fit = "cover") -> Background:
        """Read what a user wrote.

        Args:
            text: a picture's path; a colour's name (CSS) or ``#rrggbb``; two of these with a colon between, for a
                gradient from top to bottom; ``showroom``, a drawn room; or ``blur``.
            fit: see above.

        Raises:
            UsageError: if it is none of these.
            PhotoError: if the picture cannot be read.
        """
        check_choice(fit, Fit, "fit")
        path = Path(text)
        if is_file(path):
            picture = open_photo(path)
            made = cls(picture.pixels, fit=fit, icc_profile=picture.icc_profile)
            made.file = path
            return made
        try:
            return cls.drawn(text)  # also where a folder is called "white"
        except UsageError as error:
            if text and is_folder(path):
                wrong = f"{text}: this is a folder; a background is one picture"
                raise UsageError(wrong, argument="background") from error
            raise UsageError(f"{text}: no such picture, and {error}", argument="background") from error

    @classmethod
    def drawn(cls, text: str) -> Background:
        """Read a background that needs no file; a path is not looked for.

        Args:
            text: as for ``parse``, without the pictures.

        Raises:
            UsageError: if it is no colour that covers, room or ``blur``; the message goes on after the text.
        """
        if text == BLUR:
            return cls(None)
        if text in SCENES:
            return cls(None, scene=text)
        colours = []
        for part in text.split(":") if text.count(":") == 1 else [text]:
            try:
                rgb = ImageColor.getrgb(part.strip())
            except ValueError as error:
                raise UsageError(
                    "not a colour (a name such as white, #rrggbb, or two of them, white:#8a8f98, for a gradient), "
                    f"nor {', '.join(SCENES)} or {BLUR}"
                ) from error
            if len(rgb) > 3 and rgb[3] < 255:
                solid = "#{:02x}{:02x}{:02x}".format(*rgb[:3])
                raise UsageError(f"a colour that is partly transparent, and a background covers: take {solid}")
            colours.append([rgb[:3]])
        return cls(np.array(colours, np.uint8))

    @property
    def own(self) -> bool:
        """Whether it is the photo's own surroundings."""
        return self._pixels is None and self._scene is None

    @property
    def scene(self) -> str | None:
        """The name of the drawn room; None if it is none."""
        return self._scene

    @property
    def pixels(self) -> Photo | None:
        """uint8 (height, width, 3), RGB: what it was made with; None for a room and the photo's own surroundings."""
        return self._pixels

    @property
    def fit(self) -> Fit:
        """How a picture fills the frame."""
        return self._fit

    @property
    def icc_profile(self) -> bytes | None:
        """The picture's profile; None is sRGB."""
        return self._profile

    def digest(self) -> str:
        """SHA-256 of all that decides how it looks: another background has another one."""
        if self._scene is not None:
            return f"{self._scene} {REVISION}"
        if self._pixels is None:
            return BLUR
        if self._digest is None:
            # What covers, in sRGB, is hashed as ever: runs that were made before there was a choice go on.
            also = b"" if self._fit == "cover" else self._fit.encode()
            also += self._profile or b""
            content = repr(self._pixels.shape).encode() + self._pixels.tobytes() + also
            self._digest = hashlib.sha256(content).hexdigest()
        return self._digest

    def fitted(self, size: Size, icc_profile: bytes | None = None) -> Photo:
        """Make it fit a picture.

        Args:
            size: (height, width) wanted.
            icc_profile: of the picture; colours are converted to it.

        Returns:
            uint8 (height, width, 3), RGB, not to be written to. The last one is kept: photos of one series are alike.
        """
        last = self._last
        if last is None or last[:2] != (size, icc_profile):
            if self._scene is not None:
                pixels = SCENES[self._scene](size)
            else:
                assert self._pixels is not None
                pixels = self._pixels
            if icc_profile != self._profile:
                pixels = to_profile(pixels, self._profile, icc_profile)
            if self._scene is not None:
                made = pixels
            elif pixels.shape[:2] == (2, 1):
                made = gradient(pixels, size)
            else:
                made = contain(pixels, size) if self._fit == "contain" else cover(pixels, size)
            # Assigned whole: threads that write photos of different sizes may each do this, and none sees half of it.
            self._last = last = (size, icc_profile, made)
        return last[2]


def cover(picture: Photo, size: Size) -> Photo:
    """Scale a picture, keeping its shape, until it covers a size, and crop what stands over evenly.

    Args:
        picture: uint8 (height, width, 3), RGB.
        size: (height, width) wanted.

    Returns:
        uint8 (``*size``, 3), RGB.
    """
    height, width = picture.shape[:2]
    if height == width == 1:
        return np.full((*size, 3), picture[0, 0], np.uint8)
    scale = max(size[0] / height, size[1] / width)
    # Cropped first: of a long strip only what is seen is made large.
    high, wide = min(height, -(-size[0] // scale) + 2), min(width, -(-size[1] // scale) + 2)
    top, left = int((height - high) // 2), int((width - wide) // 2)
    part = picture[top : height - top, left : width - left]
    high, wide = max(size[0], round(part.shape[0] * scale)), max(size[1], round(part.shape[1] * scale))
    top, left = (high - size[0]) // 2, (wide - size[1]) // 2
    if high * wide > 4 * size[0] * size[1]:
        # A few pixels, of which each becomes larger than the picture: one direction after the other, and only what is
        # seen of it, or it would take the memory of their square.
        part = _scaled(part, (high, part.shape[1]))[top : top + size[0]]
        return np.ascontiguousarray(_scaled(part, (size[0], wide))[:, left : left + size[1]])
    return np.ascontiguousarray(_scaled(part, (high, wide))[top : top + size[0], left : left + size[1]])


def contain(picture: Photo, size: Size) -> Photo:
    """Scale a picture, keeping its shape, until it just fits into a size; its edge's mean colour fills the rest.

    Args:
        picture: uint8 (height, width, 3), RGB.
        size: (height, width) wanted.

    Returns:
        uint8 (``*size``, 3), RGB.
    """
    height, width = picture.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    inner = _scaled(picture, (max(1, round(height * scale)), max(1, round(width * scale))))
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    result = np.empty((*size, 3), np.uint8)
    result[:] = edge.mean(axis=0).round()
    top, left = (size[0] - inner.shape[0]) // 2, (size[1] - inner.shape[1]) // 2
    result[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
    return result


def cover_or_contain(picture: Photo, size: Size) -> Photo:
    """Make a picture fill a size, as ``cover`` does, unless more than a third of it would be cropped: then ``contain``.

    Args:
        picture: uint8 (height, width, 3), RGB.
        size: (height, width) wanted.

    Returns:
        uint8 (``*size``, 3), RGB.
    """
    own, wanted = picture.shape[1] / picture.shape[0], size[1] / size[0]
    fills = 3 * min(own, wanted) >= 2 * max(own, wanted)
    return cover(picture, size) if fills else contain(picture, size)


def gradient(colours: Photo, size: Size) -> Photo:
    """A gradient from top to bottom.

    Args:
        colours: uint8 (2, 1, 3), RGB.
        size: (height, width) wanted.

    Returns:
        uint8 (``*size``, 3), RGB; values are dithered, or a large gradient would show its steps.
    """
    share: NDArray[np.float32] = np.linspace(0, 1, size[0], dtype=np.float32)[:, None, None]
    rows = colours[0] * (1 - share) + colours[1] * share
    # The same noise for each size: results do not change from run to run.
    noise = np.random.default_rng(0).random((size[0], size[1], 1), np.float32)
    made: Photo = np.clip(np.floor(rows + noise), 0, 255).astype(np.uint8)
    return made


def blurred(photo: Photo, mask: Mask) -> Photo:
    """The photo's own surroundings, out of focus, without a trace of the car.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).

    Returns:
        uint8 (height, width, 3), RGB.
    """
    height, width = mask.shape
    # Nothing of it is sharp: a small copy has it all.
    small = (max(1, width // 8), max(1, height // 8))
    free = cv2.resize(1 - mask.view(np.uint8), small, interpolation=cv2.INTER_LINEAR)
    free = cv2.erode(free, np.ones((3, 3), np.uint8)).astype(np.float32)
    around = cv2.resize(photo, small, interpolation=cv2.INTER_AREA).astype(np.float32) * free[..., None]
    total = np.zeros_like(around)
    weight = np.full(free.shape, 1e-9, np.float32)
    # Wide blurs reach to the car's middle, narrow ones rule where they reach.
    for part, share in ((_BLUR, 1.0), (4 * _BLUR, 1e-3), (16 * _BLUR, 1e-6)):
        sigma = max(0.5, part * small[0])
        total += share * cv2.GaussianBlur(around, (0, 0), sigma)
        weight += share * cv2.GaussianBlur(free, (0, 0), sigma)
    result = cv2.resize(total / weight[..., None], (width, height), interpolation=cv2.INTER_CUBIC)
    made: Photo = np.clip(result, 0, 255).astype(np.uint8)
    return made


def compose(photo: Photo, mask: Mask, background: Photo) -> Photo:
    """Put the masked part of a photo in front of a background, with a hard edge: for pictures that show a mask.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        background: uint8 (height, width, 3), RGB, of the same size.

    Returns:
        uint8 (height, width, 3), RGB; a new array.
    """
    return np.where(mask[..., None], photo, background)


def _scaled(picture: Photo, size: Size) -> Photo:
    smaller = size[0] < picture.shape[0]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(picture, size[::-1], interpolation=method).astype(np.uint8, copy=False)
