"""From photos to the file of the plate network, and its card."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from carmask.images import write_atomically
from carmask.prediction.plates import INPUT
from carmask.training.plates.data import PlateCrop, read_crops, read_labels
from carmask.training.plates.network import PlateEncoder, PlateHead
from carmask.training.plates.samples import PlateSampleMaker
from carmask.training.plates.train import Settings, describe, train_head
from carmask.training.small_networks import EncoderWithHead, write_onnx
from carmask.words import counted

#: The key of the file's description.
METADATA_KEY = "carmask_plates"


def build_plates(
    out: Path,
    *,
    photos: Path,
    labels: Path | None,
    weights: Path | None,
    cache: Path,
    settings: Settings,
    report: Callable[[str, int, int], None] = lambda *_: None,
) -> Path:
    """Train the plate network and write ``plate.onnx`` and ``plate.md``, after each epoch.

    Args:
        out: the folder for both.
        photos: the folder that the labels' paths start from.
        labels: a table of plates; None for that of the shipped network.
        weights: ImageNet weights of the encoder; None for a download.
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
    encoder = PlateEncoder()
    encoder.load(weights)
    crops = read_crops(photos, read_labels(labels), cache, report)
    out.mkdir(parents=True, exist_ok=True)

    def keep(head: PlateHead) -> None:
        described = {METADATA_KEY: describe(settings, count(crops))}
        content = write_onnx(EncoderWithHead(encoder, head), described, INPUT)
        write_atomically(out / "plate.onnx", content)
        write_atomically(out / "plate.md", _card(content, settings, crops).encode())

    train_head(encoder, PlateSampleMaker(crops, seed=settings.seed), settings, report=report, keep=keep)
    return out / "plate.onnx"


def count(crops: list[PlateCrop]) -> dict[str, int]:
    """How many photos of each folder there are."""
    return dict(sorted(Counter(one.photo.partition("/")[0] for one in crops).items()))


def _card(content: bytes, settings: Settings, crops: list[PlateCrop]) -> str:
    plates = sum(one.corners is not None for one in crops)
    cells = f"{INPUT[0] // 4}, {INPUT[1] // 4}"
    sources = ", ".join(f"{number} of `{folder}`" for folder, number in count(crops).items())
    return f"""# plate

Where the number plates of a car are. Experimental: it misses plates; look at the results.

| | |
|---|---|
| file | `plate.onnx`, SHA-256 `{hashlib.sha256(content).hexdigest()}`, {len(content):,} bytes |
| network | EfficientNet-Lite0 to stride 16 as trained on ImageNet (Apache-2.0), and a head; weights of 8 bits |
| input | uint8 (1, {INPUT[0]}, {INPUT[1]}, 3), RGB: the car's box and 5 % around it, stretched |
| output | float32 (1, 9, {cells}): a plate's logit at each fourth pixel, and its corners from there |
| trained on | {counted(len(crops), "photo", thousands=True)}, {plates:,} of them with a plate: {sources} |
| settings | {settings.samples:,} samples, {settings.epochs} epochs, seed {settings.seed} |

`carvana`: photos of the Carvana Image Masking Challenge (its terms), with a dealer's plate each. `carparts`: DSMLR Car
Parts (Pasupa et al. 2021), whose plates are blurred or blank. `street`: phone photos of cars from the side, without
plates. Half of the plates are drawn over by ones of many countries' manners. No photo is part of the file.

Made by `examples/train_plates.py`. What it finds and misses: [Number plates](../../../../docs/how-to/plates.md).
"""
