"""Two models side by side on the same photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.evaluation.error_breakdown import distance_names, region_names, total
from carmask.evaluation.scoring import Examined, Score, load_pair, summarise
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
)
from carmask.pages.pictures import around, densest, difference
from carmask.pages.scores import Subject, title_of
from carmask.rle import runs_to_mask

#: Resamples of the interval; its ends are then good to about a twentieth of its width.
RESAMPLES = 2000
_METRICS = (
    ("dice", "Dice", True), ("iou", "IoU", True), ("precision", "precision", True), ("recall", "recall", True),
    ("accuracy", "pixels right", True), ("boundary_iou", "boundary IoU, 2 % of the diagonal", True),
    ("boundary_iou_5px", "boundary IoU, 5 px", True), ("boundary_iou_2px", "boundary IoU, 2 px", True),
    ("contour_error", "contour error, px", False), ("hd95", "HD95, px", False),
    ("seconds", "seconds for a mask", False),
)  # fmt: skip


class Difference(NamedTuple):
    """How far the second model is from the first in a metric.

    Attributes:
        first: mean of the first model.
        second: mean of the second.
        low: lower end of the 95 % interval of second − first.
        high: its upper end.
    """

    first: float
    second: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the interval leaves no doubt which is larger."""
        return self.low > 0 or self.high < 0


