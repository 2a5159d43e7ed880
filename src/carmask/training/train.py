"""Run a recipe on a data set."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from carmask import geometry
from carmask.failures import disk_errors
from carmask.images import make_folder, remove_leftovers, write_atomically
from carmask.locking import only_run
from carmask.model.network import Network
from carmask.training.extra_data import Sources, build_mixture
from carmask.training.machines import TRAINED_IN, Machines, Precision, choose_precision
from carmask.training.plan import Plan, initial_info, plan_training
from carmask.training.recipe import Recipe
from carmask.training.run_folder import (
    BASE_FILE,
    EPOCHS_FOLDER,
    LAST_FILE,
    LOCALISATION_FILE,
    LOCK_FILE,
    LOG_FILE,
    WEIGHTS_FILE,
    write_description,
)
from carmask.words import counted

if TYPE_CHECKING:
    from carmask.training.dataset.anywhere.pool import ScenePool
    from carmask.training.dataset.contour.pool import ContourPool
    from carmask.training.dataset.mixture import Mixture
    from carmask.training.module import Training
    from carmask.training.progress_log import ProgressLog
    from carmask.training.validation import Checks

# PyTorch and Lightning are imported inside functions: a request that cannot be met is refused before they load.

#: Photos on the sheet of a finished run.
SHEET_PHOTOS = 6
#: Photos that BatchNorm's statistics of a model file are measured on.
NORM_PHOTOS = 32

Report = Callable[[str, int, int], None]


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    sources: Sources | None = None,
    cache: Path | None = None,
    machines: Machines | None = None,
    report: Report | None = None,
    bar: bool = False,
) -> Path:
    """Train a network, or resume a training that was interrupted.

    Lines about the progress go to the logger ``carmask.training`` and to ``train.log`` in the run's folder.

    Args:
        recipe: the settings.
        data: a data set as ``read_data`` takes it.
        out: folder of the run: settings, versions, split, log, history, curves, checkpoint, weights of single epochs,
            and at the end the resulting weights and sheets. If it holds a checkpoint of the same recipe, training is
            resumed from there.
        sources: extra data, backgrounds, initial weights, validation cars.
        cache: folder for decoded photos, shared by runs; ``cache`` beside ``out`` by default.
        machines: what to train on; one device, whatever there is, by default.
        report: called with what is being done, the number done and the number of all.
        bar: show Lightning's progress bar.

    Returns:
        The file of the trained weights: those of the best epoch with early stopping, else of the last one.

    Raises:
        DataError: if a data set is incomplete or too small.
        PhotoError: if a photo or mask cannot be read.
        RecipeError: if ``out`` holds a run of another recipe or on other data, the recipe cannot be run on the data, or
            the training diverges; nothing of that epoch is kept.
        UnknownNameError: if the recipe's network or loss does not exist.
        WeightsError: if the encoder's or the initial weights cannot be had, or the checkpoint is damaged or of another
            network.
        ModelError: if there is no such model to take initial weights of.
        DeviceError: if the device that was asked for is not there.
        OutputError: if the run's files cannot be read or written, or another training runs in ``out``. What was
            finished is safe; the same call goes on.
    """
    machines, sources = machines or Machines(), sources or Sources()
    # Everything that can be wrong with the request is found before anything is written.
    plan = plan_training(recipe, data, out, sources)

    from carmask.logs import log_file
    from carmask.memory import keep_memory
    from carmask.training.network_checks import check_machines, check_network
    from carmask.training.progress_log import LOGGER, ProgressLog
    from carmask.training.trainer import fit

    keep_memory()
    check_network(recipe, len(plan.info.classes), guided=plan.localisation is not None, refines=plan.base is not None)
    check_machines(machines, recipe, recipe.epoch_photos or len(plan.trained_on))
    precision = choose_precision(recipe.precision, machines.device)
    progress = ProgressLog()

    def note(done: int, total: int) -> None:
        if report is not None:
            report("decoding photos", done, total)

    plan = replace(plan, info=plan.info.model_copy(update={"trained_in": TRAINED_IN[precision]}))
    cache = cache or out.resolve().parent / "cache"
    with _alone(out, machines):
        with disk_errors(cache):
            if plan.base is not None:
                from carmask.training.plain_base import plain_base

                plan = replace(plan, base=plain_base(plan.base, cache))
            module, checks = _prepare(plan, out, cache, progress, note, mixed=precision != "32-true")
        _write_run(plan, out, precision)
        with log_file(LOGGER, out / LOG_FILE), warnings.catch_warnings(), disk_errors(out):
            _announce(plan, precision, resumed=(out / LAST_FILE).exists())
            writes = fit(module, out, machines, precision=precision, progress=progress, bar=bar)
        shown = checks.sets.get("", ())[:SHEET_PHOTOS]
        if writes and shown:
            from carmask.training.pictures import write_pictures

            write_pictures(module.as_network(), shown, out)
    return out / WEIGHTS_FILE


@contextmanager
def _alone(out: Path, machines: Machines) -> Iterator[None]:
    """Keep other trainings out of the run's folder: two would mix their checkpoints and remove each other's files.

    A folder that was made for a training which is refused is removed.
    """
    if os.environ.get("LOCAL_RANK", "0") != "0" or machines.nodes > 1:  # processes of the same training
        yield
        return
    new = not out.exists()
    make_folder(out)
    with only_run(out / LOCK_FILE, "another training runs"):
        try:
            yield
        except BaseException:
            with suppress(OSError):  # what was raised is the news
                if new and [file.name for file in out.iterdir()] == [LOCK_FILE]:
                    (out / LOCK_FILE).unlink()
                    out.rmdir()
            raise


def _write_run(plan: Plan, out: Path, precision: Precision) -> None:
    """Write what the run's folder says of the run, and copies of the models that it uses as other stages."""
    if os.environ.get("LOCAL_RANK", "0") == "0":  # the first of several processes, which start one after the other
        remove_leftovers(out, None)
        remove_leftovers(out / EPOCHS_FOLDER, None)
    write_description(out, plan.recipe, plan.info, plan.used, precision)
    for stage, copy in ((plan.localisation, out / LOCALISATION_FILE), (plan.base, out / BASE_FILE)):
        if stage is not None and stage != copy:
            write_atomically(copy, stage.read_bytes())


