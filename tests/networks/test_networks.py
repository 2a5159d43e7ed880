"""One tester over the whole table."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from carmask.errors import UnknownNameError, UsageError, WeightsError
from carmask.networks import NETWORKS, build, find_network
from carmask.networks.network import car_logits
from carmask.networks.summary import count, describe

NAMES = [*NETWORKS, "smp:unet:resnet18"]


@pytest.fixture(autouse=True)
def _repeatable():
    torch.manual_seed(0)


def shape_of(name: str) -> nn.Module:
    with torch.device("meta"):
        return build(name)


def smallest(network: nn.Module) -> int:
    return max(32, network.multiple)


@pytest.mark.parametrize("name", NAMES)
def test_output_has_the_input_s_size(name):
    network = build(name).eval()
    side = smallest(network)
    with torch.no_grad():
        out = network(torch.randn(1, 3, side, 2 * side))
    assert out.shape == (1, network.channels, side, 2 * side)
    assert out.dtype == torch.float32
    assert torch.isfinite(out).all()


@pytest.mark.parametrize("name", [name for name in NAMES if shape_of(name).multiple == 1])
@pytest.mark.parametrize("size", [(33, 47), (160, 240), (65, 50)])
def test_odd_sizes_where_allowed(name, size):
    with torch.no_grad():
        out = build(name).eval()(torch.randn(1, 3, *size))
    assert out.shape[-2:] == size


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("classes", [1, 5])
def test_classes(name, classes):
    if shape_of(name).refines and classes > 1:
        with pytest.raises(UnknownNameError, match="whole cars"):
            build(name, classes)
        return
    with torch.device("meta"):
        network = find_network(name).build(classes)
        side = smallest(network)
        out = network.eval()(torch.empty(1, 3, side, side))
    assert out.shape[1] == network.channels
    if classes == 1:
        assert network.car_channels == ((1,) if network.channels == 3 else (0,))
    else:
        assert network.channels == classes + 1
        assert network.car_channels == (1, 2, 3, 4, 5)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_reach_every_parameter(name):
    network = build(name).train()
    if network.refines:
        # Its last layer is zero: at first nothing passes on to the others.
        torch.nn.init.normal_(network.detail[2].weight)
    side = max(64, smallest(network))
    # A loss that weighs every pixel differently: a plain sum over BatchNorm's output has no gradient.
    out = network(torch.randn(2, 3, side, side))
    (out * torch.randn_like(out)).mean().backward()
    dead = [key for key, p in network.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert dead == []


@pytest.mark.parametrize("name", [name for name in NAMES if shape_of(name).encoder_module() is not None])
def test_a_frozen_encoder_stays(name):
    network = build(name)
    network.freeze_encoder()
    network.train()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    encoder = {id(p) for p in network.encoder_module().parameters()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
    out = network(torch.randn(2, 3, 64, 64))
    (out * torch.randn_like(out)).mean().backward()
    optimizer.step()
    still = {id(p) for p in network.parameters() if p.grad is None}
    assert still == encoder
    kept = {id(t) for t in [*network.encoder_module().parameters(), *network.encoder_module().buffers()]}
    for key, value in network.state_dict(keep_vars=True).items():
        if id(value) in kept:
            assert torch.equal(value, before[key]), key
    changed = [k for k, v in network.state_dict(keep_vars=True).items() if id(v) not in kept]
    assert any(not torch.equal(network.state_dict()[key], before[key]) for key in changed)
    network.freeze_encoder(False)
    assert all(p.requires_grad for p in network.parameters())
    assert count(network).frozen == sum(b.numel() for k, b in network.named_buffers() if "running" in k)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_it_predicts_the_same(name, tmp_path):
    from safetensors.torch import load_file, save_file

    one, other = build(name).eval(), build(name).eval()
    save_file(one.state_dict(), tmp_path / "w.safetensors")
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    side = smallest(one)
    images = torch.randn(1, 3, side, side)
    with torch.no_grad():
        assert torch.equal(one(images), other(images))


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("mobilenetv2-unet", "features."),
        ("mobilenetv2-pix2pix", "features."),
        ("mobilenetv2-pix2pix-matched", "features."),
        ("vgg19-pix2pix", "features."),
        ("deeplabv3plus-resnet50", ""),
        ("smp:unet:resnet18", "encoder."),
    ],
)
def test_encoder_weights_come_from_a_file(name, prefix, tmp_path):
    from safetensors.torch import save_file

    network = build(name)
    wanted = {key: torch.randn(value.shape) for key, value in network.encoder_module().state_dict().items()}
    # Names of the library's whole network; what a classifier has besides is ignored.
    extra = {f"{prefix}{key}": value for key, value in wanted.items() if "num_batches" not in key}
    file = tmp_path / "encoder.safetensors"
    save_file({**extra, "classifier.weight": torch.zeros(3)}, file)
    network.load_encoder(file)
    for key, value in network.encoder_module().state_dict().items():
        if "num_batches" not in key:
            assert torch.equal(value, wanted[key]), key

    save_file({"classifier.weight": torch.zeros(3)}, file)
    with pytest.raises(WeightsError, match="are missing, the first is"):
        network.load_encoder(file)
    first = next(iter(extra))
    save_file({**extra, first: torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match="another shape"):
        network.load_encoder(file)
    file.write_bytes(b"no safetensors")
    with pytest.raises(WeightsError, match="not a readable"):
        network.load_encoder(file)


def test_torchvision_s_own_layout_is_taken(tmp_path):
    """The encoder computes what torchvision's network computes, up to the tap."""
    from safetensors.torch import save_file
    from torchvision.models import mobilenet_v2

    whole = mobilenet_v2(weights=None).eval()
    save_file(whole.state_dict(), tmp_path / "w.safetensors")
    network = build("mobilenetv2-pix2pix").eval()
    network.load_encoder(tmp_path / "w.safetensors")
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        *_, bottom = network.encoder(images)
        # BatchNorm of the last projection, which the source leaves out.
        there = whole.features[:18](images)
        assert torch.allclose(whole.features[17].conv[3](bottom), there, atol=1e-5)


