"""Runs the annotation tools' own libraries, which need another numpy than carmask: with a Python of their own.

    python -m venv oracles && oracles/bin/pip install label-studio-sdk datumaro cvat-sdk datasets
    oracles/bin/python tests/formats/oracles.py --golden > tests/formats/golden.json
    CARMASK_ORACLES=oracles/bin/python python -m pytest tests/formats

It imports nothing of carmask but the drawing of test masks, and prints JSON. ``read FORMAT FOLDER`` gives for each
picture and label the count and the digest of the pixels, as the library reads them; ``write FORMAT FOLDER OUT`` has
datumaro write.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import numpy as np


def golden() -> dict:
    from cvat_sdk.masks import encode_mask
    from label_studio_sdk.converter.brush import decode_rle, mask2rle

    drawn_mask, kinds = _masks()
    found = []
    sizes = [(1, 1), (1, 17), (23, 1), (12, 9), (30, 31), (400, 401)]
    for number, size in enumerate(sizes):
        for kind in kinds:
            if size == (400, 401) and kind in {"noise", "stripes"}:
                continue  # a megabyte of text
            mask = drawn_mask(kind, size, number)
            rle = mask2rle(mask.astype(np.uint8) * 255)
            assert np.array_equal(decode_rle(rle).reshape(*size, 4)[..., 3] > 0, mask)
            cvat = [int(value) for value in encode_mask(mask)] if mask.any() else []
            found.append({"kind": kind, "size": size, "seed": number, "label_studio": bytes(rle).hex(), "cvat": cvat})
    return {"masks": found}


def _masks():
    """Of tests/formats/masks.py, without what it imports for the tests."""
    text = Path(__file__).with_name("masks.py").read_text()
    wanted = text[text.index("KINDS =") : text.index("sizes = st")]
    space: dict = {"np": np}
    exec(compile(wanted, "masks.py", "exec"), space)  # this repository's own text
    return space["drawn_mask"], space["KINDS"]


def digest(mask: np.ndarray) -> str:
    return f"{int(mask.sum())}:{hashlib.sha256(np.packbits(mask).tobytes()).hexdigest()[:16]}"


def read_datumaro(kind: str, folder: str) -> dict:
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset

    dataset = Dataset.import_from(folder, kind)
    names = [label.name for label in dataset.categories()[AnnotationType.label]]
    found: dict = {}
    for item in dataset:
        masks: dict = {}
        for one in item.annotations:
            if one.type == AnnotationType.mask:
                pixels = np.asarray(one.image).astype(bool)
                name = names[one.label]
                masks[name] = masks[name] | pixels if name in masks else pixels
        found[item.id] = {name: digest(mask) for name, mask in masks.items() if name != "background"}
    return found


def read_label_studio(folder: str) -> dict:
    """Decode with the SDK's converter, and hold each prediction against the labelling interface."""
    from label_studio_sdk.converter.brush import decode_rle
    from label_studio_sdk.label_interface import LabelInterface

    interface = LabelInterface(Path(folder, "label_config.xml").read_text())
    interface.validate()
    found: dict = {}
    for task in json.loads(Path(folder, "tasks.json").read_text()):
        masks: dict = {}
        for prediction in task.get("predictions", []):
            errors = interface.validate_prediction(prediction, return_errors=True)
            assert not errors, errors
        for annotation in task.get("annotations", []):
            for region in annotation["result"]:
                errors = interface.validate_region(region, return_errors=True)
                assert not errors, errors
        for one in [*task.get("predictions", []), *task.get("annotations", [])]:
            for region in one["result"]:
                shape = region["original_height"], region["original_width"], 4
                value = region["value"]
                pixels = decode_rle(value["rle"]).reshape(shape)[..., 3] > 0
                name = value["brushlabels"][0]
                masks[name] = masks[name] | pixels if name in masks else pixels
        found[task["data"]["name"].rpartition(".")[0]] = {name: digest(mask) for name, mask in masks.items()}
    return found


def read_huggingface(folder: str) -> dict:
    from datasets import load_dataset

    rows = load_dataset("imagefolder", data_dir=folder, split="train", cache_dir=f"{folder}-cache")
    assert rows.column_names == ["image", "mask", "labels"]
    found: dict = {}
    for row in rows:
        indices = np.asarray(row["mask"])
        assert row["image"].size == row["mask"].size
        masks = {name: indices == index for index, name in enumerate(row["labels"], 1)}
        name = Path(row["mask"].filename).stem
        found[name] = {label: digest(mask) for label, mask in masks.items() if mask.any()}
    return found


def read_fiftyone(folder: str) -> dict:
    """Through FiftyOne's importer, which needs no database as long as there is no dataset."""
    import fiftyone.utils.data as foud

    importer = foud.FiftyOneDatasetImporter(folder)
    assert importer._is_legacy_format_data()  # from_dir then takes this one:
    importer = importer._to_legacy_importer()
    importer.setup()
    targets = {int(key): name for key, name in importer._metadata["mask_targets"]["segmentation"].items()}
    found: dict = {}
    for sample in importer:
        field = "ground_truth" if sample.has_field("ground_truth") else "predictions"
        assert Path(sample.filepath).is_file()
        size = sample.metadata.width, sample.metadata.height
        instances: dict = {}
        for one in sample[field].detections:
            pixels = one.to_segmentation(frame_size=size, target=255).mask > 0
            instances[one.label] = instances[one.label] | pixels if one.label in instances else pixels
        indices = sample["segmentation"].get_mask()
        masks = {name: indices == index for index, name in targets.items()}
        found[Path(sample.filepath).stem] = {
            "instances": {label: digest(mask) for label, mask in instances.items()},
            "segmentation": {label: digest(mask) for label, mask in masks.items() if mask.any()},
        }
    return found


def write_datumaro(kind: str, source: str, out: str) -> bool:
    from datumaro.components.dataset import Dataset

    Dataset.import_from(source, "datumaro").export(out, kind, save_media=True)
    return True


def main() -> None:
    words = sys.argv[1:]
    if words == ["--golden"]:
        result: object = golden()
    elif words[0] == "write":
        result = write_datumaro(*words[1:])
    elif words[1] == "huggingface":
        result = read_huggingface(words[2])
    elif words[1] == "label-studio":
        result = read_label_studio(words[2])
    elif words[1] == "fiftyone":
        result = read_fiftyone(words[2])
    else:
        result = read_datumaro(words[1], words[2])
    print(json.dumps(result))  # noqa: T201  # what the tests read


if __name__ == "__main__":
    main()
