"""Run a recipe on a data set."""

from __future__ import annotations

import csv
import io
import json
import logging
import math
import platform
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from pydantic import ValidationError

from carmask import geometry
from carmask._version import __version__
from carmask.data.classes import mirrored
from carmask.data.dataset import read_data
from carmask.data.duplicates import group_cars
from carmask.data.split import Split, split_cars
from carmask.data.table import Example, of_cars, sample
from carmask.errors import DataError, DeviceError, RecipeError
from carmask.images import make_folder, picture_size, write_atomically
from carmask.model.info import ExtraData, ModelInfo
from carmask.networks import find_network
from carmask.training.budget import ProcessorBudget
from carmask.training.checkpoint import WholeCheckpointIO, check_checkpoint
from carmask.training.dataset.cache import build_cache
from carmask.training.extra_data import ExtraSet, Sources, build_mixture, read_extra
from carmask.training.history import Row, read_history
from carmask.training.initial_weights import INFO_FILE, initial_info, load_initial_weights
from carmask.training.losses import WITH_BCE, LabelLoss, find_loss
from carmask.training.memory import keep_memory
from carmask.training.module import Training
from carmask.training.pictures import write_pictures
from carmask.training.predictor import IMAGENET_MEAN, IMAGENET_STD, TorchNetwork
from carmask.training.recipe import EarlyStoppingSettings, Recipe

