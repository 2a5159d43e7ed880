"""``carmask calibrate``."""

from __future__ import annotations

from pathlib import Path

import click

from carmask.cli.command import Command, option
from carmask.cli.messages import counted, need
from carmask.cli.options import out_option, progress_option
from carmask.cli.progress import progress_bar
from carmask.cli.types import PATH


@click.command(
    "calibrate",
    cls=Command,
    examples=(
        "carmask calibrate model.onnx carvana/ --extra-data street/ --out default.onnx --page calibration/",
        "carmask calibrate model.onnx carvana/ --test-time-augmentation --tune --name best --out best.onnx",
    ),
)
@click.argument("model", metavar="MODEL", help="A model file, or a name of 'carmask models list'.")
@click.argument("data", type=PATH, metavar="DATA", help="A data set. Cars that the model was trained on are left out.")
@out_option("FILE", "The model file to write.")
@option(
    "--extra-data",
    renamed=["--also"],
    arguments=["extra"],
    type=PATH,
    multiple=True,
    metavar="DIR",
    help="Another data set of photos with masks; repeatable.",
)
@option("--page", type=PATH, metavar="DIR", help="Write confidence.html here.")
@option("--tune", is_flag=True, help="Choose the threshold of the mask too.")
@option(
    "--test-time-augmentation",
    renamed=["--flip"],
    is_flag=True,
    help="Turn test-time augmentation on: the model averages with the mirrored photo. More accurate, half as fast.",
)
@option("--name", metavar="NAME", help="Name of the model.  [default: as it is]")
@option("--version", metavar="VERSION", help="Version of the model.  [default: as it is]")
@progress_option
def calibrate(
    model: str,
    data: Path,
    out: Path,
    extra_data: tuple[Path, ...],
    page: Path | None,
    tune: bool,
    test_time_augmentation: bool,
    name: str | None,
    version: str | None,
) -> None:
    """Fit a model's confidence and expected error.

    Predicts photos of cars that the model was not trained on, and hard scenes made of them. Fits the confidence on half
    of the cars and tests it on the other half. Writes FILE, the model with its calibration, and prints how well
    confidence and expected error agree with the true masks.
    """
    need("torch", "train")
    from carmask.evaluation.calibration import GOOD, POOR
    from carmask.release.calibration import calibrate as run

    given: dict[str, object] = {
        "test_time_augmentation": test_time_augmentation or None,
        "name": name,
        "version": version,
    }
    changes = {key: value for key, value in given.items() if value is not None}
    with progress_bar("predicting", "photos") as step:
        made = run(model, data, out, extra=extra_data, changes=changes, tune=tune, progress=step)
    reliability, calibration = made.reliability, made.info.calibration
    assert calibration is not None
    print(f"{out}: {made.info.name}, threshold {made.info.threshold:g}, review below {calibration.review_below:g}")
    if made.info.parts:
        print(f"mean Dice {made.dice:.6f} of the whole car on {calibration.data}")
    elif made.info.score != round(made.dice, 6):
        print(f"mean Dice {made.dice:.6f} on {calibration.data}; the model was validated on others: not its score")
    if made.gain is not None:
        print(f"the threshold brings {made.gain:+.6f} mean Dice on cars it was not chosen on")
    print(f"on {counted(reliability.photos, 'photo')} of cars it was not fitted to:")
    print(f"  {reliability.captured:.0%} of the worst tenth by Dice are among the fifth of lowest confidence")
    print(f"  {reliability.within_two:.0%} of contour errors are within a factor of two of the expected one")
    print(f"  {'scene':16} {'photos':>6} {'Dice':>7} {'confidence':>10} {'reviewed':>8} {'poor':>12} {'good':>12}")
    for kind, one in reliability.kinds.items():
        poor, good = (
            f"{share:.0%} of {photos}" if photos else "-"
            for share, photos in ((one.poor_reviewed, one.poor), (one.good_reviewed, one.good))
        )
        print(
            f"  {kind:16} {one.photos:6} {one.dice:7.4f} {one.confidence:10.4f} {one.reviewed:8.0%} "
            f"{poor:>12} {good:>12}"
        )
    print(f"  poor, good: the share reviewed of photos with Dice below {POOR} and above {GOOD}")
    if page is not None:
        from carmask.pages.confidence import write_confidence

        print(f"pictures in {write_confidence(page, made.info.name, made.tested, made.cases)}")
