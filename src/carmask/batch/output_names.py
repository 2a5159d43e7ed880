"""What the outputs of a run are called, for what reads its folder later."""

from __future__ import annotations

from pathlib import Path

from carmask.batch.manifest import read_records
from carmask.batch.names import MANIFEST, STATE


def output_names(out: Path) -> dict[str, str]:
    """What the outputs of each photo are called.

    Args:
        out: output folder of a run.

    Returns:
        Names relative to the folder, without suffix, by the photo as ``report.csv`` names it; empty if the folder has
        no manifest, as a copy of its files.

    Raises:
        InUseError: if a run is writing there.
        OutputError: if it cannot be read.
    """
    file = out / STATE / MANIFEST
    return {one.result.photo: one.name for one in read_records(file)} if file.is_file() else {}
