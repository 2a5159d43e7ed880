"""What goes into a format comes back from it: the masks of each label, pixel by pixel."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from carmask.errors import DataError, OutputError, UnknownNameError
from carmask.formats.convert import convert
from carmask.formats.picture import Annotations, Instance, Picture, from_masks
from carmask.formats.polygons import fill_line, trace
from carmask.formats.reading import ReadOptions
from carmask.formats.roundtrip import layers, shape_of
from carmask.formats.table import FORMATS, WRITABLE, detect, read_annotations
from carmask.formats.writing import WriteOptions
from carmask.formats.yolo import MAX_CORNERS, outline
from tests.formats.masks import annotations_of, cars, drawn_mask, masks
from tests.formats.test_csv_text import NAMES

LOSSLESS = [name for name in WRITABLE if FORMATS[name].exact]
#: As ``NAMES``, but for what names an address, a disk, a hidden file or a folder.
STEMS = NAMES.filter(lambda stem: not {*"\\:?%"} & {*stem} and stem[0] not in ".-" and stem not in {"plain"})
LABELLED = [name for name in WRITABLE if FORMATS[name].labels]


def read_back(source: Annotations, name: str, **options) -> tuple[Annotations, dict[str, Picture]]:
    """Write and read; the pictures by name without suffix. Pictures are decoded while the folder is there."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out")
        done = convert(source, out, name, check=False, options=WriteOptions(**options))
        assert not done.faults
        sizes = {picture.stem: picture.size for picture in source.pictures}
        back = read_annotations(out, ReadOptions(sizes=sizes))
        assert detect(out) == name
        assert not back.faults
        found = {one.stem: one.instances() for one in back.pictures}
        kept = {one.stem: Picture(one.name, one.size, lambda s=one.stem: found[s]) for one in back.pictures}
        return back, kept


@pytest.mark.parametrize("name", LOSSLESS)
@given(st.lists(masks, min_size=10, max_size=10), st.sampled_from(["brush", "bitmask"]))
@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
def test_no_pixel_is_lost(name, found, tag):
    """500 masks for each lossless format."""
    _, back = read_back(cars(*found), name, tag=tag)
    for number, mask in enumerate(found):
        picture = back[f"car {number}"]
        assert picture.size == mask.shape
        assert np.array_equal(picture.mask(), mask)


@pytest.mark.parametrize("name", WRITABLE)
@given(st.lists(STEMS, min_size=1, max_size=3, unique=True))
@settings(max_examples=25)
def test_pictures_of_any_name_are_read_back_or_said(name, stems):
    """Line ends of all kinds, quotation marks, control characters, bytes that are no UTF-8."""
    mask = drawn_mask("diagonal", (5, 7), 0)
    named = {f"{stem}.jpg": [Instance("car", mask)] for stem in [*stems, "plain"]}
    source = annotations_of(named, dict.fromkeys(named, mask.shape))
    with tempfile.TemporaryDirectory() as folder:
        done = convert(source, Path(folder, "out"), name, check=False)
        back = read_annotations(Path(folder, "out"), ReadOptions(sizes={one.stem: one.size for one in source.pictures}))
    assert not back.faults
    unwritable = FORMATS[name].unwritable
    refused = [stem for stem in stems if unwritable is not None and unwritable.search(stem)]
    assert {one.stem for one in back.pictures} == {*stems, "plain"} - {*refused}
    assert len(done.faults) == len(refused)
    for stem in refused:
        assert any(fault.startswith(repr(f"{stem}.jpg")) for fault in done.faults)


