"""Find out what is wrong with a submission, and say it in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import numpy as np

from carmask.data.mask_source import Runs
from carmask.data.table import read_rle_csv
from carmask.errors import DataError, PhotoError, RLEError, SubmissionError
from carmask.geometry import Size
from carmask.images import read_photo
from carmask.model.network import Network
from carmask.prediction.predict import predict
from carmask.rle import check_runs, mask_to_runs, parse_runs
from carmask.submission.read import Reading, Trial, find_reading, likely_heights, row_length
from carmask.submission.submission import overlap_of_runs

#: Masks looked at to find the frame, and images compared with their truth.
SAMPLE = 24
#: Neighbouring images that are compared at a time: masks in each other's rows are found among them.
BLOCK = 3
#: A reading is only believed to be better if it gains this much, on this fraction of the images.
GAIN, AGREE = 0.0005, 0.9


class Finding(NamedTuple):
    """One thing that is wrong.

    Attributes:
        kind: a short name, for programs.
        message: what, where, and what to do, in one line.
        severity: an ``error`` will be refused or score badly; a ``warning`` may be meant.
        reading: how the file has to be read, if that is what is wrong.
        rows: how many rows too early each mask stands, if that is what is wrong.
    """

    kind: str
    message: str
    severity: Literal["error", "warning"] = "error"
    reading: Reading | None = None
    rows: int = 0


class KnownMasks(Protocol):
    """True masks of some images, or what comes near them."""

    @property
    def names(self) -> list[str]:
        """Stems of the photos."""

    def runs(self, name: str) -> tuple[Runs, Size]:
        """The runs of a photo's mask, and the frame they are in."""


class SeenMasks:
    """What a model sees in the photos, in place of the truth: good enough to find out how a file is meant."""

    def __init__(self, network: Network, photos: Mapping[str, Path]) -> None:
        """Prepare; photos are only read when they are asked for.

        Args:
            network: a loaded model.
            photos: by stem.
        """
        self._network, self._photos = network, photos
        self._seen: dict[str, tuple[Runs, Size]] = {}

    @property
    def names(self) -> list[str]:
        """Stems of the photos."""
        return list(self._photos)

    def runs(self, name: str) -> tuple[Runs, Size]:
        """The runs of the mask that the model predicts, and the photo's size.

        Raises:
            PhotoError: if the photo cannot be read.
        """
        if name not in self._seen:
            mask = predict(self._network, read_photo(self._photos[name])).mask
            self._seen[name] = mask_to_runs(mask), (mask.shape[0], mask.shape[1])
        return self._seen[name]


def diagnose(
    file: Path,
    names: Sequence[str] | None,
    size: Size,
    *,
    truth: KnownMasks | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Finding]:
    """Check a submission against the names it must hold and the frame it must be written in.

    Args:
        file: the submission.
        names: image names, in the order of the sample; None if they are not known.
        size: (height, width) of the photos.
        truth: masks of some of the images: all known ways to read the file are tried on them.
        progress: called with the number of rows done and of all.

    Returns:
        What is wrong, the worst first; nothing if the file is good.

    Raises:
        SubmissionError: if the file cannot be read as ``img,rle_mask`` rows at all, or shares no image with ``truth``.
    """
    rows = read_rows(file)
    findings = _check_names([name for name, _ in rows], names) if names is not None else _check_double(rows)
    parsed: dict[str, Runs] = {}
    broken: dict[str, list[tuple[int, str, str]]] = {}
    for index, (name, text) in enumerate(rows):
        try:
            parsed[name] = parse_runs(text)
            check_runs(parsed[name], *size)
        except RLEError as error:
            broken.setdefault(_kind(str(error)), []).append((index + 2, name, str(error)))
        if progress is not None:
            progress(index + 1, len(rows))
    length = _length(parsed, size)
    known = _compare(file, parsed, truth, size, length) if truth is not None else None
    meant = known[0] if known is not None else _check_frame(parsed, size, length)
    findings += meant
    # Runs that overlap or lie outside are what a wrong reading looks like: they are no second fault.
    explained = any(finding.reading is not None or finding.kind == "frame" for finding in meant)
    findings += [_broken(kind, cases, size) for kind, cases in broken.items() if not explained or kind == "malformed"]
    findings += _check_content(parsed)
    return sorted(findings, key=lambda finding: finding.severity == "warning")


