from __future__ import annotations

import errno
from pathlib import Path

import pytest

from carmask.batch.deliver import deliver
from carmask.batch.measured import read_measured
from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import plan_run
from carmask.batch.vehicles import Grouping
from carmask.compositing.background import Background
from carmask.compositing.plates import PlateCover
from carmask.data.layouts import find_layout
from carmask.errors import CarmaskError, DataError, UsageError
from carmask.images import is_file, is_folder, is_there, search_photos
from carmask.model.file import find_model
from carmask.profiles.loading import load_profile

#: What takes a path or a word from a user.
TAKES = {
    "background": Background.parse,
    "deliver": lambda text: deliver(Path(text), Path("to")),
    "group": Grouping.parse,
    "layout": lambda text: find_layout(Path(text)),
    "measured": lambda text: read_measured(Path(text)),
    "model": find_model,
    "photos": lambda text: plan_run([Path(text)], Path("out"), OutputSpec()),
    "plate": PlateCover.parse,
    "profile": load_profile,
    "search": lambda text: search_photos(Path(text)),
}


def test_files_and_folders(tmp_path):
    file, link, broken = tmp_path / "a", tmp_path / "link", tmp_path / "broken"
    file.touch()
    link.symlink_to(file)
    broken.symlink_to(tmp_path / "none")
    (round_ := tmp_path / "round").symlink_to(tmp_path / "round")
    assert [is_file(path) for path in (file, link, broken, round_, tmp_path)] == [True, True, False, False, False]
    assert [is_folder(path) for path in (file, tmp_path)] == [False, True]
    assert [is_there(path) for path in (file, tmp_path, broken, tmp_path / "a" / "b")] == [True, True, False, False]
    assert not is_there(Path("a\0b"))
    assert not is_there(Path("x" * 300))


@pytest.mark.parametrize("take", TAKES)
def test_a_name_that_no_file_can_have_is_refused_in_words(take):
    with pytest.raises(CarmaskError, match="x" * 300):
        TAKES[take]("x" * 300)


@pytest.mark.parametrize("take", TAKES)
def test_a_folder_that_may_not_be_entered_is_refused_in_words(take, monkeypatch):
    stat = Path.stat

    def refused(path, **how):
        if "secret" in path.parts:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **how)

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(CarmaskError, match=r"secret.*cannot be looked at: Permission denied"):
        TAKES[take]("secret/hall.jpg")


def test_the_error_is_of_the_kind_that_is_asked_for(monkeypatch):
    def refused(path, **_):
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    monkeypatch.setattr(Path, "stat", refused)
    with pytest.raises(UsageError, match=r"^p: cannot be looked at: Stale file handle$"):
        is_file(Path("p"))
    with pytest.raises(DataError, match=r"^p: cannot be looked at: Stale file handle$"):
        is_folder(Path("p"), DataError)
