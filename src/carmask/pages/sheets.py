"""Quick sheets of photos with their masks: photo, truth, prediction, overlay, a row to a photo."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from carmask.arrays import Mask, Photo
from carmask.data.layouts import detect_layout, find_layout, read_data
from carmask.data.mask_source import ExampleMasks, Truth
from carmask.errors import DataError, UsageError
from carmask.evaluation.overlap import dice
from carmask.failures import Failure, describe_failure
from carmask.formats.listing import composed, find_photos
from carmask.geometry import Size
from carmask.images import make_folder, read_photo, remove_file, write_picture
from carmask.pages.pictures import as_picture, outlines, overlay, smaller
from carmask.words import counted

#: Width of each picture on a sheet.
CELL = 480
#: Height of the line of text above each row.
LINE = 26
_PAPER = (251, 251, 250)
_INK = (29, 33, 38)


class Sheets(NamedTuple):
    """The sheets that were written, and the photos that are on none of them.

    Attributes:
        files: the sheets.
        failures: of photos that could not be drawn.
        without_mask: how many photos were left out because they have no mask.
    """

    files: list[Path]
    failures: list[Failure]
    without_mask: int


class _Masks(Protocol):
    """Masks by the photo's name."""

    def has(self, name: str) -> bool:
        """Whether a photo has one."""

    def mask(self, name: str, size: Size) -> Mask:
        """The mask of a photo of (height, width)."""


