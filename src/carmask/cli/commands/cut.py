"""``carmask cut``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from carmask.cli.batches import complain_of, following
from carmask.cli.command import Command, option
from carmask.cli.messages import counted
from carmask.cli.options import (
    RUN,
    address_option,
    batch_progress_option,
    device_option,
    engine_option,
    model_option,
    profile_option,
    restart_option,
    timeout_option,
)
from carmask.cli.types import LOCATION, PATH, PERCENT, SIZE, NumberRange, WholeRange
from carmask.errors import UsageError
from carmask.words import by_number

if TYPE_CHECKING:
    from carmask.batch.engines.start import EngineName
    from carmask.batch.report import Review
    from carmask.model.runtime import Device

_WHAT = "What is written"
_SCENE = "Background, shadow, place"
_VEHICLES = "Vehicles"
_REVIEW = "Photos to review"


@click.command(
    "cut",
    cls=Command,
    examples=(
        "carmask cut photos/ --out out/",
        "carmask cut photos/ --out out/ --mask --recursive",
        "carmask cut photos/ --out out/ --review-budget 5%",
        "carmask cut car.jpg --out out/ --background showroom.jpg --shadow keep --format jpg",
        "carmask cut photos/ --out out/ --background white --place turntable --floor 0.85 --size 1600x1200",
        "carmask cut day/ --out out/ --profile showroom --group folder",
        "carmask cut day/ --out out/ --background white --plate blur",
        "carmask cut photos/ --out out/ --parts --model parts.onnx",
        "carmask cut s3://bucket/photos --out s3://bucket/cut --engine ray --address auto --state runs/monday",
    ),
)
@click.argument(
    "paths", type=LOCATION, metavar="PATH...", nargs=-1, required=True, help="Photos, or folders of photos."
)
@option("--out", "-o", type=LOCATION, required=True, metavar="DIR", help="Folder for the results.")
@model_option
@profile_option
@option("--recursive", "-r", is_flag=True, help="Search sub-folders too, and keep them in the output folder.")
@option(
    "--mask",
    is_flag=True,
    section=_WHAT,
    help="Write NAME_mask.png (values 0 and 255, one bit a pixel, the photo's own size). No cut-out is written unless "
    "--background or --layers asks for a picture.",
)
@option(
    "--layers",
    is_flag=True,
    section=_WHAT,
    help="Also write NAME_mask, NAME_alpha, NAME_foreground and, with a shadow, NAME_shadow.png.",
)
@option(
    "--parts",
    is_flag=True,
    section=_WHAT,
    help="Write NAME_parts.png (the part's label at each pixel) and NAME_overlay.png. It needs a model of car parts.",
)
@option(
    "--format",
    "picture",
    arguments=["format"],
    type=click.Choice(["png", "webp", "jpg"]),
    default="png",
    show_default=True,
    section=_WHAT,
    help="File format of cut-outs and pictures. webp takes a quarter of png's size and is not lossless; jpg has no "
    "transparency.",
)
@option(
    "--quality",
    type=WholeRange(1, 100),
    metavar="1-100",
    section=_WHAT,
    help="Quality of webp and jpg.  [default: 90]",
)
@option(
    "--keep-metadata",
    type=click.Choice(["safe", "all", "none"]),
    default="safe",
    show_default=True,
    section=_WHAT,
    help="What pictures keep of the photo's EXIF data. safe: camera, exposure, dates, resolution. all: also the place, "
    "the owner, comments. The colour profile stays in any case.",
)
@option(
    "--others",
    type=click.Choice(["cut", "keep", "skip"]),
    default="cut",
    show_default=True,
    section=_WHAT,
    help="Photos that show no whole car, such as the inside or a wheel. cut: like the others. keep: as they are, with "
    "an empty mask. skip: nothing is written of them.",
)
@option(
    "--plate",
    metavar="keep|blur|plain|IMAGE",
    default="keep",
    show_default=True,
    section=_WHAT,
    help="Number plates. blur and plain make them illegible; a picture (plate.png) is put over them in perspective. "
    "Experimental, plates are missed: the column plate of report.csv says found, doubtful or none. Look at the "
    "pictures before they are published.",
)
@option(
    "--background",
    metavar="COLOUR|IMAGE|showroom|blur",
    section=_SCENE,
    help="Put the car in front of this: a colour (white, '#d0d4d8'), a gradient (white:#8a8f98), a picture "
    "(hall.jpg), showroom for a drawn wall and floor, or blur for the photo's own background, blurred. none takes a "
    "profile's background away.",
)
@option(
    "--fit",
    type=click.Choice(["cover", "contain"]),
    section=_SCENE,
    help="How a background picture fills the frame.  [default: cover]",
)
@option(
    "--shadow",
    type=click.Choice(["none", "keep", "make", "reflect"]),
    default="none",
    show_default=True,
    section=_SCENE,
    help="keep: the shadow of the photo, which needs an even floor. make: a synthetic one. reflect: a synthetic one "
    "and the car's reflection in the floor.",
)
@option(
    "--shadow-strength",
    "strength",
    type=NumberRange(),
    default=1.0,
    show_default=True,
    metavar="0-3",
    section=_SCENE,
    help="Factor on the darkness of the shadow, and on the reflection.",
)
@option(
    "--light",
    type=click.Choice(["above", "left", "right"]),
    default="above",
    show_default=True,
    section=_SCENE,
    help="Where the light of a synthetic shadow comes from, in the picture: the same for all views.",
)
@option(
    "--glass",
    type=NumberRange(),
    metavar="0-1",
    section=_SCENE,
    help="Transparency of the windows. It needs a model that labels windows.",
)
@option(
    "--match",
    type=NumberRange(),
    default=0.0,
    show_default=True,
    metavar="0-1",
    section=_SCENE,
    help="How far the car's brightness and colour move towards the background's.",
)
@option(
    "--place",
    arguments=["rule"],
    type=click.Choice(["photo", "centre", "turntable", "vehicle"]),
    default="photo",
    show_default=True,
    section=_SCENE,
    help="photo: the car stays where it is. centre: it is centred. turntable: all views of a car (CAR_01, CAR_02, ..., "
    "or the photos of a vehicle with --group) are centred with one scale and one horizon, for a camera that does not "
    "move. vehicle: they get one height and one floor, for photos taken by hand.",
)
@option(
    "--scale",
    arguments=["fill"],
    type=NumberRange(),
    default=0.8,
    show_default=True,
    metavar="0-1",
    section=_SCENE,
    help="Share of the frame that a placed car takes.",
)
@option(
    "--floor",
    type=NumberRange(),
    metavar="0-1",
    section=_SCENE,
    help="Height of the wheels of a placed car, as a fraction of the frame from the top.",
)
@option(
    "--size",
    type=SIZE,
    metavar="WxH",
    section=_SCENE,
    help="Size of the pictures in pixels.  [default: the size of the photo]",
)
@option(
    "--crop",
    type=NumberRange(),
    metavar="MARGIN",
    section=_SCENE,
    help="Crop to the car with this margin, a fraction of the car's longer side; 0.05 is 5 %.",
)
@option(
    "--group",
    metavar="folder|name|TABLE",
    section=_VEHICLES,
    help="Which vehicle a photo shows: the name of its folder, a VIN in its own name or the stock number that this "
    "begins with, or a CSV table with columns photo and vehicle. Writes vehicles.csv. none takes a profile's grouping "
    "away.",
)
@option(
    "--name",
    metavar="PATTERN",
    section=_VEHICLES,
    help="Pattern of the results' names, of {vehicle}, {name}, {folder}, {number} and {view}; for example "
    "'{vehicle}/{number:02}'. {view} is the number at the end of the photo's name, not the view that is found in it: "
    "'carmask deliver' names pictures by that one.  [default: '{vehicle}/{name}' with --group]",
)
@option(
    "--review-budget",
    "budget",
    type=PERCENT,
    metavar="PERCENT",
    section=_REVIEW,
    help="Mark this share of the photos, those of lowest confidence; for example 5%.",
)
@option(
    "--review-below",
    "below",
    type=NumberRange(0, 1),
    metavar="0-1",
    section=_REVIEW,
    help="Mark all photos of lower confidence.  [default: the model's own threshold]",
)
@option(
    "--checks",
    metavar="NAME=VALUE,...",
    section=_REVIEW,
    help="Checks of each photo, for the columns checks and take_again of report.csv: off for none, or changes to the "
    "defaults or the profile, such as blurred=off,tilted=8. The names: "
    "no_car, no_whole_car, two_cars, cut_off, too_small, wrong_size, blurred, too_dark, blown_out, glare, tilted, "
    "duplicate.  [default: all]",
)
@device_option
@restart_option
@option(
    "--discard-corrections",
    is_flag=True,
    section=RUN,
    help="Take back the masks that were corrected by hand ('carmask review'). Without it they are kept, whatever else "
    "is done again.",
)
@timeout_option
@batch_progress_option
@engine_option
@address_option
@option(
    "--state",
    type=PATH,
    metavar="DIR",
    section=RUN,
    help="Local folder for the manifest and report.csv where --out is an object store.",
)
def cut(
    paths: tuple[str, ...],
    out: str,
    model: str,
    device: Device,
    profile: str | None,
    recursive: bool,
    budget: float | None,
    below: float | None,
    restart: bool,
    discard_corrections: bool,
    timeout: float,
    progress: str,
    engine: EngineName,
    address: str | None,
    state: Path | None,
    checks: str | None,
    **_: Any,  # the options that a profile may hold: see carmask.cli.in_force
) -> None:
    """Cut cars out of photos.

    Writes DIR/NAME.png for each photo: the car on transparency, at the photo's own size. Writes DIR/report.csv with a
    row for each photo: status, confidence, expected error of the contour in pixels, and review=yes where a person
    should check the result. The columns view, view_name, checks and take_again say which side of the car the photo
    shows, and whether it should be taken again. Masks that were corrected by hand (carmask review) take the place of
    the network's.

    A carmask.toml in the first folder of photos, or else in the current folder, is used as --profile.

    A photo that cannot be read is reported, and the others are done. After an interruption the same command continues.
    A photo that has changed since is done again.
    """
    if budget is not None and below is not None:
        raise UsageError("--review-budget and --review-below exclude each other")
    from carmask.batch.run import cut_folder
    from carmask.cli.in_force import find_settings
    from carmask.images import SUB_FOLDER

    found = find_settings(click.get_current_context(), profile, paths)
    if found.line and progress != "json":
        print(found.line, flush=True)
    with following("cutting", progress) as follow:
        made = cut_folder(
            paths,
            out,
            found.spec,
            model=model,
            device=device,
            recursive=recursive or bool(found.profile.recursive),
            review=_review(model, budget, below),
            engine=engine,
            address=address,
            timeout=timeout,
            restart=restart,
            discard_corrections=discard_corrections,
            state=state,
            group=found.group,
            name=found.profile.name,
            checks=found.profile.check_settings(checks),
            progress=follow,
        )
    if progress != "json":
        print(
            f"{made.done} of {counted(made.done + made.failed, 'photo')} done; results in {out}, table in {made.report}"
        )
        for reason, count in Counter(one.reason for one in made.left_out).most_common():
            print(f"{count} left out: {reason}{'; --recursive searches it' * (reason == SUB_FOLDER)}")
        if made.earlier:
            print(
                f"{counted(len(made.earlier), 'file')} in {out} left from earlier runs, of other photos or with other "
                f"options; the first is {made.earlier[0]}"
            )
        decided = f"; {made.decided} of them have a decision" if made.decided else ""
        page = f"; 'carmask review {out}' shows them" if made.to_review > made.decided and "://" not in str(out) else ""
        print(f"{made.to_review} to review: those with review=yes in the table{decided}{page}")
        if made.again:
            print(f"{made.again} to take again: those with take_again=yes in the table")
        if made.not_whole:
            fate = _NOT_WHOLE[found.spec.others]
            show = by_number(made.not_whole, "shows", "show")
            print(f"{made.not_whole} {show} no whole car, those with view_name=other in the table: {fate}")
        if made.vehicles:
            count, table = sum(bool(one.vehicle) for one in made.vehicles), made.report.with_name("vehicles.csv")
            print(f"{counted(count, 'vehicle')}; table in {table}")
    problems = complain_of(made.vehicles, made.report)
    if made.failed or problems:
        raise click.exceptions.Exit(1)


#: What becomes of photos that show no whole car, by ``--others``.
_NOT_WHOLE = {
    "cut": "cut like the others; --others keep leaves them as they are",
    "keep": "kept as they are",
    "skip": "skipped, nothing is written of them",
}


def _review(model: str, budget: float | None, below: float | None) -> Review:
    from carmask.batch.report import Review, default_review

    return Review(default_review(model).below if below is None else below, budget)
