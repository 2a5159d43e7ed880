"""Small networks beside the main one: some numbers for a small picture, on one core, in float32 everywhere."""

from __future__ import annotations

import queue
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.model.engine import core, openvino
from carmask.model.file import check_published
from carmask.model.upsampling import expand_weights


class SmallNetwork:
    """An ONNX file of the package: uint8 (1, height, width, 3) RGB to float32 (1, ...)."""

    def __init__(self, path: Path, *, streams: int = 1) -> None:
        """Load it.

        Args:
            path: the file; its card, of the same name with the suffix ``.md``, has its SHA-256.
            streams: pictures worked on at the same time, each on one core.

        Raises:
            ModelError: if it is missing or not the file that was published.
        """
        check_published(path)
        settings: dict[str, str | int | bool] = {
            "NUM_STREAMS": streams,
            "INFERENCE_NUM_THREADS": streams,
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "f32",
        }
        model = core().read_model(str(path))
        # OpenVINO computes 8-bit weights with a scale wrongly where there are several streams.
        expand_weights(model)
        compiled = core().compile_model(model, "CPU", settings)
        self._idle: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
        for _ in range(streams):
            self._idle.put(compiled.create_infer_request())

    def run(self, pixels: Photo) -> NDArray[np.float32]:
        """Compute the numbers. May be called by several threads at the same time; they wait for a stream.

        Args:
            pixels: uint8 (height, width, 3), RGB, of the network's size.

        Returns:
            float32, of the shape that the network gives for one picture.
        """
        request = self._idle.get()
        try:
            request.infer({0: np.ascontiguousarray(pixels)[None]})
            numbers: NDArray[np.float32] = request.get_output_tensor().data[0].astype(np.float32, copy=True)
        finally:
            self._idle.put(request)
        return numbers
