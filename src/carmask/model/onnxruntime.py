"""Run a model file on an NVIDIA GPU, with ONNX Runtime (the ``[cuda]`` extra)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo, Probability
from carmask.errors import DeviceError, ModelError
from carmask.model.info import ModelInfo
from carmask.model.network import GUIDE, LOCATED, PHOTO, PROBABILITY, UNKNOWN, WHOLE, Device, car_of_parts

_PROVIDERS = {"cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider"}


class OnnxRuntimeNetwork:
    """A model file on the GPU. There is no silent way back to the processor, nor from TensorRT to CUDA."""

    def __init__(self, path: Path, info: ModelInfo, device: Device = "cuda") -> None:
        """Load the model.

        Args:
            path: the ONNX file.
            info: its description.
            device: ``cuda`` or ``tensorrt``. TensorRT computes in half precision, and builds its engine first, which
                takes minutes.

        Raises:
            DeviceError: if ONNX Runtime with this provider, or a GPU, is missing.
            ModelError: if the graph is damaged.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise DeviceError(
                f"{device} needs ONNX Runtime for CUDA: pip install 'carmask[cuda]'", argument="device"
            ) from error
        provider = _PROVIDERS[device]
        if provider not in onnxruntime.get_available_providers():
            raise DeviceError(
                f"{device}: the installed onnxruntime has no {provider}; pip install 'carmask[cuda]' in its place",
                argument="device",
            )
        self.info = info
        options = {"trt_fp16_enable": True} if device == "tensorrt" else {}
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=[(provider, options)])
        except Exception as error:  # its exceptions share no public base class
            raise ModelError(f"{path}: ONNX Runtime cannot load it: {str(error).splitlines()[0]}") from error
        # Asked for a GPU, ONNX Runtime falls back to the processor with no more than a warning.
        if provider not in self._session.get_providers():
            raise DeviceError(
                f"{device}: no such device can be used on this machine; give device='cpu'", argument="device"
            )

    def run(self, pixels: Photo, guide: Probability | None = None, /) -> Probability:
        """Predict, as ``Network`` says: uint8 (``*info.size``, 3) RGB to float32 (``*info.size``) in [0, 1]."""
        return car_of_parts(self.run_parts(pixels)) if self.info.parts else self._run(PROBABILITY, pixels, guide)

    def locate(self, pixels: Photo, /) -> Probability:
        """Find the car in a whole photo: uint8 (``*info.localisation_size``, 3) RGB to float32 in [0, 1]."""
        return self._run(LOCATED, pixels)

    def run_parts(self, pixels: Photo) -> NDArray[np.float32]:
        """Predict the parts: float32 (1 + parts, ``*info.size``); see ``Network``."""
        return self._run(PROBABILITY, pixels)

    def _run(self, output: str, pixels: Photo, guide: Probability | None = None) -> NDArray[np.float32]:
        pixels = np.ascontiguousarray(pixels)[None]
        if self.info.localisation is None:
            (found,) = self._session.run(None, {PHOTO: pixels})
            return np.asarray(found[0], np.float32)
        import onnxruntime

        # All inputs of a file must be given, but only those that the output needs are read.
        size, whole = self.info.size, self.info.localisation_size or self.info.size
        given: dict[str, NDArray[np.uint8] | NDArray[np.float32]] = {}
        given |= {PHOTO: np.zeros((1, *size, 3), np.uint8), WHOLE: np.zeros((1, *whole, 3), np.uint8)}
        if self.info.guided:
            known = np.full(size, UNKNOWN, np.float32) if guide is None else np.ascontiguousarray(guide)
            given[GUIDE] = known[None]
        given[WHOLE if output == LOCATED else PHOTO] = pixels
        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True
        (found,) = self._session.run([output], given, options)
        return np.asarray(found[0], np.float32)