@pytest.mark.parametrize("name", LABELLED)
@given(st.lists(masks, min_size=1, max_size=3), st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_labels_stay_apart(name, found, seed):
    rng = np.random.default_rng(seed)
    names = ("front door", "wheel", "Räder & <Glas>")
    pictures, sizes = {}, {}
    for number, mask in enumerate(found):
        parts = rng.integers(0, 3, mask.shape)
        pictures[f"{number}.png"] = [Instance(names[part], mask & (parts == part)) for part in range(3)]
        sizes[f"{number}.png"] = mask.shape
    back, kept = read_back(annotations_of(pictures, sizes, names), name)
    if FORMATS[name].exact:
        assert [one for one in names if one in back.names] == [one for one in back.names if one in names]
        for key, instances in pictures.items():
            before = layers([one for one in instances if one.mask.any()], sizes[key], labels=True, overlaps=False)
            after = layers(kept[key[:-4]].instances(), sizes[key], labels=True, overlaps=False)
            assert before.keys() == after.keys()
            assert all(np.array_equal(before[label], after[label]) for label in before)


@pytest.mark.parametrize("name", ["voc", "index-png"])
@pytest.mark.parametrize("label", ["a\nb", " door", "wheel\u2028"])
def test_labels_that_do_not_fit_on_a_line_are_refused_not_written(name, label, tmp_path):
    source = annotations_of(
        {"a.png": [Instance(label, drawn_mask("blobs", (20, 30), 1))]}, {"a.png": (20, 30)}, (label,)
    )
    with pytest.raises(DataError, match="does not fit on a line of"):
        convert(source, tmp_path / "out", name)


@pytest.mark.parametrize("name", [name for name in LABELLED if FORMATS[name].overlaps and FORMATS[name].exact])
def test_instances_of_a_label_may_overlap(name):
    one, two = drawn_mask("blobs", (20, 30), 1), drawn_mask("blobs", (20, 30), 2)
    assert (one & two).any()
    source = annotations_of({"a.jpg": [Instance("car", one), Instance("car", two)]}, {"a.jpg": (20, 30)})
    _, kept = read_back(source, name)
    after = [instance.mask for instance in kept["a"].instances()]
    assert len(after) == 2
    assert np.array_equal(after[0], one)
    assert np.array_equal(after[1], two)


@pytest.mark.parametrize("name", ["coco", "cvat", "datumaro", "fiftyone", "label-studio", "labelme", "huggingface"])
def test_scores_come_back(name):
    source = cars(drawn_mask("blobs", (20, 30), 1), score=0.8125, model="default 4")
    _, kept = read_back(source, name, model="default 4")
    assert [one.score for one in kept["car 0"].instances()] == [0.8125]


@pytest.mark.parametrize("name", ["fiftyone", "label-studio"])
def test_predictions_know_their_model(name):
    source = cars(drawn_mask("blobs", (20, 30), 1), score=0.5, model="default 4")
    assert read_back(source, name)[0].model == "default 4"


@given(masks)
@settings(max_examples=150)
def test_yolo_keeps_masks_of_one_component_and_fills_bridges_only(mask):
    _, back = read_back(cars(mask), "yolo")
    after = back["car 0"].mask()
    if mask.any() and len(trace(mask)) >= MAX_CORNERS:
        return  # simplified
    assert (after >= mask).all()
    if shape_of(mask).components <= 1:
        assert np.array_equal(after, mask)


def test_yolo_s_outlines_have_as_many_corners_as_its_reader_takes():
    """A ragged circle: simplified by so little that a pixel along the edge changes here and there."""
    angle = np.arctan2(*np.mgrid[-300:300, -400:400])
    radius = np.hypot(*np.mgrid[-300:300, -400:400])
    mask = radius < 220 + 8 * np.sin(40 * angle) + 3 * np.sin(170 * angle)
    assert len(trace(mask)) >= MAX_CORNERS
    line = outline(mask)
    assert len(line) < MAX_CORNERS
    changed = np.count_nonzero(fill_line(line, mask.shape) ^ mask)
    assert 0 < changed < 0.01 * mask.sum()


def test_the_report_counts_what_yolo_loses(tmp_path):
    mask = np.zeros((20, 30), np.bool_)
    mask[2:8, 2:8] = mask[2:8, 15:20] = True
    mask[4:6, 4:6] = False
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "photos" / "a.jpg")
    source = from_masks([("a.jpg", (20, 30), mask, None)], photos=lambda name: tmp_path / "photos" / name)
    done = convert(source, tmp_path / "out", "yolo")
    assert done.changed == 7  # the bridge from column 7 to column 15
    (row,) = done.rows
    assert (row.before, row.after) == (shape_of(mask), shape_of(read_annotations(tmp_path / "out").pictures[0].mask()))
    assert row.before == (2, 1)
    assert row.after == (1, 1)
    text = (tmp_path / "out" / "roundtrip.csv").read_text().splitlines()
    assert text[0].startswith(
        "picture,width,height,labels,pixels,changed,components,components_after,holes,holes_after"
    )
    assert text[1] == "a.jpg,30,20,1,62,7,2,1,1,1,,"


