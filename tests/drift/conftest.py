"""Rows of runs that were never made: photos of a studio, and of another one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from carmask.batch.measured import MadeWith, Measured

MODEL = MadeWith("some", "1", "ab" * 32)


def draw_rows(seed: int, cars: int, views: int = 4, *, shift: float = 0.0, model: MadeWith = MODEL) -> list[Measured]:
    """Photos of cars; ``shift`` darkens their background."""
    rng = np.random.default_rng(seed)
    rows = []
    for car in range(cars):
        paint = rng.normal(50, 20)
        for view in range(1, views + 1):
            measures = {
                "light": rng.normal(70, 2),
                "background_light": rng.normal(80, 3) - shift,
                "car_light": paint + rng.normal(0, 2),
                "area": rng.normal(-1.5, 0.2),
                "confidence": rng.uniform(0.97, 0.999),
                "uncertainty": rng.normal(-5, 0.5),
            }
            rows.append(
                Measured(
                    f"c{seed}x{car}_{view:02}", Path("out"), Path("photo.jpg"), True, "2026-11-2" + str(car % 9),
                    model, measures["confidence"], measures, review=bool(rng.random() < 0.05),
                )
            )  # fmt: skip
    return rows


@pytest.fixture
def rows():
    return draw_rows
