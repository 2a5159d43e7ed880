"""Pages: one HTML file that holds its style, its pictures and its program, and opens from disk without a network.

The functions here give pieces of HTML as text; everything that comes from outside (names of files, cars, models) goes
through ``text``. Charts are in ``charts``.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carmask._version import __version__
from carmask.images import make_folder, write_atomically

#: No page grows beyond this: the largest that a browser on a laptop opens without a wait.
MAX_PAGE_BYTES = 20_000_000
#: Bytes kept free for the headings of what is added.
_SPARE = 100_000


class Html(str):
    """Text that is safe to stand in a page as it is."""

    __slots__ = ()


class Section(NamedTuple):
    """A part of a page.

    Attributes:
        anchor: a short name, unique in the page, shown in the bar on top.
        title: its heading.
        say: what the reader sees here, in a sentence or two.
        body: the pieces.
    """

    anchor: str
    title: str
    say: str
    body: Html


class Cell(NamedTuple):
    """A cell of a table that is sorted by another value than it shows; NaN is shown as a dash."""

    shown: str
    value: float | str


class Column(NamedTuple):
    """A column of a table: numbers are aligned right and first sorted from the largest."""

    name: str
    number: bool = False
    wide: bool = False


def text(value: object) -> Html:
    """Make any value safe to stand in a page."""
    return Html(escape(str(value), quote=True))


def join(parts: Iterable[Html]) -> Html:
    """Put pieces one after another."""
    return Html("\n".join(parts))


def box(kind: str, *parts: Html) -> Html:
    """Put pieces in a ``div`` of one of the style sheet's classes, such as ``card`` or ``columns``."""
    return Html(f'<div class="{kind}">{join(parts)}</div>')


def heading(title: str) -> Html:
    """A heading within a section."""
    return Html(f"<h3>{text(title)}</h3>")


def say(sentence: str) -> Html:
    """A paragraph of explanation."""
    return Html(f'<p class="say">{text(sentence)}</p>')


def tiles(figures: Sequence[tuple[str, str]]) -> Html:
    """The most important numbers: pairs of value and what it is."""
    return box(
        "tiles", *(Html(f'<div class="tile"><b>{text(v)}</b><span>{text(what)}</span></div>') for v, what in figures)
    )


def table(
    columns: Sequence[Column], rows: Iterable[Sequence[Cell | str | int | float | Html]], *, find: bool = False
) -> Html:
    """A table that sorts by a click on a heading.

    Args:
        columns: its headings.
        rows: a cell for each column; floats are shown with four decimals and sorted by their full value.
        find: put a box above it that filters rows by words.

    Returns:
        The piece.
    """
    heads = "".join(f"<th{' class=n' if column.number else ''}>{text(column.name)}</th>" for column in columns)
    lines = []
    for row in rows:
        cells = []
        for column, cell in zip(columns, row, strict=True):
            shown, value = _cell(cell)
            attributes = ' class="n"' if column.number else ' class="wide"' if column.wide else ""
            attributes += f' data-v="{text(value)}"' if value is not None else ""
            cells.append(f"<td{attributes}>{shown}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    made = Html(
        f'<div class="scroll"><table class="sort"><thead><tr>{heads}</tr></thead><tbody>'
        + "\n".join(lines)
        + "</tbody></table></div>"
    )
    return findable(made, len(lines)) if find else made


def findable(piece: Html, total: int) -> Html:
    """Put a box above a table or a grid that filters its rows or children by words."""
    return Html(
        '<div><input class="find" placeholder="find …" aria-label="find">'
        f'<span class="count">{total}</span></div>{piece}'
    )


