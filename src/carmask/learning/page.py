"""The page of a learning run: what was decided, why, and what it changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carmask.learning.learn import Learned
from carmask.learning.recalibrate import Recalibrated
from carmask.pages.charts import scatter
from carmask.pages.html import (
    Cell,
    Column,
    Html,
    Section,
    box,
    heading,
    page,
    say,
    table,
    text,
    tiles,
    write_page,
)
from carmask.words import counted


def write_learning(found: Learned, file: Path) -> Path:
    """Write the page of a run.

    Args:
        found: from ``learn``.
        file: where to.

    Returns:
        The file.

    Raises:
        OutputError: if it cannot be written.
    """
    return write_page(file, learning_page(found))


def learning_page(found: Learned) -> Html:
    """Show how a run ended, and each decision on the way."""
    ended = f"Shipped as {found.model}." if found.model is not None else "Refused: no model was written."
    split = found.gathered.split
    held = sum(name.rpartition("_")[0] in split.validation for name in found.gathered.names)
    old, trained = f"{found.old.name}, version {found.old.version}", len(found.gathered.names) - held
    lead = (
        f"{old}, was fine-tuned on {counted(trained, 'corrected photo')} of "
        f"{counted(len(split.train), 'vehicle')}. {ended}"
    )
    lines = Html(f"<pre>{text(chr(10).join(found.log))}</pre>")
    sections = [
        Section("overview", "Overview", "", _overview(found)),
        Section(
            "candidates",
            "Averages of old and new weights",
            "Each is scored on photos of vehicles that were not trained on, and on the rehearsal. ±: what chance "
            "explains, by a bootstrap over vehicles. Those that keep the rehearsal's Dice are tested in this order "
            "until one is not better by more than chance; of those that are, the largest gain is taken.",
            _candidates(found),
        ),
        Section(
            "photos",
            "Photo by photo",
            "A dot is a photo held out; above the dashed line the new model is better.",
            box("columns", *_photos(found)),
        ),
        *([] if found.recalibrated is None else [_confidence(found.recalibrated)]),
        Section("settings", "Settings and data", "", _settings(found)),
        Section("log", "Log", "", box("card", lines)),
    ]
    return page("Learning from corrections", lead, sections)


def _overview(found: Learned) -> Html:
    verdict, chosen, split = found.verdict, found.verdict.candidate, found.gathered.split
    figures = [
        (f"{chosen.corrected.gain:+.4f}", f"Dice on {counted(chosen.corrected.photos, 'corrected photo')} held out"),
        (f"± {chosen.corrected.margin:.4f}", "explained by chance"),
        (f"{chosen.rehearsal.gain:+.4f}", f"Dice on {counted(chosen.rehearsal.photos, 'rehearsal photo')} held out"),
        (f"{len(split.train)} + {len(split.validation)}", "vehicles trained on + held out"),
        (f"{chosen.share:g}", "of the new weights in the average"),
    ]
    colour, word = ("good", "Shipped") if verdict.accepted else ("bad", "Refused")
    return box("stack", box(f"card {colour}", heading(f"{word}: {verdict.reason}")), tiles(figures))


def _confidence(changed: Recalibrated) -> Section:
    return Section(
        "confidence",
        "Confidence",
        "The errors that the old calibration expects are multiplied by these, fitted to photos held out.",
        tiles(
            [
                (f"× {math.exp(changed.loss):.2f}", "expected 1 - Dice"),
                (f"× {math.exp(changed.error):.2f}", "expected contour error"),
                (f"{changed.photos}", "photos held out, corrected and rehearsal ones"),
            ]
        ),
    )


def _settings(found: Learned) -> Html:
    rows = [*found.settings.items(), *((f"left out {n}", one) for n, one in enumerate(found.gathered.problems, 1))]
    rows.append(("held out", ", ".join(_origins(found))))
    return box("whole", table((Column("what"), Column("value", wide=True)), rows))


def _candidates(found: Learned) -> Html:
    columns = (
        Column("new share", number=True), Column("outcome"), Column("corrected: old", number=True),
        Column("new", number=True),
        Column("gain", number=True), Column("±", number=True), Column("rehearsal: old", number=True),
        Column("new", number=True), Column("gain", number=True), Column("±", number=True),
    )  # fmt: skip
    rows = []
    for one, outcome in zip(found.candidates, found.verdict.outcomes, strict=True):
        said = Html("<b>taken</b>") if outcome == "taken" else outcome
        row: list[Cell | str | Html] = [Cell(f"{one.share:g}", one.share), said]
        for gain in (one.corrected, one.rehearsal):
            row += [
                Cell(f"{gain.before:.5f}", gain.before),
                Cell(f"{gain.after:.5f}", gain.after),
                Cell(f"{gain.gain:+.5f}", gain.gain),
                Cell(f"{gain.margin:.5f}", gain.margin),
            ]
        rows.append(row)
    return box("whole", table(columns, rows))


def _photos(found: Learned) -> list[Html]:
    cards = []
    for title, old, new in zip(("Corrected photos", "Rehearsal"), found.before, found.after, strict=True):
        points = [(one["dice"], now["dice"], _origin(found, one["name"])) for one, now in zip(old, new, strict=True)]
        chart = scatter(points, across="Dice of the old model", up="Dice of the new one", diagonal=True)
        cards.append(
            box("card", heading(title), chart, say(f"Better: {_better(old, new)} of {counted(len(old), 'photo')}."))
        )
    return cards


def _better(old: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> int:
    return sum(now["dice"] > one["dice"] for one, now in zip(old, new, strict=True))


def _origin(found: Learned, name: str) -> str:
    return found.gathered.names.get(name, name)


def _origins(found: Learned) -> list[str]:
    held = set(found.gathered.split.validation)
    names = sorted(name for name in found.gathered.names if name.rpartition("_")[0] in held)
    return [found.gathered.names[name].partition(" (")[0] for name in names]
