"""From a photo and its probabilities to the finished picture: the layers, and how they are put together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo, Probability, use_own_numbers
from carmask.compositing import background as backgrounds
from carmask.compositing import shadow as shadows
from carmask.compositing.background import Background
from carmask.compositing.light import LINEAR, matched, to_display
from carmask.compositing.matte import Matte, matte
from carmask.compositing.placement import Move, Placing, moved
from carmask.compositing.reflection import lay, lay_under, reflect
from carmask.compositing.shadow import Light, Shadow, Sides
from carmask.errors import UsageError, check_choice, check_kind, check_number
from carmask.geometry import Box, box_of

#: The note of a photo whose shadow was wanted and could not be separated from its floor.
NO_FLOOR = "no even floor around the car: no shadow kept"


@dataclass(frozen=True)
class RenderStyle:
    """How the car stands in the picture.

    Attributes:
        shadow: ``keep`` the photo's own, ``make`` one, ``reflect``: one with the car's reflection in the floor, or
            ``none``.
        strength: of shadow and reflection; 1 as it is, 0 none, 2 as if the shadow's light were taken away twice.
        glass: how far windows let the new background through, 0 to 1; None for not at all.
        match: how far the car takes on the new background's light, 0 to 1.
        placing: where it stands.
        light: where the light of a made shadow comes from, in the picture: the same for all views of a vehicle.
    """

    shadow: Shadow = "none"
    strength: float = 1.0
    glass: float | None = None
    match: float = 0.0
    placing: Placing = field(default_factory=Placing)
    light: Light = "above"

    def __post_init__(self) -> None:
        use_own_numbers(self)

    def check(self) -> None:
        """Refuse what is out of range.

        Raises:
            UsageError: if a number is out of range or rules exclude each other.
        """
        check_choice(self.shadow, Shadow, "shadow")
        check_choice(self.light, Light, "light")
        check_kind(self.placing, Placing, "placing")
        for name in ("strength", "match") if self.glass is None else ("strength", "match", "glass"):
            check_number(getattr(self, name), name)
        if not 0 <= self.strength <= 3:
            raise UsageError(f"{self.strength:g}: give 0 (none) to 3; 1 is as it is", argument="strength")
        if self.strength != 1 and self.shadow == "none":
            raise UsageError(
                "there is no shadow: it needs shadow='keep', shadow='make' or shadow='reflect'", argument="strength"
            )
        if self.light != "above" and self.shadow not in {"make", "reflect"}:
            raise UsageError("it lights a made shadow: it needs shadow='make' or shadow='reflect'", argument="light")
        if self.glass is not None and not 0 <= self.glass <= 1:
            raise UsageError(f"{self.glass:g}: give 0 (opaque) to 1 (as if there were none)", argument="glass")
        if not 0 <= self.match <= 1:
            raise UsageError(f"{self.match:g}: give 0 (the photo's own light) to 1", argument="match")
        self.placing.check()

    def settings(self) -> dict[str, object]:
        """All of it, as JSON can hold it."""
        settings = asdict(self)
        if self.light == "above":  # as it was before there was a choice: such runs go on
            del settings["light"]
        return settings


class Layers(NamedTuple):
    """A photo taken apart, at its own size; what an editor puts together again, from the bottom up.

    Attributes:
        shadow: uint8 (height, width), opacity of black over the floor; None if there is none, or it is made in the
            picture's frame, which is another than the photo's: ``shadow_layer``.
        foreground: uint8 (height, width, 3), RGB, the car's own colours wherever alpha is not 0.
        alpha: uint8 (height, width), the car's opacity.
        note: what is remarkable, or ''.
    """

    shadow: NDArray[np.uint8] | None
    foreground: Photo
    alpha: NDArray[np.uint8]
    note: str = ""


def make_layers(
    photo: Photo,
    mask: Mask,
    probability: Probability,
    style: RenderStyle,
    *,
    threshold: float,
    glass: Probability | None = None,
) -> Layers:
    """Make the layers.

    Args:
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        probability: float32, of the whole photo, at the network's resolution.
        style: which shadow, and what of the windows.
        threshold: what counts as car.
        glass: float32, of the whole photo, at any resolution, that a pixel is a window, in [0, 1]; None if the model
            does not tell.

    Returns:
        The layers.
    """
    soft = matte(photo, mask, probability, threshold)
    alpha = soft.alpha
    if style.glass and glass is not None:
        alpha = see_through(soft, glass, style.glass)
    dark, note = None, ""
    if style.shadow == "keep":
        dark = shadows.kept(photo, mask)
        note = NO_FLOOR if dark is None and mask.any() else ""
    elif style.shadow != "none" and style.placing.in_photo:
        dark = shadows.made(mask, style.light)
    return Layers(_strengthened(dark, style.strength), soft.foreground, alpha, note)


def shadow_layer(layers: Layers, mask: Mask, style: RenderStyle) -> NDArray[np.uint8]:
    """The shadow as a layer of the photo's own size.

    Args:
        layers: from ``make_layers``.
        mask: bool (height, width).
        style: as for ``make_layers``.

    Returns:
        uint8 (height, width), opacity of black over the floor; 0 if there is none.
    """
    dark = layers.shadow
    if dark is None and style.shadow in {"make", "reflect"}:
        dark = _strengthened(shadows.made(mask, style.light), style.strength)
    return np.zeros_like(layers.alpha) if dark is None else dark


def see_through(soft: Matte, glass: Probability, amount: float) -> NDArray[np.uint8]:
    """Alpha with windows that let the background through.

    Args:
        soft: from ``matte``.
        glass: float32, at any resolution, in [0, 1].
        amount: 0 leaves them opaque, 1 takes them out.

    Returns:
        uint8 (height, width).
    """
    size = soft.alpha.shape[::-1]
    clear = cv2.resize(glass, size, interpolation=cv2.INTER_LINEAR)
    return (soft.alpha * (1 - np.float32(amount) * clear) + 0.5).astype(np.uint8)


def render(
    layers: Layers,
    photo: Photo,
    mask: Mask,
    style: RenderStyle,
    background: Background | None,
    *,
    icc_profile: bytes | None = None,
    series: Box | None = None,
) -> NDArray[np.uint8]:
    """Make the picture.

    Args:
        layers: from ``make_layers``.
        photo: uint8 (height, width, 3), RGB.
        mask: bool (height, width).
        style: where the car stands, and in which light.
        background: None for transparency.
        icc_profile: the photo's profile, which the picture keeps.
        series: what the masks of all views of this car cover, in pixels of this photo.

    Returns:
        uint8 (height, width, 3), RGB, or, without a background, (height, width, 4), RGBA.
    """
    size = mask.shape[0], mask.shape[1]
    move = style.placing.move(size, box_of(mask), series)
    shadow, car, alpha = _placed(layers, move, style)
    mirror = reflect(car, alpha, style.strength) if style.shadow == "reflect" else None
    if background is None:
        cut = transparent(shadow, car, alpha)
        return cut if mirror is None else lay_under(mirror, cut)
    own = background.own
    if own:
        around = backgrounds.blurred(photo, mask)
        # In the photo's frame they lie where they lay, also in a part of it.
        behind = moved(around, move) if style.placing.in_photo else backgrounds.cover(around, move.size)
    else:
        behind = background.fitted(move.size, icc_profile)
    if style.match and not own:
        car = matched(car, _mean_light(photo, mask), _mean_light(behind, None), style.match)
        mirror = reflect(car, alpha, style.strength) if mirror is not None else None
    return blend(shadow, car, alpha, behind if mirror is None else lay(mirror, behind))


def blend(shadow: NDArray[np.uint8] | None, car: Photo, alpha: NDArray[np.uint8], behind: Photo) -> NDArray[np.uint8]:
    """Lay a shadow and a car over a background; where a pixel is partly car, light adds up.

    Args:
        shadow: uint8 (height, width), opacity of black, or None.
        car: uint8 (height, width, 3), RGB.
        alpha: uint8 (height, width).
        behind: uint8 (height, width, 3), RGB.

    Returns:
        uint8 (height, width, 3), RGB; a new array.
    """
    result = behind.copy()
    if shadow is not None:
        left, top, width, height = cv2.boundingRect(shadow)
        place = slice(top, top + height), slice(left, left + width)
        if width:
            rest = cv2.merge([255 - shadow[place]] * 3)
            result[place] = cv2.multiply(result[place], rest, scale=1 / 255)
    whole = (alpha == 255).view(np.uint8)
    mixed = np.unravel_index(np.flatnonzero((alpha > 0) & (alpha < 255)), alpha.shape)
    share = (alpha[mixed].astype(np.float32) / 255)[:, None]
    light = (share * LINEAR[car[mixed]] + (1 - share) * LINEAR[result[mixed]]).astype(np.float32)
    cv2.copyTo(car, whole, result)
    result[mixed] = to_display(light)
    return result


def transparent(shadow: NDArray[np.uint8] | None, car: Photo, alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A car and its shadow on nothing.

    Pixels that are neither are transparent black: the file is small, and nothing of the background is left in it.

    Args:
        shadow: uint8 (height, width), opacity of black, or None.
        car: uint8 (height, width, 3), RGB.
        alpha: uint8 (height, width).

    Returns:
        uint8 (height, width, 4), RGBA, alpha not multiplied in.
    """
    rgba = cv2.merge([car, alpha]).astype(np.uint8, copy=False)
    # One number a pixel: to set those of a condition would take four times as long, and list their places.
    values = rgba.view(np.uint32)[..., 0]
    for top in range(0, len(values), 256):  # some rows at a time: the condition of all would take a quarter as much
        rows = slice(top, top + 256)
        np.multiply(values[rows], alpha[rows] > 0, out=values[rows])
    if shadow is not None:
        under = np.nonzero((shadow > 0) & (alpha < 255))
        own = alpha[under].astype(np.float32)
        total = own + shadow[under] * (1 - own / 255)
        rgba[under] = np.concatenate([car[under] * (own / total)[:, None], total[:, None]], axis=1).round()
    return rgba


