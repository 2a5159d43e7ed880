"""The networks, by name: a plain table, and ``build``.

Each entry is a row of the specification. Beyond the table, ``smp:<architecture>:<encoder>`` names any network of
segmentation_models_pytorch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from carmask.errors import UnknownNameError
from carmask.geometry import Size
from carmask.networks.deeplabv3plus import DeepLabV3Plus
from carmask.networks.efficientnet_lite import EfficientNetLite2UNet
from carmask.networks.mobilenetv2_unet import GuidedMobileNetV2UNet, MobileNetV2UNet
from carmask.networks.network import SegmentationNetwork
from carmask.networks.pix2pix import CNNSmall, MobileNetV2Pix2Pix, MobileNetV2Pix2PixMatched, VGG19Pix2Pix
from carmask.networks.refinement_unet import RefinementUNet
from carmask.networks.smp import PREFIX, SMPNetwork
from carmask.networks.unet import UNet, UNetDeep, UNetSmall
from carmask.networks.views import UNet3DViews, UNet3DViewsApart

_KOH = "Koh Yong Tat, Carvana Image Masking Challenge"
_HOLM = "Carvana Image Segmentation, coding assignment"
_JOIS = "Jois & Aygar 2017, Background Separation using U-Net"
_SEGNET = "Carvana challenge repository after SegNet, RTX 3060"
_PARTS = "Mukherjee, Olivos & Norborg, Image Segmentation of Car Parts"


@dataclass(frozen=True)
class Entry:
    """A row of the table.

    Attributes:
        build: makes the network with random weights, for a number of classes besides background.
        size: (height, width) that its source trains it at.
        source: who published it.
        frozen: the source freezes the encoder.
        reported: numbers of weights that its source prints, all and those trained, as ``summary.count`` counts them;
            None where it prints none.
    """

    build: Callable[[int], SegmentationNetwork]
    size: Size
    source: str
    frozen: bool = False
    reported: tuple[int, int] | None = None


NETWORKS: dict[str, Entry] = {
    "mobilenetv2-unet": Entry(MobileNetV2UNet, (512, 768), "carmask's own: the specialist of the shipped models"),
    "mobilenetv2-unet-guided": Entry(
        GuidedMobileNetV2UNet, (448, 832), "carmask's own: the default model's segmentation stage"
    ),
    "mobilenetv2-unet-refinement": Entry(RefinementUNet, (768, 1536), "carmask's own: a refinement stage"),
    "efficientnet-lite2-unet": Entry(
        EfficientNetLite2UNet, (256, 384), "carmask's own: the default model's localisation stage"
    ),
    "mobilenetv2-pix2pix": Entry(MobileNetV2Pix2Pix, (224, 224), _KOH, frozen=True, reported=(6_504_227, 4_660_323)),
    "mobilenetv2-pix2pix-matched": Entry(
        MobileNetV2Pix2PixMatched, (224, 224), _KOH, frozen=True, reported=(6_247_235, 4_403_235)
    ),
    "vgg19-pix2pix": Entry(VGG19Pix2Pix, (512, 512), _KOH, frozen=True, reported=(21_364_035, 8_415_491)),
    "unet-small": Entry(UNetSmall, (224, 224), _KOH, reported=(9_325_601, 9_318_945)),
    "cnn-small": Entry(CNNSmall, (160, 240), _HOLM),
    "mobilenetv2-160x240": Entry(MobileNetV2Pix2Pix, (160, 240), _HOLM, frozen=True),
    "unet": Entry(UNet, (320, 320), _JOIS),
    "unet-deep": Entry(UNetDeep, (1024, 1024), _SEGNET),
    "deeplabv3plus-resnet50": Entry(DeepLabV3Plus, (256, 256), _PARTS),
    "unet3d-views": Entry(UNet3DViews, (64, 96), f"carmask's own; the idea: {_KOH}"),
    "unet3d-views-apart": Entry(UNet3DViewsApart, (64, 96), "carmask's own: the same view by view"),
}


def find_network(name: str) -> Entry:
    """Look a network up.

    Args:
        name: of the table, or ``smp:<architecture>:<encoder>``.

    Returns:
        Its row; one made for the occasion for ``smp:`` names, whose parts are checked when it is built.

    Raises:
        UnknownNameError: if no network has this name; the message lists those there are.
    """
    if name.startswith(PREFIX):
        return Entry(lambda classes: SMPNetwork(name, classes), (512, 512), "segmentation_models_pytorch")
    if name not in NETWORKS:
        raise UnknownNameError(
            f"there is no network {name!r}; choose one of: {', '.join(sorted(NETWORKS))}, or "
            "smp:<architecture>:<encoder>"
        )
    return NETWORKS[name]


def build(name: str, classes: int = 1) -> SegmentationNetwork:
    """Build a network with random weights.

    Args:
        name: of the table, or ``smp:<architecture>:<encoder>``.
        classes: what is told from background: 1 for the car, or the number of its parts.

    Raises:
        UnknownNameError: if no network has this name; the message lists those there are.
    """
    return find_network(name).build(classes)
