"""The classes of labels: what the values of a picture mean, in a small file, and what they become in a mirror.

``classes.txt`` has a line for each value: the value, a space, the name. Blank lines and those that begin with ``#`` are
skipped. 0 is the background and need not be there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from carmask.errors import DataError
from carmask.formats.labels import Labels, occurring
from carmask.images import write_atomically

CLASSES = "classes.txt"
#: Classes of this name are what no part covers.
BACKGROUND = frozenset({"_background_", "background"})
_SIDE = re.compile(r"(?<![A-Za-z])(left|right)(?![A-Za-z])", re.IGNORECASE)


@dataclass(frozen=True)
class Classes:
    """What the values of pictures mean.

    Attributes:
        names: of the labels from 1.
        values: the label of each value that may occur; 0 is the background.
    """

    names: tuple[str, ...]
    values: tuple[tuple[int, int], ...]

    def labels_of(self, values: NDArray[np.uint8], where: Path | str) -> Labels:
        """Turn values into labels.

        Args:
            values: uint8 (height, width).
            where: what they come from, for messages.

        Returns:
            uint8 (height, width).

        Raises:
            DataError: if a value has no class.
        """
        table = np.zeros(256, np.uint8)
        for value, label in self.values:
            table[value] = label
        known = [value for value, _ in self.values]
        unknown = [value for value in occurring(values) if value not in known]
        if unknown:
            told = ", ".join(map(str, known))
            raise DataError(f"{where}: the value {unknown[0]} has no class; those there are: {told} ({CLASSES})")
        return table[values]


def classes_of(names: Mapping[int, str]) -> Classes:
    """Number the classes: labels count from 1 in the order of their values, background is 0."""
    parts = [value for value in sorted(names) if names[value] not in BACKGROUND]
    values = {0: 0} | dict.fromkeys(names, 0) | {value: label for label, value in enumerate(parts, 1)}
    return Classes(tuple(names[value] for value in parts), tuple(sorted(values.items())))


#: The source's arrays: Mukherjee, Olivos & Norborg, Image Segmentation of Car Parts.
ARRAY_CLASSES = classes_of(
    {
        0: "background",
        10: "hood",
        20: "front_door",
        30: "rear_door",
        40: "frame",
        50: "rear_quarter_panel",
        60: "trunk_lid",
        70: "fender",
        80: "bumper",
        90: "rest_of_car",
    }
)


def read_classes(file: Path) -> Classes:
    """Read ``classes.txt``.

    Raises:
        DataError: if it cannot be read, or a line is not a value and a name; the message names the line.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}; it has a line 'VALUE NAME' a class") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not a text file") from error
    names: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        value, _, name = line.strip().partition(" ")
        if not (value.isascii() and value.isdigit() and int(value) <= 255 and name.strip()):
            raise DataError(f"{file}: line {number}: write a value from 0 to 255, a space and a name")
        if int(value) in names or name.strip() in names.values():
            raise DataError(f"{file}: line {number}: the value or the name was there before")
        names[int(value)] = name.strip()
    found = classes_of(names)
    if names.get(0, "background") not in BACKGROUND:
        raise DataError(f"{file}: 0 is the background, not {names[0]!r}")
    if not found.names:
        raise DataError(f"{file}: names no part")
    return found


def write_classes(file: Path, names: Sequence[str]) -> None:
    """Write ``classes.txt`` for labels that count from 1.

    Raises:
        OutputError: if it cannot be written.
    """
    write_atomically(file, encode_classes(names))


def encode_classes(names: Sequence[str]) -> bytes:
    """The content of ``classes.txt`` for labels that count from 1."""
    return "".join(f"{label} {name}\n" for label, name in enumerate(["background", *names])).encode()


def mirrored(names: Sequence[str]) -> NDArray[np.uint8]:
    """What each label becomes when a photo is mirrored: left parts are right ones.

    Args:
        names: of the labels from 1; ``left`` and ``right`` are words of them, as in ``front_left_door``, ``Left door``.

    Returns:
        uint8 (256,): the new label of each.

    Raises:
        DataError: if a part of one side has no partner on the other.
    """
    table = np.arange(256, dtype=np.uint8)
    for label, name in enumerate(names, 1):
        partner = _SIDE.sub(_other_side, name)
        if partner not in names:
            raise DataError(f"{name} has no partner {partner} among the classes: these photos cannot be mirrored")
        table[label] = names.index(partner) + 1
    return table


def _other_side(found: re.Match[str]) -> str:
    """Left for right and right for left, in the letters' case."""
    word = found[0]
    other = "right" if word.lower() == "left" else "left"
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other
