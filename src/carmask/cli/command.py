"""Commands and groups of the command line: help in sections, examples, and imports on demand."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from carmask.cli.messages import OutputClosedError, complain
from carmask.cli.translate import translate_error
from carmask.errors import CarmaskError

if TYPE_CHECKING:
    from click.types import OptionHelpExtra

#: What file systems refuse: no bug, wherever it comes to light. All else that the system says keeps its traceback.
_REFUSED = frozenset(
    {
        *(errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT),
        *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EROFS),
    }
)
#: Heading of the options that name no section of their own.
OPTIONS = "Options"


class Option(click.Option):
    """An option that the help lists under a heading.

    Args:
        args: As :class:`click.Option`.
        section: The heading.
        arguments: What the library calls it, where that is not the option's own name.
        renamed: Names of earlier versions. They still work, with a warning.
        kwargs: As :class:`click.Option`.
    """

    def __init__(
        self,
        *args: Any,
        section: str = OPTIONS,
        arguments: Sequence[str] = (),
        renamed: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        self.section = section
        self.arguments = tuple(arguments)
        self.renamed = tuple(renamed)
        super().__init__(*args, **kwargs)

    def get_help_extra(self, ctx: click.Context) -> OptionHelpExtra:
        """Default and "required"; the range stands in the metavar."""
        extra = super().get_help_extra(ctx)
        extra.pop("range", None)
        return extra


def option(*names: str, **attributes: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Like :func:`click.option`, with the attributes of :class:`Option`."""
    return click.option(*names, cls=Option, **attributes)


class Command(click.Command):
    """A command whose help ends with examples.

    Args:
        args: As :class:`click.Command`.
        examples: Command lines as a user types them, each a line.
        kwargs: As :class:`click.Command`.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        self.examples = tuple(examples)
        super().__init__(*args, **kwargs)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse, with options of earlier versions under their new names."""
        old = {name: max(param.opts, key=len) for param in self.params for name in getattr(param, "renamed", ())}
        said = set()
        for at, word in enumerate(args):
            name, equals, value = word.partition("=")
            if word == "--":
                break
            if name in old and name not in said:
                said.add(name)
                complain(f"{name} is now {old[name]}; the old name will stop working in the next version")
            if name in old:
                args[at] = old[name] + equals + value
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; errors of the library come out in the words of the command line."""
        try:
            return super().invoke(ctx)
        except CarmaskError as error:
            raise translate_error(error, ctx) from error
        except OSError as error:
            if error.errno not in _REFUSED or not isinstance(error.filename, str | bytes):
                raise
            said = f"{os.fsdecode(error.filename)}: cannot be read or written: {error.strerror}"
            raise translate_error(CarmaskError(said), ctx) from error

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings: general options first, then in order of appearance."""
        sections: dict[str, list[tuple[str, str]]] = {OPTIONS: []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and not isinstance(param, click.Argument):
                sections.setdefault(getattr(param, "section", OPTIONS), []).append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records, col_max=26)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each on a line of its own however long it is."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


@contextmanager
def _told_apart() -> Iterator[None]:
    """Keep a reader that went away apart from a failure: click ends with status 1 for both."""
    try:
        yield
    except BrokenPipeError as error:
        raise OutputClosedError from error


class Entry(NamedTuple):
    """A command as its group lists it, before it is imported."""

    section: str
    name: str
    summary: str
    #: ``module:attribute`` below :mod:`carmask.cli.commands`.
    home: str


class LazyGroup(click.Group):
    """A group that imports a command when it is run or its help is shown, not when it is listed.

    Args:
        args: As :class:`click.Group`.
        entries: The commands, in the order in which the help lists them.
        kwargs: As :class:`click.Group`.
    """

    def __init__(self, *args: Any, entries: Sequence[Entry], **kwargs: Any) -> None:
        self.entries: Mapping[str, Entry] = {entry.name: entry for entry in entries}
        super().__init__(*args, **kwargs)

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse; help is printed here."""
        with _told_apart():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _told_apart():
            return super().invoke(ctx)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names of the commands, in the order of the help."""
        return list(self.entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import the command of this name."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        module, _, attribute = entry.home.partition(":")
        found = getattr(import_module(f"carmask.cli.commands.{module}"), attribute)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and name similar ones if there is none of this name."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=self.entries, ctx=ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the list of commands in sections, without importing them."""
        width = max(map(len, self.entries))
        sections: dict[str, list[tuple[str, str]]] = {}
        for entry in self.entries.values():
            sections.setdefault(entry.section, []).append((f"{entry.name:{width}}", entry.summary))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)
