"""Count a network's parameters and list its layers, as Keras' ``model.summary()`` does."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from carmask.errors import UsageError
from carmask.geometry import Size
from carmask.networks import NETWORKS, find_network
from carmask.networks.network import SegmentationNetwork


class Counts(NamedTuple):
    """Numbers of weights, Keras-style.

    Attributes:
        total: parameters, and the moving mean and variance of each BatchNorm.
        trainable: parameters that get gradients.
    """

    total: int
    trainable: int

    @property
    def frozen(self) -> int:
        """What is not trained."""
        return self.total - self.trainable


class Row(NamedTuple):
    """A line of the layer table; shapes are (channels, height, width)."""

    name: str
    kind: str
    input: tuple[int, ...]
    output: tuple[int, ...]
    counts: Counts


def count(module: nn.Module) -> Counts:
    """Count a module's weights as Keras does: parameters plus BatchNorm's moving statistics."""
    parameters = list(module.parameters())
    statistics = sum(b.numel() for name, b in module.named_buffers() if name.endswith(("running_mean", "running_var")))
    return Counts(
        total=sum(p.numel() for p in parameters) + statistics,
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
    )


def summarise(network: SegmentationNetwork, size: Size, *, every_layer: bool = False) -> list[Row]:
    """List a network's parts in the order they are run, with shapes and counts.

    Args:
        network: any; nothing in it changes.
        size: (height, width) of the image it is shown.
        every_layer: list single layers, not the encoder, stages and head as the sources do.

    Returns:
        The rows; their counts add up to the network's.

    Raises:
        UsageError: if the network does not take images of this size.
    """
    if size[0] % network.multiple or size[1] % network.multiple or min(size) < 32:
        raise UsageError(
            f"{size[1]}x{size[0]}: width and height must be multiples of {network.multiple}, and at least 32"
        )
    refusal = network.refusal(size)
    if refusal is not None:
        raise UsageError(f"{size[1]}x{size[0]}: the network takes no photos of this size: {refusal}", argument="size")
    rows: list[Row] = []
    handles: list[RemovableHandle] = []

    def watch(name: str, module: nn.Module) -> None:
        def note(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
            rows.append(Row(name, type(module).__name__, _shape(inputs), _shape(output), count(module)))

        handles.append(module.register_forward_hook(note))

    for name, module in _parts(network, every_layer):
        watch(name, module)
    training = network.training
    network.eval()
    try:
        with torch.inference_mode():
            network(torch.zeros(1, 3, *size, device=next(network.parameters()).device))
    finally:
        for handle in handles:
            handle.remove()
        network.train(training)
    return rows


class Overview(NamedTuple):
    """A row of the table of networks, counted as its source trains it."""

    name: str
    size: Size
    source: str
    counts: Counts


def overview() -> list[Overview]:
    """Count every network of the table."""
    rows = []
    for name, entry in NETWORKS.items():
        with torch.device("meta"):  # shapes only: nothing is drawn or stored
            network = entry.build(1)
        if entry.frozen:
            network.freeze_encoder()
        rows.append(Overview(name, entry.size, entry.source, count(network)))
    return rows


def describe(name: str, size: Size | None = None, *, every_layer: bool = False) -> tuple[Counts, list[Row]]:
    """Count a network and list its layers, as its source trains it.

    Args:
        name: of the table, or ``smp:<architecture>:<encoder>``.
        size: (height, width) of the image it is shown; its source's by default.
        every_layer: list single layers.

    Returns:
        Its counts and its rows.

    Raises:
        UnknownNameError: if there is no such network.
        UsageError: if it does not take images of this size.
    """
    entry = find_network(name)
    with torch.device("meta"):
        network = entry.build(1)
    if entry.frozen:
        network.freeze_encoder()
    return count(network), summarise(network, size or entry.size, every_layer=every_layer)


def _parts(network: nn.Module, every_layer: bool) -> list[tuple[str, nn.Module]]:
    if every_layer:
        # A layer that brings its activation along has both weights and a child.
        return [
            (name, module)
            for name, module in network.named_modules()
            if not list(module.children()) or next(module.parameters(recurse=False), None) is not None
        ]
    if len(list(network.children())) == 1:  # a library's network in our wrapper
        (network,) = network.children()
    found = []
    for name, child in network.named_children():
        # A plain list, or a chain whose links are called one by one, is not run as a whole.
        if type(child) is nn.ModuleList or (type(child) is nn.Sequential and name == "encoder"):
            found += [(f"{name}.{key}", part) for key, part in child.named_children()]
        else:
            found.append((name, child))
    return found


def _shape(value: object) -> tuple[int, ...]:
    if isinstance(value, Tensor):
        return tuple(value.shape[1:])
    if isinstance(value, list | tuple) and value:
        return _shape(value[-1])
    return ()
