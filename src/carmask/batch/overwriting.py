"""What a run does not write over: photos, what lies beside them, and the tables of others."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from carmask.batch.job import Job
from carmask.batch.names import MANIFEST, REPORT, STATE, VEHICLES
from carmask.batch.own_outputs import OwnOutputs
from carmask.batch.vehicles import Grouping
from carmask.errors import UsageError
from carmask.images import RealPaths, is_there, real_path

#: How the tables of runs begin, as written and as spreadsheets save them.
_REPORT_HEADER, _VEHICLES_HEADER = (
    re.compile(rb'(\xef\xbb\xbf)?"?%s"?[,;\t]"?%s' % words)
    for words in ((b"photo", b"status"), (b"vehicle", b"identifier"))
)


def refuse_tables(folder: Path | None, grouping: Grouping | None) -> None:
    """Refuse to write a run's tables over others.

    Args:
        folder: where they go; None for nowhere.
        grouping: a table that says which vehicle a photo shows is never written over.

    Raises:
        UsageError: if a table there is the one of the grouping, or another that no run has written.
    """
    if folder is None:
        return
    if grouping is not None and grouping.file is not None:
        table = real_path(grouping.file)
        if table in {real_path(folder / REPORT), real_path(folder / VEHICLES)}:
            raise UsageError(
                f"{grouping.file}: it would be overwritten with the run's own {table.name}; rename it, or name another "
                "folder with out=…",
                argument="group",
            )
    if is_there(folder / STATE / MANIFEST):
        return
    for name, header in ((REPORT, _REPORT_HEADER), *([] if grouping is None else [(VEHICLES, _VEHICLES_HEADER)])):
        try:
            with (folder / name).open("rb") as stream:
                begins = stream.read(40)
        except OSError:  # it is missing; if it is no file, writing it says so
            continue
        if begins and not header.match(begins):
            raise UsageError(
                f"{folder / name}: this table was not written by carmask, and would be overwritten; rename it, or name "
                "another folder with out=…"
            )


def refuse_overwriting(jobs: Sequence[Job], links: RealPaths) -> None:
    """Refuse to write over the photos themselves.

    Args:
        jobs: the photos, and what is to be written.
        links: real paths, kept.

    Raises:
        UsageError: if an output is one of the photos, whatever it is called there.
    """

    def same(file: Path | str) -> Path | str:
        return links.of(file) if isinstance(file, Path) else file

    photos = {same(job.photo) for job in jobs}
    for job in jobs:
        for output in job.outputs:
            if same(output) in photos:
                raise UsageError(f"{output}: this photo would be overwritten; name another folder with out=…")


def refuse_losses(jobs: Sequence[Job], own: OwnOutputs, links: RealPaths) -> None:
    """Refuse to write over what lies beside the photos: it may be all that there is of another one.

    Args:
        jobs: the photos, and what is to be written.
        own: what runs have written, which may be written again.
        links: real paths, kept.

    Raises:
        UsageError: if there is a file that no run has written.
    """
    beside = {links.folder(job.photo) for job in jobs if isinstance(job.photo, Path)}
    for job in jobs:
        for output in job.outputs:
            if isinstance(output, Path) and links.folder(output) in beside and os.path.lexists(output):
                if output.is_dir() or own.holds(output):
                    continue
                raise UsageError(
                    f"{output}: this file lies beside the photos, and no run has written it: it would be overwritten; "
                    "name another folder with out=…"
                )
