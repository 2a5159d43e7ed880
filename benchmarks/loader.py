"""Does loading keep up with training? Photos a second of the loader alone, and of the fastest recipe's step.

    python benchmarks/loader.py [--data DIR] [--photos N] [--seconds S]

DIR is a data set in the challenge's form; without it, photos of 1918x1280 are drawn. Measured are, on this machine:

* decoding: each photo once, from the file, at the size the recipe trains at (what fills the cache);
* the loader alone: cached photos, augmented as the recipe says, in batches, through the same worker processes;
* the step alone: forward, backward and optimiser on a batch that is already there, for every shipped recipe of CARS;
* the ratio of the last two. The claim: at least 2 for the fastest recipe.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader

from carmask.data.table import Example, car_and_view, read_examples
from carmask.memory import keep_memory
from carmask.networks import build
from carmask.training.dataset.cache import PhotoCache, build_cache
from carmask.training.dataset.epoch import EpochPhotos
from carmask.training.dataset.mixture import Mixture
from carmask.training.losses import compute_loss, find_loss
from carmask.training.predictor import Normalised
from carmask.training.recipe import Recipe, load_recipe

#: Recipes on car masks, light ones first.
CARS = ("cnn-small", "mobilenetv2-160x240", "mobilenetv2-pix2pix", "default", "unet-small", "unet-320-augmented")


def drawn(folder: Path, count: int) -> list[Example]:
    """Photos of the challenge's size with noise, which compresses no better than real ones."""
    rng = np.random.default_rng(0)
    mask = np.zeros((1280, 1918), bool)
    mask[500:900, 400:1500] = True
    examples = []
    Image.fromarray(mask).save(folder / "mask.png")
    for index in range(count):
        name = f"car{index // 16}_{index % 16 + 1:02}"
        photo = rng.integers(0, 256, (80, 120, 3), np.uint8)
        picture = Image.fromarray(photo).resize((1918, 1280), Image.Resampling.BICUBIC)
        picture.save(folder / f"{name}.jpg", quality=92)
        examples.append(Example(name, folder / f"{name}.jpg", folder / "mask.png", None, *car_and_view(name)))
    return examples


def loading(recipe: Recipe, cache: PhotoCache, seconds: float) -> float:
    """Photos a second of the loader alone."""
    stage = recipe.stages[0]
    order = np.resize(np.arange(len(cache)), 100_000).astype(np.int64)
    photos = EpochPhotos(Mixture(cache), order, stage, recipe.augment, seed=(0,))
    workers = max(1, min(8, (os.cpu_count() or 2) // 2))
    batches = iter(DataLoader(photos, batch_size=stage.batch, num_workers=workers, prefetch_factor=4))
    for _ in islice(batches, 8):
        pass
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        done += len(next(batches)[0])
    return done / (time.perf_counter() - started)


def stepping(recipe: Recipe, seconds: float) -> float:
    """Photos a second of the training step alone."""
    stage = recipe.stages[0]
    model = Normalised(build(recipe.network)).to(memory_format=torch.channels_last)
    if recipe.encoder.frozen:
        model.network.freeze_encoder()
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    loss = find_loss(recipe.loss)
    pixels = torch.randint(0, 256, (stage.batch, stage.height, stage.width, 3), dtype=torch.uint8)
    masks = torch.randint(0, 2, (stage.batch, stage.height, stage.width), dtype=torch.uint8) * 255
    done, started = 0, 0.0
    for step in range(10_000):
        if step == 2:
            started = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16-mixed"):
            scores = model(pixels)
        value = compute_loss(loss, scores, masks, model.network.car_channels, labels=False)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        if step >= 2:
            done += stage.batch
            if time.perf_counter() - started > seconds:
                break
    return done / (time.perf_counter() - started)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--photos", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=4.0)
    arguments = parser.parse_args()
    keep_memory()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        examples = (
            drawn(home, arguments.photos)
            if arguments.data is None
            else read_examples(arguments.data)[: arguments.photos]
        )
        print(f"{len(examples)} photos, {os.cpu_count()} cores")
        print(f"{'recipe':24} {'input':>9} {'decode/s':>9} {'loader/s':>9} {'step/s':>9} {'ratio':>6}")
        rates = {}
        for name in CARS:
            recipe = load_recipe(name)
            stage = recipe.stages[0]
            started = time.perf_counter()
            cache = build_cache(examples, (stage.height, stage.width), home / "cache" / name)
            decoding = len(examples) / (time.perf_counter() - started)
            load, step = loading(recipe, cache, arguments.seconds), stepping(recipe, arguments.seconds)
            rates[name] = (load, step)
            size = f"{stage.width}x{stage.height}"
            print(f"{name:24} {size:>9} {decoding:9.1f} {load:9.1f} {step:9.1f} {load / step:6.1f}", flush=True)
    fastest = max(rates, key=lambda name: rates[name][1])
    load, step = rates[fastest]
    verdict = "holds" if load >= 2 * step else "DOES NOT HOLD"
    print(f"the fastest recipe is {fastest}: the loader delivers {load / step:.1f} times what it consumes; 2 {verdict}")


if __name__ == "__main__":
    main()
