"""What this machine has to work with: processor cores and instruction sets."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")
_CPUINFO = Path("/proc/cpuinfo")
#: Instruction sets that the code chooses by, under the names that Linux gives them.
KNOWN = (
    "avx2",
    "fma",
    "avx_vnni",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_int8",
    "amx_bf16",
)
#: What each limit of oneDNN leaves of them, from the least to the most. oneDNN computes OpenVINO's and PyTorch's
#: convolutions, and the environment variable ONEDNN_MAX_CPU_ISA holds it to an instruction set:
#: https://uxlfoundation.github.io/oneDNN/dev_guide_cpu_dispatcher_control.html
_LIMITS = {
    "SSE41": 0,
    "AVX": 0,
    "AVX2": 2,
    "AVX2_VNNI": 3,
    "AVX2_VNNI_2": 3,
    "AVX512_CORE": 4,
    "AVX512_CORE_VNNI": 5,
    "AVX512_CORE_BF16": 6,
    "AVX512_CORE_FP16": 6,
    "AVX512_CORE_AMX": 8,
}


@dataclass(frozen=True)
class Processor:
    """The processor that networks are computed on.

    Attributes:
        name: as the maker calls it; empty if the system does not say.
        instruction_sets: those of ``KNOWN`` that it has and that oneDNN may use.
    """

    name: str
    instruction_sets: frozenset[str]

    @property
    def bf16(self) -> bool:
        """Whether it multiplies bfloat16 in one instruction. Others emulate it, many times slower than float32."""
        return not self.instruction_sets.isdisjoint({"avx512_bf16", "amx_bf16"})

    @property
    def vnni(self) -> bool:
        """Whether it adds up products of 8 bits in 32; others do so in 16, where large sums saturate."""
        return not self.instruction_sets.isdisjoint({"avx_vnni", "avx512_vnni", "amx_int8"})

    @property
    def avx2(self) -> bool:
        """Whether it computes 32 products of 8 bits in one instruction, saturating in 16 bits."""
        return "avx2" in self.instruction_sets


def this_processor(cpuinfo: Path = _CPUINFO, environment: Mapping[str, str] = os.environ) -> Processor:
    """Find out what this processor can do.

    Args:
        cpuinfo: Linux' description of the processors. Where there is none, OpenCV is asked, which knows no bfloat16.
        environment: ONEDNN_MAX_CPU_ISA is read from it.

    Returns:
        The processor; nothing of it is known on machines that are not x86-64.
    """
    try:
        lines = (line.partition(":") for line in cpuinfo.read_text(errors="replace").splitlines())
        fields = {key.strip(): value.strip() for key, _, value in reversed(list(lines))}
        name, found = fields.get("model name", ""), set(fields.get("flags", "").split())
    except OSError:
        name, found = platform.processor(), _asked()
    limit = _LIMITS.get(environment.get("ONEDNN_MAX_CPU_ISA", "").upper(), len(KNOWN))
    # AVX2_VNNI is no part of the AVX-512 sets that are above it in the order.
    allowed = set(KNOWN[:limit]) - ({"avx_vnni"} if limit in {4, 5, 6} else set())
    return Processor(name, frozenset(found & allowed))


def _asked() -> set[str]:
    """What OpenCV finds: https://docs.opencv.org/4.x/d0/de1/group__core.html, CpuFeatures, by number."""
    import cv2

    numbers = {"avx2": 11, "fma": 12, "avx512f": 13, "avx512_vnni": 23, "avx_vnni": 28}
    return {name for name, number in numbers.items() if cv2.checkHardwareSupport(number)}


def available_cores(limit: Path = _CGROUP_LIMIT) -> int:
    """How many processor cores this process may use: those it may run on, and no more than its container's share.

    Args:
        limit: the control group's file, ``quota period`` in microseconds or ``max period``.
    """
    # Not on every platform that Python runs on.
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = limit.read_text().split()
        share = round(int(quota) / int(period))
    except (OSError, ValueError):
        return cores
    return max(1, min(cores, share))
