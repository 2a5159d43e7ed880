"""Runs that are disturbed, as users start them: each in a process of its own, with real signals and real full disks.

``benchmarks/kill.py`` is the long form: twenty kills, with the default model.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from carmask.batch.manifest import Manifest
from carmask.images import read_mask
from carmask.machine import available_cores
from tests.processes import started

COPIES = 150


@pytest.fixture
def many(photos, tmp_path) -> Path:
    """The photos under many names, by links."""
    folder = tmp_path / "many"
    folder.mkdir()
    originals = sorted(photos.rglob("*.jpg"))
    for number in range(COPIES):
        (folder / f"{number:03d}.jpg").symlink_to(originals[number % len(originals)])
    return folder


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "carmask", *map(str, arguments)]


def finish(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False, timeout=300)


def disturb(how: int, ready: Callable[[], bool], *arguments: str | Path) -> int:
    """Start a run, send it a signal when it is ready for that, and give its exit status."""
    # In the background of a script tests ignore Ctrl-C, and so would the run, as it should there.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        end = time.monotonic() + 240
        while process.poll() is None and not ready():
            assert time.monotonic() < end, "it does not begin"
            time.sleep(0.01)
        process.send_signal(how)
        return process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()


def masks(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.glob("*_mask.png")}


def report(out: Path) -> list[dict[str, str]]:
    """Without the seconds, which are never the same."""
    with (out / "report.csv").open(newline="") as stream:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(stream)]


@pytest.fixture
def undisturbed(many, tiny_model, tmp_path) -> Path:
    out = tmp_path / "undisturbed"
    assert finish("cut", many, "--out", out, "--mask", "--model", tiny_model).returncode == 0
    assert len(masks(out)) == COPIES
    return out


def test_killed_and_resumed_is_as_if_nothing_had_happened(many, tiny_model, undisturbed, tmp_path):
    out = tmp_path / "killed"
    arguments = ("cut", many, "--out", out, "--mask", "--model", tiny_model)
    for target in (1, 40, 110):
        status = disturb(signal.SIGKILL, lambda target=target: len(list(out.glob("*_mask.png"))) >= target, *arguments)
        assert status == -signal.SIGKILL
        # What is there is whole, at any moment.
        for path in out.glob("*_mask.png"):
            read_mask(path)
    before = {path.name: path.stat().st_mtime_ns for path in out.glob("*_mask.png")}
    last = finish(*arguments)
    assert last.returncode == 0, last.stderr
    assert masks(out) == masks(undisturbed)
    assert report(out) == report(undisturbed)
    assert not list(out.rglob("*.tmp"))
    # Only what was under way when it was killed was made twice.
    again = [name for name, when in before.items() if (out / name).stat().st_mtime_ns != when]
    assert len(again) <= available_cores() + 3


def test_a_submission_is_complete_or_absent(many, tiny_model, tmp_path):
    whole, out = tmp_path / "whole.csv", tmp_path / "killed.csv"
    assert finish("submit", many, "--out", whole, "--model", tiny_model).returncode == 0
    arguments = ("submit", many, "--out", out, "--model", tiny_model)
    log = out.with_name("killed.csv.partial-wal")
    for size in (1, 200_000):
        status = disturb(signal.SIGKILL, lambda size=size: log.exists() and log.stat().st_size > size, *arguments)
        assert status == -signal.SIGKILL
        assert not out.exists()
    result = finish(*arguments, "--progress", "json")
    assert result.returncode == 0, result.stderr
    assert out.read_bytes() == whole.read_bytes()
    assert result.stdout.count('"kept": true') > 5
    assert result.stdout.count("\n") == COPIES
    assert [path.name for path in tmp_path.glob("*killed*")] == ["killed.csv"]


def test_ctrl_c_ends_tidily(many, tiny_model, undisturbed, tmp_path):
    out = tmp_path / "interrupted"
    arguments = ("cut", many, "--out", out, "--mask", "--model", tiny_model)
    assert disturb(signal.SIGINT, lambda: len(list(out.glob("*_mask.png"))) >= 20, *arguments) == 130
    assert 20 - available_cores() - 3 <= len(report(out)) < COPIES
    assert not list(out.rglob("*.tmp"))
    assert finish(*arguments).returncode == 0
    assert masks(out) == masks(undisturbed)


def test_a_worker_that_is_killed_is_replaced(many, tiny_model, undisturbed, tmp_path):
    out = tmp_path / "out"
    arguments = command("cut", many, "--out", out, "--mask", "--model", tiny_model, "--progress", "quiet")
    with started(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while process.poll() is None and len(list(out.glob("*_mask.png"))) < 10:
            time.sleep(0.01)
        found = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True).stdout
        for pid in found.split():
            os.kill(int(pid), signal.SIGKILL)
        output, errors = process.communicate(timeout=120)
    assert (process.returncode, errors) == (0, "")
    assert f"{COPIES} of {COPIES} photos done" in output
    assert masks(out) == masks(undisturbed)


def test_a_photo_that_hangs_is_given_up(photos, tiny_model, tmp_path):
    os.mkfifo(photos / "hangs.jpg")  # whoever opens it waits for a writer, as on a file server that is gone
    out = tmp_path / "out"
    result = finish(
        "cut",
        photos / "more",
        photos / "hangs.jpg",
        "--out",
        out,
        "--mask",
        "--model",
        tiny_model,
        "--timeout",
        "2",
        "--progress",
        "quiet",
    )
    assert result.returncode == 1
    assert result.stderr == f"carmask: {photos / 'hangs.jpg'}: given up after 2 s, whatever is in this file\n"
    assert "2 of 3 photos done" in result.stdout
    assert [row["status"] for row in report(out)].count("failed") == 1


def test_a_second_run_in_the_same_place_is_refused(photos, tiny_model, tmp_path):
    state = tmp_path / "out" / ".carmask"
    state.mkdir(parents=True)
    with Manifest(state / "manifest.sqlite", "{}"):
        result = finish("cut", photos, "--out", tmp_path / "out", "--mask", "--model", tiny_model)
    assert result.returncode == 2
    assert result.stderr == f"carmask: {state}: another carmask is writing here; wait for it, or name another output\n"
    assert not list((tmp_path / "out").glob("*.png"))


def _can_mount() -> bool:
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
    found = shutil.which("unshare") is not None
    return found and subprocess.run(probe, capture_output=True, check=False).returncode == 0


on_small_disk = pytest.mark.skipif(
    not _can_mount(), reason="needs another operating system: one on which file systems can be mounted (Linux, as root)"
)


@on_small_disk
def test_a_disk_that_fills_up_loses_nothing(many, tiny_model, tmp_path):
    disk, first, second = tmp_path / "disk", tmp_path / "first", tmp_path / "second"
    disk.mkdir()
    run = " ".join(command("cut", many, "--out", disk, "--model", tiny_model))
    script = f"""
        mount -t tmpfs -o size=1400k tmpfs {disk}
        {run} > {tmp_path}/1 2>&1; echo "exit $?" >> {tmp_path}/1; cp -r {disk} {first}
        mount -o remount,size=64m {disk}
        {run} > {tmp_path}/2 2>&1; echo "exit $?" >> {tmp_path}/2; cp -r {disk} {second}
    """
    subprocess.run(["unshare", "-rm", "sh", "-c", script], check=True, timeout=300)
    said = (tmp_path / "1").read_text()
    assert "the same command goes on from here once there is room" in said
    assert said.endswith("exit 1\n")
    rows = report(first)
    done = [row for row in rows if row["status"] == "done"]
    assert 0 < len(done) < COPIES
    assert all("No space left" in row["reason"] for row in rows if row["status"] == "failed")
    from PIL import Image

    for path in first.glob("*.png"):
        Image.open(path).load()
    assert {f"{Path(row['photo']).stem}.png" for row in done} <= {path.name for path in first.glob("*.png")}
    assert not list(first.rglob("*.tmp"))
    assert (tmp_path / "2").read_text().endswith("exit 0\n")
    assert len(list(second.glob("*.png"))) == COPIES
    assert all(row["status"] == "done" for row in report(second))


@on_small_disk
def test_a_read_only_output_is_refused_at_once(many, tiny_model, tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    run = " ".join(command("cut", many, "--out", disk, "--model", tiny_model))
    script = f"mount -t tmpfs -o ro tmpfs {disk}; {run}; echo exit $?"
    result = subprocess.run(["unshare", "-rm", "sh", "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "exit 1\n"
    assert result.stderr == f"carmask: {disk / '.carmask'}: the folder cannot be made: Read-only file system\n"
