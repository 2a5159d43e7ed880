"""Load a model file into the runtime of a device."""

from __future__ import annotations

from pathlib import Path

from carmask.errors import check_choice
from carmask.model.file import DEFAULT, check_shipped, find_model, read_info
from carmask.model.network import Device, Network

__all__ = ["DEFAULT_MODEL", "Device", "load_model"]

DEFAULT_MODEL = DEFAULT


def load_model(model: str | Path = DEFAULT_MODEL, *, device: Device = "cpu", streams: int | None = None) -> Network:
    """Load a model.

    Args:
        model: a path, or the name of a shipped model.
        device: ``cpu`` runs OpenVINO, ``cuda`` runs ONNX Runtime's TensorRT or CUDA provider.
        streams: how many photos are predicted at the same time, each on one processor core: the most photos an hour.
            None predicts one at a time on all cores: the least time for a photo. On ``cuda`` it makes no difference.

    Returns:
        The network, ready to run.

    Raises:
        ModelError: if there is no such model, or its file is damaged.
        DeviceError: if the device is not available.
        UsageError: if there is no device of this name.
    """
    check_choice(device, Device, "device")
    path = find_model(model)
    check_shipped(path)
    info = read_info(path)
    if device != "cpu":
        from carmask.model.onnxruntime import OnnxRuntimeNetwork

        return OnnxRuntimeNetwork(path, info, device)
    from carmask.model.openvino import OpenVINONetwork

    return OpenVINONetwork(path, info, streams=streams)
