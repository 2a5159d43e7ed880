"""``carmask learn``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import complain, need
from carmask.cli.options import out_option, progress_option
from carmask.cli.progress import log_lines, progress_bar, shows_bar
from carmask.cli.types import PATH, NumberRange

#: The exit status where the new model is refused.
REFUSED = 3
_HOW = "How it is trained and tested"


@click.command(
    "learn",
    cls=Command,
    examples=(
        "carmask learn out/ --out ours.onnx --minutes 60",
        "carmask learn out-march/ out-april/ --data carvana/ --out ours.onnx",
        "carmask learn corrected/ --model ours.onnx --out ours-2.onnx",
        "carmask models use ours.onnx",
    ),
)
@click.argument(
    "sources",
    nargs=-1,
    required=True,
    type=PATH,
    metavar="OUT|DATA...",
    help="Output folders of 'carmask cut' with masks that were corrected ('carmask review'), or data sets.",
)
@out_option("FILE", "The model file to write, its card beside it; its name is the model's.")
@option("--model", default="default", show_default=True, metavar="FILE|NAME", help="The model to learn from.")
@option(
    "--data",
    type=PATH,
    metavar="DIR",
    help="Rehearsal: a data set of what the model must not forget, such as the one it was trained on. The training "
    "goes through some of its cars too, others are tested on.  [default: the rendered cars that come with carmask]",
)
@option("--work", type=PATH, metavar="DIR", help="Folder of the run.  [default: FILE with .learn for .onnx]")
@option("--minutes", type=NumberRange(min=0), metavar="MINUTES", section=_HOW, help="Train for so long, at most.")
@option(
    "--processor-minutes",
    type=NumberRange(min=0),
    metavar="MINUTES",
    section=_HOW,
    help="The same in processor time, which other programs on the machine do not use up.",
)
@option(
    "--passes",
    type=NumberRange(min=0, min_open=True),
    default=40.0,
    show_default=True,
    metavar="COUNT",
    section=_HOW,
    help="Go through the photos so often, at most.",
)
@option(
    "--rate",
    type=NumberRange(min=0, min_open=True),
    default=3e-4,
    show_default=True,
    metavar="RATE",
    section=_HOW,
    help="The learning rate.",
)
@option(
    "--scale",
    type=NumberRange(0.25, 1),
    default=1.0,
    show_default=True,
    metavar="0.25-1",
    section=_HOW,
    help="Train on photos of this fraction of the model's input: faster, and less exact.",
)
@option(
    "--level",
    type=NumberRange(0, 0.5, min_open=True),
    default=0.05,
    show_default=True,
    metavar="PROBABILITY",
    section=_HOW,
    help="Probability of a model that is no better being taken for better.",
)
@option(
    "--tolerance",
    type=NumberRange(min=0),
    default=0.0003,
    show_default=True,
    metavar="DICE",
    section=_HOW,
    help="Mean Dice that may be lost on what the model is to keep.",
)
@progress_option
def learn(
    sources: tuple[Path, ...],
    out: Path,
    model: str,
    data: Path | None,
    work: Path | None,
    minutes: float | None,
    processor_minutes: float | None,
    passes: float,
    rate: float,
    scale: float,
    level: float,
    tolerance: float,
) -> None:
    """Fine-tune a model on corrected masks, if that makes it better.

    A third of the corrected vehicles is held out, up to half if they are few. The model is fine-tuned on the others and
    on photos of what it is to keep: first its localisation network, if that is what loses. Averages of old and new
    weights are compared with the old model on photos of both kinds that were not trained on. The best one is
    recalibrated and written if it is better by more than chance, and loses nothing.

    Writes FILE, its card, and the folder of the run with learn.html: every decision. The same command goes on where a
    killed one was. The exit status is 3 if the new model is refused: nothing is written then but the folder of the run.
    """
    need("torch", "train")
    from carmask.learning.learn import learn
    from carmask.learning.page import write_learning
    from carmask.learning.settings import Limits

    limits = Limits(
        minutes=minutes,
        processor_minutes=processor_minutes,
        passes=passes,
        rate=rate,
        scale=scale,
        level=level,
        tolerance=tolerance,
    )
    work = work or out.with_suffix(".learn")
    with log_lines("carmask.learning"), log_lines("carmask.training"), progress_bar("learning", "photos") as step:
        made = learn(
            sources,
            out,
            model=model,
            data=data,
            work=work,
            limits=limits,
            report=lambda _what, done, total: step(done, total),
            bar=shows_bar(),
        )
    for line in made.gathered.problems:
        complain(line)
    page = write_learning(made, work / "learn.html")
    if made.model is None:
        print(f"refused: {made.verdict.reason}")
        print(f"page in {page}")
        raise click.exceptions.Exit(REFUSED)
    print(f"{made.model}: {made.verdict.reason}")
    print(f"page in {page}; 'carmask models use {made.model}' makes it the default")