def view_sheets(
    photos: Path,
    out: Path,
    *,
    truth: Path | None = None,
    prediction: Path | None = None,
    layout: str | None = None,
    mask_threshold: int | None = None,
    rows: int = 8,
    names: Sequence[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Sheets:
    """Write sheets: photo, truth, prediction and overlay of each photo, beside one another.

    Args:
        photos: a folder of photos, or a data set as ``read_data`` takes it.
        out: folder to write ``sheet-001.png`` … to; made if it is missing. Further sheets of an earlier call are
            removed from it.
        truth: a folder of masks or a CSV; None for the data set's own masks if there is no prediction either.
        prediction: a folder of masks or a CSV; with both, the overlay shows both contours and the row its Dice.
        layout: of the data set, see ``read_data``; found out if it is None.
        mask_threshold: for grey, anti-aliased and JPEG masks, see ``read_data``.
        rows: photos on a sheet.
        names: only these photos, by stem; all that have the masks if empty.
        progress: called with the number of photos done and of all.

    Returns:
        The files, and a failure for each photo that has no row: its picture or mask cannot be read, or their sizes
        differ.

    Raises:
        UsageError: if there are neither masks in the data set nor truth or prediction, or a name is not among the
            photos.
        DataError: if a folder is missing or empty, no photo has masks or one of ``names`` has none, or all photos
            failed.
        OutputError: if a sheet cannot be written.
    """
    found, own = _read_photos(photos, layout, mask_threshold)
    masks: dict[str, _Masks] = {
        name: Truth(source, mask_threshold)
        for name, source in (("truth", truth), ("prediction", prediction))
        if source is not None
    }
    if not masks:
        if own is None:
            raise UsageError("nothing to show beside the photos: give truth=…, prediction=…, or both")
        masks["truth"] = own()
    wanted = _choose(found, masks, names)
    make_folder(out)
    files: list[Path] = []
    lines: list[Photo] = []
    failures: list[Failure] = []
    for done, name in enumerate(wanted, 1):
        try:
            lines.append(_row(name, read_photo(found[name]), masks))
        except Exception as error:  # noqa: BLE001  # whatever one photo raises, the others go on
            failures.append(describe_failure(name, error))
        if len(lines) == rows or (lines and done == len(wanted)):
            files.append(out / _sheet(len(files) + 1))
            write_picture(files[-1], _stack(lines))
            lines = []
        if progress is not None:
            progress(done, len(wanted))
    if not files:
        raise DataError(f"none of {counted(len(wanted), 'photo')} could be drawn; the first: {failures[0].reason}")
    number = len(files) + 1
    while (further := out / _sheet(number)).exists():
        remove_file(further)
        number += 1
    return Sheets(files, failures, 0 if names else len(found) - len(wanted))


def _sheet(number: int) -> str:
    return f"sheet-{number:03d}.png"


def _read_photos(
    photos: Path, layout: str | None, mask_threshold: int | None
) -> tuple[Mapping[str, Path], Callable[[], _Masks] | None]:
    """The photos by name, and what reads their own masks, if they are a data set."""
    known = detect_layout(photos) if layout is None else find_layout(photos, layout)
    if known is None:
        return find_photos(photos / "train" if (photos / "train").is_dir() else photos), None

    def read() -> _Masks:
        return ExampleMasks(read_data(photos, layout=known, mask_threshold=mask_threshold)[0])

    if known == "carvana":
        # Photos may be looked at that have no mask, or of which others have none.
        return find_photos(photos / "train"), lambda: Truth(photos, mask_threshold)
    return {one.name: one.photo for one in read_data(photos, layout=known)[0]}, read


def _choose(photos: Mapping[str, Path], masks: Mapping[str, _Masks], names: Sequence[str]) -> list[str]:
    names = [composed(name) for name in names]
    unknown = [name for name in names if name not in photos]
    if unknown:
        raise UsageError(f"no photo is called {unknown[0]}; names go without suffix, such as {next(iter(photos))}")
    for name in names:
        if lacking := [kind for kind, source in masks.items() if not source.has(name)]:
            raise DataError(f"{name}: there is no mask of this photo in {' and '.join(lacking)}")
    wanted = [name for name in (names or photos) if all(source.has(name) for source in masks.values())]
    if not wanted:
        raise DataError(f"none of {counted(len(photos), 'photo')} has a mask in {' and '.join(masks)}")
    return wanted


def _row(name: str, photo: Photo, sources: Mapping[str, _Masks]) -> Photo:
    size: Size = photo.shape[0], photo.shape[1]
    masks = {kind: source.mask(name, size) for kind, source in sources.items()}
    for kind, mask in masks.items():
        if mask.shape != size:
            raise DataError(f"{name}: the {kind} is {mask.shape[1]}x{mask.shape[0]}, its photo {size[1]}x{size[0]}")
    told = name
    if len(masks) == 2:
        told += f"   Dice {dice(masks['prediction'], masks['truth']):.4f}   overlay: truth green, prediction pink"
    pictures = [photo, *(as_picture(mask) for mask in masks.values()), _over(photo, masks)]
    cells = [smaller(picture, CELL) for picture in pictures]
    return _titled(told, list(masks), np.concatenate(cells, axis=1), cells[0].shape[1])


def _over(photo: Photo, masks: Mapping[str, Mask]) -> Photo:
    if len(masks) == 2:
        return outlines(photo, masks["prediction"], masks["truth"], width=max(2, photo.shape[1] // 500))
    return overlay(photo, next(iter(masks.values())))


def _titled(told: str, kinds: Sequence[str], strip: Photo, width: int) -> Photo:
    sheet = Image.new("RGB", (strip.shape[1], LINE + strip.shape[0]), _PAPER)
    sheet.paste(Image.fromarray(strip), (0, LINE))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    draw.text((6, 4), told, fill=_INK, font=font)
    for index, kind in enumerate(kinds, 1):
        draw.text((width * index + 8, LINE + 6), kind, fill=(255, 255, 255), font=font)
    return np.asarray(sheet)


def _stack(rows: Sequence[Photo]) -> Photo:
    width = max(row.shape[1] for row in rows)
    sheet = np.full((sum(row.shape[0] for row in rows), width, 3), _PAPER, np.uint8)
    top = 0
    for row in rows:
        sheet[top : top + row.shape[0], : row.shape[1]] = row
        top += row.shape[0]
    return sheet
