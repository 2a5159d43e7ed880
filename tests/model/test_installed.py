"""The models of a machine, by name."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from carmask.batch.run import cut_folder
from carmask.batch.runfile import read_run
from carmask.cli import app
from carmask.errors import ModelError, OutputError, UsageError
from carmask.model.file import POINTER, find_model, fixed_name, is_shipped
from carmask.model.installed import describe_model, list_models, use_model


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("CARMASK_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def test_default_points_at_a_file_and_back(tiny_model, folder):
    shipped = find_model("default")
    assert is_shipped(shipped)
    used = use_model(tiny_model, name="ours")
    assert used.info.name == "tiny"
    assert find_model("default") == find_model("ours") == folder / "ours.onnx"
    assert (folder / "ours.md").read_text().startswith("# tiny, version 1")
    assert find_model("shipped:default") == shipped
    assert [(one.name, one.default) for one in list_models()] == [
        ("best", False), ("shipped:default", False), ("ours", True),
    ]  # fmt: skip
    assert use_model("default").path == shipped
    assert find_model("default") == shipped
    assert use_model("ours").path == folder / "ours.onnx"


def test_default_can_be_another_shipped_model():
    assert use_model("best").path == find_model("shipped:best")
    assert describe_model("default").info.name == "best"
    with pytest.raises(UsageError, match="keeps its name"):
        use_model("best", name="mine")


def test_names_that_are_taken_or_none(tiny_model, tmp_path):
    with pytest.raises(UsageError, match="shipped model"):
        use_model(tiny_model, name="best")
    with pytest.raises(UsageError, match="no name for a model"):
        use_model(tiny_model, name="../up")
    use_model(tiny_model, name="ours")
    other = tmp_path / "ours.onnx"
    other.write_bytes(find_model("best").read_bytes())
    with pytest.raises(UsageError, match="another model of this name"):
        use_model(other)
    with pytest.raises(ModelError, match=r"nothing\.onnx: neither"):
        use_model("nothing.onnx")
    assert describe_model("default").name == "default"


def test_a_model_that_is_gone_is_said_to_be(tiny_model, folder):
    use_model(tiny_model, name="ours")
    (folder / "ours.onnx").unlink()
    with pytest.raises(ModelError, match="default points at is gone"):
        find_model("default")
    assert not any(one.default for one in list_models())
    use_model("default")
    assert is_shipped(find_model("default"))


def test_a_pointer_that_cannot_be_removed_and_a_card_that_cannot_be_read(tiny_model, folder, tmp_path):
    model = Path(shutil.copy(tiny_model, tmp_path / "copy.onnx"))
    model.with_suffix(".md").write_bytes(b"# tiny \xe9")
    with pytest.raises(
        ModelError, match=r"copy\.md: the model's card cannot be read .*; delete it, or save it as UTF-8"
    ):
        use_model(model, name="ours")
    assert not folder.exists()
    (folder / POINTER).mkdir(parents=True)
    with pytest.raises(OutputError, match=re.escape(str(folder / POINTER))):
        use_model("default")


def test_a_folder_knows_what_it_was_cut_with(tiny_model, photos, tmp_path, folder):
    use_model(tiny_model, name="ours")
    assert fixed_name("default") == str(folder / "ours.onnx")
    out = tmp_path / "out"
    cut_folder(photos, out, recursive=True)
    use_model("default")
    # What is rendered again is predicted with the model that the folder was cut with.
    assert read_run(out / ".carmask").task.model == str(folder / "ours.onnx")
    assert fixed_name("default") == "shipped:default"
    done = CliRunner().invoke(app, ["models", "show", str(out)])
    assert done.exit_code == 0
    assert "12 photos: tiny, version 1, here as ours" in done.stdout


def test_the_commands(tiny_model, tmp_path):
    run = CliRunner().invoke
    done = run(app, ["models", "use", str(tiny_model), "--name", "ours"])
    assert done.stdout.startswith("default is now tiny, version 1")
    (tmp_path / "models" / "bad.onnx").write_text("not a model")
    lines = run(app, ["models", "list"]).stdout.splitlines()
    assert [line[:2] for line in lines[1:]] == ["  ", "  ", "  ", "* "]
    assert "cannot be read" in lines[3]
    shown = run(app, ["models", "show", "best"]).stdout
    assert "# best, version 4" in shown
    assert "default here: no" in shown
    done = run(app, ["models", "show", "none"])
    assert done.exit_code == 2
    assert "neither a model file nor the name" in done.stderr


def test_a_default_that_is_gone_is_said(tiny_model, tmp_path):
    run = CliRunner().invoke
    run(app, ["models", "use", str(tiny_model), "--name", "ours"])
    (tmp_path / "models" / "ours.onnx").unlink()
    done = run(app, ["models", "list"])
    assert done.exit_code == 0
    assert "* " not in done.stdout
    assert "the model that default points at is gone" in done.stderr


def test_a_folder_of_models_that_is_a_file_is_said_to_be(tmp_path, monkeypatch):
    (tmp_path / "ours.onnx").write_bytes(b"x")
    monkeypatch.setenv("CARMASK_MODELS", str(tmp_path / "ours.onnx"))
    with pytest.raises(ModelError, match=r"ours\.onnx: it is a file, or in one; CARMASK_MODELS names a folder"):
        find_model("default")
