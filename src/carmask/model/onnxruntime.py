"""Run a model file on an NVIDIA GPU, with ONNX Runtime (the ``[cuda]`` extra)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo, Probability
from carmask.errors import DeviceError, ModelError
from carmask.failures import first_line
from carmask.geometry import Size
from carmask.model.info import ModelInfo
from carmask.model.network import GRAPHS, PHOTO, UNKNOWN, Device, Stage, car_of_parts

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
            raise ModelError(f"{path}: ONNX Runtime cannot load it: {first_line(error)}") from error
        # Asked for a GPU, ONNX Runtime falls back to the processor with no more than a warning.
        if provider not in self._session.get_providers():
            raise DeviceError(
                f"{device}: no such device can be used on this machine; give device='cpu'", argument="device"
            )

    def run(self, pixels: Photo, guide: Probability | None = None, /) -> Probability:
        """Predict, as ``Network`` says: uint8 (``*info.size``, 3) RGB to float32 (``*info.size``) in [0, 1]."""
        return car_of_parts(self.run_parts(pixels)) if self.info.parts else self._run("segmentation", pixels, guide)

    def locate(self, pixels: Photo, /) -> Probability:
        """Find the car in a whole photo: uint8 (``*info.localisation_size``, 3) RGB to float32 in [0, 1]."""
        return self._run("localisation", pixels)

    def specialise(self, pixels: Photo, /) -> Probability:
        """Predict a photo of the specialist's studio: uint8 (``*info.size``, 3) RGB to float32 in [0, 1]."""
        return self._run("specialist", pixels)

    def refine(self, pixels: Photo, coarse: Probability, /) -> Probability:
        """Move the contour: uint8 (``*info.refinement.size``, 3) RGB and float32 of this size to float32 in [0, 1]."""
        return self._run("refinement", pixels, coarse)

    def run_parts(self, pixels: Photo) -> NDArray[np.float32]:
        """Predict the parts: float32 (1 + parts, ``*info.size``); see ``Network``."""
        return self._run("segmentation", pixels)

    def _run(self, stage: Stage, pixels: Photo, guide: Probability | None = None) -> NDArray[np.float32]:
        pixels = np.ascontiguousarray(pixels)[None]
        if self.info.localisation is None and self.info.refinement is None:
            (found,) = self._session.run(None, {PHOTO: pixels})
            return np.asarray(found[0], np.float32)
        import onnxruntime

        # All inputs of a file must be given, but only those that the output needs are read.
        given: dict[str, NDArray[np.uint8] | NDArray[np.float32]] = {}
        for name, size in self._sizes().items():
            graph = GRAPHS[name]
            given[graph.photo] = np.zeros((1, *size, 3), np.uint8)
            if name == "refinement" or (name == "segmentation" and self.info.guided):
                given[graph.guide] = np.full((1, *size), UNKNOWN, np.float32)
        given[GRAPHS[stage].photo] = pixels
        if guide is not None and GRAPHS[stage].guide in given:
            given[GRAPHS[stage].guide] = np.ascontiguousarray(guide)[None]
        options = onnxruntime.RunOptions()
        options.only_execute_path_to_fetches = True
        (found,) = self._session.run([GRAPHS[stage].output], given, options)
        return np.asarray(found[0], np.float32)

    def _sizes(self) -> dict[Stage, Size]:
        """(height, width) of the inputs of the file's graphs."""
        sizes: dict[Stage, Size] = {"segmentation": self.info.size}
        if self.info.localisation is not None and self.info.localisation_size is not None:
            sizes["localisation"] = self.info.localisation_size
        if self.info.specialist is not None:
            sizes["specialist"] = self.info.size
        if self.info.refinement is not None:
            sizes["refinement"] = self.info.refinement.size
        return sizes
