"""Pages that show scores: of one model, and of two side by side."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Mask, Photo
from carmask.data.table import CarInfo, Example
from carmask.evaluation.error_attribution import RULES, Explanation, Tag, explain
from carmask.evaluation.error_breakdown import FAR, MARGIN, Losses, distance_names, region_names, total
from carmask.evaluation.scoring import Examined, Score, load_pair, summarise
from carmask.geometry import resize
from carmask.pages import charts
from carmask.pages.html import (
    MAX_PAGE_BYTES,
    Cell,
    Column,
    Html,
    Section,
    box,
    heading,
    page,
    picture,
    say,
    table,
    text,
    tiles,
)
from carmask.pages.pictures import as_picture, difference, outlines, smaller, window
from carmask.rle import runs_to_mask

#: Rows of the table of all photos; ``scores.csv`` has every one.
MAX_ROWS = 3000
#: Width of the small pictures of a worst image.
_SMALL = 420


class Case(NamedTuple):
    """One of the worst images: where it stands in the list of examples, and what went wrong in it."""

    place: int
    explanation: Explanation
    shown: Html


class Subject(NamedTuple):
    """What a page is about.

    Attributes:
        examples: photos with true masks.
        metadata: year, make and model by car.
        source: the data set's name.
    """

    examples: Sequence[Example]
    metadata: Mapping[str, CarInfo]
    source: str


def worst_cases(
    subject: Subject, results: Sequence[Examined], count: int, *, progress: Callable[[int, int], None] | None = None
) -> list[Case]:
    """Look at the images with the lowest Dice again, and say what went wrong.

    Args:
        subject: the photos.
        results: one for each of its examples.
        count: how many.
        progress: called with the number done and the number of all.

    Returns:
        The worst first; images without a wrong pixel are not among them.

    Raises:
        PhotoError: if a photo cannot be read any more.
    """
    order = sorted(range(len(results)), key=lambda i: results[i].score.dice)[:count]
    cases = []
    for rank, index in enumerate(order, 1):
        one, example = results[index], subject.examples[index]
        if one.losses.wrong:
            photo, truth = load_pair(example)
            prediction = runs_to_mask(one.runs, *truth.shape)
            explanation = explain(photo, prediction, truth)
            pictures = (photo, prediction, truth)
            cases.append(
                Case(index, explanation, _case(rank, one.score, explanation, pictures, title_of(subject, example.car)))
            )
        if progress is not None:
            progress(rank, len(order))
    return cases


def scores_page(name: str, subject: Subject, results: Sequence[Examined], cases: Sequence[Case]) -> Html:
    """Show the scores of one model.

    Args:
        name: of the model.
        subject: the photos.
        results: one for each of its examples.
        cases: the worst of them, from ``worst_cases``.

    Returns:
        A whole HTML document of at most 20 MB: cases that would not fit are left out, and the page says so.
    """
    scores = [one.score for one in results]
    summary = summarise(scores)
    lost = total([one.losses for one in results])
    sections = [
        Section("overview", "Overview", "Means over the photos, each scored at its own size.", _overview(scores)),
        Section("distribution", "Distribution of Dice", "", _distribution(scores)),
        Section(
            "losses",
            "Where Dice is lost",
            f"{lost.wrong:,} wrong pixels in {summary.images:,} photos. Red: extra, not true. Blue: missed.",
            _losses(lost, scores),
        ),
        Section("by-car", "By view, make and car", "", _groups(subject, scores)),
    ]
    photos = f"{summary.images:,} photos of {summary.cars:,} cars in {subject.source}"
    lead = f"{name} on {photos}: mean Dice {summary.mean:.6f} as the challenge computes it."
    everything = Section("all-photos", "All photos", _all_note(scores), _all(subject, scores, cases))
    room = MAX_PAGE_BYTES - len(page("Scores", lead, [*sections, everything]).encode()) - 100_000
    kept: list[Case] = []
    for case in cases:
        room -= len(case.shown.encode())
        if room < 0:
            break
        kept.append(case)
    note = "" if len(kept) == len(cases) else f" {len(cases) - len(kept)} more would have made the page too large."
    worst = Section(
        "worst",
        f"The {len(kept)} worst",
        "Each cluster of wrong pixels is tagged by the rules below, measured on the picture. Large: the part with the "
        f"main error at native size. Click to enlarge.{note}",
        _worst(kept),
    )
    return page("Scores", lead, [*sections[:3], worst, *sections[3:], everything])


def _overview(scores: Sequence[Score]) -> Html:
    summary = summarise(scores)

    def mean(name: str) -> float:
        return float(np.mean([getattr(score, name) for score in scores]))

    times = [score.seconds for score in scores]
    return tiles(
        [
            (f"{summary.mean:.4f}", "mean Dice (F1)"),
            (f"{summary.median:.4f}", "median Dice"),
            (f"{summary.fifth_percentile:.4f}", "5th percentile"),
            (f"{summary.minimum:.4f}", "lowest Dice"),
            (f"{mean('iou'):.4f}", "mean IoU"),
            (f"{mean('precision'):.4f}", "precision"),
            (f"{mean('recall'):.4f}", "recall"),
            (f"{100 * mean('accuracy'):.2f}\u00a0%", "pixels right"),
            (f"{mean('contour_error'):.2f}\u00a0px", "contour error"),
            (f"{mean('hd95'):.2f}\u00a0px", "HD95"),
            (f"{mean('boundary_iou'):.4f}", "boundary IoU, 2 % of the diagonal"),
            (f"{mean('boundary_iou_5px'):.4f}", "boundary IoU, 5 px"),
            (f"{mean('boundary_iou_2px'):.4f}", "boundary IoU, 2 px"),
            (f"{1000 * float(np.median(times)):.0f}\u00a0ms", "for a mask, median"),
        ]
    )


def _distribution(scores: Sequence[Score]) -> Html:
    values = [score.dice for score in scores]
    # From a round number below the 1st percentile: a single failure must not squeeze all else into one bar.
    low = max(0.0, math.floor(100 * float(np.percentile(values, 1))) / 100 - 0.005)
    edges = [float(edge) for edge in np.linspace(low, 1, 41)]
    below = sum(value < low for value in values)
    note = (
        say(f"{below} of {len(values)} photos lie below {low:.3f}; they are in the first bar.") if below else Html("")
    )
    parts = [box("card", heading("Photos by Dice"), charts.histogram(values, edges=edges, name="Dice", digits=3), note)]
    known = [score for score in scores if not math.isnan(score.confidence)]
    if known:
        points = [(s.confidence, s.dice, f"{s.image}: confidence {s.confidence:.4f}, Dice {s.dice:.4f}") for s in known]
        note = say("The model's own confidence against the truth. On the line it says what comes out.")
        chart = charts.scatter(points, across="confidence", up="Dice", diagonal=True)
        parts.append(box("card", heading("Does it know?"), chart, note))
    return box("columns", *parts)


def _losses(lost: Losses, scores: Sequence[Score]) -> Html:
    whole = max(lost.wrong, 1)
    distances = [(100 * float(e) / whole, 100 * float(m) / whole) for e, m in lost.by_distance.T]
    regions = [(100 * float(e) / whole, 100 * float(m) / whole) for e, m in lost.by_region.T]
    near = 100 * float(lost.by_distance[:, :2].sum()) / whole
    names = ("extra", "missed")
    missing = 1 - summarise(scores).mean
    told = (
        f"The mean lacks {missing:.4f} to 1. {near:.0f} % of the wrong pixels lie within 2 pixels of the true contour: "
        "that is the contour's roughness, and the annotators'."
    )
    regions_note = (
        "Height within the rectangle around the true car: roof 0–0.15, windows to 0.45, body to 0.75, then wheels and "
        f"ground; away from the car: extra pixels more than {FAR} from it."
    )
    return box(
        "stack",
        say(told),
        box(
            "columns",
            box(
                "card",
                heading("By distance to the true contour, pixels"),
                charts.stacked(distance_names(), distances, names, unit=" %"),
            ),
            box(
                "card",
                heading("By region"),
                charts.stacked(region_names(), regions, names, unit=" %"),
                say(regions_note),
            ),
        ),
        box(
            "card",
            heading("On the car"),
            say(
                "All photos laid over one another, each stretched so that the rectangle around its true car, shown as "
                "a line, is the same. The darker, the more wrong pixels there."
            ),
            box(
                "columns",
                picture(_map(lost.map[0], (201, 68, 47)), "extra pixels on the car", quality=101),
                picture(_map(lost.map[1], (47, 111, 171)), "missed pixels on the car", quality=101),
            ),
        ),
    )


def _map(counts: NDArray[np.int64], colour: tuple[int, int, int]) -> Photo:
    # The square root shows the weak places as well as the strong ones.
    strength = np.sqrt(counts / max(int(counts.max()), 1)).astype(np.float32)
    large = np.clip(resize(strength, (384, 576)), 0, 1)[..., None]
    shown = 250 * (1 - large) + np.array(colour, np.float32) * 0.9 * large
    top, left = round(384 * MARGIN / (1 + 2 * MARGIN)), round(576 * MARGIN / (1 + 2 * MARGIN))
    return np.asarray(
        cv2.rectangle(shown.astype(np.uint8), (left, top), (576 - left, 384 - top), (120, 120, 120), 1), np.uint8
    )


def _worst(cases: Sequence[Case]) -> Html:
    if not cases:
        return box("card good", heading("There is no wrong pixel."))
    tags = Counter(case.explanation.tags[0] for case in cases)
    every = Counter(tag for case in cases for tag in case.explanation.tags)
    rows = [
        (tag, tags[tag], every[tag], rule)
        for tag, rule in sorted(RULES, key=lambda rule: (-tags[rule[0]], -every[rule[0]]))
    ]
    columns = (
        Column("tag"),
        Column("main tag of", number=True),
        Column("photos", number=True),
        Column("rule", wide=True),
    )
    rules = box("card", heading("What went wrong, and by which rule"), table(columns, rows))
    return box("stack", rules, *(case.shown for case in cases))


def _case(rank: int, score: Score, found: Explanation, pictures: tuple[Photo, Mask, Mask], title: str) -> Html:
    photo, prediction, truth = pictures
    rows, columns = window(found, prediction, truth)
    marked = difference(photo, prediction, truth)
    part = f"{score.image}, rows {rows.start}–{rows.stop}, columns {columns.start}–{columns.stop}, native size"
    small = [
        picture(
            smaller(outlines(photo, prediction, truth), _SMALL),
            f"{score.image}: truth green, prediction pink",
            shown="truth green, prediction pink",
        ),
        picture(
            smaller(marked, _SMALL),
            f"{score.image}: red extra, blue missed",
            shown="difference: red extra, blue missed",
        ),
        picture(smaller(as_picture(truth), _SMALL), f"{score.image}: truth", shown="truth", quality=60),
        picture(smaller(as_picture(prediction), _SMALL), f"{score.image}: prediction", shown="prediction", quality=60),
    ]
    tags = "".join(
        f'<span class="tag{" first" if i == 0 else ""}">{text(tag)}</span> ' for i, tag in enumerate(found.tags)
    )
    evidence = "".join(
        f"<li><b>{text(', '.join(fault.tags))}</b>: {text(fault.evidence)} "
        f"({100 * fault.pixels / found.wrong:.0f} %)</li>"
        for fault in found.faults[:4]
    )
    rim = (
        f"<li>the contour's roughness: {found.rim:,} of {found.wrong:,} wrong pixels "
        f"({100 * found.rim / found.wrong:.0f} %)</li>"
    )
    head = (
        f'<div class="head"><span class="rank">{rank}</span><b>{text(score.image)}</b>'
        f'<span class="score">Dice {score.dice:.4f}</span>'
        f'<span class="meta">{text(title)}, contour error {score.contour_error:.1f} px, HD95 {score.hd95:.0f} px</span>'
        f"{tags}</div>"
    )
    large = [
        picture(photo[rows, columns], f"photo: {part}", shown="photo, native size"),
        picture(marked[rows, columns], f"difference: {part}", shown="difference there: red extra, blue missed"),
    ]
    return box(
        "card", Html(head), box("case", *large), box("four", *small), Html(f'<ul class="evidence">{evidence}{rim}</ul>')
    )


def _groups(subject: Subject, scores: Sequence[Score]) -> Html:
    views = sorted({score.view for score in scores})
    per_view = [(f"{view:02d}" if view else "?", [s.dice for s in scores if s.view == view]) for view in views]
    by_make: dict[str, list[Score]] = defaultdict(list)
    by_car: dict[str, list[Score]] = defaultdict(list)
    for score in scores:
        by_car[score.car].append(score)
        info = subject.metadata.get(score.car)
        by_make[info.make if info else "unknown"].append(score)
    columns = (
        Column("cars", number=True),
        Column("photos", number=True),
        Column("mean Dice", number=True),
        Column("lowest", number=True),
        Column("contour px", number=True),
    )
    make_rows = [
        (make, len({s.car for s in of}), len(of), *_figures(of))
        for make, of in sorted(by_make.items(), key=lambda item: float(np.mean([s.dice for s in item[1]])))
    ]
    car_rows = [
        (car, title_of(subject, car) if car in subject.metadata else "", len(of), *_figures(of))
        for car, of in sorted(by_car.items(), key=lambda item: float(np.mean([s.dice for s in item[1]])))
    ]
    return box(
        "stack",
        box("card", heading("Dice by view"), charts.boxes(per_view, name="view")),
        box(
            "columns",
            box("card", heading("By make"), table((Column("make"), *columns), make_rows)),
            box("card", heading("By car"), table((Column("car"), Column("what"), *columns[1:]), car_rows, find=True)),
        ),
    )


def _figures(scores: Sequence[Score]) -> tuple[float, float, Cell]:
    values = [score.dice for score in scores]
    error = float(np.mean([score.contour_error for score in scores]))
    return float(np.mean(values)), min(values), Cell(f"{error:.2f}", error)


def _all_note(scores: Sequence[Score]) -> str:
    more = f" The {MAX_ROWS:,} worst of {len(scores):,}; scores.csv has all." if len(scores) > MAX_ROWS else ""
    return f"The worst first. Click a heading to sort.{more}"


def _all(subject: Subject, scores: Sequence[Score], cases: Sequence[Case]) -> Html:
    tags: dict[str, tuple[Tag, ...]] = {scores[case.place].image: case.explanation.tags for case in cases}
    rows = [
        (
            s.image,
            title_of(subject, s.car) if s.car in subject.metadata else "",
            s.view,
            s.dice,
            s.iou,
            s.precision,
            s.recall,
            s.boundary_iou,
            Cell(f"{s.contour_error:.2f}", s.contour_error),
            Cell(f"{s.hd95:.1f}", s.hd95),
            s.confidence,
            ", ".join(tags.get(s.image, ())),
        )
        for s in sorted(scores, key=lambda s: s.dice)[:MAX_ROWS]
    ]
    numbers = ("view", "Dice", "IoU", "precision", "recall", "boundary IoU", "contour px", "HD95", "confidence")
    columns = (Column("photo"), Column("car"), *(Column(name, number=True) for name in numbers), Column("tags"))
    return table(columns, rows, find=True)


def title_of(subject: Subject, car: str) -> str:
    """Make, model and year of a car; its name where they are not known."""
    info = subject.metadata.get(car)
    return " ".join(part for part in (info.make, info.model, info.year) if part) if info else car
