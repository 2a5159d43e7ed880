"""What every engine does: call the per-photo function on each job, wherever it runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from carmask.batch.engines.isolated import Lost
from carmask.batch.job import Job, Result

#: Seconds that a photo may take. The largest that is read takes 20 s on one core of 2024, as a PNG cut-out.
TIMEOUT = 120.0


class Engine(Protocol):
    """What calls the per-photo function: on this machine or on many. It holds processes until its block ends."""

    def __enter__(self) -> Engine:
        """Nothing more than itself."""

    def __exit__(self, *_: object) -> None:
        """Close it."""

    def close(self) -> None:
        """End its processes; what they are working on is dropped. Safe to call again."""

    def map(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, Result]]:
        """Work on photos, in any order, each result as soon as it is there.

        Args:
            jobs: any number.

        Yields:
            Each job with its result.
        """


def lost_photo(job: Job, lost: Lost) -> Result:
    """The result of a photo that crashed or hung the process that worked on it."""
    return Result(str(job.photo), "failed", f"{job.photo}: {lost.reason}, whatever is in this file")
