"""Builds: each step once, again only if something it needs has changed; killed and given again; refused in words."""

from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time

import pytest

from carmask.errors import DataError, ModelError, OutputError
from carmask.model.file import read_info
from carmask.release import step_functions
from carmask.release.build import build, list_tasks
from carmask.release.pipeline import load_pipeline
from carmask.release.state import read_state
from carmask.release.steps import ExportStep

ALL = ["run", "first", "both", "final"]


def reasons(*arguments, **options):
    return {task.step.id: task.reason for task in list_tasks(*arguments, **options)}


def test_steps_are_done_once(file, inputs, calls, tmp_path):
    pipeline, out = load_pipeline(file), tmp_path / "out"
    assert reasons(pipeline, out, inputs) == dict.fromkeys(ALL, "not done yet")
    assert not out.exists()
    results = build(pipeline, out, inputs)
    assert results[-1] == out / "final.onnx"
    assert calls == ALL
    build(pipeline, out, inputs)
    assert calls == ALL
    assert set(reasons(pipeline, out, inputs).values()) == {""}
    log = (out / "build.log").read_text()
    assert log.count("done before") == 4
    assert "step 4/4, final (calibrate): not done yet" in log
    assert json.loads((out / "state.json").read_text())["steps"]["run"]["status"] == "done"


def test_what_has_changed_is_done_again_and_what_depends_on_it(file, inputs, calls, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def after(*, changes=()):
        calls.clear()
        said = reasons(load_pipeline(file), out, inputs, changes=changes)
        build(load_pipeline(file), out, inputs, changes=changes)
        # What is only done if an earlier step writes something else may turn out not to be needed.
        assert [name for name, reason in said.items() if reason and "if the output of" not in reason] == calls[:1]
        return calls, said

    build(load_pipeline(file), out, inputs)
    # A setting in the middle; the file that it writes is another one, so the next step follows.
    file.write_text(file.read_text().replace("0.25", "0.75"))
    ran, said = after()
    assert (ran[0], said["both"]) == ("both", "changed since it was done: settings")
    # The content of an input, not its date.
    os.utime(inputs["street"] / "photo.txt", (1, 1))
    assert after()[0] == []
    (inputs["street"] / "photo.txt").write_text("another")
    calls.clear()
    assert reasons(load_pipeline(file), out, inputs)["run"] == "changed since it was done: extra.0 @street"
    build(load_pipeline(file), out, inputs)
    # The training writes the same as before, so what is made of it is left; the calibration reads the input itself.
    assert calls == ["run", "final"]
    # A result that someone changed, and one that is gone.
    (out / "first.onnx").write_text("x")
    assert after()[1]["first"] == "first.onnx was changed"
    (out / "both.md").unlink()
    assert after()[1]["both"] == "both.md is missing"
    # The recipe of every training, and the revision of a kind.
    ran, said = after(changes=["learning_rate=0.5"])
    assert (ran[0], said["run"]) == ("run", "changed since it was done: settings")
    after()
    monkeypatch.setattr(ExportStep, "REVISION", 7)
    assert after()[1]["first"] == "changed since it was done: kind"
    # An optional input.
    (tmp_path / "w").write_text("weights")
    inputs["weights"] = tmp_path / "w"
    assert after()[1]["run"] == "changed since it was done: encoder_weights @weights"


@pytest.mark.usefixtures("calls")
def test_an_input_behind_a_link_is_looked_at(file, inputs, tmp_path):
    """A data set whose folders are links to another disk: its photos changed, and nothing was done."""
    pipeline, out, disk = load_pipeline(file), tmp_path / "out", tmp_path / "disk"
    disk.mkdir()
    (disk / "photo.txt").write_text("photo")
    (inputs["street"] / "train").symlink_to(disk)
    (disk / "up").symlink_to(inputs["street"])
    (disk / "round").symlink_to(disk)
    build(pipeline, out, inputs)
    assert set(reasons(pipeline, out, inputs).values()) == {""}
    (disk / "photo.txt").write_text("another")
    assert reasons(pipeline, out, inputs)["run"] == "changed since it was done: extra.0 @street"


def test_a_step_that_fails_keeps_those_before_it_and_says_its_name(file, inputs, calls, tmp_path, monkeypatch):
    def fail(*_):
        raise ModelError("a.onnx: damaged", argument="model")

    out = tmp_path / "out"
    whole = step_functions.FUNCTIONS["average"]
    monkeypatch.setitem(step_functions.FUNCTIONS, "average", fail)
    with pytest.raises(ModelError, match=r"step both: model: a\.onnx: damaged"):
        build(load_pipeline(file), out, inputs)
    state = read_state(out)
    assert (state.steps["first"].status, state.steps["both"].status) == ("done", "begun")
    assert reasons(load_pipeline(file), out, inputs)["both"] == "interrupted; goes on where it was"
    monkeypatch.setitem(step_functions.FUNCTIONS, "average", whole)
    calls.clear()
    build(load_pipeline(file), out, inputs)
    assert calls == ["both", "final"]


def test_a_training_is_resumed_only_if_nothing_has_changed(file, inputs, calls, tmp_path, monkeypatch):
    """Its folder stays for the same settings and inputs, and goes for others."""
    out, seen = tmp_path / "out", []
    whole = step_functions.FUNCTIONS["train"]

    def stopped(*_):
        seen.append((out / "run" / "last.ckpt").exists())
        (out / "run").mkdir(exist_ok=True)
        (out / "run" / "last.ckpt").write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setitem(step_functions.FUNCTIONS, "train", stopped)
    for changes in ((), (), ("learning_rate=0.5",)):
        with pytest.raises(KeyboardInterrupt):
            build(load_pipeline(file), out, inputs, changes=changes)
    assert seen == [False, True, False]
    monkeypatch.setitem(step_functions.FUNCTIONS, "train", whole)
    build(load_pipeline(file), out, inputs)
    assert calls == ALL


@pytest.mark.usefixtures("calls")
def test_a_log_that_cannot_be_written_is_said(file, inputs, tmp_path):
    (tmp_path / "out" / "build.log").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"build\.log: cannot be written: Is a directory"):
        build(load_pipeline(file), tmp_path / "out", inputs)