def read_rows(file: Path) -> list[tuple[str, str]]:
    """Read the rows of a submission.

    Raises:
        SubmissionError: if it cannot be read as ``img,rle_mask`` rows, or holds none.
    """
    try:
        rows = read_rle_csv(file)
    except DataError as error:
        raise SubmissionError(str(error)) from error
    if not rows:
        raise SubmissionError(f"{file}: holds no rows")
    return rows


def _check_double(rows: Sequence[tuple[str, str]]) -> list[Finding]:
    return [
        finding
        for finding in _check_names([name for name, _ in rows], list(dict.fromkeys(n for n, _ in rows)))
        if finding.kind == "duplicates"
    ]


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


def _broken(kind: str, cases: Sequence[tuple[int, str, str]], size: Size) -> Finding:
    line, name, message = cases[0]
    advice = {
        "off-by-one": "starts seem to be counted from 0, they count from 1: add 1 to each",
        "frame": f"the mask is larger than the photo's {size[1]}x{size[0]}",
        "overlaps": "a pixel may belong to one run only: merge the runs",
        "order-of-runs": "runs must rise: sort them",
        "empty-runs": "leave empty runs out",
        "malformed": "write 'start length start length …'",
    }[kind]
    return Finding(
        kind if kind != "frame" else "outside",
        f"{len(cases)} rows: {advice}; the first is line {line}, {name}: {message}",
    )


