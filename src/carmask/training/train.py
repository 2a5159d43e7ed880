"""Run a recipe on a data set."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable
from pathlib import Path

import lightning
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger

from carmask.data.split import Split, split_cars
from carmask.data.table import Example, of_cars, read_examples
from carmask.errors import RecipeError, WeightsError
from carmask.images import make_folder, write_atomically
from carmask.inference.model import ModelInfo
from carmask.training.cache import build_cache
from carmask.training.memory import keep_memory
from carmask.training.module import IMAGENET_MEAN, IMAGENET_STD, Training
from carmask.training.recipe import Recipe

RECIPE_FILE = "recipe.json"
INFO_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"

Report = Callable[[str, int, int], None]


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    *,
    encoder_weights: Path | None = None,
    cache: Path | None = None,
    device: str = "auto",
    report: Report | None = None,
) -> Path:
    """Train a network, or go on with a training that was interrupted.

    Args:
        recipe: the settings.
        data: a data set as ``read_examples`` takes it.
        out: folder of the run: settings, split, log, checkpoint, and at the end the weights. If it holds a
            checkpoint of the same recipe, training goes on from there.
        encoder_weights: a safetensors file in place of the library's download.
        cache: folder for decoded photos, shared by runs; ``cache`` beside ``out`` by default.
        device: ``cpu``, ``cuda`` or ``auto``.
        report: called with what is being done, the number done and the number of all.

    Returns:
        The file of the trained weights.

    Raises:
        DataError: if the data set is incomplete.
        RecipeError: if ``out`` holds a run of another recipe, or the recipe cannot be run.
        WeightsError: if the encoder's weights cannot be had.
        OutputError: if the run's files cannot be written.
    """
    keep_memory()
    make_folder(out)
    examples = read_examples(data)
    split = split_cars({example.car for example in examples}, recipe.validation, seed=recipe.seed)
    _settle(recipe, out)
    info = _describe(recipe, data, split)
    write_atomically(out / INFO_FILE, info.model_dump_json(indent=1).encode())

    trained_on = of_cars(examples, split.train)
    largest = max(((stage.height, stage.width) for stage in recipe.stages), key=lambda size: size[0] * size[1])
    photos = build_cache(
        trained_on,
        largest,
        cache or out.parent / "cache",
        progress=None if report is None else lambda done, total: report("decoding photos", done, total),
    )
    lightning.seed_everything(recipe.seed, verbose=False)
    module = Training(recipe, photos, _sample(of_cars(examples, split.validation), recipe.check_photos), info)
    last = out / "last.ckpt"
    if not last.exists() and recipe.encoder.weights == "imagenet":
        load = getattr(module.model.network, "load_encoder", None)
        if load is None:
            raise RecipeError(f"{recipe.network} has no encoder with ImageNet weights; use --set encoder.weights=none")
        load(encoder_weights)
        module.average.module.load_state_dict(module.model.state_dict())

    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="lightning")
        trainer = lightning.Trainer(
            max_epochs=recipe.epochs,
            accelerator="gpu" if device == "cuda" else device,
            precision=recipe.precision,
            reload_dataloaders_every_n_epochs=1,
            logger=CSVLogger(out, name="", version="log"),
            callbacks=[
                ModelCheckpoint(
                    out, filename="last", enable_version_counter=False, save_on_train_epoch_end=True, save_top_k=1
                )
            ],
            enable_model_summary=False,
            log_every_n_steps=10,
        )
        try:
            trainer.fit(module, ckpt_path=last if last.exists() else None, weights_only=True)
        except RuntimeError as error:
            if last.exists() and "state_dict" in str(error):
                raise WeightsError(f"{last}: a checkpoint of another network") from error
            raise
    return _save(module, out)


def _save(module: Training, out: Path) -> Path:
    from safetensors.torch import save

    state = {name: tensor.detach().cpu().contiguous() for name, tensor in module.best_model().state_dict().items()}
    write_atomically(out / WEIGHTS_FILE, save(state))
    return out / WEIGHTS_FILE


def _settle(recipe: Recipe, out: Path) -> None:
    file = out / RECIPE_FILE
    text = recipe.model_dump_json(indent=1)
    if file.exists() and json.loads(file.read_text()) != json.loads(text):
        raise RecipeError(f"{out}: holds a run with other settings; name another folder with --out")
    write_atomically(file, text.encode())


def _sample(examples: list[Example], count: int) -> list[Example]:
    # One step more than a whole number of cars at a time: the sample goes through the cars and through the views.
    step = len(examples) // max(1, count) + 1
    return list(dict.fromkeys(examples[index * step % len(examples)] for index in range(count)))


def _describe(recipe: Recipe, data: Path, split: Split) -> ModelInfo:
    final = recipe.stages[-1]
    values = [", ".join(f"{255 * value:.3f}" for value in row) for row in (IMAGENET_MEAN, IMAGENET_STD)]
    return ModelInfo(
        name=recipe.name,
        version="1",
        network=recipe.network,
        height=final.height,
        width=final.width,
        normalisation=f"in the graph: RGB of 0 to 255, minus ({values[0]}), divided by ({values[1]})",
        threshold=0.5,
        training_data=f"{len(split.train)} cars of {data.resolve().name}",
        training_cars=split.train,
        validation_cars=split.validation,
        licence="the terms of the training data apply",
    )
