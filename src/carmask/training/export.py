"""From a finished run to a model file, checked."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from carmask.arrays import Photo, Probability
from carmask.data.layouts import read_data
from carmask.data.table import Example, of_cars
from carmask.errors import ModelError, UsageError, WeightsError
from carmask.evaluation.part_scores import evaluate_parts
from carmask.evaluation.predictors import network_labels
from carmask.evaluation.scoring import evaluate
from carmask.evaluation.summary import summarise
from carmask.geometry import Size
from carmask.images import write_atomically
from carmask.model.card import check_model_file, save_model
from carmask.model.engine import core
from carmask.model.file import METADATA_KEY
from carmask.model.info import ModelInfo
from carmask.model.network import GRAPHS, GUIDE, PHOTO, PROBABILITY, Network, Stage
from carmask.model.openvino import read_merged
from carmask.model.runtime import load_model
from carmask.networks import build
from carmask.prediction.predict import open_for
from carmask.prediction.stages import network_inputs, refinement_inputs
from carmask.training.epochs import find_weights, read_weights
from carmask.training.joined_graphs import add_localisation, add_refinement, read_graph
from carmask.training.predictor import Normalised, RefiningNetwork, TorchNetwork
from carmask.training.refined import trained_network
from carmask.training.run_folder import BASE_FILE, LOCALISATION_FILE, read_run_info

#: Mean absolute difference of the probabilities of one photo that storing weights in 16 bits may make.
STORAGE_TOLERANCE = 0.002
#: The same where the runtime also computes in bf16, and depthwise weights are rounded to it. A network that is hardly
#: trained is unsure of every pixel, and there bf16 shows most; on photos a trained one differs by about 0.001.
TOLERANCE = 0.02


def read_run(run: Path, epoch: str | int | None = None) -> tuple[Normalised, ModelInfo]:
    """Load the trained network of a run.

    Args:
        run: the folder that ``train`` wrote.
        epoch: ``best``, ``last`` or a number counted from 1; None for the result of a finished training.

    Returns:
        The network with its normalisation, in evaluation mode, and its description.

    Raises:
        WeightsError: if there are no such weights, or the run's files do not fit each other.
    """
    info = read_run_info(run)
    file = find_weights(run, epoch)
    model = Normalised(build(trained_network(info), len(info.classes)))
    try:
        model.load_state_dict(read_weights(file))
    except RuntimeError as error:
        raise WeightsError(f"{file}: not weights of {trained_network(info)}") from error
    return model.eval(), info


class Exported(NamedTuple):
    """What ``export`` wrote.

    Attributes:
        info: the file's description of itself.
        difference: mean absolute difference of the probabilities that the trained network and the file give, on the
            photo where it is largest.
    """

    info: ModelInfo
    difference: float


def export(
    run: Path,
    out: Path,
    *,
    epoch: str | int | None = None,
    changes: dict[str, str] | None = None,
    data: Path | None = None,
    layout: str | None = None,
    mask_threshold: int | None = None,
    strict: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write a run's network as a model file, after checking that both predict the same.

    Weights are stored as 16-bit floats, which halves the file, and computed with as the runtime likes.

    Args:
        run: the folder that ``train`` wrote.
        epoch: ``best``, ``last`` or a number counted from 1, of a training that is finished or not; None for the result
            of a finished one. Kept are the best and the last epochs (``Recipe.keep_epochs``).
        out: the ONNX file to write; its card is written beside it, as Markdown.
        changes: texts of the description to set: ``name``, ``version``, ``licence``.
        data: the data set trained on; the file is scored on its validation cars and says so.
        layout: of ``data``, see ``read_data``; found out if it is None.
        mask_threshold: for grey, anti-aliased and JPEG masks of ``data``, see ``read_data``.
        strict: refuse to write a file that predicts something else than the network. Without, the caller tests the
            file by itself.
        progress: called with the number of photos scored and of all.

    Returns:
        What was written.

    Raises:
        WeightsError: if there are no such weights.
        UsageError: if ``data`` is given and the run has no validation cars, or the file's name does not end in .onnx.
        DataError: if ``data`` lacks the validation cars.
        ModelError: if the file predicts something else than the network; it is not written then.
        OutputError: if the file cannot be written.
    """
    check_model_file(out)
    model, info = read_run(run, epoch)
    if data is not None and not info.validation_cars:
        raise UsageError(f"{run}: trained without validation cars, so there is nothing to score; leave the data out")
    info = ModelInfo.model_validate({**info.model_dump(), **(changes or {})})
    trial = run / "export.onnx"
    joined = _joined_file(run, info)
    graph = _own_graph(model, info)
    stage: Stage = "segmentation" if info.refinement is None else "refinement"
    try:
        # What 16 bits change is small, whatever the photo is. What bfloat16 changes is measured apart.
        write_atomically(trial, _to_file(graph, info.model_copy(update={"trained_in": "float32"}), joined))
        exact = _in_full_precision(trial, info, stage)
        write_atomically(trial, _to_file(graph, info, joined))
        exported, trained = load_model(trial), _as_trained(model, info, joined)
        examples, names = ([], ()) if data is None else read_data(data, layout=layout, mask_threshold=mask_threshold)
        examples = of_cars(examples, info.validation_cars if data is not None else ())
        probes = _probes(trained, examples, stage)
        run_network, run_exported = (_function(network, stage) for network in (trained, exported))
        for run_file, tolerance in ((exact, STORAGE_TOLERANCE), (run_exported, TOLERANCE)):
            difference = max(float(np.abs(run_file(*probe) - run_network(*probe)).mean()) for probe in probes)
            # Written so that NaN fails.
            if strict and not difference <= tolerance:
                raise ModelError(
                    f"{out}: not written: its probabilities differ from the trained network's by {difference:.4f}"
                )
        if data is not None:
            if info.parts:
                score = evaluate_parts(network_labels(exported, names), examples, names, progress=progress).macro("f1")
            else:
                score = summarise(evaluate(exported, examples, progress=progress)).dice.mean
            info = info.model_copy(update={"score": round(score, 6)})
        save_model(out, info, _to_file(graph, info, joined))
    finally:
        trial.unlink(missing_ok=True)
    return Exported(info, difference)


