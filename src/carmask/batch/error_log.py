"""The file with the tracebacks of errors that carmask did not expect, beside a run's manifest."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from carmask.batch.job import Result

_logger = logging.getLogger(__name__)


def keep_traceback(result: Result, file: Path | None) -> Result:
    """Keep an unexpected error's traceback, and say where.

    Args:
        result: of a photo, with a traceback.
        file: that the traceback is added to; None for the log alone.

    Returns:
        The result; its reason names the file, if that could be written.
    """
    _logger.error("%s\n%s", result.reason, result.traceback)
    if file is None:
        return result
    try:
        with file.open("a", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(f"{result.reason}\n{result.traceback}\n")
    except OSError:  # a full disk: the row keeps the reason
        return result
    return replace(result, reason=f"{result.reason} (traceback in {file.name})")
