"""What a run was told is read back as it was: photos are rendered again by it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import ImageCms

from carmask.batch.manifest import describe
from carmask.batch.outputs import OutputSpec
from carmask.batch.process import PhotoTask
from carmask.batch.runfile import FILE, read_run, write_run
from carmask.compositing.background import Background
from carmask.compositing.placement import Placing
from carmask.compositing.style import RenderStyle
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


def test_a_setting_that_only_another_version_has_is_refused(tiny_model, tmp_path):
    write_run(tmp_path, PhotoTask(str(tiny_model), OutputSpec()))
    told = json.loads((tmp_path / FILE).read_text())
    for style in ({**told["style"], "fog": 1}, {**told["style"], "placing": {"orbit": 2}}, {"shadow": "none"}):
        (tmp_path / FILE).write_text(json.dumps({**told, "style": style}))
        with pytest.raises(UsageError, match="written by another version of carmask; give the same"):
            read_run(tmp_path)


def test_numpy_s_numbers_are_kept(tiny_model, tmp_path):
    style = RenderStyle(
        "make", np.float32(0.5), placing=Placing("centre", np.float64(0.9), size=(np.int64(60), np.int64(80)))
    )
    spec = OutputSpec(background=Background.drawn("red"), format="jpg", quality=np.int64(80), style=style)
    task = PhotoTask(str(tiny_model), spec)
    write_run(tmp_path, task)
    found = read_run(tmp_path).task
    assert describe(found) == describe(task)
    assert (found.spec.quality, found.spec.style) == (80, style)
