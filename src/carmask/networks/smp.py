"""Any architecture of segmentation_models_pytorch with any of its encoders: ``smp:<architecture>:<encoder>``.

https://github.com/qubvel-org/segmentation_models.pytorch, MIT. For comparison, and for what the sources have not.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from carmask.errors import UnknownNameError, WeightsError
from carmask.failures import first_line
from carmask.geometry import Size
from carmask.networks.network import SegmentationNetwork, car_channels_of
from carmask.networks.weights import load_into, read_encoder_weights

PREFIX = "smp:"


class SMPNetwork(SegmentationNetwork):
    """A network of the library."""

    multiple = 32

    def __init__(self, name: str, classes: int = 1) -> None:
        """Build it with random weights.

        Args:
            name: ``smp:<architecture>:<encoder>``.
            classes: what is told from background.

        Raises:
            UnknownNameError: if the library has no such architecture or encoder, or cannot join the two.
        """
        super().__init__()
        import segmentation_models_pytorch as smp

        if classes > 1:
            self.channels, self.car_channels = classes + 1, car_channels_of(classes)
        architecture, _, self._encoder_name = name.removeprefix(PREFIX).partition(":")
        known = sorted(model.__name__.lower() for model in smp.MODEL_ARCHITECTURES_MAPPING.values())
        if architecture.lower() not in known:
            raise UnknownNameError(f"{name}: no architecture {architecture!r}; choose one of: {', '.join(known)}")
        if not self._encoder_name:
            raise UnknownNameError(
                f"{name}: names no encoder; write smp:<architecture>:<encoder>, as {PREFIX}unet:resnet34"
            )
        try:
            self.model = smp.create_model(
                architecture, encoder_name=self._encoder_name, encoder_weights=None, classes=self.channels
            )
        # The library reports what it cannot build by these; the last line says what.
        except (KeyError, ValueError, NotImplementedError, RuntimeError) as error:
            reason = first_line(error).strip("'\"")[:200]
            raise UnknownNameError(f"{name}: segmentation_models_pytorch cannot build it: {reason}") from error

    def encoder_module(self) -> nn.Module:
        """The library's encoder."""
        encoder = self.model.encoder
        assert isinstance(encoder, nn.Module)
        return encoder

    def forward(self, images: Tensor) -> Tensor:
        """Predict: (batch, 3, h, w) to (batch, channels, h, w), h and w multiples of 32."""
        scores: Tensor = self.model(images)
        return scores

    def refusal(self, size: Size) -> str | None:
        """What the library says against photos of (height, width); None if it takes them. Costs a prediction."""
        device, training = next(self.parameters()).device, self.training
        try:
            with torch.inference_mode():
                self.eval()(torch.zeros(1, 3, *size, device=device))
        except (AssertionError, RuntimeError, ValueError) as error:
            return first_line(error)
        finally:
            self.train(training)
        return None

    def load_encoder(self, file: Path | None) -> None:
        """Load ImageNet weights, from a file with the library's names or its download."""
        state = read_encoder_weights(file, self._download)
        what = f"{self._encoder_name} in segmentation_models_pytorch's layout"
        load_into(self.encoder_module(), state, prefix="encoder.", what=what, source=file)

    def _download(self) -> dict[str, Tensor]:
        from segmentation_models_pytorch.encoders import get_encoder

        try:
            return dict(get_encoder(self._encoder_name, weights="imagenet").state_dict())
        except (KeyError, ValueError) as error:
            raise WeightsError(
                f"{self._encoder_name}: the library has no ImageNet weights for it; name a file with "
                "encoder_weights=…, or set encoder.weights=none in the recipe"
            ) from error
