"""Compute a network's dense convolutions in 8 bits, where the processor is faster in them.

The model file stays as it is, in floats. Its description may hold the range of values that enter each convolution,
measured on photos; then values are rounded to 256 levels of that range and weights to 255 levels of each filter's own
(Jacob et al. 2018, https://arxiv.org/abs/1712.05877). OpenVINO computes what stands between such roundings in 8 bits.

Processors with VNNI add up the products in 32 bits. Those with AVX2 alone add two products up in 16 bits first, where
255 * 127 * 2 saturates. There weights get half as many levels: 255 * 64 * 2 fits. OpenVINO takes no fewer levels for 8
bits, so that the range of 255 levels is doubled instead.

The first convolutions, whose values are few and reach far, and depthwise ones, with nine weights a channel, do not bear
it and stay in floats: docs/decisions/0016-8-bits.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.model.engine import core, openvino
from carmask.model.engine import opset13 as ops
from carmask.model.upsampling import constant_of

#: By a convolution's name, the least and the greatest value that enters it.
Ranges: TypeAlias = dict[str, tuple[float, float]]

#: Which axes of its weights belong to one filter.
_WITHIN_FILTER = {"Convolution": (1, 2, 3), "ConvolutionBackpropData": (0, 2, 3)}
#: How many dense convolutions stay in floats, from the photo on.
_FIRST = 3
_LEVELS, _WEIGHT_LEVELS = 256, 255


def measure_ranges(model: openvino.Model, inputs: Iterable[Photo | Mapping[str, NDArray[Any]]]) -> Ranges:
    """Measure what enters each convolution that ``round_convolutions`` can round.

    Args:
        model: outputs are added to it.
        inputs: what the model takes, without the batch's axis: uint8 (height, width, 3), RGB; or arrays by the names
            of the model's inputs.

    Returns:
        The means over the photos of the least and the greatest value: the extremes of all photos are rare, and would
        make all steps coarser.

    Raises:
        ValueError: if an input is left out.
    """
    inner = _convolutions(model)[_FIRST:]
    if not inner:
        return {}
    # Several convolutions may read the same values.
    sources = {_source(one): one.input_value(0) for one in inner}
    model.add_outputs(list(sources.values()))
    compiled = core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    request = compiled.create_infer_request()
    sums = np.zeros((len(sources), 2))
    count = 0
    for given in inputs:
        named = given if isinstance(given, Mapping) else {model.inputs[0].any_name: given}
        missing = {one.any_name for one in model.inputs} - {*named}
        if missing:  # OpenVINO would compute with whatever is in memory
            raise ValueError(f"inputs without values: {', '.join(sorted(missing))}")
        request.infer({name: np.ascontiguousarray(values)[None] for name, values in named.items()})
        values = [request.get_tensor(compiled.output(1 + index)).data for index in range(len(sources))]
        sums += [(value.min(), value.max()) for value in values]
        count += 1
    means = dict(zip(sources, (sums / max(1, count)).round(4).tolist(), strict=True))
    return {one.get_friendly_name(): tuple(means[_source(one)]) for one in inner}


def round_convolutions(
    model: openvino.Model, ranges: Mapping[str, tuple[float, float]], *, headroom: bool = False
) -> int:
    """Round what enters these convolutions, and their weights, to 8 bits.

    Args:
        model: changed in place.
        ranges: from ``measure_ranges`` of the same model.
        headroom: round weights to 127 levels in place of 255, so that the sum of two products fits into 16 bits.

    Returns:
        How many convolutions were changed.
    """
    rounded: dict[tuple[str, int], openvino.Node] = {}
    count = 0
    for convolution in _convolutions(model):
        weights = constant_of(convolution.input_value(1).get_node())
        if weights is None or convolution.get_friendly_name() not in ranges:
            continue
        # Where several convolutions read the same values, these are rounded once.
        source = _source(convolution)
        if source not in rounded:
            low, high = map(np.float32, _with_zero(*ranges[convolution.get_friendly_name()]))
            rounded[source] = ops.fake_quantize(convolution.input_value(0), low, high, low, high, _LEVELS)
        convolution.input(0).replace_source_output(rounded[source].output(0))
        axes = _WITHIN_FILTER[convolution.get_type_name()]
        # A filter of zeros has a range all the same.
        most = np.maximum(np.abs(weights).max(axis=axes, keepdims=True), np.float32(1e-8))
        if headroom:
            # Half a level less than twice: the largest weight is level 64 of 127, never beyond it.
            most = most * np.float32(127 / 64)
        stored = ops.fake_quantize(ops.constant(weights), -most, most, -most, most, _WEIGHT_LEVELS)
        convolution.input(1).replace_source_output(stored.output(0))
        count += 1
    if count:
        model.validate_nodes_and_infer_types()
    return count


def _convolutions(model: openvino.Model) -> list[openvino.Node]:
    return [one for one in model.get_ordered_ops() if one.get_type_name() in _WITHIN_FILTER]


def _source(convolution: openvino.Node) -> tuple[str, int]:
    values = convolution.input_value(0)
    return values.get_node().get_friendly_name(), values.get_index()


def _with_zero(low: float, high: float) -> tuple[float, float]:
    """The range widened and shifted, by less than a step, such that 0, which pads the borders, is one of its levels."""
    low, high = min(low, 0.0), max(high, 0.0, 1e-8)
    step = (high - low) / (_LEVELS - 1)
    below = round(-low / step)
    return -below * step, (_LEVELS - 1 - below) * step
