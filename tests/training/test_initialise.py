from __future__ import annotations

import pytest
import torch
from torch import nn

from carmask.errors import UnknownNameError
from carmask.training.initialise import initialise


def layer() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(64, 128, 3), nn.BatchNorm2d(128), nn.ConvTranspose2d(128, 64, 3))


def test_variances_are_those_of_the_papers():
    torch.manual_seed(0)
    network = layer()
    initialise(network, "he")
    assert network[0].weight.var().item() == pytest.approx(2 / (64 * 9), rel=0.05)
    initialise(network, "glorot")
    assert network[0].weight.var().item() == pytest.approx(2 / ((64 + 128) * 9), rel=0.05)
    assert network[0].weight.abs().max().item() <= (6 / ((64 + 128) * 9)) ** 0.5
    initialise(network, "orthogonal")
    flat = network[0].weight.flatten(1)
    assert torch.allclose(flat @ flat.T, torch.eye(128), atol=1e-4)
    assert not network[0].bias.any()
    assert (network[1].weight == 1).all()


def test_own_changes_nothing():
    network = layer()
    before = network[0].weight.clone()
    initialise(network, "own")
    assert torch.equal(network[0].weight, before)
    with pytest.raises(UnknownNameError, match="own, glorot, he, orthogonal"):
        initialise(network, "zeros")
