"""Hide number plates: blurred, plain, or with a picture in their place, in the plate's perspective and light.

All is done in the plate's own frame: its corners are the unit square's. What stood there has no part in the result
beyond its mean colours.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.compositing.light import LINEAR, to_display
from carmask.errors import UsageError, check_choice
from carmask.images import MIN_SIDE, is_file, read_layered, to_profile

CoverKind: TypeAlias = Literal["blur", "plain", "picture"]
#: The words for plates that stay, and for two ways to hide them.
KEEP, BLUR, PLAIN = "keep", "blur", "plain"
#: Raised with every change after which a hidden plate looks another way, or other plates are found.
REVISION = 2
#: What is hidden beyond the corners that were found, as a part of width and height: they are a little wrong.
_BEYOND = {"blur": (0.12, 0.2), "plain": (0.05, 0.10), "picture": (0.05, 0.10)}
#: (height, width) of what is left of a blurred plate: fewer columns than a number has signs.
_BLOCKS = (2, 5)
#: Of the frame that a plate is looked at in.
_FRAME = (48, 128)
#: Display value of a white plate in full light; a picture is as much darker as the plate is.
_WHITE = 235.0
#: A plate is never taken to be in less light than this, in display values: else it is a black one.
_DARKEST = 70.0
#: A picture of more pixels is made smaller at once.
_LARGEST = 1600
#: The embossed rim of a plain plate: without it, it would look like a hole in the picture.
_EDGE = np.ones(_FRAME, np.bool_)
_EDGE[2:-2, 2:-2] = False
_UNIT = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


class PlateCover:
    """What plates are hidden with."""

    def __init__(self, kind: CoverKind, picture: NDArray[np.uint8] | None = None) -> None:
        """Keep it.

        Args:
            kind: ``blur``; ``plain``, a plate without a number, in its colour and light; or ``picture``.
            picture: uint8 (height, width, 3) or (height, width, 4), sRGB; stretched to the plate. Where it is
                transparent, the plain plate is seen.

        Raises:
            UsageError: if there is no such kind, or the picture is missing or smaller than one of a file may be.
        """
        check_choice(kind, CoverKind, "plate")
        if kind == "picture" and picture is None:
            raise UsageError(
                "'picture': there is no picture; give it, or its path to PlateCover.parse(…)", argument="plate"
            )
        if picture is not None and min(picture.shape[:2]) < MIN_SIDE:
            height, width = picture.shape[:2]
            raise UsageError(f"{width}x{height}: both sides of a picture need {MIN_SIDE} pixels", argument="plate")
        if picture is not None and max(picture.shape[:2]) > _LARGEST:
            scale = _LARGEST / max(picture.shape[:2])
            size = max(MIN_SIDE, round(picture.shape[1] * scale)), max(MIN_SIDE, round(picture.shape[0] * scale))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        self.kind, self._picture = kind, picture
        #: The picture's file, if it was read from one.
        self.file: Path | None = None

    @classmethod
    def parse(cls, text: str) -> PlateCover | None:
        """Read what a user wrote.

        Args:
            text: ``keep``, ``blur``, ``plain``, or a picture's path.

        Returns:
            None for ``keep``.

        Raises:
            UsageError: if it is none of these.
            PhotoError: if the picture cannot be read.
        """
        if text == KEEP:
            return None
        if text == BLUR:
            return cls("blur")
        if text == PLAIN:
            return cls("plain")
        path = Path(text)
        if not is_file(path):
            raise UsageError(
                f"{text}: there is no such picture, and it is not {KEEP}, {BLUR} or {PLAIN}", argument="plate"
            )
        made = cls("picture", read_layered(path))
        made.file = path
        return made

    @property
    def picture(self) -> NDArray[np.uint8] | None:
        """uint8 (height, width, 3) or (height, width, 4), sRGB: what is put over plates; None if it is no picture."""
        return self._picture

    def digest(self) -> str:
        """What decides how it looks: another cover has another text."""
        if self._picture is None:
            return f"{self.kind} {REVISION}"
        content = repr(self._picture.shape).encode() + self._picture.tobytes()
        return f"{self.kind} {REVISION} {hashlib.sha256(content).hexdigest()}"

    def place(self, corners: NDArray[np.float32]) -> NDArray[np.float32]:
        """Corners of what is hidden for a plate: it and a little around it, in its perspective.

        Args:
            corners: float32 (4, 2), as for ``hide``.

        Returns:
            float32 (4, 2).
        """
        wide, high = _BEYOND[self.kind]
        square = ((_UNIT - 0.5) * np.array([1 + 2 * wide, 1 + 2 * high]) + 0.5).astype(np.float32)
        to_photo = cv2.getPerspectiveTransform(_UNIT, corners.astype(np.float32))
        place: NDArray[np.float32] = cv2.perspectiveTransform(square[None], to_photo)[0].astype(np.float32)
        return place

    def hide(self, photo: Photo, plates: Sequence[NDArray[np.float32]], *, icc_profile: bytes | None = None) -> Photo:
        """Hide plates.

        Args:
            photo: uint8 (height, width, 3), RGB.
            plates: corners of each, float32 (4, 2), x and y in pixels, from the upper left one clockwise, convex.
            icc_profile: of the photo; colours of a picture are converted to it.

        Returns:
            The same photo without plates; else a new array, which differs from it at the plates alone.
        """
        if not plates:
            return photo
        made = photo.copy()
        picture = self._picture
        if picture is not None and icc_profile is not None:
            rgb = to_profile(np.ascontiguousarray(picture[..., :3]), None, icc_profile)
            picture = np.dstack([rgb, picture[..., 3:]]) if picture.shape[2] == 4 else rgb
        for corners in plates:
            place = self.place(corners)
            if self.kind == "blur":
                cover = _blurred(made, place)
            else:
                cover = _plain(made, corners)
                if picture is not None:
                    cover = _with_picture(cover, picture, place)
            _lay(made, cover, place, soft=self.kind == "blur")
        return made


def _frame(photo: Photo, corners: NDArray[np.float32]) -> Photo:
    """A plate from its front: uint8 (``*_FRAME``, 3), each pixel the mean of what it covers."""
    wide = max(np.linalg.norm(corners[1] - corners[0]), np.linalg.norm(corners[2] - corners[3]))
    fine = int(np.clip(np.ceil(wide / _FRAME[1]), 1, 8))
    size = _FRAME[1] * fine, _FRAME[0] * fine
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), _UNIT * np.array(size, np.float32))
    seen = cv2.warpPerspective(photo, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(seen, _FRAME[::-1], interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _blurred(photo: Photo, place: NDArray[np.float32]) -> Photo:
    """A few blocks of the plate's mean colours, smoothed."""
    blocks = cv2.resize(_frame(photo, place), _BLOCKS[::-1], interpolation=cv2.INTER_AREA)
    smooth = cv2.resize(blocks, _FRAME[::-1], interpolation=cv2.INTER_LINEAR)
    return cv2.GaussianBlur(smooth, (0, 0), _FRAME[1] / 14).astype(np.uint8, copy=False)


