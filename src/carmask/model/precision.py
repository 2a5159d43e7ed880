"""In which arithmetic a model file is computed on a processor, and why.

Chosen by what the processor can do and by what was measured (docs/decisions/0018-precision.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carmask.machine import Processor, this_processor
from carmask.model.info import ModelInfo

#: How dense convolutions are rounded to 8 bits: not at all; with weights of 8 bits; or with weights of 7 bits, so that
#: the sum of two products fits into 16 bits.
Int8 = Literal["none", "full", "headroom"]


@dataclass(frozen=True)
class Precision:
    """An arithmetic.

    Attributes:
        floats: what is not computed in 8 bits is computed in this.
        int8: how dense convolutions are rounded to 8 bits.
    """

    floats: Literal["f32", "bf16"]
    int8: Int8

    def __str__(self) -> str:
        """As it is shown to people."""
        rounded = {"none": "", "full": "int8 and ", "headroom": "int8 (weights of 7 bits) and "}[self.int8]
        return rounded + {"f32": "float32", "bf16": "bfloat16"}[self.floats]


def choose_precision(info: ModelInfo, processor: Processor | None = None) -> Precision:
    """Choose the fastest arithmetic that loses nothing.

    Args:
        info: the model's description; a model without ranges of values is not rounded.
        processor: the one to compute on; None for this one.

    Returns:
        bfloat16 where the processor computes in it. 8 bits with VNNI; and with AVX2, whose 8-bit sums saturate, with a
        bit of headroom.
    """
    processor = this_processor() if processor is None else processor
    int8: Int8 = "none"
    if info.ranges:
        int8 = "full" if processor.vnni else "headroom" if processor.avx2 else "none"
    return Precision("bf16" if processor.bf16 else "f32", int8)
