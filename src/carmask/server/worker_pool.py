"""A fixed number of worker processes, and a bounded queue in front of them."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

from carmask.batch.engines.isolated import Isolated, Lost
from carmask.errors import CarmaskError
from carmask.server.requests import Request, Response
from carmask.server.work import WorkTask

#: Seconds that are assumed for a request before the first one is done.
_FIRST = 0.5
#: Priorities in the queue: of clients, of batches, and of the end.
_CLIENTS, _BATCHES, _LAST = range(3)


class BusyError(CarmaskError):
    """Too many requests wait already.

    Attributes:
        after: seconds after which to try again.
    """

    def __init__(self, after: int) -> None:
        """Say when to come back."""
        self.after = after
        super().__init__(f"too many photos wait already; try again in {after} s")


class LostError(CarmaskError):
    """The process that worked on a request crashed, or took too long."""


class _Queued(NamedTuple):
    """A request in the queue: the lower ``priority``, the sooner."""

    priority: int
    number: int
    request: Request | None
    future: Future[Response]


class WorkerPool:
    """Worker processes. Used as a context manager: they end with the block."""

    def __init__(self, task: WorkTask, *, workers: int, timeout: float, waiting: int) -> None:
        """Start them, and load the network in each.

        Args:
            task: what they do.
            workers: how many.
            timeout: seconds that a request may take.
            waiting: requests that may wait.

        Raises:
            ModelError: if there is no such model, or its file is damaged.
            DeviceError: if the device is not available.
        """
        self.workers, self.waiting = workers, waiting
        self._queue: queue.PriorityQueue[_Queued] = queue.PriorityQueue()
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._asked = 0
        self._mean = _FIRST
        self._closed = False

        def start(_: int) -> Isolated[Request, Response]:
            return Isolated(task.load, threads=1, timeout=timeout, waiting=0)

        with ThreadPoolExecutor(workers) as starters:
            self._processes = list(starters.map(start, range(workers)))
        self._threads = [
            threading.Thread(target=self._serve, args=(process,), daemon=True, name=f"worker-{number}")
            for number, process in enumerate(self._processes)
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def depth(self) -> int:
        """Requests of clients that wait or are worked on."""
        return self._asked

    @property
    def pids(self) -> list[int]:
        """The processes' numbers."""
        return [process.pid for process in self._processes]

    def close(self) -> None:
        """End the processes; what they are working on is dropped, and ``LostError`` answers all that waits."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for _ in self._threads:
                self._queue.put(_Queued(_LAST, next(self._numbers), None, Future()))
        for process in self._processes:
            process.close()

    def ask(self, request: Request) -> Future[Response]:
        """Put a client's request into the queue.

        Args:
            request: what to do.

        Returns:
            Its response, later. ``LostError`` stands in it if the process crashed or took too long.

        Raises:
            BusyError: if too many wait already.
        """
        with self._lock:
            if self._asked >= self.workers + self.waiting:
                raise BusyError(max(1, round(self._mean * self._asked / self.workers)))
            self._asked += 1
        future = self._put(_CLIENTS, request)
        future.add_done_callback(self._answered)
        return future

    def work(self, request: Request) -> Future[Response]:
        """Put a request of a batch into the queue, behind those of clients. Whoever asks limits how many."""
        return self._put(_BATCHES, request)

    def _put(self, priority: int, request: Request) -> Future[Response]:
        future: Future[Response] = Future()
        with self._lock:
            if not self._closed:
                self._queue.put(_Queued(priority, next(self._numbers), request, future))
                return future
        future.set_exception(_stopping())
        return future

    def _answered(self, _: Future[Response]) -> None:
        with self._lock:
            self._asked -= 1

    def _serve(self, process: Isolated[Request, Response]) -> None:
        while True:
            _, _, request, future = self._queue.get()
            if request is None:
                return
            if not future.set_running_or_notify_cancel():
                continue
            if self._closed:  # whoever waits for it would wait for ever
                future.set_exception(_stopping())
                continue
            started = time.perf_counter()
            try:
                ((_, found),) = process.map([request])
            except Exception as error:  # noqa: BLE001  # a bug, raised where the response is waited for
                future.set_exception(_stopping() if self._closed else error)
                continue
            self._mean += 0.1 * (time.perf_counter() - started - self._mean)
            if isinstance(found, Lost):
                future.set_result(LostError(f"photo: {found.reason}, whatever is in this file"))
            else:
                future.set_result(found)


def _stopping() -> LostError:
    return LostError("the server is stopping")
