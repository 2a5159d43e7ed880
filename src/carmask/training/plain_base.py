"""A model without its refinement stage: what a new training of that stage begins from."""

from __future__ import annotations

import hashlib
from pathlib import Path

import onnx

from carmask.images import make_folder, write_atomically
from carmask.model.file import read_info
from carmask.model.network import GRAPHS
from carmask.training.export import with_info
from carmask.training.joined_graphs import read_graph
from carmask.training.refined import check_base


def plain_base(file: Path, folder: Path) -> Path:
    """A model file whose contours are to be refined, without the refinement stage that it has.

    Args:
        file: that ``check_base`` accepts.
        folder: where a file without that stage is written.

    Returns:
        ``file`` itself if it has no such stage.

    Raises:
        ModelError: if the file is damaged.
        OutputError: if the other one cannot be written.
    """
    if read_info(file).refinement is None:
        return file
    proto = read_graph(file)
    refining = {*GRAPHS["refinement"]}
    kept = [[one.name for one in side if one.name not in refining] for side in (proto.graph.input, proto.graph.output)]
    plain = onnx.utils.Extractor(proto).extract_model(*kept)
    content = with_info(plain, check_base(file))
    make_folder(folder)
    copy = folder / f"base-{hashlib.sha256(content).hexdigest()[:24]}.onnx"
    write_atomically(copy, content)
    return copy
