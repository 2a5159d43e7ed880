"""What this installation predicts with: machine, libraries, arithmetic, model."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from carmask._version import __version__
from carmask.machine import Processor, available_cores, this_processor
from carmask.model.file import file_digest, find_model, read_info
from carmask.model.info import ModelInfo
from carmask.model.precision import Precision, choose_precision

#: The libraries whose versions decide what comes out.
_LIBRARIES = ("openvino", "onnxruntime", "onnxruntime-gpu", "numpy", "opencv-python-headless", "pillow", "torch")
_EXTRA = re.compile(r"""^\s*([\w.-]+).*;.*\bextra\s*==\s*["']([\w-]+)["']""")
#: Extras that are for work on carmask itself.
_INTERNAL = frozenset({"dev", "docs"})


@dataclass(frozen=True)
class About:
    """What this installation predicts with.

    Attributes:
        version: carmask's.
        python: version of Python.
        system: operating system and architecture.
        processor: name and instruction sets.
        cores: processor cores that this process may use: the threads of a network.
        cores_of_machine: all that the machine has.
        libraries: versions of those that are installed, by the name of their package.
        model: file of the model.
        info: what the model says of itself.
        digest: SHA-256 of the model's file, hexadecimal.
        precision: the arithmetic in which the model is computed on this processor.
        reasons: why it is this one, a sentence each.
        extras: for each extra of carmask, the packages of it that are missing.
    """

    version: str
    python: str
    system: str
    processor: Processor
    cores: int
    cores_of_machine: int
    libraries: Mapping[str, str]
    model: Path
    info: ModelInfo
    digest: str
    precision: Precision
    reasons: tuple[str, ...]
    extras: Mapping[str, tuple[str, ...]]


def about(model: str | Path = "default", *, processor: Processor | None = None) -> About:
    """Describe this installation. No network is loaded.

    Args:
        model: a model file, or the name of a shipped model.
        processor: the one to describe; None for this one.

    Raises:
        ModelError: if there is no such model.
    """
    path = find_model(model)
    info = read_info(path)
    processor = this_processor() if processor is None else processor
    precision = choose_precision(info, processor)
    return About(
        version=__version__,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        processor=processor,
        cores=available_cores(),
        cores_of_machine=os.cpu_count() or 1,
        libraries={name: version for name in _LIBRARIES if (version := _version(name)) is not None},
        model=path,
        info=info,
        digest=file_digest(path),
        precision=precision,
        reasons=explain_precision(precision, info, processor),
        extras=missing_of_extras(),
    )


def explain_precision(precision: Precision, info: ModelInfo, processor: Processor) -> tuple[str, ...]:
    """Say why a model is computed in an arithmetic on a processor, a sentence for each choice."""
    sets = processor.instruction_sets
    if precision.floats == "bf16":
        floats = f"bfloat16: the processor has {_listed(sets & {'avx512_bf16', 'amx_bf16'})}"
    else:
        floats = "float32: the processor has no instructions for bfloat16 (avx512_bf16, amx_bf16)"
    if precision.int8 == "full":
        int8 = f"int8: the processor has {_listed(sets & {'avx_vnni', 'avx512_vnni', 'amx_int8'})}"
    elif precision.int8 == "headroom":
        int8 = "int8 with weights of 7 bits: the processor has AVX2 without VNNI, whose sums of 16 bits would saturate"
    elif info.ranges:
        int8 = "no int8: the processor has neither VNNI nor AVX2"
    else:
        int8 = "no int8: the model has no ranges (carmask quantize measures them)"
    return floats, int8


def missing_of_extras(distribution: str = "carmask") -> dict[str, tuple[str, ...]]:
    """For each extra of an installed package, those of its packages that are missing; empty if it is not installed."""
    try:
        required = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return {}
    extras: dict[str, list[str]] = {}
    for line in required:
        if (found := _EXTRA.match(line)) and found[2] not in _INTERNAL:
            missing = extras.setdefault(found[2], [])
            missing += [found[1]] * (_version(found[1]) is None)
    return {name: tuple(missing) for name, missing in sorted(extras.items())}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _listed(names: frozenset[str] | set[str]) -> str:
    return " and ".join(sorted(names))
