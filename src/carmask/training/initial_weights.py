"""Initial weights from another training: a run's weights, or a model file (fine-tuning)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from carmask.errors import WeightsError
from carmask.images.normalisation import Normalisation, read_description
from carmask.model.file import find_model, read_info
from carmask.model.info import ModelInfo
from carmask.model.network import PREFIXES
from carmask.networks import build
from carmask.networks.mobilenetv2_unet import widen
from carmask.training.epochs import read_weights
from carmask.training.joined_graphs import of_other_stage, weights_of
from carmask.training.predictor import Normalised, TorchNetwork

#: What the names of the last layers begin with, those that depend on the classes; the second of smp's networks.
HEADS = ("network.head", "network.model.segmentation_head")

_Norm = nn.BatchNorm2d


def load_initial_weights(
    model: Normalised, file: Path, photos: Tensor, *, rescale: bool = False, new_head: bool = False
) -> None:
    """Load weights into a network of the same kind.

    Its head may be for other classes (parts, say, where the file knows cars): a head of another shape starts anew. Of a
    model file the segmentation network is taken; or its specialist, if the segmentation network is guided by a
    localisation stage, and the one to train is not. A refinement network goes on from the file's, if it has one.

    A model file holds no BatchNorm: its statistics are folded into the convolutions. They are measured anew on
    ``photos``, and the layer's scale and shift set such that it changes nothing: in evaluation the network computes
    what the file does, and in training, with statistics of its batches, nearly so.

    Args:
        model: the network; changed in place.
        file: ``weights.safetensors`` of a run, an ONNX file that ``carmask export`` wrote, or a shipped model's name.
        photos: uint8 (batch, height, width, 3), RGB: photos as training sees them.
        rescale: bring the filters of a model file to the size that new ones have, see ``_rescale_filters``.
        new_head: the head starts anew in any case: it is for as many classes, but others, or in another order.

    Raises:
        WeightsError: if the file cannot be read, is not of this network, or was trained on photos of another
            normalisation.
        ModelError: if there is no such model.
    """
    if file.suffix.lower() != ".safetensors":
        _load_onnx(model, find_model(file), new_head=new_head)
        _measure_norms(model, photos)
        if rescale:
            _rescale_filters(model)
        return
    state = read_weights(file)
    own = model.state_dict()
    other = {name for name in own if name in state and _for_other_classes(model, name, state[name], own[name])}
    other |= {name for name in own if new_head and name.startswith(HEADS)}
    state |= {name: own[name] for name in other}
    wanted = model.normalisation
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise WeightsError(f"{file}: not weights of this recipe's network") from error
    _check_normalisation(file, wanted, model.normalisation)


def load_network(file: Path, *, mixed: bool = False) -> TorchNetwork:
    """A model file's network in PyTorch, to predict with while another one is trained.

    Args:
        file: an ONNX file that ``carmask export`` wrote.
        mixed: compute in 16 bits where that is safe.

    Returns:
        The network, on the processor.

    Raises:
        WeightsError: if the file is not of one of carmask's networks.
        ModelError: if it is damaged.
    """
    info = read_info(file)
    model = Normalised(build(info.network, len(info.classes)), read_description(info.normalisation))
    _load_onnx(model, file)
    model = model.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return TorchNetwork(model, info, mixed=mixed)


def _check_normalisation(file: Path, wanted: Normalisation, given: Normalisation) -> None:
    if given != wanted:
        raise WeightsError(
            f"{file}: trained on photos of another normalisation, {given}, than the recipe's, {wanted}: set the "
            f"recipe's normalisation to {given}"
        )


def _for_other_classes(model: Normalised, name: str, given: Tensor | np.ndarray, own: Tensor) -> bool:
    """Whether these are a head's weights that differ from the network's in the number of classes alone."""
    if not name.startswith(HEADS):
        return False
    layer, _, kind = name.rpartition(".")
    classes = 1 if kind == "weight" and isinstance(model.get_submodule(layer), nn.ConvTranspose2d) else 0
    unlike = [axis for axis, (one, other) in enumerate(zip(given.shape, own.shape, strict=False)) if one != other]
    return given.ndim == own.ndim and unlike == [classes]


def _load_onnx(model: Normalised, file: Path, *, new_head: bool = False) -> None:
    try:
        proto = onnx.load(str(file))
    except Exception as error:  # whatever protobuf makes of other files
        raise WeightsError(f"{file}: not a readable model file") from error
    network, normalisation, prefix = _network_for(model, read_info(file))
    _check_normalisation(file, model.normalisation, read_description(normalisation))
    refused = f"{file}: not a model of this recipe's network: it holds {network}"
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)}
    norms = dict(_norm_after(model))
    left = {*layers}
    for given in _convolutions(proto, prefix):
        if given.layer not in left or given.weight is None:
            raise WeightsError(f"{refused}, whose {given.name} does not fit")
        left.remove(given.layer)
        layer, weight = layers[given.layer], given.weight
        # A network that is guided starts as the one that is not.
        wide = widen(torch.from_numpy(weight), layer.weight)
        weight = weight if wide is None else wide.numpy()
        bias = np.zeros(layer.out_channels) if given.bias is None else given.bias
        if new_head and given.layer.startswith(HEADS) and weight.shape == tuple(layer.weight.shape):
            continue
        if _for_other_classes(model, f"{given.layer}.weight", weight, layer.weight):
            model.network.adapt_head(*(torch.from_numpy(np.array(one, np.float32)) for one in (weight, bias)))
        elif weight.shape == tuple(layer.weight.shape):
            _fill(layer, norms.get(given.layer), weight, bias)
        else:
            raise WeightsError(f"{refused}, whose {given.name} does not fit")
    left = {name for name in left if not name.removeprefix("network.").startswith(model.network.added or ("-",))}
    if left:
        raise WeightsError(f"{refused}, which lacks {sorted(left)[0]}")


class _Convolution(NamedTuple):
    """A convolution of a model file: its weight's name, the layer's in the network, weight and bias."""

    name: str
    layer: str
    weight: np.ndarray | None
    bias: np.ndarray | None


def _convolutions(proto: onnx.ModelProto, prefix: str) -> Iterator[_Convolution]:
    """The convolutions of one of a file's networks: of that whose names begin with a prefix, or of the main one."""
    values = weights_of(proto)
    for node in proto.graph.node:
        if node.op_type not in {"Conv", "ConvTranspose"}:
            continue
        name = node.input[1]
        if not name.startswith(prefix) or (not prefix and of_other_stage(name)):
            continue
        # Exported as a part of a module ``model``.
        layer = name.removeprefix(prefix).removeprefix("model.").removesuffix(".weight")
        yield _Convolution(name, layer, values.get(name), values.get(node.input[2]) if len(node.input) > 2 else None)


