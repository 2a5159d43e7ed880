"""The library's errors in the words of the command line: arguments become options.

The library says ``place='turntable'`` and names an argument by :attr:`carmask.errors.CarmaskError.argument`. A user of
the command line knows ``--place turntable``.
"""

from __future__ import annotations

import re

import click

from carmask.errors import CarmaskError, OutputError

#: ``name='value'``, ``name=value`` or ``name=…``, as the library's messages have it.
_ASSIGNMENT = re.compile(r"""(?<![\w.])([a-z][a-z_]*)=(?:'([^']*)'|"([^"]*)"|(…)|([\w./%:-]*[\w/%]))""")


class Failure(click.ClickException):
    """An error of the library in the words of the command line.

    Attributes:
        ctx: the command's context.
        hint: whether the command's help would help.
    """

    exit_code = 2

    def __init__(self, error: CarmaskError, ctx: click.Context) -> None:
        """Translate an error of a command."""
        params = by_argument(ctx.command)
        message = translate(error.message, params)
        param = None if error.argument is None else params.get(error.argument)
        if error.argument is not None:
            message = f"{error.argument if param is None else _name(param)}: {message}"
        super().__init__(message)
        self.ctx = ctx
        self.hint = param is not None


class OutputFailure(Failure):
    """The same of an error on the way, when a part may be done."""

    exit_code = 1


def translate_error(error: CarmaskError, ctx: click.Context) -> Failure:
    """The error of a command, as the command line shows it."""
    return (OutputFailure if isinstance(error, OutputError) else Failure)(error, ctx)


def translate(message: str, params: dict[str, click.Parameter]) -> str:
    """Write assignments to arguments as options.

    Args:
        message: the library's, such as ``it needs place='centre'``.
        params: the command's, by the library's names.

    Returns:
        The message, such as ``it needs --place centre``. What is no argument of the command stays as it is.
    """

    def option(found: re.Match[str]) -> str:
        param = params.get(found[1])
        if param is None or isinstance(param, click.Argument):
            return found[0]
        value = next((group for group in found.groups()[1:] if group is not None), "")
        if value == "True":
            return _name(param)
        return f"{_name(param)} {(param.metavar or '') if value == '…' else value}".rstrip()

    return _ASSIGNMENT.sub(option, message)


def by_argument(command: click.Command) -> dict[str, click.Parameter]:
    """A command's parameters by their own names and by those that the library has for them."""
    found: dict[str, click.Parameter] = {}
    for param in command.params:
        for name in (param.name, *getattr(param, "arguments", ())):
            if name is not None:
                found[name] = param
    return found


def _name(param: click.Parameter) -> str:
    """What a user types: ``--place``, or the metavar of a positional argument."""
    return param.human_readable_name if isinstance(param, click.Argument) else max(param.opts, key=len)
