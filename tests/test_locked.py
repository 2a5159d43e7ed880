"""The locked install: what is pinned is what pyproject.toml asks for, and LOCKED=1 takes nothing else."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections import defaultdict

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import REPOSITORY

LOCK = REPOSITORY / "requirements" / "development.txt"
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def pins() -> dict[str, list[tuple[str, int]]]:
    """By package: versions, and how many hashes each has."""
    found = defaultdict(list)
    for entry in re.split(r"\n(?=\S)", LOCK.read_text(encoding="utf-8")):
        if entry.startswith("#"):
            continue
        given = re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==([\w.+!-]+)", entry)
        assert given is not None, entry[:80]
        found[canonicalize_name(given[1])].append((given[2], entry.count("--hash=sha256:")))
    return found


def test_every_pin_has_a_hash():
    found = pins()
    assert len(found) > 50
    assert [name for name, versions in found.items() for _, hashes in versions if not hashes] == []


def test_what_the_project_asks_for_is_pinned_in_a_version_that_it_allows():
    extras = re.search(r"foreach extra,([a-z ]+),--extra", MAKEFILE)[1].split()
    optional = PROJECT["optional-dependencies"]
    assert {*extras} <= {*optional}
    # What 'make setup' installs without a lock is in the lock.
    assert {*re.search(r"--editable '\.\[([\w,]+)\]'", MAKEFILE)[1].split(",")} <= {*extras}
    found = pins()
    for line in [*PROJECT["dependencies"], *(one for extra in extras for one in optional[extra])]:
        asked = Requirement(line)
        if asked.name == PROJECT["name"]:  # an extra that contains another one
            continue
        versions = [version for version, _ in found[canonicalize_name(asked.name)]]
        assert any(asked.specifier.contains(version, prereleases=True) for version in versions), line


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_a_locked_setup_resolves_nothing(tmp_path):
    def printed(*words: str) -> str:
        command = ["make", "--dry-run", "setup", f"VENV={tmp_path}/venv", *words]
        return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout

    installs = [line for line in printed("LOCKED=1").splitlines() if " pip install " in line]
    assert sum("--require-hashes -r requirements/development.txt" in line for line in installs) >= 1
    assert [line for line in installs if "--no-deps" not in line] == []
    assert any("--no-deps" not in line for line in printed().splitlines() if " pip install " in line)