def _plain(photo: Photo, corners: NDArray[np.float32]) -> Photo:
    """The plate's ground, as light falls on it: a plane of colours through the pixels that are no writing."""
    frame = _frame(photo, corners).astype(np.float32)
    inner = frame[4:-4, 6:-6]
    grey = inner.mean(axis=2)
    cut, _ = cv2.threshold(np.rint(grey).astype(np.uint8), 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    light = grey > cut
    ground = light if light.mean() > 0.4 else ~light  # writing covers less than the ground does
    rows, columns = np.mgrid[: _FRAME[0], : _FRAME[1]].astype(np.float32)
    terms = np.stack([np.ones_like(rows), columns / _FRAME[1] - 0.5, rows / _FRAME[0] - 0.5], axis=-1)
    colours = inner[ground]
    middle = np.median(colours, axis=0)
    near = np.abs(colours - middle).max(axis=1) <= 40
    slopes, *_ = np.linalg.lstsq(terms[4:-4, 6:-6][ground][near], colours[near], rcond=None)
    plane = terms @ slopes
    plane[_EDGE] *= 0.72
    plain: Photo = np.clip(np.rint(plane), 0, 255).astype(np.uint8)
    return plain


def _with_picture(plain: Photo, picture: NDArray[np.uint8], place: NDArray[np.float32]) -> Photo:
    """A picture in the plate's light, on the plain plate where it is transparent."""
    wide = max(np.linalg.norm(place[1] - place[0]), np.linalg.norm(place[2] - place[3]))
    high = max(np.linalg.norm(place[3] - place[0]), np.linalg.norm(place[2] - place[1]))
    # Twice as fine as it will be seen: what is finer would flicker, what is coarser would be soft.
    size = max(8, min(picture.shape[1], round(2 * wide))), max(4, min(picture.shape[0], round(2 * high)))
    alpha = np.ones((*picture.shape[:2], 1), np.float32)
    if picture.shape[2] == 4:
        alpha = picture[..., 3:] / np.float32(255)
    shown = np.dstack([LINEAR[picture[..., :3]] * alpha, alpha])
    shown = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)
    below = cv2.resize(plain, size, interpolation=cv2.INTER_LINEAR)
    light = np.clip(below.max(axis=2, keepdims=True), _DARKEST, 255).astype(np.uint8)
    factor = np.minimum(LINEAR[light] / LINEAR[round(_WHITE)], 1.1)
    return to_display(shown[..., :3] * factor + LINEAR[below] * (1 - shown[..., 3:]))


def _lay(photo: Photo, cover: Photo, place: NDArray[np.float32], *, soft: bool) -> None:
    """Lay a picture over a quadrilateral of a photo, in place."""
    height, width = photo.shape[:2]
    left, top = np.maximum(np.floor(place.min(axis=0)).astype(int) - 2, 0)
    right, bottom = np.minimum(np.ceil(place.max(axis=0)).astype(int) + 3, [width, height])
    if right <= left or bottom <= top:
        return
    size = int(right - left), int(bottom - top)
    onto = (place - [left, top]).astype(np.float32)
    # Of a picture's pixels the centres are at halves; cv2 has them at whole numbers.
    matrix = cv2.getPerspectiveTransform(
        _UNIT * np.array(cover.shape[1::-1], np.float32) - np.float32(0.5), onto - np.float32(0.5)
    )
    seen = cv2.warpPerspective(cover, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    edge = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(edge, np.rint(16 * (onto - 0.5)).astype(np.int32), 255, cv2.LINE_AA, shift=4)
    share = edge.astype(np.float32) / 255
    if soft:
        # Outwards alone: what is inside stays covered.
        reach = max(1.0, 0.04 * float(np.linalg.norm(place[3] - place[0])))
        share = np.maximum(share, cv2.GaussianBlur(share, (0, 0), reach))
    part = photo[top:bottom, left:right]
    part[:] = np.rint(part * (1 - share[..., None]) + seen * share[..., None]).astype(np.uint8)
