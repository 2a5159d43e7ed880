"""From photos to the file of the view network, and its card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from carmask.images import write_atomically
from carmask.model.network import Network
from carmask.prediction.view import INPUT
from carmask.training.small_networks import EncoderWithHead, write_onnx
from carmask.training.views.data import Crops, read_labels, read_pictures
from carmask.training.views.network import ViewEncoder
from carmask.training.views.samples import SampleMaker
from carmask.training.views.train import Settings, describe, train_head

#: The key of the file's description.
METADATA_KEY = "carmask_views"


def build_views(
    out: Path,
    *,
    data: Path,
    pictures: Path,
    wild: Path | None,
    weights: Path | None,
    network: Network,
    cache: Path,
    settings: Settings,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> Path:
    """Train the view network and write ``view.onnx`` and ``view.md``.

    Args:
        out: the folder for both.
        data: the challenge's photos and masks.
        pictures: pictures without a car.
        wild: the folder that the labels' paths start from; None for the studio alone.
        weights: ImageNet weights of the encoder; None for a download.
        network: finds the cars of ``wild``; its training cars are trained on.
        cache: keeps the crops.
        settings: how to train.
        report: called with what is being done, how much of it is, and of how much.

    Returns:
        The network's file.

    Raises:
        DataError: if there is nothing to train on.
        WeightsError: if there are no weights of the encoder.
        OutputError: if the files cannot be written.
    """
    encoder = ViewEncoder()
    encoder.load(weights)
    crops = Crops(cache, report)
    studio = crops.studio(data, network.info.training_cars)
    others = [] if wild is None else crops.wild(wild, read_labels(), network)
    maker = SampleMaker(studio, others, read_pictures(pictures), seed=settings.seed)
    head = train_head(encoder, maker, settings, report=report)
    description = describe(settings, len(studio), len(others))
    content = write_onnx(EncoderWithHead(encoder, head), {METADATA_KEY: description}, INPUT)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "view.onnx", content)
    write_atomically(out / "view.md", _card(content, settings, len(studio), len(others)).encode())
    return out / "view.onnx"


def _card(content: bytes, settings: Settings, studio: int, others: int) -> str:
    return f"""# view

Which side of a car a photo shows, whether it shows a whole car, several cars, and how far the camera was tilted.

| | |
|---|---|
| file | `view.onnx`, SHA-256 `{hashlib.sha256(content).hexdigest()}`, {len(content):,} bytes |
| network | EfficientNet-Lite0 to stride 16 as trained on ImageNet (Apache-2.0), and a head; weights of 8 bits |
| input | uint8 (1, 96, 160, 3), RGB: the car cut out, on grey 127 |
| output | float32 (1, 19): logits of the views 1 to 16, of a whole car and of several cars; tilt in tens of degrees |
| trained on | {studio:,} photos of the Carvana Image Masking Challenge (its terms), {others:,} of other places |
| settings | {settings.samples:,} samples, {settings.epochs} epochs, seed {settings.seed} |

Made by `examples/train_views.py`. What it gets right: [Checks and views](../../../../docs/how-to/checks-and-views.md).
"""
