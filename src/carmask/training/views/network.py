"""The view network: the first half of EfficientNet-Lite0, as ImageNet has trained it, and a small head.

EfficientNet-Lite0 (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, after Tan & Le
2019, https://arxiv.org/abs/1905.11946) to stride 16, in timm's layers and names. What ImageNet has taught stays as it
is: it holds for cars of all places, while the studio's cars are alike. The head keeps where things are, for a car that
is mirrored is another view.
"""

from __future__ import annotations

from torch import Tensor, nn

from carmask.prediction.view import INPUT, VIEWS
from carmask.training.small_networks import LiteEncoder

#: Of the encoder's last stage.
CHANNELS = 80
#: Outputs: the views, whole car, several cars, tilt.
OUTPUTS = VIEWS + 3
_FILTERS, _HIDDEN = 64, 64


class ViewEncoder(LiteEncoder):
    """From uint8 (batch, height, width, 3), RGB, to float32 (batch, 80, height / 16, width / 16)."""

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of pictures."""
        return self.stages(pixels)[-1]


class ViewHead(nn.Module):
    """From the encoder's features to scores: float32 (batch, 19), for ``carmask.prediction.view.read_scores``."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(CHANNELS, _FILTERS, kernel_size=3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(_FILTERS),
            nn.ReLU(),
        )
        places = -(-INPUT[0] // 32) * -(-INPUT[1] // 32)
        self.scores = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(_FILTERS * places, _HIDDEN),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(_HIDDEN, OUTPUTS),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Scores of features."""
        scores: Tensor = self.scores(self.reduce(features).flatten(1))
        return scores
