"""What a training cannot do is said before it starts, and before PyTorch is loaded; whose validation cars are kept."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from PIL import Image

from carmask.data.split import split_cars
from carmask.errors import DataError, RecipeError, WeightsError
from carmask.model.file import find_model, read_info
from carmask.training.extra_data import ExtraFolder, Sources
from carmask.training.plan import plan_training
from carmask.training.recipe import load_recipe
from carmask.training.split import natural, read_validation_cars

from .conftest import copy, small, stages, write_cars


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two cars of two views."""
    return write_cars(tmp_path_factory.mktemp("two") / "drawn", 2, 2)


def rename(data, name):
    """Give each photo and its mask another name, by its number."""
    for folder, ending in (("train", ".png"), ("train_masks", "_mask.png")):
        for number, file in enumerate(sorted((data / folder).iterdir())):
            file.rename(file.with_name(name(number) + ending))
    return data


def test_a_fraction_that_rounds_to_no_car_is_refused(two, tmp_path):
    with pytest.raises(RecipeError, match=r"0\.2 of 2 cars is none; set validation to a number of cars, such as 1"):
        plan_training(small(1, "validation=0.2"), two, tmp_path / "run", Sources())
    assert plan_training(small(1, "validation=0.5"), two, tmp_path / "run", Sources()).checks.keys() == {""}
    # Nought is a choice.
    assert plan_training(small(1, "validation=0"), two, tmp_path / "run", Sources()).checks == {}


def test_names_that_give_one_car_are_refused(two, tmp_path):
    data = rename(copy(two, tmp_path / "data"), lambda number: f"lot_{number:02}")
    with pytest.raises(RecipeError, match="all 4 photos are of one car, lot, as their names say"):
        plan_training(small(), data, tmp_path / "run", Sources())
    # A camera's numbers are no views.
    data = rename(copy(two, tmp_path / "more"), lambda number: f"IMG_{number:04}")
    assert len(plan_training(small(), data, tmp_path / "run", Sources()).split.train) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["validation=5"], "cannot validate on 5 of 5 cars"),
        (["early_stopping.patience=2", "validation=0"], "early stopping needs cars to validate on"),
        (["early_stopping.monitor=f1"], "measured on parts only"),
        (["epoch_photos=1"], "do not fill a batch"),
        (
            ["epoch_photos=0", "stages=[{height=64,width=96,batch=9,epochs=1}]"],
            r"8 photos to train on do not fill .*smaller stages\.0\.batch",
        ),
    ],
)
def test_what_does_not_fit_the_data_is_refused(cars, tmp_path, changes, message):
    with pytest.raises((RecipeError, DataError), match=message) as caught:
        plan_training(small(1, *changes), cars, tmp_path / "run", Sources())
    assert "\n" not in str(caught.value)


def test_a_loss_that_is_not_measured_is_not_monitored(cars, tmp_path):
    changes = ["validation=1", "check_photos=2", "early_stopping.monitor="]
    for monitor in ("score", "loss"):
        recipe = load_recipe("best-refinement", [*changes[:2], changes[2] + monitor])
        sources = Sources(base=find_model("default"))
        if monitor == "score":
            assert plan_training(recipe, cars, tmp_path / "run", sources).info.localisation_size is not None
            continue
        with pytest.raises(RecipeError, match="after a localisation stage no loss is measured; use score"):
            plan_training(recipe, cars, tmp_path / "run", sources)


def test_a_share_of_no_photo_and_weights_that_are_absent_are_refused(cars, two, tmp_path):
    with pytest.raises(RecipeError, match=r"drawn: a share of 0\.01 of the 4 photos of an epoch is none"):
        plan_training(small(), cars, tmp_path / "run", Sources(extra=(ExtraFolder(two, 0.01),)))
    for sources in (Sources(initial_weights=tmp_path / "a.safetensors"), Sources(encoder_weights=tmp_path / "b")):
        with pytest.raises(WeightsError, match="there is no such file"):
            plan_training(small(), cars, tmp_path / "run", sources)


def test_cars_that_are_shown_whole_have_all_their_views(two, tmp_path):
    data = copy(two, tmp_path / "data")
    write_cars(tmp_path / "more", 4, 3)
    for folder in ("train", "train_masks"):
        for file in (tmp_path / "more" / folder).glob("car[23]_*"):
            shutil.copyfile(file, data / folder / file.name)
    recipe = load_recipe("unet3d-views", [stages(), "views=2", "validation=0"])
    plan = plan_training(recipe, data, tmp_path / "run", Sources())
    assert [one.name for one in plan.trained_on] == ["car0_01", "car0_02", "car1_01", "car1_02"]
    with pytest.raises(RecipeError, match="views: no car to train on has 16 photos"):
        plan_training(load_recipe("unet3d-views", ["validation=0"]), data, tmp_path / "run", Sources())
    with pytest.raises(RecipeError, match="extra data cannot be mixed into cars that are shown whole"):
        plan_training(recipe, data, tmp_path / "run", Sources(extra=(ExtraFolder(two, 0.5),)))


