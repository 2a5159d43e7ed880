"""What goes to the per-photo function and what comes back: both are small and picklable."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Job:
    """One photo to cut.

    Attributes:
        photo: its file; a text with ``://`` where a cluster's storage has it.
        name: its path relative to the folder it was found in, without suffix, with ``/``.
        outputs: files to write, in the order of ``OutputSpec.outputs``.
        known: what the outputs on disk were made of, as ``made_of`` says it; empty to make them in any case.
        series: all views of the car, this one too, where they are to be placed alike.
        vehicle: identifier of the vehicle that it shows; '' if photos are not grouped, or it has none.
        correction: a corrected mask (PNG) that takes the place of the network's.
        corrected_photo: SHA-256 of the photo's file that it was made for; it is used for no other.
    """

    photo: Path | str
    name: str
    outputs: tuple[Path | str, ...]
    known: str = ""
    series: tuple[Path | str, ...] = ()
    vehicle: str = ""
    correction: bytes | None = field(default=None, repr=False)
    corrected_photo: str = ""

    def made_of(self, photo: str, series: str = "") -> str:
        """What the outputs are made of: another text for other outputs.

        Args:
            photo: SHA-256 of the photo's file.
            series: what is known of the contents of all views of ``series``; '' without a series.

        Returns:
            The same; followed by ``+`` and some of the correction's SHA-256 if there is one for this photo; then by
            ``~`` and ``series``.
        """
        if self.correction is not None and self.corrected_photo == photo:
            photo = f"{photo}+{hashlib.sha256(self.correction).hexdigest()[:16]}"
        return f"{photo}~{series}" if series else photo


def split_digest(digest: str) -> tuple[str, str]:
    """The photo's SHA-256 and what is known of its series, of a text that ``Job.made_of`` has made."""
    photo, _, series = digest.partition("~")
    return photo.partition("+")[0], series


def is_corrected(digest: str) -> bool:
    """Whether outputs were made of a corrected mask, by a text that ``Job.made_of`` has made."""
    return "+" in digest.partition("~")[0]


@dataclass(frozen=True)
class Result:
    """What became of a photo: a row of ``report.csv``, and what the manifest keeps beyond that.

    Attributes:
        photo: the photo's path as it was given or found.
        status: ``done`` or ``failed``.
        reason: why it failed, or what is remarkable.
        confidence: 0 to 1, how far the mask can be trusted; None if it failed.
        area: fraction of the photo that is car; None if it failed.
        seconds: spent on it, waiting for other photos not counted.
        digest: what the outputs were made of, from ``Job.made_of``; empty if the photo could not be read.
        stamp: what the file system said of the photo's file when it was read; empty if it says nothing.
        written: bytes of all outputs.
        runs: run-length text, if it was wanted.
        unchanged: the photo's content was that of the job's ``known``; nothing was done, only ``stamp`` is new.
        kept: from an earlier run.
        error: expected distance of the contour from the true one, in pixels; None if it is not known.
        full: it failed because nothing more can be written there, this photo or another.
        traceback: of an error that carmask did not expect; empty otherwise. Not kept in the manifest.
        facts: what else is known of the photo, such as its vehicle: columns of ``report.csv`` beyond the fixed ones,
            by name; values are what JSON holds.
        measures: what was measured on the photo, as JSON: see ``carmask.prediction.measures``.
        box: left, top, right and bottom of the car in pixels; None without a car. Not kept in the manifest.
    """

    photo: str
    status: Literal["done", "failed"]
    reason: str = ""
    confidence: float | None = None
    area: float | None = None
    seconds: float = 0.0
    digest: str = ""
    stamp: str = ""
    written: int = 0
    runs: str | None = field(default=None, repr=False)
    unchanged: bool = False
    kept: bool = False
    error: float | None = None
    facts: Mapping[str, str | float | None] = field(default_factory=dict)
    full: bool = False
    traceback: str = field(default="", repr=False)
    measures: str = field(default="", repr=False, compare=False)
    box: tuple[int, int, int, int] | None = field(default=None, compare=False)
