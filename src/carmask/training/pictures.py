"""What a trained network does to validation photos, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.data.sheet import Tile, make_sheet, overlay
from carmask.data.table import Example
from carmask.evaluation.overlap import dice
from carmask.images import ReducedPhoto, read_photo, write_picture
from carmask.prediction.predict import predict
from carmask.prediction.stages import network_input
from carmask.training.predictor import TorchNetwork

SHEET_FILE = "sheet.png"
CHANNELS_FILE = "channels.png"
#: Colours of the channels on top of each other, as the source has them: red is background, green the car.
_CHANNEL_COLOURS = ((255, 0, 0), (0, 255, 0), (0, 0, 255))


def write_pictures(network: TorchNetwork, examples: Sequence[Example], run: Path) -> list[Path]:
    """Write ``sheet.png`` and, for heads of several channels, ``channels.png``.

    Args:
        network: a trained network.
        examples: the photos to show.
        run: the folder to write to.

    Returns:
        The files.

    Raises:
        PhotoError: if a photo or mask cannot be read.
        OutputError: if a file cannot be written.
    """
    rows, channel_rows = [], []
    for example in examples:
        photo, truth = read_photo(example.photo), example.read_mask()
        found = predict(network, photo)
        rows.append(
            [
                Tile(example.name, photo),
                Tile("truth", truth.astype(np.uint8) * np.uint8(255)),
                Tile(f"prediction, Dice {dice(found.mask, truth):.4f}", found.mask.astype(np.uint8) * np.uint8(255)),
                Tile("overlay", overlay(photo, found.mask)),
            ]
        )
        if network.model.network.channels > 1:
            channel_rows.append(_channels(network, example.name, photo))
    written = [run / SHEET_FILE]
    write_picture(written[0], make_sheet(rows))
    if channel_rows:
        written.append(run / CHANNELS_FILE)
        write_picture(written[1], make_sheet(channel_rows, width=240))
    return written


def _channels(network: TorchNetwork, name: str, photo: Photo) -> list[Tile]:
    """Each channel's share of the probability by itself, then all of them (the first three classes) in colour."""
    small = network_input(network, ReducedPhoto(photo, (photo.shape[0], photo.shape[1])))
    shares = network.scores(small)[0].softmax(0).cpu().numpy()
    classes = network.info.classes
    names = ["background", "mask 1", "mask 2"] if len(classes) == 1 else ["background", *classes]
    # 18 parts do not fit on a sheet; those that are there do.
    largest = np.argsort(-shares.mean(axis=(1, 2)), kind="stable")[:8]
    shown = sorted(largest.tolist())
    colours = np.array(_CHANNEL_COLOURS if len(classes) == 1 else _palette(len(shares)), np.float32)
    mixed: NDArray[np.uint8] = np.clip(np.tensordot(shares, colours, axes=(0, 0)), 0, 255).astype(np.uint8)
    singles = [Tile(names[index], (shares[index] * 255).astype(np.uint8)) for index in shown]
    return [Tile(name, small), *singles, Tile("all channels", mixed)]


def _palette(count: int) -> list[tuple[int, int, int]]:
    """Black for background, then hues spread by the golden angle, so that neighbours differ."""
    import colorsys

    colours = [(0, 0, 0)]
    for index in range(count - 1):
        red, green, blue = colorsys.hsv_to_rgb(index * 0.381966 % 1.0, 0.8, 1.0)
        colours.append((round(255 * red), round(255 * green), round(255 * blue)))
    return colours
