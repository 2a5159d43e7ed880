"""SQLite files where nothing may be written: an archive, a snapshot, a share of others.

SQLite makes files beside one in WAL mode even to read it. Where it cannot, it reads one that is said not to change:
https://www.sqlite.org/uri.html#uriimmutable.
"""

from __future__ import annotations

import os
from pathlib import Path

from carmask.errors import OutputError


def unchanging(file: Path) -> str | None:
    """The address under which SQLite reads a file beside which nothing may be written.

    Args:
        file: the file.

    Returns:
        A URI; None where files may be made beside it, or it is missing.

    Raises:
        OutputError: if a process that was ended left changes beside it, which SQLite would pass over.
    """
    if os.access(file.parent, os.W_OK) or not file.is_file():
        return None
    for log in (file.with_name(file.name + suffix) for suffix in ("-wal", "-journal")):
        if log.is_file() and log.stat().st_size:
            raise OutputError(
                f"{file}: it is put right by what stands in {log.name}, and nothing may be written there; copy the "
                "folder to another place"
            )
    return f"{file.absolute().as_uri()}?immutable=1"
