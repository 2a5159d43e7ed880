"""What people decided about the photos of a run, as far as it is about the photos that were cut."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from carmask.batch.corrections import Correction, Corrections
from carmask.batch.job import split_digest


def holding(decided: Mapping[str, Correction], digests: Mapping[str, str]) -> dict[str, Correction]:
    """Leave out decisions about photos that have been replaced since, and cut again: nobody has looked at the new ones.

    Args:
        decided: decisions, by the names of the photos' outputs.
        digests: what the outputs were made of, by name, as ``Job.made_of`` says it; a name that is missing, or has an
            empty text, is not checked.

    Returns:
        The others.
    """
    cut = {name: split_digest(digests.get(name, ""))[0] for name in decided}
    return {name: one for name, one in decided.items() if not one.photo or cut[name] in {"", one.photo}}


def decisions_of(state: Path, digests: Mapping[str, str]) -> dict[str, str]:
    """What was decided in a run, by name.

    Args:
        state: the folder that holds the manifest.
        digests: of the photos as they were cut, for ``holding``.

    Returns:
        ``accepted``, ``corrected`` or ``rejected`` of each photo that somebody decided about.

    Raises:
        UsageError: if the store is of another version.
        OutputError: if it cannot be read.
    """
    store = Corrections.of(state)
    if store is None:
        return {}
    with store:
        return {name: one.decision for name, one in holding(store.decided(), digests).items()}
