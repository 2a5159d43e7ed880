"""How the small networks beside the main one are trained: the head alone, on features that are computed once.

Their encoder is EfficientNet-Lite0 to stride 16 (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite,
after Tan & Le 2019, https://arxiv.org/abs/1905.11946), in timm's layers and names, as ImageNet has trained it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carmask.errors import DataError
from carmask.geometry import Size
from carmask.model.engine import core, openvino
from carmask.networks.weights import download_timm, load_into, read_encoder_weights
from carmask.words import counted

#: timm's name of the encoder, and the number of its stages that are used.
ENCODER, STAGES = "tf_efficientnet_lite0", 4
#: What is subtracted from values of 0 to 255, and what the rest is divided by, where the weights were trained.
MEAN, SCALE = 127.0, 128.0


class LiteEncoder(nn.Module):
    """The encoder; a subclass says which of its features are used."""

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
        state = read_encoder_weights(file, partial(download_timm, ENCODER))
        load_into(self, state, prefix="model.", what="EfficientNet-Lite0 in timm's layout", source=file)

    def stages(self, pixels: Tensor) -> list[Tensor]:
        """Features after each stage: float32, of strides 2, 4, 8 and 16, with 16, 24, 40 and 80 channels.

        Args:
            pixels: uint8 (batch, height, width, 3), RGB.
        """
        images = (pixels.permute(0, 3, 1, 2).float() - MEAN) / SCALE
        features: Tensor = self.bn1(self.conv_stem(images))  # type: ignore[operator]
        kept = []
        for stage in self.blocks:
            features = stage(features)
            kept.append(features)
        return kept


class EncoderWithHead(nn.Module):
    """Encoder and head, as the file holds them."""

    def __init__(self, encoder: LiteEncoder, head: nn.Module) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def forward(self, pixels: Tensor) -> Tensor:
        """What the head says of pictures: uint8 (batch, height, width, 3), RGB."""
        told: Tensor = self.head(self.encoder(pixels))
        return told


def compile_encoder(encoder: LiteEncoder, size: Size) -> openvino.InferRequest:
    """The encoder in OpenVINO, a third of torch's time on one core.

    Args:
        encoder: with its weights.
        size: (height, width) of its input.
    """
    example = torch.zeros(1, *size, 3, dtype=torch.uint8)
    model = openvino.convert_model(encoder.eval(), example_input=example, input=[(1, *size, 3)])
    settings: dict[str, str | int] = {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"}
    return core().compile_model(model, "CPU", settings).create_infer_request()


class Fitting(NamedTuple):
    """How a head is trained.

    Attributes:
        samples: how many there are.
        epochs: over all of them.
        batch: samples for each step.
        learning_rate: the highest; it rises for a tenth of the steps and then falls along a cosine.
        weight_decay: of AdamW.
        seed: of the order.
    """

    samples: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    seed: int


def fit_head(
    head: nn.Module,
    loss_of: Callable[[NDArray[np.int64]], Tensor],
    fitting: Fitting,
    *,
    report: Callable[[str, int, int], None],
    keep: Callable[[], None] = lambda: None,
) -> None:
    """Train a head; it is ready to predict then.

    Args:
        head: the network.
        loss_of: its loss on samples, by their numbers.
        fitting: how.
        report: called with what is being done, how much of it is, and of how much.
        keep: called after each epoch, when the head is ready to predict.

    Raises:
        DataError: if the samples do not fill a batch, or the loss is no number.
    """
    if fitting.samples < fitting.batch:
        raise DataError(f"{counted(fitting.samples, 'sample')} to train on do not fill a batch of {fitting.batch}")
    optimizer = torch.optim.AdamW(head.parameters(), fitting.learning_rate, weight_decay=fitting.weight_decay)
    steps = max(1, fitting.samples // fitting.batch) * fitting.epochs
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, fitting.learning_rate, total_steps=steps, pct_start=0.1)
    random = np.random.default_rng(fitting.seed)
    for epoch in range(fitting.epochs):
        head.train()
        order, losses = random.permutation(fitting.samples), []
        for start in range(0, fitting.samples - fitting.batch + 1, fitting.batch):
            loss = loss_of(np.sort(order[start : start + fitting.batch]))
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            losses.append(float(loss.detach()))
            if not math.isfinite(losses[-1]):
                raise DataError(f"the loss is {losses[-1]} after {counted(epoch, 'epoch')}; lower the learning rate")
            said = f"training, loss {np.mean(losses[-50:]):.3f}"
            report(said, epoch * fitting.samples + start + fitting.batch, fitting.epochs * fitting.samples)
        head.eval()
        keep()


def write_onnx(model: nn.Module, metadata: dict[str, str], size: Size) -> bytes:
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
