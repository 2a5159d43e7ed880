"""What a new model says of itself, and how it is written: calibration, card, figures."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from carmask.images import make_folder, write_atomically
from carmask.learning.decide import Verdict
from carmask.learning.gather import Gathered
from carmask.learning.recalibrate import Recalibrated, recalibrate
from carmask.learning.scores import as_residuals
from carmask.learning.settings import CORRECTED
from carmask.model.card import card_path, model_card, read_notes
from carmask.model.file import read_info
from carmask.model.info import ExtraData, ModelInfo
from carmask.training.export import with_info
from carmask.training.joined_graphs import read_graph
from carmask.words import counted


def describe(info: ModelInfo, name: str, gathered: Gathered, trained: int) -> ModelInfo:
    """What a new model says of itself. Ranges and behaviour are the old one's: it is scored with them.

    Args:
        info: the old model's description.
        name: of the new one.
        gathered: the corrected photos.
        trained: how many of them were trained on.

    Returns:
        The description; the calibration is still the old one's.
    """
    taken = {one.name for one in info.extra_data}
    tried = ("corrections", *(f"corrections-{number}" for number in range(2, 1000)))
    called = next(one for one in tried if one not in taken)
    digest = hashlib.sha256(json.dumps(gathered.names, sort_keys=True).encode()).hexdigest()[:6]

    def cars(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(f"{one}-{digest}" for one in names)

    share = round(CORRECTED, 2)
    extra = ExtraData(
        name=called,
        share=share,
        training_cars=cars(gathered.split.train),
        validation_cars=cars(gathered.split.validation),
    )
    return info.model_copy(
        update={
            "name": name,
            "version": "1",
            "training_data": f"{info.training_data}; then {info.name}, version {info.version}, was fine-tuned on "
            f"{counted(trained, 'corrected photo')} of {counted(len(gathered.split.train), 'vehicle')}",
            "extra_data": (*info.extra_data, extra),
            "score": None,
        }
    )


def ship(
    file: Path,
    out: Path,
    old: Path,
    verdict: Verdict,
    rows: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> Recalibrated | None:
    """Recalibrate the chosen model, and write it with its card.

    Args:
        file: the chosen average.
        out: the model file to write.
        old: the file of the old model; what people wrote into its card goes into the new one.
        verdict: why it is shipped.
        rows: scores of the chosen model on corrected and on rehearsal photos held out.

    Returns:
        What was changed in the calibration; None if the model has none.

    Raises:
        ModelError: if the old model's card cannot be read; nothing is written.
        OutputError: if they cannot be written.
    """
    info = read_info(old)
    described = read_info(file)
    recalibrated = None
    if described.calibration is not None:
        photos = as_residuals([*rows[0], *rows[1]])
        recalibrated = recalibrate(described.calibration, photos, data="corrected and rehearsal photos held out")
        described = described.model_copy(update={"calibration": recalibrated.calibration})
    content = with_info(read_graph(file), described)
    chosen = verdict.candidate
    notes = (
        "## Learned from corrections\n\n"
        f"Made by `carmask learn` from {info.name}, version {info.version}: {chosen.share:g} of the fine-tuned "
        "weights, the rest the old ones.\n\n"
        "| held out | old | new | gain |\n|---|---|---|---|\n"
        f"| corrected photos | {chosen.corrected.before:.5f} | {chosen.corrected.after:.5f} | {chosen.corrected} |\n"
        f"| rehearsal | {chosen.rehearsal.before:.5f} | {chosen.rehearsal.after:.5f} | {chosen.rehearsal} |\n\n"
        "Gains are given with what chance explains. The share was chosen on the same photos, among those that "
        "passed one after the other.\n\n"
    )
    card = model_card(described, content, notes=notes + read_notes(card_path(old)))
    make_folder(out.parent)
    write_atomically(out, content)
    write_atomically(card_path(out), card.encode())
    return recalibrated
