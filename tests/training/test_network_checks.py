"""What a recipe asks of its network is checked before anything is decoded."""

from __future__ import annotations

import pytest

from carmask.errors import RecipeError
from carmask.training.machines import Machines
from carmask.training.network_checks import check_machines, check_network
from carmask.training.recipe import load_recipe

from .conftest import stages


@pytest.mark.parametrize("name", ["deeplabv3plus-resnet50", "smp:deeplabv3plus:resnet18"])
def test_networks_that_take_the_mean_of_a_photo_need_two(name):
    changes = [f"network={name}", "encoder.weights=none"]
    with pytest.raises(RecipeError, match=f"{name} cannot be trained on one photo of 96x64 at a time; use 2 or more"):
        check_network(load_recipe("unet-320", [*changes, stages(batch=1)]), 1)
    check_network(load_recipe("unet-320", [*changes, stages(batch=2)]), 1)
    # Statistics that are kept need no second photo.
    check_network(load_recipe("unet-320", [*changes, stages(batch=1), "freeze_norm=true"]), 1)


@pytest.mark.parametrize("name", ["unet", "unet-deep", "cnn-small", "mobilenetv2-pix2pix", "efficientnet-lite2-unet"])
def test_other_networks_may_see_one_photo_at_a_time(name):
    check_network(load_recipe("unet-320", [f"network={name}", stages(1, (256, 256), batch=1)]), 1)


def test_one_photo_that_ends_in_one_pixel_is_too_little():
    with pytest.raises(RecipeError, match="unet-deep cannot be trained on one photo of 128x128 at a time"):
        check_network(load_recipe("unet-320", ["network=unet-deep", stages(1, (128, 128), batch=1)]), 1)


def test_devices_among_which_an_epoch_cannot_be_dealt_out():
    recipe = load_recipe("unet-320", [stages(batch=4)])
    check_machines(Machines("cpu"), recipe, 4)
    check_machines(Machines("cpu", devices=2, nodes=2), recipe, 15)
    with pytest.raises(RecipeError, match="12 photos for each of 4 devices does not fill a batch of 4"):
        check_machines(Machines("cpu", devices=2, nodes=2), recipe, 12)
    # A batch would hold every other view of two cars.
    with pytest.raises(RecipeError, match="are trained on one device"):
        check_machines(Machines("cpu", devices=2), load_recipe("unet3d-views"), 512)


def test_sizes_that_another_librarys_network_does_not_take():
    changes = ["network=smp:pan:resnet18", "encoder.weights=none"]
    with pytest.raises(RecipeError, match="smp:pan:resnet18 takes no photos of 32x32: Given input size"):
        check_network(load_recipe("unet-320", [*changes, stages(1, (32, 32), batch=2)]), 1)
    check_network(load_recipe("unet-320", [*changes, stages(1, (128, 128), batch=2)]), 1)
