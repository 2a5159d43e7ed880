"""One model file of several networks: the graphs of further stages are put beside the segmentation stage's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import compose

from carmask.errors import ModelError
from carmask.geometry import Size
from carmask.model.network import GRAPHS, PREFIXES, Stage

#: Weights of at least so many values are stored in 8 bits.
_MANY = 16_384


def of_other_stage(name: str) -> bool:
    """Whether a name in a joined file belongs to another stage's graph than segmentation's."""
    return name.startswith(tuple(PREFIXES.values()))


def add_localisation(proto: onnx.ModelProto, file: Path) -> None:
    """Put a localisation network's graph beside another one; the two share nothing.

    Args:
        proto: a model of one graph, ``photo`` (and ``guide``) to ``probability``; changed in place.
        file: a model file that ``plan.check_localisation`` accepts; its large weights are stored in 8 bits, with a
            scale for each filter.

    Raises:
        ModelError: if the file cannot be read.
    """
    other = read_graph(file)
    _store_as_bytes(other)
    _add(proto, other, "localisation", file)


def add_specialist(proto: onnx.ModelProto, file: Path, size: Size) -> None:
    """Put a segmentation network for one studio beside the graphs of a model file; they share nothing.

    Args:
        proto: the model's; changed in place.
        file: a model file of one graph, ``photo`` to ``probability``; its large weights are stored in 8 bits, with a
            scale for each filter.
        size: (height, width) of the photos that it takes from now on.

    Raises:
        ModelError: if the file cannot be read, or was exported with different operators.
    """
    other = read_graph(file)
    for value in (*other.graph.input, *other.graph.output):
        dims = value.type.tensor_type.shape.dim
        dims[1].dim_value, dims[2].dim_value = size
    _store_as_bytes(other)
    _add(proto, other, "specialist", file)


def add_refinement(proto: onnx.ModelProto, refinement: onnx.ModelProto, file: Path) -> None:
    """Put a refinement network's graph beside those of a model file; they share nothing.

    Args:
        proto: the model's; changed in place.
        refinement: a model of one graph, ``photo`` and ``guide`` to ``probability``.
        file: the model's, for messages.

    Raises:
        ModelError: if they were exported with different operators.
    """
    _add(proto, refinement, "refinement", file)


def read_graph(file: Path) -> onnx.ModelProto:
    """A model file's graph and weights.

    Raises:
        ModelError: if the file cannot be read.
    """
    try:
        return onnx.load(str(file))
    except Exception as error:  # whatever protobuf makes of other files
        raise ModelError(f"{file}: not a readable model file") from error


def _add(proto: onnx.ModelProto, other: onnx.ModelProto, stage: Stage, file: Path) -> None:
    versions = {one.domain: one.version for one in proto.opset_import}
    if any(versions.get(one.domain, one.version) != one.version for one in other.opset_import):
        raise ModelError(f"{file}: was exported with other ONNX operators than this version writes; export it anew")
    prefix, own, new = PREFIXES[stage], GRAPHS["segmentation"], GRAPHS[stage]
    other = compose.add_prefix(other, prefix)
    renamed = {f"{prefix}{before}": after for before, after in zip(own, new, strict=True)}
    for node in other.graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = renamed.get(name, name)
    for value in (*other.graph.input, *other.graph.output):
        value.name = renamed.get(value.name, value.name)
    graph = proto.graph
    graph.node.extend(other.graph.node)
    graph.initializer.extend(other.graph.initializer)
    graph.input.extend(other.graph.input)
    graph.output.extend(other.graph.output)
    graph.value_info.extend(other.graph.value_info)
    functions = {(one.domain, one.name) for one in proto.functions}
    proto.functions.extend(one for one in other.functions if (one.domain, one.name) not in functions)


def _store_as_bytes(proto: onnx.ModelProto) -> None:
    """Keep large weights of convolutions as int8 with a scale for each filter, behind a Cast and a Mul."""
    graph = proto.graph
    filters = {node.input[1] for node in graph.node if node.op_type == "Conv"}
    stored = {node.input[0]: node for node in graph.node if node.op_type == "Cast" and node.output[0] in filters}
    products, scales = [], []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if tensor.name not in stored or values.dtype != np.float16 or values.size < _MANY:
            continue
        cast = stored[tensor.name]
        name = cast.output[0]
        rounded, scale = as_bytes(values.astype(np.float32))
        tensor.CopyFrom(onnx.numpy_helper.from_array(rounded, f"{name}.bytes"))
        scales.append(onnx.numpy_helper.from_array(scale, f"{name}.scale"))
        cast.input[0], cast.output[0] = f"{name}.bytes", f"{name}.levels"
        products.append(onnx.helper.make_node("Mul", [f"{name}.levels", f"{name}.scale"], [name]))
    graph.initializer.extend(scales)
    casts = [node for node in graph.node if node.op_type == "Cast" and node.input[0].endswith((".half", ".bytes"))]
    rest = [node for node in graph.node if node not in casts]
    del graph.node[:]
    graph.node.extend([*casts, *products, *rest])


def as_bytes(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """A convolution's weights in 8 bits.

    Args:
        weights: float32 (filters, channels, height, width).

    Returns:
        int8 of this shape, and what it is multiplied by: float32 (filters, 1, 1, 1).
    """
    most = np.maximum(np.abs(weights).max(axis=(1, 2, 3), keepdims=True), np.float32(1e-8))
    return np.rint(weights * (127 / most)).astype(np.int8), (most / 127).astype(np.float32)


def weights_of(proto: onnx.ModelProto) -> dict[str, NDArray[np.float32]]:
    """A model file's weights and constants by the names that layers have them by, however they are stored.

    Args:
        proto: the model's; weights in 16 bits and in 8 bits with a scale are read, too.

    Returns:
        float32 of each tensor's own shape; what is kept as whole numbers is left out.
    """
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in proto.graph.initializer}
    found = {}
    for name, values in stored.items():
        if name.endswith(".bytes"):
            name = name.removesuffix(".bytes")
            values = values.astype(np.float32) * stored[f"{name}.scale"]
        if np.issubdtype(values.dtype, np.floating):
            found[name.removesuffix(".half")] = values.astype(np.float32)
    return found