RECIPE_FILE = "recipe.json"
WEIGHTS_FILE = "weights.safetensors"
VERSIONS_FILE = "versions.json"
DATA_FILE = "data.csv"
LAST_FILE = "last.ckpt"
BEST_FILE = "best.ckpt"
#: Photos on the sheet of a finished run.
SHEET_PHOTOS = 6
#: Photos that BatchNorm's statistics of a model file are measured on.
START_PHOTOS = 32

Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Machines:
    """What a training runs on.

    Attributes:
        device: ``cpu``, ``cuda`` or ``auto``.
        devices: how many of them on each machine (processes, on a CPU).
        nodes: machines.
        strategy: how they work together, a name that Lightning knows; ``auto`` is plain or DDP.
        minutes: stop after so much training and keep what was reached; None for no limit.
        processor_minutes: the same in processor time (``ProcessorBudget``).
    """

    device: str = "auto"
    devices: int = 1
    nodes: int = 1
    strategy: str = "auto"
    minutes: float | None = None
    processor_minutes: float | None = None


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    sources: Sources | None = None,
    cache: Path | None = None,
    machines: Machines | None = None,
    report: Report | None = None,
) -> Path:
    """Train a network, or go on with a training that was interrupted.

    Args:
        recipe: the settings.
        data: a data set as ``read_data`` takes it.
        out: folder of the run: settings, versions, split, history, curves, checkpoint, and at the end the weights and
            sheets. If it holds a checkpoint of the same recipe, training goes on from there.
        sources: extra data, backgrounds, weights to begin with.
        cache: folder for decoded photos, shared by runs; ``cache`` beside ``out`` by default.
        machines: what to train on; one device, whatever there is, by default.
        report: called with what is being done, the number done and the number of all.

    Returns:
        The file of the trained weights.

    Raises:
        DataError: if the data set is incomplete.
        PhotoError: if a photo or mask cannot be read.
        RecipeError: if ``out`` holds a run of another recipe or with other extra data, or the recipe cannot be run.
        UnknownNameError: if the recipe's network or loss does not exist.
        WeightsError: if the encoder's or the start's weights cannot be had, or the checkpoint is damaged or of another
            network.
        ModelError: if there is no such model to start from.
        DeviceError: if the device that was asked for is not there.
        OutputError: if the run's files cannot be written.
    """
    keep_memory()
    machines, sources = machines or Machines(), sources or Sources()
    # Everything that can be wrong with the request is found before anything is written.
    examples, classes = read_data(data)
    _check(recipe, classes, machines)
    _check_same(recipe, out)
    extra = read_extra(sources, seed=recipe.seed)
    # Photos of the challenge are by car; parts come from anywhere, and the same photo may be there twice.
    groups = group_cars(examples) if len(classes) > 1 else None
    split = split_cars({example.car for example in examples}, recipe.validation, seed=recipe.seed, groups=groups)
    trained_on = of_cars(examples, split.train)
    if recipe.epoch_photos == 0 and len(trained_on) < max(stage.batch for stage in recipe.stages):
        raise RecipeError(f"{data}: {len(trained_on)} photos to train on do not fill a batch")
    checks = sample(of_cars(examples, split.validation), recipe.check_photos)
    if recipe.early_stopping is not None and not checks:
        raise RecipeError("validation: early stopping needs cars to validate on; raise validation, or leave it out")
    photo = picture_size(trained_on[0].photo)
    info = _describe(recipe, data, split, classes, photo)
    info = info.model_copy(update={"extra_data": tuple(one.describe() for one in extra)})
    if sources.initial_weights is not None:
        info = _begun_with(
            initial_info(sources.initial_weights), info, {example.car for example in examples}, sources.initial_weights
        )
    info = _check_extra(info, out)

    note = None if report is None else lambda done, total: report("decoding photos", done, total)
    home = cache or out.resolve().parent / "cache"
    largest = max((stage.size for stage in recipe.stages), key=lambda size: size[0] * size[1])
    # What locates the car first never stretches a photo: where the shapes differ, there are bars.
    whole = info.localisation_size is not None and geometry.fit_letterbox(photo, largest).inner != largest
    photos = build_mixture(trained_on, extra, sources.backgrounds, largest, home, whole=whole, progress=note)
    # A loss needs masks of what the network sees, which it chooses itself where it locates the car first.
    check_photos = (
        build_cache(checks, info.size, home, progress=note) if checks and info.localisation_size is None else None
    )
    lightning.seed_everything(recipe.seed, verbose=False)
    module = Training(recipe, photos, checks, info, check_cache=check_photos, out=out)
    module.extra_checks = {one.name: sample(one.validation(), recipe.check_photos // 2) for one in extra}
    last = out / LAST_FILE
    if last.exists():
        check_checkpoint(last, module)
    else:
        _begin(module, recipe, sources)
        if module.average is not None:
            module.average.module.load_state_dict(module.model.state_dict())

    make_folder(out)
    write_atomically(out / RECIPE_FILE, recipe.model_dump_json(indent=1).encode())
    write_atomically(out / INFO_FILE, info.model_dump_json(indent=1).encode())
    write_atomically(out / VERSIONS_FILE, json.dumps(_versions(), indent=1).encode())
    write_atomically(out / DATA_FILE, _list_data(examples, split, extra))
    with warnings.catch_warnings():
        writes = _fit(module, recipe, out, machines)
    if writes:
        _save(module, out)
        if checks:
            write_pictures(TorchNetwork(module.best_model(), info), checks[:SHEET_PHOTOS], out)
    return out / WEIGHTS_FILE


def _check(recipe: Recipe, classes: tuple[str, ...], machines: Machines) -> None:
    entry, loss = find_network(recipe.network), find_loss(recipe.loss)
    with torch.device("meta"):
        network = entry.build(len(classes))
    for stage in recipe.stages:
        for height, width in (stage.size, stage.shown, stage.locate or stage.size):
            if min(height, width) < 1 or height % network.multiple or width % network.multiple:
                raise RecipeError(f"stages: {width}x{height}: {recipe.network} takes multiples of {network.multiple}")
            if height > stage.height or width > stage.width:
                raise RecipeError(f"stages: a window of {width}x{height} in photos of {stage.width}x{stage.height}")
        if stage.locate is not None and len(classes) > 1:
            raise RecipeError("stages: locate is for masks of whole cars, not for parts")
        if 0 < recipe.epoch_photos < stage.batch:
            raise RecipeError(f"epoch_photos: {recipe.epoch_photos} do not fill a batch of {stage.batch}")
    if isinstance(loss, LabelLoss) and network.channels == 1:
        raise RecipeError(f"loss: {recipe.loss} needs several channels, {recipe.network} has one; use bce")
    if recipe.class_weights != "none" and not (isinstance(loss, LabelLoss) and len(classes) > 1):
        raise RecipeError("class_weights: they are for parts, and a sparse-categorical loss; set class_weights=none")
    if recipe.border and recipe.loss not in WITH_BCE:
        raise RecipeError(f"border: {recipe.loss} has no BCE to weigh; use one of: {', '.join(sorted(WITH_BCE))}")
    if len(classes) > 1 and any(recipe.changes(epoch).changes_scenes for epoch in range(recipe.epochs)):
        raise RecipeError("augment: background, negative and crop are for masks of whole cars; set them to 0")
    if len(classes) > 1 and recipe.augment.mirrors:
        try:
            mirrored(classes)
        except DataError as error:
            raise RecipeError(f"augment: {error}; set flip, flip_up_down and five to 0") from error
    if (recipe.encoder.weights == "imagenet" or recipe.encoder.frozen) and network.encoder_module() is None:
        raise RecipeError(
            f"encoder: {recipe.network} has none; use --set encoder.weights=none --set encoder.frozen=false"
        )
    if recipe.early_stopping is not None and recipe.early_stopping.monitor == "f1" and len(classes) == 1:
        raise RecipeError("early_stopping.monitor: f1 is measured on parts only; use dice")
    if recipe.early_stopping is not None and recipe.early_stopping.monitor == "loss" and recipe.stages[-1].locate:
        raise RecipeError("early_stopping.monitor: with locate no loss is measured; use dice")
    if machines.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("no CUDA device is available to torch; use --device cpu")


def _check_same(recipe: Recipe, out: Path) -> None:
    file = out / RECIPE_FILE
    if not file.exists():
        return
    try:
        before = Recipe.model_validate_json(file.read_text())
    except ValidationError as error:
        raise RecipeError(f"{file}: not settings of a run that this version can go on with") from error
    if before != recipe:
        raise RecipeError(f"{out}: holds a run with other settings; name another folder with --out")


def _begun_with(start: ModelInfo | None, info: ModelInfo, cars: set[str], file: Path) -> ModelInfo:
    """Note what the start has seen, and refuse to validate on it: the score would flatter."""
    if start is None:
        return info
    extra = [{*one.training_cars, *one.validation_cars} for one in info.extra_data]
    held = {car for names in (cars, *extra) for car in start.seen_of(names)}
    held &= {*info.validation_cars, *(car for one in info.extra_data for car in one.validation_cars)}
    if held:
        raise RecipeError(
            f"{file}: was trained on {len(held)} of the cars that this run would validate on ({min(held)}): its score "
            "would flatter; keep the split it was trained with (validation and seed of its recipe)"
        )
    rest = start.seen() - info.seen()
    if not rest:
        return info
    before = ExtraData(name=start.name, share=0.0, training_cars=tuple(sorted(rest)), validation_cars=())
    return info.model_copy(update={"extra_data": (*info.extra_data, before)})


def _check_extra(info: ModelInfo, out: Path) -> ModelInfo:
    """Refuse to go on with a run of other data; what it began with it knows, if this call does not say so again."""
    file = out / INFO_FILE
    if not file.exists():
        return info
    try:
        before = ModelInfo.model_validate_json(file.read_text())
    except ValidationError as error:
        raise RecipeError(f"{file}: not the description of a run that this version can go on with") from error
    if [one for one in before.extra_data if one.share] != [one for one in info.extra_data if one.share]:
        raise RecipeError(f"{out}: holds a run with other extra data; name another folder with --out")
    return info.model_copy(update={"extra_data": before.extra_data})


def _begin(module: Training, recipe: Recipe, sources: Sources) -> None:
    """Load what the training begins with."""
    if sources.initial_weights is not None:
        # As the first epoch shows them: BatchNorm's statistics may have to be measured on them.
        first = module.first_photos(START_PHOTOS)
        load_initial_weights(module.model, sources.initial_weights, first)
    elif recipe.encoder.weights == "imagenet":
        module.model.network.load_encoder(sources.encoder_weights)


def _fit(module: Training, recipe: Recipe, out: Path, machines: Machines) -> bool:
    """Train; whether this process, of several, is the one that writes the results."""
    last, best = out / LAST_FILE, out / BEST_FILE
    writes = True
    stop = recipe.early_stopping
    # Lightning would train one epoch more before it stops again.
    if stop is None or not last.exists() or not has_stopped(read_history(out), stop):
        trainer = _trainer(recipe, out, machines)
        trainer.fit(module, ckpt_path=last if last.exists() else None, weights_only=True)
        writes = trainer.is_global_zero
    if stop is not None and best.exists():
        module.load_state_dict(torch.load(best, map_location="cpu", weights_only=True)["state_dict"])
    return writes


def has_stopped(rows: Sequence[Row], stop: EarlyStoppingSettings) -> bool:
    """Whether training ended early after these epochs, by the rule that Lightning's ``EarlyStopping`` follows."""
    sign = -1.0 if stop.monitor == "loss" else 1.0
    best, waited = -math.inf, 0
    for row in rows:
        value = sign * row[f"validation/{stop.monitor}"]
        if value - stop.min_delta > best:
            best, waited = value, 0
        else:
            waited += 1
    return waited >= stop.patience


def _trainer(recipe: Recipe, out: Path, machines: Machines) -> lightning.Trainer:
    callbacks: list[Callback] = [
        ModelCheckpoint(out, filename="last", enable_version_counter=False, save_on_train_epoch_end=True, save_top_k=1)
    ]
    if (stop := recipe.early_stopping) is not None:
        monitor, mode = f"validation/{stop.monitor}", "min" if stop.monitor == "loss" else "max"
        callbacks.append(
            ModelCheckpoint(
                out,
                filename="best",
                monitor=monitor,
                mode=mode,
                enable_version_counter=False,
                save_on_train_epoch_end=True,
                save_weights_only=True,
            )
        )
        callbacks.append(
            EarlyStopping(
                monitor, stop.min_delta, stop.patience, mode=mode, check_on_train_epoch_end=True, verbose=False
            )
        )
    if machines.processor_minutes is not None:
        callbacks.append(ProcessorBudget(60 * machines.processor_minutes))
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning")
    return lightning.Trainer(
        max_epochs=recipe.epochs,
        max_time=None if machines.minutes is None else timedelta(minutes=machines.minutes),
        accelerator="gpu" if machines.device == "cuda" else machines.device,
        devices=machines.devices,
        num_nodes=machines.nodes,
        strategy=machines.strategy,
        precision=recipe.precision,
        reload_dataloaders_every_n_epochs=1,
        logger=TensorBoardLogger(str(out), name="", version="log"),
        plugins=[WholeCheckpointIO()],
        callbacks=callbacks,
        enable_model_summary=False,
        log_every_n_steps=10,
    )


def _save(module: Training, out: Path) -> None:
    from safetensors.torch import save

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.best_model().state_dict().items()}
    write_atomically(out / WEIGHTS_FILE, save(state))


def _describe(recipe: Recipe, data: Path, split: Split, classes: tuple[str, ...], photo: tuple[int, int]) -> ModelInfo:
    final = recipe.stages[-1]
    values = [", ".join(f"{255 * value:.3f}" for value in row) for row in (IMAGENET_MEAN, IMAGENET_STD)]
    height, width = final.taken
    return ModelInfo(
        name=recipe.name,
        version="1",
        network=recipe.network,
        classes=classes,
        height=height,
        width=width,
        localisation_size=final.locate,
        # Photos are stretched for training; where that is more than prediction would do, it must do so too.
        stretch=final.locate is None and geometry.fit_letterbox(photo, (height, width)).inner != (height, width),
        trained_in={"32-true": "float32", "bf16-mixed": "bfloat16", "16-mixed": "float16"}[recipe.precision],
        normalisation=f"in the graph: RGB of 0 to 255, minus ({values[0]}), divided by ({values[1]})",
        threshold=0.5,
        training_data=f"{len(split.train)} cars of {data.resolve().name}",
        training_cars=split.train,
        validation_cars=split.validation,
        licence="the terms of the training data apply",
    )


def _versions() -> dict[str, str]:
    packages = ("torch", "torchvision", "lightning", "numpy", "opencv-python-headless", "segmentation-models-pytorch")
    found = {package: version(package) for package in packages}
    return {"carmask": __version__, "python": platform.python_version(), "machine": platform.machine(), **found}


def _list_data(examples: list[Example], split: Split, extra: Sequence[ExtraSet]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(("image", "car", "view", "use", "file"))
    for these, by in ((examples, split), *((one.examples, one.split) for one in extra)):
        use = dict.fromkeys(by.train, "train") | dict.fromkeys(by.validation, "validation")
        writer.writerows((e.name, e.car, e.view, use[e.car], e.photo) for e in these)
    return buffer.getvalue().encode()
