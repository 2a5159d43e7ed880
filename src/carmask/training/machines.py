"""What a training runs on: devices, limits of time, and the precision that they compute in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from carmask.machine import this_processor

#: As Lightning names them.
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
#: What a model file says of them (``ModelInfo.trained_in``).
TRAINED_IN: dict[Precision, Literal["float32", "bfloat16", "float16"]] = {
    "32-true": "float32",
    "bf16-mixed": "bfloat16",
    "16-mixed": "float16",
}


@dataclass(frozen=True)
class Machines:
    """What a training runs on.

    Attributes:
        device: ``cpu``, ``cuda`` or ``auto``.
        devices: how many of them on each machine (processes, on a CPU).
        nodes: machines.
        strategy: how they work together, a name that Lightning knows; ``auto`` is plain or DDP.
        minutes: stop after so much training and keep what was reached; None for no limit.
        processor_minutes: the same in processor time (``ProcessorBudget``).
    """

    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    minutes: float | None = None
    processor_minutes: float | None = None


def choose_precision(wanted: Precision | Literal["auto"], device: str, *, bf16: bool | None = None) -> Precision:
    """The precision to train in.

    ``auto`` is ``bf16-mixed`` where the hardware multiplies bfloat16: processors with AVX-512 BF16 or AMX, and CUDA
    GPUs from compute capability 8.0 on. Elsewhere bfloat16 is emulated, many times slower than float32, and ``auto`` is
    ``32-true``. Weights are float32 in both.

    Args:
        wanted: the recipe's; all but ``auto`` are taken as they are.
        device: ``cpu``, ``cuda`` or ``auto``, which is ``cuda`` where torch finds one.
        bf16: whether the hardware multiplies bfloat16; found out if None.

    Returns:
        The precision.
    """
    if wanted != "auto":
        return wanted
    return "bf16-mixed" if (_has_bf16(device) if bf16 is None else bf16) else "32-true"


def _has_bf16(device: str) -> bool:
    import torch

    if device != "cpu" and torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return this_processor().bf16
