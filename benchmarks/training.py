"""Training throughput, beside a plain segmentation_models_pytorch + Lightning script on the same network.

    python benchmarks/training.py --data DIR [--network smp:unet:mobilenet_v2] [--size 320x320] [--batch 8]
                                  [--photos 128] [--encoder-weights FILE]

DIR is a data set in the challenge's form. Two processes, one after the other, on the same photos, with the same
network, size, batch, loss (BCE + Dice) and optimiser; each is timed over whole epochs, so loading counts:

* plain: what the library's own examples do. Each photo is read and decoded at full size in the worker, resized to the
  input, flipped; 32-bit floats; Lightning's Trainer with its defaults; one worker for each core.
* carmask: ``carmask train``'s own loop, with its cache, channels_last, bf16 where the processor computes in it, memory
  kept, and flips as well. Filling the cache is timed apart and stated; it is paid once for all trainings.

Printed are photos a second of each and the ratio. Epoch 1 of each is left out: it holds start-up and, for carmask, the
first reading of the cache.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def plain(data: Path, network: str, size: tuple[int, int], batch: int, photos: int, epochs: int) -> dict[str, float]:
    """The usual script."""
    import cv2
    import lightning
    import numpy as np
    import segmentation_models_pytorch as smp
    import torch
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    from carmask.data.table import read_examples

    examples = read_examples(data)[:photos]

    class Photos(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(examples)

        def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
            example = examples[index]
            assert example.mask is not None
            photo = np.asarray(Image.open(example.photo).convert("RGB"))
            mask = (np.asarray(Image.open(example.mask).convert("L")) > 0).astype(np.float32)
            photo = cv2.resize(photo, size[::-1], interpolation=cv2.INTER_LINEAR)
            mask = cv2.resize(mask, size[::-1], interpolation=cv2.INTER_NEAREST)
            if np.random.default_rng().random() < 0.5:
                photo, mask = photo[:, ::-1], mask[:, ::-1]
            image = (photo.astype(np.float32) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
            chw = np.ascontiguousarray(image.transpose(2, 0, 1).astype(np.float32))
            return torch.from_numpy(chw), torch.from_numpy(np.ascontiguousarray(mask[None]))

    class Model(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            _, architecture, encoder = network.split(":")
            self.model = smp.create_model(architecture, encoder_name=encoder, encoder_weights=None, classes=1)
            self.bce, self.dice = torch.nn.BCEWithLogitsLoss(), smp.losses.DiceLoss("binary", from_logits=True)
            self.times: list[float] = []

        def training_step(self, pair: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
            logits = self.model(pair[0])
            loss: torch.Tensor = self.bce(logits, pair[1]) + self.dice(logits, pair[1])
            return loss

        def on_train_epoch_end(self) -> None:
            self.times.append(time.perf_counter())

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-4)

    loader = DataLoader(
        Photos(),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=os.cpu_count() or 1,
        persistent_workers=True,
    )
    model = Model()
    with tempfile.TemporaryDirectory() as folder:
        trainer = lightning.Trainer(
            max_epochs=epochs, accelerator="cpu", logger=False, enable_checkpointing=False, default_root_dir=folder
        )
        trainer.fit(model, loader)
    used = (len(examples) // batch) * batch * (epochs - 1)
    return {"rate": used / (model.times[-1] - model.times[0]), "cache": 0.0}


def ours(data: Path, network: str, size: tuple[int, int], batch: int, photos: int, epochs: int) -> dict[str, float]:
    """``carmask train``'s own loop, without validation, as the plain script has none."""
    import lightning
    from lightning.pytorch.callbacks import Callback

    from carmask.data.table import read_examples
    from carmask.memory import keep_memory
    from carmask.model.info import ModelInfo
    from carmask.training.dataset.cache import build_cache
    from carmask.training.dataset.mixture import Mixture
    from carmask.training.machines import choose_precision
    from carmask.training.module import Training
    from carmask.training.recipe import load_recipe
    from carmask.training.validation import Checks

    keep_memory()
    examples = read_examples(data)[:photos]
    stage = f"stages=[{{height={size[0]},width={size[1]},batch={batch},epochs={epochs}}}]"
    changes = [f"network={network}", stage, "epoch_photos=0", "average=0", "check_photos=0", "optimizer=adam"]
    changes += [f"augment.{name}=0" for name in ("shift", "scale", "rotate", "brightness", "contrast", "hue", "grey")]
    recipe = load_recipe("default", [*changes, "learning_rate=1e-4"])
    info = ModelInfo(
        name="benchmark",
        version="1",
        network=network,
        height=size[0],
        width=size[1],
        normalisation="",
        threshold=0.5,
        training_data="",
        licence="",
    )
    times: list[float] = []

    class Clock(Callback):
        def on_train_epoch_end(self, *_: object) -> None:
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        cache = build_cache(examples, size, Path(folder) / "cache")
        filled = time.perf_counter() - started
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            precision=choose_precision(recipe.precision, "cpu"),
            reload_dataloaders_every_n_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_model_summary=False,
            callbacks=[Clock()],
        )
        trainer.fit(Training(recipe, Mixture(cache), Checks(), info))
    used = (len(examples) // batch) * batch * (epochs - 1)
    return {"rate": used / (times[-1] - times[0]), "cache": filled}


def main() -> None:
    """Measure both, or, in a child process, one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/carvana"))
    parser.add_argument("--network", default="smp:unet:mobilenet_v2")
    parser.add_argument("--size", default="320x320")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--photos", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--one", choices=("plain", "carmask"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    width, height = (int(side) for side in arguments.size.split("x"))
    if arguments.one:
        run = plain if arguments.one == "plain" else ours
        found = run(
            arguments.data, arguments.network, (height, width), arguments.batch, arguments.photos, arguments.epochs
        )
        print(json.dumps(found))
        return
    if not (arguments.data / "train").is_dir():
        print(f"skipped: no real photos at {arguments.data}; name a folder with --data")
        return
    rates = {}
    for one in ("plain", "carmask"):
        command = [sys.executable, __file__, "--one", one, *sys.argv[1:]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr[-3000:])
        found = json.loads(done.stdout.strip().splitlines()[-1])
        rates[one] = found["rate"]
        apart = f"; filling the cache took {found['cache']:.1f} s, once" if found["cache"] else ""
        print(f"{one:8} {found['rate']:8.2f} photos/s{apart}", flush=True)
    print(
        f"{arguments.network} at {arguments.size}, batch {arguments.batch}, {os.cpu_count()} cores: carmask trains "
        f"{rates['carmask'] / rates['plain']:.2f} times as fast"
    )


if __name__ == "__main__":
    main()
