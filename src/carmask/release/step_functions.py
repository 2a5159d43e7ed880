"""What each kind of step does: it calls one function of the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from carmask.errors import CarmaskError
from carmask.release.steps import (
    AnyStep,
    AverageStep,
    CalibrateStep,
    ExportStep,
    QuantizeStep,
    SpecialistStep,
    TrainStep,
)
from carmask.training.extra_data import ExtraFolder, Sources
from carmask.training.machines import Machines

#: Called with what is being done, the number done and the number of all.
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Context:
    """What the steps of a build share.

    Attributes:
        out: the folder of the build.
        paths: files and folders by the references that mean them; an optional input that is not given is absent.
        changes: of the recipes of all trainings.
        machines: what to train on.
        cache: folder for decoded photos.
        report: shows the progress within a step.
        bar: show the bar of trainings.
    """

    out: Path
    paths: Mapping[str, Path]
    changes: tuple[str, ...] = ()
    machines: Machines = field(default_factory=Machines)
    cache: Path | None = None
    report: Report = lambda *_: None
    bar: bool = False

    def path(self, reference: str | None) -> Path | None:
        """What a reference means; None for none, and for an optional input that is not given."""
        return None if reference is None else self.paths.get(reference)

    def progress(self, what: str) -> Callable[[int, int], None]:
        """A function that reports the progress of this."""
        return lambda done, total: self.report(what, done, total)


def run_train(step: TrainStep, context: Context) -> str:
    """Train, or resume the training."""
    from carmask.training.split import read_validation_cars
    from carmask.training.train import train

    kept = context.path(step.validation_cars)
    sources = Sources(
        tuple(ExtraFolder(_at(context, one.folder), one.share, one.hold_out, one.ranges) for one in step.extra),
        context.path(step.backgrounds),
        context.path(step.initial_weights),
        context.path(step.encoder_weights),
        () if kept is None else read_validation_cars(kept),
        localisation=context.path(step.localisation),
        base=context.path(step.base),
    )
    train(
        step.load_recipe(context.changes),
        _at(context, step.data),
        context.out / step.id,
        sources=sources,
        cache=context.cache or context.out / "cache",
        machines=context.machines,
        report=context.report,
        bar=context.bar,
    )
    return "trained"


def run_export(step: ExportStep, context: Context) -> str:
    """Export a training."""
    from carmask.training.export import export

    given = {"name": step.name, "version": step.version, "licence": step.licence}
    changes = {name: value for name, value in given.items() if value is not None}
    # A reference to a training means its weights; the run is their folder.
    run = _at(context, step.run).parent
    data = context.path(step.data)
    made = export(run, step.outputs(context.out)[0], changes=changes, data=data, progress=context.progress("scoring"))
    score = "" if made.info.score is None else f", {made.info.measure} {made.info.score:.6f}"
    return f"differs from the trained network by {made.difference:.5f}{score}"


def run_average(step: AverageStep, context: Context) -> str:
    """Average the weights of two models."""
    from carmask.release.weight_averaging import average_weights

    first, second = _at(context, step.first), _at(context, step.second)
    average_weights(first, second, step.outputs(context.out)[0], share=step.share, name=step.name)
    return f"{1 - step.share:.0%} {step.first}, {step.share:.0%} {step.second}"


def run_specialist(step: SpecialistStep, context: Context) -> str:
    """Put a specialist beside a model."""
    from carmask.release.specialists import join_specialist

    made = join_specialist(
        _at(context, step.model),
        _at(context, step.specialist),
        _at(context, step.data),
        step.outputs(context.out)[0],
        name=step.name,
        version=step.version,
        disagreement=step.disagreement,
        progress=context.progress("measuring backgrounds"),
    )
    assert made.specialist is not None
    return f"{step.specialist} beside {step.model}: {made.specialist.training_data}"


def run_quantize(step: QuantizeStep, context: Context) -> str:
    """Measure the ranges for 8 bits."""
    from carmask.release.int8_ranges import TOLERANCE, quantize

    made = quantize(
        _at(context, step.model),
        _at(context, step.data),
        step.outputs(context.out)[0],
        extra=[_at(context, one) for one in step.extra],
        tolerance=TOLERANCE if step.tolerance is None else step.tolerance,
        progress=context.progress("predicting"),
    )
    costs = "; ".join(f"{name} {cost.floats:.6f} -> {cost.eight:.6f}" for name, cost in made.costs.items())
    return f"mean Dice in floats and in 8 bits: {costs}"


def run_calibrate(step: CalibrateStep, context: Context) -> str:
    """Fit the confidence."""
    from carmask.release.calibration import calibrate

    given = {"test_time_augmentation": step.test_time_augmentation, "name": step.name, "version": step.version}
    made = calibrate(
        _at(context, step.model),
        _at(context, step.data),
        step.outputs(context.out)[0],
        extra=[_at(context, one) for one in step.extra],
        changes={name: value for name, value in given.items() if value is not None},
        tune=step.tune,
        progress=context.progress("predicting"),
    )
    if step.page:
        from carmask.pages.confidence import write_confidence

        write_confidence(context.out / "pages" / step.id, made.info.name, made.tested, made.cases)
    return f"threshold {made.info.threshold:g}, mean Dice {made.dice:.6f} on cars not trained on"


#: By the kind of step.
FUNCTIONS: dict[str, Callable[[Any, Context], str]] = {
    "train": run_train,
    "export": run_export,
    "average": run_average,
    "specialist": run_specialist,
    "quantize": run_quantize,
    "calibrate": run_calibrate,
}


def run_step(step: AnyStep, context: Context) -> str:
    """Do a step.

    Returns:
        A line about its result, for the log.

    Raises:
        CarmaskError: whatever the kind's function refuses; the message begins with the step's id.
    """
    try:
        return FUNCTIONS[step.kind](step, context)
    except CarmaskError as error:
        raise type(error)(f"step {step.id}: {error}") from error


def _at(context: Context, reference: str) -> Path:
    return context.paths[reference]
