"""The networks, by name. Each takes normalised images and returns logits at the images' size."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from carmask.errors import UnknownNameError
from carmask.networks.mobilenetv2_unet import MobileNetV2UNet

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "mobilenetv2-unet": MobileNetV2UNet,
}


def build(name: str) -> nn.Module:
    """Build a network with random weights.

    Raises:
        UnknownNameError: if no network has this name; the message lists those there are.
    """
    if name not in NETWORKS:
        raise UnknownNameError(f"there is no network {name!r}; choose one of: {', '.join(sorted(NETWORKS))}")
    return NETWORKS[name]()