def compare(first: Sequence[Score], second: Sequence[Score], metric: str) -> Difference:
    """Compare two models in a metric, with the interval of their difference.

    The interval is a percentile bootstrap over cars, not photos: the 16 views of a car are alike, and photos would
    make it too narrow (B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993, chapters 13 and 8).

    Args:
        first: the scores of the first model.
        second: those of the second, of the same photos in the same order.
        metric: a field of ``Score``.

    Returns:
        The means and the interval; the interval is a point if there is one car only.
    """
    one = np.array([getattr(score, metric) for score in first], np.float64)
    other = np.array([getattr(score, metric) for score in second], np.float64)
    cars, index = np.unique([score.car for score in first], return_inverse=True)
    sums, counts = np.bincount(index, other - one, len(cars)), np.bincount(index, minlength=len(cars))
    picked = np.random.default_rng(0).integers(0, len(cars), (RESAMPLES, len(cars)))
    means: NDArray[np.float64] = sums[picked].sum(axis=1) / counts[picked].sum(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Difference(float(one.mean()), float(other.mean()), float(low), float(high))


def compare_page(
    names: tuple[str, str],
    subject: Subject,
    results: tuple[Sequence[Examined], Sequence[Examined]],
    *,
    count: int = 12,
    progress: Callable[[int, int], None] | None = None,
) -> Html:
    """Show two models side by side.

    Args:
        names: of the models.
        subject: the photos.
        results: for each model, one result for each example.
        count: how many photos to show on which they differ most.
        progress: called with the number of these done and of all.

    Returns:
        A whole HTML document of at most 20 MB.

    Raises:
        PhotoError: if a photo cannot be read any more.
    """
    first, second = ([one.score for one in result] for result in results)
    main = compare(first, second, "dice")
    better = names[1] if main.second > main.first else names[0]
    verdict = (
        f"{better} is better by {abs(main.second - main.first):.5f} of mean Dice."
        if main.certain
        else "Which is better cannot be told from these cars: the interval of the difference holds 0."
    )
    photos = f"{len(first):,} photos of {summarise(first).cars:,} cars in {subject.source}"
    lead = f"{names[0]} (A) and {names[1]} (B) on {photos}. {verdict}"
    sections = [
        Section(
            "overview",
            "Side by side",
            "Means over the photos. The interval is that of B − A: 95 %, bootstrap over cars.",
            _summary(first, second, names),
        ),
        Section("photos", "Photo by photo", "", _photos(subject, first, second)),
        Section("losses", "Where each loses", "Wrong pixels per photo, thousands.", _losses(results, names)),
    ]
    room = MAX_PAGE_BYTES - len(page("Two models", lead, sections).encode()) - 50_000
    order = sorted(range(len(first)), key=lambda i: -abs(first[i].dice - second[i].dice))[:count]
    shown = []
    for done, index in enumerate(order, 1):
        case = _case(subject, results, index)
        room -= len(case.encode())
        if room < 0:
            break
        shown.append(case)
        if progress is not None:
            progress(done, len(order))
    say_ = "Red: extra, blue: missed. The photos with the largest difference in Dice, either way."
    sections.append(Section("differ", f"The {len(shown)} photos on which they differ most", say_, box("stack", *shown)))
    return page("Two models", lead, sections)


def _summary(first: Sequence[Score], second: Sequence[Score], names: tuple[str, str]) -> Html:
    rows: list[tuple[Cell | str, ...]] = []
    for metric, name, more in _METRICS:
        found = compare(first, second, metric)
        change = found.second - found.first
        digits = 5 if abs(found.first) < 1.5 else 3
        better = "–" if not found.certain else "B" if (change > 0) == more else "A"
        interval = f"{found.low:+.{digits}f} … {found.high:+.{digits}f}"
        numbers = [Cell(f"{value:.{digits}f}", value) for value in (found.first, found.second)]
        rows.append((name, *numbers, Cell(f"{change:+.{digits}f}", change), Cell(interval, found.low), better))
    columns = (
        Column("metric"), Column(f"A: {names[0]}", number=True), Column(f"B: {names[1]}", number=True),
        Column("B − A", number=True), Column("95 % interval", number=True), Column("better"),
    )  # fmt: skip
    return table(columns, rows)


def _photos(subject: Subject, first: Sequence[Score], second: Sequence[Score]) -> Html:
    points = [
        (a.dice, b.dice, f"{a.image} {title_of(subject, a.car)}: A {a.dice:.4f}, B {b.dice:.4f}")
        for a, b in zip(first, second, strict=True)
    ]
    views = sorted({score.view for score in first})
    changes = [
        (
            f"{view:02d}" if view else "?",
            [b.dice - a.dice for a, b in zip(first, second, strict=True) if a.view == view],
        )
        for view in views
    ]
    wins = sum(b > a for a, b, _ in points)
    equal = sum(b == a for a, b, _ in points)
    note = say(f"B is better on {wins} photos, A on {len(points) - wins - equal}, equal on {equal}. Above the line: B.")
    pairs = sorted(zip(first, second, strict=True), key=lambda pair: -abs(pair[1].dice - pair[0].dice))
    rows = [
        (a.image, title_of(subject, a.car), a.view, a.dice, b.dice, Cell(f"{b.dice - a.dice:+.4f}", b.dice - a.dice))
        for a, b in pairs
    ]
    numbers = (
        Column("view", number=True),
        Column("A", number=True),
        Column("B", number=True),
        Column("B − A", number=True),
    )
    return box(
        "stack",
        box(
            "columns",
            box("card", heading("Dice of each photo"), charts.scatter(points, across="A", up="B", diagonal=True), note),
            box("card", heading("B − A by view"), charts.boxes(changes, name="view", digits=4)),
        ),
        table((Column("photo"), Column("car"), *numbers), rows, find=True),
    )


def _losses(results: tuple[Sequence[Examined], Sequence[Examined]], names: tuple[str, str]) -> Html:
    sums = [total([one.losses for one in result]) for result in results]
    # One scale for both, so that the bars can be compared.
    highest = [
        max(float(counts.sum(axis=0).max()) / (1000 * len(results[0])) for counts in kind)
        for kind in ([one.by_distance for one in sums], [one.by_region for one in sums])
    ]
    cards = []
    for letter, name, lost in zip("AB", names, sums, strict=True):
        per = 1000 * len(results[0])
        kinds = ("extra", "missed")
        distance = [(float(e) / per, float(m) / per) for e, m in lost.by_distance.T]
        region = [(float(e) / per, float(m) / per) for e, m in lost.by_region.T]
        cards.append(
            box(
                "card",
                heading(f"{letter}: {name}"),
                say("by distance to the true contour, pixels"),
                charts.stacked(distance_names(), distance, kinds, top=highest[0]),
                say("by region"),
                charts.stacked(region_names(), region, kinds, top=highest[1]),
            )
        )
    return box("columns", *cards)


def _case(subject: Subject, results: tuple[Sequence[Examined], Sequence[Examined]], index: int) -> Html:
    photo, truth = load_pair(subject.examples[index])
    first, second = (result[index] for result in results)
    masks = [runs_to_mask(one.runs, *truth.shape) for one in (first, second)]
    disagree = (masks[0] ^ masks[1]).astype(np.float32)
    rows, columns = around(densest(disagree), (truth.shape[0], truth.shape[1]))
    score = first.score
    head = Html(
        f'<div class="head"><b>{text(score.image)}</b><span class="meta">{text(title_of(subject, score.car))}</span>'
        f'<span class="score">A {score.dice:.4f}</span><span class="score">B {second.score.dice:.4f}</span>'
        f'<span class="tag">{"B" if second.score.dice > score.dice else "A"} is better by '
        f"{abs(second.score.dice - score.dice):.4f}</span></div>"
    )
    shown = [
        picture(photo[rows, columns], f"{score.image}: photo, native size", shown="photo, native size"),
        *(
            picture(difference(photo, mask, truth)[rows, columns], f"{score.image}: {letter}", shown=letter)
            for letter, mask in zip("AB", masks, strict=True)
        ),
    ]
    return box("card", head, box("three", *shown))
