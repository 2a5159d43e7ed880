"""DeepLabv3+ on ResNet50, with one convolution more in the image-pooling branch.

Chen et al. 2018, https://arxiv.org/abs/1802.02611; ResNet: He et al. 2016, https://arxiv.org/abs/1512.03385, in
torchvision's layout. The encoder ends inside the third stage, after the 3x3 convolution of its last block (stride 16,
256 channels), and the low-level features are those of the first stage in the same place (stride 4, 64 channels): the
form of the Keras example, which is far smaller than the paper's and the only one known to us that has "fewer trainable
parameters than the U-Net" (31 million), as the source reports.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from carmask.networks.blocks import conv_bn_relu
from carmask.networks.network import SegmentationNetwork, car_channels_of
from carmask.networks.weights import load_into, read_encoder_weights

RATES = (6, 12, 18)
FILTERS = 256
LOW_LEVEL_FILTERS = 48


class ResNet50Taps(nn.Module):
    """ResNet50 to the third stage."""

    def __init__(self) -> None:
        super().__init__()
        from torchvision.models import resnet50

        whole = resnet50(weights=None)
        self.conv1, self.bn1, self.relu, self.maxpool = whole.conv1, whole.bn1, whole.relu, whole.maxpool
        self.layer1, self.layer2, self.layer3 = whole.layer1, whole.layer2, whole.layer3
        # Nothing after the tap in the last block is used.
        del self.layer3[-1].conv3, self.layer3[-1].bn3

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """From (batch, 3, h, w) to low-level (batch, 64, h/4, w/4) and deep features (batch, 256, h/16, w/16)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for block in self.layer1[:-1]:
            x = block(x)
        last = self.layer1[-1]
        low = _inside(last, x)
        x = last.relu(last.bn3(last.conv3(low)) + x)
        x = self.layer2(x)
        for block in self.layer3[:-1]:
            x = block(x)
        return low, _inside(self.layer3[-1], x)


class AtrousPyramid(nn.Module):
    """Atrous spatial pyramid pooling: convolutions with several rates and the mean of the whole image, side by side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        branches = [conv_bn_relu(channels, FILTERS, kernel=1)]
        branches += [conv_bn_relu(channels, FILTERS, dilation=rate) for rate in RATES]
        self.branches = nn.ModuleList(branches)
        # One value for each image and channel: BatchNorm needs batches of two or more to train. The second convolution
        # is the source's addition.
        self.pooling = nn.Sequential(
            conv_bn_relu(channels, FILTERS, kernel=1), conv_bn_relu(FILTERS, FILTERS, kernel=1)
        )
        self.project = conv_bn_relu((len(branches) + 1) * FILTERS, FILTERS, kernel=1)

    def forward(self, x: Tensor) -> Tensor:
        """From (batch, channels, h, w) to (batch, 256, h, w)."""
        whole = self.pooling(x.mean(dim=(2, 3), keepdim=True)).expand(-1, -1, x.shape[2], x.shape[3])
        projected: Tensor = self.project(torch.cat([branch(x) for branch in self.branches] + [whole], dim=1))
        return projected


class DeepLabV3Plus(SegmentationNetwork):
    """DeepLabv3+; any size from 32."""

    encoder: ResNet50Taps

    def __init__(self, classes: int = 1) -> None:
        super().__init__()
        if classes > 1:
            self.channels, self.car_channels = classes + 1, car_channels_of(classes)
        self.encoder = ResNet50Taps()
        self.pyramid = AtrousPyramid(256)
        self.low_level = conv_bn_relu(64, LOW_LEVEL_FILTERS, kernel=1)
        self.decoder = nn.Sequential(conv_bn_relu(FILTERS + LOW_LEVEL_FILTERS, FILTERS), conv_bn_relu(FILTERS, FILTERS))
        self.head = nn.Conv2d(FILTERS, self.channels, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """Predict: (batch, 3, h, w) to (batch, channels, h, w)."""
        low, deep = self.encoder(images)
        low = self.low_level(low)
        x = interpolate(self.pyramid(deep), size=low.shape[-2:], mode="bilinear")
        x = self.head(self.decoder(torch.cat([x, low], dim=1)))
        return interpolate(x, size=images.shape[-2:], mode="bilinear")

    def load_encoder(self, file: Path | None) -> None:
        """Load ImageNet weights; see ``SegmentationNetwork.load_encoder``."""
        state = read_encoder_weights(file, _download_resnet50)
        load_into(self.encoder, state, prefix="", what="ResNet50 in torchvision's layout", source=file)


def _inside(block: nn.Module, x: Tensor) -> Tensor:
    """The first two convolutions of a bottleneck block, after ReLU."""
    inside: Tensor = block.relu(block.bn2(block.conv2(block.relu(block.bn1(block.conv1(x))))))  # type: ignore[operator]
    return inside


def _download_resnet50() -> dict[str, Tensor]:
    from torchvision.models import ResNet50_Weights

    return dict(ResNet50_Weights.IMAGENET1K_V2.get_state_dict(progress=True, check_hash=True))
