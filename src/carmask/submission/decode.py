"""Write the masks of a submission, or of a truth CSV, as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from carmask.data.mask_source import Runs
from carmask.errors import DataError, RLEError, SubmissionError
from carmask.formats.rle import check_runs, parse_runs, rle_decode
from carmask.geometry import Size
from carmask.images import make_folder, write_mask
from carmask.submission.frames import WIDTHS, odd_row_length
from carmask.submission.table import read_table

#: Masks, evenly from the first to the last, that are looked at for the width they were written at.
_LOOKED_AT = 96


def decode_to_files(
    file: Path,
    size: Size,
    out: Path,
    *,
    on_failure: Callable[[str], None],
    on_doubt: Callable[[str], None] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Write the masks of a CSV as ``<name>_mask.png``.

    Args:
        file: ``img,rle_mask``.
        size: (height, width) of the frame they are written in.
        out: the folder to write to; made if it is missing.
        on_failure: called with the reason for each row that cannot be decoded; the others go on.
        on_doubt: called with the reason if the file, or masks in it, are cut off or may be, or the masks show that they
            were written at another width, such as that of height and width exchanged: masks that were decoded may be
            wrong.
        progress: called with the number done and the number of all.

    Returns:
        The number of masks written.

    Raises:
        SubmissionError: if the CSV cannot be read, names an image twice, or a name is not that of a file in ``out``.
        OutputError: if a mask cannot be written.
    """
    table = read_table(file)
    try:
        rows = table.by_stem()
    except DataError as error:
        raise SubmissionError(str(error)) from error
    for name in (row.name for row in rows.values()):
        if name != Path(name).name or not {"\\", "\0"}.isdisjoint(name) or not Path(name).stem.strip("."):
            raise SubmissionError(f"{file}: {name!r} is not a file name; masks are written into {out} only")
    for oddity in table.oddities:
        if oddity.cut and on_doubt is not None:
            on_doubt(f"{file}: {oddity.message}; {oddity.advice}")
    if on_doubt is not None and (told := _other_width([row.text for row in rows.values()], size)):
        on_doubt(f"{file}: {told}")
    make_folder(out)
    written = 0
    for done, (stem, row) in enumerate(rows.items(), 1):
        try:
            mask = rle_decode(row.text, *size)
        except RLEError as error:
            on_failure(f"{file}: line {row.line}: {row.name}: {error}")
        else:
            write_mask(out / f"{stem}_mask.png", mask)
            written += 1
        if progress is not None:
            progress(done, len(rows))
    return written


def _other_width(texts: Sequence[str], size: Size) -> str:
    """What masks say of their width, if it is not that of the frame; '' if they say nothing."""
    height, width = size
    if width not in WIDTHS:
        return ""
    runs: dict[str, Runs] = {}
    for number, text in enumerate(texts[:: max(1, len(texts) // _LOOKED_AT)]):
        with suppress(RLEError):
            runs[str(number)] = check_runs(parse_runs(text), height, width)
    length = odd_row_length(runs, size)
    if length is None or length % width == 0:  # two rows of a narrow frame may be taken for one
        return ""
    told = f"the masks show rows of {length} pixels, but the frame that was given is {width} wide and {height} high"
    if length != height:
        return f"{told}; the masks that were written are likely torn, give the size that the file was written for"
    return (
        f"{told}; if they were written for {height} wide and {width} high, exchange the two; if column by column, "
        "encode the masks again, row by row"
    )
