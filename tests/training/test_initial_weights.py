"""Begin with a model file: the network computes what the file does, in training nearly so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from carmask.errors import ModelError, WeightsError
from carmask.images.normalisation import describe
from carmask.model.file import find_model, read_info
from carmask.model.info import ModelInfo
from carmask.model.openvino import OpenVINONetwork
from carmask.model.runtime import load_model
from carmask.networks import build
from carmask.prediction.predict import open_for
from carmask.prediction.stages import refinement_inputs
from carmask.training.export import to_onnx
from carmask.training.initial_weights import load_initial_weights, load_network
from carmask.training.predictor import Normalised

INFO = ModelInfo(
    name="m",
    version="1",
    network="mobilenetv2-unet",
    height=64,
    width=96,
    normalisation="",
    threshold=0.5,
    training_data="",
    licence="",
)


@pytest.fixture(scope="module")
def trained() -> Normalised:
    """A network whose BatchNorm layers do something."""
    torch.manual_seed(0)
    model = Normalised(build("mobilenetv2-unet"))
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1)
            layer.running_var.uniform_(0.5, 2)
            layer.weight.data.uniform_(0.7, 1.4)
            layer.bias.data.normal_(0, 0.2)
    return model.eval()


@pytest.fixture(scope="module")
def photos() -> torch.Tensor:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (6, 8, 12, 3), np.uint8)
    return torch.from_numpy(small.repeat(8, 1).repeat(8, 2))


def test_another_normalisation_is_refused(trained, photos, tmp_path):
    shipped = tmp_path / "m.onnx"
    shipped.write_bytes(to_onnx(trained, INFO))
    run = tmp_path / "weights.safetensors"
    save_file(trained.state_dict(), run)
    for file in (shipped, run):
        with pytest.raises(WeightsError, match="another normalisation, imagenet, than the recipe's, unit"):
            load_initial_weights(Normalised(build("mobilenetv2-unet"), "unit"), file, photos)


def test_a_model_file_of_photos_divided_by_255(trained, photos, tmp_path):
    unit = Normalised(trained.network, "unit").eval()
    file = tmp_path / "m.onnx"
    file.write_bytes(to_onnx(unit, INFO.model_copy(update={"normalisation": describe("unit")})))
    again = load_network(file)
    with torch.no_grad():
        assert torch.equal(unit.network(photos.permute(0, 3, 1, 2) / 255.0), unit(photos))
        wanted, got = unit(photos), again.model(photos)
    assert again.model.normalisation == "unit"
    assert float((wanted - got).abs().max()) < 0.02 * float(wanted.std())


def test_a_model_file_is_run_in_16_bits_where_that_is_asked_for(trained, tmp_path):
    file = tmp_path / "m.onnx"
    file.write_bytes(to_onnx(trained, INFO))
    photo = np.random.default_rng(3).integers(0, 256, (*INFO.size, 3), np.uint8)
    exact, short = load_network(file), load_network(file, mixed=True)
    assert exact.scores(photo).dtype == short.scores(photo).dtype == torch.float32
    difference = np.abs(exact.run(photo) - short.run(photo))
    assert 0 < difference.max() < 0.01


def test_a_model_file(trained, photos, tmp_path):
    file = tmp_path / "m.onnx"
    file.write_bytes(to_onnx(trained, INFO))
    model = Normalised(build("mobilenetv2-unet"))
    load_initial_weights(model, file, photos)
    with torch.no_grad():
        wanted, got = trained(photos), model.eval()(photos)
        in_training = model.train()(photos)
    spread = float(wanted.std())
    # Weights are stored in 16 bits.
    assert float((wanted - got).abs().max()) < 0.02 * spread
    # Measured on the same photos, the batch's statistics are those that were measured.
    assert float((wanted - in_training).abs().mean()) < 0.2 * spread
    with pytest.raises(WeightsError, match="not a model of this recipe's network"):
        load_initial_weights(Normalised(build("unet-small")), file, photos)


def test_of_the_shipped_model_a_network_without_a_guide_takes_the_specialist(photos, examples):
    """The runtime, which reads the same file by itself, is the oracle."""
    shipped = find_model("shipped:default")
    info = read_info(shipped)
    assert info.guided
    model = Normalised(build("mobilenetv2-unet"))
    load_initial_weights(model, shipped, photos[:1])
    with Image.open(examples / "train" / "coupe_06.jpg") as photo:
        pixels = np.array(photo.convert("RGB").resize((info.width, info.height)))
    with torch.no_grad():
        found = model.eval().car(torch.from_numpy(pixels)[None])[0].numpy()
    # In the runtime it may be computed in 8 bits and in bfloat16.
    assert np.abs(found - OpenVINONetwork(shipped, info).specialise(pixels)).mean() < 0.02
    assert 0.05 < (found > 0.5).mean() < 0.95
    # One that is guided takes the segmentation network.
    load_initial_weights(Normalised(build("mobilenetv2-unet-guided")), shipped, photos[:1])
    with pytest.raises(WeightsError, match=r"it holds mobilenetv2-unet, whose specialist\.\S+ does not fit"):
        load_initial_weights(Normalised(build("unet-small")), shipped, photos)


def test_a_refinement_network_goes_on_from_that_of_a_model(photos, examples):
    """The runtime, which reads the same file by itself, is the oracle."""
    shipped = find_model("shipped:best")
    network = load_model(shipped)
    inputs = refinement_inputs(network, open_for(network, examples / "train" / "coupe_06.jpg"))
    assert inputs is not None
    theirs = network.refine(*inputs)
    found = {}
    for start in ("shipped:best", "shipped:default"):
        model = Normalised(build("mobilenetv2-unet-refinement"))
        load_initial_weights(model, Path(start), photos[:1])
        with torch.no_grad():
            mine = model.eval().car(*(torch.from_numpy(one)[None] for one in inputs))[0].numpy()
        found[start] = float(np.abs(mine - theirs).mean())
    # In the runtime it may be computed in 8 bits and in bfloat16. A model without the stage gives its segmentation's.
    assert found["shipped:best"] < 0.002
    assert found["shipped:best"] < 0.5 * found["shipped:default"]


def test_weights_of_a_run(trained, photos, tmp_path):
    file = tmp_path / "weights.safetensors"
    save_file(trained.state_dict(), file)
    model = Normalised(build("mobilenetv2-unet"))
    load_initial_weights(model, file, photos)
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in trained.state_dict().items())
    with pytest.raises(WeightsError, match="not weights of this recipe's network"):
        load_initial_weights(Normalised(build("unet-small")), file, photos)


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
@pytest.mark.parametrize("classes", [5, 1])
def test_a_head_for_other_classes_starts_anew(trained, photos, tmp_path, kind, classes):
    """One for as many classes, where it is said that they are others: doors would begin as hoods."""
    file = tmp_path / f"m.{kind}"
    if kind == "onnx":
        file.write_bytes(to_onnx(trained, INFO))
    else:
        save_file(trained.state_dict(), file)
    model = Normalised(build("mobilenetv2-unet", classes)).eval()
    before = {name: value.clone() for name, value in model.network.head.state_dict().items()}
    load_initial_weights(model, file, photos, new_head=classes == 1)
    assert all(torch.equal(value, before[name]) for name, value in model.network.head.state_dict().items())
    # All below the head is the file's: with the file's head it computes what the file does.
    model.network.head = trained.network.head
    model.network.channels = trained.network.channels
    with torch.no_grad():
        wanted, got = trained(photos), model.eval()(photos)
    assert float((wanted - got).abs().max()) < 0.02 * float(wanted.std())


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
@pytest.mark.parametrize("name", ["cnn-small", "smp:unet:resnet18"])
@pytest.mark.parametrize("classes", [5, 1])
def test_so_do_heads_that_are_transposed_convolutions_or_another_librarys(photos, tmp_path, name, kind, classes):
    given, file = Normalised(build(name)).eval(), tmp_path / f"m.{kind}"
    if kind == "onnx":
        file.write_bytes(to_onnx(given, INFO.model_copy(update={"network": name})))
    else:
        save_file(given.state_dict(), file)
    model = Normalised(build(name, classes)).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    load_initial_weights(model, file, photos, new_head=classes == 1)
    kept = {key for key, value in model.state_dict().items() if torch.equal(value, before[key])}
    head = {key for key in before if key.startswith(("network.head", "network.model.segmentation_head"))}
    assert head <= kept
    assert not any(key.endswith("weight") and value.ndim == 4 for key, value in before.items() if key in kept - head)


def test_a_model_file_whose_biases_are_zero(photos, tmp_path):
    """Its transposed convolutions have none in the file, and other numbers of channels before and after."""
    given, file = Normalised(build("unet")).eval(), tmp_path / "m.onnx"
    file.write_bytes(to_onnx(given, INFO.model_copy(update={"network": "unet"})))
    model = Normalised(build("unet")).eval()
    load_initial_weights(model, file, photos)
    with torch.no_grad():
        wanted, got = given(photos[:1]), model(photos[:1])
    assert float((wanted - got).abs().max()) < 0.02 * float(wanted.std())


def test_what_is_no_model(photos, tmp_path):
    model = Normalised(build("unet-small"))
    with pytest.raises(ModelError, match="neither a model file nor the name"):
        load_initial_weights(model, tmp_path / "absent.onnx", photos)
    for name in ("bad.onnx", "bad.safetensors"):
        (tmp_path / name).write_bytes(b"not a model at all")
        with pytest.raises(WeightsError, match="not a readable"):
            load_initial_weights(model, tmp_path / name, photos)


def test_frozen_statistics_stay_as_they_are(photos):
    network = build("mobilenetv2-unet")
    network.freeze_norm()
    model = Normalised(network)
    before = {name: value.clone() for name, value in model.named_buffers()}
    model(photos).sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in model.named_buffers())
    assert all(p.grad is not None for name, p in model.named_parameters() if "decoder" in name)


def test_rescaled_filters_compute_the_same(trained, photos, tmp_path):
    file = tmp_path / "m.onnx"
    file.write_bytes(to_onnx(trained, INFO))
    plain, rescaled = (Normalised(build("mobilenetv2-unet")) for _ in range(2))
    load_initial_weights(plain, file, photos)
    load_initial_weights(rescaled, file, photos, rescale=True)
    with torch.no_grad():
        for one in (plain, rescaled):
            one.eval()
        wanted, got = plain(photos), rescaled(photos)
    assert float((wanted - got).abs().max()) < 1e-3 * float(wanted.std())
    # He et al. 2015: the standard deviation of a new filter's weights is sqrt(2 / fan-in), here of each filter.
    layer = rescaled.network.decoder[0][0][0]
    size = layer.weight.square().mean((1, 2, 3)).sqrt()
    assert float(size.min()) == pytest.approx(float(size.max()), rel=1e-4)
    assert float(size.mean()) == pytest.approx((2 / (layer.in_channels * 9)) ** 0.5, rel=1e-4)
    before = plain.network.decoder[0][0][0].weight.square().mean((1, 2, 3)).sqrt()
    assert float(before.max()) > 1.05 * float(before.min())


def test_the_lowest_layers_of_an_encoder_can_stay_as_they_are(photos):
    model = Normalised(build("mobilenetv2-unet"))
    model.network.freeze_lowest(0.35)
    model(photos[:1]).sum().backward()
    moved = [p.grad is not None for p in model.network.encoder.parameters()]
    # The first of them, none between, and about a third of all.
    assert moved == sorted(moved)
    assert 0.3 < moved.index(True) / len(moved) < 0.4
    assert all(p.grad is not None for p in model.network.decoder.parameters())
    without = Normalised(build("unet-small"))
    without.network.freeze_lowest(0.35)
    assert all(p.requires_grad for p in without.parameters())
