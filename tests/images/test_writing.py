"""A file is put in place whole, and its content is on the disk before its name: a power cut costs nothing."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from carmask.errors import OutputError
from carmask.images.writing import check_writable, remove_file, write_atomically


@pytest.fixture
def steps(monkeypatch) -> list[tuple[str, int]]:
    """What is flushed and renamed, by inode, in order."""
    seen: list[tuple[str, int]] = []
    flush, replace = os.fsync, Path.replace

    def fsync(descriptor):
        seen.append(("flushed", os.fstat(descriptor).st_ino))
        flush(descriptor)

    def renamed(self, target):
        seen.append(("renamed", self.stat().st_ino))
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    return seen


def test_content_reaches_the_disk_before_its_name(tmp_path, steps):
    write_atomically(tmp_path / "a.png", b"content")
    inode = (tmp_path / "a.png").stat().st_ino
    assert steps == [("flushed", inode), ("renamed", inode)]


def test_a_disk_that_cannot_keep_it_leaves_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "a.png"
    write_atomically(file, b"before")

    def fails(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OutputError, match=r"a\.png: cannot be written: Input/output error"):
        write_atomically(file, b"after")
    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSYS, errno.ENOTSUP])
def test_file_systems_that_cannot_flush_a_file_are_written_to(tmp_path, monkeypatch, number):
    def refuses(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", refuses)
    write_atomically(tmp_path / "a.png", b"content")
    assert (tmp_path / "a.png").read_bytes() == b"content"


def test_a_file_that_cannot_be_removed_is_said(tmp_path):
    remove_file(tmp_path / "missing")
    with pytest.raises(OutputError, match=r"cannot be removed: (Is a directory|Operation not permitted)"):
        remove_file(tmp_path)


def test_what_could_not_be_written_is_refused_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    check_writable(tmp_path / "file")
    check_writable(tmp_path / "new" / "newer" / "page.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    for path, words in (
        (tmp_path / "folder", "folder: cannot be written: a folder has this name"),
        (tmp_path / "file" / "page.html", "page.html: cannot be written: .*file is no folder"),
        (tmp_path / "file" / "new" / "page.html", "file is no folder"),
        (Path("/proc/carmask/page.html"), "/proc/carmask/page.html: cannot be written: "),
    ):
        with pytest.raises(OutputError, match=words):
            check_writable(path)
