"""Asking for a GPU. No GPU is needed: ONNX Runtime is stood in for by what it is known to do."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from carmask.errors import DeviceError, ModelError
from carmask.model.runtime import load_model

CUDA, TENSORRT, CPU = "CUDAExecutionProvider", "TensorrtExecutionProvider", "CPUExecutionProvider"


def pretend(monkeypatch, available, active, error=None):
    """An onnxruntime that offers some providers, and then uses others."""
    asked = []

    class InferenceSession:
        def __init__(self, path, providers):
            asked.append((path, providers))
            if error is not None:
                raise error

        def get_providers(self):
            return active

        def run(self, outputs, inputs):
            assert outputs is None
            return [np.full((1, 32, 48), inputs["photo"].mean() / 255, np.float16)]

    module = SimpleNamespace(InferenceSession=InferenceSession, get_available_providers=lambda: available)
    monkeypatch.setitem(sys.modules, "onnxruntime", module)
    return asked


@pytest.mark.parametrize("device", ["cuda", "tensorrt"])
def test_without_onnx_runtime(tiny_model, monkeypatch, device):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(DeviceError, match=rf"{device} needs .*pip install 'carmask\[cuda\]'"):
        load_model(tiny_model, device=device)


@pytest.mark.parametrize(("device", "provider"), [("cuda", CUDA), ("tensorrt", TENSORRT)])
def test_nothing_falls_back_in_silence(tiny_model, monkeypatch, device, provider):
    pretend(monkeypatch, [CPU], [CPU])
    with pytest.raises(DeviceError, match=f"{device}: the installed onnxruntime has no {provider}"):
        load_model(tiny_model, device=device)
    pretend(monkeypatch, [TENSORRT, CUDA, CPU], [CPU] if device == "cuda" else [CUDA, CPU])
    with pytest.raises(DeviceError, match=f"{device}: no such device"):
        load_model(tiny_model, device=device)
    pretend(monkeypatch, [provider], [provider], error=RuntimeError("bad graph\nand more"))
    with pytest.raises(ModelError, match=r"cannot load it: bad graph$"):
        load_model(tiny_model, device=device)


@pytest.mark.parametrize(("device", "provider"), [("cuda", CUDA), ("tensorrt", TENSORRT)])
def test_the_provider_that_was_asked_for_runs(tiny_model, monkeypatch, device, provider):
    asked = pretend(monkeypatch, [TENSORRT, CUDA, CPU], [provider, CPU])
    network = load_model(tiny_model, device=device, streams=4)
    ((path, ((used, options),)),) = asked
    assert (path, used) == (str(tiny_model), provider)
    assert options == ({"trt_fp16_enable": True} if device == "tensorrt" else {})
    answer = network.run(np.full((32, 48, 3), 51, np.uint8))
    assert answer.dtype == np.float32
    assert answer == pytest.approx(0.2, abs=1e-3)
