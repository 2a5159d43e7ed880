"""Read all labels of a data set of car parts, and count the parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.data.annotated import PartsExample
from carmask.data.duplicates import near_duplicates
from carmask.data.parts import read_checked, read_parts
from carmask.errors import DataError
from carmask.failures import Failure, describe_failure
from carmask.words import counted


class PartCount(NamedTuple):
    """How often a part occurs: its name, photos that show it, and its fraction of all pixels."""

    name: str
    photos: int
    share: float


class PartsSurvey(NamedTuple):
    """What a data set of parts holds.

    Attributes:
        photos: how many photos were read.
        counts: of the background and of each part.
        alike: names of two photos of the same scene, and their correlation, the most alike first.
        failures: photos whose picture or labels cannot be read.
    """

    photos: int
    counts: list[PartCount]
    alike: list[tuple[str, str, float]]
    failures: list[Failure]


def survey_parts(data: Path, *, progress: Callable[[int, int], None] | None = None) -> PartsSurvey:
    """Read all labels of a data set of parts.

    Args:
        data: the data set.
        progress: called with the number of photos done and of all.

    Returns:
        What was counted, and a failure for each photo that could not be read.

    Raises:
        DataError: if it is not a data set of parts, or no photo could be read.
    """
    examples, names = read_parts(data)
    photos, pixels = np.zeros(256, np.int64), np.zeros(256, np.int64)
    good: list[PartsExample] = []
    failures: list[Failure] = []
    for done, example in enumerate(examples, 1):
        try:
            counts: NDArray[np.int64] = np.bincount(read_checked(example).ravel(), minlength=256)
        except Exception as error:  # noqa: BLE001  # whatever one photo raises, the others go on
            failures.append(describe_failure(example.name, error))
        else:
            photos, pixels = photos + (counts > 0), pixels + counts
            good.append(example)
        if progress is not None:
            progress(done, len(examples))
    if not good:
        raise DataError(
            f"{data}: none of {counted(len(examples), 'photo')} could be read; the first: {failures[0].reason}"
        )
    total = max(int(pixels.sum()), 1)
    parts = [
        PartCount(name, int(photos[label]), float(pixels[label] / total))
        for label, name in enumerate(("background", *names))
    ]
    return PartsSurvey(len(good), parts, _alike(good, failures), failures)


def _alike(examples: list[PartsExample], failures: list[Failure]) -> list[tuple[str, str, float]]:
    photos = [example.photo for example in examples]
    try:
        return [(photos[one].name, photos[other].name, alike) for one, other, alike in near_duplicates(photos)]
    except Exception as error:  # noqa: BLE001  # labels can be counted even if a photo's pixels cannot be read
        failures.append(describe_failure("near duplicates", error))
        return []
