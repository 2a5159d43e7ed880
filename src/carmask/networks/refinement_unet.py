"""A U-Net that moves a contour that is nearly right, at the photo's own size: a refinement stage.

Boundary refinement as in CascadePSP (Cheng et al. 2020, https://arxiv.org/abs/2005.02551) and Boundary Patch Refinement
(Tang et al. 2021, https://arxiv.org/abs/2104.05239): a network sees the photo and a coarse map of the car at native
resolution. It takes the car in one piece in place of patches along the contour: a car fills fewer pixels than the
patches, and what is sill and what is shadow shows at a distance only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from carmask.errors import UnknownNameError
from carmask.networks.mobilenetv2_unet import DECODER_CHANNELS, GuidedMobileNetV2UNet

#: Channels that the decoder hands to the layers at full size, and channels between these.
_HANDED, _BETWEEN = 8, 16
#: How much of the coarse map's logit the result begins with.
_KEPT = 0.6
#: Coarse probabilities count as no nearer to 0 or 1 than this.
_LEAST = 2.5e-3


class RefinementUNet(GuidedMobileNetV2UNet):
    """Car against background; its result is a correction of the coarse map that it is given.

    The decoder ends at stride 2. Two light convolutions at full size see its result, the photo and the map once more:
    the contour is where the photo changes, to the pixel. They start at zero.
    """

    refines = True
    added = ("detail",)

    def __init__(self, classes: int = 1) -> None:
        """Build it.

        Raises:
            UnknownNameError: if it is to have parts.
        """
        if classes > 1:
            raise UnknownNameError("mobilenetv2-unet-refinement refines contours of whole cars; it has no parts")
        super().__init__(classes)
        self.head = nn.Conv2d(DECODER_CHANNELS[-1], 4 * _HANDED, kernel_size=3, padding=1)
        self.detail = nn.Sequential(
            nn.Conv2d(_HANDED + 4, _BETWEEN, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(_BETWEEN, 1, kernel_size=3, padding=1),
        )
        last = self.detail[2]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, images: Tensor, guide: Tensor | None = None) -> Tensor:
        """Predict one logit for each pixel.

        Args:
            images: float32 (batch, 3, height, width), RGB, normalised with ImageNet's mean and standard deviation;
                height and width multiples of 32.
            guide: float32 (batch, 1, height, width) in [-1, 1]: twice the coarse probability of car less 1.

        Returns:
            float32 (batch, 1, height, width): the logit of car.
        """
        if guide is None:
            guide = torch.zeros_like(images[:, :1])
        given = torch.cat([images, guide], dim=1)
        handed = nn.functional.relu(nn.functional.pixel_shuffle(self.head(self._features(given)), 2))
        coarse = (0.5 * guide + 0.5).clamp(_LEAST, 1 - _LEAST)
        correction: Tensor = self.detail(torch.cat([handed, given], dim=1))
        return correction.float() + _KEPT * torch.log(coarse / (1 - coarse))

    def adapt_head(self, weight: Tensor, bias: Tensor) -> None:
        """Hand on the logit of a network without layers at full size, and its opposite; the other channels stay."""
        if weight.shape[1:] != self.head.weight.shape[1:] or len(weight) != 4:
            return
        assert self.head.bias is not None
        with torch.no_grad():
            for parameter, given in ((self.head.weight, weight), (self.head.bias, bias)):
                parameter.mul_(0.5)
                parameter[0:4] = given
                parameter[4:8] = -given
