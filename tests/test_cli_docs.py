"""Every command and option is described on a page that a person has written."""

from __future__ import annotations

import re

import click
import pytest

from tests.conftest import REPOSITORY
from tests.test_cli_help import COMMANDS

#: Records of decisions and experiments tell how things came about, not how they are used.
RECORDS = {"decisions", "experiments"}
PAGES = [
    REPOSITORY / "README.md",
    *(page for page in (REPOSITORY / "docs").rglob("*.md") if not RECORDS & {*page.relative_to(REPOSITORY).parts}),
]


@pytest.fixture(scope="module")
def text() -> str:
    assert len(PAGES) > 10
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_is_described(text, path):
    inner = path.split(maxsplit=1)[1]
    assert re.search(rf"`{inner}[ `]|\b{path}\b", text), f"no page shows '{path}'"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_option_is_described(text, path):
    options = [max(param.opts, key=len) for param in COMMANDS[path].params if isinstance(param, click.Option)]
    missing = [name for name in options if not re.search(rf"(?<![\w-]){name}(?![\w-])", text)]
    assert not missing, f"no page describes {', '.join(missing)} of '{path}'"
