"""What a run was told is read back as it was: photos are rendered again by it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoTask
from carmask.batch.runfile import FILE, read_run, write_run
from carmask.compositing.background import Background
from carmask.errors import UsageError

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PICTURE = np.arange(768, dtype=np.int64).astype(np.uint8).reshape(16, 16, 3)


@pytest.mark.parametrize(
    "background",
    [
        None,
        Background(None),
        Background.drawn("red"),
        Background.drawn("white:#8a8f98"),
        Background.drawn("showroom"),
        Background(PICTURE, fit="contain", icc_profile=PROFILE),
        Background(PICTURE[:3, :5]),
    ],
)
def test_the_background_comes_back(background, tiny_model, tmp_path):
    spec = OutputSpec(background=background, format="jpg" if background else "png", quality=90 if background else None)
    write_run(tmp_path, PhotoTask(str(tiny_model), spec))
    found = read_run(tmp_path).task.spec
    assert found.settings() == spec.settings()
    assert found.background is None or found.background.icc_profile == background.icc_profile


def test_backgrounds_that_look_different_have_another_digest():
    made = [Background(PICTURE), Background(PICTURE, icc_profile=PROFILE), Background(PICTURE[::-1])]
    made += [Background(PICTURE, fit="contain"), Background(PICTURE, fit="contain", icc_profile=PROFILE)]
    assert len({one.digest() for one in made}) == len(made)


def test_a_run_in_a_folder_whose_name_is_no_utf8(tiny_model, tmp_path, monkeypatch):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_run(folder, PhotoTask(str(tiny_model), OutputSpec()))
    assert read_run(folder).base == Path.cwd()


@pytest.mark.parametrize("content", [b"", b"\xff", b"{}", b'{"format": 1, "others": "all"}', b"[" * 100_000])
def test_a_record_of_another_version_is_refused(content, tmp_path):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UsageError, match="written by another version of carmask; give the same"):
        read_run(tmp_path)
