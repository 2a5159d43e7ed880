"""Threads that jobs are worked on by: some at the same time, the others in their turn."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable

#: Jobs that are worked on at the same time. Each has files open: hundreds are more than a process may have.
AT_ONCE = 32


class JobThreads:
    """Calls functions in threads that do not keep the process from ending."""

    def __init__(self) -> None:
        """Start none before there is work."""
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def do(self, work: Callable[[], None]) -> None:
        """Call a function as soon as a thread is free.

        Args:
            work: raises nothing.
        """
        self._waiting.put(work)
        if len(self._threads) < AT_ONCE:
            self._threads.append(threading.Thread(target=self._take, daemon=True, name=f"job-{len(self._threads)}"))
            self._threads[-1].start()

    def close(self) -> None:
        """End the threads when they have done what they are at; what waits is not called any more."""
        self._closed = True
        for _ in self._threads:
            self._waiting.put(None)

    def _take(self) -> None:
        while (work := self._waiting.get()) is not None and not self._closed:
            work()
