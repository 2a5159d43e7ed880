"""The model files of a learning run: the localisation stage by itself, and averages of old and new weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from carmask.errors import ModelError
from carmask.images import write_atomically
from carmask.model.info import ModelInfo
from carmask.model.network import LOCATED, PHOTO, PREFIXES, PROBABILITY, WHOLE
from carmask.training.export import with_info
from carmask.training.joined_graphs import as_bytes, of_other_stage, read_graph, weights_of

#: Operators with weights, as networks are exported.
_LAYERS = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "BatchNormalization"})


def extract_localisation(model: Path, info: ModelInfo, out: Path) -> None:
    """Write the localisation stage of a model file as a model file of its own.

    Args:
        model: a file with a localisation network of its own.
        info: its description.
        out: the file to write.

    Raises:
        ModelError: if the file cannot be read.
        OutputError: if it cannot be written.
    """
    assert info.localisation is not None
    assert info.localisation_size is not None
    proto = onnx.utils.Extractor(read_graph(model)).extract_model([WHOLE], [LOCATED])
    _as_floats(proto)
    graph = proto.graph
    renamed = {WHOLE: PHOTO, LOCATED: PROBABILITY}
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = renamed.get(name, name.removeprefix(PREFIXES["localisation"]))
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.name = renamed.get(value.name, value.name.removeprefix(PREFIXES["localisation"]))
    del graph.value_info[:]
    height, width = info.localisation_size
    stage = ModelInfo(
        name=f"{info.name}-localisation",
        version=info.version,
        network=info.localisation.network,
        height=height,
        width=width,
        normalisation=info.localisation.normalisation,
        threshold=info.localisation.threshold,
        training_data=info.localisation.training_data,
        licence=info.licence,
    )
    write_atomically(out, with_info(proto, stage))


def _as_floats(proto: onnx.ModelProto) -> None:
    """Weights that are stored in 8 bits, as float32 under their own names."""
    graph = proto.graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    stored = [name.removesuffix(".bytes") for name in values if name.endswith(".bytes")]
    whole = {name: values[f"{name}.bytes"].astype(np.float32) * values[f"{name}.scale"] for name in stored}
    gone = {f"{name}.{end}" for name in stored for end in ("bytes", "scale", "levels")}
    nodes = [node for node in graph.node if not gone & {*node.input}]
    tensors = [tensor for tensor in graph.initializer if tensor.name not in gone]
    tensors += [numpy_helper.from_array(value.astype(np.float32), name) for name, value in whole.items()]
    del graph.node[:]
    graph.node.extend(nodes)
    del graph.initializer[:]
    graph.initializer.extend(tensors)


def average_into(old: Path, new: Path, share: float, info: ModelInfo, out: Path, *, localisation: bool = False) -> None:
    """Write the old model file with weights that are ``(1 - share) * old + share * new``.

    The mean of the weights before and after fine-tuning keeps most of what either knows (Wortsman et al., Robust
    fine-tuning of zero-shot models, CVPR 2022, https://arxiv.org/abs/2109.01903). Networks of other stages stay as they
    are.

    Args:
        old: the model file.
        new: another one whose weights were trained from its.
        share: of the new weights, 0 to 1.
        info: the description of the result.
        out: the file to write.
        localisation: average the localisation network, too; weights that are stored in 8 bits stay so.

    Raises:
        ModelError: if a file cannot be read, or they are not of the same network.
        OutputError: if it cannot be written.
    """
    given, proto = weights_of(read_graph(new)), read_graph(old)
    own = weights_of(proto)
    # Constants have numbers for names, which mean something else in another file: only layers' weights are averaged.
    layers = {name for node in proto.graph.node if node.op_type in _LAYERS for name in node.input[1:]}
    means = {}
    for name in sorted(layers & set(own)):
        if of_other_stage(name) and not (localisation and name.startswith(PREFIXES["localisation"])):
            continue
        other = given.get(name)
        if other is None or other.shape != own[name].shape:
            raise ModelError(f"{old}: its weights cannot be averaged with the trained ones: {name} differs")
        means[name] = (1 - share) * own[name] + share * other
    for tensor in proto.graph.initializer:
        name, _, kind = tensor.name.rpartition(".")
        if tensor.name in means:
            name, kind = tensor.name, ""
        if name not in means:
            continue
        value = means[name]
        if kind in {"bytes", "scale"}:
            rounded, scale = as_bytes(value)
            value = rounded if kind == "bytes" else scale
        else:
            value = value.astype(numpy_helper.to_array(tensor).dtype)
        tensor.CopyFrom(numpy_helper.from_array(value, tensor.name))
    write_atomically(out, with_info(proto, info))
