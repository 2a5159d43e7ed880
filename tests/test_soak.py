"""Short forms of the soak runs: each subject a few times, nothing lost; and that they would see what is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys

import pytest
from benchmarks.soak import shim, torn
from benchmarks.soak.torn import CREATE, MKDIR, RENAME, SYNC, WRITE, Change, Disk

from tests.conftest import REPOSITORY


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    folder = tmp_path_factory.mktemp("soak")
    if shim.build(folder) is None:
        pytest.skip("no C compiler, or needs another operating system: Linux")
    return folder


def soak(work, *words: str) -> dict[str, dict]:
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "TMPDIR": str(work)}
    command = [sys.executable, "-m", "benchmarks.soak", *words, "--work", str(work), "--minutes", "5", "--anew"]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    subjects = [word for word in words if (work / f"{word}.json").exists()]
    return {subject: json.loads((work / f"{subject}.json").read_text())["rows"] for subject in subjects}


def test_batches_that_are_disturbed_lose_nothing(work):
    subjects = ("kills", "torn", "full", "write-errors", "read-errors", "clock")
    found = soak(work, *subjects, "--only", "masks", "--goal", "3")
    assert found.keys() == set(subjects)
    for subject, rows in found.items():
        counts = rows["masks"]
        assert max(counts.values()) >= 3, subject
        assert counts["lost"] == 0, subject


@pytest.mark.parametrize("case", ["server jobs", "corrections", "watching", "rendering"])
def test_other_runs_that_are_killed_lose_nothing(work, case):
    counts = soak(work, "kills", "--only", case, "--goal", "3")["kills"][case]
    assert counts["killed"] >= 3
    assert counts["lost"] == 0


def test_a_training_that_is_killed_ends_with_the_weights_of_an_undisturbed_one(work):
    pytest.importorskip("lightning")
    assert soak(work, "kills", "--only", "training", "--goal", "2")["kills"]["training"]["lost"] == 0


@pytest.mark.parametrize("subject", ["torn", "full"])
def test_a_watch_survives_power_cuts_and_full_disks(work, subject):
    """What they leave of a manifest is made by itself in ``tests/batch/test_manifest.py``."""
    assert soak(work, subject, "--only", "watching", "--goal", "4")[subject]["watching"]["lost"] == 0


@pytest.mark.parametrize("row", ["model files", "recipes and pipelines", "manifests and corrections"])
def test_damaged_files_are_read_or_refused(work, row):
    counts = soak(work, "files", "--only", row, "--goal", "1")["files"][row]
    assert counts["lost"] == 0
    assert min(counts["read"], counts["refused"]) > 0


def cut(folder, changes: list[Change], seed: int) -> dict[str, bytes]:
    """What a power cut leaves after some changes."""
    place = folder / str(seed)
    place.mkdir()
    disk = Disk()
    for change in changes:
        name = str(place / change.name) if change.name else ""
        data = str(place / change.data.decode()).encode() if change.what == RENAME else change.data
        disk.apply(change._replace(name=name, data=data))
    disk.after_a_cut(place, random.Random(seed))
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


CONTENT = bytes(range(1, 251)) * 20
WRITTEN = [Change(MKDIR, 0, 0, "a", b""), Change(CREATE, 7, 0, "a/x.tmp", b""), Change(WRITE, 7, 0, "", CONTENT)]
RENAMED = Change(RENAME, 0, 0, "a/x.tmp", b"a/x")


def test_a_power_cut_tears_what_was_not_flushed(tmp_path):
    seen = [cut(tmp_path, [*WRITTEN, RENAMED], seed) for seed in range(200)]
    torn_ones = [one["a/x"] for one in seen if one.get("a/x", CONTENT) != CONTENT]
    assert any(len(one) == len(CONTENT) for one in torn_ones)  # the size says nothing
    assert any(not one for one in torn_ones)
    assert any(one == {} for one in seen)
    assert any(one == {"a/x": CONTENT} for one in seen)


def test_a_power_cut_leaves_what_was_flushed_by_one_of_its_names(tmp_path):
    for seed in range(40):
        assert cut(tmp_path, [*WRITTEN, Change(SYNC, 7, 0, "", b""), RENAMED], seed) in (
            {"a/x": CONTENT},
            {"a/x.tmp": CONTENT},
        )


def test_a_power_cut_leaves_the_names_of_a_folder_that_was_flushed(tmp_path):
    changes = [*WRITTEN, Change(SYNC, 7, 0, "", b""), RENAMED, Change(SYNC, 3, 0, "a", b"")]
    assert all(cut(tmp_path, changes, seed) == {"a/x": CONTENT} for seed in range(20))


def test_an_inode_that_is_given_again_is_another_file(tmp_path):
    changes = [*WRITTEN, Change(SYNC, 7, 0, "", b""), RENAMED, Change(torn.UNLINK, 0, 0, "a/x", b"")]
    changes += [Change(CREATE, 7, 0, "a/y", b""), Change(WRITE, 7, 0, "", b"new"), Change(SYNC, 7, 0, "", b"")]
    assert cut(tmp_path, changes, 1) == {"a/y": b"new"}


def test_a_folder_that_is_renamed_takes_its_files_along(tmp_path):
    changes = [*WRITTEN, Change(SYNC, 7, 0, "", b""), Change(torn.LINK, 0, 0, "a/l", b"x"), RENAMED]
    changes += [Change(RENAME, 0, 0, "a", b"b"), Change(CREATE, 8, 0, "c", b""), Change(SYNC, 8, 0, "", b"")]
    assert cut(tmp_path, changes, 1) == {"b/x": CONTENT, "b/l": CONTENT, "c": b""}


def test_what_is_not_flushed_would_be_found(work):
    """The soak run itself, on a program that does not flush what it writes."""
    code = (
        "import sys; from carmask.images import writing; writing._flush = lambda file: None\n"
        "from benchmarks.soak.__main__ import main; main()"
    )
    environment = os.environ | {
        "PYTHONPATH": f"{REPOSITORY / 'src'}:{REPOSITORY}",
        "LD_PRELOAD": str(work / "faults.so"),
    }
    words = ["torn", "--only", "masks", "--goal", "20", "--work", str(work / "control")]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert "other than undisturbed" in done.stdout, done.stdout + done.stderr