def picture(pixels: NDArray[np.uint8], caption: str, *, quality: int = 80, shown: str | None = None) -> Html:
    """A picture that enlarges when it is clicked.

    Args:
        pixels: uint8 (height, width, 3), RGB, or (height, width, 4), RGBA.
        caption: what it is; shown below the enlarged picture.
        quality: of WebP, 1 to 100; 101 is lossless.
        shown: the caption in the page, if it should be shorter.

    Returns:
        The piece.
    """
    below = caption if shown is None else shown
    return Html(
        f'<figure><img width="{pixels.shape[1]}" height="{pixels.shape[0]}" '
        f'alt="{text(caption)}" src="{data_address(pixels, quality=quality)}">'
        + (f"<figcaption>{text(below)}</figcaption>" if below else "")
        + "</figure>"
    )


def data_address(pixels: NDArray[np.uint8], *, quality: int = 80) -> str:
    """A picture as a ``data:`` address.

    Args:
        pixels: uint8 (height, width), grey, or (height, width, 3 or 4), RGB or RGBA.
        quality: of WebP, 0 to 100; above 100 it is lossless.
    """
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "WEBP", quality=min(quality, 100), lossless=quality > 100, method=2)
    return "data:image/webp;base64," + base64.b64encode(buffer.getvalue()).decode()


def page(title: str, lead: str, sections: Sequence[Section]) -> Html:
    """Put a page together.

    Args:
        title: its heading.
        lead: what was looked at, in a sentence.
        sections: its parts, in order.

    Returns:
        A whole HTML document.
    """
    style = _resource("page.css")
    program = _resource("page.js")
    links = "".join(f'<a href="#{part.anchor}">{text(part.anchor.replace("-", " "))}</a>' for part in sections)
    parts = "\n".join(
        f'<section id="{part.anchor}"><h2>{text(part.title)}</h2>'
        + (f'<p class="say">{text(part.say)}</p>' if part.say else "")
        + f"{part.body}</section>"
        for part in sections
    )
    return Html(
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f'<link rel="icon" href="data:,"><style>\n{style}</style></head>\n<body><nav><b>carmask</b>{links}</nav>\n'
        f'<main><h1>{text(title)}</h1><p class="lead">{text(lead)}</p>\n{parts}\n'
        f"<footer>Written by carmask {text(__version__)}. This file is complete: it needs no network.</footer></main>\n"
        '<div id="zoom" role="dialog" aria-label="picture"><img alt=""><p></p></div>\n'
        f"<script>\n{program}</script></body></html>\n"
    )


def keep_within(limit: int, document: Html, pieces: Sequence[Html]) -> tuple[list[Html], str]:
    """Leave out the last pieces of a page that would become too large.

    Args:
        limit: bytes that the page may have.
        document: the page without the pieces.
        pieces: what is to be added to it.

    Returns:
        The pieces that fit, and a sentence about those that do not, empty if there are none; it begins with a space.
    """
    room = limit - len(_encode(document)) - _SPARE
    kept: list[Html] = []
    for piece in pieces:
        room -= len(_encode(piece))
        if room < 0:
            break
        kept.append(piece)
    rest = len(pieces) - len(kept)
    return kept, f" {rest} more would have made the page too large." if rest else ""


def write_page(file: Path, document: Html) -> Path:
    """Write a page.

    Args:
        file: where to; its folder is made if it is missing.
        document: from ``page``.

    Returns:
        ``file``.

    Raises:
        OutputError: if it cannot be written.
    """
    make_folder(file.parent)
    write_atomically(file, _encode(document))
    return file


def _encode(document: Html) -> bytes:
    # Names of files need not be UTF-8, a page must be.
    return document.encode(errors="replace")


def _cell(cell: Cell | str | int | float | Html) -> tuple[str, float | str | None]:
    if isinstance(cell, Cell):
        missing = isinstance(cell.value, float) and math.isnan(cell.value)
        return ("–", "") if missing else (text(cell.shown), cell.value)
    if isinstance(cell, float):
        return ("–", "") if math.isnan(cell) else (f"{cell:.4f}", cell)
    if isinstance(cell, int):
        return str(cell), cell
    return cell if isinstance(cell, Html) else text(cell), None


def _resource(name: str) -> str:
    return (files("carmask.pages") / "static" / name).read_text(encoding="utf-8")
