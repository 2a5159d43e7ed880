"""Run a model file on the processor, with OpenVINO."""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo, Probability
from carmask.errors import ModelError
from carmask.failures import last_line
from carmask.geometry import Size
from carmask.model.engine import core, openvino
from carmask.model.info import ModelInfo
from carmask.model.int8 import round_convolutions
from carmask.model.network import COARSE, DETAIL, FAMILIAR, GRAPHS, GUIDE, PHOTO, UNKNOWN, WHOLE, Stage, car_of_parts
from carmask.model.precision import Precision, choose_precision
from carmask.model.upsampling import expand_weights, merge_upsampling

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
        shared = info.localisation_size is not None and info.localisation is None
        sizes = {info.size, info.localisation_size or info.size} if shared else {info.size}
        self._idle = {size: self._compile(path, size, settings, streams or 1) for size in sizes}
        self._locating: _Requests | None = None
        if info.localisation is not None and info.localisation_size is not None:
            self._locating = self._compile(path, info.localisation_size, settings, streams or 1, "localisation")
        # Compiled when the first photo of its studio comes: most users have none.
        self._special: _Requests | None = None
        self._compile_special = partial(self._compile, path, info.size, settings, streams or 1, "specialist")
        self._lock = threading.Lock()
        self._refining: _Requests | None = None
        if info.refinement is not None:
            self._refining = self._compile(path, info.refinement.size, settings, streams or 1, "refinement")

    def run(self, pixels: Photo, guide: Probability | None = None, /) -> Probability:
        """Predict, as ``Network`` says: uint8 (height, width, 3) RGB to float32 (height, width) in [0, 1].

        Threads wait for a stream.
        """
        return car_of_parts(self._run(pixels, guide)) if self.info.parts else self._run(pixels, guide)

    def locate(self, pixels: Photo, /) -> Probability:
        """Find the car in a whole photo: uint8 (``*info.localisation_size``, 3) RGB to float32 in [0, 1]."""
        assert self._locating is not None
        return _infer(self._locating, {WHOLE: pixels})

    def specialise(self, pixels: Photo, /) -> Probability:
        """Predict a photo of the specialist's studio: uint8 (``*info.size``, 3) RGB to float32 in [0, 1].

        Raises:
            ModelError: at the first call, if its graph is damaged.
        """
        with self._lock:
            if self._special is None:
                self._special = self._compile_special()
        return _infer(self._special, {FAMILIAR: pixels})

    def refine(self, pixels: Photo, coarse: Probability, /) -> Probability:
        """Move the contour: uint8 (``*info.refinement.size``, 3) RGB and float32 of this size to float32 in [0, 1]."""
        assert self._refining is not None
        return _infer(self._refining, {DETAIL: pixels, COARSE: coarse})

    def run_parts(self, pixels: Photo) -> NDArray[np.float32]:
        """Predict the parts: float32 (1 + parts, ``*info.size``); see ``Network``."""
        return self._run(pixels)

    def _run(self, pixels: Photo, guide: Probability | None = None) -> NDArray[np.float32]:
        inputs: dict[str, NDArray[np.uint8] | NDArray[np.float32]] = {PHOTO: pixels}
        if self.info.guided:
            inputs[GUIDE] = np.full(self.info.size, UNKNOWN, np.float32) if guide is None else guide
        return _infer(self._idle[pixels.shape[0], pixels.shape[1]], inputs)

    def _compile(
        self, path: Path, size: Size, settings: _Settings, count: int, stage: Stage = "segmentation"
    ) -> _Requests:
        """Compile a model for photos of one size, and make requests that are idle."""
        try:
            model = read_merged(path, size, stage)
            if self.precision.int8 != "none":
                round_convolutions(model, self.info.ranges, headroom=self.precision.int8 == "headroom")
            compiled = core().compile_model(model, "CPU", settings)
        except (RuntimeError, UnicodeDecodeError) as error:  # also of a message that holds damaged names
            raise ModelError(f"{path}: OpenVINO cannot load it: {last_line(error)}") from error
        requests: _Requests = queue.SimpleQueue()
        for _ in range(count):
            requests.put(compiled.create_infer_request())
        return requests


def _infer(idle: _Requests, inputs: Mapping[str, NDArray[np.uint8] | NDArray[np.float32]]) -> NDArray[np.float32]:
    """Compute a graph's output, float32 without the batch's axis; wait for an idle request."""
    request = idle.get()
    try:
        # OpenVINO shares only memory that it may write to, which it does not do with an input.
        shared = {name: np.require(values, requirements=["C", "W"])[None] for name, values in inputs.items()}
        request.infer({name: openvino.Tensor(values, shared_memory=True) for name, values in shared.items()})
        # Copied: the request's own memory is overwritten by the next photo.
        found: NDArray[np.float32] = request.get_output_tensor().data[0].astype(np.float32, copy=True)
    finally:
        idle.put(request)
    return found


def read_merged(path: Path, size: Size, stage: Stage = "segmentation", *, upsampling: bool = True) -> openvino.Model:
    """Read a model's graph for photos of one size, its decoder merged (``merge_upsampling``).

    Args:
        path: the model file.
        size: (height, width) of the photos.
        stage: whose graph, of files with several.
        upsampling: merge it; else the graph stays as it is in the file.

    Raises:
        ModelError: if it does not take such photos.
        RuntimeError: if OpenVINO cannot read it.
    """
    graph = GRAPHS[stage]
    model = _graph_of(core().read_model(str(path)), stage)
    shapes = {one.any_name: [1, *size] if one.any_name == graph.guide else [1, *size, 3] for one in model.inputs}
    fits = all(one.partial_shape.compatible(openvino.PartialShape(shapes[one.any_name])) for one in model.inputs)
    if not fits or not {*shapes} - {graph.guide} <= {graph.photo}:
        raise ModelError(f"{path}: its graph does not take a photo of shape {[1, *size, 3]}, as its description says")
    if model.is_dynamic():
        model.reshape(shapes)
    expand_weights(model)
    if upsampling:
        merge_upsampling(model)
    return model


def _graph_of(model: openvino.Model, stage: Stage) -> openvino.Model:
    """One of a file's disjoint graphs, or the only one."""
    if len(model.outputs) == 1:
        return model
    graph = GRAPHS[stage]
    result = model.output(graph.output).get_node()
    inputs = [one.get_node() for one in model.inputs if one.any_name in {graph.photo, graph.guide}]
    return openvino.Model([result], inputs, graph.output)