def test_every_format_says_what_changed(tmp_path):
    source = cars(*(drawn_mask(kind, (30, 41), 3) for kind in ("noise", "blobs", "frame", "empty")))
    for name in LOSSLESS:
        done = convert(source, tmp_path / name, name)
        assert len(done.rows) == 4, name
        assert done.changed == 0, name
        assert all(row.before == row.after for row in done.rows), name
        assert done.report.is_file()


NAMES = [
    "a b.jpg",
    "Überblick ☃.png",
    "quote'\"&<.jpg",
    "under/folder/c.jpg",
    "percent%20.jpg",
    "back\\slash.jpg",
    "a.b.c.webp",
]


@pytest.mark.parametrize("name", WRITABLE)
def test_names_with_spaces_scripts_and_signs(name, tmp_path):
    mask = drawn_mask("blobs", (20, 30), 5)
    photos = tmp_path / "photos"
    for one in NAMES:
        (photos / one).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 20)).save(photos / one)
    source = from_masks([(one, (20, 30), mask, None) for one in NAMES], photos=lambda one: photos / one)
    done = convert(source, tmp_path / "out", name)
    assert not done.faults
    assert len(done.rows) == len(NAMES)
    assert done.changed == 0 or name == "yolo"
    assert [row.note for row in done.rows if "\\" in row.picture] == ["named back_slash.jpg"]
    back = read_annotations(tmp_path / "out")
    assert all(one.photo is not None for one in back.pictures)
    expected = {one.replace("\\", "_") for one in NAMES}
    assert {one.name for one in back.pictures} == expected


def turned_photo(path: Path) -> None:
    """A photo that a camera took lying on its side: stored 40x30, shown 30x40."""
    pixels = np.zeros((30, 40, 3), np.uint8)
    pixels[:15, :20] = 255  # a corner, which shows where it went
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(path, exif=exif, quality=100)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_photo_that_exif_turns_is_written_upright_or_keeps_its_turned_size(name, tmp_path):
    turned_photo(tmp_path / "a.jpg")
    mask = drawn_mask("frame", (40, 30), 5)
    source = from_masks([("a.jpg", (40, 30), mask, None)], photos=lambda one: tmp_path / one)
    done = convert(source, tmp_path / "out", name)
    (row,) = done.rows
    assert row.turned
    assert row.size == (40, 30)
    assert row.changed == 0
    (photo,) = (tmp_path / "out").rglob("a.jpg")
    with Image.open(photo) as image:
        if FORMATS[name].upright:
            assert row.note == "written upright"
            assert image.getexif().get(0x0112) is None
            assert image.size == (30, 40)
            pixels = np.asarray(image)
            assert pixels[5, 25].min() > 200  # turned clockwise: the corner is on the right
            assert pixels[5, 5].max() < 60
        else:
            assert row.note == "turned size"
            assert photo.read_bytes() == (tmp_path / "a.jpg").read_bytes()
    assert any("EXIF" in note for note in done.notes)


def test_a_mask_with_exchanged_sides_is_said_to_be_exif(tmp_path):
    turned_photo(tmp_path / "a.jpg")
    mask = drawn_mask("blobs", (30, 40), 5)
    source = from_masks([("a.jpg", (30, 40), mask, None)], photos=lambda one: tmp_path / one)
    with pytest.raises(DataError, match=r"the mask is 40x30, but the picture is 30x40: its sides are exchanged.*EXIF"):
        convert(source, tmp_path / "out", "coco")
    assert not (tmp_path / "out").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="its sides are exchanged"):
        convert(source, tmp_path / "empty", "coco")
    assert list((tmp_path / "empty").iterdir()) == []


