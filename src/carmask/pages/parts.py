"""The page with the scores of labels of parts: by part, their confusion, and the worst photos."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carmask.arrays import Photo
from carmask.data.annotated import PartsExample
from carmask.errors import CarmaskError
from carmask.evaluation.part_scores import PartsResult
from carmask.evaluation.part_table import write_parts_scores
from carmask.formats.labels import Labels, paint, palette
from carmask.images import read_photo
from carmask.pages.html import (
    MAX_PAGE_BYTES,
    Cell,
    Column,
    Html,
    Section,
    box,
    heading,
    join,
    keep_within,
    page,
    picture,
    say,
    table,
    text,
    tiles,
    write_page,
)
from carmask.pages.pictures import smaller
from carmask.pages.subject import MAX_ROWS, failure_sections, rows_note
from carmask.words import counted

PAGE = "parts.html"
#: Width of the pictures of a worst photo.
_WIDTH = 560
_RULE = (
    "Pixels of all photos are counted together, each photo at its own size. Means are over the parts that occur in the "
    "truth or in the prediction of any photo; background does not count."
)


def write_parts_results(
    out: Path,
    title: str,
    source: str,
    result: PartsResult,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the scores as CSV and as a page.

    Args:
        out: folder to write to; made if it is missing.
        title: what was scored.
        source: the data set's name.
        result: from ``evaluate_parts``; the photos whose labels it kept are shown.
        progress: called with the number of worst photos drawn and of all.

    Returns:
        The page.

    Raises:
        OutputError: if something cannot be written.
    """
    write_parts_scores(out, result)
    order = sorted(result.kept, key=lambda place: result.photos[place].f1)
    cases = []
    for rank, place in enumerate(order, 1):
        cases.append(_case(rank, result, place))
        if progress is not None:
            progress(rank, len(order))
    return write_page(out / PAGE, parts_page(title, source, result, cases))


def parts_page(title: str, source: str, result: PartsResult, cases: Sequence[Html]) -> Html:
    """Show the scores of a model of parts.

    Args:
        title: what was scored.
        source: the data set's name.
        result: from ``evaluate_parts``.
        cases: the worst photos, drawn, the worst first.

    Returns:
        A whole HTML document of at most 20 MB: photos that would not fit are left out, and the page says so.
    """
    photos = len(result.photos)
    lead = (
        f"{title} on {counted(photos, 'photo', thousands=True)} in {source}: mean F1 over the parts "
        f"{result.macro('f1'):.4f}."
    )
    sections = [
        *failure_sections(result.failures),
        Section("overview", "Overview", _RULE, _overview(result)),
        Section("parts", "Each part", "Click a heading to sort.", _parts(result)),
        Section(
            "confusion",
            "Confusion",
            "Of each true part's pixels, the percentage that was predicted as each part. Rows are true, columns "
            "predicted, by the rows' numbers; the diagonal is the recall.",
            _confusion(result),
        ),
    ]
    everything = Section("all-photos", "All photos", rows_note(photos), _all(result))
    kept, note = keep_within(MAX_PAGE_BYTES, page("Parts", lead, [*sections, everything]), cases)
    worst = Section(
        "worst",
        f"The {counted(len(kept), 'worst photo')}",
        f"By F1 over the photo's own parts.{note}",
        box("stack", *kept),
    )
    return page("Parts", lead, [*sections, worst, everything])


def _overview(result: PartsResult) -> Html:
    scores = [("f1", "mean F1"), ("iou", "mean IoU"), ("precision", "mean precision"), ("recall", "mean recall")]
    figures = [(f"{result.macro(score):.4f}", f"{name} over the parts") for score, name in scores]
    figures += [
        (f"{result.macro('f1', background=True):.4f}", "mean F1 with background"),
        (f"{result.confusion.accuracy:.4f}", "pixel accuracy"),
        (f"{float(np.mean([one.car_dice for one in result.photos])):.4f}", "Dice of the whole car"),
        (f"{len(result.parts())} of {len(result.names)}", "parts that occur"),
    ]
    return tiles(figures)


def _parts(result: PartsResult) -> Html:
    names = ("F1", "IoU", "precision", "recall", "true pixels", "predicted pixels")
    columns = (Column("part"), *(Column(name, number=True) for name in names))
    label_of = {name: label for label, name in enumerate(("background", *result.names))}
    rows = [
        (
            Html(f"{_swatch(label_of[one.name])} {text(one.name)}"),
            one.f1,
            one.iou,
            one.precision,
            one.recall,
            Cell(f"{one.true:,}", one.true),
            Cell(f"{one.predicted:,}", one.predicted),
        )
        for one in sorted(result.parts(background=True), key=lambda one: one.f1)
    ]
    return box("whole", table(columns, rows))


