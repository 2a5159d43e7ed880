"""What a training will do, found out before it starts: a request that cannot be met is refused here, without torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from carmask import geometry
from carmask.data.duplicates import group_cars
from carmask.data.layouts import read_data
from carmask.data.split import Split
from carmask.data.table import Example, of_cars, sample
from carmask.errors import DataError, ModelError, RecipeError, WeightsError
from carmask.formats.classes import mirrored
from carmask.geometry import Size
from carmask.images import normalisation, picture_size
from carmask.model.behaviour import WITH_LOCALISATION_NETWORK
from carmask.model.file import find_model, read_info
from carmask.model.info import ExtraData, Localisation, ModelInfo
from carmask.training.extra_data import ExtraSet, Sources, check_apart, find_backgrounds, read_extra
from carmask.training.recipe import Recipe
from carmask.training.refined import check_base, describe_refined
from carmask.training.run_folder import (
    BASE_FILE,
    INFO_FILE,
    LOCALISATION_FILE,
    check_data_of,
    check_photos_of,
    check_recipe_of,
    read_run_info,
)
from carmask.training.split import choose_split
from carmask.words import counted


@dataclass(frozen=True)
class Plan:
    """A training that can be done, as far as can be said without its network.

    Attributes:
        recipe: its settings.
        info: the description of the model that it makes.
        examples: the main data set.
        split: its cars by use.
        extra: extra sets.
        backgrounds: pictures without cars.
        sources: the request's other sources.
        photo: (height, width) of the first photo that is trained on.
        localisation: the model file of the localisation stage, or None.
        base: the model file whose contours are refined, or None.
    """

    recipe: Recipe
    info: ModelInfo
    examples: list[Example] = field(repr=False)
    split: Split = field(repr=False)
    extra: list[ExtraSet] = field(repr=False)
    backgrounds: list[Example] = field(repr=False)
    sources: Sources
    photo: Size
    localisation: Path | None = None
    base: Path | None = None

    @property
    def trained_on(self) -> list[Example]:
        """The main set's photos to train on."""
        return _trained_on(self.recipe, self.examples, self.split)

    @property
    def used(self) -> list[tuple[list[Example], Split]]:
        """The photos of each data set, and its cars by use; the main set first."""
        return [(self.examples, self.split), *((one.examples, one.split) for one in self.extra)]

    @property
    def checks(self) -> dict[str, list[Example]]:
        """The photos that are scored after every epoch, by data set; the main set first, as "" ."""
        count = self.recipe.check_photos
        sets = {"": sample(of_cars(self.examples, self.split.validation), count)}
        sets |= {one.name: sample(one.validation(), (count + 1) // 2) for one in self.extra}
        return {name: photos for name, photos in sets.items() if photos}

    @property
    def score_weights(self) -> dict[str, float]:
        """How much each data set counts in the score that chooses the best epoch, by its name in ``checks``.

        Those of ``checks`` alone, so they need not add up to 1: the score is divided by their sum.
        """
        if self.recipe.score_weights == "equal":
            return dict.fromkeys(self.checks, 1.0)
        shares = {"": 1.0 - sum(one.share for one in self.extra)} | {one.name: one.share for one in self.extra}
        return {name: shares[name] for name in self.checks}


def plan_training(recipe: Recipe, data: Path, out: Path, sources: Sources) -> Plan:
    """Read the data sets, split them, and see whether the training can be done. Nothing is written.

    Args:
        recipe: the settings.
        data: the main data set, as ``read_data`` takes it.
        out: the folder of the run.
        sources: what is taken beside the data set.

    Returns:
        The plan.

    Raises:
        DataError: if a data set is incomplete or too small.
        PhotoError: if a photo cannot be read.
        RecipeError: if the recipe does not fit the data, no car would be validated on although some should be, a photo
            of one data set is trained on and of another one validated on, or ``out`` holds another run.
        WeightsError: if there are no such weights.
        ModelError: if there is no such model to take initial weights of.
    """
    examples, classes = read_data(data, layout=sources.layout, mask_threshold=sources.mask_threshold)
    _check_recipe(recipe, classes)
    check_recipe_of(out, recipe)
    initial = None if sources.initial_weights is None else initial_info(sources.initial_weights)
    # A run that is resumed keeps its split, whether or not its initial weights are named again.
    earlier = read_run_info(out) if initial is None and (out / INFO_FILE).exists() else initial
    base = _find_stage(sources.base, out / BASE_FILE)
    if base is not None and earlier is None:
        earlier = check_base(base)
    if sources.encoder_weights is not None and not sources.encoder_weights.is_file():
        raise WeightsError(f"{sources.encoder_weights}: there is no such file")
    extra = read_extra(sources.extra, seed=recipe.seed, initial=earlier, mask_threshold=sources.mask_threshold)
    # Parts come from anywhere, and the same photo may be there twice. In a studio different cars would be joined: among
    # 160 photos of 80 cars of the challenge, 68 pairs of different cars are called alike.
    groups = group_cars(examples) if len(classes) > 1 else None
    split = choose_split(
        data,
        examples,
        recipe.validation,
        seed=recipe.seed,
        groups=groups,
        given=sources.validation_cars,
        initial=earlier,
    )
    trained_on = _trained_on(recipe, examples, split)
    _check_amounts(recipe, data, trained_on, extra)
    if recipe.early_stopping is not None and not split.validation:
        raise RecipeError("validation: early stopping needs cars to validate on; raise validation, or leave it out")
    backgrounds = [] if sources.backgrounds is None else find_backgrounds(sources.backgrounds)
    photo = picture_size(trained_on[0].photo)
    info = _describe(recipe, data, split, classes, photo, extra, initial)
    localisation = _find_stage(sources.localisation, out / LOCALISATION_FILE)
    if localisation is not None:
        info = _guided_by(info, check_localisation(localisation))
    if base is not None:
        info = describe_refined(check_base(base), info)
    stop = recipe.early_stopping
    if stop is not None and stop.monitor == "loss" and info.localisation_size is not None:
        raise RecipeError("early_stopping.monitor: after a localisation stage no loss is measured; use score")
    info = check_data_of(out, info)
    plan = Plan(recipe, info, examples, split, extra, backgrounds, sources, photo, localisation, base)
    check_apart(plan.used)
    check_photos_of(out, plan.used)
    return plan


def _find_stage(given: Path | None, own: Path) -> Path | None:
    """The run's own copy of a model file with other stages, or the one that is given."""
    if own.exists() or given is None:
        return own if own.exists() else None
    return find_model(given)


def check_localisation(file: Path) -> ModelInfo:
    """Read the description of a model file that is to be a localisation stage.

    Raises:
        ModelError: if the file is damaged, tells parts apart, has stages of its own, or stretches photos.
    """
    info = read_info(file)
    if info.parts or info.localisation_size is not None or info.stretch or info.test_time_augmentation:
        raise ModelError(
            f"{file}: cannot be a localisation stage: this needs a model of whole cars that takes the whole photo once "
            "and does not stretch it"
        )
    return info


def _guided_by(info: ModelInfo, stage: ModelInfo) -> ModelInfo:
    """The description of a model whose localisation stage is another model's network."""
    localisation = Localisation(
        network=stage.network,
        normalisation=stage.normalisation,
        threshold=stage.threshold,
        training_data=stage.training_data,
    )
    behaviour = info.behaviour.model_copy(update={"confirmation": WITH_LOCALISATION_NETWORK})
    changed = {"format": 2, "localisation_size": stage.size, "localisation": localisation, "behaviour": behaviour}
    return ModelInfo.model_validate({**info.model_dump(), **changed})


def initial_info(file: Path) -> ModelInfo | None:
    """What a run's weights or a model file say of themselves; None for weights without their run's description.

    Raises:
        WeightsError: if there is no such file, or the run's description cannot be read.
        ModelError: if there is no such model, or its file is damaged.
    """
    if file.suffix.lower() != ".safetensors":
        return read_info(find_model(file))
    if not file.is_file():
        raise WeightsError(f"{file}: there is no such file")
    return read_run_info(file.parent) if file.with_name(INFO_FILE).is_file() else None


def _check_recipe(recipe: Recipe, classes: tuple[str, ...]) -> None:
    parts = len(classes) > 1
    for stage in recipe.stages:
        for height, width in (stage.shown, stage.locate or stage.size):
            if height > stage.height or width > stage.width:
                raise RecipeError(f"stages: a window of {width}x{height} in photos of {stage.width}x{stage.height}")
        if stage.locate is not None and parts:
            raise RecipeError("stages: locate is for masks of whole cars, not for parts")
        if 0 < recipe.epoch_photos < stage.batch:
            raise RecipeError(f"epoch_photos: {recipe.epoch_photos} do not fill a batch of {stage.batch}")
    if parts and any(recipe.changes(epoch).changes_scenes for epoch in range(recipe.epochs)):
        raise RecipeError("augment: background, negative and crop are for masks of whole cars; set them to 0")
    if parts and recipe.augment.mirrors:
        try:
            mirrored(classes)
        except DataError as error:
            raise RecipeError(f"augment: {error}; set flip, flip_up_down and five to 0") from error
    stop = recipe.early_stopping
    if stop is not None and stop.monitor == "f1" and not parts:
        raise RecipeError("early_stopping.monitor: f1 is measured on parts only; use score")
    if stop is not None and stop.monitor == "loss" and recipe.stages[-1].locate:
        raise RecipeError("early_stopping.monitor: with locate no loss is measured; use score")


def _trained_on(recipe: Recipe, examples: Sequence[Example], split: Split) -> list[Example]:
    """The photos to train on: where cars are shown whole, of those with all their views, in order of view."""
    photos = of_cars(examples, split.train)
    if recipe.views == 1:
        return photos
    counts = Counter(one.car for one in photos)
    whole = [one for one in photos if counts[one.car] == recipe.views]
    return sorted(whole, key=lambda one: (one.car, one.view))


def _check_amounts(recipe: Recipe, data: Path, trained_on: Sequence[Example], extra: Sequence[ExtraSet]) -> None:
    if recipe.views > 1 and not trained_on:
        raise RecipeError(f"{data}: views: no car to train on has {recipe.views} photos")
    if recipe.views > 1 and extra:
        raise RecipeError(f"{extra[0].name}: views: extra data cannot be mixed into cars that are shown whole")
    at, batch = max(enumerate(stage.batch for stage in recipe.stages), key=lambda one: one[1])
    if recipe.epoch_photos == 0 and len(trained_on) < batch:
        few = counted(len(trained_on), "photo")
        raise RecipeError(
            f"{data}: {few} to train on do not fill a batch of {batch}; give more, or set a smaller stages.{at}.batch"
        )
    photos = recipe.epoch_photos or len(trained_on)
    for one in extra:
        if not round(one.share * photos):
            raise RecipeError(
                f"{one.name}: a share of {one.share:.3g} of the {photos} photos of an epoch is none; raise the share, "
                "or epoch_photos"
            )


def _describe(
    recipe: Recipe,
    data: Path,
    split: Split,
    classes: tuple[str, ...],
    photo: Size,
    extra: Sequence[ExtraSet],
    initial: ModelInfo | None,
) -> ModelInfo:
    final = recipe.stages[-1]
    height, width = final.taken
    info = ModelInfo(
        name=recipe.name,
        version="1",
        network=recipe.network,
        classes=classes,
        height=height,
        width=width,
        localisation_size=final.locate,
        # Photos are stretched for training; where that is more than prediction would do, it must do so too.
        stretch=final.locate is None
        and recipe.scenes is None
        and geometry.fit_letterbox(photo, (height, width)).inner != (height, width),
        normalisation=normalisation.describe(recipe.normalisation),
        threshold=0.5,
        training_data=f"{counted(len(split.train), 'car')} of {data.resolve().name}",
        training_cars=split.train,
        validation_cars=split.validation,
        extra_data=tuple(one.describe() for one in extra),
        licence="the terms of the training data apply",
    )
    rest = frozenset[str]() if initial is None else initial.seen() - info.seen()
    if initial is None or not rest:
        return info
    # What the initial weights have seen, the new model has seen too.
    before = ExtraData(name=initial.name, share=0.0, training_cars=tuple(sorted(rest)), validation_cars=())
    return info.model_copy(update={"extra_data": (*info.extra_data, before)})
