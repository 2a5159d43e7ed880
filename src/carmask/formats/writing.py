"""What the writers of all formats share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple

from carmask.formats.picture import Instance, stem_of
from carmask.geometry import Size
from carmask.images import replacing


class Loaded(NamedTuple):
    """A picture with its instances decoded, ready to be written.

    Attributes:
        name: its file name, with folders between ``/``.
        size: (height, width).
        instances: each with at least one pixel, in the order they are drawn.
        photo: its file, relative to the output folder; None if it is not there.
    """

    name: str
    size: Size
    instances: Sequence[Instance]
    photo: str | None = None

    @property
    def stem(self) -> str:
        """The name without its suffix, folders included."""
        return stem_of(self.name)


@dataclass(frozen=True)
class WriteOptions:
    """What some formats can be told.

    Attributes:
        model: name of the model that made the masks: they are predictions then; empty if people drew them.
        tag: what Label Studio shows masks as: brush run lengths, or PNG bitmaps (since version 1.20).
        address: what stands before a photo's name in Label Studio's tasks.
    """

    model: str = ""
    tag: Literal["brush", "bitmask"] = "brush"
    address: str = "/data/local-files/?d="


def compact(value: Any) -> str:
    """JSON without spaces, any script as it is; escaped where a file's name is no UTF-8, which JSON must be."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text


@contextmanager
def json_list(file: Path, before: str, after: Iterable[str]) -> Iterator[JsonList]:
    """Write a JSON file whose greatest part is one list, an element at a time.

    Args:
        file: where to; its folder must exist. It is complete or absent.
        before: the text up to and with ``[``.
        after: texts from ``]`` on; taken when the list is complete.

    Yields:
        What takes the elements.

    Raises:
        OutputError: if it cannot be written.
    """
    with replacing(file) as stream:
        stream.write(before.encode())
        yield JsonList(stream)
        for text in after:
            stream.write(text.encode())


class JsonList:
    """Takes the elements of a list that is written as it comes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0

    def append(self, element: Any) -> None:
        """Write one element, on a line of its own."""
        self._stream.write((("," if self.count else "") + "\n" + compact(element)).encode())
        self.count += 1
