"""The commands as a user types them: in a process of their own where exit codes and streams matter."""

from __future__ import annotations

import csv
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import carmask
from carmask.cli import main
from carmask.formats.rle import rle_decode
from carmask.images import read_mask
from tests.processes import started

SIZE = (640, 960)


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "COLUMNS": "120", "NO_COLOR": "1", "TERM": "dumb"}
    command = [sys.executable, "-m", "carmask", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=300, check=False)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_version_and_help():
    assert run("--version").stdout == f"carmask {carmask.__version__}\n"
    text = run("--help").stdout
    for command in ("cut", "evaluate", "submit", "check", "score", "rle", "train", "export"):
        assert re.search(rf"\b{command}\b", text)


def test_cutting_never_loads_torch(examples, tmp_path):
    code = (
        "import sys; sys.argv = ['carmask', 'cut', sys.argv[1], '--out', sys.argv[2]]\n"
        "import carmask.cli\n"
        "try: carmask.cli.main()\n"
        "except SystemExit as end: print(end.code, 'torch' in sys.modules)\n"
    )
    photo = next((examples / "train").glob("*.jpg"))
    command = [sys.executable, "-c", code, str(photo), str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.endswith("0 False\n")


def test_cut_writes_what_was_asked_for(examples, tmp_path):
    photos = sorted((examples / "train").glob("*.jpg"))
    assert run("cut", examples / "train", "--out", tmp_path / "cut").returncode == 0
    assert run("cut", *photos, "--out", tmp_path / "mask", "--mask").returncode == 0
    assert run("cut", examples / "train", "-o", tmp_path / "both", "--mask", "--background", "teal").returncode == 0
    assert len(photos) >= 6
    for photo in photos:
        mask = read_mask(tmp_path / "mask" / f"{photo.stem}_mask.png")
        with Image.open(photo) as original:
            pixels = np.asarray(original)
        assert mask.shape == pixels.shape[:2]
        assert mask.any()
        rgba = np.asarray(Image.open(tmp_path / "cut" / f"{photo.stem}.png"))
        # Along the contour both are soft.
        inside = cv2.erode(mask.astype(np.uint8), np.ones((25, 25))) > 0
        outside = cv2.dilate(mask.astype(np.uint8), np.ones((25, 25))) == 0
        assert (rgba[inside][:, 3] == 255).all()
        assert not rgba[outside].any()
        assert ((rgba[..., 3] > 127) != mask).mean() < 0.005
        composed = np.asarray(Image.open(tmp_path / "both" / f"{photo.stem}.png"))
        assert np.array_equal(composed[inside], pixels[inside])
        assert (composed[outside] == (0, 128, 128)).all()
    assert not list((tmp_path / "mask").glob("*[!k].png"))
    rows = table(tmp_path / "cut" / "report.csv")
    assert list(rows[0]) == [
        "photo",
        "status",
        "reason",
        "confidence",
        "area",
        "seconds",
        "expected_error_px",
        "review",
        "decision",
        "view",
        "view_name",
        "view_confidence",
        "checks",
        "take_again",
    ]
    assert [row["photo"] for row in rows] == [str(photo) for photo in photos]
    assert all(row["status"] == "done" and 0 < float(row["confidence"]) <= 1 for row in rows)


def test_an_output_that_cannot_be_written_is_refused_before_photos_are_scored(examples, tmp_path):
    (tmp_path / "file").touch()
    for words in (
        ["evaluate", "default", examples, "--out", tmp_path / "file"],
        ["explore", examples, "--out", tmp_path / "file"],
    ):
        result = run(*words)
        assert (result.returncode, result.stdout) == (1, "")
        assert re.fullmatch(r"carmask: \S+/file/\S+: cannot be written: \S+/file is no folder\n", result.stderr)


def test_a_bad_photo_is_reported_and_the_others_are_done(examples, tmp_path):
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    good = next((examples / "train").glob("*.jpg"))
    (photos / "a good one.jpg").symlink_to(good)
    (photos / "sub" / "a good one.jpg").symlink_to(good)
    (photos / "truncated.jpg").write_bytes(good.read_bytes()[:20000])
    (photos / "empty.png").touch()
    (photos / "notes.txt").write_text("not a photo, and not looked at")
    words = ["--recursive", "--progress", "quiet", "--checks", "wrong_size=4000"]
    result = run("cut", photos, "--out", tmp_path / "out", *words)
    assert result.returncode == 1
    assert "2 of 4 photos done" in result.stdout
    assert " to review: those with review=yes in the table" in result.stdout
    assert "2 to take again: those with take_again=yes in the table\n" in result.stdout
    errors = result.stderr.splitlines()
    assert len(errors) == 2
    assert "empty.png: the file is empty" in errors[0]
    assert "truncated.jpg: damaged: image file is truncated" in errors[1]
    assert (tmp_path / "out" / "a good one.png").exists()
    assert (tmp_path / "out" / "sub" / "a good one.png").exists()
    assert not (tmp_path / "out" / "truncated.png").exists()
    assert {row["status"] for row in table(tmp_path / "out" / "report.csv")} == {"done", "failed", "left out"}
    # The output folder inside the input folder is not taken for photos on the next run.
    again = run("cut", ".", "--out", "out", "--recursive", "--review-budget", "50%", cwd=photos)
    assert "1 to review: those with review=yes in the table; 'carmask review out' shows them\n" in again.stdout
    assert "of 4 photos done" in again.stdout
    marked = [row for row in table(photos / "out" / "report.csv") if row["review"] == "yes"]
    done = [row for row in table(photos / "out" / "report.csv") if row["status"] == "done"]
    assert len(marked) == math.ceil(len(done) / 2)
    assert "of 4 photos done" in run("cut", ".", "--out", "out", "--recursive", cwd=photos).stdout
    plain = run("cut", ".", "--out", "out", cwd=photos).stdout
    assert "1 left out: a sub-folder, which is not searched; --recursive searches it\n" in plain


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["cut"], "Missing argument 'PATH...'"),
        (["cut", "x.jpg"], "Missing option '--out'"),
        (["cut", "missing.jpg", "--out", "o"], "missing.jpg: there is no such photo or folder"),
        (["cut", "empty", "--out", "o"], "empty: no photos in this folder"),
        (["cut", "outer", "--out", "o"], "outer: no photos in this folder; .*a sub-folder, which is not searched"),
        (["cut", "twins/a.png", "--out", "twins"], r"twins/a\.png: this photo would be overwritten"),
        (["cut", "twins/a.png", "--out", "o", "--review-budget", "5"], "is no share of the photos"),
        (["cut", "twins/a.png", "--out", "o", "--review-budget", "120%"], "is no share of the photos"),
        (["cut", "twins/a.png", "--out", "o", "--review-budget", "5%", "--review-below", "0.9"], "exclude each other"),
        (["cut", "twins/a.png", "--out", "o", "--background", "nocolour"], "no such picture, and not a colour"),
        (["cut", "twins/a.png", "--out", "o", "--background", "no/such.jpg"], "no such picture, and not a colour"),
        (
            ["cut", "twins/a.png", "--out", "o", "--format", "jpg"],
            r"--format: JPEG has no transparency; add --background COLOUR.* \(try: carmask cut --help\)",
        ),
        (["cut", "twins/a.png", "--out", "o", "--glass", "0.5"], "--glass: it needs a model that labels windows"),
        (
            ["cut", "twins/a.png", "--out", "o", "--crop", "0.1", "--size", "8x8"],
            "--crop: it cuts .* neither with --place nor with --size WxH",
        ),
        (["cut", "twins/a.png", "--out", "o", "--size", "8"], "'8' is not a size"),
        (["cut", "twins/a.png", "--out", "o", "--size", "80x60x3"], "'80x60x3' is not a size"),
        (["cut", "twins/a.png", "--out", "o", "--size", "99999x99999"], "99999x99999 is more than 128 megapixels"),
        (
            ["cut", "twins/a.png", "--out", "o", "--shadow-strength", "2"],
            "--shadow-strength: .* it needs --shadow keep, --shadow make or --shadow reflect",
        ),
        (
            ["cut", "twins/a.png", "--out", "o", "--scale", "0.5"],
            "--scale: .* it needs --place centre, --place turntable or --place vehicle",
        ),
        (["cut", "twins/a.png", "--out", "o", "--fit", "contain"], "--fit: it is for a background picture"),
        (["cut", "twins/a.png", "--out", "o", "--mask", "--shadow", "make"], "add --background"),
        (["cut", "twins/a.png", "--out", "o", "--mask", "--format", "webp"], "--format: masks are PNG"),
        (["cut", "twins/a.png", "--out", "o", "--address", "h:1"], "--address: .* it needs --engine ray"),
        (["cut", "s3://b/a", "--out", "o"], "s3://b/a: object stores are read and written with --engine ray"),
        (["turntable", "empty", "--out", "o"], "empty: no views of a car in this folder"),
        (["cut", "twins/a.png", "--out", "o", "--model", "twins/a.png"], r"a\.png: not an ONNX model file"),
        (["cut", "twins/a.png", "--out", "o", "--model", "bset"], r"bset: neither .* \(.*default"),
        (["cut", "twins/a.png", "--out", "o", "--device", "cuda"], "--device: cuda"),
        (["cut", "twins/a.png", "--out", "o", "--device", "tpu"], "'tpu' is not one of"),
        (["evaluate", "default", "empty"], "empty: photos and masks are not laid out in a way that is known"),
        (["evaluate", "default", "empty", "--val", "--cars", "x"], "exclude each other"),
        (["submit", "empty", "--out", "s.csv"], "no pictures in it"),
        (["check", "none.csv", "--sample", "none.csv"], r"none\.csv: cannot be read"),
        (["score", "none.csv", "--truth", "none.csv"], "none.csv: there is no such folder"),
        (["rle", "decode", "none.csv", "--size", "12", "--out", "o"], "'12' is not a size; write WIDTHxHEIGHT"),
        (["rle", "decode", "none.csv", "--size", "0x5", "--out", "o"], "is not a size"),
        (["rle", "decode", "none.csv", "--size", "99999999x99999999", "--out", "o"], "more than 128 megapixels"),
        (["train", "default", "--data", "empty", "--out", "o", "--extra-data", "x=2"], "with a share from 0 to 1"),
        (
            ["train", "nothing", "--data", "empty", "--out", "o"],
            r"empty: photos and masks are not laid out in a way that is known",
        ),
        (["export", "empty", "--out", "m.onnx"], "empty: not a training run"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_wrong_requests_get_one_line_and_exit_2(tmp_path, monkeypatch, capsys, arguments, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "outer" / "inner").mkdir(parents=True)
    (tmp_path / "twins").mkdir()
    for name in ("outer/inner/a.png", "twins/a.png", "twins/a.jpg"):
        Image.new("RGB", (64, 48)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["carmask", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    complaint = capsys.readouterr().err
    assert len(complaint.splitlines()) == 1
    assert complaint.startswith("carmask: ")
    assert re.search(message, complaint)
    assert not (tmp_path / "o").exists()


def test_names_of_files_give_a_terminal_no_commands(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["carmask", "cut", str(tmp_path / "\x1b[2Jé\n\u009bx"), "--out", "o"])
    with pytest.raises(SystemExit):
        main()
    assert "/\\x1b[2Jé \\x9bx: there is no such photo" in capsys.readouterr().err


def test_names_that_standard_output_has_no_letters_for(tmp_path):
    csv = tmp_path / "日本.csv"
    csv.write_text("img,rle_mask\nx.jpg,1 5\n")
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "carmask", "check", str(csv)]
    made = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=60)
    assert (made.returncode, made.stderr) == (0, "")
    assert "\\u65e5\\u672c.csv: good" in made.stdout


def test_an_output_folder_that_cannot_be_one(examples, tmp_path):
    (tmp_path / "file").touch()
    result = run("cut", examples / "train", "--out", tmp_path / "file")
    assert result.returncode == 1
    assert result.stderr == f"carmask: {tmp_path / 'file'}: the folder cannot be made: a file has this name\n"


def test_results_that_are_too_large_lose_nothing(examples, tmp_path):
    # A limit on the size of files: cut-outs do not fit, the records of the run do.
    out = tmp_path / "out"
    (tmp_path / "photos").mkdir()
    for photo in sorted((examples / "train").glob("*.jpg"))[:3]:
        Image.open(photo).resize((2880, 1920)).save(tmp_path / "photos" / photo.name)
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (300000, 300000))\n"
        "import carmask.cli\n"
        "carmask.cli.main()\n"
    )
    command = [sys.executable, "-c", code, "cut", str(tmp_path / "photos"), "--out", str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "0 of 3" in result.stdout
    assert "cannot be written: File too large" in result.stderr
    assert sorted(path.name for path in out.iterdir()) == [".carmask", "report.csv"]
    assert all(row["status"] == "failed" for row in table(out / "report.csv"))


def test_from_photos_to_a_checked_and_scored_submission(examples, tmp_path):
    submission, sample, truth = tmp_path / "s.csv", tmp_path / "sample.csv", tmp_path / "truth.csv"
    assert run("rle", "encode", examples / "train_masks", "--out", truth).returncode == 0
    names = [row["img"] for row in table(truth)]
    sample.write_text("img,rle_mask\n" + "".join(f"{name},1 1\n" for name in reversed(names)))
    assert run("submit", examples / "train", "--out", submission, "--sample", sample).returncode == 0
    assert [row["img"] for row in table(submission)] == names[::-1]
    size = f"{SIZE[1]}x{SIZE[0]}"
    assert "good" in run("check", submission, "--sample", sample, "--size", size).stdout
    assert f"give --size {size} if all" in run("check", submission, "--truth", examples / "train_masks").stdout
    scored = run("score", submission, "--truth", examples / "train_masks").stdout
    evaluated = run("evaluate", "default", examples, "--out", tmp_path / "scores")
    mean = np.mean([float(row["dice"]) for row in table(tmp_path / "scores" / "scores.csv")])
    assert float(scored.split()[2]) == pytest.approx(mean, abs=1e-9)
    assert f"{mean:.6f}" in evaluated.stdout
    cropped = tmp_path / "other-size.csv"
    cropped.write_text("img,rle_mask\n" + "".join(f"{name},1 {3000 * 2000}\n" for name in names))
    assert run("score", cropped, "--truth", cropped, "--size", "3000x2000").stdout.startswith("mean Dice 1.000000000")
    assert "a frame of 1918x1280 has" in run("score", cropped, "--truth", cropped).stderr
    perfect = run("score", truth, "--truth", examples / "train_masks").stdout
    assert perfect.startswith("mean Dice 1.000000000 over ")


def test_rle_both_ways(examples, tmp_path):
    printed = run("rle", "encode", *sorted((examples / "train_masks").iterdir()))
    (tmp_path / "masks.csv").write_text(printed.stdout)
    rows = table(tmp_path / "masks.csv")
    size = f"{SIZE[1]}x{SIZE[0]}"
    assert run("rle", "decode", tmp_path / "masks.csv", "--size", size, "--out", tmp_path / "masks").returncode == 0
    for row, file in zip(rows, sorted((examples / "train_masks").iterdir()), strict=True):
        truth = read_mask(file)
        assert np.array_equal(rle_decode(row["rle_mask"], *SIZE), truth)
        assert np.array_equal(read_mask(tmp_path / "masks" / file.name), truth)


def test_masks_of_one_photo_are_not_encoded_twice(examples, tmp_path):
    mask = min((examples / "train_masks").iterdir())
    (tmp_path / mask.name).write_bytes(mask.read_bytes())
    twice = run("rle", "encode", examples / "train_masks", tmp_path, "--out", tmp_path / "masks.csv")
    name = mask.stem.removesuffix("_mask")
    assert twice.returncode == 2
    assert f"{mask} and {tmp_path / mask.name} are both masks of {name}; give one of them" in twice.stderr
    undotted = run("rle", "encode", mask, "--suffix", "png", "--out", tmp_path / "masks.csv")
    assert undotted.returncode == 2
    assert "--suffix: png: image names would end in NAMEpng; write .png" in undotted.stderr
    assert not (tmp_path / "masks.csv").exists()


def test_a_bad_photo_leaves_no_submission(examples, tmp_path):
    (tmp_path / "photos").mkdir()
    good = next((examples / "train").glob("*.jpg"))
    (tmp_path / "photos" / "good.jpg").symlink_to(good)
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no")
    result = run("submit", tmp_path / "photos", "--out", tmp_path / "s.csv")
    assert result.returncode == 1
    assert "bad.jpg: not an image" in result.stderr
    assert "1 of 2 photos failed" in result.stderr
    assert not (tmp_path / "s.csv").exists()


@pytest.mark.parametrize("unbuffered", ["", "1"])  # as in many containers: then it is click that hears of it
@pytest.mark.parametrize("arguments", ["rle encode MASKS", "models list", "--help", "cut --help"])
def test_a_reader_that_stops_early_is_no_error(examples, arguments, unbuffered):
    words = arguments.replace("MASKS", str(examples / "train_masks")).split()
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    pipe = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "env": environment}
    with started([sys.executable, "-m", "carmask", *words], **pipe) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(120) == 141


def test_an_error_that_nobody_hears_has_its_exit_status():
    command = f"{sys.executable} -m carmask nonsense 2>&1 | true; exit ${{PIPESTATUS[0]}}"
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 2


@pytest.mark.skipif(os.name == "nt", reason="descriptors of POSIX")
@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_closed_streams_stop_nothing(examples, tmp_path, closed):
    photo = next((examples / "train").glob("*.jpg"))
    command = f"{sys.executable} -m carmask cut {photo} --out {tmp_path / 'out'} --mask --checks off {closed}"
    assert subprocess.run(command, shell=True, capture_output=True, check=False).returncode == 0
    assert (tmp_path / "out" / f"{photo.stem}_mask.png").exists()
    usage = subprocess.run(
        f"{sys.executable} -m carmask nonsense {closed}", shell=True, capture_output=True, check=False
    )
    assert usage.returncode == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("arguments", ["--help", "--version", "networks --help"])
def test_a_full_disk_for_the_output_is_one_line(arguments):
    command = f"{sys.executable} -m carmask {arguments} > /dev/full"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr == "carmask: standard output cannot be written: no space left on the device\n"
