from __future__ import annotations

import itertools
import re

import pytest

from carmask.errors import RecipeError
from carmask.networks import NETWORKS
from carmask.training.module import rate_factor
from carmask.training.recipe import load_recipe, recipe_names


def test_every_network_of_the_sources_has_a_recipe():
    assert {load_recipe(name).network for name in recipe_names()} == set(NETWORKS)


@pytest.mark.parametrize("name", recipe_names())
def test_headers_say_command_and_expectation(name):
    from carmask.training import recipe

    text = (recipe._shipped() / f"{name}.toml").read_text()
    header = text[: text.index("\n\nnetwork")]
    assert f"carmask train {name} --data" in header
    # What the header shows as an override is one.
    (change,) = re.findall(rf"carmask train {name} \.\.\. --set (\S+)", header)
    assert load_recipe(name, [change]) != load_recipe(name)
    assert "Expected" in header or "Reported" in header
    assert "hour" in header.lower() or "minutes" in header
    assert load_recipe(name).name == name


@pytest.mark.parametrize("name", recipe_names())
def test_no_recipe_asks_for_arithmetic_that_a_machine_may_have_to_emulate(name):
    assert load_recipe(name).precision == "auto"


def test_the_four_unet_trainings_are_as_published():
    for size in (320, 640):
        for augmented in (False, True):
            recipe = load_recipe(f"unet-{size}" + "-augmented" * augmented)
            (stage,) = recipe.stages
            assert (stage.height, stage.width, stage.batch, stage.epochs) == (size, size, 2, 10)
            assert (recipe.loss, recipe.optimizer, recipe.learning_rate) == ("bce", "adam", 1e-4)
            assert (recipe.augment.five, recipe.augment.colours) == ((0.1, 8) if augmented else (0, 0))


def test_unet_deep_is_as_published():
    recipe = load_recipe("unet-deep")
    assert (recipe.loss, recipe.optimizer, recipe.learning_rate) == ("bce+dice", "adam", 1e-4)
    assert recipe.early_stopping.min_delta == 1e-4
    assert (recipe.stages[0].height, recipe.stages[0].width) == (1024, 1024)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["colour=3"], "colour: there is no such key"),
        (["augment.tilt=3"], "augment.tilt: there is no such key"),
        (["learning_rate=0"], "learning_rate: give more than 0"),
        (["precision=8"], "precision: give 'auto'"),
        (["validation=-1"], "validation: give a number of cars, 0 for none, or a fraction below 1"),
        (["validation=64.0"], "validation: give a number of cars, 0 for none, or a fraction below 1"),
        (["validation=nan"], "validation: give a number of cars, 0 for none, or a fraction below 1"),
        (["validation=few"], "validation: give a number of cars, 0 for none, or a fraction below 1"),
        (["seed=-1"], "seed: give at least 0"),
        (["seed=4294967296"], "seed: give less than 4294967296"),
        (["seed=true"], "seed: give a whole number$"),
        (["learning_rate=true"], "learning_rate: give a number$"),
        (["validation=true"], "validation: give a number"),
        (["augment.flip=false"], "augment.flip: give a number$"),
        (["scenes.main=true"], "scenes.main: give a number$"),
        (["contour.zoom=[0.5,true]"], "contour.zoom: give a number$"),
        (["stages.0.window=[true,64]"], r"stages\.0\.window: give a whole number$"),
        (["encoder.frozen=3"], "encoder.frozen: give true or false$"),
        (["stages.0.window=[0,64]"], r"stages\.0\.window: both sides must be above 0"),
        (["learning_rate=inf"], "learning_rate: give a finite number"),
        (["augment.noise=nan"], "augment.noise: give"),
        (["augment.colours=1"], "augment.colours: choose 2 to 256 colours, or 0 for all"),
        (["stages=[{height=64,width=96,batch=2,epochs=1,locate=[32,32]}]"], "stages.0: locate needs a window"),
        (["stages=[]"], "stages: give at least 1$"),
        (["early_stopping.patience=3", "check_photos=0"], "early_stopping needs validation photos"),
        (["early_stopping.monitor=mood"], "early_stopping.monitor: give"),
        (["views=16"], "views: a batch is one car: set the batch of each stage to 16"),
        (["views=2", "stages=[{height=64,width=96,batch=2,epochs=1}]", "epoch_photos=3"], "a multiple of 2, or to 0"),
        (["views=2", "stages=[{height=64,width=96,batch=2,epochs=1}]", "augment.flip=0.5"], "views: each photo is cha"),
        (["nothing"], "write KEY=VALUE"),
        (["network.deep=1"], "network is not a table"),
        (["epochs=2"], r"epochs: there is no such key; did you mean stages\.0\.epochs\?$"),
        (["patience=2"], r"patience: there is no such key; did you mean early_stopping\.patience\?$"),
        (["learning-rate=2"], r"learning-rate: there is no such key; did you mean learning_rate\?$"),
        (["zzz=2"], "zzz: there is no such key$"),
        (["stages.epochs=2"], r"stages\.epochs=2: say which one: stages\.0\.epochs"),
        (["stages.99.epochs=2"], r"stages\.99\.epochs=2: 99: there is 0"),
    ],
)
def test_wrong_keys_and_values_are_named(changes, message):
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe("default", changes)
    assert "\n" not in str(caught.value)


def test_recipes_that_are_none(tmp_path):
    with pytest.raises(RecipeError, match="unet-deep"):
        load_recipe("nope")
    with pytest.raises(RecipeError, match="a folder"):
        load_recipe(tmp_path)
    (tmp_path / "r.toml").write_text("network = ")
    with pytest.raises(RecipeError, match="not TOML"):
        load_recipe(tmp_path / "r.toml")
    (tmp_path / "r.toml").write_text("network = " + "[" * 100_000)
    with pytest.raises(RecipeError, match="not TOML"):
        load_recipe(tmp_path / "r.toml")


def test_values_are_read_as_toml_and_bare_words_as_text():
    recipe = load_recipe("default", ["loss=dice", "augment.flip=0.25", "encoder.frozen=true", "validation=3"])
    assert (recipe.loss, recipe.augment.flip, recipe.encoder.frozen, recipe.validation) == ("dice", 0.25, True, 3)


def test_one_stage_can_be_changed():
    before, after = load_recipe("unet-320"), load_recipe("unet-320", ["stages.0.epochs=2", "stages.0.batch=4"])
    assert [(stage.epochs, stage.batch) for stage in before.stages] == [(10, 2)]
    assert [(stage.epochs, stage.batch) for stage in after.stages] == [(2, 4)]


def test_rates():
    recipe = load_recipe(
        "default", ["warmup=0.1", "epoch_photos=80", "stages=[{height=32,width=32,batch=8,epochs=10}]"]
    )
    assert recipe.steps == 100
    factors = [rate_factor(step, recipe) for step in range(101)]
    assert factors[0] == pytest.approx(1 / 11)
    assert max(factors) == pytest.approx(1.0)
    assert all(a < b for a, b in itertools.pairwise(factors[:11]))
    assert all(a > b for a, b in itertools.pairwise(factors[10:]))
    assert factors[100] == pytest.approx(0.01)
    constant = recipe.model_copy(update={"schedule": "constant", "warmup": 0.0})
    assert {rate_factor(step, constant) for step in range(100)} == {1.0}
