from __future__ import annotations

import pytest
from PIL import Image

from carmask.errors import OutputError, WeightsError
from carmask.training.history import draw_curves, read_history, write_history

ROWS = [
    {"epoch": 0.0, "train/loss": 0.7, "train/dice": 0.5},
    {"epoch": 1.0, "train/loss": 0.1 + 0.2, "train/dice": 0.9, "validation/dice": 0.95},
]


def test_what_is_written_is_read_exactly(tmp_path):
    write_history(tmp_path, ROWS)
    assert read_history(tmp_path) == ROWS


def test_curves_are_a_picture(tmp_path):
    draw_curves(tmp_path / "one.png", {"run": ROWS})
    draw_curves(tmp_path / "two.png", {"run": ROWS, "other": ROWS[:1]})
    draw_curves(tmp_path / "none.png", {"run": []})
    sizes = {Image.open(tmp_path / f"{name}.png").size for name in ("one", "two", "none")}
    assert sizes == {(1500, 440)}


def test_faults(tmp_path):
    with pytest.raises(WeightsError, match="a run of 'carmask train'"):
        read_history(tmp_path)
    (tmp_path / "history.csv").write_text("epoch\nsoon\n")
    with pytest.raises(WeightsError, match="damaged"):
        read_history(tmp_path)
    (tmp_path / "history.csv").write_text("epoch,train/loss\n0,0.5\n,0.4\n")
    with pytest.raises(WeightsError, match="damaged: line 3 says no epoch"):
        read_history(tmp_path)
    with pytest.raises(OutputError):
        write_history(tmp_path / "missing", ROWS)


def test_names_of_runs_are_texts_in_the_legend(tmp_path, monkeypatch):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    shown = []
    draw = FigureCanvasAgg.print_png

    def note(canvas, *words, **options):
        shown.extend(text.get_text() for text in canvas.figure.legends[0].get_texts())
        return draw(canvas, *words, **options)

    monkeypatch.setattr(FigureCanvasAgg, "print_png", note)
    draw_curves(tmp_path / "names.png", {"_first": ROWS, r"a$\b$": ROWS})
    assert {text.rpartition(",")[0] for text in shown} == {"_first", r"a$\b$"}