def _confusion(result: PartsResult) -> Html:
    counts = result.confusion.counts
    names = ["background", *result.names]
    shown = [label for label in range(len(names)) if counts[label].sum() + counts[:, label].sum()]
    heads = "".join(f'<th class="n" title="{text(names[label])}">{label}</th>' for label in shown)
    lines = []
    for true in shown:
        total = int(counts[true].sum())
        cells = "".join(_share(counts[true, found], total, names[true], names[found], true == found) for found in shown)
        lines.append(f"<tr><td>{true} {_swatch(true)} {text(names[true])}</td>{cells}</tr>")
    rows = "".join(lines)
    head = f"<thead><tr><th>true</th>{heads}</tr></thead>"
    matrix = f'<div class="scroll matrix"><table>{head}<tbody>{rows}</tbody></table></div>'
    return box("stack", Html(matrix), box("card", heading("The most frequent confusions"), _confusions(result)))


def _share(count: int, total: int, true: str, found: str, right: bool) -> str:
    if not total:
        return '<td class="n">–</td>'
    share = count / total
    told = f"{true} predicted as {found}: {100 * share:.2f} %, {count:,} pixels"
    colour = "var(--good)" if right else "var(--bad)"
    # The square root shows small shares as well.
    style = f"background:color-mix(in srgb, {colour} {100 * share**0.5 * 0.6:.0f}%, transparent)"
    value = f"{100 * share:.0f}" if share >= 0.005 else ""
    return f'<td class="n" style="{style}" title="{text(told)}">{value}</td>'


def _confusions(result: PartsResult, count: int = 12) -> Html:
    wrong = result.confusion.counts.copy()
    np.fill_diagonal(wrong, 0)
    names = ["background", *result.names]
    order = np.argsort(-wrong, axis=None, kind="stable")[:count]
    pairs = [(int(at) // len(names), int(at) % len(names)) for at in order]
    columns = (
        Column("true"),
        Column("predicted"),
        Column("pixels", number=True),
        Column("% of the wrong pixels", number=True),
    )
    whole = max(int(wrong.sum()), 1)
    rows = [
        (
            names[true],
            names[found],
            Cell(f"{wrong[true, found]:,}", int(wrong[true, found])),
            Cell(f"{100 * wrong[true, found] / whole:.1f}", float(wrong[true, found])),
        )
        for true, found in pairs
        if wrong[true, found]
    ]
    return table(columns, rows)


def _case(rank: int, result: PartsResult, place: int) -> Html:
    example = result.examples[place]
    assert isinstance(example, PartsExample)  # labels were scored, so there are some
    score = result.photos[place]
    with Image.open(io.BytesIO(result.kept[place])) as image:
        found = np.asarray(image, np.uint8)
    head = (
        f'<div class="head"><span class="rank">{rank}</span><b>{text(score.image)}</b>'
        f'<span class="score">F1 {score.f1:.4f}</span>'
        f'<span class="meta">pixel accuracy {score.accuracy:.4f}, '
        f"Dice of the car {score.car_dice:.4f}</span></div>"
    )
    try:
        photo, truth = read_photo(example.photo), example.read_labels()
    except CarmaskError as error:
        return box("card", Html(head), say(f"Cannot be shown: {error}"))
    pictures = [
        picture(smaller(paint(photo, truth), _WIDTH), f"{score.image}: truth", shown="truth"),
        picture(smaller(paint(photo, found), _WIDTH), f"{score.image}: prediction", shown="prediction"),
        picture(smaller(_wrong(photo, found, truth), _WIDTH), f"{score.image}: wrong", shown="red: wrong label"),
    ]
    return box("card", Html(head), box("three", *pictures), _legend(found, truth, result.names))


def _wrong(photo: Photo, found: Labels, truth: Labels) -> Photo:
    grey = np.asarray(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), np.float32) * 0.6 + 80
    shown = np.repeat(grey[..., None], 3, axis=2)
    wrong = found != truth
    shown[wrong] = 0.4 * shown[wrong] + 0.6 * np.array((232, 62, 38), np.float32)
    return shown.astype(np.uint8)


def _legend(found: Labels, truth: Labels, names: Sequence[str]) -> Html:
    there: NDArray[np.uint8] = np.union1d(found, truth)
    items = [Html(f"<span>{_swatch(int(label))}{text(names[label - 1])}</span>") for label in there if label]
    return Html(f'<div class="legend">{join(items)}</div>')


def _swatch(label: int) -> Html:
    red, green, blue = palette()[label].tolist()
    return Html(f'<i class="swatch" style="background:rgb({red},{green},{blue})"></i>')


def _all(result: PartsResult) -> Html:
    columns = (
        Column("photo"),
        Column("F1", number=True),
        Column("pixel accuracy", number=True),
        Column("Dice of the car", number=True),
        Column("true parts", number=True),
    )
    rows = [
        (one.image, one.f1, one.accuracy, one.car_dice, one.parts)
        for one in sorted(result.photos, key=lambda one: one.f1)[:MAX_ROWS]
    ]
    return table(columns, rows, find=True)
