"""What becomes of requests when the pool of workers ends."""

from __future__ import annotations

import time

import pytest

from carmask.batch.job import Job
from carmask.batch.outputs import OutputSpec
from carmask.server import worker_pool
from carmask.server.requests import Render
from carmask.server.work import WorkTask
from carmask.server.worker_pool import LostError, WorkerPool


def test_requests_that_wait_when_it_ends_are_answered(tiny_model, tmp_path, monkeypatch):
    """They were never answered: a thread that waited for one kept the process from ending."""

    class Slow(worker_pool.Isolated):
        def map(self, items):
            time.sleep(0.5)
            return super().map(items)

    monkeypatch.setattr(worker_pool, "Isolated", Slow)
    request = Render(Job(tmp_path / "none.jpg", "none", (tmp_path / "none.png",)), OutputSpec())
    with WorkerPool(WorkTask(str(tiny_model)), workers=1, timeout=30, waiting=8) as pool:
        waiting = [pool.ask(request) for _ in range(3)] + [pool.work(request)]
    waiting += [pool.ask(request), pool.work(request)]
    for future in waiting:
        with pytest.raises(LostError, match="the server is stopping"):
            future.result(timeout=20)
    assert pool.depth == 0