def test_validation_cars_can_be_given(cars, tmp_path):
    file = tmp_path / "cars.txt"
    file.write_text("# kept\ncar3\ncar1\n")
    given = read_validation_cars(file)
    plan = plan_training(small(), cars, tmp_path / "run", Sources(validation_cars=given))
    assert plan.split == (("car0", "car2", "car4"), ("car1", "car3"))
    with pytest.raises(DataError, match="1 of 1 validation car has no photo in it, the first is carX"):
        plan_training(small(), cars, tmp_path / "run", Sources(validation_cars=("carX",)))
    everything = tuple(f"car{number}" for number in range(5))
    with pytest.raises(DataError, match="at least one must be left to train on"):
        plan_training(small(), cars, tmp_path / "run", Sources(validation_cars=everything))
    assert read_validation_cars("default") == read_info(find_model("default")).validation_cars


def test_data_sets_count_in_the_score_by_share_or_alike(cars, two, tmp_path):
    data = copy(two, tmp_path / "two")
    extra = Sources(extra=(ExtraFolder(data, 0.25),))
    whole = Sources(extra=(ExtraFolder(data, 0.25, 0.0),))
    with pytest.raises(RecipeError, match="the score would be too high; take it out of one of the data sets"):
        plan_training(small(), cars, tmp_path / "run", whole)
    for photo in (data / "train").iterdir():  # other photos of the same names
        photo.write_bytes(photo.read_bytes() + b" ")
    assert plan_training(small(), cars, tmp_path / "run", extra).score_weights == {"": 0.75, "two": 0.25}
    alike = plan_training(small(1, "score_weights=equal"), cars, tmp_path / "run", extra)
    assert alike.score_weights == {"": 1.0, "two": 1.0}
    # What is not validated on does not count.
    assert plan_training(small(), cars, tmp_path / "run", whole).score_weights == {"": 0.75}


def test_a_refusal_comes_before_torch(cars, tmp_path):
    code = f"""
import sys
from pathlib import Path
from carmask.errors import CarmaskError
from carmask.training.extra_data import Sources
from carmask.training.machines import Machines
from carmask.training.recipe import load_recipe
from carmask.training.train import train
try:
    train(load_recipe("default", ["validation=99"]), Path({str(cars)!r}), Path({str(tmp_path / "run")!r}))
except CarmaskError as error:
    print(error)
print({{"torch", "lightning", "onnx"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True)
    assert "cannot validate on 99 of 5 cars" in done.stdout
    assert done.stdout.endswith("set()\n")
    assert not (tmp_path / "run").exists()


def test_numbers_in_names_sort_as_numbers():
    assert sorted(["a10", "a9", "a", "b1", "2", "10"], key=natural) == ["2", "10", "a", "a9", "a10", "b1"]


@pytest.mark.real
def test_a_data_set_that_has_grown_keeps_the_shipped_model_s_validation_cars(carvana, tmp_path):
    info = read_info(find_model("default"))
    plan = plan_training(small(), carvana, tmp_path / "run", Sources(validation_cars=info.validation_cars))
    assert plan.split.validation == info.validation_cars
    grown = plan_training(small(), carvana, tmp_path / "run", Sources(initial_weights=find_model("default")))
    assert grown.split == plan.split
    assert set(info.training_cars) <= set(grown.split.train)
    by_hash = split_cars({*grown.split.train, *grown.split.validation}, 40, seed=0)
    if len(grown.split.train) > len(info.training_cars):
        assert by_hash.validation != info.validation_cars


def test_layout_and_mask_threshold_reach_every_data_set(two, tmp_path):
    data = copy(two, tmp_path / "data")
    (data / "train").rename(data / "imgs")
    (data / "train_masks").rename(data / "masks")
    for file in (data / "masks").iterdir():
        with Image.open(file) as mask:
            grey = mask.convert("L").point(lambda value: 40 + value // 2)
        grey.save(file)
    more = shutil.copytree(data, tmp_path / "more")
    sources = Sources((ExtraFolder(more, 0.5),), layout="folders", mask_threshold=128)
    plan = plan_training(small(), data, tmp_path / "run", sources)
    for example in (*plan.examples, *plan.extra[0].examples):
        assert 0 < example.read_mask().mean() < 0.5
    with pytest.raises(DataError, match="train: there is no such folder"):
        plan_training(small(), data, tmp_path / "run", Sources(layout="carvana"))
