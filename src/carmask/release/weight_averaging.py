"""Weight averaging: a model whose weights are the mean of two models' weights.

Fine-tuning improves a network on the new data and costs it some of the old. The mean of the weights before and after
keeps most of both (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022: WiSE-FT,
https://arxiv.org/abs/2109.01903). One of the models must have been fine-tuned from the other, or both from a third one;
the mean of independently trained weights predicts nothing useful.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import numpy_helper

from carmask.errors import ModelError, UsageError
from carmask.images import make_folder
from carmask.images.normalisation import read_description
from carmask.model.card import check_model_file, save_model
from carmask.model.file import find_model, read_info
from carmask.model.info import ExtraData, ModelInfo
from carmask.training.export import with_info
from carmask.training.joined_graphs import of_other_stage, read_graph

#: What the name of a guided network ends in, after the name of the one that is not guided.
GUIDED = "-guided"
#: What the names of weights hold. Other constants are of the graph, and each graph keeps its own.
WEIGHTS = "model."


def average_weights(
    first: str | Path, second: str | Path, out: Path, *, share: float = 0.5, name: str | None = None
) -> ModelInfo:
    """Write a model whose weights are ``(1 - share) * first + share * second``.

    BatchNorm is folded into the weights of a model file; it is the folded weights that are averaged.

    Args:
        first: a model file or the name of a shipped model.
        second: another one of the same network and classes; or one of the network that is guided by a localisation
            stage, where the first is not: its weights on the guide count as zero.
        out: the model file to write, its card beside it.
        share: of the second, 0 to 1.
        name: of the new model; the second's by default.

    Returns:
        Its description: what either has seen it has seen, and its validation cars are those that both left out. It has
        no score, no calibration and no ranges.

    Raises:
        UsageError: if the share is out of range, or the file's name does not end in .onnx.
        ModelError: if there is no such model, a file is damaged, or they are not of the same network, classes and
            normalisation.
        OutputError: if the file cannot be written.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"{share:g} is not in 0, the first model, to 1, the second", argument="share")
    check_model_file(out)
    paths = find_model(first), find_model(second)
    infos = read_info(paths[0]), read_info(paths[1])
    widened = f"{infos[0].network}{GUIDED}" == infos[1].network
    if not (widened or infos[0].network == infos[1].network) or infos[0].classes != infos[1].classes:
        raise ModelError(
            f"{first}, {second}: their weights cannot be averaged: {infos[0].network} with {len(infos[0].classes)} "
            f"classes and {infos[1].network} with {len(infos[1].classes)}"
        )
    given_as = [read_description(info.normalisation) for info in infos]
    if given_as[0] != given_as[1]:
        raise ModelError(
            f"{first}, {second}: their weights cannot be averaged: the photos of one are normalised as "
            f"{given_as[0]}, those of the other as {given_as[1]}"
        )
    given = {_plain(tensor.name): numpy_helper.to_array(tensor) for tensor in read_graph(paths[0]).graph.initializer}
    made = read_graph(paths[1])
    for tensor in made.graph.initializer:
        own = numpy_helper.to_array(tensor)
        other = given.get(_plain(tensor.name))
        if (widened and of_other_stage(tensor.name)) or WEIGHTS not in tensor.name:
            continue
        if not np.issubdtype(own.dtype, np.floating):
            if tensor.name.endswith(".bytes") and not np.array_equal(own, other if other is not None else []):
                raise ModelError(
                    f"{first}, {second}: their weights cannot be averaged: their localisation networks differ"
                )
            continue
        if widened and other is not None:
            other = _widened(other, own.shape)
        if other is None or other.shape != own.shape:
            raise ModelError(
                f"{first}, {second}: their weights cannot be averaged: only one has {_plain(tensor.name)} of "
                f"{own.shape}"
            )
        mean = (1 - share) * other.astype(np.float32) + share * own.astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(mean.astype(own.dtype), tensor.name))
    info = _described(*infos, share=share, name=name)
    content = with_info(made, info)
    make_folder(out.parent)
    save_model(out, info, content)
    return info


def _plain(name: str) -> str:
    """The name of weights, whether they are stored in 32 bits or, from 1024 on, in 16."""
    return name.removesuffix(".half")


def _widened(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Weights of a network without a guide for the same one with it: zeros for the last input channel."""
    if values.ndim != 4 or shape != (values.shape[0], values.shape[1] + 1, *values.shape[2:]):
        return values
    return np.concatenate([values, np.zeros_like(values[:, :1])], axis=1)


def _described(first: ModelInfo, second: ModelInfo, *, share: float, name: str | None) -> ModelInfo:
    seen = first.seen() | second.seen()
    extra: dict[str, list[ExtraData]] = {}
    for one in (*first.extra_data, *second.extra_data):
        extra.setdefault(one.name, []).append(one)
    return second.model_copy(
        update={
            "name": name or second.name,
            "threshold": (1 - share) * first.threshold + share * second.threshold,
            "training_cars": tuple(sorted({*first.training_cars, *second.training_cars})),
            "validation_cars": tuple(car for car in second.validation_cars if car not in seen),
            "extra_data": tuple(
                sets[-1].model_copy(
                    update={
                        "training_cars": tuple(sorted({car for one in sets for car in one.training_cars})),
                        "validation_cars": tuple(car for car in sets[-1].validation_cars if car not in seen),
                    }
                )
                for sets in extra.values()
            ),
            "calibration": None,
            "ranges": {},
            "score": None,
        }
    )
