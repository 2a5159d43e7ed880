"""Files that break tools, of any format: encodings, sizes, nesting, ZIP files; and the good pictures are kept."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
from PIL import Image

from carmask.errors import DataError
from carmask.formats import sources
from carmask.formats.convert import convert
from carmask.formats.photos import address_name
from carmask.formats.reading import ReadOptions
from carmask.formats.table import WRITABLE, read_annotations
from tests.formats.faulty import MASK, annotation, coco, cvat, image, read, refused
from tests.formats.masks import cars


def test_byte_order_marks_and_back_slashes(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "images" / "a.jpg")
    text = coco(images=[image(file_name="images\\a.jpg")])
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        found = read(tmp_path, "result.json", text.encode(encoding))
        (picture,) = found.pictures
        assert picture.photo == tmp_path / "images" / "a.jpg"
        assert picture.name == "images/a.jpg"
        assert np.array_equal(picture.mask(), MASK)


def test_json_that_is_too_large_is_refused_before_it_is_read(tmp_path, monkeypatch):
    file = tmp_path / "result.json"
    with file.open("wb") as stream:
        stream.write(b'{"images": [')
        stream.truncate(10**9)  # sparse: it takes no room
    with pytest.raises(DataError, match=r"result.json: 1.0 GB; at most 0.5 GB are read at once: export fewer pictures"):
        read_annotations(file)
    (tmp_path / "annotations.xml").write_text("<annotations>" + " " * 100)
    monkeypatch.setattr(sources, "MAX_TEXT", 50)
    with pytest.raises(DataError, match="are read at once"):
        read_annotations(tmp_path / "annotations.xml")


def test_json_nested_too_deeply(tmp_path):
    refused(tmp_path, "result.json", '{"images":' + "[" * 200_000, "nested too deeply|not JSON")


def zipped(path, files, link=""):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if link:
            entry = zipfile.ZipInfo("link.jpg")
            entry.external_attr = 0o120777 << 16
            archive.writestr(entry, link)
    return path


@pytest.mark.parametrize("name", ["../out.jpg", "/etc/out.jpg", "a/../../out.jpg", "..\\out.jpg", "C:\\out.jpg"])
def test_zip_files_with_paths_that_leave(tmp_path, name):
    (tmp_path / "in").mkdir()
    archive = zipped(tmp_path / "in" / "a.zip", {name: b"x"})
    with pytest.raises(DataError, match="leads out of it; nothing was unpacked"):
        read_annotations(archive)
    assert [one.name for one in tmp_path.rglob("*out.jpg")] == []


def test_zip_files_that_are_none(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"PK no")
    with pytest.raises(DataError, match="not a ZIP file that can be read"):
        read_annotations(tmp_path / "a.zip")
    # The content damaged, the directory whole.
    packed = zipped(tmp_path / "d.zip", {"annotations.xml": bytes(range(256)) * 8})
    content = packed.read_bytes()
    start = content.index(b"annotations.xml") + len("annotations.xml")
    packed.write_bytes(content[:start] + b"\xff" * 20 + content[start + 20 :])
    with pytest.raises(DataError, match=r"d\.zip: not a ZIP file that can be read"):
        read_annotations(packed)
    with pytest.raises(DataError, match="holds a link"):
        read_annotations(zipped(tmp_path / "b.zip", {"annotations.xml": cvat("")}, link="/etc/passwd"))
    with pytest.raises(DataError, match="unpacked, which is no archive of pictures"):
        read_annotations(zipped(tmp_path / "c.zip", {"annotations.xml": bytes(50_000_000)}))


def test_a_name_that_is_half_an_address_is_a_name(tmp_path):
    polygon = '<polygon label="car" points="2,2;12,2;12,12;2,12"/>'
    (tmp_path / "annotations.xml").write_text(cvat(polygon, name="http://[x/a.jpg"))
    (picture,) = read_annotations(tmp_path).strict().pictures
    assert picture.name == "http:/[x/a.jpg"
    assert picture.photo is None
    assert address_name("http://[x/a.jpg") == "a.jpg"


def test_an_export_is_read_from_its_zip_file(tmp_path):
    source = cars(MASK)
    for name in WRITABLE:
        out = tmp_path / name
        convert(source, out, name, check=False)
        files = {file.relative_to(tmp_path).as_posix(): file.read_bytes() for file in out.rglob("*") if file.is_file()}
        found = read_annotations(zipped(tmp_path / f"{name}.zip", files), ReadOptions(size=MASK.shape))
        assert len(found.pictures) == 1, name
        assert name == "yolo" or np.array_equal(found.pictures[0].mask(), MASK)


def test_the_good_pictures_of_a_faulty_file_are_kept(tmp_path):
    text = coco(
        images=[image(), image(id=2, file_name="b.jpg")],
        annotations=[*annotation(), *annotation(id=2, image_id=2, category_id=9)],
    )
    (tmp_path / "result.json").write_text(text)
    found = read_annotations(tmp_path / "result.json")
    assert [picture.name for picture in found.pictures] == ["a.jpg"]
    assert len(found.faults) == 1
    done = convert(found, tmp_path / "out", "cvat")
    assert done.pictures == 1
    assert "category 9" in done.faults[0]


def test_annotations_that_share_a_number_are_all_read(tmp_path):
    text = coco(images=[image(), image(id=2, file_name="b.jpg")], annotations=[*annotation(), *annotation(image_id=2)])
    found = read(tmp_path, "result.json", text)
    assert all(np.array_equal(picture.mask(), MASK) for picture in found.pictures)
    assert found.notes == [
        "result.json: 1 annotations have the number of another one; all were read, but pycocotools takes the last of "
        "each number only"
    ]