@pytest.mark.usefixtures("calls")
def test_a_log_that_cannot_be_closed_on_a_full_disk_costs_nothing(file, inputs, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(logging.FileHandler, "close", full)
    assert build(load_pipeline(file), tmp_path / "out", inputs)[-1].is_file()


@pytest.mark.usefixtures("calls")
def test_leftovers_of_a_kill_are_removed_and_nothing_else(file, inputs, tmp_path):
    out = tmp_path / "out"
    build(load_pipeline(file), out, inputs)
    left = [out / f".{name}.abcd1234.tmp" for name in ("state.json", "hashes.json", "first.onnx")]
    left.append(out / "run" / ".weights.safetensors.abcd1234.tmp")
    other = out / ".notes.txt.abcd1234.tmp"
    for path in [*left, other]:
        path.touch()
    build(load_pipeline(file), out, inputs)
    assert not any(path.exists() for path in left)
    assert other.exists()


def test_what_is_refused(file, inputs, calls, tmp_path):
    pipeline, out = load_pipeline(file), tmp_path / "out"
    for given, message in (
        ({"data": inputs["data"]}, "some needs the input street: other cars"),
        ({}, "some needs the inputs data: cars; street: other cars"),
        ({**inputs, "yard": tmp_path}, r"has no input yard; it has: data \(cars\); street"),
        ({**inputs, "data": tmp_path / "absent"}, "input data: .*absent: there is no such file or folder"),
    ):
        with pytest.raises(DataError, match=message):
            build(pipeline, out, given)
    assert not out.exists()
    (out / "run").mkdir(parents=True)
    (out / "run" / "weights.safetensors").write_text("someone's")
    with pytest.raises(OutputError, match="run: not of this build; remove it, or choose another folder"):
        build(pipeline, out, inputs)
    assert (out / "run" / "weights.safetensors").read_text() == "someone's"
    (out / "state.json").write_text("{")
    with pytest.raises(OutputError, match=r"state\.json: damaged"):
        build(pipeline, out, inputs)
    assert calls == []


@pytest.mark.usefixtures("calls")
def test_two_builds_do_not_share_a_folder_at_the_same_time(file, inputs, tmp_path, monkeypatch):
    def again(*_):
        with pytest.raises(OutputError, match="another build runs in this folder"):
            build(load_pipeline(file), tmp_path / "out", inputs)
        raise KeyboardInterrupt

    monkeypatch.setitem(step_functions.FUNCTIONS, "train", again)
    with pytest.raises(KeyboardInterrupt):
        build(load_pipeline(file), tmp_path / "out", inputs)


def test_the_tiny_pipeline_from_nothing_killed_and_given_again(drawn, tmp_path):
    """SIGKILL after the first export; given again it goes on, to a calibrated model file in 8 bits."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "carmask", "build", "tiny", "--input", f"data={drawn}", "--out", str(out)]
    process = subprocess.Popen([*command, "--device", "cpu"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 1800
    while process.poll() is None and time.monotonic() < deadline:
        if read_state(out).steps.get("tuned-run") is not None:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGKILL, said.decode()[-2000:]
    before = read_state(out)
    assert {name: one.status for name, one in before.steps.items()} == {
        "run": "done",
        "first": "done",
        "tuned-run": "begun",
    }
    weights = (out / "run" / "weights.safetensors").read_bytes()

    results = build(load_pipeline("tiny"), out, {"data": drawn})

    assert (out / "run" / "weights.safetensors").read_bytes() == weights
    after = read_state(out)
    assert {name: after.steps[name] for name in ("run", "first")} == {
        name: before.steps[name] for name in ("run", "first")
    }
    assert {one.status for one in after.steps.values()} == {"done"}
    info = read_info(results[-1])
    assert (info.name, info.licence) == ("tiny", "of no use")
    assert info.calibration is not None
    assert info.ranges
    assert info.score > 0.5
    assert len(info.validation_cars) == 8
    assert "interrupted; goes on where it was" in (out / "build.log").read_text()
    assert not any(task.reason for task in list_tasks(load_pipeline("tiny"), out, {"data": drawn}))
