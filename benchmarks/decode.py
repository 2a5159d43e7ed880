"""What each step of a photo costs besides the network, and what decoding at reduced size does to masks.

    python benchmarks/decode.py [--data DIR] [--photos 16] [--rounds 5] [--agreement 24]

Processor time of one thread, the best of some rounds over all photos. The second table compares masks of the default
model: photos decoded whole and averaged to the network's input, beside photos decoded and made smaller as ``cut`` does.
Where DIR has ``train_masks/``, the truth of the model's validation cars is at hand as well: their photos (WebP there)
are written as JPEG of quality 92 first, since only JPEG can be decoded at reduced size.
"""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from _bench import arguments, linked, measure, photos, processor_ms, table
from _bench import carmask as command
from carmask import geometry
from carmask.batch.job import Job
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoCutter
from carmask.batch.storage import LocalStorage
from carmask.evaluation.overlap import dice
from carmask.formats.rle import rle_encode
from carmask.images import ReducedPhoto, encode_mask, open_photo, open_reduced, picture_size, read_mask, read_photo
from carmask.model.network import Network
from carmask.model.runtime import load_model
from carmask.prediction.confidence import estimate_confidence
from carmask.prediction.crops import crop_photo
from carmask.prediction.predict import open_for, predict_reduced
from carmask.prediction.stages import find_crop, predict_map


class Idle:
    """A network that answers at once: what is left is everything else."""

    def __init__(self, network: Network, photo: ReducedPhoto) -> None:
        self.info, self._network = network.info, network
        self._answers: dict[tuple[int, ...], np.ndarray] = {}
        predict_map(self, photo)

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """The same probabilities for any photo of a size."""
        size = pixels.shape[:2]
        if size not in self._answers:
            self._answers[size] = self._network.run(pixels)
        return self._answers[size]


def steps(found: list[Path], what: str, rounds: int, network: Network) -> None:
    """Print what each step costs."""
    info = network.info
    content = {path: path.read_bytes() for path in found}
    reduced = {path: open_for(network, path) for path in found}
    idle = Idle(network, reduced[found[0]])
    regions = {path: find_crop(idle, photo) for path, photo in reduced.items()}
    prob_map = predict_map(idle, reduced[found[0]])
    mask = prob_map.mask(info.threshold)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        both = PhotoCutter(idle, OutputSpec(mask=True), LocalStorage())
        rows = {
            "read": lambda p: p.read_bytes(),
            "SHA-256": lambda p: hashlib.sha256(content[p]).hexdigest(),
            "size from the header": lambda p: picture_size(p, content[p]),
            "decode, reduced if it may be": lambda p: open_for(network, p, content[p]),
            "localisation stage, if there is one": lambda p: find_crop(idle, reduced[p]),
            "into the network's input": lambda p: crop_photo(reduced[p].pixels, regions[p]),
            "confidence": lambda _: estimate_confidence(prob_map, info),
            "enlarge and threshold": lambda _: prob_map.mask(info.threshold),
            "mask to PNG": lambda _: encode_mask(mask),
            "mask to run lengths": lambda _: rle_encode(mask),
            "all of cut --mask, writing included": lambda p: both(Job(p, p.stem, (out / f"{p.stem}.png",))),
        }
        costs = {name: processor_ms(step, found, rounds) for name, step in rows.items()}
    total = costs["all of cut --mask, writing included"]
    table(f"all but the network, {len(found)} {what} photos", ["ms of processor", "share"],
          {name: [cost, cost / total] for name, cost in costs.items()})  # fmt: skip
    print()
    instead = {
        "decode, reduced if it may be": costs["decode, reduced if it may be"],
        "decode whole (Pillow)": processor_ms(lambda p: open_photo(p, content[p]), found, rounds),
        "decode whole (OpenCV)": processor_ms(
            lambda p: cv2.imdecode(np.frombuffer(content[p], np.uint8), cv2.IMREAD_COLOR), found, rounds
        ),
        "into the input": costs["into the network's input"],
    }
    with by_areas():
        instead["into the input by areas"] = processor_ms(
            lambda p: crop_photo(reduced[p].pixels, regions[p]), found, rounds
        )
    base = instead["decode, reduced if it may be"]
    table("instead", ["ms of processor", "ratio"], {name: [cost, cost / base] for name, cost in instead.items()})
    print()


@contextmanager
def by_areas() -> Iterator[None]:
    """Average areas on all ways into the input, where the short ones interpolate."""
    kept = geometry.LINEAR_BELOW, geometry.HALVED_BELOW
    geometry.LINEAR_BELOW = geometry.HALVED_BELOW = 1.0
    try:
        yield
    finally:
        geometry.LINEAR_BELOW, geometry.HALVED_BELOW = kept


def agreement(data: Path, found: list[Path], what: str, count: int, network: Network) -> None:
    """Print how masks change."""
    truths: dict[Path, Path] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, car in enumerate(network.info.validation_cars[:count]):
            stem = f"{car}_{number % 16 + 1:02d}"
            source, truth = data / "train" / f"{stem}.webp", data / "train_masks" / f"{stem}_mask.png"
            if source.is_file() and truth.is_file():
                path = Path(folder) / f"{stem}.jpg"
                Image.open(source).convert("RGB").save(path, quality=92)
                truths[path] = truth
        paths = list(truths) or found[:count]
        scores: dict[str, list[tuple[float, float]]] = {}
        for path in paths:
            pixels = read_photo(path)
            size = (pixels.shape[0], pixels.shape[1])
            reduced = open_for(network, path)
            buffer = io.BytesIO()
            Image.fromarray(pixels).save(buffer, "JPEG", quality=92)
            with by_areas():
                exact = predict_reduced(network, ReducedPhoto(pixels, size)).mask
            masks = {
                "whole, by areas": exact,
                "as cut does": predict_reduced(network, reduced).mask,
                "whole, but saved as JPEG once more": predict_reduced(
                    network, open_reduced(path, lambda size: size, buffer.getvalue())
                ).mask,
            }
            truth = read_mask(truths[path]) if path in truths else masks["whole, by areas"]
            for name, mask in masks.items():
                scores.setdefault(name, []).append((dice(mask, truth), dice(mask, masks["whole, by areas"])))
    means = {name: np.array(values) for name, values in scores.items()}
    table(
        f"masks of {len(paths)} {'validation' if truths else what} photos, Dice",
        ["with the truth" if truths else "with itself", "with whole: mean", "minimum"],
        {
            name: [f"{values[:, 0].mean():.5f}", f"{values[:, 1].mean():.5f}", f"{values[:, 1].min():.5f}"]
            for name, values in means.items()
        },
    )
    print()


def main() -> None:
    """Print the tables."""
    given = arguments(__doc__, photos=16, rounds=5, agreement=24, run=100)
    cv2.setNumThreads(1)
    found, what = photos(given.data)
    picked = found[:: max(1, len(found) // given.photos)][: given.photos]
    network = load_model()
    steps(picked, what, given.rounds, network)
    agreement(given.data, picked, what, given.agreement, network)
    with tempfile.TemporaryDirectory() as folder:
        source = linked(found, given.run, Path(folder) / "photos")
        one = linked(found, 1, Path(folder) / "one")
        many = measure(command("cut", source, "-o", Path(folder) / "many", "--mask"))
        start = measure(command("cut", one, "-o", Path(folder) / "few", "--mask"))
    each = (many.processor - start.processor) / (given.run - 1) * 1e3
    print(f"cut --mask, whole program: {each:.1f} ms of processor time a photo beyond the first, the network included")


if __name__ == "__main__":
    main()