def _length(parsed: Mapping[str, Runs], size: Size) -> int | None:
    """The row length that most masks show, if it is not the photos' width."""
    filled = [runs for runs in parsed.values() if len(runs) >= 20]
    picked = filled[:: max(1, len(filled) // SAMPLE)][:SAMPLE]
    lengths = [length for runs in picked if (length := row_length(runs)) is not None]
    if not lengths:
        return None
    length = round(float(np.median(lengths)))
    near = sum(abs(one - size[1]) <= 3 for one in lengths) > len(lengths) / 2
    return None if abs(length - size[1]) <= 1 and near else length


def _check_frame(parsed: Mapping[str, Runs], size: Size, length: int | None) -> list[Finding]:
    """What the file alone tells."""
    filled = [runs for runs in parsed.values() if len(runs) >= 3]
    if filled and np.mean([bool((runs[:, 1] >= runs[:, 0]).all()) for runs in filled]) >= AGREE:
        return [Finding("ends", _ENDS, reading=Reading(size, ends=True))]
    whole = size[0] * size[1]
    if filled and np.mean([runs[0, 0] <= 1 and runs[-1].sum() >= whole for runs in filled]) >= AGREE:
        return [Finding("inverted", _INVERTED, reading=Reading(size, inverted=True))]
    first = [runs for runs in parsed.values() if len(runs) and int(runs[:, 0].min()) == 0]
    if length is None:
        if not first:
            return []
        told = f"{len(first)} masks start at pixel 0: starts are counted from 0, they count from 1: add 1 to each"
        return [Finding("off-by-one", told, reading=Reading(size, shift=-1))]
    height, width = size
    last = max((int((runs[:, 0] + runs[:, 1]).max()) - 1 for runs in parsed.values() if len(runs)), default=0)
    if abs(length - height) <= 1 and last > length * height:
        return [Finding("column-major", _COLUMNS, reading=Reading(size, order="columns"))]
    rows = likely_heights(length, last, size)
    frame = f"{length}x{rows[0]}" if rows else f"{length} wide"
    told = (
        f"written at width {length} ({frame}, as far as the file alone tells), but the photos are {width}x{height}: "
        "bring each mask to their size and encode it again; --truth or --photos tells how, and what it would score"
    )
    return [Finding("frame", told)]


_ENDS = "the second number of each run is its last pixel; write its length instead"
_INVERTED = "the runs are the background; encode the car"
_COLUMNS = "the masks are numbered column by column; the challenge numbers row by row: encode mask, not mask.T"


def _compare(
    file: Path, parsed: Mapping[str, Runs], truth: KnownMasks, size: Size, length: int | None
) -> tuple[list[Finding], Trial]:
    """What trying all readings on images with known masks tells."""
    mine = {Path(name).stem: runs for name, runs in parsed.items()}
    names = [name for name in mine if name in set(truth.names)]
    if not names:
        raise SubmissionError(
            f"{file}: shares no image with --truth or --photos; the file's first is {next(iter(mine), 'none')}"
        )
    true: dict[str, Runs] = {}
    for name in _blocks(names):
        try:
            runs, frame = truth.runs(name)
        except PhotoError:
            continue
        if frame != size:
            told = (
                f"{name} is {frame[1]}x{frame[0]}, not {size[1]}x{size[0]}; say --size {frame[1]}x{frame[0]} if all are"
            )
            return [Finding("truth", told)], Trial(Reading(size), ())
        true[name] = runs
    before, after = find_reading(mine, true, size, length=length)
    by = "" if not isinstance(truth, SeenMasks) else " against what the model sees"
    gained = [new - old for old, new in zip(before.dice, after.dice, strict=True)]
    if after.reading != before.reading and after.mean - before.mean > GAIN and np.mean(np.array(gained) > 0) >= AGREE:
        kind, told = _name(after.reading, size)
        scores = f"read so, it would score {after.mean:.4f}{by} ({before.mean:.4f} now; Dice of {len(true)} images)"
        return [Finding(kind, f"{told}; {scores}", reading=after.reading)], after
    return _check_rows(names, mine, true, before), before


def _blocks(names: Sequence[str]) -> list[str]:
    """At most ``SAMPLE`` names, in blocks of neighbours that are spread over all."""
    if len(names) <= SAMPLE:
        return list(names)
    starts = np.linspace(0, len(names) - BLOCK, SAMPLE // BLOCK).round().astype(int)
    return list(dict.fromkeys(names[start + i] for start in starts for i in range(BLOCK)))


def _name(reading: Reading, size: Size) -> tuple[str, str]:
    """A reading's kind and what to do about it, in words."""
    height, width = reading.frame
    if reading.ends:
        return "ends", _ENDS
    if reading.inverted:
        return "inverted", _INVERTED
    if reading.order == "columns":
        return "column-major", _COLUMNS + (f", and {_shift(reading.shift, size[0])}" if reading.shift else "")
    if reading.frame != size:
        how = {
            "stretched": "each mask was resized to it",
            "nearest": "each mask was resized to it, by nearest neighbour",
            "start": "cut off or filled up at the right and bottom",
            "centre": "cut off or filled up evenly on both sides",
            "end": "cut off or filled up at the left and top",
        }[reading.place]
        also = f", and {_shift(reading.shift, width)}" if reading.shift else ""
        return "frame", f"written at width {width} ({width}x{height}; {how}){also}; re-encode at {size[1]}"
    kind = "off-by-one" if abs(reading.shift) == 1 else "shift"
    return kind, f"{_shift(reading.shift, size[1])}: {'subtract' if reading.shift > 0 else 'add'} {abs(reading.shift)}"


def _shift(shift: int, width: int) -> str:
    rows = round(shift / width)
    along = shift - rows * width
    if not rows:
        amount = "one pixel" if abs(along) == 1 else f"{abs(along)} pixels"
        cause = "; they seem to be counted from 0, they count from 1" if along == -1 else ""
        return f"all starts are {amount} too {'large' if along > 0 else 'small'}{cause}"
    amount = "one row" if abs(rows) == 1 else f"{abs(rows)} rows"
    beside = f" and {abs(along)} px too far {'right' if along > 0 else 'left'}" if along else ""
    return f"all masks lie {amount} too {'low' if rows > 0 else 'high'}{beside}"


def _check_rows(
    names: Sequence[str], mine: Mapping[str, Runs], true: Mapping[str, Runs], plain: Trial
) -> list[Finding]:
    """Find masks that stand in the rows of their neighbours."""
    place = {name: index for index, name in enumerate(names)}
    own = dict(zip(true, plain.dice, strict=True))
    for rows in (1, -1, 2, -2):
        pairs = [(name, other) for name in true if (other := names[(place[name] + rows) % len(names)]) in true]
        if len(pairs) < 3:
            continue
        found = [overlap_of_runs(mine[name], true[other]).dice for name, other in pairs]
        now = [own[name] for name, _ in pairs]
        better = np.mean([new > old for new, old in zip(found, now, strict=True)])
        if better >= AGREE and np.mean(found) - np.mean(now) > 0.01:
            amount = "1 row" if abs(rows) == 1 else f"{abs(rows)} rows"
            told = (
                f"each mask stands {amount} too {'early' if rows > 0 else 'late'}: move the names and it would score "
                f"{np.mean(found):.4f} ({np.mean(now):.4f} now; Dice of {len(pairs)} images)"
            )
            return [Finding("rows", told, rows=rows)]
    return []


def _check_content(parsed: Mapping[str, Runs]) -> list[Finding]:
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
