"""The commands of this part as a user types them."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.training.conftest import draw


def run(*arguments):
    environment = {**os.environ, "COLUMNS": "160", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "carmask", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)


def test_networks_lists_all_with_the_published_counts():
    done = run("networks")
    assert done.returncode == 0
    rows = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert "6,504,227   4,660,323" in rows["mobilenetv2-pix2pix"]
    assert "6,247,235   4,403,235" in rows["mobilenetv2-pix2pix-matched"]
    assert "21,364,035   8,415,491" in rows["vgg19-pix2pix"]
    assert "240x160" in rows["cnn-small"]


def test_networks_prints_the_layers_of_one():
    lines = run("networks", "mobilenetv2-pix2pix").stdout.splitlines()
    assert [line.split()[-2] for line in lines[1:-2]] == [
        "1,841,984",
        "1,476,608",
        "2,507,776",
        "516,608",
        "156,928",
        "4,323",
    ]
    assert lines[-2:] == [
        "total 6,504,227; trainable 4,660,323; not trainable 1,843,904",
        "its source: total 6,504,227; trainable 4,660,323; not trainable 1,843,904",
    ]


def test_augment_writes_the_sheet(tmp_path):
    photo, mask = draw(1)
    Image.fromarray(photo).save(tmp_path / "p.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    done = run("augment", tmp_path / "p.png", tmp_path / "m.png", "--out", tmp_path / "sheet.png")
    assert (done.returncode, done.stderr) == (0, "")
    assert np.asarray(Image.open(tmp_path / "sheet.png")).std() > 20


@pytest.mark.parametrize(
    ("out", "message"),
    [("p.png", "this picture would be overwritten"), ("./m.png", "would be overwritten"), ("s.jpg", "ends in .png")],
)
def test_augment_overwrites_no_picture(out, message, tmp_path):
    photo, mask = draw(1)
    Image.fromarray(photo).save(tmp_path / "p.png")
    Image.fromarray(mask).save(tmp_path / "m.png")
    Image.fromarray(mask[1:]).save(tmp_path / "other.png")
    other = run("augment", tmp_path / "p.png", tmp_path / "other.png", "--out", tmp_path / "sheet.png")
    assert f"carmask: {tmp_path / 'other.png'}: the mask is " in other.stderr
    before = (tmp_path / "p.png").read_bytes(), (tmp_path / "m.png").read_bytes()
    done = run("augment", tmp_path / "p.png", tmp_path / "m.png", "--out", f"{tmp_path}/{out}")
    assert done.returncode == 2
    assert message in done.stderr
    assert ((tmp_path / "p.png").read_bytes(), (tmp_path / "m.png").read_bytes()) == before
    assert not (tmp_path / "s.jpg").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("networks", "nope"), "there is no network 'nope'"),
        (("networks", "unet", "--size", "100x100"), "multiples of 16"),
        (("networks", "smp:pan:resnet18", "--size", "32x32"), "32x32: the network takes no photos of this size"),
        (("train", "nope", "--data", ".", "--out", "{tmp}/run"), "not laid out in a way that is known"),
        (("train", "unet-320", "--data", "{tmp}", "--out", "{tmp}/run"), "not laid out in a way that is known"),
        (("compare", "{tmp}"), "is {tmp} a run of 'carmask train'?"),
        (("augment", "{tmp}/a.png", "{tmp}/b.png", "--out", "{tmp}/c.png"), "there is no such file"),
    ],
)
def test_wrong_use_is_one_line(arguments, message, tmp_path):
    done = run(*(argument.replace("{tmp}", str(tmp_path)) for argument in arguments))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert message.replace("{tmp}", str(tmp_path)) in done.stderr
    assert not (tmp_path / "run").exists()
