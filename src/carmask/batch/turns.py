"""Waiting for a turn, where photos are worked on one after the other: it is not counted as time that a photo takes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager


class _OfThread(threading.local):
    """What a thread that works on photos knows of its waiting."""

    def __init__(self) -> None:
        self.waited = 0.0
        self.tell: Callable[[bool], None] = lambda _: None


_here = _OfThread()


def tell_turns(tell: Callable[[bool], None]) -> None:
    """Be told of this thread's turns.

    Args:
        tell: called with False when it begins to wait, and with True when its turn has come.
    """
    _here.tell = tell


@contextmanager
def turn(lock: AbstractContextManager[object]) -> Iterator[None]:
    """Hold a lock; the time until it is free counts as waiting.

    Args:
        lock: such as ``threading.Lock()``.
    """
    _here.tell(False)
    before = time.perf_counter()
    with lock:
        _here.waited += time.perf_counter() - before
        _here.tell(True)
        yield


def waited() -> float:
    """Seconds that this thread has waited for its turns, ever."""
    return _here.waited
