"""Write docs/reference/dependencies.md: what is installed, for what, under which licence.

python docs/site/dependencies.py
"""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAD = """# Dependencies

What carmask installs, with the licence that each package states of itself. `pip install carmask` takes the base; extras
are asked for by name, as in `pip install 'carmask[train]'`. Written by `python docs/site/dependencies.py`. A software
bill of materials of an environment, in the CycloneDX form, is written by `make sbom`.

| package | for | range | licence |
|---|---|---|---|
"""


def licence(name: str) -> str:
    """What a package says of its licence, in few words."""
    try:
        found = metadata(name)
    except PackageNotFoundError:
        return "not installed here"
    classes = [line.rpartition(":: ")[2] for line in found.get_all("Classifier") or [] if line.startswith("License ::")]
    stated = found.get("License-Expression") or ", ".join(classes) or (found.get("License") or "not stated")
    return stated.splitlines()[0][:60]


def main() -> None:
    """Write the page."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"base": project["dependencies"], **project["optional-dependencies"]}
    rows = []
    for group, lines in groups.items():
        if group == "dev":
            continue
        for line in sorted(lines):
            name = re.split(r"[\[<>=!~ ;]", line)[0]
            rows.append(f"| {name} | {group} | `{line}` | {licence(name)} |")
    page = ROOT / "docs" / "reference" / "dependencies.md"
    page.write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")
    print(f"{page}: {len(rows)} packages")  # noqa: T201


if __name__ == "__main__":
    main()
