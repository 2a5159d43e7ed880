"""``carmask models``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from carmask.cli.command import Command, Entry, LazyGroup, option
from carmask.cli.messages import complain, counted
from carmask.errors import ModelError

if TYPE_CHECKING:
    from carmask.model.installed import KnownModel


@click.group(
    "models",
    cls=LazyGroup,
    entries=(
        Entry("Commands", "list", "List the models of this machine.", "models:list_"),
        Entry("Commands", "show", "Show a model's card, or what a folder was cut with.", "models:show"),
        Entry("Commands", "use", "Let 'default' mean another model.", "models:use"),
    ),
    no_args_is_help=True,
)
def models() -> None:
    """List the models of this machine, and choose the default one.

    Models have names if they came with carmask, or lie in this machine's folder of models: CARMASK_MODELS, or
    ~/.local/share/carmask/models.
    """


@click.command("list", cls=Command, examples=("carmask models list",))
def list_() -> None:
    """List the models of this machine.

    Prints name, version, network, score on cars not trained on, SHA-256 and file. The one that 'default' means has a
    star.
    """
    from carmask.model.file import find_model
    from carmask.model.installed import list_models

    found = list_models()
    width = max(len(one.name) for one in found)
    print(f"  {'name':{width}}  version  score      SHA-256   network and file")
    for one in found:
        star = "*" if one.default else " "
        if one.info is None:
            print(f"{star} {one.name:{width}}  cannot be read: {one.problem}")
            continue
        score = "–       " if one.info.score is None else f"{one.info.score:.6f}"
        where = f"{one.info.network}{', shipped' if one.shipped else f', {one.path}'}"
        print(f"{star} {one.name:{width}}  {one.info.version:7}  {score:9}  {one.digest[:8]}  {where}")
    try:
        find_model("default")
    except ModelError as error:
        complain(str(error))


@click.command(
    "show",
    cls=Command,
    examples=("carmask models show default", "carmask models show ours.onnx", "carmask models show out/"),
)
@click.argument("what", metavar="MODEL|OUT", help="A model's name or file, or an output folder of 'carmask cut'.")
def show(what: str) -> None:
    """Show a model's card, or what a folder was cut with.

    Prints where the model is, its SHA-256, and its card. Of an output folder of 'carmask cut' it prints the models that
    its photos were cut with, and whether this machine has them.
    """
    from carmask.model.installed import describe_model

    if Path(what).is_dir():
        _show_folder(Path(what))
        return
    found = describe_model(what)
    print(f"file: {found.path}")
    print(f"SHA-256: {found.digest}")
    print(f"default here: {'yes' if found.default else 'no'}\n")
    print(found.card, end="")


def _show_folder(out: Path) -> None:
    from carmask.batch.measured import models_of
    from carmask.model.installed import list_models

    here = {one.digest: one for one in list_models()}
    made = models_of(out)
    for model, photos in sorted(made.items(), key=lambda pair: -pair[1]):
        known = here.get(model.digest)
        where = "not among this machine's models" if known is None else f"here as {known.name}"
        print(f"{counted(photos, 'photo')}: {model.name}, version {model.version}, {where}")
        print(f"  SHA-256 {model.digest}")
    if not made:
        print(f"{out}: no photo was cut here")


@click.command(
    "use",
    cls=Command,
    examples=(
        "carmask models use ours.onnx",
        "carmask models use ours.onnx --name ours-2",
        "carmask models use default",
    ),
)
@click.argument("model", metavar="NAME|FILE", help="A model's name, or a model file.")
@option("--name", metavar="NAME", help="What to call the copy of the file.  [default: the file's name]")
def use(model: str, name: str | None) -> None:
    """Let 'default' mean another model.

    A model file is copied into this machine's folder of models, with its card. From then on every command that is not
    told otherwise uses it. 'default' is the shipped one again; 'shipped:default' means that one in any case.

    An output folder remembers what it was cut with: the next 'cut' into it makes all results again.
    """
    from carmask.model.installed import use_model

    _say(use_model(model, name=name))


def _say(found: KnownModel) -> None:
    assert found.info is not None
    whose = "shipped" if found.shipped else str(found.path)
    print(f"default is now {found.info.name}, version {found.info.version} ({found.digest[:8]}, {whose})")
