"""Photos whose outputs would have the same name: one of them keeps it, or nothing is done."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from carmask.batch.job import Job, Result
from carmask.batch.manifest import read_records
from carmask.batch.names import MANIFEST, STATE
from carmask.errors import UsageError
from carmask.images import is_there

#: If this part of the photos would have names of others, it is what was asked for that is wrong.
_MANY = 0.1


def without_collisions(
    jobs: tuple[Job, ...], folder: Path | None, *, refuse: bool
) -> tuple[tuple[Job, ...], list[Result]]:
    """Leave out photos whose outputs others would write: one that was done before keeps its name, else the first.

    Args:
        jobs: in the order of the photos.
        folder: the local folder that has, or will have, the manifest; None if there is none.
        refuse: do nothing if a tenth of the photos, not by their suffixes alone, would have names of others: then it is
            the names that were asked for.

    Returns:
        The jobs whose outputs are their own, and a failure for each other one.

    Raises:
        UsageError: if ``refuse``, and many names are equal by what was asked for: a pattern, or several folders.
    """
    counts = Counter(output for job in jobs for output in job.outputs)
    if len(counts) == counts.total():
        return jobs, []
    there = folder is not None and is_there(folder / STATE / MANIFEST)
    records = read_records(folder / STATE / MANIFEST) if folder is not None and there else []
    owners = {_place(one.result.photo) for one in records if one.result.status == "done"}
    taken: dict[Path | str, Path | str] = {}
    lost: dict[Path | str, Result] = {}
    asked: list[tuple[Path | str, Job]] = []
    for job in sorted(jobs, key=lambda one: _place(one.photo) not in owners):
        other = next((taken[output] for output in job.outputs if output in taken), None)
        if other is None:
            taken.update((output, job.photo) for output in job.outputs)
            continue
        reason = f"{job.photo}: {other} has the same name in the output folder; rename one of them"
        lost[job.photo] = Result(str(job.photo), "failed", reason)
        if str(job.photo).rpartition(".")[0] != str(other).rpartition(".")[0]:
            asked.append((other, job))
    if refuse and len(asked) >= _MANY * len(jobs):
        first, second = asked[0]
        more = f" (and {len(asked) - 1} more such pairs)" if len(asked) > 1 else ""
        apart = next(one.vehicle for one in jobs if one.photo == first) != second.vehicle
        pattern = "{vehicle}/{name}" if apart else "{vehicle}/{number:03}"
        raise UsageError(
            f"{first} and {second.photo} would have the same name in the output folder{more}; cut folders one by one, "
            f"or give a pattern of names that tells them apart, such as name='{pattern}'"
        )
    return tuple(job for job in jobs if job.photo not in lost), list(lost.values())


def _place(photo: Path | str) -> Path | str:
    """Where a photo is, however it was named."""
    return str(photo) if "://" in str(photo) else Path(photo).absolute()
