"""Give a model file its calibration: what confidence features mean for this network, from photos it has not seen."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from carmask import geometry
from carmask.arrays import Mask
from carmask.data.layouts import read_data
from carmask.data.split import split_cars
from carmask.data.table import Example, of_cars
from carmask.errors import DataError, UsageError
from carmask.evaluation.calibration import STUDIO, Case, fit_calibration
from carmask.evaluation.contours import contour_scores
from carmask.evaluation.overlap import dice
from carmask.evaluation.reliability import CalibrationReliability, check_calibration
from carmask.evaluation.scoring import open_pair
from carmask.images import ReducedPhoto, make_folder
from carmask.model.calibration import Calibration
from carmask.model.card import check_model_file, save_model
from carmask.model.file import find_model
from carmask.model.info import ModelInfo
from carmask.model.network import Network, Redescribed
from carmask.model.runtime import load_model
from carmask.prediction.components import remove_small_components
from carmask.prediction.confidence import measure_map
from carmask.prediction.crops import largest_useful_size
from carmask.prediction.probability_map import ProbabilityMap
from carmask.prediction.stages import predict_map
from carmask.prefetch import prefetch
from carmask.training.dataset.hard_scenes import MAKERS
from carmask.training.export import with_info
from carmask.training.joined_graphs import read_graph
from carmask.words import counted

#: Thresholds that are tried, if one is to be chosen.
THRESHOLDS = tuple(round(0.4 + 0.02 * step, 2) for step in range(11))
#: Of every so many photos, one is made into a hard scene of each kind.
HARD_EVERY = 31


class Calibrated(NamedTuple):
    """What ``calibrate`` found.

    Attributes:
        info: the model's new description.
        reliability: how far the confidence can be relied on, fitted on one half of the cars and tested on the other.
        gain: mean Dice that the chosen threshold brought on the tested half; None if the threshold was left.
        cases: the tested half.
        tested: the calibration that was tested. The model's own is fitted to both halves.
        dice: mean Dice of the photos of ``data``, whether or not it is the model's score.
    """

    info: ModelInfo
    reliability: CalibrationReliability
    gain: float | None
    cases: list[Case]
    tested: Calibration
    dice: float


class _Scored(NamedTuple):
    case: Case
    by_threshold: dict[float, float]


class _Asked(NamedTuple):
    name: str
    kind: str
    car: str
    probability_map: ProbabilityMap
    truth: Mask


def calibrate(
    model: str | Path,
    data: Path,
    out: Path,
    *,
    extra: Sequence[Path] = (),
    changes: dict[str, object] | None = None,
    tune: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Calibrated:
    """Fit a model's confidence, test it, and write the model with it.

    Half of the cars decide, the other half tests; then all are fitted to. Hard scenes are made of the same photos, each
    of photos of one half.

    Args:
        model: a model file or the name of a shipped model.
        data: photos of the model's own domain: the data set whose validation cars the model names, or another one, of
            which the cars that it was not trained on are used. Those of another one are not its score.
        out: the model file to write, its card beside it.
        extra: data sets from elsewhere; of each the cars that the model was not trained on are used.
        changes: of the description: ``name``, ``version``, ``test_time_augmentation``.
        tune: choose the threshold too, by mean Dice on the deciding half.
        progress: called with the number of photos done and of all.

    Returns:
        What was found.

    Raises:
        UsageError: if the model was trained on all cars of a data set, two folders have the same name, or the file's
            name does not end in .onnx.
        DataError: if a data set is incomplete, or holds too few photos.
        ModelError: if there is no such model, or its file is damaged.
        PhotoError: if a photo or mask cannot be read.
        OutputError: if the file cannot be written.
    """
    check_model_file(out)
    check_names(extra, {STUDIO, *MAKERS})
    make_folder(out.parent)
    path = find_model(model)
    network = load_model(path)
    info = ModelInfo.model_validate({**network.info.model_dump(), "calibration": None, **(changes or {})})
    before, network = network.info, Redescribed(network, info)
    examples = unseen(info, data, read_data(data)[0])
    others = {folder.resolve().name: unseen(info, folder, read_data(folder)[0]) for folder in extra}
    scored: list[_Scored] = []
    total = len(examples) + sum(map(len, others.values())) + len(MAKERS) * len(examples[::HARD_EVERY])
    cars = {example.car for example in examples}
    fitted = _halves(cars, [{example.car for example in these} for these in others.values()])
    for asked in _ask_all(network, examples, others, fitted):
        scored.append(_Scored(_case(asked, info), _by_threshold(asked, info) if tune else {}))
        if progress is not None:
            progress(len(scored), total)
    # The features are not measured anew with another threshold: those that are chosen between lie close together.
    cases = [case for case, _ in scored]
    known = f"{counted(len(cars), 'unseen car')} of {data.resolve().name}" + "".join(f", {name}" for name in others)
    tested = fit_calibration([case for case in cases if case.car in fitted], data=known)
    rest = [case for case in cases if case.car not in fitted]
    reliability = check_calibration(tested, rest)
    info = info.model_copy(update={"calibration": fit_calibration(cases, data=known)})
    gain = None
    values = [case.dice for case in cases if case.kind == STUDIO]
    if tune:
        best, gain = _choose(scored, fitted)
        info = info.model_copy(update={"threshold": best})
        values = [by[best] for _, by in scored if by]
    mean = float(np.mean(values))
    same = (info.threshold, info.test_time_augmentation) == (before.threshold, before.test_time_augmentation)
    info = info.model_copy(update={"score": scored_on(info, cars, mean, same_masks=same)})
    content = with_info(read_graph(path), info)
    save_model(out, info, content, like=path)
    return Calibrated(info, reliability, gain, rest, tested, mean)


def scored_on(info: ModelInfo, cars: Collection[str], score: float, *, same_masks: bool) -> float | None:
    """The score that a model file may say: of its validation cars, or of any unseen ones if it has none.

    Args:
        info: the model's description, with the score before.
        cars: those that were measured on.
        score: on them.
        same_masks: the model's masks are what they were when the score before was measured.

    Returns:
        ``score``; for other cars the score before, or None if it no longer holds. A model of parts keeps its own.
    """
    if info.parts:  # it is of the labels, which are no car's mask
        return info.score
    if not info.validation_cars or set(info.validation_cars) == set(cars):
        return round(score, 6)
    return info.score if same_masks else None


def check_names(folders: Sequence[Path], taken: Collection[str] = ()) -> None:
    """Refuse data sets that are called alike: figures are kept by the folder's name.

    Args:
        folders: the data sets.
        taken: names that stand for something else.

    Raises:
        UsageError: if two have the same name, or one has a name that is taken.
    """
    seen = set(taken)
    for folder in folders:
        if (name := folder.resolve().name) in seen:
            raise UsageError(f"{folder}: the name {name} is that of other photos; rename the folder", argument="extra")
        seen.add(name)


def unseen(info: ModelInfo, data: Path, examples: Sequence[Example]) -> list[Example]:
    """Those of a data set's photos that a model was not trained on.

    Args:
        info: the model's description, which names its cars.
        data: the data set's folder, for messages.
        examples: all of it.

    Raises:
        UsageError: if there are none.
    """
    cars = {example.car for example in examples}
    held = info.held_out(cars) or tuple(sorted(cars - info.seen()))
    if not held:
        raise UsageError(f"{data}: {info.name} was trained on all of its cars; this needs others")
    return of_cars(examples, held)


def _halves(cars: set[str], others: Sequence[set[str]]) -> frozenset[str]:
    """Half of the cars of each data set: of all together, a half might have none of a small one."""
    if len(cars) < 2:
        raise DataError("a calibration needs photos of two cars at least: one half is for testing")
    return frozenset(car for each in (cars, *others) for car in split_cars(each, 0.5, seed=1).train)


def _ask_all(
    network: Network, examples: Sequence[Example], others: dict[str, list[Example]], fitted: Collection[str]
) -> Iterator[_Asked]:
    tasks = [(STUDIO, example) for example in examples]
    tasks += [(name, example) for name, these in others.items() for example in these]
    for (kind, example), loading in zip(tasks, prefetch(lambda task: open_pair(network, task[1]), tasks), strict=True):
        photo, truth = loading.result()
        yield _Asked(example.name, kind, example.car, predict_map(network, photo), truth)
    for number, example in enumerate(examples[::HARD_EVERY]):
        rng = np.random.default_rng((number, 7))
        scenes = [_small(network, one) for one in (example, _second(examples, HARD_EVERY * number, fitted))]
        if not all((mask > 127).any() for _, mask in scenes):
            continue  # photos of an empty place are no scenes with a car that is cut off, or with two
        for kind, make in MAKERS.items():
            pixels, soft = make(scenes[0], scenes[1], rng)
            size = pixels.shape[0], pixels.shape[1]
            prob_map = predict_map(network, ReducedPhoto(pixels, size))
            yield _Asked(example.name, kind, example.car, prob_map, soft >= 128)


def _second(examples: Sequence[Example], at: int, fitted: Collection[str]) -> Example:
    """The second photo of a scene of two cars: of another car of the same half, so that no scene is of both halves."""
    car = examples[at].car
    half = [one for one in examples if (one.car in fitted) == (car in fitted)]
    # Of a half with one car it is the same car, from another side if there is one.
    others = [one for one in half if one.car != car] or half
    return others[(at + len(others) // 2) % len(others)]


def _small(network: Network, example: Example) -> tuple[np.ndarray, np.ndarray]:
    """A photo and its soft mask as large as the network makes use of."""
    (photo, mask), info = open_pair(network, example), network.info
    size = (
        info.size
        if info.localisation_size is None
        else largest_useful_size(photo.size, info.size, info.behaviour.crop.max_zoom)
    )
    return geometry.resize(photo.pixels, size), geometry.resize(mask.astype(np.uint8) * np.uint8(255), size)


def _case(asked: _Asked, info: ModelInfo) -> Case:
    (small, crop, _), threshold, behaviour = asked.probability_map, info.threshold, info.behaviour
    mask = ProbabilityMap(remove_small_components(small, threshold, behaviour.components), crop).mask(threshold)
    found = bool((small >= threshold).any())
    features = measure_map(asked.probability_map, info) if found else None
    error = contour_scores(mask, asked.truth).contour_error / asked.probability_map.scale
    return Case(asked.name, asked.kind, asked.car, features, dice(mask, asked.truth), error)


def _by_threshold(asked: _Asked, info: ModelInfo) -> dict[float, float]:
    if asked.kind != STUDIO:
        return {}
    # Of a studio's photos; which components are removed does not depend on so small a change of the threshold.
    small, crop, _ = asked.probability_map
    cleaned = remove_small_components(small, THRESHOLDS[0], info.behaviour.components)
    large = ProbabilityMap(cleaned, crop).enlarged()
    return {threshold: dice(large >= threshold, asked.truth) for threshold in THRESHOLDS}


def _choose(scored: Sequence[_Scored], fitted: frozenset[str]) -> tuple[float, float]:
    """The threshold of highest mean Dice on the fitted half, and what it brings on the other."""

    def mean(values: list[float]) -> float:
        return float(np.mean(values))

    known = [one for one in scored if one.by_threshold]
    rest = [one for one in known if one.case.car not in fitted]
    best = max(THRESHOLDS, key=lambda t: mean([one.by_threshold[t] for one in known if one.case.car in fitted]))
    return best, mean([one.by_threshold[best] for one in rest]) - mean([one.case.dice for one in rest])
