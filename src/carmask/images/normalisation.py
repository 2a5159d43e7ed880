"""How a photo's bytes are brought to the range that a network takes."""

from __future__ import annotations

from typing import Literal

#: ``imagenet``: as torchvision's and timm's ImageNet weights were trained; ``unit``: divided by 255, as the sources of
#: the challenge do.
Normalisation = Literal["imagenet", "unit"]
#: Mean and standard deviation of RGB values in [0, 1], in torchvision's figures.
MEANS_AND_STDS: dict[Normalisation, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
}


def describe(name: Normalisation = "imagenet") -> str:
    """What a model file says of its normalisation."""
    mean, std = (", ".join(f"{255 * value:.3f}" for value in row) for row in MEANS_AND_STDS[name])
    return f"in the graph: RGB of 0 to 255, minus ({mean}), divided by ({std})"


def read_description(text: str) -> Normalisation:
    """Which normalisation a model file has by its description; ``imagenet`` where it says nothing known."""
    return "unit" if text == describe("unit") else "imagenet"
