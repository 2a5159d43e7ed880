"""Draw scenes of every kind: what a training for any place sees in place of its data sets' photos as they are."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from carmask.arrays import Photo
from carmask.data.backdrop import draw_backdrop
from carmask.data.photometric import change_camera, change_light
from carmask.data.warp import SoftMask
from carmask.geometry import Size, box_of
from carmask.training.dataset.anywhere.cutouts import CutOut, cut_car_out, place, put_into
from carmask.training.dataset.anywhere.places import add_caption, draw_page, draw_stage, piece_of
from carmask.training.dataset.anywhere.store import PhotoStore
from carmask.training.dataset.anywhere.viewpoint import canvas_size, change_viewpoint, random_aspect
from carmask.training.dataset.composite import blend, remove_car
from carmask.training.scene_settings import SceneSettings

#: A photo and its soft mask.
Scene = tuple[Photo, SoftMask]
#: The size that ``scale`` is relative to.
BASE = (256, 384)
#: Below this scale, photos of the main set are read at half their size.
HALF_BELOW = 1.6
#: Squeezed photos are widened by a factor between these.
WIDEN = (0.95, 1.85)


class SceneGenerator:
    """Draws scenes from photos with masks and from backgrounds."""

    def __init__(
        self,
        main: PhotoStore,
        extra: Sequence[tuple[PhotoStore, float]],
        backgrounds: PhotoStore | None,
        settings: SceneSettings,
        *,
        scale: float,
    ) -> None:
        """Take the data.

        Args:
            main: photos of the main data set, whose masks are exact.
            extra: photos of other places, each set with its share.
            backgrounds: pictures without cars, or None to draw them all.
            settings: how often what is drawn.
            scale: size of the scenes relative to 256x384, which they fit into at scale 1.
        """
        self._main, self._backgrounds, self._settings, self._scale = main, backgrounds, settings, scale
        self._extra = [store for store, _ in extra]
        shares = np.array([share for _, share in extra], np.float64)
        self._shares = shares / shares.sum() if len(shares) else shares
        self._limit = scale * BASE[0], scale * BASE[1]

    def draw(self, rng: np.random.Generator) -> Scene:
        """Draw a scene.

        Args:
            rng: source of all randomness: the same state gives the same scene.

        Returns:
            uint8 (height, width, 3) RGB and uint8 (height, width), 255 times the fraction that is the prominent car,
            of any shape that fits into the scale.
        """
        chosen = self._settings
        kinds = (chosen.real, chosen.composite, chosen.main, chosen.empty)
        kind = int(rng.choice(4, p=np.array(kinds) / sum(kinds)))
        if kind == 2:
            return self._main_photo(rng)
        photo, mask = (self._real, self._composite, self._main_photo, self._empty)[kind](rng)
        photo = change_camera(photo, scale=self._scale, rng=rng)
        if rng.random() < chosen.captions:
            photo = add_caption(photo, rng=rng)
        return photo, mask

    def _main_photo(self, rng: np.random.Generator) -> Scene:
        photo, mask = self._read_main(rng)
        if rng.random() < self._settings.main_as_is:
            photo, mask = self._as_is(photo, mask, rng)
            if rng.random() < 0.04:
                return remove_car(photo, mask, rng=rng), np.zeros_like(mask)
            return change_light(photo, 0.06, rng=rng), mask
        photo, mask = change_viewpoint(photo, mask, self._limit, widen=1.0, tilt=rng.random() < 0.4, rng=rng)
        if rng.random() < 0.35:
            return change_camera(photo, scale=self._scale, rng=rng), mask
        return change_light(photo, 0.08, rng=rng), mask

    def _as_is(self, photo: Photo, mask: SoftMask, rng: np.random.Generator) -> Scene:
        """At its own resolution, now and then mirrored or turned a little."""
        height, width = mask.shape
        shrink = min(1.0, 1.1 * self._limit[0] / height)
        if shrink < 1:
            size = round(width * shrink), round(height * shrink)
            photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
            mask = cv2.resize(mask, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        if rng.random() < 0.5:
            photo, mask = np.ascontiguousarray(photo[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
        if rng.random() < 0.4:
            frame = mask.shape[::-1]
            matrix = cv2.getRotationMatrix2D(((frame[0] - 1) / 2, (frame[1] - 1) / 2), rng.uniform(-2.5, 2.5), 1.0)
            photo = cv2.warpAffine(photo, matrix, frame, borderMode=cv2.BORDER_REPLICATE).astype(np.uint8, copy=False)
            mask = cv2.warpAffine(mask, matrix, frame).astype(np.uint8, copy=False)
        return photo, mask

    def _real(self, rng: np.random.Generator) -> Scene:
        if not self._extra:
            return self._main_photo(rng)
        store = self._choose(rng)
        photo, mask = store.read(int(rng.integers(len(store))))
        photo, mask = change_viewpoint(photo, mask, self._limit, widen=self._widening(store, rng), tilt=True, rng=rng)
        if store.name not in self._settings.no_cut_outs and rng.random() < self._settings.others_in_real:
            photo = self._add_behind(photo, mask, rng)
        return photo, mask

    def _add_behind(self, photo: Photo, mask: SoftMask, rng: np.random.Generator) -> Photo:
        """Other, smaller cars behind the true car of a real photo."""
        box = box_of(mask >= 128)
        if box is None:
            return photo
        size = (mask.shape[0], mask.shape[1])
        height, width = box.bottom - box.top, box.right - box.left
        scene = photo
        for _ in range(int(rng.integers(1, 4))):
            other, wide = self._cut_out(rng, 0.4), width * rng.uniform(0.25, 0.7)
            if wide * other.shape * wide > 0.5 * width * height:
                wide *= 0.65
            middle = (box.left + box.right) / 2 + rng.uniform(-1, 1) * 0.55 * size[1]
            scene = self._add(scene, other, wide, middle, box.bottom - height * rng.uniform(0.1, 0.55), 0.6, rng)
        return blend(photo, scene, cv2.GaussianBlur(mask, (0, 0), 0.7).astype(np.uint8, copy=False))

    def _composite(self, rng: np.random.Generator) -> Scene:
        size = canvas_size(random_aspect(rng), self._limit)
        height, width = size
        scene = change_light(self._background(size, rng), 0.25, rng=rng)
        car = self._cut_out(rng, self._settings.main_cars)
        kind = rng.random()
        part = rng.uniform(0.9, 1.2)
        if kind < 0.55:
            part = rng.uniform(0.4, 0.95)
        elif kind < 0.85:
            part = np.exp(rng.uniform(np.log(0.15), np.log(0.5)))
        wide = min(part * width, 1.1 * height / car.shape)
        tall = wide * car.shape
        middle = width / 2 + rng.normal(0, 0.25) * abs(width - 0.8 * wide)
        low = height - rng.uniform(-0.08, 0.6) * max(0.0, height - tall) - 0.02 * height
        if tall < 0.6 * height:
            low = rng.uniform(0.55, 1.02) * height
        bottom = float(np.clip(low, tall / 2, 1.15 * height))
        cars = [(car, wide, middle, bottom)]
        if part < 0.6 and rng.random() < self._settings.two_equal:
            beside = wide * rng.uniform(0.9, 1.1)
            away = rng.choice((-1, 1)) * (wide + beside) / 2 * rng.uniform(0.75, 1.15)
            second = self._cut_out(rng, self._settings.main_cars)
            cars.append((second, beside, middle + away, bottom + rng.normal(0, 0.05) * tall))
        if rng.random() < self._settings.others:
            scene = self._others(scene, wide, tall, middle, bottom, rng)
        whole = np.zeros(size, np.uint8)
        for one, across, x, y in cars:
            pixels, alpha = place(one, size, width=across, middle=x, bottom=y, rng=rng)
            pixels = change_light(pixels, 0.2, rng=rng)
            shadow, reflection = rng.random() < 0.8, rng.random() < 0.22
            scene = put_into(scene, pixels, alpha, shadow=shadow, reflection=reflection, rng=rng)
            whole = np.maximum(whole, alpha)
        return scene, whole

    def _others(
        self, scene: Photo, wide: float, tall: float, middle: float, bottom: float, rng: np.random.Generator
    ) -> Photo:
        """Up to four smaller cars, the smallest first, higher up: they stand behind."""
        sizes = sorted(rng.uniform(0.25, 0.85, int(rng.integers(1, 5))))
        for part in sizes:
            other, across = self._cut_out(rng, 0.5), wide * part
            if across * other.shape * across > 0.62 * wide * tall:
                across *= 0.7
            x = middle + rng.uniform(-1, 1) * max(0.5 * wide + 0.6 * across, 0.5 * scene.shape[1])
            scene = self._add(scene, other, across, x, bottom - tall * rng.uniform(0.05, 0.45), 0.6, rng)
        return scene

    def _add(
        self, scene: Photo, car: CutOut, wide: float, x: float, y: float, shadow: float, rng: np.random.Generator
    ) -> Photo:
        size = (scene.shape[0], scene.shape[1])
        pixels, alpha = place(car, size, width=wide, middle=x, bottom=y, rng=rng)
        pixels = change_light(pixels, 0.2, rng=rng)
        return put_into(scene, pixels, alpha, shadow=rng.random() < shadow, reflection=False, rng=rng)

    def _empty(self, rng: np.random.Generator) -> Scene:
        size = canvas_size(random_aspect(rng), self._limit)
        kind = rng.random()
        if kind < 0.75:
            scene = self._background(size, rng)
        else:
            photo, mask = self._read_main(rng) if kind < 0.87 or not self._extra else self._read_extra(rng)
            removed = cv2.resize(remove_car(photo, mask, rng=rng), size[::-1], interpolation=cv2.INTER_AREA)
            scene = removed.astype(np.uint8, copy=False)
        return scene, np.zeros(size, np.uint8)

    def _background(self, size: Size, rng: np.random.Generator) -> Photo:
        kind = rng.random()
        if kind < 0.66 and self._backgrounds is not None:
            picture = self._backgrounds.read(int(rng.integers(len(self._backgrounds))))[0]
            return piece_of(picture, size, scale=self._scale, rng=rng)
        if kind < 0.72 and self._extra:
            photo, mask = self._read_extra(rng)
            return piece_of(remove_car(photo, mask, rng=rng), size, scale=self._scale, rng=rng)
        if kind < 0.80:
            return draw_page(size, rng=rng)
        if kind < 0.90:
            return draw_stage(size, rng=rng)
        pieces = cv2.resize(self._read_main(rng)[0], size[::-1], interpolation=cv2.INTER_AREA)
        return draw_backdrop(size, rng=rng, pieces=pieces.astype(np.uint8, copy=False))

    def _cut_out(self, rng: np.random.Generator, main: float) -> CutOut:
        """A car of the main set with this probability, else one of another; the main set's where there is none."""
        for _ in range(6):
            if not self._extra or rng.random() < main:
                car = cut_car_out(*self._read_main(rng), widen=float(np.exp(rng.normal(0, 0.06))))
            else:
                store = self._choose(rng)
                if store.name in self._settings.no_cut_outs:
                    continue
                photo, mask = store.read(int(rng.integers(len(store))))
                car = cut_car_out(photo, mask, widen=self._widening(store, rng), shrink=True)
            if car is not None:
                return car
        photo, mask = self._read_main(rng)
        # Cut off by the frame or empty, all of them: the middle of a photo stands for a car.
        ellipse = np.zeros_like(mask)
        cv2.ellipse(
            ellipse,
            (mask.shape[1] // 2, mask.shape[0] // 2),
            (mask.shape[1] // 4, mask.shape[0] // 5),
            0,
            0,
            360,
            255,
            -1,
        )
        car = cut_car_out(photo, ellipse)
        assert car is not None
        return car

    def _widening(self, store: PhotoStore, rng: np.random.Generator) -> float:
        if store.name in self._settings.squeezed:
            return float(np.exp(rng.uniform(*np.log(WIDEN))))
        return float(np.exp(rng.normal(0, 0.1)))

    def _choose(self, rng: np.random.Generator) -> PhotoStore:
        return self._extra[int(rng.choice(len(self._extra), p=self._shares))]

    def _read_main(self, rng: np.random.Generator) -> Scene:
        return self._main.read(int(rng.integers(len(self._main))), half=self._scale < HALF_BELOW)

    def _read_extra(self, rng: np.random.Generator) -> Scene:
        store = self._choose(rng)
        return store.read(int(rng.integers(len(store))))
