"""What every network is: images in, one score for each pixel and output channel."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from carmask.errors import WeightsError
from carmask.geometry import Size


class SegmentationNetwork(nn.Module):
    """Base of all networks.

    ``forward`` takes float32 (batch, 3, height, width), RGB, normalised with ImageNet's mean and standard deviation or,
    where a recipe says so, in [0, 1], and returns float32 (batch, channels, height, width). With one channel that is
    the logit of "car". With more it is a score for each class, and softmax over the channels gives the probabilities of
    the classes.

    Attributes:
        multiple: height and width of the input must be multiples of this.
        channels: output channels.
        guided: ``forward`` takes a coarser map of the same photo as a second argument: float32 (batch, 1, height,
            width) in [-1, 1], twice the probability of car less 1; without it nothing is known, which is 0.
        car_channels: those that are car, where there is more than one channel; the others are not.
        encoder_frozen: the encoder is left as it was loaded, its BatchNorm statistics included.
        refines: ``forward`` needs that second argument: the network corrects another model's map.
        added: what the names of the layers begin with that initial weights of a simpler network need not have.
        norm_frozen: BatchNorm keeps its statistics everywhere, whatever the batches are; scale and shift are trained.
    """

    multiple: int = 1
    channels: int = 1
    guided: bool = False
    refines: bool = False
    added: tuple[str, ...] = ()
    car_channels: tuple[int, ...] = (0,)
    encoder_frozen: bool = False
    norm_frozen: bool = False

    def refusal(self, size: Size) -> str | None:  # noqa: ARG002
        """What the network has against photos of (height, width), multiples of ``multiple``; None if it takes them."""
        return None

    def encoder_module(self) -> nn.Module | None:
        """The part that ImageNet weights are for, or None if the network has none."""
        found = getattr(self, "encoder", None)
        return found if isinstance(found, nn.Module) else None

    def load_encoder(self, file: Path | None) -> None:
        """Load ImageNet weights into the encoder.

        Args:
            file: a safetensors file, or None for the library's download.

        Raises:
            WeightsError: if the network has no encoder that such weights exist for; if the file is unreadable or is
                not of this encoder; if the download fails.
        """
        raise WeightsError(
            f"{file or 'ImageNet'}: this network has no encoder that ImageNet weights exist for; set "
            "encoder.weights=none in the recipe"
        )

    def freeze_encoder(self, frozen: bool = True) -> None:
        """Keep the encoder as it is while the rest is trained, or let it be trained again.

        As in Keras with ``trainable = False``: no gradients, and BatchNorm keeps its statistics.

        Raises:
            WeightsError: if the network has no encoder.
        """
        encoder = self.encoder_module()
        if encoder is None:
            raise WeightsError("this network has no encoder to freeze; set encoder.frozen=false in the recipe")
        encoder.requires_grad_(not frozen)
        self.encoder_frozen = frozen
        self.train(self.training)

    def freeze_lowest(self, part: float) -> None:
        """Leave the weights of the encoder's first layers as they are; of networks without an encoder all are trained.

        Args:
            part: of its convolutions and BatchNorm layers, in the order of modules, 0 to 1.
        """
        encoder = self.encoder_module()
        layers = [] if encoder is None else [m for m in encoder.modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d)]
        for layer in layers[: round(part * len(layers))]:
            layer.requires_grad_(False)

    def adapt_head(self, weight: Tensor, bias: Tensor) -> None:
        """Make use of the head of initial weights, which has another shape; left out, the head starts anew."""

    def freeze_norm(self) -> None:
        """Let BatchNorm keep its statistics from now on; its scale and shift are still trained."""
        self.norm_frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> SegmentationNetwork:
        """Switch between training and evaluation; what is frozen stays in evaluation."""
        super().train(mode)
        encoder = self.encoder_module()
        if self.encoder_frozen and encoder is not None:
            encoder.eval()
        if self.norm_frozen:
            for layer in self.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()
        return self


def car_channels_of(classes: int) -> tuple[int, ...]:
    """The channels of a multi-channel head that are car.

    With one class, the three channels of the pix2pix sources are background, car, and a class that no mask holds: the
    sources train them with sparse categorical cross-entropy on masks of 0 and 1 and call a pixel car where channel 1 is
    the largest. With parts, channel 0 is background and every other one a part of the car.
    """
    return (1,) if classes == 1 else tuple(range(1, classes + 1))


def car_logits(scores: Tensor, car_channels: tuple[int, ...]) -> Tensor:
    """The logit of "car", from whatever a network's head gives.

    With one channel that is the channel. With more, softmax over the channels gives class probabilities, their sum over
    ``car_channels`` is the probability p of car, and ``log(p / (1 - p))`` = logsumexp of the car channels - logsumexp
    of the others. So for the three channels of the pix2pix sources p >= 0.5 is argmax = 1 wherever one class holds the
    majority.

    Args:
        scores: float32 (batch, channels, height, width).
        car_channels: which of them are car.

    Returns:
        float32 (batch, 1, height, width).
    """
    if scores.shape[1] == 1:
        return scores
    others = [channel for channel in range(scores.shape[1]) if channel not in car_channels]
    car = torch.logsumexp(scores[:, list(car_channels)], dim=1, keepdim=True)
    return car - torch.logsumexp(scores[:, others], dim=1, keepdim=True)
