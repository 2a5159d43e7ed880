"""The server's workers as the engine of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait

from carmask.batch.job import Job, Result
from carmask.batch.outputs import OutputSpec
from carmask.server.requests import Render, Response
from carmask.server.worker_pool import WorkerPool

#: Seconds from one question whether to stop to the next.
_POLL = 0.5


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
        flying: dict[Future[Response], Job] = {}
        todo = iter(jobs)
        try:
            while True:
                if self._stop():
                    todo = iter(())
                    flying = {future: job for future, job in flying.items() if not future.cancel()}
                for job in todo:
                    flying[self._pool.work(Render(job, self._spec))] = job
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
