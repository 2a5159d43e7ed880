"""The command ``carmask`` and the table of its commands.

The table makes ``carmask --help`` fast: it is printed without importing the commands. A test compares it with them.
"""

from __future__ import annotations

import click

from carmask._version import __version__
from carmask.cli.command import Entry, LazyGroup, option

#: Settings of every command; they are inherited from the group.
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

_CUT, _INSPECT, _SUBMIT, _TRAIN, _RELEASE, _DATA, _HERE = (
    "Cut",
    "Inspect and score",
    "Submit to the Carvana challenge",
    "Train",
    "Finish a model",
    "Make and convert data",
    "This installation",
)

COMMANDS = (
    Entry(_CUT, "cut", "Cut cars out of photos.", "cut:cut"),
    Entry(_CUT, "watch", "Cut photos as they arrive in a folder.", "watch:watch"),
    Entry(_CUT, "deliver", "Copy pictures under names by vehicle and view.", "deliver:deliver"),
    Entry(_CUT, "profile", "Keep options of 'cut' and the rules of a channel in a file.", "profile:profile"),
    Entry(_CUT, "turntable", "Turn the views of a car into an animation and a page.", "turntable:turntable"),
    Entry(_CUT, "review", "Mend the masks of a run by hand, in a browser.", "review:review"),
    Entry(_CUT, "corrections", "Use the masks that were corrected by hand.", "corrections:corrections"),
    Entry(_CUT, "serve", "Serve a page to cut cars out of photos, and an HTTP API.", "serve:serve"),
    Entry(_INSPECT, "explore", "Describe a data set, and what is wrong with it, on one page.", "explore:explore"),
    Entry(_INSPECT, "view", "Put photos and their masks side by side on sheets.", "view:view"),
    Entry(_INSPECT, "drift", "Find out whether photos differ from earlier ones.", "drift:drift"),
    Entry(_INSPECT, "evaluate", "Score a model, or compare two, on photos with true masks.", "evaluate:evaluate"),
    Entry(_SUBMIT, "submit", "Predict all photos of a folder and write a submission.", "submit:submit"),
    Entry(_SUBMIT, "check", "Find out what is wrong with a submission, and repair it.", "check:check"),
    Entry(_SUBMIT, "score", "Score a submission as the challenge does.", "score:score"),
    Entry(_SUBMIT, "rle", "Convert masks to run lengths and back.", "rle:rle"),
    Entry(_TRAIN, "learn", "Fine-tune a model on corrected masks, if that makes it better.", "learn:learn"),
    Entry(_TRAIN, "train", "Train a network by a recipe.", "train:train"),
    Entry(_TRAIN, "compare", "Compare trainings: a table and their curves.", "compare:compare"),
    Entry(_TRAIN, "networks", "List the networks, or the layers of one.", "networks:networks"),
    Entry(_TRAIN, "augment", "Show what augmentation does to a photo and its mask.", "augment:augment"),
    Entry(_RELEASE, "build", "Make a model by a pipeline of steps.", "build:build"),
    Entry(_RELEASE, "export", "Make a model file of a training.", "export:export"),
    Entry(_RELEASE, "blend", "Average the weights of two models.", "blend:blend"),
    Entry(_RELEASE, "quantize", "Measure the ranges with which a model is computed in 8 bits.", "quantize:quantize"),
    Entry(_RELEASE, "calibrate", "Fit a model's confidence and expected error.", "calibrate:calibrate"),
    Entry(_DATA, "render", "Render a data set of cars with exact masks.", "render:render"),
    Entry(_DATA, "convert", "Convert masks to and from annotation tools.", "convert:convert"),
    Entry(_DATA, "parts", "Check data sets of car parts.", "parts:parts"),
    Entry(_HERE, "models", "List the models of this machine, and choose the default one.", "models:models"),
    Entry(_HERE, "about", "Show versions, processor, and how a model is computed here.", "about:about"),
)


@click.group(
    "carmask",
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings=SETTINGS,
    no_args_is_help=True,
    invoke_without_command=True,
    epilog="Start with: carmask cut PHOTOS --out DIR. Help on a command: carmask COMMAND --help.",
)
@option("--version", is_flag=True, help="Print the version and exit.")
@option("--verbose", is_flag=True, help="With --version: print what 'carmask about' prints.")
@click.pass_context
def app(ctx: click.Context, version: bool, verbose: bool) -> None:
    """Take the car out of a photo: mask, transparent cut-out, or the car in front of another background."""
    if not version:
        if verbose:
            raise click.UsageError("--verbose goes with --version", ctx)
        if ctx.invoked_subcommand is None:
            raise click.exceptions.NoArgsIsHelpError(ctx)
        return
    if verbose:
        from carmask.cli.commands.about import print_about

        print_about()
    else:
        print(f"carmask {__version__}")
    ctx.exit()
