"""Corrected masks as a data set: what people mended is what a model should learn next."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

from carmask.batch.corrections import Correction, Corrections
from carmask.batch.names import STATE
from carmask.batch.runfile import read_run
from carmask.errors import UsageError
from carmask.images import PHOTO_SUFFIXES, make_folder, write_atomically
from carmask.review.queue import read_queue


def export_corrections(
    out: Path, to: Path, *, progress: Callable[[int, int], None] | None = None
) -> tuple[int, list[str]]:
    """Write photos and corrected masks in pairs, in the layout that training reads.

    ``to/train/NAME.jpg`` is the photo's file as it is, ``to/train_masks/NAME_mask.png`` the mask. A name with folders
    in it has ``_`` in place of ``/``.

    Args:
        out: an output folder of ``cut`` that was reviewed.
        to: made if it is missing. A pair that is there is written anew, but for one of another photo of the same name,
            and one whose mask is in another format: with two masks of a photo nothing could read the folder.
        progress: called with how many are done and how many there are.

    Returns:
        How many pairs were written, and what is wrong with the others, one line each.

    Raises:
        UsageError: if there are no results of ``cut``, nothing was corrected there, or two names become one.
        OutputError: if something cannot be written.
    """
    base = read_run(out / STATE).base
    store = Corrections.of(out / STATE)
    if store is None:
        raise UsageError(f"{out}: nothing was corrected here; 'carmask review {out}' does that")
    with store:
        names = [name for name, one in store.decided().items() if one.decision == "corrected"]
        if not names:
            raise UsageError(f"{out}: no photo has a corrected mask")
        flat = {name.replace("/", "_") for name in names}
        if len(flat) < len(names):
            raise UsageError(f"{out}: two corrected photos get the same name without their folders; rename one")
        photos = {entry.name: entry.photo for entry in read_queue(out).entries}
        for folder in ("train", "train_masks"):
            make_folder(to / folder)
        done, wrong = 0, []
        for number, one in enumerate(store.corrected(), 1):
            problem = _write_pair(to, one.name, base / photos[one.name] if one.name in photos else None, one)
            done += problem is None
            wrong += [] if problem is None else [problem]
            if progress is not None:
                progress(number, len(names))
    return done, wrong


def _write_pair(to: Path, name: str, photo: Path | None, correction: Correction) -> str | None:
    """Write one pair; None, or what is wrong."""
    if photo is None:
        return f"{name}: no longer among the run's photos"
    try:
        content = photo.read_bytes()
    except OSError as error:
        return f"{photo}: cannot be read: {error.strerror or error}"
    if hashlib.sha256(content).hexdigest() != correction.photo:
        return f"{photo}: another photo than was corrected"
    flat = name.replace("/", "_")
    if (there := _another(to / "train", flat, content)) is not None:
        return f"{photo}: {there} is another photo of this name; nothing was written for it, name another folder"
    for suffix in sorted(PHOTO_SUFFIXES - {".png"}):
        if (mask := to / "train_masks" / f"{flat}_mask{suffix}").exists():
            return f"{photo}: {mask} is a mask of it, too; nothing was written for it, name another folder"
    write_atomically(to / "train" / f"{flat}{photo.suffix.lower()}", content)
    assert correction.mask is not None
    write_atomically(to / "train_masks" / f"{flat}_mask.png", correction.mask)
    return None


def _another(folder: Path, stem: str, content: bytes) -> Path | None:
    """A photo of this name that holds something else: a pair of another run or data set, which would be lost."""
    for suffix in sorted(PHOTO_SUFFIXES):
        there = folder / f"{stem}{suffix}"
        try:
            if there.read_bytes() != content:
                return there
        except FileNotFoundError:
            continue
        except OSError:  # whatever it is, it is in the way
            return there
    return None
