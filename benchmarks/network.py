"""The default network alone, in floats and in 8 bits: one photo at a time on all cores, and one photo on each core.

    python benchmarks/network.py [--data DIR] [--photos 8] [--rounds 20]

Wall time of all looks at a photo, since cores work together; the two take turns, and the least of the rounds counts.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from _bench import arguments, photos, table
from carmask.machine import available_cores
from carmask.model.file import find_model, read_info
from carmask.model.openvino import OpenVINONetwork
from carmask.model.runtime import DEFAULT_MODEL
from carmask.prediction.predict import open_for
from carmask.prediction.stages import predict_map


class Recorder:
    """A network that keeps what it is shown of each photo: one look, or two."""

    def __init__(self, network: OpenVINONetwork) -> None:
        self.info, self._network = network.info, network
        self.looks: list[list[np.ndarray]] = []

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """Keep it, and predict."""
        self.looks[-1].append(pixels)
        return self._network.run(pixels)

    run_parts = run


def main() -> None:
    """Print the table."""
    given = arguments(__doc__, photos=8, rounds=20)
    found, what = photos(given.data)
    path = find_model(DEFAULT_MODEL)
    info = read_info(path)
    kinds = {"floats": info.model_copy(update={"ranges": {}}), "8 bits": info}
    every = available_cores()
    networks = {
        (kind, streams): OpenVINONetwork(path, known, streams=streams)
        for kind, known in kinds.items()
        for streams in (None, every)
    }
    recorder = Recorder(next(iter(networks.values())))
    for number in range(given.photos):
        recorder.looks.append([])
        predict_map(recorder, open_for(recorder, found[number % len(found)]))
    least = dict.fromkeys(networks, np.inf)
    for _ in range(given.rounds):
        for key, network in networks.items():
            with ThreadPoolExecutor(key[1] or 1) as pool:
                for pixels in recorder.looks[0]:
                    network.run(pixels)
                started = time.perf_counter()
                list(pool.map(lambda looks, run=network.run: [run(pixels) for pixels in looks], recorder.looks))
                least[key] = min(least[key], (time.perf_counter() - started) / given.photos * 1e3)
    table(
        f"{given.photos} {what} photos, {every} cores, 8 bits: {networks['8 bits', None].precision}",
        ["ms a photo, one at a time", f"ms a photo, {every} at a time", "ratio", "ratio"],
        {
            kind: [
                f"{least[kind, None]:.1f}",
                f"{least[kind, every]:.1f}",
                f"{least[kind, None] / least['8 bits', None]:.2f}",
                f"{least[kind, every] / least['8 bits', every]:.2f}",
            ]
            for kind in kinds
        },
    )


if __name__ == "__main__":
    main()