def _prepare(
    plan: Plan, out: Path, cache: Path, progress: ProgressLog, note: Callable[[int, int], None], *, mixed: bool
) -> tuple[Training, Checks]:
    """Decode the photos, and make the network with its initial weights."""
    import lightning

    from carmask.model.runtime import load_model
    from carmask.training.checkpoint import check_checkpoint
    from carmask.training.dataset.cache import build_cache
    from carmask.training.initial_weights import load_initial_weights, load_network
    from carmask.training.module import Training
    from carmask.training.validation import Checks

    recipe, info, sources = plan.recipe, plan.info, plan.sources
    # It runs on the processor, for each scene, whatever device is trained on.
    short = mixed and choose_precision("auto", "cpu") != "32-true"
    locating = None if plan.localisation is None else load_network(plan.localisation, mixed=short)
    base = None if plan.base is None else load_model(plan.base)
    photos = _decode(plan, cache, note, locating=locating, base=base)
    sets = plan.checks
    # A loss needs masks of what the network sees, which it chooses itself where it locates the car first.
    decoded = (
        build_cache(sets[""], info.size, cache, whole=recipe.scenes is not None, progress=note)
        if "" in sets and info.localisation_size is None
        else None
    )
    # The loss is on the masks that are trained on, or its curves could not be compared.
    binary = recipe.augment.binary and recipe.scenes is None
    checks = Checks(sets, plan.score_weights, decoded, binary=binary, border=recipe.border)
    lightning.seed_everything(recipe.seed, verbose=False)
    module = Training(
        recipe, photos, checks, info, mixed=mixed, locating=locating, base=base, out=out, epoch_done=progress.epoch_done
    )
    last = out / LAST_FILE
    if last.exists():
        check_checkpoint(last, module)
        return module, checks
    if sources.initial_weights is not None:
        # As the first epoch shows them: BatchNorm's statistics may have to be measured on them.
        first = module.first_photos(NORM_PHOTOS)
        known = initial_info(sources.initial_weights)
        load_initial_weights(
            module.model,
            sources.initial_weights,
            first,
            rescale=recipe.rescale_filters,
            new_head=known is not None and info.parts and known.classes != info.classes,
        )
    elif recipe.encoder.weights == "imagenet":
        module.model.network.load_encoder(sources.encoder_weights)
    if module.average is not None:
        module.average.module.load_state_dict(module.model.state_dict())
    return module, checks


def _decode(
    plan: Plan, cache: Path, note: Callable[[int, int], None], *, locating: Network | None, base: Network | None
) -> Mixture | ScenePool | ContourPool:
    """Decode the photos to train on, as the recipe shows them: along contours, in scenes, or as they are."""
    from carmask.training.dataset.anywhere.pool import build_pool
    from carmask.training.dataset.contour.pool import build_contour_pool

    recipe = plan.recipe
    largest = max((stage.size for stage in recipe.stages), key=lambda size: size[0] * size[1])
    extra = [(one.name, one.training(), one.share) for one in plan.extra]
    if recipe.contour is not None and plan.base is not None and base is not None:
        return build_contour_pool(plan.trained_on, extra, recipe.contour, base, plan.base, cache, progress=note)
    if recipe.scenes is not None:
        return build_pool(
            plan.trained_on, extra, plan.backgrounds, recipe.scenes, largest, cache, locating=locating, progress=note
        )
    # What locates the car first never stretches a photo: where the shapes differ, there are bars.
    whole = plan.info.localisation_size is not None and geometry.fit_letterbox(plan.photo, largest).inner != largest
    return build_mixture(
        plan.trained_on, plan.extra, plan.backgrounds, largest, cache, whole=whole, views=recipe.views, progress=note
    )


def _announce(plan: Plan, precision: str, *, resumed: bool) -> None:
    from carmask.training.progress_log import LOGGER

    if os.environ.get("LOCAL_RANK", "0") != "0":
        return  # the first process of several says it
    LOGGER.info(
        "%s %s: %s; %s of %s to train on, %s; precision %s",
        "resumed" if resumed else "started",
        plan.recipe.name,
        plan.info.training_data,
        counted(len(plan.trained_on), "photo"),
        counted(len(plan.split.train), "car"),
        counted(len(plan.split.validation), "validation car"),
        precision,
    )
    for one in plan.extra:
        LOGGER.info(
            "extra data %s: %.3g of the photos; %s to train on, %d held out",
            one.name,
            one.share,
            counted(len(one.split.train), "car"),
            len(one.split.validation),
        )
    if len(plan.checks) > 1:
        weights = ", ".join(f"{name or 'main data'} {value:.3g}" for name, value in plan.score_weights.items())
        LOGGER.info("score: mean Dice of the data sets, weighted: %s", weights)
    augment = [plan.recipe.changes(epoch) for epoch in range(plan.recipe.epochs)]
    used = plan.recipe.scenes is not None or any(one.background or one.negative for one in augment)
    if plan.backgrounds and not used:
        LOGGER.info("backgrounds are not used: augment.background and augment.negative are 0")
