from __future__ import annotations

import hashlib
import re

import cv2
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("timm")

import torch

from carmask.errors import DataError, WeightsError
from carmask.model.engine import core
from carmask.model.upsampling import expand_weights
from carmask.prediction.plates import CORNER_UNIT, INPUT, STRIDE, is_plate, plate_iou, read_plates
from carmask.training.plates import build as building
from carmask.training.plates.data import CROP, PlateCrop, PlateLabel, read_crops, read_labels
from carmask.training.plates.draw import draw_plate
from carmask.training.plates.network import PlateEncoder, PlateHead
from carmask.training.plates.samples import PlateSampleMaker, offsets, targets
from carmask.training.plates.train import Settings, train_head
from carmask.training.small_networks import EncoderWithHead, Fitting, fit_head, write_onnx

CELLS = INPUT[0] // STRIDE, INPUT[1] // STRIDE
CORNERS = np.array([[200, 220], [280, 215], [282, 256], [199, 262]], np.float32)


def crop(number=0, plate=True):
    """A drawn car with a white plate."""
    random = np.random.default_rng(number)
    pixels = random.integers(90, 160, (360, 540, 3)).astype(np.uint8)
    cv2.rectangle(pixels, (40, 40), (500, 330), random.integers(0, 255, 3).tolist(), -1)
    if plate:
        cv2.fillConvexPoly(pixels, CORNERS.astype(np.int32), (240, 240, 240))
    return PlateCrop(pixels, (40, 40, 500, 330), CORNERS if plate else None, f"drawn/{number}")


def maker(seed=3):
    return PlateSampleMaker([crop(0), crop(1), crop(2, plate=False)], seed=seed)


def test_samples_have_the_shapes_that_training_takes():
    make = maker()
    samples = [make.make() for _ in range(60)]
    for one in samples:
        assert one.pixels.shape == (*INPUT, 3)
        assert one.pixels.dtype == np.uint8
        assert one.share.shape == CELLS
        assert 0 <= one.share.min() <= one.share.max() <= 1
        assert one.corners.any() == one.share.any()
        if one.share.any():
            # As many cells as the quadrilateral has pixels, but for rounding and what the edge cuts.
            assert is_plate(one.corners, INPUT)
            area = cv2.contourArea(one.corners)
            assert one.share.sum() * STRIDE**2 == pytest.approx(area, rel=0.12)
    with_plate = np.mean([one.share.any() for one in samples])
    assert 0.5 < with_plate < 0.9


def test_the_same_seed_gives_the_same_samples():
    first, second, third = (maker(seed) for seed in (3, 3, 4))
    for _ in range(10):
        one, same, other = first.make(), second.make(), third.make()
        assert (one.pixels == same.pixels).all()
        assert (one.corners == same.corners).all()
    assert (one.pixels != other.pixels).any()


def test_targets_are_what_prediction_reads_back():
    share, corners = targets(CORNERS)
    told = np.full((9, *CELLS), -8, np.float32)
    told[0][share > 0.5] = 4
    told[1:] = ((corners[:, :, None, None] - offsets()) / CORNER_UNIT).reshape(8, *CELLS)
    (found,) = read_plates(told)
    assert found.corners == pytest.approx(CORNERS, abs=STRIDE / 2)


def test_drawn_plates_differ():
    random = np.random.default_rng(0)
    plates = [draw_plate(random) for _ in range(60)]
    aspects = [plate.shape[1] / plate.shape[0] for plate in plates]
    assert all(plate.shape[0] == 72 and plate.dtype == np.uint8 for plate in plates)
    assert min(aspects) < 2.5
    assert max(aspects) > 4
    assert np.std([plate.mean() for plate in plates]) > 30