def test_one_bad_picture_does_not_end_the_conversion(tmp_path):
    def broken() -> list[Instance]:
        raise DataError("b.jpg: run lengths of 3 pixels")

    good = drawn_mask("blobs", (20, 30), 1)
    source = cars(good)
    source.pictures.append(Picture("b.jpg", (20, 30), broken))
    source.pictures.append(Picture("c.jpg", (20, 30), lambda: [Instance("car", good[:10])]))
    done = convert(source, tmp_path / "out", "cvat")
    assert len(done.rows) == 1
    assert done.faults[0] == "b.jpg: run lengths of 3 pixels"
    assert done.faults[1].startswith("c.jpg: the mask is 30x10, but the picture is 30x20")
    with pytest.raises(DataError, match="picture"):
        Annotations([], ("car",), faults=["a: wrong picture", "b: too"]).strict()


@pytest.mark.parametrize("name", ["carvana", "folders"])
def test_formats_without_labels_keep_the_car_where_one_is_called_so(name, tmp_path):
    """As a training on the source does; parts of a car, none of them called car, become one mask."""
    first, second = np.zeros((2, 20, 30), bool)
    first[2:9, 3:12], second[10:15, 15:28] = True, True

    def source(one, other):
        load = lambda: [Instance(one, first), Instance(other, second)]  # noqa: E731
        return Annotations([Picture("a.jpg", (20, 30), load, None)], (one, other))

    done = convert(source("Car", "truck"), tmp_path / "car", name)
    assert f"{name} has no labels: Car is kept, truck left out" in done.notes
    assert not done.changed
    (picture,) = read_annotations(tmp_path / "car", ReadOptions(size=(20, 30))).pictures
    assert np.array_equal(picture.mask(), first)
    done = convert(source("door", "hood"), tmp_path / "parts", name)
    assert f"{name} has no labels: 2 become one" in done.notes
    (picture,) = read_annotations(tmp_path / "parts", ReadOptions(size=(20, 30))).pictures
    assert np.array_equal(picture.mask(), first | second)


def test_an_output_that_is_not_empty_is_refused_and_left_alone(tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(OutputError, match="not an empty folder"):
        convert(cars(drawn_mask("full", (4, 4), 0)), tmp_path, "coco")
    assert (tmp_path / "kept.txt").read_text() == "mine"
    with pytest.raises(UnknownNameError, match="label-studio"):
        convert(cars(drawn_mask("full", (4, 4), 0)), tmp_path / "out", "cut")
    with pytest.raises(UnknownNameError, match="cvat"):
        read_annotations(tmp_path, name="nothing")
    with pytest.raises(DataError, match="in no format that is known"):
        detect(tmp_path)
    with pytest.raises(DataError, match="there is no such"):
        detect(tmp_path / "absent")


def test_photos_are_linked_or_left_out_on_request(tmp_path):
    Image.new("RGB", (30, 20)).save(tmp_path / "a.jpg")
    source = from_masks([("a.jpg", (20, 30), drawn_mask("blobs", (20, 30), 1), None)], photos=lambda n: tmp_path / n)
    convert(source, tmp_path / "linked", "folders", photos="link")
    assert (tmp_path / "linked" / "images" / "a.jpg").samefile(tmp_path / "a.jpg")
    done = convert(source, tmp_path / "without", "folders", photos="none")
    assert not (tmp_path / "without" / "images").exists()
    assert done.changed == 0


@pytest.mark.real
@pytest.mark.parametrize("name", LOSSLESS)
def test_no_pixel_of_64_real_masks_is_lost(name, carvana, tmp_path):
    source = read_annotations(carvana)
    source.pictures = source.pictures[:: len(source.pictures) // 64][:64]
    done = convert(source, tmp_path / "out", name, photos="none")
    assert len(done.rows) == 64
    assert done.changed == 0
    assert all(row.before == row.after for row in done.rows)
