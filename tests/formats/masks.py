"""Masks that formats lose pixels of: holes, components, one pixel, full, empty, first and last pixel, odd sizes."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from carmask.formats.picture import Annotations, Instance, Picture

KINDS = ("noise", "blobs", "one pixel", "full", "empty", "ends", "frame", "stripes", "diagonal")


def drawn_mask(kind: str, size: tuple[int, int], seed: int) -> np.ndarray:
    """One mask: bool (height, width)."""
    height, width = size
    rng = np.random.default_rng(seed)
    mask = np.zeros(size, np.bool_)
    if kind == "noise":
        mask = rng.random(size) < rng.random()
    elif kind == "blobs":
        for _ in range(6):
            top, left = rng.integers(0, height), rng.integers(0, width)
            bottom, right = top + rng.integers(1, height + 1), left + rng.integers(1, width + 1)
            mask[top:bottom, left:right] = rng.random() < 0.6
    elif kind == "one pixel":
        mask[rng.integers(0, height), rng.integers(0, width)] = True
    elif kind == "full":
        mask[:] = True
    elif kind == "ends":
        mask.flat[0] = mask.flat[-1] = True
    elif kind == "frame":
        mask[:] = True
        mask[1:-1, 1:-1] = False
    elif kind == "stripes":
        mask[:, ::2] = True
    elif kind == "diagonal":
        mask[np.arange(min(size)), np.arange(min(size))] = True
    return mask


sizes = st.one_of(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.just((1, 1)),
    st.tuples(st.just(1), st.integers(1, 70)),
    st.tuples(st.integers(1, 70), st.just(1)),
)
masks = st.builds(drawn_mask, st.sampled_from(KINDS), sizes, st.integers(0, 2**32 - 1))


def annotations_of(named: dict[str, list[Instance]], sizes: dict[str, tuple[int, int]], names=("car",), model=""):
    """Annotations from instances at hand."""
    pictures = [Picture(name, sizes[name], lambda found=found: found) for name, found in named.items()]
    return Annotations(pictures, tuple(names), model)


def cars(*found: np.ndarray, score: float | None = None, model: str = "") -> Annotations:
    """A picture with one car for each mask."""
    named = {f"car {number}.jpg": [Instance("car", mask, score)] for number, mask in enumerate(found)}
    sizes = {name: mask.shape for name, mask in zip(named, found, strict=True)}
    return annotations_of(named, sizes, model=model)


def within(angle, about, rows=200, columns=300):
    """Where each pixel's centre lies from a point, along the sides of a shape rotated clockwise about it: x, y."""
    y, x = np.mgrid[:rows, :columns] + 0.5
    x, y, radians = x - about[0], y - about[1], np.deg2rad(angle)
    return x * np.cos(radians) + y * np.sin(radians), y * np.cos(radians) - x * np.sin(radians)


def alike(mask, value):
    """A mask is what is below 1, but for what is it to a hundredth."""
    assert mask[value < 0.99].all()
    assert not mask[value > 1.01].any()
    assert mask.any()
