"""The view network: the first half of EfficientNet-Lite0, as ImageNet has trained it, and a small head.

EfficientNet-Lite0 (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite, after Tan & Le
2019, https://arxiv.org/abs/1905.11946) to stride 16, in timm's layers and names. What ImageNet has taught stays as it
is: it holds for cars of all places, while the studio's cars are alike. The head keeps where things are, for a car that
is mirrored is another view.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from carmask.errors import WeightsError
from carmask.geometry import Size
from carmask.networks.weights import load_into, read_encoder_weights
from carmask.prediction.view import INPUT, VIEWS

#: timm's name of the encoder, the number of its stages that are used, and the channels of the last.
ENCODER, STAGES, CHANNELS = "tf_efficientnet_lite0", 4, 80
#: What is subtracted from values of 0 to 255, and what the rest is divided by, where the weights were trained.
MEAN, SCALE = 127.0, 128.0
#: Outputs: the views, whole car, several cars, tilt.
OUTPUTS = VIEWS + 3
_FILTERS, _HIDDEN = 64, 64


class ViewEncoder(nn.Module):
    """From uint8 (batch, height, width, 3), RGB, to float32 (batch, 80, height / 16, width / 16)."""

    def __init__(self) -> None:
        super().__init__()
        import timm

        whole = timm.create_model(ENCODER, pretrained=False)
        self.conv_stem, self.bn1 = whole.conv_stem, whole.bn1
        self.blocks = nn.Sequential(*list(whole.blocks)[:STAGES])  # type: ignore[arg-type]

    def load(self, file: Path | None) -> None:
        """Load ImageNet weights.

        Args:
            file: a safetensors file with timm's names, or None for timm's download.

        Raises:
            WeightsError: if the file is unreadable or is not of this encoder, or the download fails.
        """
        state = read_encoder_weights(file, _download)
        load_into(self, state, prefix="model.", what="EfficientNet-Lite0 in timm's layout", source=file)

    def forward(self, pixels: Tensor) -> Tensor:
        """Features of pictures."""
        images = (pixels.permute(0, 3, 1, 2).float() - MEAN) / SCALE
        features: Tensor = self.blocks(self.bn1(self.conv_stem(images)))  # type: ignore[operator]
        return features


class ViewHead(nn.Module):
    """From the encoder's features to scores: float32 (batch, 19), for ``carmask.prediction.view.read_scores``."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = nn.Sequential(
            nn.Conv2d(CHANNELS, _FILTERS, kernel_size=3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(_FILTERS),
            nn.ReLU(),
        )
        places = -(-INPUT[0] // 32) * -(-INPUT[1] // 32)
        self.scores = nn.Sequential(
            nn.Dropout(0.2),
            nn.Linear(_FILTERS * places, _HIDDEN),
            nn.ReLU(),
            nn.Dropout(0.1),
            nn.Linear(_HIDDEN, OUTPUTS),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Scores of features."""
        scores: Tensor = self.scores(self.reduce(features).flatten(1))
        return scores


class ViewModel(nn.Module):
    """Encoder and head, as the file holds them."""

    def __init__(self, encoder: ViewEncoder, head: ViewHead) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, pixels: Tensor) -> Tensor:
        """Scores of pictures: uint8 (batch, height, width, 3) to float32 (batch, 19)."""
        scores: Tensor = self.head(self.encoder(pixels))
        return scores


def write_onnx(model: nn.Module, metadata: dict[str, str], size: Size = INPUT) -> bytes:
    """The network as an ONNX file, its weights in 8 bits with a scale for each output channel.

    A quarter of the size; it is computed in floats, and the scores differ little (``tests/training/test_views.py``).

    Args:
        model: takes uint8 (1, height, width, 3).
        metadata: texts that the file carries.
        size: (height, width) of its input.
    """
    from onnx import TensorProto, helper, numpy_helper

    example = torch.zeros(1, *size, 3, dtype=torch.uint8)
    program = torch.onnx.export(
        model.eval(), (example,), input_names=["photo"], output_names=["scores"], dynamo=True, verbose=False
    )
    assert program is not None
    made = program.model_proto
    graph, kept, nodes = made.graph, [], []
    for weights in graph.initializer:
        values = numpy_helper.to_array(weights)
        if values.dtype != np.float32 or values.ndim < 2 or values.size < 256:
            kept.append(weights)
            continue
        scale = np.maximum(np.abs(values).reshape(len(values), -1).max(axis=1), 1e-8) / 127
        shape = (-1, *[1] * (values.ndim - 1))
        eight = np.rint(values / scale.reshape(shape)).astype(np.int8)
        name = weights.name
        kept += [
            numpy_helper.from_array(eight, f"{name}.int8"),
            numpy_helper.from_array(scale.reshape(shape).astype(np.float32), f"{name}.scale"),
        ]
        # As carmask.model.upsampling.expand_weights takes them: levels, widened, times their scales.
        nodes.append(helper.make_node("Cast", [f"{name}.int8"], [f"{name}.levels"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Mul", [f"{name}.levels", f"{name}.scale"], [name]))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    ordered = [*nodes, *graph.node]
    del graph.node[:]
    graph.node.extend(ordered)
    del graph.value_info[:]
    for node in graph.node:  # where in torch it came from
        node.ClearField("doc_string")
        del node.metadata_props[:]
    helper.set_model_props(made, metadata)
    made.producer_name, made.producer_version = "carmask", ""
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def _download() -> dict[str, Tensor]:
    import timm

    try:
        return dict(timm.create_model(ENCODER, pretrained=True).state_dict())
    except Exception as error:  # the hub's exceptions share no base class
        raise WeightsError(
            f"{ENCODER}: its ImageNet weights could not be downloaded ({str(error).splitlines()[0]}); name a file"
        ) from error
