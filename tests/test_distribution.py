"""What is published: built, installed in an environment of its own outside the checkout, and used there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

from carmask.images import read_mask
from tests.conftest import EXAMPLES, REPOSITORY

#: Files that are no modules: without them the package is of no use.
NEEDED = {
    "carmask/py.typed",
    "carmask/models/default.onnx",
    "carmask/models/default.md",
    "carmask/models/default.reference.json",
    "carmask/examples/train/coupe_06.jpg",
    "carmask/examples/train_masks/coupe_06_mask.png",
    "carmask/models/best.onnx",
    "carmask/models/plates/plate.onnx",
    "carmask/models/plates/plate.md",
    "carmask/training/plates/labels.csv",
    "carmask/training/recipes/default.toml",
    "carmask/pages/static/page.css",
    "carmask/pages/static/page.js",
}


def run(*words: str | Path, folder: Path) -> str:
    # Neither this checkout's sources nor its environment.
    environment = {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}
    done = subprocess.run(
        [*map(str, words)], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """The source archive, and the wheel built from it."""
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", out, REPOSITORY, folder=out)
    return out


def test_the_container_build_is_given_all_that_the_wheel_is_built_from():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    wanted = {Path(path).parts[0] for path in (*wheel["packages"], *wheel["force-include"])}
    wanted |= {"pyproject.toml", project["project"]["readme"]}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    assert wanted <= {word for line in copied for word in line.split()}
    ignored = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert wanted <= {line.removeprefix("!") for line in ignored if line.startswith("!")}


def test_models_recipes_and_pages_are_inside(built):
    (wheel,) = built.glob("*.whl")
    inside = set(zipfile.ZipFile(wheel).namelist())
    modules = {str(path.relative_to(REPOSITORY / "src")) for path in (REPOSITORY / "src").rglob("*.py")}
    assert inside >= NEEDED | modules
    assert not [name for name in inside if name.startswith(("tests/", "benchmarks/"))]
    licences = [name for name in inside if name.endswith(("licenses/LICENSE", "licenses/NOTICE"))]
    assert len(licences) == 2
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as content:
        names = {name.partition("/")[2] for name in content.getnames()}
    assert names >= {"README.md", "LICENSE", "NOTICE", "src/carmask/models/default.onnx"}


def test_the_installed_wheel_cuts_a_photo(built, tmp_path):
    (wheel,) = built.glob("*.whl")
    home = tmp_path / "environment"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", wheel, folder=tmp_path)
    assert "site-packages" in run(python, "-c", "import carmask; print(carmask.__file__)", folder=tmp_path)
    photo = sorted((EXAMPLES / "train").glob("*.jpg"))[0]
    run(home / "bin" / "carmask", "cut", photo, "--out", tmp_path / "out", "--mask", folder=tmp_path)
    assert read_mask(tmp_path / "out" / f"{photo.stem}_mask.png").any()
