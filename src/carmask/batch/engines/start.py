"""Choose the engine of a run."""

from __future__ import annotations

from typing import Literal

from carmask.batch.engines.engine import TIMEOUT, Engine
from carmask.batch.process import PhotoTask
from carmask.errors import UsageError

EngineName = Literal["local", "ray"]


def start_engine(
    task: PhotoTask, engine: EngineName = "local", *, address: str | None = None, timeout: float = TIMEOUT
) -> Engine:
    """Start the processes that work on photos, and load the network in them.

    Args:
        task: what to do with each photo.
        engine: ``local``, all cores of this machine, or ``ray``, a cluster.
        address: the cluster's, ``HOST:PORT``; None starts Ray on this machine. Only with ``ray``.
        timeout: seconds that a photo may take.

    Returns:
        The engine; a context manager.

    Raises:
        UsageError: if there is an address without ``ray``, Ray is not installed or the cluster cannot be reached.
        ModelError: if there is no such model, or its file is damaged.
        DeviceError: if the device is not available.
    """
    if engine == "ray":
        from carmask.batch.engines.ray import RayEngine

        return RayEngine(task, address=address, timeout=timeout)
    if address is not None:
        raise UsageError("it is the cluster's: it needs engine='ray'", argument="address")
    from carmask.batch.engines.local import LocalEngine

    return LocalEngine(task, timeout=timeout)
