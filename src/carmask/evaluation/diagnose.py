"""Find out what is wrong with a submission, and say it in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from carmask.arrays import Size
from carmask.data.table import read_rle_csv
from carmask.errors import DataError, PhotoError, RLEError, SubmissionError
from carmask.evaluation.submission import Runs, Truth, overlap_of_runs
from carmask.rle import check_runs, parse_runs

#: Masks looked at to find the frame; they are spread over the file.
SAMPLE = 24
#: Row lengths that are tried when looking for the frame's width.
_WIDTHS = range(64, 4097)


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: a short name, for programs.
        message: what, where, and what to do, in one line.
        severity: an ``error`` will be refused or score badly; a ``warning`` may be meant.
    """

    kind: str
    message: str
    severity: Literal["error", "warning"] = "error"


def diagnose(
    file: Path,
    names: Sequence[str],
    size: Size,
    *,
    truth: Truth | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Check a submission against the names it must hold and the frame it must be written in.

    Args:
        file: the submission.
        names: image names, in the order of the sample.
        size: (height, width) of the photos.
        truth: true masks of some of the images; finds shifts that nothing in the file itself tells.
        progress: called with the number of rows done and of all.

    Returns:
        What is wrong, the worst first; nothing if the file is good.

    Raises:
        SubmissionError: if the file cannot be read as ``img,rle_mask`` rows at all.
    """
    try:
        rows = read_rle_csv(file)
    except DataError as error:
        raise SubmissionError(str(error)) from error
    findings = _check_names([name for name, _ in rows], names)
    parsed: dict[str, Runs] = {}
    broken: dict[str, list[tuple[str, str]]] = {}
    for index, (name, text) in enumerate(rows):
        try:
            parsed[name] = parse_runs(text)
            check_runs(parsed[name], *size)
        except RLEError as error:
            broken.setdefault(_kind(str(error)), []).append((name, str(error)))
        if progress is not None:
            progress(index + 1, len(rows))
    findings += _check_frame(parsed, size)
    in_other_frame = any(finding.kind in {"frame", "column-major"} for finding in findings)
    findings += [_broken(kind, cases, size) for kind, cases in broken.items()]
    if truth is not None and not in_other_frame:
        findings += _check_shift(parsed, truth, size)
    findings += _check_content(parsed)
    return sorted(findings, key=lambda finding: finding.severity == "warning")


def row_length(runs: Runs) -> int | None:
    """Find how long the rows of a mask are from its runs alone.

    A car changes little from one row to the next. So a mask overlaps most with itself when it is moved along by
    exactly one row; at any other distance its contour is out of step everywhere.

    Args:
        runs: int64 (runs, 2): start and length.

    Returns:
        Pixels in a row, between 64 and 4096; None if the mask is too small to tell.
    """
    if len(runs) < 20:
        return None

    def overlap(shift: int) -> int:
        moved = runs.copy()
        moved[:, 0] += shift
        return overlap_of_runs(moved, runs).both

    coarse = max(_WIDTHS[::8], key=overlap)
    # Beyond the coarse peak: twice a row length also overlaps well, and may do so better at a multiple of eight.
    near = range(max(_WIDTHS.start, coarse - 8), min(_WIDTHS.stop, coarse + 9))
    best = max(near, key=overlap)
    half = best // 2
    if half >= _WIDTHS.start:
        around = max(range(max(_WIDTHS.start, half - 8), half + 9), key=overlap)
        if overlap(around) > overlap(best):
            best = around
    return best


def _check_names(found: Sequence[str], wanted: Sequence[str]) -> list[Finding]:
    findings = []
    counts, expected = Counter(found), set(wanted)
    double = [name for name, count in counts.items() if count > 1]
    unknown = [name for name in counts if name not in expected]
    missing = [name for name in wanted if name not in counts]
    if missing and unknown and {Path(name).stem for name in unknown} >= {Path(name).stem for name in missing}:
        return [
            Finding(
                "names",
                f"{len(missing)} images go by another suffix than in the sample: {unknown[0]}, there {missing[0]}",
            )
        ]
    if double:
        findings.append(Finding("duplicates", f"{len(double)} images have more than one row, the first is {double[0]}"))
    if missing:
        findings.append(
            Finding("missing", f"{len(missing)} of {len(wanted)} images have no row, the first is {missing[0]}")
        )
    if unknown:
        findings.append(
            Finding("unknown", f"{len(unknown)} rows name images that the sample does not, the first is {unknown[0]}")
        )
    if not findings and list(found) != list(wanted):
        findings.append(Finding("order", "the rows are not in the order of the sample", "warning"))
    return findings


def _kind(message: str) -> str:
    for kind, sign in (
        ("off-by-one", "starts before pixel 1"),
        ("frame", "ends at pixel"),
        ("overlaps", "overlaps"),
        ("order-of-runs", "comes before"),
        ("empty-runs", "has length 0"),
    ):
        if sign in message:
            return kind
    return "malformed"


def _broken(kind: str, cases: list[tuple[str, str]], size: Size) -> Finding:
    name, message = cases[0]
    advice = {
        "off-by-one": "starts seem to be counted from 0, they count from 1: add 1 to each",
        "frame": f"the mask is larger than the photo's {size[1]}x{size[0]}",
        "overlaps": "a pixel may belong to one run only: merge the runs",
        "order-of-runs": "runs must rise: sort them",
        "empty-runs": "leave empty runs out",
        "malformed": "write 'start length start length …'",
    }[kind]
    return Finding(
        kind if kind != "frame" else "outside", f"{len(cases)} rows: {advice}; the first is {name}: {message}"
    )


def _check_frame(parsed: dict[str, Runs], size: Size) -> list[Finding]:
    height, width = size
    filled = [runs for runs in parsed.values() if len(runs) >= 20]
    picked = filled[:: max(1, len(filled) // SAMPLE)][:SAMPLE]
    lengths = [length for runs in picked if (length := row_length(runs)) is not None]
    if not lengths:
        return []
    length = round(float(np.median(lengths)))
    if abs(length - width) <= 1 and sum(abs(one - width) <= 3 for one in lengths) > len(lengths) / 2:
        return []
    last = max(int(runs[-1, 0] + runs[-1, 1] - 1) for runs in filled)
    rows = math.ceil(last / length)
    if abs(length - height) <= 1 and rows > height:
        return [
            Finding(
                "column-major",
                f"the masks are numbered column by column; the challenge numbers row by row: encode mask, not mask.T "
                f"(columns of {length} pixels found)",
            )
        ]
    frame = f"{length} pixels wide" + (f" ({length}x{length})" if 0.7 * length < rows <= length < width / 2 else "")
    return [
        Finding(
            "frame",
            f"the masks are written in a frame {frame}, but the photos are {width} wide: enlarge or crop each mask to "
            f"{width}x{height} and encode it again",
        )
    ]


def _check_shift(parsed: dict[str, Runs], truth: Truth, size: Size) -> list[Finding]:
    by_stem = {Path(name).stem: runs for name, runs in parsed.items()}
    known = [name for name in truth.names if name in by_stem]
    scores: dict[int, list[float]] = {shift: [] for shift in range(-3, 4)}
    for name in known[:: max(1, len(known) // SAMPLE)][:SAMPLE]:
        try:
            true, frame = truth.runs(name)
            check_runs(by_stem[name], *size)
        except (PhotoError, RLEError):
            continue
        if frame != size:
            return [
                Finding(
                    "truth", f"{name}: the truth is {frame[1]}x{frame[0]}, the submission's frame {size[1]}x{size[0]}"
                )
            ]
        for shift, values in scores.items():
            moved = by_stem[name].copy()
            moved[:, 0] -= shift
            values.append(overlap_of_runs(moved, true).dice)
    if not scores[0]:
        return []
    means = {shift: float(np.mean(values)) for shift, values in scores.items()}
    best = max(means, key=lambda shift: means[shift])
    # A shift is a property of the file: every mask must prefer it, else it is the model's own error.
    agree = np.mean([moved > kept for moved, kept in zip(scores[best], scores[0], strict=True)])
    if best == 0 or agree < 0.9:
        return []
    amount = "one pixel" if abs(best) == 1 else f"{abs(best)} pixels"
    cause = "; starts seem to be counted from 0, they count from 1" if best == -1 else ""
    return [
        Finding(
            "off-by-one" if abs(best) == 1 else "shift",
            f"all starts are {amount} too {'large' if best > 0 else 'small'}{cause}: "
            f"{'subtract' if best > 0 else 'add'} {abs(best)} (Dice {means[0]:.4f} now, {means[best]:.4f} then, on "
            f"{len(scores[0])} images)",
        )
    ]


def _check_content(parsed: dict[str, Runs]) -> list[Finding]:
    small = [name for name, runs in parsed.items() if int(runs[:, 1].sum()) <= 1]
    if not small:
        return []
    return [
        Finding(
            "empty",
            f"{len(small)} of {len(parsed)} masks are empty or a single pixel, as in the sample itself; the first is "
            f"{small[0]}",
            "warning",
        )
    ]
