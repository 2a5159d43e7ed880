"""The documentation: up to date, with commands that exist and run, and a site that can be built."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest
from click.testing import CliRunner

from carmask.cli import app
from carmask.model.file import find_model, read_info
from carmask.training.recipe import load_recipe
from tests.conftest import EXAMPLES, REPOSITORY
from tests.test_cli_help import test_examples_parse as parse

GUIDES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    *(REPOSITORY / "docs").glob("how-to/*.md"),
]


def commands(text: str) -> list[str]:
    """The carmask commands of a page's code blocks, without comments and with continued lines joined."""
    blocks = "\n".join(re.findall(r"^```[a-z]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)).replace("\\\n", " ")
    lines = (line.split(" #")[0].strip() for line in blocks.splitlines())
    # What stands in brackets may be left out, and an ellipsis stands for more: neither can be typed.
    return [line for line in lines if line.startswith("carmask ") and not re.search(r"\[|…", line)]


EVERY = [(page, line) for page in GUIDES for line in commands(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("line", sorted({line for _, line in EVERY}))
def test_commands_in_the_documentation_parse(line):
    if line.split()[1].startswith("--"):
        assert CliRunner().invoke(app, line.split()[1:]).exit_code == 0
    else:
        parse(line)


def test_what_documented_trainings_begin_with_has_the_network_of_their_recipe():
    from carmask.cli.commands.train import train

    lines = [*{line for _, line in EVERY}, *train.examples]
    begun = [found for line in lines if (found := re.search(r"^carmask train (\S+) .*--init (default|best)\b", line))]
    assert len(begun) > 2
    for recipe, name in (one.groups() for one in begun):
        info = read_info(find_model(f"shipped:{name}"))
        assert info.specialist is not None
        assert load_recipe(recipe).network in {info.network, info.specialist.network}, recipe


def test_example_photos_that_are_named_exist():
    named = {(page, one) for page in GUIDES for one in re.findall(r"examples/[\w/.-]+\.\w+", page.read_text("utf-8"))}
    assert [one for one in named if not (REPOSITORY / one[1]).exists()] == []


def test_the_first_steps_can_be_taken(tmp_path):
    """Every command of the page in turn, on one of the example photos."""
    data = tmp_path / "examples"
    for folder, name in (("train", "jpg"), ("train_masks", "png")):
        (data / folder).mkdir(parents=True)
        first = sorted((EXAMPLES / folder).glob(f"*.{name}"))[0]
        (data / folder / first.name).symlink_to(first)
    lines = commands((REPOSITORY / "docs" / "first-steps.md").read_text(encoding="utf-8"))
    assert len(lines) > 4
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src")}
    for line in lines:
        words = [sys.executable, "-m", "carmask", *shlex.split(line)[1:]]
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{line}: {done.stderr}"
    assert len(list((tmp_path / "layers").glob("*.png"))) == 5
    assert (tmp_path / "scores" / "scores.csv").is_file()


def test_the_page_of_results_is_what_the_recorded_figures_say():
    script = REPOSITORY / "benchmarks" / "report.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_files_that_the_design_names_exist():
    text = (REPOSITORY / "docs" / "design.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:src|tests|docs)/[^`]+)`", text)
    assert len(named) > 10
    assert [name for name in named if not (REPOSITORY / name).exists()] == []
    for folder in re.findall(r"^  (\w+)/ ", text, re.MULTILINE):
        assert (REPOSITORY / "src" / "carmask" / folder).is_dir(), folder


def test_every_decision_has_a_number_of_its_own_and_stands_in_the_list():
    folder = REPOSITORY / "docs" / "decisions"
    files = sorted(one for one in folder.glob("*.md") if one.name != "index.md")
    numbers = [int(one.name[:4]) for one in files]
    assert len(numbers) == len({*numbers})
    listed = (folder / "index.md").read_text(encoding="utf-8")
    for number, file in zip(numbers, files, strict=True):
        title = file.read_text(encoding="utf-8").partition("\n")[0].removeprefix(f"# {number}. ")
        assert f"| {number} | [{title}]({file.name}) |" in listed


def test_files_that_pages_and_code_name_exist():
    pages = [page for page in (REPOSITORY / "docs").rglob("*.md") if page.parent.name != "experiments"]
    code = [file for folder in ("src", "tests", "benchmarks") for file in (REPOSITORY / folder).rglob("*.py")]
    name = r"(?<![\w/.])(?:tests|benchmarks|src/carmask|docs|requirements)/[\w./-]+\.(?:py|md|json|toml|txt|csv)\b"
    named = {
        (file, one)
        for file in [*REPOSITORY.glob("*.md"), *pages, *code]
        for one in re.findall(name, file.read_text(encoding="utf-8"))
        if "NAME" not in one
    }
    assert len(named) > 100
    assert [(file.name, one) for file, one in named if not (REPOSITORY / one).exists()] == []


def test_modules_that_pages_name_exist():
    """Paths of the package, such as ``model/file.py``, in every page but the records of experiments."""
    pages = [page for page in (REPOSITORY / "docs").rglob("*.md") if page.parent.name != "experiments"]
    named = {(page.name, one) for page in pages for one in re.findall(r"`(\w+/[\w/]+\.py)`", page.read_text("utf-8"))}
    assert len(named) > 20
    roots = (REPOSITORY, REPOSITORY / "src" / "carmask")
    assert [one for one in named if not any((root / one[1]).is_file() for root in roots)] == []


def test_the_site_can_be_built(tmp_path):
    pytest.importorskip("mkdocs")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "src"), "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(tmp_path)],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "carmask cut" in (tmp_path / "reference" / "commands.html").read_text(encoding="utf-8")