def _joined_file(run: Path, info: ModelInfo) -> Path | None:
    """The run's model file with the other stages of its model, if there are any."""
    if info.refinement is not None:
        return run / BASE_FILE
    return run / LOCALISATION_FILE if info.localisation is not None else None


def _as_trained(model: Normalised, info: ModelInfo, joined: Path | None) -> TorchNetwork:
    """The trained network with the other stages of its model."""
    other = None if joined is None else load_model(joined)
    if info.refinement is not None and other is not None:
        return RefiningNetwork(model, info, other)
    return TorchNetwork(model, info, locating=other)


def _function(network: Network, stage: Stage) -> Callable[..., NDArray[np.float32]]:
    """What a network computes in a stage that was trained."""
    if stage == "refinement":
        return network.refine
    return network.run_parts if network.info.parts else network.run


def _in_full_precision(file: Path, info: ModelInfo, stage: Stage) -> Callable[..., NDArray[np.float32]]:
    """The file in 32-bit floats, whatever the processor is fastest in."""
    size = info.size if info.refinement is None else info.refinement.size
    graph = read_merged(file, size, stage, upsampling=False)
    compiled = core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(*inputs: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        names = GRAPHS[stage].photo, GRAPHS[stage].guide
        named = {name: values[None] for name, values in zip(names, inputs, strict=False)}
        found: NDArray[np.float32] = compiled(named)[0][0].astype(np.float32)
        return found

    return run


def _probes(
    network: Network, examples: Sequence[Example], stage: Stage
) -> list[tuple[Photo] | tuple[Photo, Probability]]:
    """Inputs to compare on: photos the network was made for, or else noise."""
    info = network.info
    photos = (open_for(network, one.photo) for one in examples[:: max(1, len(examples) // 8)])
    found: list[tuple[Photo] | tuple[Photo, Probability]]
    if stage == "refinement":
        found = [one for photo in photos if (one := refinement_inputs(network, photo)) is not None]
    else:
        found = [network_inputs(network, photo) for photo in photos]
    if found:
        return found
    rng = np.random.default_rng(0)
    size = info.size if info.refinement is None else info.refinement.size
    noise = rng.integers(0, 256, (*size, 3), np.uint8)
    return [(noise, rng.random(size, np.float32)) if info.guided or info.refinement is not None else (noise,)]


class _Deployed(nn.Module):
    """What the graph computes: uint8 (1, height, width, 3) to probabilities, as ``carmask.model.info`` says."""

    def __init__(self, model: Normalised, *, parts: bool) -> None:
        super().__init__()
        self.model, self.parts = model, parts

    def forward(self, pixels: Tensor, guide: Tensor | None = None) -> Tensor:
        return self.model.classes(pixels) if self.parts else self.model.car(pixels, guide)


def to_onnx(model: Normalised, info: ModelInfo, joined: Path | None = None) -> bytes:
    """The content of a model file.

    Args:
        model: the network.
        info: the file's description.
        joined: for a refinement network the model file that it refines; else the model file of the localisation
            network, for descriptions with one of their own.

    Raises:
        ModelError: if the other stages' file cannot be read or joined.
    """
    return _to_file(_own_graph(model, info), info, joined)


def _own_graph(model: Normalised, info: ModelInfo) -> onnx.ModelProto:
    """The trained network's graph, by itself."""
    if info.refinement is not None:
        return _to_graph(model, info.refinement.size, guided=True)
    return _to_graph(model, info.size, guided=info.guided, parts=info.parts)


def _to_file(graph: onnx.ModelProto, info: ModelInfo, joined: Path | None) -> bytes:
    """The content of a model file, from the trained network's graph; see ``to_onnx``."""
    own = onnx.ModelProto()
    own.CopyFrom(graph)
    if info.refinement is not None:
        assert joined is not None
        proto = read_graph(joined)
        add_refinement(proto, own, joined)
        _round_depthwise(proto, info)
    else:
        proto = own
        _round_depthwise(proto, info)
        if joined is not None:
            add_localisation(proto, joined)
        elif info.localisation_size is not None:
            _free_size(proto)
    del proto.metadata_props[:]
    # The exporter notes where in the source each node came from: paths that are no one's business.
    for node in proto.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    entry = proto.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, info.model_dump_json()
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString()
    return content


def _to_graph(model: Normalised, size: Size, *, guided: bool, parts: bool = False) -> onnx.ModelProto:
    """A network's graph, ``photo`` (and ``guide``) to ``probability``, its large weights in 16 bits."""
    example: tuple[Tensor, ...] = (torch.zeros((1, *size, 3), dtype=torch.uint8),)
    if guided:
        example = (*example, torch.zeros((1, *size)))
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _Deployed(model, parts=parts).eval(),
            example,
            input_names=[PHOTO, GUIDE][: len(example)],
            output_names=[PROBABILITY],
            dynamo=True,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    _store_as_half(proto)
    return proto


def with_info(proto: onnx.ModelProto, info: ModelInfo) -> bytes:
    """The content of a model file with another description of itself, its depthwise weights as this one has them."""
    _round_depthwise(proto, info)
    onnx.helper.set_model_props(proto, {METADATA_KEY: info.model_dump_json()})
    content: bytes = proto.SerializeToString()
    return content


def _round_depthwise(proto: onnx.ModelProto, info: ModelInfo) -> None:
    """Round depthwise weights to bfloat16, to even, if that is what the training computed with.

    Depthwise filters are often differences: large weights that nearly cancel. A training in bfloat16 sees their rounded
    sum, which in float32 is another.
    """
    if info.trained_in != "bfloat16":
        return
    stored = {tensor.name.removesuffix(".half"): tensor for tensor in proto.graph.initializer}
    for node in proto.graph.node:
        tensor = stored.get(node.input[1]) if node.op_type == "Conv" else None
        if tensor is None or not any(one.name == "group" and one.i > 1 for one in node.attribute):
            continue
        values = onnx.numpy_helper.to_array(tensor)
        bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
        bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
        rounded = bits.view(np.float32).astype(values.dtype)
        tensor.CopyFrom(onnx.numpy_helper.from_array(rounded, tensor.name))


def _free_size(proto: onnx.ModelProto) -> None:
    """Let the graph take photos of any size: it is run at two, and holds no shape but its input's and output's."""
    for value in (*proto.graph.input, *proto.graph.output):
        dims = value.type.tensor_type.shape.dim
        dims[1].dim_param, dims[2].dim_param = "height", "width"
    del proto.graph.value_info[:]


def _store_as_half(proto: onnx.ModelProto) -> None:
    """Keep large weights as float16, each behind a Cast to float32 that runtimes fold when they load the file."""
    graph = proto.graph
    casts = []
    for tensor in graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < 1024:
            continue
        name = tensor.name
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.half"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
