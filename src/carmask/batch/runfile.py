"""What a run was told, kept beside its manifest: so that a photo can be rendered again as the run did."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

from carmask.batch.outputs import Others, OutputSpec
from carmask.batch.process import PhotoTask
from carmask.batch.rules import ChannelRules
from carmask.compositing.background import Background, Fit
from carmask.compositing.placement import Placing
from carmask.compositing.plates import CoverKind, PlateCover
from carmask.compositing.style import RenderStyle
from carmask.errors import OutputError, UsageError
from carmask.images import Format, KeepMetadata, decode, encode_picture, read_layered, write_atomically
from carmask.images.pixels import rgb_pixels
from carmask.model.file import find_model
from carmask.model.runtime import Device

FILE, BACKGROUND, PLATE = OWN_FILES = "run.json", "background.png", "plate.png"


class Run(NamedTuple):
    """A run of ``cut``.

    Attributes:
        task: what was done with each photo.
        base: the folder that relative paths of photos start from.
    """

    task: PhotoTask
    base: Path


class _RunFile(BaseModel):
    """What the file holds."""

    model_config = ConfigDict(extra="forbid")

    format: int = 1
    base: str
    model: str
    device: Device
    mask: bool
    parts: bool
    layers: bool
    picture: Format
    quality: int | None
    keep_metadata: KeepMetadata
    style: dict[str, Any]
    background: Literal["none", "own", "colours", "picture", "scene"] = "none"
    scene: str | None = None
    rules: ChannelRules | None = None
    colours: list[tuple[int, int, int]] = []
    fit: Fit = "cover"
    others: Others = "cut"
    facts: bool = False
    plate: Literal["keep", "blur", "plain", "picture"] = "keep"


def write_run(state: Path, task: PhotoTask) -> None:
    """Write what a run was told.

    Args:
        state: the folder that holds the manifest.
        task: the run's.

    Raises:
        OutputError: if it cannot be written.
    """
    spec, behind = task.spec, task.spec.background
    kind: Literal["none", "own", "colours", "picture", "scene"] = "none"
    colours: list[tuple[int, int, int]] = []
    if behind is not None:
        kind = "own" if behind.own else "scene"
        if behind.pixels is not None and behind.pixels.shape[:2] in {(1, 1), (2, 1)}:
            kind, colours = "colours", [(int(r), int(g), int(b)) for r, g, b in behind.pixels[:, 0]]
        elif behind.pixels is not None:
            kind = "picture"
            write_atomically(state / BACKGROUND, encode_picture(behind.pixels, behind.icc_profile))
    if spec.plate is not None and spec.plate.picture is not None:
        write_atomically(state / PLATE, encode_picture(spec.plate.picture))
    # A shipped model is found by its name wherever it is installed.
    path = find_model(task.model)
    model = str(path.absolute()) if path == Path(task.model) else task.model
    kept = _RunFile(
        base=str(Path.cwd()),
        model=model,
        device=task.device,
        mask=spec.mask,
        parts=spec.parts,
        layers=spec.layers,
        picture=spec.format,
        quality=spec.quality,
        keep_metadata=spec.keep_metadata,
        style=asdict(spec.style),
        background=kind,
        colours=colours,
        fit="cover" if behind is None else behind.fit,
        scene=None if behind is None else behind.scene,
        rules=spec.rules,
        others=spec.others,
        facts=task.facts,
        plate="keep" if spec.plate is None else spec.plate.kind,
    )
    # Not model_dump_json: paths that are no UTF-8 are escaped by Python's own writer alone.
    write_atomically(state / FILE, json.dumps(kept.model_dump(mode="json"), indent=1).encode())


def read_run(state: Path) -> Run:
    """Read what a run was told.

    Args:
        state: the folder that holds the manifest.

    Raises:
        UsageError: if nothing is recorded there, or another version recorded it.
        PhotoError: if the picture of the background, or of plates, is damaged.
        OutputError: if the record cannot be read.
    """
    file = state / FILE
    again = "give the same 'carmask cut' command once more: what is done is passed over"
    try:
        kept = _RunFile.model_validate(json.loads(file.read_bytes()))
    except FileNotFoundError as error:
        if not state.is_dir():
            raise UsageError(f"{state.parent}: no results of 'carmask cut' in this folder") from error
        raise UsageError(f"{state.parent}: cut by an earlier version; {again}") from error
    except OSError as error:
        raise OutputError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # ValidationError is a ValueError
        raise UsageError(f"{file}: written by another version of carmask; {again}") from error
    try:
        style = RenderStyle(**{**kept.style, "placing": Placing(**kept.style["placing"])})
    except (TypeError, KeyError) as error:  # a setting that only another version knows
        raise UsageError(f"{file}: written by another version of carmask; {again}") from error
    spec = OutputSpec(
        mask=kept.mask,
        background=_background(state, kept),
        format=kept.picture,
        parts=kept.parts,
        quality=kept.quality,
        layers=kept.layers,
        keep_metadata=kept.keep_metadata,
        rules=kept.rules,
        others=kept.others,
        plate=_cover(state, kept.plate),
        style=style,
    )
    return Run(PhotoTask(kept.model, spec, kept.device, facts=kept.facts), Path(kept.base))


def _background(state: Path, kept: _RunFile) -> Background | None:
    match kept.background:
        case "own":
            return Background(None)
        case "scene":
            return Background(None, scene=kept.scene)
        case "colours":
            return Background(np.array(kept.colours, np.uint8)[:, None])
        case "picture":
            # Not open_photo: a program may give a picture that is smaller than any photo.
            pixels, profile = decode(state / BACKGROUND, rgb_pixels)
            return Background(pixels, fit=kept.fit, icc_profile=profile)
    return None


def _cover(state: Path, kind: Literal["keep"] | CoverKind) -> PlateCover | None:
    if kind == "keep":
        return None
    return PlateCover(kind, read_layered(state / PLATE) if kind == "picture" else None)