def _network_for(model: Normalised, info: ModelInfo) -> tuple[str, str, str]:
    """Which of a model file's networks is taken: its name, its normalisation, and the prefix of its weights' names."""
    if info.refinement is not None and model.network.refines:
        return info.refinement.network, info.refinement.normalisation, PREFIXES["refinement"]
    if info.guided and info.specialist is not None and not model.network.guided:
        return info.specialist.network, info.specialist.normalisation, PREFIXES["specialist"]
    return info.network, info.normalisation, ""


@torch.no_grad()
def _fill(layer: nn.Conv2d | nn.ConvTranspose2d, norm: _Norm | None, weight: np.ndarray, bias: np.ndarray) -> None:
    layer.weight.copy_(torch.from_numpy(weight.astype(np.float32)))
    shift = torch.from_numpy(np.array(bias, np.float32))
    if layer.bias is not None:
        layer.bias.copy_(torch.zeros_like(shift) if norm is not None else shift)
    if norm is not None:
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.zero_()
        norm.running_var.fill_(1.0 - norm.eps)
        norm.weight.fill_(1.0)
        norm.bias.copy_(shift)


def _norm_after(model: Normalised) -> Iterator[tuple[str, _Norm]]:
    """The BatchNorm that takes each convolution's output, by the convolution's name."""
    made: dict[int, str] = {}
    kept: list[Tensor] = []
    found: list[tuple[str, _Norm]] = []
    handles = []

    def conv(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def note(_: nn.Module, __: object, output: Tensor) -> None:
            made[id(output)] = name
            kept.append(output)

        return note

    def norm(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, _Norm)
        if id(inputs[0]) in made:
            found.append((made[id(inputs[0])], layer))

    for name, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            handles.append(layer.register_forward_hook(conv(name)))
        elif isinstance(layer, _Norm):
            handles.append(layer.register_forward_pre_hook(norm))
    side = 2 * model.network.multiple
    training = model.training
    with torch.no_grad():
        model.eval()(torch.zeros((1, side, side, 3), dtype=torch.uint8))
    model.train(training)
    for handle in handles:
        handle.remove()
    yield from found


@torch.no_grad()
def _measure_norms(model: Normalised, photos: Tensor) -> None:
    """Give BatchNorm layers that change nothing the statistics of what passes through them."""
    sums: dict[_Norm, list[Tensor]] = {}

    def note(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, _Norm)
        variance, mean = torch.var_mean(inputs[0].float(), dim=(0, 2, 3), correction=0)
        sums.setdefault(layer, []).append(torch.stack([mean, variance + mean**2]))

    handles = [layer.register_forward_pre_hook(note) for layer in model.modules() if isinstance(layer, _Norm)]
    training = model.training
    model.eval()
    for batch in torch.split(photos, 4):
        model(batch)
    model.train(training)
    for handle in handles:
        handle.remove()
    for layer, values in sums.items():
        assert layer.running_mean is not None
        assert layer.running_var is not None
        mean, square = torch.stack(values).mean(0)
        # A channel that is all but constant would be blown up by its own statistics as soon as they move.
        variance = (square - mean**2).clamp(min=1e-4)
        layer.bias.add_(mean)
        layer.weight.copy_((variance + layer.eps).sqrt())
        layer.running_mean.copy_(mean)
        layer.running_var.copy_(variance)


@torch.no_grad()
def _rescale_filters(model: Normalised) -> None:
    """Bring each filter that BatchNorm follows to the size that He's initialisation gives it; nothing else changes.

    With BatchNorm folded into them, the filters of one layer differ in size by factors of thousands, and a decoder's
    are a tenth of what they were. Adam's steps are about as large as the learning rate whatever a weight's size is
    (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980), so small filters would be lost within a few of them.
    BatchNorm takes the factor up: ``weight / sqrt(variance) * (factor * x - factor * mean)`` stays what it was.
    """
    layers = dict(model.named_modules())
    for name, norm in _norm_after(model):
        layer = layers[name]
        assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        within = (1, 2, 3) if isinstance(layer, nn.Conv2d) else (0, 2, 3)
        if isinstance(layer, nn.ConvTranspose2d) and layer.groups > 1:
            continue
        across = math.prod(layer.weight.shape[axis] for axis in within)
        size = layer.weight.square().mean(within).sqrt()
        # Of filters that are zero nothing is known.
        factor = torch.where(size > 1e-6, math.sqrt(2 / across) / size.clamp(min=1e-6), torch.ones_like(size))
        before = (norm.running_var + norm.eps).sqrt()
        layer.weight.mul_(factor.view(-1, 1, 1, 1) if within[0] == 1 else factor.view(1, -1, 1, 1))
        if layer.bias is not None:
            layer.bias.mul_(factor)
        norm.running_mean.mul_(factor)
        norm.running_var.mul_(factor.square())
        norm.weight.mul_((norm.running_var + norm.eps).sqrt() / (before * factor))
