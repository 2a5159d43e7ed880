from __future__ import annotations

import hashlib

from carmask.model.card import card_path, model_card
from carmask.model.info import ModelInfo


def test_says_what_the_file_says_and_which_file_it_is(tmp_path):
    info = ModelInfo(
        name="small",
        version="3",
        network="unet",
        height=64,
        width=96,
        normalisation="none",
        threshold=0.4,
        training_data="2 cars of a set",
        training_cars=("a", "b"),
        validation_cars=("c",),
        score=0.98765,
        licence="free",
    )
    card = model_card(info, b"content", notes="## Limits\n\nNone known.")
    for part in (
        "# small, version 3",
        "96x64",
        "0.987650, on 1 car ",
        "free",
        "## Limits",
        "## Validated on (1 car)\n\nc",
    ):
        assert part in card
    assert hashlib.sha256(b"content").hexdigest() in card
    assert "not measured" in model_card(info.model_copy(update={"score": None}), b"")
    assert card_path(tmp_path / "x.onnx") == tmp_path / "x.md"
