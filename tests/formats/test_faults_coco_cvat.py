"""COCO and CVAT that break tools: each fault gets words that say what is wrong and where."""

from __future__ import annotations

import pytest

from tests.formats.faulty import annotation, coco, cvat, cvat_mask, image, refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"annotations": annotation(segmentation={"size": [20, 30], "counts": [599]})},
            "run lengths of 599 pixels in a",
        ),
        (
            {"annotations": annotation(segmentation={"size": [20, 30], "counts": [500, 101]})},
            "run lengths of 601 pixels",
        ),
        (
            {"annotations": annotation(segmentation={"size": [20, 30], "counts": "PPP"})},
            "compressed run lengths are cut",
        ),
        ({"annotations": annotation(segmentation={"size": [30, 20], "counts": "x"})}, "sides are exchanged.*EXIF"),
        ({"annotations": annotation(segmentation=[[1, 1, 50, 1, 50, 9]])}, r"a corner at \(50, 1\) lies outside"),
        ({"annotations": annotation(segmentation=[])}, "a box without a segmentation"),
        ({"annotations": annotation(segmentation={"size": [20, 30]})}, "run lengths without 'counts'"),
        ({"annotations": annotation(category_id=7)}, "category 7 is not among the categories"),
        ({"annotations": annotation(image_id=9)}, "image 9: there is no image of this number"),
        ({"images": [image(), image(file_name="b.jpg")]}, "the image '1' is there twice"),
        ({"images": [image(), image(id=2)], "annotations": []}, "a.jpg is there twice"),
        (
            {"images": [image(), image(id=2, file_name="a.png")], "annotations": []},
            "a.png and a.jpg differ in their suf",
        ),
        ({"categories": [{"id": 1, "name": "car"}, {"id": 1, "name": "door"}]}, "the category '1' is there twice"),
        ({"categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "car"}]}, "the category's name 'car' is there tw"),
        ({"images": [image(file_name="../../etc/passwd")]}, r"'\.\./\.\./etc/passwd' leads out of its folder"),
        ({"images": [image(file_name="C:\\cars\\a.jpg")]}, "leads out of its folder"),
        ({"images": [image(file_name="/a.jpg")]}, "leads out of its folder"),
        ({"images": [image(file_name="")]}, "no file name"),
        ({"images": [image(file_name="a\ud800.jpg")]}, r"no file can have the name 'a\\ud800.jpg'"),
        ({"images": [image(height=10**6, width=10**6)]}, "is no size of a picture"),
        ({"images": [image(height=-3)]}, "is no size of a picture"),
        ({"images": [image(height="20.5")]}, "is no size of a picture"),
        ({"images": 7}, "COCO annotations: not as the format has it"),
        ({"annotations": [7]}, "COCO annotations: not as the format has it"),
    ],
)
def test_coco(tmp_path, changes, message):
    refused(tmp_path, "result.json", coco(**changes), message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (cvat(cvat_mask(rle="2, 3")), "run lengths of 5 pixels in a picture of 3x2"),
        (cvat(cvat_mask(rle="2, 5")), "run lengths of 7 pixels"),
        (cvat(cvat_mask(rle="2, x")), "not a list of whole numbers"),
        (cvat(cvat_mask(rle="")), "not a list of whole numbers"),
        (cvat(cvat_mask(left=28)), "a box of 3x2 pixels at column 28, row 0 does not lie in the picture of 30x20"),
        (cvat(cvat_mask(top=-1)), "at column 0, row -1"),
        (cvat(cvat_mask(width=10**9, height=10**9)), "does not lie in the picture"),
        (cvat(cvat_mask(label="dog")), r"the label 'dog' is not among those of <meta> \(car\)"),
        (cvat('<polygon label="car" points="1,1;40,1;40,9"/>'), r"a corner at \(40, 1\) lies outside"),
        (cvat('<polygon label="car" points="1,1;4"/>'), "has 3 numbers"),
        (cvat('<box label="car" xtl="1" ytl="1" xbr="5" ybr="5" rotation="nan"/>'), "its rotation are not all numbers"),
        (cvat('<ellipse label="car" cx="1" cy="1" rx="5" ry="5" rotation="x"/>'), "not as the format has it"),
        (cvat('<mask label="car" rle="6"/>'), "a field is missing: 'top'"),
        (cvat("", name="../a.jpg"), "leads out of its folder"),
        (cvat("", size=(0, 30)), "is no size of a picture"),
        (cvat("", labels=()), "names no labels"),
        (cvat("", head='<!DOCTYPE a [<!ENTITY x "y">]>'), "has a document type"),
        ("<annotations><image", "not XML"),
        ("<?xml version='1.0' encoding='etf-8'?><annotations/>", "not XML: unknown encoding"),
        ("<annotations><meta><task/></meta><track id='0'/></annotations>", "not 'CVAT for images 1.1'"),
    ],
)
def test_cvat(tmp_path, text, message):
    refused(tmp_path, "annotations.xml", text, message)
