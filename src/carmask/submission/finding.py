"""One thing that is wrong with a submission."""

from __future__ import annotations

from typing import Literal, NamedTuple

from carmask.submission.read import Reading


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: a short name, for programs.
        message: what, where, and what to do, in one line.
        severity: an ``error`` will be refused or score badly; a ``warning`` may be meant.
        reading: how the file has to be read, if that is what is wrong.
        rows: how many rows too early each mask stands, if that is what is wrong.
        lost: pixels are missing that no repair brings back.
    """

    kind: str
    message: str
    severity: Literal["error", "warning"] = "error"
    reading: Reading | None = None
    rows: int = 0
    lost: bool = False
