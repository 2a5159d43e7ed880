"""What is installed and shipped: no network, no pickle, files as published, dependencies with a licence."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution

import pytest

from carmask.errors import ModelError
from carmask.model import file as module
from carmask.model.file import check_shipped, find_model
from carmask.model.runtime import load_model
from tests.conftest import EXAMPLES, REPOSITORY

#: Imported by every Python process below: whatever connects or looks a host up ends its process.
FORBID = """
import os, socket
def refuse(*args, **kwargs):
    os.write(2, b"NETWORK USED")
    os._exit(99)
def of_processes_only(method):
    # Processes of one program talk through sockets that are files.
    return lambda self, *args: method(self, *args) if self.family == socket.AF_UNIX else refuse()
socket.socket.connect = of_processes_only(socket.socket.connect)
socket.socket.connect_ex = of_processes_only(socket.socket.connect_ex)
socket.getaddrinfo = socket.create_connection = refuse
"""


@pytest.mark.parametrize(
    "words",
    [
        ("cut", "PHOTO", "--out", "out"),
        ("cut", "PHOTO", "--out", "out", "--background", "white", "--shadow", "keep", "--format", "jpg"),
        ("view", "DATA", "--prediction", "MASKS", "--out", "out"),
        ("networks",),
        ("about",),
    ],
)
def test_commands_use_no_network(words, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(FORBID)
    photo = sorted((EXAMPLES / "train").glob("*.jpg"))[0]
    named = {"PHOTO": str(photo), "DATA": str(EXAMPLES / "train"), "MASKS": str(EXAMPLES / "train_masks")}
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY / "src")])}
    command = [sys.executable, "-m", "carmask", *(named.get(word, word) for word in words)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert "NETWORK USED" not in done.stderr
    assert done.returncode == 0, done.stderr


def test_the_check_above_would_notice(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(FORBID)
    code = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9/')"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 99
    assert "NETWORK USED" in done.stderr


def test_a_shipped_model_that_was_changed_is_refused(tmp_path, monkeypatch):
    for name in ("default.onnx", "default.md"):
        (tmp_path / name).write_bytes(find_model("default").with_name(name).read_bytes())
    monkeypatch.setattr(module, "_shipped", lambda: tmp_path)
    load_model("default")
    content = bytearray((tmp_path / "default.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "default.onnx").write_bytes(content)
    with pytest.raises(ModelError, match="not the file that was published"):
        load_model("default")
    (tmp_path / "default.md").unlink()
    with pytest.raises(ModelError, match="not the file that was published"):
        check_shipped(tmp_path / "default.onnx")


def test_nothing_is_unpickled():
    """Neither pickle nor what calls it without saying so: torch.load and numpy.load with their unsafe switches."""
    found = []
    for path in sorted((REPOSITORY / "src").rglob("*.py")):
        if path.parent.name == "engines":
            continue  # what these unpickle, processes of their own have sent
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"load", "loads"}
            ):
                if getattr(node.func.value, "id", "") in {"pickle", "dill", "joblib"}:
                    found.append(f"{path.name}: {ast.unparse(node.func)}")
                keywords = {word.arg: getattr(word.value, "value", None) for word in node.keywords}
                if getattr(node.func.value, "id", "") == "torch" and keywords.get("weights_only") is not True:
                    found.append(f"{path.name}: torch.load without weights_only=True")
                if keywords.get("allow_pickle"):
                    found.append(f"{path.name}: allow_pickle")
    assert found == []


def declared(extra: str | None) -> list[str]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] if extra is None else project["optional-dependencies"][extra]
    return [re.split(r"[\\[<>=!~ ;]", line)[0] for line in lines]


@pytest.mark.parametrize("extra", [None, "train", "studio", "cluster"])
def test_every_dependency_is_listed_with_its_licence(extra):
    listed = (REPOSITORY / "docs" / "reference" / "dependencies.md").read_text(encoding="utf-8")
    for name in declared(extra):
        assert f"| {name} |" in listed, f"{name}: run python docs/site/dependencies.py"


def test_no_dependency_of_the_base_install_forbids_commercial_use():
    for name in declared(None):
        try:
            found = distribution(name).metadata
        except PackageNotFoundError:
            pytest.fail(f"{name} is not installed")
        text = " ".join(
            [found.get("License-Expression") or "", found.get("License") or "", *(found.get_all("Classifier") or [])]
        )
        assert re.search(r"Apache|MIT|BSD|HPND|PSF|MPL", text), f"{name}: {text[:100]}"
        assert not re.search(r"\bA?GPL|NonCommercial", text), name


def test_the_lock_file_pins_every_dependency_with_hashes_and_names_no_host():
    text = (REPOSITORY / "requirements" / "development.txt").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    pins = dict(re.findall(r"(?m)^([a-z0-9._-]+)==\S+.*\\\n((?: +--hash=\S+.*\n?)+)", text))
    assert all("sha256:" in lines for lines in pins.values())
    assert len(pins) == len(set(re.findall(r"(?m)^([a-z0-9._-]+)==", text)))
    for extra in (None, "train", "studio", "cluster", "heif", "serve", "table", "docs", "dev"):
        for name in declared(extra):
            assert re.sub(r"[._]", "-", name.lower()) in pins, f"{name}: run make lock"
