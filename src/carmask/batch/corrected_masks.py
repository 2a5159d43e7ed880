"""The corrected masks of an output folder, for what reads it later."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from carmask.batch.corrections import FILE, Corrections
from carmask.batch.decisions import holding
from carmask.batch.manifest import Recorded
from carmask.batch.names import STATE
from carmask.batch.output_names import recorded_photos
from carmask.errors import InUseError, UsageError


def corrected_masks(out: Path, records: Iterable[Recorded] | None = None) -> dict[str, Callable[[], bytes]]:
    """The masks of an output folder that were corrected by hand.

    Args:
        out: output folder of a run.
        records: of the run's manifest; read if they are not given.

    Returns:
        What loads each, as PNG, by the name of the photo's outputs; empty if nothing was corrected.

    Raises:
        UsageError: if the store is of another version.
        OutputError: if it cannot be read.
    """
    store = Corrections.of(out / STATE)
    if store is None:
        return {}
    digests = {one.name: one.result.digest for one in (_records(out) if records is None else records)}
    with store:
        decided = holding(store.decided(), digests)
    names = [name for name, one in decided.items() if one.decision == "corrected"]
    return {name: partial(_mask_of, out / STATE / FILE, name) for name in names}


def _records(out: Path) -> list[Recorded]:
    """What the manifest has; nothing while a run is going on."""
    try:
        return recorded_photos(out)
    except InUseError:
        return []


def _mask_of(file: Path, name: str) -> bytes:
    with Corrections(file, reading=True) as store:
        found = store.current(name)
    if found is None or found.mask is None:
        raise UsageError(f"{name}: its correction was taken back in the meantime; start again")
    return found.mask