def test_training_repeats_itself_and_the_file_predicts_as_the_network():
    settings = Settings(samples=8, epochs=1, batch=4)
    torch.manual_seed(0)
    encoder = PlateEncoder().eval()
    kept = []
    heads = [train_head(encoder, maker(), settings, keep=kept.append) for _ in range(2)]
    assert len(kept) == 2
    for one, other in zip(heads[0].state_dict().values(), heads[1].state_dict().values(), strict=True):
        assert torch.equal(one, other)
    model = EncoderWithHead(encoder, heads[0]).eval()
    content = write_onnx(model, {"carmask_plates": "{}"}, INPUT)
    assert len(content) < 700_000
    pixels = np.random.default_rng(5).integers(0, 255, (1, *INPUT, 3), np.uint8)
    read = core().read_model(content, b"")
    assert expand_weights(read) > 20  # as ``SmallNetwork`` does
    told = core().compile_model(read, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(pixels)[0]
    with torch.inference_mode():
        expected = model(torch.from_numpy(pixels)).numpy()
    assert told.shape == (1, 9, *CELLS)
    # Weights of 8 bits: a few hundredths of the range of what is told.
    assert np.abs(told - expected).max() < 0.1 * max(1.0, np.ptp(expected))


def test_a_head_learns_a_plate_by_heart():
    """One picture, again and again: the plate is where it is, and nowhere else."""
    torch.manual_seed(0)

    class Same:
        def __init__(self):
            self.sample = maker().make()
            while not self.sample.share.any():
                self.sample = maker(5).make()

        def make(self):
            return self.sample

    same, encoder = Same(), PlateEncoder().eval()
    head = train_head(encoder, same, Settings(samples=4, epochs=40, batch=4, learning_rate=8e-3))
    with torch.inference_mode():
        told = EncoderWithHead(encoder, head).eval()(torch.from_numpy(same.sample.pixels[None])).numpy()[0]
    found = read_plates(told)
    assert found
    assert plate_iou(found[0].corners, same.sample.corners) > 0.7


def test_labels(tmp_path):
    file = tmp_path / "labels.csv"
    head = "photo,left,top,right,bottom,x1,y1,x2,y2,x3,y3,x4,y4\n"
    file.write_text(head + "a/b,0.1,0.2,0.9,0.8,0.4,0.6,0.5,0.6,0.5,0.65,0.4,0.65\na/c,0,0,1,1,,,,,,,,\n")
    first, second = read_labels(file)
    assert first.box == (0.1, 0.2, 0.9, 0.8)
    assert first.corners.tolist()[2] == pytest.approx([0.5, 0.65])
    assert second == PlateLabel("a/c", (0, 0, 1, 1), None)
    for row in ("a/b,0.1,0.2,0.9\n", "a/b,0,0,1,1,0.5,,,,,,,\n", "a/b,x,0,1,1,,,,,,,,\n"):
        file.write_text(head + "a/c,0,0,1,1,,,,,,,,\n" + row)
        with pytest.raises(DataError, match=r"labels\.csv: line 3: not a row of photo,left"):
            read_labels(file)


def test_the_labels_of_the_shipped_network():
    labels = read_labels()
    assert len(labels) > 500
    assert len({label.photo for label in labels}) == len(labels)
    plates = [label for label in labels if label.corners is not None]
    assert len(plates) > 350
    for label in plates:
        left, top, right, bottom = label.box
        inside = (label.corners - [left, top]) / [right - left, bottom - top]
        assert is_plate((inside * [INPUT[1], INPUT[0]]).astype(np.float32), INPUT)


def test_crops_keep_the_place_of_the_plate(tmp_path):
    photo = np.full((200, 400, 3), 50, np.uint8)
    photo[120:140, 150:200] = (250, 0, 0)
    (tmp_path / "cars").mkdir()
    Image.fromarray(photo).save(tmp_path / "cars" / "one.png")
    corners = np.array([[150, 120], [200, 120], [200, 140], [150, 140]], np.float32) / [400, 200]
    labels = [
        PlateLabel("cars/one", (0.25, 0.2, 0.75, 0.95), corners.astype(np.float32)),
        PlateLabel("cars/gone", (0, 0, 1, 1), None),
    ]
    for _ in range(2):  # read, and from what was kept
        (found,) = read_crops(tmp_path, labels, tmp_path / "cache")
        assert found.box[2] - found.box[0] == pytest.approx(CROP[1], abs=2)
        red = (found.pixels[..., 0] > 200) & (found.pixels[..., 1] < 60)
        rows, columns = np.nonzero(red)
        assert found.corners[0] == pytest.approx([columns.min(), rows.min()], abs=2.5)
        assert found.corners[2] == pytest.approx([columns.max() + 1, rows.max() + 1], abs=2.5)
    with pytest.raises(DataError, match="none of 1 photo is there"):
        read_crops(tmp_path, labels[1:], tmp_path / "cache")


def test_a_network_is_built_with_its_card(tmp_path, monkeypatch):
    monkeypatch.setattr(building.PlateEncoder, "load", lambda *_: None)
    Image.fromarray(crop().pixels).save(tmp_path / "car.png")
    table = tmp_path / "labels.csv"
    table.write_text(
        "photo,left,top,right,bottom,x1,y1,x2,y2,x3,y3,x4,y4\ncar,0.1,0.1,0.9,0.9,0.37,0.61,0.52,0.6,0.52,0.71,0.37,0.73\n"
    )
    arguments = {"photos": tmp_path, "labels": table, "weights": None, "cache": tmp_path / "cache"}
    file = building.build_plates(tmp_path / "out", settings=Settings(samples=4, epochs=1, batch=4), **arguments)
    card = file.with_suffix(".md").read_text()
    assert re.search(r"SHA-256 `([0-9a-f]{64})`", card)[1] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert "1 photo, 1 of them with a plate" in card


def test_weights_of_another_network_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"conv_stem.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="EfficientNet-Lite0"):
        PlateEncoder().load(tmp_path / "other.safetensors")


def test_the_head_knows_that_plates_are_rare():
    head = PlateHead().eval()
    features = tuple(
        torch.zeros(1, channels, INPUT[0] // s, INPUT[1] // s) for channels, s in ((24, 4), (40, 8), (80, 16))
    )
    assert float(head(features)[:, 0].detach().sigmoid().mean()) < 0.1


def test_samples_that_fill_no_batch_are_refused():
    """The head was handed back untrained."""
    fitting = Fitting(samples=3, epochs=1, batch=4, learning_rate=1e-3, weight_decay=0.0, seed=0)
    with pytest.raises(DataError, match="3 samples to train on do not fill a batch of 4"):
        fit_head(torch.nn.Linear(1, 1), lambda _: torch.zeros(()), fitting, report=lambda *_: None)
