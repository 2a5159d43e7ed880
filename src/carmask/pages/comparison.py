"""The page that compares two models on the same photos."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from carmask.errors import CarmaskError
from carmask.evaluation import metrics
from carmask.evaluation.comparison import MIN_CARS, Difference, compare
from carmask.evaluation.error_breakdown import add_up
from carmask.evaluation.scoring import Examined, Score, load_pair
from carmask.evaluation.summary import summarise
from carmask.formats.rle import runs_to_mask
from carmask.pages import charts
from carmask.pages.errors import compared_breakdowns
from carmask.pages.html import (
    MAX_PAGE_BYTES,
    Cell,
    Column,
    Html,
    Section,
    box,
    heading,
    keep_within,
    page,
    picture,
    say,
    table,
    text,
)
from carmask.pages.pictures import around, densest, difference
from carmask.pages.subject import MAX_ROWS, Subject, failure_sections, rows_note
from carmask.words import counted

PAGE = "compare.html"
Pair = tuple[Sequence[Examined], Sequence[Examined]]


def compare_page(
    names: tuple[str, str],
    subject: Subject,
    results: Pair,
    *,
    count: int = 12,
    progress: Callable[[int, int], None] | None = None,
) -> Html:
    """Show two models side by side.

    Args:
        names: of the models.
        subject: the photos.
        results: for each model, one result for each example.
        count: how many of the photos to show on which they differ most.
        progress: called with the number of these done and of all.

    Returns:
        A whole HTML document of at most 20 MB; photos that would not fit are left out, and the page says so.
    """
    first, second = ([one.score for one in result] for result in results)
    main = compare(first, second, lambda score: score.dice)
    better, gain = names[main.second > main.first], abs(main.second - main.first)
    if main.certain:
        verdict = f"{better} has the higher mean Dice, by {gain:.5f}."
    elif main.cars < MIN_CARS:
        few = counted(main.cars, "car")
        verdict = f"The difference in mean Dice cannot be tested on photos of {few}: that takes {MIN_CARS} or more."
    else:
        verdict = "The difference in mean Dice is not significant: its 95 % interval holds 0."
    summary = summarise(first)
    photos = (
        f"{counted(summary.images, 'photo', thousands=True)} of "
        f"{counted(summary.cars, 'car', thousands=True)} in {subject.source}"
    )
    lead = f"{names[0]} (A) and {names[1]} (B) on {photos}. {verdict}"
    sections = [
        *failure_sections(subject.failures),
        Section(
            "overview",
            "Side by side",
            "Means over the photos. The interval is the 95 % confidence interval of B − A, by bootstrap over cars. "
            "Better: the model with the better mean, where the interval excludes 0; of fewer than "
            f"{MIN_CARS} cars neither.",
            _summary(first, second, names),
        ),
        Section("photos", "Photo by photo", rows_note(len(first), "most different"), _photos(subject, first, second)),
        Section(
            "errors",
            "Error breakdown",
            "Wrong pixels of each photo, in thousands. Red: extra pixels. Blue: missed pixels.",
            compared_breakdowns([add_up([one.errors for one in result]) for result in results], names, len(first)),
        ),
    ]
    differing = [i for i in range(len(first)) if not np.array_equal(results[0][i].runs, results[1][i].runs)]
    order = sorted(differing, key=lambda i: -abs(first[i].dice - second[i].dice))[:count]
    cases = []
    for done, index in enumerate(order, 1):
        cases.append(_case(subject, results, index))
        if progress is not None:
            progress(done, len(order))
    kept, note = keep_within(MAX_PAGE_BYTES, page("Comparison", lead, sections), cases)
    title = f"The {counted(len(kept), 'photo')} with the largest difference in Dice"
    body = box("stack", *kept) if differing else box("card good", heading("All masks are equal."))
    sections.append(Section("differ", title, f"Red: extra pixels. Blue: missed pixels.{note}", body))
    return page("Comparison", lead, sections)


def _summary(first: Sequence[Score], second: Sequence[Score], names: tuple[str, str]) -> Html:
    rows = [
        _difference(
            metric.heading,
            compare(first, second, lambda score, name=metric.name: score.metrics[name]),  # type: ignore[misc]
            higher=metric.direction == "higher",
        )
        for metric in metrics.METRICS.values()
    ]
    rows.append(_difference("prediction, seconds", compare(first, second, lambda score: score.seconds), higher=False))
    columns = (
        Column("metric"), Column(f"A: {names[0]}", number=True), Column(f"B: {names[1]}", number=True),
        Column("B − A", number=True), Column("95 % interval", number=True), Column("better"),
    )  # fmt: skip
    return box("whole", table(columns, rows))


def _difference(title: str, found: Difference, *, higher: bool) -> tuple[Cell | str, ...]:
    change = found.second - found.first
    digits = 5 if abs(found.first) < 1.5 else 3
    better = "–" if not found.certain else "B" if (change > 0) == higher else "A"
    numbers = [Cell(f"{value:.{digits}f}", value) for value in (found.first, found.second)]
    interval = f"{found.low:+.{digits}f} … {found.high:+.{digits}f}"
    return title, *numbers, Cell(f"{change:+.{digits}f}", change), Cell(interval, found.low), better


def _photos(subject: Subject, first: Sequence[Score], second: Sequence[Score]) -> Html:
    points = [
        (a.dice, b.dice, f"{a.image} {subject.known_title(a.car)}: A {a.dice:.4f}, B {b.dice:.4f}")
        for a, b in zip(first, second, strict=True)
    ]
    views = sorted({score.view for score in first})
    pairs = list(zip(first, second, strict=True))
    changes = [
        (f"{view:02d}" if view else "?", [b.dice - a.dice for a, b in pairs if a.view == view]) for view in views
    ]
    wins = sum(b > a for a, b, _ in points)
    equal = sum(b == a for a, b, _ in points)
    note = say(
        f"B is better on {counted(wins, 'photo')}, A on {len(points) - wins - equal}; {equal} are equal. "
        "Above the line: B."
    )
    rows = [
        (a.image, *subject.model_cells(a.car), a.view or "", a.dice, b.dice, Cell(f"{change:+.4f}", change))
        for a, b in sorted(pairs, key=lambda pair: -abs(pair[1].dice - pair[0].dice))[:MAX_ROWS]
        for change in [b.dice - a.dice]
    ]
    numbers = [Column(name, number=True) for name in ("view", "A", "B", "B − A")]
    return box(
        "stack",
        box(
            "columns",
            box("card", heading("Dice of each photo"), charts.scatter(points, across="A", up="B", diagonal=True), note),
            box("card", heading("B − A by view"), charts.boxes(changes, name="view", digits=4)),
        ),
        table((Column("photo"), *subject.model_columns, *numbers), rows, find=True),
    )


def _case(subject: Subject, results: Pair, index: int) -> Html:
    first, second = (result[index] for result in results)
    score, dices = first.score, (first.score.dice, second.score.dice)
    head = Html(
        f'<div class="head"><b>{text(score.image)}</b><span class="meta">{text(subject.known_title(score.car))}</span>'
        f'<span class="score">A {dices[0]:.4f}</span><span class="score">B {dices[1]:.4f}</span>'
        f'<span class="tag">{"AB"[dices[1] > dices[0]]} is better by {abs(dices[1] - dices[0]):.4f}</span></div>'
    )
    try:
        photo, truth = load_pair(subject.examples[index])
    except CarmaskError as error:
        return box("card", head, say(f"Cannot be shown: {error}"))
    masks = [runs_to_mask(one.runs, *truth.shape) for one in (first, second)]
    disagree = (masks[0] ^ masks[1]).astype(np.float32)
    rows, columns = around(densest(disagree), (truth.shape[0], truth.shape[1]))
    shown = [
        picture(photo[rows, columns], f"{score.image}: photo, native size", shown="photo, native size"),
        *(
            picture(difference(photo, mask, truth)[rows, columns], f"{score.image}: {letter}", shown=letter)
            for letter, mask in zip("AB", masks, strict=True)
        ),
    ]
    return box("card", head, box("three", *shown))
