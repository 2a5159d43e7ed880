"""Run a model file on the processor, with OpenVINO."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openvino

from carmask.arrays import Photo, Probability
from carmask.errors import ModelError
from carmask.inference.model import ModelInfo


class CpuNetwork:
    """A model file, compiled for this processor."""

    def __init__(self, path: Path, info: ModelInfo) -> None:
        """Compile the model.

        Args:
            path: the ONNX file.
            info: its description.

        Raises:
            ModelError: if the graph is damaged or is not one of carmask's.
        """
        self.info = info
        try:
            core = openvino.Core()
            # Latency mode: one photo at a time on all cores. bf16 is used where the processor computes in it.
            compiled = core.compile_model(str(path), "CPU", {"PERFORMANCE_HINT": "LATENCY"})
        except RuntimeError as error:
            raise ModelError(f"{path}: OpenVINO cannot load it: {str(error).strip().splitlines()[-1]}") from error
        shape = [1, info.height, info.width, 3]
        if len(compiled.inputs) != 1 or list(compiled.input().shape) != shape:
            raise ModelError(f"{path}: its graph does not take a photo of shape {shape}, as its description says")
        self._request = compiled.create_infer_request()

    def run(self, pixels: Photo) -> Probability:
        """Predict: uint8 (``*info.size``, 3) RGB to float32 (``*info.size``) in [0, 1]."""
        self._request.infer([openvino.Tensor(np.ascontiguousarray(pixels)[None], shared_memory=True)])
        # Copied: the request's own memory is overwritten by the next photo.
        probability: Probability = self._request.get_output_tensor().data[0].astype(np.float32, copy=True)
        return probability
