"""Names of outputs by a pattern: ``{vehicle}/{name}``, ``{vehicle}-{number:02}``."""

from __future__ import annotations

import difflib
import re
import string
from pathlib import PurePosixPath

from carmask.batch.names import STATE
from carmask.compositing.turntable import view_of
from carmask.errors import UsageError

#: What a pattern may hold, with what it stands for.
FIELDS = {
    "vehicle": "the vehicle's identifier",
    "name": "the photo's file name without suffix",
    "folder": "the photo's sub-folder, or nothing",
    "number": "1, 2, 3 … within the vehicle, in the order of the names",
    "view": "the number at the end of the photo's file name; the whole name if it has none",
}
#: Where photos go that belong to no vehicle.
NO_VEHICLE = "no-vehicle"


class Naming:
    """A checked pattern."""

    def __init__(self, pattern: str) -> None:
        """Check a pattern.

        Args:
            pattern: text with fields in braces; numbers may have a width, filled with zeros, ``{number:02}``. ``/``
                makes folders.

        Raises:
            UsageError: if it has an unknown field, or all photos would get one name.
        """
        self.pattern = pattern
        try:
            parts = list(string.Formatter().parse(pattern))
        except ValueError as error:
            raise UsageError(f"{pattern}: no pattern of names: {error}", argument="name") from error
        self.fields = {field for _, field, _, _ in parts if field is not None}
        self._parts = [(text, field, width) for text, field, width, _ in parts]
        for _, field, width, conversion in parts:
            if field is None:
                continue
            if field not in FIELDS:
                near = difflib.get_close_matches(field, FIELDS, 1)
                hint = f"; did you mean {{{near[0]}}}?" if near else f"; there are {', '.join(FIELDS)}"
                raise UsageError(f"{pattern}: no field {{{field}}}{hint}", argument="name")
            if conversion or (width and not (field in {"number", "view"} and re.fullmatch(r"0\d?", width))):
                raise UsageError(f"{pattern}: only numbers have a width, such as {{number:02}}", argument="name")
        if not self.fields & {"name", "number", "view"}:
            raise UsageError(
                f"{pattern}: all photos of a vehicle would get one name; add {{name}}, {{number}} or {{view}}",
                argument="name",
            )

    def apply(self, name: str, vehicle: str, number: int, found: int | str | None = None) -> str:
        """The name of a photo's outputs.

        Args:
            name: the photo's path relative to the folder it was found in, without suffix, with ``/``.
            vehicle: its vehicle; '' if it has none.
            number: its place within the vehicle, from 1.
            found: what stands for the view, where that is known otherwise than by the name.

        Returns:
            A relative path without suffix, with ``/``.

        Raises:
            UsageError: if the path would leave the output folder.
        """
        folder, _, stem = name.rpartition("/")
        view = view_of(stem)
        values: dict[str, str | int] = {
            "vehicle": vehicle or NO_VEHICLE,
            "name": stem,
            "folder": folder,
            "number": number,
            "view": found if found is not None else stem if view is None else view[1],
        }
        made = "".join(text + _formatted(values, field, width) for text, field, width in self._parts)
        path = PurePosixPath(made.replace("//", "/").lstrip("/"))
        if not path.name or ".." in path.parts or "\0" in made:
            raise UsageError(f"{name}: the pattern {self.pattern} makes {made!r}, which is no name", argument="name")
        if path.parts[0] == STATE:
            raise UsageError(
                f"{name}: the pattern {self.pattern} makes {made!r}; {STATE} is for what a run keeps for itself",
                argument="name",
            )
        return path.as_posix()


def _formatted(values: dict[str, str | int], field: str | None, width: str | None) -> str:
    if field is None:
        return ""
    value = values[field]
    return format(value, width or "") if isinstance(value, int) else value
