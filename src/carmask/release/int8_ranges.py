"""Let a model be computed in 8 bits: measure what enters its convolutions, and what the rounding costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from carmask.data.layouts import read_data
from carmask.data.table import Example, sample
from carmask.errors import DeviceError, ModelError, UsageError
from carmask.evaluation.scoring import evaluate
from carmask.images import make_folder
from carmask.machine import this_processor
from carmask.model.card import check_model_file, save_model
from carmask.model.file import find_model, read_info
from carmask.model.info import ModelInfo
from carmask.model.int8 import Ranges, measure_ranges
from carmask.model.network import FAMILIAR, GRAPHS, WHOLE, Stage
from carmask.model.openvino import OpenVINONetwork, read_merged
from carmask.prediction.predict import open_for
from carmask.prediction.specialist import is_familiar
from carmask.prediction.stages import localisation_input, localise, network_input, network_inputs, refinement_inputs
from carmask.release.calibration import check_names, scored_on, unseen
from carmask.training.export import with_info
from carmask.training.joined_graphs import read_graph

#: Photos of each data set that ranges are measured on.
PHOTOS = 48
#: Mean Dice that 8 bits may cost.
TOLERANCE = 0.0002


class Cost(NamedTuple):
    """What 8 bits cost on one data set, on cars not trained on.

    Attributes:
        floats: mean Dice in floats.
        eight: mean Dice in 8 bits.
        error: standard error of their difference, over the photos.
    """

    floats: float
    eight: float
    error: float

    @property
    def loss(self) -> float:
        """Mean Dice that is lost by 8 bits; below 0 if they score higher."""
        return self.floats - self.eight


class Quantized(NamedTuple):
    """What ``quantize`` found.

    Attributes:
        info: the model's new description.
        costs: by data set.
    """

    info: ModelInfo
    costs: dict[str, Cost]


def quantize(
    model: str | Path,
    data: Path,
    out: Path,
    *,
    extra: Sequence[Path] = (),
    tolerance: float = TOLERANCE,
    progress: Callable[[int, int], None] | None = None,
) -> Quantized:
    """Measure a model's ranges on photos it was trained on, score it in 8 bits on others, and write it with them.

    Weights stay as they are in the file: processors without 8-bit instructions, and GPUs, compute in floats as before.

    Args:
        model: a model file or the name of a shipped model.
        data: the data set whose validation cars the model names.
        out: the model file to write, its card beside it.
        extra: data sets from elsewhere, to measure and score on as well.
        tolerance: mean Dice that it may lose on any of them.
        progress: called with the number of photos done and of all.

    Returns:
        What was found.

    Raises:
        DeviceError: if this processor has no such instructions.
        UsageError: if the model was trained on all of a data set's cars, or is one of parts, or two folders have the
            same name.
        ModelError: if there is no such model, its file is damaged, it has no convolution to round, or loses more than
            ``tolerance`` by two standard errors: on few photos, more may be chance. Nothing is written then.
        DataError: if a data set is incomplete.
        PhotoError: if a photo or mask cannot be read.
        OutputError: if the file cannot be written.
    """
    if not (this_processor().vnni or this_processor().avx2):
        raise DeviceError("this processor has no 8-bit instructions (AVX2 or VNNI) to measure with")
    path = find_model(model)
    info = read_info(path).model_copy(update={"ranges": {}})
    if info.parts:
        raise UsageError(f"{model}: a model of parts; only models of whole cars are computed in 8 bits")
    check_model_file(out)
    check_names((data, *extra))
    make_folder(out.parent)
    plain = OpenVINONetwork(path, info)
    sets = {folder.resolve().name: _divide(info, folder) for folder in (data, *extra)}
    seen = [example for known, _ in sets.values() for example in known]
    stages = 1 + sum(one is not None for one in (info.localisation, info.specialist, info.refinement))
    total = stages * len(seen) + 2 * sum(len(held) for _, held in sets.values())
    done = 0

    def step(*_: int) -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress(done, total)

    ranges = _measure_stages(path, plain, seen, step)
    if not ranges:
        raise ModelError(f"{model}: it has no convolution that could be computed in 8 bits")
    info = info.model_copy(update={"ranges": ranges})
    rounded = OpenVINONetwork(path, info)
    costs: dict[str, Cost] = {}
    for name, (_, held) in sets.items():
        costs[name] = cost = _measure_cost(plain, rounded, held, step)
        # Written so that NaN fails.
        if not cost.loss - 2 * cost.error <= tolerance:
            raise ModelError(f"{out}: not written: 8 bits cost {cost.loss:.6f} mean Dice on {name}")
    name = data.resolve().name
    cars = {example.car for example in sets[name][1]}
    info = info.model_copy(update={"score": scored_on(info, cars, costs[name].eight, same_masks=False)})
    content = with_info(read_graph(path), info)
    save_model(out, info, content, like=path)
    return Quantized(info, costs)


def _measure_stages(
    path: Path, network: OpenVINONetwork, examples: Sequence[Example], step: Callable[[], None]
) -> Ranges:
    """Measure what enters the convolutions of all stages that the model has."""
    info = network.info
    ranges = measure_ranges(read_merged(path, info.size), _inputs(network, examples, step))
    if info.localisation is not None and info.localisation_size is not None:
        locating = read_merged(path, info.localisation_size, "localisation")
        ranges |= measure_ranges(locating, _whole_inputs(network, examples, step))
    if info.specialist is not None:
        special = read_merged(path, info.size, "specialist")
        ranges |= measure_ranges(special, _special_inputs(network, examples, step))
    if info.refinement is not None:
        refining = read_merged(path, info.refinement.size, "refinement")
        ranges |= measure_ranges(refining, _refinement_inputs(network, examples, step))
    return ranges


def _measure_cost(
    plain: OpenVINONetwork, rounded: OpenVINONetwork, held: Sequence[Example], step: Callable[..., None]
) -> Cost:
    floats, eight = ([one.dice for one in evaluate(network, held, progress=step)] for network in (plain, rounded))
    lost = np.subtract(floats, eight)
    return Cost(float(np.mean(floats)), float(np.mean(eight)), float(lost.std() / math.sqrt(len(lost))))


def _divide(info: ModelInfo, folder: Path) -> tuple[list[Example], list[Example]]:
    """Photos to measure ranges on, which the model has seen if there are such, and photos that it has not seen."""
    examples = read_data(folder)[0]
    held, seen = unseen(info, folder, examples), info.seen()
    known = [example for example in examples if example.car in seen] or held
    return sample(known, PHOTOS), held


def _inputs(
    network: OpenVINONetwork, examples: Sequence[Example], step: Callable[[], None]
) -> Iterator[dict[str, NDArray[Any]]]:
    for example in examples:
        inputs = network_inputs(network, open_for(network, example.photo))
        yield _named("segmentation", inputs)
        step()


def _whole_inputs(
    network: OpenVINONetwork, examples: Sequence[Example], step: Callable[[], None]
) -> Iterator[dict[str, NDArray[Any]]]:
    for example in examples:
        yield {WHOLE: localisation_input(network, open_for(network, example.photo))[0]}
        step()


def _special_inputs(
    network: OpenVINONetwork, examples: Sequence[Example], step: Callable[[], None]
) -> Iterator[dict[str, NDArray[Any]]]:
    """Crops of photos of the specialist's studio, which is all that it is given."""
    assert network.info.specialist is not None
    for example in examples:
        photo = open_for(network, example.photo)
        if is_familiar(photo.pixels, localise(network, photo), network.info.specialist, network.info.behaviour.gate):
            yield {FAMILIAR: network_input(network, photo)}
        step()


def _refinement_inputs(
    network: OpenVINONetwork, examples: Sequence[Example], step: Callable[[], None]
) -> Iterator[dict[str, NDArray[Any]]]:
    for example in examples:
        inputs = refinement_inputs(network, open_for(network, example.photo))
        if inputs is not None:
            yield _named("refinement", inputs)
        step()


def _named(stage: Stage, inputs: tuple[NDArray[Any], ...]) -> dict[str, NDArray[Any]]:
    return dict(zip((GRAPHS[stage].photo, GRAPHS[stage].guide), inputs, strict=False))
