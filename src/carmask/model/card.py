"""The card of a model: what a reader must know before using it, from what the file says of itself."""

from __future__ import annotations

import hashlib
import re
import textwrap
from pathlib import Path

from carmask.errors import ModelError, UsageError
from carmask.images import check_writable, write_atomically
from carmask.model.info import ModelInfo
from carmask.words import counted


def save_model(out: Path, info: ModelInfo, content: bytes, *, like: Path | None = None) -> None:
    """Write a model file, and its card beside it.

    Args:
        out: the file.
        info: the file's description of itself.
        content: the file's content.
        like: the model file that it was made from: what people wrote into that one's card goes into this one's.

    Raises:
        ModelError: if the card of ``like`` cannot be read; nothing is written.
        OutputError: if they cannot be written.
    """
    notes = "" if like is None else read_notes(card_path(like))
    write_atomically(out, content)
    write_atomically(card_path(out), model_card(info, content, notes=notes).encode())


def check_model_file(out: Path) -> None:
    """Refuse, before the work, a model file that could not be written after it, or not beside its card.

    Raises:
        UsageError: if its name does not end in ``.onnx``: the card of ``model.md`` would be written over it.
        OutputError: if it cannot be written.
    """
    if out.suffix.lower() != ".onnx":
        raise UsageError(f"{out}: the name of a model file ends in .onnx", argument="out")
    check_writable(out)


def read_card(file: Path) -> str:
    """Read a card as people have left it: Markdown.

    Raises:
        ModelError: if it cannot be read.
    """
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{file}: the model's card cannot be read ({error}); delete it, or save it as UTF-8"
        ) from error


def read_notes(card: Path) -> str:
    """What people wrote into a card: Markdown between its table and its lists of cars; empty without a card.

    Raises:
        ModelError: if it cannot be read.
    """
    if not card.is_file():
        return ""
    _, _, after = read_card(card).partition("\n| File |")
    return re.split(r"^## .+ \(\d+ cars?\)$", after.partition("\n")[2], maxsplit=1, flags=re.MULTILINE)[0].strip()


def model_card(info: ModelInfo, content: bytes, *, notes: str = "") -> str:
    """Write the card of a model file.

    Args:
        info: the file's description of itself.
        content: the file.
        notes: what only people know: intended use, limits; Markdown, put after the table.

    Returns:
        Markdown.
    """
    # A model that was trained without validation cars may be scored on others.
    unseen = f"{counted(len(info.validation_cars), 'car')} that" if info.validation_cars else "cars that"
    score = "not measured" if info.score is None else f"{info.score:.6f}, on {unseen} it has not seen"
    measure = f"{info.measure[0].upper()}{info.measure[1:]} at native size"
    elsewhere = "; ".join(
        f"{one.share:.0%} {one.name}: {len(one.training_cars)} seen, {len(one.validation_cars)} not"
        for one in info.extra_data
        if one.share
    )
    before = "".join(
        f"; initial weights of {one.name}, which had seen {len(one.training_cars)} others"
        for one in info.extra_data
        if not one.share
    )
    rows = [
        ("Network", f"`{info.network}`, {info.width}x{info.height} (width x height)"),
        ("Classes", ", ".join(info.classes)),
        ("Input", "uint8 (1, height, width, 3) RGB; " + info.normalisation),
        ("Output", _output(info)),
        ("Stages", _stages(info)),
        (
            "Prediction",
            "the mean of the photo's and its mirror image's" if info.test_time_augmentation else "of the photo alone",
        ),
        ("Arithmetic", "8 bits where the processor has AVX2 or VNNI, else floats" if info.ranges else "floats"),
        ("Trained in", info.trained_in),
        ("Trained on", info.training_data + (f"; of the photos {elsewhere}" if elsewhere else "") + before),
        (measure, score),
        ("Confidence", "not calibrated" if info.calibration is None else f"calibrated on {info.calibration.data}"),
        ("Licence", info.licence),
        ("File", f"{len(content):,} bytes, SHA-256 `{hashlib.sha256(content).hexdigest()}`"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    parts = [f"# {info.name}, version {info.version}", f"| | |\n|---|---|\n{table}"]
    if notes:
        parts.append(notes.strip())
    parts += [_cars("Validated on", info.validation_cars), _cars("Trained on", info.training_cars)]
    for one in info.extra_data:
        parts += [_cars(f"{one.name}: not seen", one.validation_cars), _cars(f"{one.name}: seen", one.training_cars)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _stages(info: ModelInfo) -> str:
    if info.localisation_size is None:
        return "segmentation of the whole photo"
    height, width = info.localisation_size
    by = "" if info.localisation is None else f" by `{info.localisation.network}`"
    guided = ", guided by localisation's map" if info.guided else ""
    fine = ""
    if info.refinement is not None:
        tall, long = info.refinement.size
        fine = f", refinement of the contour at {long}x{tall} by `{info.refinement.network}`"
    special = "" if info.specialist is None else f", of photos of one studio by `{info.specialist.network}`"
    first = f"localisation in the whole photo at {width}x{height}{by}"
    return f"{first}, segmentation of the crop around the car{guided}{special}{fine}"


def _output(info: ModelInfo) -> str:
    if info.parts:
        return f"float32 (1, {1 + len(info.classes)}, height, width) probabilities: background, then the classes"
    return f"float32 (1, height, width) probabilities; car from {info.threshold:g} upwards"


def card_path(model: Path) -> Path:
    """Where the card of a model file is: beside it."""
    return model.with_suffix(".md")


def _cars(title: str, cars: tuple[str, ...]) -> str:
    if not cars:
        return ""
    return f"## {title} ({counted(len(cars), 'car')})\n\n" + textwrap.fill(" ".join(cars), 118)
