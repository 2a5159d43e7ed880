"""Run the per-photo function on a cluster, with Ray Data (the ``[cluster]`` extra).

Each worker is a Ray actor that holds one core, a network in a process of its own, and nothing else: what is done with a
photo is what ``LocalEngine`` does. Ray places the workers, streams photos to them, and starts the work of a lost worker
again elsewhere; files are written whole and are the same whoever writes them, so doing a photo twice does no harm.
https://docs.ray.io/en/latest/data/batch_inference.html
"""

from __future__ import annotations

import logging
import math
import os
import pickle
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from carmask.batch.engines.engine import TIMEOUT, lost_photo
from carmask.batch.engines.isolated import Isolated, Lost
from carmask.batch.job import Job, Result
from carmask.batch.process import PhotoTask
from carmask.errors import CarmaskError, UsageError
from carmask.failures import first_line

#: Photos that a worker gets at a time, and that are done again if it is lost. About two seconds of work.
PORTION = 32


class RayEngine:
    """A Ray cluster: a worker for each free core, on whatever machines there are."""

    def __init__(self, task: PhotoTask, *, address: str | None = None, timeout: float = TIMEOUT) -> None:
        """Connect.

        Args:
            task: what to do with each photo. Its model, and paths without a scheme, must mean the same on all machines.
            address: the cluster; None starts Ray on this machine.
            timeout: seconds that a photo may take.

        Raises:
            UsageError: if the cluster cannot be reached, or this machine's Ray not be started.
        """
        # Ray sends usage statistics unless this is set.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            import ray
        except ImportError as error:
            raise UsageError(
                "ray needs more than the base install: pip install 'carmask[cluster]'", argument="engine"
            ) from error

        self._task, self._timeout = replace(task, threads=1), timeout
        self._connected = not ray.is_initialized()
        if self._connected:
            _knock(address)
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except (ConnectionError, ValueError, RuntimeError) as error:
                message = f"{address or 'ray'}: Ray cannot be reached: {first_line(error)}"
                raise UsageError(message, argument="address" if address else "engine") from error

    def __enter__(self) -> RayEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster; its workers end."""
        import ray

        if self._connected:
            self._connected = False
            ray.shutdown()

    def map(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """Work on photos; see ``Engine``. A photo may be done twice if a worker is lost; it is given once.

        Raises:
            CarmaskError: if a worker cannot load the network.
        """
        import ray
        from ray.exceptions import RayError

        packed = [{"job": pickle.dumps(job)} for job in jobs]
        if not packed:
            return
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.execution_options.verbose_progress = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        # A portion is a block: results come as soon as it is done. At 100,064 photos there are 3,127.
        photos = ray.data.from_items(packed, override_num_blocks=math.ceil(len(packed) / PORTION))
        workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
        results = photos.map_batches(
            RayWorker,
            fn_constructor_args=(self._task, self._timeout),
            batch_size=PORTION,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(workers, math.ceil(len(packed) / PORTION))),
        )
        try:
            for row in results.iter_rows():
                yield pickle.loads(row["job"]), pickle.loads(row["result"])  # noqa: S301  # packed by our own workers
        except RayError as error:
            cause = error.__cause__
            if isinstance(cause, CarmaskError):
                raise cause from error
            raise


def _knock(address: str | None) -> None:
    """See whether anybody listens at ``HOST:PORT``, which Ray takes minutes to find out.

    Raises:
        UsageError: if not.
    """
    host, _, port = (address or "").rpartition(":")
    if "/" in host or not port.isdigit():  # 'auto', none, or a scheme of Ray's
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise UsageError(f"{address}: Ray cannot be reached: {error}", argument="address") from error


class RayWorker:
    """What runs in a Ray actor."""

    def __init__(self, task: PhotoTask, timeout: float) -> None:
        """Load the network.

        Args:
            task: what to do with each photo.
            timeout: seconds that a photo may take.
        """
        # One works while the other reads or writes, which on a shared file system takes a while.
        self._process: Isolated[Job, Result] = Isolated(task.load, threads=2, timeout=timeout)

    def __call__(self, portion: Mapping[str, Sequence[bytes]]) -> dict[str, Any]:
        """Work on some photos: pickled jobs in, the same and pickled results out."""
        done = [
            (job, lost_photo(job, found) if isinstance(found, Lost) else found)
            for job, found in self._process.map(pickle.loads(job) for job in portion["job"])  # noqa: S301
        ]
        return {
            "job": [pickle.dumps(job) for job, _ in done],
            "result": [pickle.dumps(result) for _, result in done],
        }