def _placed(
    layers: Layers, move: Move, style: RenderStyle
) -> tuple[NDArray[np.uint8] | None, Photo, NDArray[np.uint8]]:
    """The layers where they stand in the picture."""
    alpha = moved(layers.alpha, move)
    shadow = _placed_shadow(layers, move, alpha, style)
    if move.scale == 1:
        return shadow, moved(layers.foreground, move), alpha
    # Scaled by its share in the pixel: what lies beside the car must not get into its edge.
    share = layers.alpha.astype(np.float32) / 255
    car = moved((layers.foreground * share[..., None]).astype(np.float32), move)
    weight = moved(share.astype(np.float32), move)
    return shadow, (car / np.maximum(weight, 1e-3)[..., None] + 0.5).clip(0, 255).astype(np.uint8), alpha


def _placed_shadow(
    layers: Layers, move: Move, alpha: NDArray[np.uint8], style: RenderStyle
) -> NDArray[np.uint8] | None:
    """The shadow where it stands in the picture, also where the picture goes on beyond the photo."""
    if style.shadow in {"make", "reflect"} and not style.placing.in_photo:
        # In the picture's frame: the photo's would end in a straight line where a tight photo ended.
        return _strengthened(shadows.made(alpha > 127, style.light), style.strength)
    if layers.shadow is None:
        return None
    height, width = layers.shadow.shape
    sides = Sides(
        move.top > 0,
        move.top + height * move.scale < move.size[0],
        move.left > 0,
        move.left + width * move.scale < move.size[1],
    )
    kept = shadows.faded(layers.shadow, box_of(layers.alpha > 127), sides) if any(sides) else layers.shadow
    return moved(kept, move)


def _strengthened(shadow: NDArray[np.uint8] | None, strength: float) -> NDArray[np.uint8] | None:
    """A shadow of which the light that is left is taken to a power."""
    if shadow is None or strength == 1:
        return shadow
    steps = (255 * (1 - (1 - np.arange(256) / 255) ** strength)).round().astype(np.uint8)
    return cv2.LUT(shadow, steps).astype(np.uint8, copy=False)


def _mean_light(picture: Photo, but: Mask | None) -> NDArray[np.float64]:
    small = (max(1, picture.shape[1] // 16), max(1, picture.shape[0] // 16))
    light = LINEAR[cv2.resize(picture, small, interpolation=cv2.INTER_AREA)].reshape(-1, 3)
    if but is not None:
        free = cv2.resize(1 - but.view(np.uint8), small, interpolation=cv2.INTER_NEAREST).ravel() > 0
        light = light[free] if free.any() else light
    mean: NDArray[np.float64] = light.mean(axis=0, dtype=np.float64)
    return mean
