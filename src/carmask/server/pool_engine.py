"""The server's workers as the engine of a run."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np

from carmask.batch.job import Job, Result
from carmask.batch.outputs import OutputSpec
from carmask.errors import OutputError
from carmask.images import write_atomically
from carmask.server.requests import Render, Response, SpecWithFile
from carmask.server.worker_pool import WorkerPool

#: Seconds from one question whether to stop to the next.
_POLL = 0.5
#: Bytes from which on a background's pixels are handed to the workers in a file.
_LARGE = 1_000_000


class PoolEngine:
    """The server's workers as what calls the per-photo function of a run, behind the requests of clients."""

    def __init__(self, pool: WorkerPool, spec: OutputSpec, stop: Callable[[], bool] = lambda: False) -> None:
        """Use the workers for this spec.

        Args:
            pool: the workers.
            spec: what to make.
            stop: asked again and again; once it says yes no further photo is begun.
        """
        self._pool, self._spec, self._stop = pool, spec, stop

    def __enter__(self) -> PoolEngine:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing to end: the workers are the server's."""

    def map(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """Work on photos; see ``carmask.batch.engines.engine.Engine``."""
        with _handed(self._spec) as spec:
            yield from self._map(jobs, spec)

    def _map(self, jobs: Iterable[Job], spec: OutputSpec | SpecWithFile) -> Iterator[tuple[Job, Result]]:
        flying: dict[Future[Response], Job] = {}
        todo = iter(jobs)
        try:
            while True:
                if self._stop():
                    todo = iter(())
                    flying = {future: job for future, job in flying.items() if not future.cancel()}
                for job in todo:
                    flying[self._pool.work(Render(job, spec))] = job
                    if len(flying) > self._pool.workers:
                        break
                if not flying:
                    return
                for future in wait(flying, timeout=_POLL, return_when=FIRST_COMPLETED).done:
                    job = flying.pop(future)
                    found = future.result()
                    if not isinstance(found, Result):
                        found = Result(str(job.photo), "failed", str(found))
                    yield job, found
        finally:  # of a run that breaks off nothing is written any more when its folder is tidied, or used again
            wait([future for future in flying if not future.cancel()])


@contextmanager
def _handed(spec: OutputSpec) -> Iterator[OutputSpec | SpecWithFile]:
    """A spec as the workers are given it: itself, or with a file that is there as long as photos are worked on."""
    background = spec.background
    if background is None or background.pixels is None or background.pixels.nbytes < _LARGE:
        yield spec
        return
    content = BytesIO()
    np.save(content, background.pixels, allow_pickle=False)
    try:
        folder = tempfile.TemporaryDirectory(prefix="carmask-")
    except OSError as error:
        raise OutputError(f"{tempfile.gettempdir()}: no folder can be made there: {error.strerror}") from error
    with folder as home:
        file = Path(home) / "background.npy"
        write_atomically(file, content.getvalue())
        yield SpecWithFile(replace(spec, background=None), file, background.fit, background.icc_profile)
