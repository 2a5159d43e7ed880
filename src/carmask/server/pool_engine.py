"""The server's workers as the engine of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait

from carmask.batch.job import Job, Result
from carmask.batch.outputs import OutputSpec
from carmask.server.requests import Render, Response
from carmask.server.worker_pool import WorkerPool


class PoolEngine:
    """The server's workers as what calls the per-photo function of a run, behind the requests of clients."""

    def __init__(self, pool: WorkerPool, spec: OutputSpec) -> None:
        """Use the workers for this spec."""
        self._pool, self._spec = pool, spec

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
        while True:
            for job in todo:
                flying[self._pool.work(Render(job, self._spec))] = job
                if len(flying) > self._pool.workers:
                    break
            if not flying:
                return
            for future in wait(flying, return_when=FIRST_COMPLETED).done:
                job = flying.pop(future)
                found = future.result()
                if not isinstance(found, Result):
                    found = Result(str(job.photo), "failed", str(found))
                yield job, found
