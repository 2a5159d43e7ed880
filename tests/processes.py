"""Processes that tests start: none outlives its test, however that ends."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from typing import Any


@contextlib.contextmanager
def started(command: Sequence[str], **words: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process for the time of a block: ``with Popen(...)`` waits without limit for one that does not end."""
    with subprocess.Popen(command, **words) as process:
        try:
            yield process
        finally:
            process.kill()
