"""Run the per-photo function on this machine: in a process of its own, a thread for each core."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from carmask.batch.engines.engine import TIMEOUT, lost_photo
from carmask.batch.engines.isolated import Isolated, Lost
from carmask.batch.job import Job, Result
from carmask.batch.process import PhotoTask
from carmask.machine import available_cores


class LocalEngine:
    """All cores of this machine: one process beside this one, a thread for each core and one for what waits."""

    def __init__(self, task: PhotoTask, *, timeout: float = TIMEOUT) -> None:
        """Start it, and load the network.

        Args:
            task: what to do with each photo; its number of threads is set to the number of cores.
            timeout: seconds that a photo may take.

        Raises:
            ModelError: if there is no such model, or its file is damaged.
            DeviceError: if the device is not available.
        """
        cores = available_cores()
        task = replace(task, threads=cores)
        self._process: Isolated[Job, Result] = Isolated(task.load, threads=cores + 1, timeout=timeout)

    def __enter__(self) -> LocalEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; what it is working on is dropped."""
        self._process.close()

    def map(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """Work on photos; see ``Engine``."""
        for job, found in self._process.map(jobs):
            yield job, lost_photo(job, found) if isinstance(found, Lost) else found
