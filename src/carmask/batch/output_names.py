"""What the outputs of a run are called, for what reads its folder later."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from carmask.batch.manifest import Recorded, read_records
from carmask.batch.names import MANIFEST, STATE


def recorded_photos(out: Path) -> list[Recorded]:
    """What the manifest of an output folder has; nothing if there is none, as in a copy of its files.

    Args:
        out: output folder of a run.

    Raises:
        InUseError: if a run is writing there.
        OutputError: if it cannot be read.
    """
    file = out / STATE / MANIFEST
    return read_records(file) if file.is_file() else []


def output_names(records: Iterable[Recorded]) -> dict[str, str]:
    """What the outputs of each photo are called.

    Args:
        records: of the run's manifest.

    Returns:
        Names relative to the output folder, without suffix, by the photo as ``report.csv`` names it.
    """
    return {one.result.photo: one.name for one in records}
