"""Which vehicle a photo shows, by its folder, its name or a table; and whether the identifiers can be right."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from carmask.batch.names import windows_fault
from carmask.batch.vin import check_vin, looks_like_vin
from carmask.compositing.turntable import view_of
from carmask.errors import UsageError
from carmask.formats.spreadsheet import read_sheet
from carmask.images import is_file

#: Letters, digits and ``. _ -``, at most 40: what a stock number may be by default.
STOCK = r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}"
_STOCK_WORDS = "it may have at most 40 letters, digits, dots, dashes and underscores, and begins with a letter or digit"
#: Columns of a table that name the photo, and the vehicle; the first that is there counts.
PHOTO_COLUMNS = ("photo", "file", "filename", "image", "img")
VEHICLE_COLUMNS = ("vehicle", "stock", "stock_number", "vin", "id")
#: How cameras and phones begin the names of their files: no vehicle is called so.
_CAMERA = re.compile(r"(img|imag|image|dsc|dscn|dscf|dcim|mvi|pxl|p|photo|pic|foto|gopr|sam|cimg|wp|signal)?", re.I)
#: The time at which a phone took a photo, which it is called by: IMG_20201123_132905, 20201123_132905.
_TIME = re.compile(r"([a-z]{2,10}[_-])?20\d\d[01]\d[0-3]\d[_-]?[0-2]\d[0-5]\d[0-5]\d\d{0,3}(\D.*)?", re.I)
_SEPARATORS = "_- ("


@dataclass(frozen=True)
class Identity:
    """What is known of an identifier.

    Attributes:
        kind: ``vin``, ``stock``, or '' for no vehicle.
        problem: what is wrong with it, or ''.
        note: what is remarkable and not wrong, or ''.
    """

    kind: Literal["vin", "stock", ""]
    problem: str = ""
    note: str = ""


@dataclass(frozen=True)
class Grouping:
    """How photos are assigned to vehicles. Make it with ``parse``.

    Attributes:
        by: ``folder``, ``name`` or ``table``.
        stock: regular expression that stock numbers match from end to end.
        photos: of a table with a column of photos: the vehicle by the photo's path or file name.
        listed: of a table: the vehicles.
        vins: of a table with VINs beside stock numbers: the VIN by vehicle.
        file: the table.
    """

    by: Literal["folder", "name", "table"]
    stock: str = STOCK
    photos: dict[str, str] | None = None
    listed: frozenset[str] = frozenset()
    vins: dict[str, str] = field(default_factory=dict)
    file: Path | None = None

    @classmethod
    def parse(cls, text: str, stock: str | None = None) -> Grouping:
        """Read what a user wrote.

        Args:
            text: ``folder``, ``name``, or the path of a CSV file.
            stock: regular expression of stock numbers; None for ``STOCK``.

        Raises:
            UsageError: if it is none of these, the table cannot be used, or the expression is none.
        """
        pattern = stock or STOCK
        try:
            re.compile(pattern)
        except re.error as error:
            raise UsageError(f"stock: {pattern}: no regular expression: {error}") from error
        if text == "folder":
            return cls("folder", pattern)
        if text == "name":
            return cls("name", pattern)
        path = Path(text)
        if not is_file(path):
            raise UsageError(f"{text}: neither 'folder' nor 'name', and there is no such table", argument="group")
        return _read_table(path, pattern)

    def vehicle(self, photo: Path | str, name: str, *, loose: bool = False) -> str:
        """The vehicle that a photo shows.

        Args:
            photo: its file.
            name: its path relative to the folder it was found in, without suffix, with ``/``.
            loose: the folder it was found in is not that of one vehicle: it lies beside the vehicles' folders.

        Returns:
            The identifier; '' if the photo has none.
        """
        folder, _, stem = name.rpartition("/")
        inner = folder.rpartition("/")[2] or (photo.absolute().parent.name if isinstance(photo, Path) else "")
        if self.by == "folder":
            return "" if loose and not folder else inner
        if self.by == "name":
            return vehicle_in_name(stem)
        # macOS writes an umlaut as two characters in names of files, a spreadsheet as one.
        inner, folder, stem, name = (unicodedata.normalize("NFC", text) for text in (inner, folder, stem, name))
        if self.photos is not None:
            file = unicodedata.normalize("NFC", Path(str(photo)).name)
            known = (self.photos.get(key) for key in (f"{folder}/{file}".lstrip("/"), name, file, stem))
            return next((vehicle for vehicle in known if vehicle), "")
        if inner in self.listed:
            return inner
        ends = [at for at, character in enumerate(stem) if character in _SEPARATORS]
        return next((stem[:at] for at in (len(stem), *reversed(ends)) if stem[:at] in self.listed), "")

    def identity(self, vehicle: str) -> Identity:
        """Check an identifier.

        Args:
            vehicle: from ``vehicle``.
        """
        if not vehicle:
            return Identity("", "no vehicle is known for these photos")
        vin = self.vins.get(vehicle) or (vehicle if looks_like_vin(vehicle) else "")
        kind: Literal["vin", "stock"] = "vin" if vin == vehicle else "stock"
        problems, note = [], ""
        if vin:
            state, said = check_vin(vin)
            if state == "wrong":
                problems.append(f"VIN {vin}: {said}")
            else:
                note = said
        if kind == "stock" and not re.fullmatch(self.stock, vehicle):
            meant = _STOCK_WORDS if self.stock == STOCK else f"it does not match {self.stock}"
            problems.append(f"no stock number: {meant}")
        if fault := windows_fault(vehicle):
            said = f"Windows can hold no folder {vehicle!r}: {fault}"
            if self.stock == STOCK:
                problems.append(said)
            else:  # such numbers were asked for
                note = "; ".join(filter(None, [note, said]))
        return Identity(kind, "; ".join(problems), note)


def vehicle_in_name(stem: str) -> str:
    """The vehicle that a file's name begins with.

    Args:
        stem: without folders and suffix: ``WDBEA30D3HA391172_03``, ``5446P-01``, ``4711_front``, ``4711 (3)``.

    Returns:
        A VIN that stands in the name; else what stands before the number of the view or the last separator. '' if there
        is no such thing, or it is a camera's word, as in ``IMG_0815``.
    """
    for word in re.split(r"[_\-\s()]+", stem):
        if looks_like_vin(word):
            return word
    split = view_of(stem)
    found = split[0] if split else ""
    if not split or found == stem:
        at = max(stem.rfind("_"), stem.rfind("-"))
        found = stem[:at] if at > 0 else ""
    elif "-" in stem and not re.search(r"[_(]\d+\)?$", stem):
        found = stem[: stem.rfind("-")]
    found = found.rstrip("_- (")
    return "" if named_by_camera(stem, found) else found


def named_by_camera(stem: str, begin: str) -> bool:
    """Whether a file has the name that a camera or phone gave it, which tells of no vehicle.

    Args:
        stem: the file's name, without folders and suffix.
        begin: what stands before its number: a camera's word, as in ``IMG_0815``, unless digits come first.
    """
    word = re.sub(r"[_\-\s\d]+", "", begin)
    return bool(_TIME.fullmatch(stem) or (_CAMERA.fullmatch(word) and not re.match(r"\d", begin)))


def _read_table(path: Path, stock: str) -> Grouping:
    try:
        rows = read_sheet(path.read_bytes()).records()
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror or error}", argument="group") from error
    except ValueError as error:
        raise UsageError(f"{path}: {error}", argument="group") from error
    names = {name.strip().lower(): name for name in (rows[0] if rows else {})}
    photo = next((names[column] for column in PHOTO_COLUMNS if column in names), None)
    ids = [names[column] for column in VEHICLE_COLUMNS if column in names]
    if not rows or not ids:
        raise UsageError(
            f"{path}: {'no rows' if not rows else 'no column of vehicles'}; it needs one of "
            f"{', '.join(VEHICLE_COLUMNS)}, and one of {', '.join(PHOTO_COLUMNS)} to name photos",
            argument="group",
        )
    photos: dict[str, str] = {}
    vins: dict[str, str] = {}
    listed = set()
    for number, row in enumerate(rows, 2):
        vehicle = next((row[column].strip() for column in ids if (row.get(column) or "").strip()), "")
        if not vehicle:
            continue
        vehicle = unicodedata.normalize("NFC", vehicle)
        if "/" in vehicle or "\\" in vehicle or vehicle in {".", ".."}:
            raise UsageError(f"{path}: line {number}: {vehicle!r} cannot be the name of a folder", argument="group")
        if any("\ud800" <= letter <= "\udfff" for letter in vehicle):
            said = "".join(letter if letter.isprintable() else "?" for letter in vehicle)
            raise UsageError(f"{path}: line {number}: {said}: not in UTF-8; save it as 'CSV UTF-8'", argument="group")
        listed.add(vehicle)
        if "vin" in names and (row.get(names["vin"]) or "").strip():
            vins[vehicle] = row[names["vin"]].strip()
        if photo is None or not (row.get(photo) or "").strip():
            continue
        file = unicodedata.normalize("NFC", row[photo].strip().replace("\\", "/"))
        if photos.setdefault(file, vehicle) != vehicle:
            raise UsageError(f"{path}: line {number}: {file} is of {photos[file]} and of {vehicle}", argument="group")
    return Grouping("table", stock, None if photo is None else photos, frozenset(listed), vins, path)
