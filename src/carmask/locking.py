"""One run at a time in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from carmask.errors import OutputError


@contextmanager
def only_run(lock: Path, what: str) -> Iterator[None]:
    """Hold a lock file, which is free again when its process ends, however it ends.

    Args:
        lock: the file, in the folder that the run writes to.
        what: who else may hold it, for the message: ``another build runs``.

    Raises:
        OutputError: if another process holds it, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    held = FileLock(lock, timeout=0)
    try:
        held.acquire()
    except Timeout as error:
        raise OutputError(f"{lock.parent}: {what} in this folder; wait for its end, or name another folder") from error
    except OSError as error:
        raise OutputError(f"{lock.parent}: cannot be written ({error.strerror})") from error
    try:
        yield
    finally:
        held.release()
