from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from carmask.errors import DataError
from carmask.images import search
from carmask.images.search import LeftOut, RealPaths, list_folder, search_photos


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_every_file_is_a_photo_or_left_out_with_its_reason(tmp_path):
    photos = ["a.JPG", "b.jfif", "c.avif", "d.HEIC", "e.jp2", "f.jpe", "g.tiff"]
    others = {
        ".h.jpg": "hidden",
        "i.CR2": "raw",
        "j.psd": "editor",
        "k.mov": "video",
        "l.tga": "format",
        "m.txt": "not a",
    }
    touch(tmp_path, *photos, *others, "sub/n.png")
    found = search_photos(tmp_path)
    assert [path.name for path in found.photos] == photos
    reasons = {one.path.name: one.reason for one in found.left_out}
    assert reasons.keys() == {*others, "sub"}
    assert all(word in reasons[name] for name, word in others.items())
    assert not any(one.failed for one in found.left_out)


def test_sub_folders_and_the_folder_of_results(tmp_path):
    touch(tmp_path, "a.png", "sub/b.png", "sub/deep/c.png", "sub/deep/notes.txt", "out/a.png", ".hidden/d.png")
    (tmp_path / "link").symlink_to(tmp_path / "sub")
    found = search_photos(tmp_path, recursive=True, skip=tmp_path / "sub" / ".." / "out")
    assert [str(path.relative_to(tmp_path)) for path in found.photos] == ["a.png", "sub/b.png", "sub/deep/c.png"]
    assert {one.path.relative_to(tmp_path).as_posix() for one in found.left_out} == {
        ".hidden",
        "link",
        "sub/deep/notes.txt",
    }


def test_links_to_nothing_are_photos_that_fail_under_their_name(tmp_path):
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "circle.jpg").symlink_to(tmp_path / "circle.jpg")
    assert [path.name for path in search_photos(tmp_path).photos] == ["circle.jpg", "lost.jpg"]


def test_what_cannot_be_read_is_a_failure(tmp_path, monkeypatch):
    touch(tmp_path, "a.png", "locked/b.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    scandir = os.scandir

    def refusing(path):
        if os.fspath(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(search.os, "scandir", refusing)
    found = search_photos(tmp_path, recursive=True)
    assert found.left_out == (
        LeftOut(tmp_path / "locked", "the folder cannot be read: Permission denied", failed=True),
        LeftOut(tmp_path / "pipe.jpg", "not a file: a pipe, a socket or a device", failed=True),
    )
    with pytest.raises(DataError, match="locked: the folder cannot be read: Permission denied"):
        search_photos(tmp_path / "locked")
    with pytest.raises(DataError, match="no such folder"):
        search_photos(tmp_path / "missing")


def test_real_paths_of_many_files_are_those_of_each(tmp_path, monkeypatch):
    """Held against ``os.path.realpath``: files, missing ones, links to files, to folders, to themselves, to nothing."""
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / "car.jpg").touch()
    for name, target in {"link.jpg": "car.jpg", "dead.jpg": "missing", "self.jpg": "self.jpg", "up": ".."}.items():
        (folder / name).symlink_to(target)
    (tmp_path / "link").symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    links = RealPaths()
    names = ("car.jpg", "link.jpg", "dead.jpg", "self.jpg", "missing.png", "up", "up/b/car.jpg", "missing/x.jpg")
    places = [*(Path(start, name) for start in ("a/b", "link", folder) for name in names), Path(), Path("a/..")]
    for file in places:
        assert links.of(file) == Path(os.path.realpath(file))
        assert links.folder(file) == Path(os.path.realpath(file.parent))
        if not file.is_symlink():
            assert links.entry(file) == links.of(file)
    assert links.entry(Path("link/link.jpg")) == folder / "link.jpg"


def test_a_folder_is_listed_by_name_or_refused(tmp_path):
    touch(tmp_path, "b", "a/c")
    assert [path.name for path in list_folder(tmp_path)] == ["a", "b"]
    with pytest.raises(DataError, match="b: the folder cannot be read: Not a directory"):
        list_folder(tmp_path / "b")
    with pytest.raises(DataError, match="none: the folder cannot be read: No such file"):
        list_folder(tmp_path / "none")


def test_a_link_to_where_one_may_not_look_is_a_photo_that_fails_by_itself(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").symlink_to("/secret/a.jpg")
    (tmp_path / "b.jpg").touch()
    os.mkfifo(tmp_path / "c.jpg")
    stat = Path.stat

    def refused(path, **how):
        if path.name == "a.jpg":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", refused)
    found = search_photos(tmp_path)
    assert [path.name for path in found.photos] == ["a.jpg", "b.jpg"]
    assert [(one.path.name, one.failed) for one in found.left_out] == [("c.jpg", True)]
