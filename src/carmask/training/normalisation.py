"""How a photo's bytes are brought to the range that ImageNet's weights were trained on."""

from __future__ import annotations

#: ImageNet's mean and standard deviation of RGB values in [0, 1], in torchvision's figures.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def describe() -> str:
    """What a model file says of its normalisation."""
    mean, std = (", ".join(f"{255 * value:.3f}" for value in row) for row in (IMAGENET_MEAN, IMAGENET_STD))
    return f"in the graph: RGB of 0 to 255, minus ({mean}), divided by ({std})"
