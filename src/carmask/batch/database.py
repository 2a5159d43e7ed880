"""What the SQLite files of a run share: names of files as texts. On Linux these are bytes that need not be UTF-8."""

from __future__ import annotations


def to_text(name: str) -> bytes:
    """A name as it is given to SQLite, in ``CAST(? AS TEXT)``: the bytes that the file system has."""
    return name.encode("utf-8", "surrogateescape")


def from_text(text: bytes) -> str:
    """The name that SQLite gives back, as a connection's ``text_factory``."""
    return text.decode("utf-8", "surrogateescape")
