from __future__ import annotations

import hashlib

import pytest

from carmask.errors import ModelError
from carmask.model.card import card_path, model_card, read_notes, save_model
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
    assert "native size | not measured |" in model_card(info.model_copy(update={"score": None}), b"")
    assert "| 0.987650, on cars that it has not seen |" in model_card(
        info.model_copy(update={"validation_cars": ()}), b""
    )
    assert card_path(tmp_path / "x.onnx") == tmp_path / "x.md"


def test_a_card_that_is_no_text_is_refused_before_anything_is_written(tmp_path):
    info = ModelInfo(
        name="a", version="1", network="unet", height=64, width=96, normalisation="none", threshold=0.4,
        training_data="none", licence="free",
    )  # fmt: skip
    card_path(tmp_path / "old.onnx").write_bytes("Für Händler".encode("latin-1"))
    with pytest.raises(
        ModelError, match=r"old\.md: the model's card cannot be read .*; delete it, or save it as UTF-8"
    ):
        save_model(tmp_path / "new.onnx", info, b"model", like=tmp_path / "old.onnx")
    assert not (tmp_path / "new.onnx").exists()


def test_notes_stand_before_a_list_of_one_car(tmp_path):
    info = ModelInfo(
        name="a", version="1", network="unet", height=64, width=96, normalisation="none", threshold=0.4,
        training_data="none", licence="free", validation_cars=("c",),
    )  # fmt: skip
    for cars in ("1 car", "1 cars"):  # as earlier versions wrote it
        card = model_card(info, b"", notes="## Limits\n\nNone.").replace("(1 car)", f"({cars})")
        (tmp_path / "a.md").write_text(card, encoding="utf-8")
        assert read_notes(tmp_path / "a.md") == "## Limits\n\nNone."
