"""A small data set of drawn cars with predicted masks, for tests of scores and their pages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from carmask.formats.rle import rle_encode
from tests.cars import car_mask, car_photo


def write_scored(folder: Path, cars: int = 3, views: tuple[int, ...] = (1, 2)) -> Path:
    """Write ``data/`` with ``train/``, ``train_masks/`` and ``predicted/``, and ``predicted.csv`` beside it.

    The predicted masks miss a corner of each car, the later the larger.
    """
    data, rows = folder / "data", []
    for name in ("train", "train_masks", "predicted"):
        (data / name).mkdir(parents=True)
    for i, name in enumerate(f"car{car}_{view:02d}" for car in range(cars) for view in views):
        mask = np.roll(car_mask(), 4 * i, 1)
        predicted = mask.copy()
        predicted[150:200, 100 : 110 + 8 * i] = False
        Image.fromarray(car_photo(mask, (20, 20, 30))).save(data / "train" / f"{name}.png")
        Image.fromarray(mask).save(data / "train_masks" / f"{name}_mask.png")
        Image.fromarray(predicted).save(data / "predicted" / f"{name}_mask.png")
        rows.append(f"{name}.png,{rle_encode(predicted)}")
    (folder / "predicted.csv").write_text("img,rle_mask\n" + "\n".join(rows) + "\n")
    return data
