"""Compare a submission with known masks of some of its images: its convention, and masks in the wrong rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from carmask.data.mask_source import Runs
from carmask.errors import DataError, PhotoError, RLEError
from carmask.evaluation.overlap import overlap_of_runs
from carmask.formats.listing import file_stem
from carmask.geometry import Size
from carmask.submission.conventions import AGREE, describe_reading
from carmask.submission.finding import Finding
from carmask.submission.known import KnownMasks, PredictedMasks
from carmask.submission.search import Trial, find_reading, is_better
from carmask.words import counted

#: Images that are compared.
SAMPLE = 24
#: Neighbouring images that are compared at a time: masks in each other's rows are found among them.
BLOCK = 3
#: Another row is only believed to be right if mean Dice rises by this much.
GAIN_OF_ROWS = 0.01
#: A mean Dice below this is a finding even if nothing explains it: what networks of any kind predict scores more. A
#: convention explains masks if they score as much by it, or if it wins back more than half of what they lack.
LOW = 0.9


def compare_known(
    names: Sequence[str], parsed: Mapping[str, Runs], truth: KnownMasks, size: Size, length: int | None
) -> list[Finding]:
    """Try all conventions on images with known masks.

    Args:
        names: image names of all rows, in the file's order.
        parsed: runs by image name, of the rows that could be understood.
        truth: masks of some of the images.
        size: (height, width) of the photos.
        length: of the rows, if it is not the photos' width.

    Returns:
        The findings.
    """
    known = set(truth.names)
    if not any(file_stem(name) in known for name in names):
        told = f"no image of the file has a true mask or a photo to compare it with; the file's first is {names[0]}"
        return [Finding("truth", told)]
    mine = {file_stem(name): runs for name, runs in parsed.items()}
    shared = [name for name in mine if name in known]
    if not shared:
        return []  # their rows are malformed, and that is said
    true: dict[str, Runs] = {}
    reasons: list[str] = []
    for name in _blocks(shared):
        try:
            runs, frame = truth.runs(name)
        except (PhotoError, RLEError, DataError) as error:
            reasons.append(str(error))
            continue
        if frame != size:
            wide, own = f"{frame[1]}x{frame[0]}", f"{size[1]}x{size[0]}"
            return [Finding("truth", f"{name} is {wide}, not {own}; give size={wide} if all photos are")]
        true[name] = runs
    unread = [Finding("truth", f"{len(reasons)} true masks cannot be read, the first: {reasons[0]}")] if reasons else []
    if not true:
        return unread
    before, after = find_reading(mine, true, size, length=length)
    by = " against what the model predicts" if isinstance(truth, PredictedMasks) else ""
    risen = after.mean - before.mean
    # Of masks that are wrong altogether, some are a little less so a few pixels away.
    explained = after.mean >= LOW or risen > (1.0 - before.mean) / 2
    if after.reading != before.reading and explained and is_better(after, before):
        kind, told = describe_reading(after.reading, size)
        scores = (
            f"read so, it would score {after.mean:.4f}{by} ({before.mean:.4f} now; Dice of "
            f"{counted(len(true), 'image')})"
        )
        return [*unread, Finding(kind, f"{told}; {scores}", reading=after.reading)]
    moved = _check_rows([file_stem(name) for name in names], mine, true, before)
    if moved or before.mean >= LOW:
        return [*unread, *moved]
    told = (
        f"the masks score {before.mean:.4f}{by} (Dice of {counted(len(true), 'image')}), and no other frame, "
        "order, offset or row that is known explains it; draw them over their photos to see what is wrong"
    )
    return [*unread, Finding("low-score", told, "warning" if by else "error")]


def _blocks(names: Sequence[str]) -> list[str]:
    """At most ``SAMPLE`` names, in blocks of neighbours that are spread over all."""
    if len(names) <= SAMPLE:
        return list(names)
    starts = np.linspace(0, len(names) - BLOCK, SAMPLE // BLOCK).round().astype(int)
    return list(dict.fromkeys(names[start + i] for start in starts for i in range(BLOCK)))


def _check_rows(
    names: Sequence[str], mine: Mapping[str, Runs], true: Mapping[str, Runs], plain: Trial
) -> list[Finding]:
    """Find masks that stand in the rows of their neighbours in the file, of which ``names`` are all."""
    place = {name: index for index, name in enumerate(names)}
    own = dict(zip(true, plain.dice, strict=True))
    for rows in (1, -1, 2, -2):
        pairs = [(name, other) for name in true if (other := names[(place[name] + rows) % len(names)]) in true]
        if len(pairs) < BLOCK:
            continue
        found = [overlap_of_runs(mine[name], true[other]).dice for name, other in pairs]
        now = [own[name] for name, _ in pairs]
        better = np.mean([new > old for new, old in zip(found, now, strict=True)])
        if better >= AGREE and np.mean(found) - np.mean(now) > GAIN_OF_ROWS:
            amount = counted(abs(rows), "row")
            told = (
                f"each mask stands {amount} too {'early' if rows > 0 else 'late'}: move the names and it would score "
                f"{np.mean(found):.4f} ({np.mean(now):.4f} now; Dice of {len(pairs)} images)"
            )
            return [Finding("rows", told, rows=rows)]
    return []
