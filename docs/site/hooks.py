"""Pages of the site that are made of the code: the reference of the commands."""

from __future__ import annotations

from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page of commands."""
    from carmask.cli import app

    files.append(File.generated(config, "reference/commands.md", content=commands(app)))
    return files


def commands(app: click.Group) -> str:
    """The commands with their options, as Markdown."""
    context = click.Context(app, info_name="carmask")
    parts = ["# Commands\n", "What each command says with `--help`.\n"]
    for name in app.list_commands(context):
        parts += _section(app.get_command(context, name), name, context, level=2)
    return "\n".join(parts)


def _section(command: Any, name: str, parent: click.Context, level: int) -> list[str]:
    context = click.Context(command, info_name=name, parent=parent, max_content_width=80, terminal_width=80)
    lines = [f"{'#' * level} carmask {context.command_path.partition(' ')[2]}\n"]
    lines += ["```text", command.get_help(context), "```", ""]
    if isinstance(command, click.Group):
        for inner in command.list_commands(context):
            lines += _section(command.get_command(context, inner), inner, context, level + 1)
    return lines
