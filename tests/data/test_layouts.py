"""Each layout from files as people have them: the masks must come back, and what is no data set is refused in words."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from carmask.data.layouts import LAYOUTS, find_layout, list_pairs, read_data
from carmask.errors import DataError, UnknownNameError
from carmask.formats.rle import rle_encode

MASK = np.zeros((20, 30), np.bool_)
MASK[4:12, 6:25] = True
NAMES = ("a_01", "IMG_0007", "lot b")
#: VOC's colours of classes 1, 7 (car) and 255 (undecided), from its development kit.
VOC = {0: (0, 0, 0), 1: (128, 0, 0), 7: (128, 128, 128), 255: (224, 224, 192)}


def save(path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def fill(data, photos: str, masks: str) -> None:
    """Photos and masks, by patterns of their paths."""
    for name in NAMES:
        save(data / photos.format(name), Image.new("RGB", (30, 20), (200, 200, 200)))
        save(data / masks.format(name), Image.fromarray(MASK))


def index(values: np.ndarray, colours: dict[int, tuple[int, int, int]]) -> Image.Image:
    image = Image.fromarray(values.astype(np.uint8))
    image.putpalette([value for entry in range(256) for value in colours.get(entry, (0, 0, 0))])
    return image


@pytest.mark.parametrize(
    ("layout", "photos", "masks"),
    [
        ("carvana", "train/{}.jpg", "train_masks/{}_mask.gif"),
        ("folders", "images/{}.jpg", "masks/{}.png"),
        ("folders", "imgs/{}.JPG", "masks/{}_MASK.PNG"),
        ("folders", "Images/{}.webp", "Masks/{}-mask.bmp"),
        ("folders", "image/{}.jpg", "mask/{}.gif"),
        ("folders", "photos/{}.jpg", "masks/{}.png"),
        ("labelled", "photos/{}.jpg", "labels/{}.png"),
        ("voc", "JPEGImages/{}.jpg", "SegmentationClass/{}.png"),
        ("pairs", "{}.jpg", "{}_mask.png"),
        ("pairs", "{}.png", "{}_mask.png"),
        ("pairs", "{}.jpg", "{}.png"),
    ],
)
def test_layouts_are_found_by_themselves_and_by_name(tmp_path, layout, photos, masks):
    fill(tmp_path, photos, masks)
    if layout in {"labelled", "voc"}:
        for file in (tmp_path / masks).parent.glob("*"):
            save(file, index(MASK, VOC))
    assert find_layout(tmp_path) == layout
    for named in (None, layout):
        examples, classes = read_data(tmp_path, layout=named)
        assert classes == ("car",)
        assert [one.name for one in examples] == sorted(NAMES)
        assert [(one.car, one.view) for one in examples] == [("IMG_0007", 0), ("a", 1), ("lot b", 0)]
        assert all(np.array_equal(one.read_mask(), MASK) for one in examples)


def test_a_csv_of_masks(tmp_path):
    fill(tmp_path, "train/{}.jpg", "elsewhere/{}.png")
    rows = "".join(f"{name}.jpg,{rle_encode(MASK)}\n" for name in NAMES)
    (tmp_path / "train_masks.csv").write_text("img,rle_mask\n" + rows)
    assert find_layout(tmp_path) == "carvana"
    assert all(np.array_equal(one.read_mask(), MASK) for one in read_data(tmp_path)[0])
    assert list_pairs(tmp_path) is None


def test_the_threshold_reaches_every_mask(tmp_path):
    fill(tmp_path, "images/{}.jpg", "masks/{}.png")
    for file in (tmp_path / "masks").iterdir():
        save(file, Image.fromarray(np.where(MASK, 255, 40).astype(np.uint8)))
    assert all(np.array_equal(one.read_mask(), MASK) for one in read_data(tmp_path, mask_threshold=128)[0])


def voc(data, values: np.ndarray, labelmap: str | None = None, *, colours: bool = False) -> np.ndarray:
    save(data / "JPEGImages/a_01.jpg", Image.new("RGB", (30, 20)))
    save(data / "JPEGImages/without.jpg", Image.new("RGB", (30, 20)))
    image = index(values, VOC)
    save(data / "SegmentationClass/a_01.png", image.convert("RGB") if colours else image)
    if labelmap is not None:
        (data / "labelmap.txt").write_text(labelmap)
    (example,) = read_data(data)[0]
    assert example.name == "a_01"
    return example.read_mask()


CLASSES = MASK * 7
CLASSES[0:3] = 255
CLASSES[15:] = 1


def test_voc_s_own_classes(tmp_path):
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    (tmp_path / "ImageSets/Main/aeroplane_train.txt").touch()
    assert np.array_equal(voc(tmp_path, CLASSES), MASK)


@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize(
    "labelmap",
    [
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncar:128,128,128::\nperson:128,0,0::\n",
        "background:0,0,0::\nVehicle:128,128,128::\nperson:128,0,0::\nroad:1,2,3::\n",
    ],
)
def test_a_label_map_says_which_colour_is_car(tmp_path, labelmap, colours):
    assert np.array_equal(voc(tmp_path, CLASSES, labelmap, colours=colours), MASK)


@pytest.mark.parametrize("colours", [False, True])
def test_without_a_label_map_all_classes_are_car_and_undecided_is_not(tmp_path, colours):
    assert np.array_equal(voc(tmp_path, CLASSES, colours=colours), (CLASSES > 0) & (CLASSES < 255))


@pytest.mark.parametrize("colours", [False, True])
def test_the_only_label_is_the_car_whatever_it_is_called(tmp_path, colours):
    assert np.array_equal(voc(tmp_path, MASK * 7, "truck:128,128,128::\n", colours=colours), MASK)


def test_a_label_map_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a_01\.png: the colour 128,0,0 is no label's"):
        voc(tmp_path, CLASSES, "person:1,2,3::\nroad:128,128,128::\n")
    with pytest.raises(DataError, match=r"labelmap\.txt: line 1: not 'name:red,green,blue::'"):
        voc(tmp_path, CLASSES, "person\n")


def test_several_labels_of_which_none_is_a_car_are_parts(tmp_path):
    voc(tmp_path, CLASSES, "wheel:128,0,0::\ndoor:128,128,128::\n")
    (example,), names = read_data(tmp_path)
    assert names == ("wheel", "door")
    assert np.array_equal(example.read_labels(), np.select([CLASSES == 1, CLASSES == 7], [1, 2]))


def test_what_is_missing_is_named(tmp_path):
    fill(tmp_path, "images/{}.jpg", "masks/{}.png")
    (tmp_path / "masks/a_01.png").unlink()
    with pytest.raises(DataError, match="1 of 3 photos has no mask, the first is a_01"):
        read_data(tmp_path)
    pairs = list_pairs(tmp_path)
    assert set(pairs.photos) == set(NAMES)
    assert set(pairs.masks) == {"IMG_0007", "lot b"}
    with pytest.raises(UnknownNameError, match="no layout 'foldrs'; there are labelled, parts, carvana, folders, voc"):
        read_data(tmp_path, layout="foldrs")
    with pytest.raises(DataError, match="no such folder"):
        read_data(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"train: there is no such folder"):
        read_data(tmp_path, layout="carvana")
    with pytest.raises(DataError, match=r"has not both a folder images/"):
        read_data(tmp_path / "images", layout="folders")


def test_a_refusal_shows_every_layout_and_where_one_lies(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match="not laid out in a way that is known") as caught:
        find_layout(tmp_path)
    assert all(f"{name}: {one.shape}" in str(caught.value) for name, one in LAYOUTS.items())
    fill(tmp_path / "dataset", "imgs/{}.jpg", "masks/{}.png")
    with pytest.raises(DataError, match=r"dataset is laid out so \(folders\)"):
        find_layout(tmp_path)


def test_photos_alone_are_no_pairs(tmp_path):
    for name in NAMES:
        save(tmp_path / f"{name}.jpg", Image.new("RGB", (30, 20)))
    with pytest.raises(DataError, match="not laid out"):
        find_layout(tmp_path)


def test_a_layout_is_refused_without_torch(tmp_path):
    code = (
        "import sys; from pathlib import Path; from carmask.errors import DataError\n"
        "from carmask.data.layouts import find_layout\n"
        f"try: find_layout(Path({str(tmp_path)!r}))\n"
        "except DataError: sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
