"""The columns ``checks`` and ``take_again`` of the report: made of kept measurements each time it is written.

So a run with other limits checks anew what earlier runs have measured, without cutting a photo again; and copies are
found, for which all photos are needed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from carmask.batch.job import Result, split_digest
from carmask.prediction.checks import CheckSettings, Finding, find_faults
from carmask.prediction.facts import PhotoFacts, pack_facts, unpack_facts
from carmask.prediction.view import view_name

#: The fact under which a photo's measurements are kept; facts whose names begin with ``_`` are no columns.
KEPT = "_photo"
#: What ``view_name`` says of photos that show no whole car.
OTHER = "other"
#: The fact that a photo was skipped: nothing was written of it.
SKIPPED = "_skipped"
#: The reason of a photo whose picture shows nothing but the background.
NO_CAR = "no car found"
#: What the finding of a copy begins with, before the name of the other photo.
COPY = "copy of "
#: Photos that are compared at a time, with so many others.
_AT_ONCE, _WIDE = 1024, 8192
#: What sums of 32 bits may be wrong by.
_ROUNDING = 1e-4
#: Names of jobs, with what became of them.
Results = Sequence[tuple[str, Result | None]]


def facts_of(found: PhotoFacts) -> dict[str, str | float | None]:
    """What a result says of a photo: the columns of its view, and the measurements that checks are made of."""
    view = found.view
    columns: dict[str, str | float | None] = {"view": None, "view_name": OTHER, "view_confidence": None}
    if view is not None and found.whole:
        columns = {"view": view.view, "view_name": view_name(view.view), "view_confidence": round(view.confidence, 4)}
    elif view is not None:
        columns["view_confidence"] = round(1 - view.whole, 4)
    return {**columns, KEPT: pack_facts(found)}


def with_checks(results: Results, settings: CheckSettings) -> list[tuple[str, Result | None]]:
    """Check photos.

    Args:
        results: names of jobs, with what became of them.
        settings: which checks, and their limits; without any nothing is added.

    Returns:
        The same, those that were measured with the facts ``checks``, what is wrong, and ``take_again``, ``yes`` if
        another photo would help.
    """
    if not settings.limits:
        return list(results)
    known = {
        name: facts
        for name, result in results
        if result is not None and (facts := unpack_facts(str(result.facts.get(KEPT, "")))) is not None
    }
    digests = {name: split_digest(result.digest)[0] for name, result in results if result is not None}
    copies = _copies(known, digests, dict(settings.limits))
    checked: list[tuple[str, Result | None]] = []
    for name, result in results:
        if result is not None and name in known:
            found = find_faults(known[name], settings)
            if name in copies:
                found.append(Finding("duplicate", f"{COPY}{copies[name]}", again=False))
            again = "yes" if any(one.again for one in found) else None
            checks = "; ".join(one.text for one in found) or None
            result = replace(result, facts={**result.facts, "checks": checks, "take_again": again})
        checked.append((name, result))
    return checked


def count_findings(results: Results) -> tuple[int, int]:
    """Count what was found on photos that are done, for a summary.

    Args:
        results: from ``with_checks``.

    Returns:
        How many should be taken again, and how many show no whole car. Those whose view was not asked for do not count.
    """
    facts = [one.facts for _, one in results if one is not None and one.status == "done"]
    return sum(bool(one.get("take_again")) for one in facts), sum(one.get("view_name") == OTHER for one in facts)


def _copies(known: Mapping[str, PhotoFacts], digests: Mapping[str, str], limits: Mapping[str, float]) -> dict[str, str]:
    """The photos that an earlier one is a copy of, with its name: the same file anywhere, or alike in a folder."""
    if "duplicate" not in limits:
        return {}
    copies: dict[str, str] = {}
    first: dict[str, str] = {}
    folders: dict[str, list[str]] = defaultdict(list)
    for name, facts in known.items():
        digest = digests.get(name, "")
        if digest and (same := first.setdefault(digest, name)) != name:
            copies[name] = same
        elif facts.signature is not None:
            folders[name.rpartition("/")[0]].append(name)
    for names in folders.values():
        for one, other in _alike(names, [known[name].signature for name in names], limits["duplicate"]):
            copies.setdefault(other, one)
    return copies


def _alike(
    names: Sequence[str], signatures: Iterable[NDArray[np.uint8] | None], limit: float
) -> Iterable[tuple[str, str]]:
    """Pairs of photos whose signatures correlate more than this, the earlier one first.

    Nearly all pairs are told apart by means of blocks alone, a sixteenth of the numbers: see ``_coarse``.
    """
    stored = np.stack([one for one in signatures if one is not None])
    starts = range(0, len(stored), _AT_ONCE)
    coarse = np.concatenate([_coarse(_normed(stored[start : start + _AT_ONCE])) for start in starts])
    for start in starts:
        rows = _normed(stored[start : start + _AT_ONCE])
        for left in range(0, start + len(rows), _WIDE):
            others = coarse[left : min(left + _WIDE, start + len(rows))]
            near = np.argwhere(coarse[start : start + len(rows)] @ others.T >= limit - _ROUNDING)
            near = near[near[:, 1] + left < near[:, 0] + start]
            for first in range(0, len(near), _AT_ONCE):
                row, column = near[first : first + _AT_ONCE].T
                alike = (rows[row] * _normed(stored[left + column])).sum(axis=1) >= limit
                for one, other in zip(left + column[alike], start + row[alike], strict=True):
                    yield names[one], names[other]


def _normed(signatures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Signatures, uint8 (photos, 24, 40), as vectors whose products are correlations: float32 (photos, 960)."""
    flat = signatures.reshape(len(signatures), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    # A photo of one grey is like no other.
    flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-3)
    return flat


def _coarse(normed: NDArray[np.float32]) -> NDArray[np.float32]:
    """Short vectors whose products are never less than those of these: float32 (photos, 61).

    Each is the projection on means of 4x4 blocks, and the length of what that leaves. Of what two leave, the product is
    no more than that of the lengths (Cauchy and Schwarz).
    """
    blocks = normed.reshape(len(normed), 6, 4, 10, 4).sum(axis=(2, 4)).reshape(len(normed), -1) / np.float32(4)
    rest = (normed**2).sum(axis=1) - (blocks**2).sum(axis=1)
    return np.concatenate([blocks, np.sqrt(np.maximum(rest, 0))[:, None]], axis=1)
