"""Prepare the next few items in threads while the current one is worked on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch(
    function: Callable[[T], R], items: Iterable[T], *, workers: int = 2, depth: int = 4
) -> Iterator[Future[R]]:
    """Call ``function`` on each item in threads, at most ``depth`` items ahead of the reader.

    Args:
        function: releases the interpreter lock in its slow parts, as decoding and encoding do.
        items: any number; they are drawn as needed.
        workers: threads.
        depth: how many results may wait, which bounds memory.

    Yields:
        A finished or running future for each item, in order; ``result()`` gives the value or raises what the
        function raised, so one failing item does not end the others.
    """
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[R]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= depth:
                    yield waiting.popleft()
            while waiting:
                yield waiting.popleft()
        finally:
            for future in waiting:
                future.cancel()
