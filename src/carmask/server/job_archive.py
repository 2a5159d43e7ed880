"""The results of a job as a ZIP, and what its files are called on the client's machine."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator

from carmask.batch.names import is_device
from carmask.server.job_records import StoredPhoto

#: Of a name before its suffix: most file systems take 255 in all.
_BYTES = 230


def download_name(photo: StoredPhoto, file: str) -> str:
    """What a file is called when it is downloaded: after the client's own name for the photo.

    Args:
        photo: that it was made of.
        file: its name on the server.
    """
    stem = photo.title.rpartition(".")[0] or photo.title
    safe = "".join(letter if letter.isalnum() or letter in " ._-" else "_" for letter in stem).strip(". ") or "photo"
    safe = safe.encode()[:_BYTES].decode(errors="ignore").rstrip(". ")
    return ("_" if is_device(safe) else "") + safe + file.removeprefix(photo.name)


class _Pipe:
    """A stream without a beginning to go back to, from which a ZIP is read while it is written."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def write(self, content: bytes) -> int:
        self.parts.append(bytes(content))
        return len(content)

    def flush(self) -> None:
        """Nothing is held back."""

    def take(self) -> bytes:
        parts, self.parts = self.parts, []
        return b"".join(parts)


def archive(files: list[tuple[str, str]]) -> Iterator[bytes]:
    """A ZIP, file by file; pictures are compressed already.

    Args:
        files: name in the archive, and path, of each.
    """
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED, strict_timestamps=False) as whole:  # type: ignore[call-overload]  # write is enough
        for name, path in files:
            try:
                whole.write(path, name)
            except OSError:  # it has gone since
                continue
            yield pipe.take()
    yield pipe.take()
