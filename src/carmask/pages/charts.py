"""Charts for pages, drawn as SVG: they follow the page's colours, stay sharp, and say their numbers when pointed at."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from carmask.pages.html import Html, text
from carmask.words import counted

_WIDTH = 560
_LEFT = 46


def bars(labels: Sequence[str], values: Sequence[float], *, unit: str = "", digits: int = 0) -> Html:
    """Horizontal bars, one to a label, in the order given.

    Args:
        labels: what each bar is.
        values: 0 or more.
        unit: put behind the number, such as `` %``.
        digits: decimals shown.

    Returns:
        The chart.
    """
    left = 14 + 6.6 * max((len(label) for label in labels), default=0)
    top = max(max(values, default=0.0), 1e-12)
    room = _WIDTH - left - 70
    parts = []
    for row, (label, value) in enumerate(zip(labels, values, strict=True)):
        y, length = row * 21, room * value / top
        shown = f"{value:,.{digits}f}{unit}"
        parts.append(
            f'<text x="{left - 8:.1f}" y="{y + 14}" text-anchor="end">{text(label)}</text>'
            f'<rect class="mark" x="{left:.1f}" y="{y + 3}" width="{length:.1f}" height="15" rx="2">'
            f"<title>{text(label)}: {shown}</title></rect>"
            f'<text class="value" x="{left + length + 6:.1f}" y="{y + 14}">{shown}</text>'
        )
    return _svg(21 * len(values) + 4, parts)


def histogram(values: ArrayLike, *, edges: Sequence[float], name: str, digits: int = 2) -> Html:
    """Count values between edges; what lies beyond the ends goes into the first and last bin.

    Args:
        values: numbers.
        edges: rising, one more than there are bins.
        name: what the horizontal axis is.
        digits: decimals of the edges.

    Returns:
        The chart.
    """
    marks = np.asarray(edges, np.float64)
    counts, _ = np.histogram(np.clip(np.asarray(values, np.float64), marks[0], marks[-1]), marks)
    height, step = 190, (_WIDTH - _LEFT - 10) / len(counts)
    top = max(int(counts.max(initial=0)), 1)
    parts = _scale(0, top, height, digits=0, whole=True)
    for index, number in enumerate(counts.tolist()):
        x, tall = _LEFT + index * step, height * number / top
        low, high = f"{marks[index]:.{digits}f}", f"{marks[index + 1]:.{digits}f}"
        parts.append(
            f'<rect class="mark" x="{x + 1:.1f}" y="{height - tall + 8:.1f}" width="{max(step - 2, 1):.1f}" '
            f'height="{tall:.1f}" rx="1.5"><title>{low} to {high}: {number}</title></rect>'
        )
    every = max(1, math.ceil(len(marks) / 9))
    for index in range(0, len(marks), every):
        x = _LEFT + index * step
        parts.append(f'<text x="{x:.1f}" y="{height + 24}" text-anchor="middle">{marks[index]:.{digits}f}</text>')
    parts.append(f'<text x="{(_WIDTH + _LEFT) / 2}" y="{height + 42}" text-anchor="middle">{text(name)}</text>')
    return _svg(height + 50, parts)


def boxes(groups: Sequence[tuple[str, ArrayLike]], *, name: str, digits: int = 3) -> Html:
    """Box plots side by side: median, quartiles, 5th and 95th percentiles; circles are the smallest and largest.

    Args:
        groups: a label and its numbers; groups without numbers stay empty.
        name: what the horizontal axis is.
        digits: decimals of the numbers.

    Returns:
        The chart.
    """
    arrays = [(label, np.asarray(numbers, np.float64)) for label, numbers in groups]
    every = np.concatenate([numbers for _, numbers in arrays]) if arrays else np.zeros(0)
    low, high = (float(every.min()), float(every.max())) if every.size else (0.0, 1.0)
    margin = 0.04 * (high - low) or 0.01
    low, high, height = low - margin, high + margin, 210
    step = (_WIDTH - _LEFT - 10) / max(len(arrays), 1)

    def y(value: float) -> float:
        return 8 + height * (1 - (value - low) / (high - low))

    parts = _scale(low, high, height, digits=digits)
    for index, (label, numbers) in enumerate(arrays):
        centre, half = _LEFT + (index + 0.5) * step, min(step * 0.32, 20)
        parts.append(f'<text x="{centre:.1f}" y="{height + 24}" text-anchor="middle">{text(label)}</text>')
        if not numbers.size:
            continue
        five, quarter, median, three, most = (float(v) for v in np.percentile(numbers, [5, 25, 50, 75, 95]))
        ends = f"{numbers.min():.{digits}f} to {numbers.max():.{digits}f}"
        told = f"{label}: median {median:.{digits}f}, {counted(numbers.size, 'photo')}, {ends}"
        parts.append(
            f"<g><title>{text(told)}</title>"
            f'<path class="whisker" d="M{centre:.1f} {y(five):.1f}V{y(most):.1f}"/>'
            f'<rect class="range" x="{centre - half:.1f}" y="{y(three):.1f}" width="{2 * half:.1f}" '
            f'height="{max(y(quarter) - y(three), 1):.1f}" rx="2"/>'
            f'<path class="whisker" d="M{centre - half:.1f} {y(median):.1f}h{2 * half:.1f}"/>'
            + "".join(
                f'<circle class="outlier" cx="{centre:.1f}" cy="{y(float(v)):.1f}" r="2"/>'
                for v in (numbers.min(), numbers.max())
            )
            + "</g>"
        )
    parts.append(f'<text x="{(_WIDTH + _LEFT) / 2}" y="{height + 42}" text-anchor="middle">{text(name)}</text>')
    return _svg(height + 50, parts)


def scatter(points: Sequence[tuple[float, float, str]], *, across: str, up: str, diagonal: bool = False) -> Html:
    """A dot for each point.

    Args:
        points: x, y, and the tooltip; points with a coordinate that is not finite are left out.
        across: name of the horizontal axis.
        up: name of the vertical axis.
        diagonal: one scale for both axes, with the line on which they agree.

    Returns:
        The chart.
    """
    points = [point for point in points if math.isfinite(point[0]) and math.isfinite(point[1])]
    xs, ys = np.array([p[0] for p in points] or [0.0]), np.array([p[1] for p in points] or [0.0])
    left, right, low, high = float(xs.min()), float(xs.max()), float(ys.min()), float(ys.max())
    if diagonal:
        left = low = min(left, low)
        right = high = max(right, high)
    dx, dy = 0.03 * (right - left) or 0.01, 0.03 * (high - low) or 0.01
    left, right, low, high = left - dx, right + dx, low - dy, high + dy
    height, room = 260, _WIDTH - _LEFT - 10
    parts = _scale(low, high, height, digits=_digits(high - low))
    for value in _ticks(left, right):
        x = _LEFT + room * (value - left) / (right - left)
        parts.append(
            f'<path class="axis" d="M{x:.1f} 8v{height}"/><text x="{x:.1f}" y="{height + 24}" text-anchor="middle">'
            f"{value:.{_digits(right - left)}f}</text>"
        )
    if diagonal:
        parts.append(f'<path class="whisker" d="M{_LEFT} {height + 8}L{_LEFT + room} 8" stroke-dasharray="4 4"/>')
    for one_x, one_y, told in points:
        x, y = _LEFT + room * (one_x - left) / (right - left), 8 + height * (1 - (one_y - low) / (high - low))
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.2"><title>{text(told)}</title></circle>')
    parts.append(f'<text x="{(_WIDTH + _LEFT) / 2}" y="{height + 42}" text-anchor="middle">{text(across)}</text>')
    parts.append(f'<text x="{_LEFT}" y="-2" text-anchor="start">{text(up)}</text>')
    return _svg(height + 50, parts, above=14)


def stacked(
    labels: Sequence[str],
    pairs: Sequence[tuple[float, float]],
    names: tuple[str, str],
    *,
    unit: str = "",
    top: float = 0.0,
) -> Html:
    """Horizontal bars of two parts each.

    Args:
        labels: what each bar is.
        pairs: the two parts, 0 or more.
        names: what the parts are.
        unit: put behind the numbers.
        top: the number that a whole bar stands for, if larger than any here.

    Returns:
        The chart, with its legend.
    """
    left = 14 + 6.6 * max((len(label) for label in labels), default=0)
    top = max(top, max((one + other for one, other in pairs), default=0.0), 1e-12)
    room = _WIDTH - left - 70
    parts = []
    for row, (label, (one, other)) in enumerate(zip(labels, pairs, strict=True)):
        y, first, second = row * 21, room * one / top, room * other / top
        parts.append(
            f'<text x="{left - 8:.1f}" y="{y + 14}" text-anchor="end">{text(label)}</text>'
            f'<rect class="mark second" x="{left:.1f}" y="{y + 3}" width="{first:.1f}" height="15">'
            f"<title>{text(label)}, {text(names[0])}: {one:.1f}{unit}</title></rect>"
            f'<rect class="mark" x="{left + first:.1f}" y="{y + 3}" width="{second:.1f}" height="15">'
            f"<title>{text(label)}, {text(names[1])}: {other:.1f}{unit}</title></rect>"
            f'<text class="value" x="{left + first + second + 6:.1f}" y="{y + 14}">{one + other:.1f}{unit}</text>'
        )
    legend = (
        f'<div class="legend"><span><i style="background:var(--bad)"></i>{text(names[0])}</span>'
        f'<span><i style="background:var(--main)"></i>{text(names[1])}</span></div>'
    )
    return Html(_svg(21 * len(pairs) + 4, parts) + legend)


def _svg(height: float, parts: Sequence[str], *, above: float = 0) -> Html:
    return Html(
        f'<svg class="chart" viewBox="0 {-above} {_WIDTH} {height + above:.0f}" role="img">{"".join(parts)}</svg>'
    )


def _scale(low: float, high: float, height: float, *, digits: int, whole: bool = False) -> list[str]:
    lines, ticks = [], _ticks(low, high, whole=whole)
    if len(ticks) > 1:  # more decimals where ticks would look equal
        digits = max(digits, -math.floor(math.log10(ticks[1] - ticks[0]) + 1e-9))
    for value in ticks:
        y = 8 + height * (1 - (value - low) / (high - low))
        lines.append(
            f'<path class="axis" d="M{_LEFT} {y:.1f}H{_WIDTH - 10}"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:.{digits}f}</text>'
        )
    return lines


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Four to eight round numbers between two; fewer if they must be whole numbers and lie close together."""
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    step = max(1.0, step) if whole else step
    return [step * index for index in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _digits(span: float) -> int:
    """Decimals that tell the ticks of a span apart."""
    return max(0, 1 - math.floor(math.log10(span / 4)))
