"""What each epoch of a run measured: kept in the checkpoint, written as a table and as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from carmask.errors import WeightsError
from carmask.formats.csv_text import encode_csv
from carmask.images import write_atomically

HISTORY_FILE = "history.csv"
CURVES_FILE = "curves.png"

#: One epoch: its number from 0, then what was measured.
Row = Mapping[str, float]
#: The panels of the picture, each with a line for training and one for validation.
PANELS = ("loss", "accuracy", "dice")


def write_history(run: Path, rows: Sequence[Row]) -> None:
    """Write ``history.csv``, a row for each epoch; the columns are whatever any epoch measured.

    Raises:
        OutputError: if it cannot be written.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    # A float is written as the shortest text that reads back as the same float.
    write_atomically(run / HISTORY_FILE, encode_csv(names, ([row.get(name) for name in names] for row in rows)))


def read_history(run: Path) -> list[dict[str, float]]:
    """Read ``history.csv``.

    Raises:
        WeightsError: if the run has none, or it is damaged.
    """
    file = run / HISTORY_FILE
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = [{k: float(v) for k, v in row.items() if v} for row in csv.DictReader(stream)]
    except OSError as error:
        raise WeightsError(f"{file}: cannot be read ({error.strerror}): is {run} a run of 'carmask train'?") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise WeightsError(f"{file}: damaged: {error}") from error
    for line, row in enumerate(rows, 2):
        if "epoch" not in row:
            raise WeightsError(f"{file}: damaged: line {line} says no epoch")
    return rows


def draw_curves(file: Path, runs: Mapping[str, Sequence[Row]]) -> None:
    """Draw loss, accuracy and Dice over epochs, training dashed with crosses, validation solid with dots.

    Args:
        file: the PNG to write.
        runs: rows of each run, by the name that the legend gives it.

    Raises:
        OutputError: if it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(15, 4.4), layout="constrained")
    lines = {}
    for axes, panel in zip(figure.subplots(1, len(PANELS)), PANELS, strict=True):
        lows = []
        for index, (name, rows) in enumerate(runs.items()):
            colour = f"C{index % 10}"
            for part, style, marker in (("train", "--", "x"), ("validation", "-", ".")):
                points = [(row["epoch"] + 1, row[f"{part}/{panel}"]) for row in rows if f"{part}/{panel}" in row]
                if points:
                    label = f"{name}, {part}" if len(runs) > 1 else part
                    (line,) = axes.plot(*zip(*points, strict=True), style, color=colour, marker=marker)
                    lines[label] = line
                    lows.append(min(value for _, value in points[len(points) // 3 :]))
        axes.set_title(panel if panel != "dice" else "Dice (validation at native size)")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        if lows and panel != "loss":
            # The first epochs would squeeze what is of interest into a line at the top.
            axes.set_ylim(max(0.0, min(1.0, min(lows)) - 0.02), 1.002)
    if lines:
        legend = figure.legend(lines.values(), ["?"] * len(lines), loc="outside lower center", ncols=4, fontsize=8)
        # A run's name is a text: no formula, where it has dollar signs, and not hidden, where it begins with "_".
        for shown, label in zip(legend.get_texts(), lines, strict=True):
            shown.set_parse_math(False)
            shown.set_text(label)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)  # type: ignore[no-untyped-call]
    write_atomically(file, buffer.getvalue())
