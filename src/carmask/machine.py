"""What this machine has to work with."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP_LIMIT = Path("/sys/fs/cgroup/cpu.max")


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