def test_networks_without_encoder_say_so():
    with pytest.raises(WeightsError, match="no encoder"):
        build("unet-small").load_encoder(None)
    with pytest.raises(WeightsError, match="no encoder"):
        build("unet-small").freeze_encoder()


def test_car_logit_of_one_channel_is_the_channel():
    scores = torch.randn(2, 1, 3, 3)
    assert torch.equal(car_logits(scores, (0,)), scores)


def test_car_probability_is_the_softmax_of_the_car_channels():
    scores = 3 * torch.randn(2, 4, 5, 6)
    for channels in ((1,), (1, 2, 3)):
        expected = scores.softmax(1)[:, list(channels)].sum(1, keepdim=True)
        assert torch.allclose(car_logits(scores, channels).sigmoid(), expected, atol=1e-6)


def test_where_car_has_the_majority_it_is_the_argmax():
    scores = 3 * torch.randn(4, 3, 16, 16)
    car = car_logits(scores, (1,))[:, 0] >= 0
    assert (scores.argmax(1)[car] == 1).all()


def test_matched_outputs_are_sigmoids_made_into_probabilities():
    network = build("mobilenetv2-pix2pix-matched").eval()
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        raw = super(type(network), network).forward(images).sigmoid()
        assert torch.allclose(network(images).softmax(1), raw / raw.sum(1, keepdim=True), atol=1e-5)


def test_state_dict_names_of_the_shipped_network_stay():
    """Golden: models trained before must load. A hash of the sorted names and shapes."""
    import hashlib

    state = build("mobilenetv2-unet").state_dict()
    text = "\n".join(f"{key} {tuple(value.shape)}" for key, value in sorted(state.items()))
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == "699d41102c71584a"


@pytest.mark.parametrize("name", ["nope", "smp:nope:resnet18", "smp:unet:nope", "smp:unet", "UNET"])
def test_unknown_names_list_the_choices(name):
    with pytest.raises(UnknownNameError, match=r"unet"):
        build(name)


def test_a_size_that_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="multiples of 128"):
        describe("unet-deep", (320, 320))
