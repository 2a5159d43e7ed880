"""Extra data sets: folders, shares, splits; backgrounds."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image

from carmask.data.split import Split
from carmask.data.table import read_examples
from carmask.errors import DataError, RecipeError
from carmask.model.info import ExtraData, ModelInfo
from carmask.training.extra_data import ExtraFolder, check_apart, find_backgrounds, read_extra

from .conftest import draw


def write_labelled(folder, names):
    """Photos with pictures of labels; a few pixels each."""
    for kind in ("photos", "labels"):
        (folder / kind).mkdir(parents=True)
    photo, mask = draw(0)
    for name in names:
        Image.fromarray(photo[::8, ::8]).save(folder / "photos" / f"{name}.png")
        Image.fromarray(mask[::8, ::8].astype("uint8")).save(folder / "labels" / f"{name}.png")
    return folder


@pytest.fixture
def wild(tmp_path):
    """A folder of two data sets, 12 and 8 photos, and one of pictures."""
    write_labelled(tmp_path / "wild" / "street", [f"street_{number:03}" for number in range(12)])
    write_labelled(tmp_path / "wild" / "yard", [f"IMG{number}" for number in range(8)])
    deep = tmp_path / "wild" / "backgrounds" / "houses" / "one"
    deep.mkdir(parents=True)
    Image.fromarray(draw(1)[0]).save(deep / "a.png")
    Image.fromarray(draw(2)[0]).save(tmp_path / "wild" / "backgrounds" / "a.jpg")
    return tmp_path / "wild"


def test_a_folder_of_data_sets_gives_one_each_and_divides_its_share_by_photos(wild):
    street, yard = read_extra([ExtraFolder(wild, 0.3, hold_out=0.25)], seed=0)
    assert (street.name, yard.name) == ("street", "yard")
    assert (len(street.training()), len(yard.training())) == (9, 6)
    assert street.share == pytest.approx(0.3 * 9 / 15)
    assert yard.share == pytest.approx(0.3 * 6 / 15)
    for one in (street, yard):
        assert not set(one.split.train) & set(one.split.validation)
        assert len(one.split.train) + len(one.split.validation) == len(one.examples)


def test_half_is_held_out_rounded_up_if_nothing_is_said(cars):
    (one,) = read_extra([ExtraFolder(cars, 0.1)], seed=0)
    assert (len(one.split.train), len(one.split.validation)) == (2, 3)


def test_ranges_of_names_are_held_out_where_neighbours_are_alike(wild):
    begins = set()
    for seed in range(12):
        street, yard = read_extra([ExtraFolder(wild, 0.1, 0.25, ranges=True)], seed=seed)
        numbers = sorted(int(car.removeprefix("street_")) for car in street.split.validation)
        assert numbers == list(range(numbers[0], numbers[0] + 3))
        assert len(yard.split.validation) == 2
        begins.add(numbers[0])
    assert len(begins) > 3


def test_the_cars_that_the_initial_weights_were_validated_on_are_kept(wild):
    initial = ModelInfo(
        name="before",
        version="1",
        network="none",
        height=32,
        width=32,
        normalisation="",
        threshold=0.5,
        training_data="",
        licence="",
        extra_data=(
            ExtraData(
                name="street",
                share=0.1,
                training_cars=tuple(f"street_{n:03}" for n in range(2, 8)),
                validation_cars=("street_000", "street_001"),
            ),
        ),
    )
    street, yard = read_extra([ExtraFolder(wild, 0.1)], seed=3, initial=initial)
    assert street.split.validation == ("street_000", "street_001")
    assert len(street.split.train) == 10
    assert len(yard.split.validation) == 4


def test_what_is_refused(cars, parts, wild, tmp_path):
    with pytest.raises(RecipeError, match="parts cannot be mixed in"):
        read_extra([ExtraFolder(parts, 0.1)], seed=0)
    with pytest.raises(RecipeError, match="same name, drawn"):
        read_extra([ExtraFolder(cars, 0.1), ExtraFolder(cars, 0.1)], seed=0)
    for share in (0.0, 1.0, -0.5):
        with pytest.raises(RecipeError, match="add up to less than 1"):
            read_extra([ExtraFolder(cars, share)], seed=0)
    for hold_out in (1.0, -0.1):
        with pytest.raises(RecipeError, match="must lie between 0 and 1"):
            read_extra([ExtraFolder(cars, 0.1, hold_out)], seed=0)
    one = write_labelled(tmp_path / "one", ["single"])
    with pytest.raises(RecipeError, match="one: all photos are of one car, single, as their names say"):
        read_extra([ExtraFolder(one, 0.1)], seed=0)
    two = write_labelled(tmp_path / "two", ["first", "second"])
    with pytest.raises(RecipeError, match="two: to hold out 2 of its 2 cars leaves none to train on"):
        read_extra([ExtraFolder(two, 0.1, 0.9)], seed=0)
    with pytest.raises(DataError, match=r"not laid out in a way that is known.*nor has it sub-folders that are"):
        read_extra([ExtraFolder(wild / "backgrounds", 0.1)], seed=0)
    with pytest.raises(DataError, match="no such folder"):
        read_extra([ExtraFolder(wild / "absent", 0.1)], seed=0)
    # A data set that is damaged is not passed over because its neighbours are whole.
    (wild / "yard" / "labels" / "IMG3.png").unlink()
    with pytest.raises(DataError, match=r"yard.*IMG3"):
        read_extra([ExtraFolder(wild, 0.1)], seed=0)


def test_backgrounds_lie_in_sub_folders_too(wild):
    found = find_backgrounds(wild / "backgrounds")
    assert [one.name for one in found] == ["a.jpg", "houses/one/a.png"]
    assert not any(one.read_mask().any() for one in found)
    shutil.rmtree(wild / "backgrounds" / "houses" / "one")
    (wild / "backgrounds" / "a.jpg").unlink()
    with pytest.raises(DataError, match="no pictures in it or its sub-folders"):
        find_backgrounds(wild / "backgrounds")


def test_photos_that_another_data_set_validates_on_are_not_trained_on(cars, tmp_path):
    """Corrections of photos of the main set were trained on, and scored there."""
    examples = read_examples(cars)
    a, b, *_ = sorted({one.car for one in examples})
    split = Split((a,), (b,))
    shutil.copytree(cars, tmp_path / "copy")
    copy = read_examples(tmp_path / "copy")
    check_apart([(examples, split), (copy, split)])
    for crossed in (Split((b,), ()), Split((), (a,))):
        with pytest.raises(RecipeError, match="to be trained on, and validated on as"):
            check_apart([(examples, split), (copy, crossed)])
    # Another photo of the same name.
    for photo in (tmp_path / "copy" / "train").iterdir():
        photo.write_bytes(photo.read_bytes() + b" ")
    check_apart([(examples, split), (copy, Split((b,), ()))])
