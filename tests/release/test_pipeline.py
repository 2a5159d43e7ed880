"""Pipelines: what a file may say, and what is wrong with it; the shipped ones."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from carmask.cli.app import app
from carmask.errors import RecipeError
from carmask.release.hashes import Hashes
from carmask.release.pipeline import load_pipeline, pipeline_names
from carmask.release.steps import TrainStep


def test_shipped_pipelines_load_and_say_how_they_are_launched():
    from carmask.release import pipeline

    assert {"best-1", "best-2", "default-4", "default-5", "default-6", "default-7", "default-8", "tiny"} <= set(
        pipeline_names()
    )
    for name in pipeline_names():
        loaded = load_pipeline(name)
        assert loaded.name == name
        header = (pipeline._shipped() / f"{name}.toml").read_text().partition("\n\n")[0]
        assert f"carmask build {name} --input" in header
        assert "--set" in header or all(step.kind != "train" for step in loaded.steps)
        assert "Result: " in header
        assert "Time: " in header


def test_default_4_is_what_the_shipped_models_were_made_by():
    """Trainings, their initial weights and shares, as docs/model.md describes them."""
    steps = {step.id: step for step in load_pipeline("default-4").steps}
    trainings = {name: step for name, step in steps.items() if isinstance(step, TrainStep)}
    assert {step.recipe: step.initial_weights for step in trainings.values() if step.id != "again-run"} == {
        "default": None,
        "default-wide": "studio",
        "default-finish": "middle",
        "default-zoom": "three",
        "default-last": "zoom-run",
    }
    shares = {name: [one.share for one in step.extra] for name, step in trainings.items()}
    assert shares == {
        "studio-run": [],
        "wide-run": [0.12],
        "finish-run": [0.12],
        "zoom-run": [0.05],
        "last-run": [],
        "again-run": [],
    }
    again = trainings["again-run"].load_recipe()
    assert (again.learning_rate, again.epochs, again.stages[0].window) == (6e-4, 8, (448, 832))
    averages = {name: (step.first, step.second, step.share) for name, step in steps.items() if step.kind == "average"}
    assert averages == {
        "middle": ("studio", "wide", 0.5),
        "half": ("studio", "finish", 0.5),
        "three": ("half", "wide", 0.2),
        "both": ("zoom", "again", 0.6),
    }
    assert (steps["eight"].model, steps["default"].model, steps["default"].tune) == ("both", "eight", True)


def test_an_included_pipeline_gives_the_steps_that_are_needed():
    best, default = load_pipeline("best-1"), load_pipeline("default-4")
    ids = [step.id for step in best.steps]
    assert ids[-2:] == ["last", "best"]
    assert not {"both", "eight", "default"} & set(ids)
    # The same steps: a build in the same folder does not do them again.
    shared = {step.id: step for step in default.steps}
    assert all(step == shared[step.id] for step in best.steps[:-2])
    assert best.inputs == default.inputs


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "export"', 'kind = "distil"', r"steps\.1: Input tag 'distil'"),
        ("share = 0.25", "share = 1.5", r"steps\.2\.average\.share: give at most 1"),
        ("share = 0.25", "colour = 1", r"steps\.2\.average\.colour: there is no such key"),
        ('id = "both"', 'id = "first"', "two steps have the id first"),
        ('id = "both"', 'id = "../both"', r"steps\.2\.average\.id: String should match"),
        ('second = "first"', 'second = "final"', "step both: second: there is no step final before it"),
        ('folder = "@street"', 'folder = "@yard"', r"step run: extra\.0: there is no input yard"),
        ('data = "@data"', 'data = "@weights"', "step run: data: the input weights must not be optional"),
        ('folder = "@street"', 'folder = "@weights"', r"step run: extra\.0: the input weights must not be optional"),
        ('run = "run"', 'run = "@data"', "step first: run: @data is not a training"),
        ('recipe = "cnn-small"', 'recipe = "nope"', "nope: neither a recipe file nor the name of one"),
        ('data = "@data"', 'data = ""', r"steps\.0\.train\.data: String should"),
        ("[inputs]", "[inputs", "not TOML"),
    ],
)
def test_what_is_wrong_with_a_pipeline_is_named(file, old, new, message):
    file.write_text(file.read_text().replace(old, new, 1))
    with pytest.raises(RecipeError, match=message) as caught:
        load_pipeline(file)
    assert "\n" not in str(caught.value)


def test_pipelines_that_are_none(tmp_path):
    with pytest.raises(RecipeError, match=r"neither a pipeline file nor the name of one \(best-1, best-2, best-4, d"):
        load_pipeline("nope")
    with pytest.raises(RecipeError, match="a folder, not a pipeline"):
        load_pipeline(tmp_path)


def test_pipelines_that_include_each_other_are_refused(tmp_path):
    for one, other in (("a", "b"), ("b", "a")):
        (tmp_path / f"{one}.toml").write_text(f'include = "{other}.toml"\n')
    with pytest.raises(RecipeError, match=r"b\.toml: include: .*a\.toml is what includes it"):
        load_pipeline(tmp_path / "a.toml")


@pytest.mark.parametrize("line", ['inputs = ["x"]', "steps = 3"])
def test_what_is_added_to_an_included_pipeline_is_looked_at(tmp_path, line):
    (tmp_path / "a.toml").write_text(f'include = "tiny"\n{line}\n')
    with pytest.raises(RecipeError, match=r"a\.toml: write inputs as \[inputs\]"):
        load_pipeline(tmp_path / "a.toml")


def test_a_hash_is_of_content_and_files_that_stay_are_not_read_again(tmp_path):
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "a").write_text("one")
    (folder / "b").write_text("two")
    hashes = Hashes(tmp_path / "hashes.json")
    first = hashes.of(folder)
    hashes.save()
    assert Hashes(tmp_path / "hashes.json").of(folder) == first
    (folder / "inner" / "a").write_text("other")
    assert hashes.of(folder) != first
    (folder / "inner" / "a").write_text("one")
    assert hashes.of(folder) == first
    (folder / "b").rename(folder / "c")
    assert hashes.of(folder) != first
    (tmp_path / "hashes.json").write_text("[1]")
    assert Hashes(tmp_path / "hashes.json").of(folder / "c") == Hashes(tmp_path / "none.json").of(folder / "c")


def test_the_command_lists_what_would_be_done(file, inputs, calls, tmp_path):
    command = ["build", str(file), "--out", str(tmp_path / "out")]
    command += [f"--input={name}={path}" for name, path in inputs.items()]
    listed = CliRunner().invoke(app, [*command, "--list"])
    assert listed.exit_code == 0, listed.output
    assert [line.split()[:2] for line in listed.output.splitlines()] == [
        ["run", "train"],
        ["first", "export"],
        ["both", "average"],
        ["final", "calibrate"],
    ]
    assert calls == []
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert f"built: {tmp_path / 'out' / 'final.onnx'}" in done.output
    wrong = CliRunner().invoke(app, ["build", str(file), "--out", "x", "--input", "data"])
    assert "write NAME=PATH" in str(wrong.exception) + wrong.output
