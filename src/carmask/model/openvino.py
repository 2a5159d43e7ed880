"""Run a model file on the processor, with OpenVINO."""

from __future__ import annotations

import queue
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo, Probability
from carmask.errors import ModelError
from carmask.geometry import Size
from carmask.model.engine import openvino
from carmask.model.info import ModelInfo
from carmask.model.int8 import round_convolutions
from carmask.model.network import car_of_parts
from carmask.model.precision import Precision, choose_precision
from carmask.model.upsampling import merge_upsampling

_Settings: TypeAlias = dict[str, str | int | bool]
_Requests: TypeAlias = "queue.SimpleQueue[openvino.InferRequest]"


class OpenVINONetwork:
    """A model file, compiled for this processor."""

    def __init__(
        self, path: Path, info: ModelInfo, *, streams: int | None = None, precision: Precision | None = None
    ) -> None:
        """Compile the model.

        Args:
            path: the ONNX file.
            info: its description.
            streams: photos predicted at the same time, each on one core; None for one at a time on all cores.
            precision: the arithmetic to compute in; None for the fastest that loses nothing on this processor.

        Raises:
            ModelError: if the graph is damaged or is not one of carmask's.
        """
        self.info = info
        self.precision = choose_precision(info) if precision is None else precision
        settings: _Settings = {"PERFORMANCE_HINT": "LATENCY"}
        if streams is not None:
            # Not pinned to cores: several workers on one machine would all pin themselves to the first ones.
            settings = {"NUM_STREAMS": streams, "INFERENCE_NUM_THREADS": streams, "ENABLE_CPU_PINNING": False}
        # Said in any case: OpenVINO's own choice does not know of limits set for oneDNN, and would emulate bf16.
        settings["INFERENCE_PRECISION_HINT"] = self.precision.floats
        sizes = {info.size} if info.localisation_size is None else {info.size, info.localisation_size}
        self._idle = {size: self._compile(path, size, settings, streams or 1) for size in sizes}

    def run(self, pixels: Photo) -> Probability:
        """Predict, as ``Network`` says: uint8 (height, width, 3) RGB to float32 (height, width) in [0, 1].

        Threads wait for a stream.
        """
        return car_of_parts(self._run(pixels)) if self.info.parts else self._run(pixels)

    def run_parts(self, pixels: Photo) -> NDArray[np.float32]:
        """Predict the parts: float32 (1 + parts, ``*info.size``); see ``Network``."""
        return self._run(pixels)

    def _run(self, pixels: Photo) -> NDArray[np.float32]:
        idle = self._idle[pixels.shape[0], pixels.shape[1]]
        request = idle.get()
        try:
            # OpenVINO shares only memory that it may write to, which it does not do with an input.
            shared = np.require(pixels, requirements=["C", "W"])[None]
            request.infer([openvino.Tensor(shared, shared_memory=True)])
            # Copied: the request's own memory is overwritten by the next photo.
            found: NDArray[np.float32] = request.get_output_tensor().data[0].astype(np.float32, copy=True)
        finally:
            idle.put(request)
        return found

    def _compile(self, path: Path, size: Size, settings: _Settings, count: int) -> _Requests:
        """Compile a model for photos of one size, and make requests that are idle."""
        try:
            model = read_merged(path, size)
            if self.precision.int8 != "none":
                round_convolutions(model, self.info.ranges, headroom=self.precision.int8 == "headroom")
            compiled = openvino.Core().compile_model(model, "CPU", settings)
        except RuntimeError as error:
            raise ModelError(f"{path}: OpenVINO cannot load it: {str(error).strip().splitlines()[-1]}") from error
        requests: _Requests = queue.SimpleQueue()
        for _ in range(count):
            requests.put(compiled.create_infer_request())
        return requests


def read_merged(path: Path, size: Size) -> openvino.Model:
    """Read a model's graph for photos of one size, its decoder merged (``merge_upsampling``).

    Raises:
        ModelError: if it does not take such photos.
        RuntimeError: if OpenVINO cannot read it.
    """
    model = openvino.Core().read_model(str(path))
    shape = [1, *size, 3]
    if len(model.inputs) != 1 or not model.input().partial_shape.compatible(openvino.PartialShape(shape)):
        raise ModelError(f"{path}: its graph does not take a photo of shape {shape}, as its description says")
    if model.is_dynamic():
        model.reshape(shape)
    merge_upsampling(model)
    return model
