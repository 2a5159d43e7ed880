"""The network over all views of a car: its convolution is a volume's, and no view is the first."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from carmask.networks import build
from carmask.networks.summary import count
from carmask.networks.views import ViewsConv


@pytest.fixture(autouse=True)
def _repeatable():
    torch.manual_seed(0)


def random_network(name: str) -> nn.Module:
    """With BatchNorm that does something: other statistics, scales and shifts than those of a new network."""
    network = build(name)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for values in (layer.weight, layer.bias, layer.running_mean):
                nn.init.normal_(values)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
    return network.eval()


@pytest.mark.parametrize("views", [1, 2, 3, 16])
@pytest.mark.parametrize("depth", [1, 3])
def test_it_is_torch_s_convolution_of_a_volume_that_is_closed_in_depth(views, depth):
    ours = ViewsConv(5, 7, depth=depth).double()
    theirs = nn.Conv3d(5, 7, (depth, 3, 3), bias=False).double()
    with torch.no_grad():
        # (out, depth * in, 3, 3): the channels of the view before, of the view, of the view after.
        theirs.weight.copy_(ours.conv.weight.unflatten(1, (depth, 5)).transpose(1, 2))
    images = torch.randn(views, 5, 6, 8, dtype=torch.float64)
    volume = images.transpose(0, 1)[None]
    around = depth // 2
    padded = nn.functional.pad(volume, (0, 0, 0, 0, around, around), mode="circular") if around else volume
    wanted = theirs(nn.functional.pad(padded, (1, 1, 1, 1)))[0].transpose(0, 1)
    torch.testing.assert_close(ours(images), wanted)


@settings(max_examples=10, deadline=None)
@given(
    views=st.integers(1, 16), turn=st.integers(-20, 20), name=st.sampled_from(["unet3d-views", "unet3d-views-apart"])
)
def test_turning_the_car_turns_the_masks(views, turn, name):
    network = random_network(name)
    images = torch.randn(views, 3, 16, 24)
    with torch.no_grad():
        one, other = network(images).roll(turn, 0), network(images.roll(turn, 0))
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_with_kernel_1_in_depth_it_is_a_network_of_single_photos():
    network = random_network("unet3d-views-apart")
    images = torch.randn(16, 3, 16, 24)
    with torch.no_grad():
        together, apart = network(images), torch.cat([network(image[None]) for image in images])
    torch.testing.assert_close(together, apart, rtol=1e-4, atol=1e-4)


def test_with_kernel_3_all_other_views_matter():
    network = random_network("unet3d-views")
    images = torch.randn(16, 3, 16, 24, requires_grad=True)
    network(images)[0].square().sum().backward()
    # 14 convolutions, each of which sees one view further to either side: all the way around, and more.
    assert (images.grad.flatten(1).abs().sum(1) > 0).all()


def test_they_differ_in_the_kernels_alone():
    volume, apart = build("unet3d-views"), build("unet3d-views-apart")
    kernels = [m for m in apart.modules() if isinstance(m, ViewsConv)]
    assert len(kernels) == 14
    extra = 2 * sum(m.conv.weight.numel() for m in kernels)
    assert count(volume).total - count(apart).total == extra
