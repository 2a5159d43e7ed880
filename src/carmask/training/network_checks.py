"""What a recipe asks of its network, its loss and the device, found out before anything is decoded."""

from __future__ import annotations

import torch

from carmask.errors import DeviceError, RecipeError
from carmask.networks import find_network
from carmask.networks.network import SegmentationNetwork
from carmask.training.losses import WITH_BCE, LabelLoss, find_loss
from carmask.training.machines import Machines
from carmask.training.recipe import Recipe


def check_network(recipe: Recipe, classes: int, *, guided: bool = False, refines: bool = False) -> None:
    """See whether a recipe's network can be trained as the recipe says.

    Args:
        recipe: the settings.
        classes: how many the data has, besides background.
        guided: a localisation stage is given.
        refines: a model to refine is given.

    Raises:
        UnknownNameError: if there is no such network or loss.
        RecipeError: if they do not fit each other.
    """
    entry, loss = find_network(recipe.network), find_loss(recipe.loss)
    with torch.device("meta"):  # shapes only
        network = entry.build(classes)
    if network.refines != (recipe.contour is not None):
        raise RecipeError(f"contour: {recipe.network} is {'' if network.refines else 'not '}trained on such windows")
    if network.refines != refines:
        what = "refines a model's contours; name its file" if network.refines else "refines no model; leave it out"
        raise RecipeError(f"base: {recipe.network} {what}")
    if network.refines:
        _check_sizes(recipe, network)
        return
    if network.guided and not guided:
        raise RecipeError(f"localisation: {recipe.network} is guided by a localisation stage; name its model file")
    if network.guided and recipe.scenes is None:
        raise RecipeError(f"scenes: {recipe.network} is trained on drawn scenes; add the table to the recipe")
    if guided and not network.guided:
        raise RecipeError(f"localisation: {recipe.network} takes no map of a localisation stage; leave it out")
    _check_sizes(recipe, network)
    _check_batches(recipe, network)
    if isinstance(loss, LabelLoss) and network.channels == 1:
        raise RecipeError(f"loss: {recipe.loss} needs several channels, {recipe.network} has one; use bce")
    if recipe.class_weights != "none" and not (isinstance(loss, LabelLoss) and classes > 1):
        raise RecipeError("class_weights: they are for parts, and a sparse-categorical loss; set class_weights=none")
    if recipe.border and recipe.loss not in WITH_BCE:
        raise RecipeError(f"border: {recipe.loss} has no BCE to weigh; use one of: {', '.join(sorted(WITH_BCE))}")
    if (recipe.encoder.weights == "imagenet" or recipe.encoder.frozen) and network.encoder_module() is None:
        raise RecipeError(f"encoder: {recipe.network} has none; set encoder.weights=none and encoder.frozen=false")


def _check_sizes(recipe: Recipe, network: SegmentationNetwork) -> None:
    for stage in recipe.stages:
        for height, width in (stage.size, stage.shown, stage.locate or stage.size):
            if min(height, width) < 1 or height % network.multiple or width % network.multiple:
                raise RecipeError(f"stages: {width}x{height}: {recipe.network} takes multiples of {network.multiple}")
        height, width = stage.shown
        refusal = network.refusal(stage.shown)
        if refusal is not None:
            raise RecipeError(f"stages: {recipe.network} takes no photos of {width}x{height}: {refusal}")


def _check_batches(recipe: Recipe, network: SegmentationNetwork) -> None:
    """BatchNorm cannot be trained on one value, which one photo gives where a network reduces it to a pixel."""
    if recipe.freeze_norm:
        return
    if recipe.encoder.frozen and network.encoder_module() is not None:
        network.freeze_encoder()
    for stage in recipe.stages:
        if stage.batch > 1:
            continue
        try:
            network.train()(torch.zeros(1, 3, *stage.shown, device="meta"))
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):
                raise
            height, width = stage.shown
            raise RecipeError(
                f"stages: batch: {recipe.network} cannot be trained on one photo of {width}x{height} at a time; use 2 "
                "or more"
            ) from error


def check_machines(machines: Machines, recipe: Recipe, photos: int) -> None:
    """See whether the device that was asked for is there, and whether several can share an epoch.

    Args:
        machines: what to train on.
        recipe: the settings.
        photos: how many make an epoch.

    Raises:
        DeviceError: if the device is not there.
        RecipeError: if there are too many devices for the recipe.
    """
    if machines.device == "cuda" and not torch.cuda.is_available():
        raise DeviceError("no CUDA device is available to torch; train on the device cpu")
    count = machines.devices * machines.nodes
    if count == 1:
        return
    # Lightning deals the photos out one by one.
    if recipe.views > 1:
        raise RecipeError("views: cars that are shown whole are trained on one device; set devices and nodes to 1")
    at, batch = max(enumerate(stage.batch for stage in recipe.stages), key=lambda one: one[1])
    if -(-photos // count) < batch:
        raise RecipeError(
            f"epoch_photos: a share of {photos} photos for each of {count} devices does not fill a batch of {batch}; "
            f"raise it, or set a smaller stages.{at}.batch"
        )
