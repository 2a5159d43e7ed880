"""Photos that arrive in a folder: which are whole, which are new, and how long it has been quiet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from carmask.batch.storage import stamp_of

#: The last bytes of a file that are looked at for its end.
_TAIL = 4096


def looks_whole(path: Path) -> bool:
    """Whether a file has the end that its beginning promises.

    Args:
        path: a photo. JPEG ends with its end marker (ITU-T T.81, B.1.1.3), PNG with IEND, WebP where its header says;
            of other formats nothing is known.

    Returns:
        False if the end is missing, or the file cannot be read.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(12)
            size = os.fstat(stream.fileno()).st_size
            stream.seek(max(0, size - _TAIL))
            tail = stream.read()
    except OSError:
        return False
    if head.startswith(b"\xff\xd8"):
        return b"\xff\xd9" in tail
    if head.startswith(b"\x89PNG"):
        return b"IEND" in tail
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return size >= int.from_bytes(head[4:8], "little") + 8
    return size > 0


@dataclass
class _Seen:
    stamp: str
    since: float
    whole: bool | None = None
    done: str = ""
    earlier: bool = False


@dataclass
class Arrivals:
    """What is known of the photos of a folder that is watched. Times are seconds of one clock that never goes back.

    Attributes:
        settle: a file is whole if it has not changed for so long, and has its end.
        quiet: a file without its end is taken as it is after so long.
        known: stamps of photos that earlier runs have done, by their absolute paths; such a file is whole at once.
    """

    settle: float
    quiet: float
    known: Mapping[Path, str] = field(default_factory=dict)
    _seen: dict[Path, _Seen] = field(default_factory=dict)

    def update(self, photos: Iterable[Path], now: float) -> None:
        """Take note of the photos that there are now.

        Args:
            photos: all of the folder.
            now: the time.
        """
        found: dict[Path, _Seen] = {}
        for photo in photos:
            try:
                stamp = stamp_of(photo.stat())
            except OSError:  # gone again, or a link to something that is not there yet
                continue
            before = self._seen.get(photo)
            if before is None or before.stamp != stamp:
                # The stamp of a run may go on with that of the other views.
                earlier = before is None and f"{self.known.get(photo.absolute(), '')} ".startswith(f"{stamp} ")
                before = _Seen(stamp, now, done="" if before is None else before.done, earlier=earlier)
            found[photo] = before
        self._seen = found

    def settled(self, photo: Path, now: float) -> bool:
        """Whether a photo is whole."""
        seen = self._seen.get(photo)
        if seen is None or (now - seen.since < self.settle and not seen.earlier):
            return False
        if seen.whole is None:
            seen.whole = seen.earlier or looks_whole(photo)
        return seen.whole or now - seen.since >= self.quiet

    def fresh(self, now: float) -> frozenset[Path]:
        """The whole photos that were not worked on as they are."""
        return frozenset(
            photo for photo, seen in self._seen.items() if seen.done != seen.stamp and self.settled(photo, now)
        )

    def worked_on(self, photos: Iterable[Path]) -> None:
        """Remember that photos were worked on as they were when they were last looked at."""
        for photo in photos:
            if photo in self._seen:
                self._seen[photo].done = self._seen[photo].stamp

    def last_change(self, photos: Iterable[Path]) -> float:
        """When one of some photos last changed or arrived; minus infinity if none of them is there."""
        return max((self._seen[photo].since for photo in photos if photo in self._seen), default=float("-inf"))

    @property
    def waiting(self) -> int:
        """How many photos were not worked on as they are."""
        return sum(seen.done != seen.stamp for seen in self._seen.values())

    @property
    def photos(self) -> list[Path]:
        """All photos that there are."""
        return list(self._seen)
