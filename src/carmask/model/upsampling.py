"""Make decoders cheaper before OpenVINO compiles them, without changing what they compute.

The decoders of U-Nets double a map by repeating each value in two rows and two columns, put another map beside it, and
convolve both with a 3x3 kernel. On repeated values, several taps of the kernel meet the same value. Added up once, they
leave 2x2 taps for each of the four positions of a doubled pixel: 16 products for 36, and neither the doubled map nor
the concatenation is ever written. This is a transposed convolution of the small map, 4x4 with stride 2: Shi et al., Is
the deconvolution layer the same as a convolutional layer?, 2016, https://arxiv.org/abs/1609.07009
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from carmask.model.engine import openvino
from carmask.model.engine import opset13 as ops

#: Which of the three taps of a kernel's row (or column) add up to each of four of the transposed convolution.
_TAPS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)
#: How ONNX models say that a value is repeated.
_REPEATED = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
#: A 3x3 convolution that keeps the size.
_SAME = {"strides": [1, 1], "dilations": [1, 1], "pads_begin": [1, 1], "pads_end": [1, 1]}


def merge_upsampling(model: openvino.Model) -> int:
    """Replace each doubling that a concatenation and a 3x3 convolution follow.

    Args:
        model: changed in place; with fixed shapes.

    Returns:
        How many were replaced. What looks otherwise is left as it is.
    """
    count = 0
    for convolution in model.get_ordered_ops():
        if convolution.get_type_name() == "Convolution" and _merge(convolution):
            count += 1
    if count:
        model.validate_nodes_and_infer_types()
    return count


def _merge(convolution: openvino.Node) -> bool:
    both = convolution.input_value(0).get_node()
    weights = constant_of(convolution.input_value(1).get_node())
    if not _has(convolution, _SAME) or weights is None or weights.shape[2:] != (3, 3):
        return False
    if both.get_type_name() != "Concat" or not _has(both, {"axis": 1}) or both.get_input_size() != 2:
        return False
    doubled = both.input_value(0).get_node()
    if doubled.get_type_name() != "Interpolate" or not _has(doubled, _REPEATED):
        return False
    small, beside = doubled.input_value(0), both.input_value(1)
    before, after = list(small.get_shape()), list(doubled.output(0).get_shape())
    if after != [*before[:2], 2 * before[2], 2 * before[3]]:
        return False
    channels = before[1]
    taps = np.einsum("ar,bs,oirs->ioab", _TAPS, _TAPS, weights[:, :channels])
    of_small = ops.convolution_backprop_data(small, ops.constant(taps), [2, 2], pads_begin=[1, 1], pads_end=[1, 1])
    rest = ops.constant(np.ascontiguousarray(weights[:, channels:]))
    of_beside = ops.convolution(beside, rest, [1, 1], [1, 1], [1, 1], [1, 1])
    # Names of their own, by which ranges of values are kept (``carmask.model.int8``).
    name = convolution.get_friendly_name()
    of_small.set_friendly_name(f"{name}/doubled")
    of_beside.set_friendly_name(f"{name}/beside")
    merged = ops.add(of_small, of_beside)
    for target in convolution.output(0).get_target_inputs():
        target.replace_source_output(merged.output(0))
    return True


def _has(node: openvino.Node, expected: Mapping[str, object]) -> bool:
    attributes = node.get_attributes()
    return all(attributes.get(name) == value for name, value in expected.items())


def constant_of(node: openvino.Node) -> NDArray[np.float32] | None:
    """A node's weights, which may be kept in 16 bits and widened: float32; None if it does not hold any."""
    if node.get_type_name() == "Convert":
        node = node.input_value(0).get_node()
    if node.get_type_name() != "Constant":
        return None
    return np.asarray(node.data).astype(np.float32)


def expand_weights(model: openvino.Model) -> int:
    """Put floats in place of weights that a file keeps in 8 bits with a scale for each filter.

    Args:
        model: changed in place.

    Returns:
        How many were replaced.
    """
    count = 0
    for node in model.get_ordered_ops():
        if node.get_type_name() != "Multiply":
            continue
        levels, scale = (constant_of(node.input_value(index).get_node()) for index in (0, 1))
        if levels is None or scale is None or levels.ndim not in {2, 4}:
            continue
        expanded = ops.constant(levels * scale)
        for target in node.output(0).get_target_inputs():
            target.replace_source_output(expanded.output(0))
        count += 1
    return count
