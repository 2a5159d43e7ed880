"""Label Studio's requests, as its source sends them (``label_studio/ml/api_connector.py``)."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from carmask.images import read_mask

CONFIG = """<View>
  <Image name="picture" value="$photo" zoom="true"/>
  <BrushLabels name="areas" toName="picture"><Label value="Road"/><Label value="Car body"/></BrushLabels>
</View>"""


def unpacked(values: list[int], size: tuple[int, int]) -> np.ndarray:
    """The opacity of a brush mask, read bit by bit as the format is described; its encoder has tests of its own."""
    text = "".join(format(value, "08b") for value in values)
    place = 0

    def take(width: int) -> int:
        nonlocal place
        place += width
        return int(text[place - width : place], 2)

    count, word = take(32), take(5) + 1
    sizes = [take(4) + 1 for _ in range(4)]
    found: list[int] = []
    while len(found) < count:
        repeated, length = take(1), take(sizes[take(2)]) + 1
        found += [take(word)] * length if repeated else [take(word) for _ in range(length)]
    assert len(found) == count == size[0] * size[1] * 4
    return np.array(found).reshape(*size, 4)[..., 3]


@pytest.fixture
def server(serving, photo_file, tmp_path):
    media = tmp_path / "media"
    (media / "upload" / "3").mkdir(parents=True)
    (media / "upload" / "3" / "0a1b-a car.jpg").write_bytes(photo_file.read_bytes())
    (tmp_path / "secret.jpg").write_bytes(photo_file.read_bytes())
    return serving(label_studio=media)


def predict(server, value, field="photo"):
    body = {
        "tasks": [{"id": 7, "data": {field: value}}],
        "project": "1.1700000000",
        "label_config": CONFIG,
        "params": {"login": None, "password": None, "context": None},
    }
    return server.client.post("/predict", json=body).json()


def test_health_setup_and_webhook(server):
    assert server.client.get("/health").json()["status"] == "UP"
    body = {"project": "1.1700000000", "schema": CONFIG, "hostname": "http://localhost:8080", "access_token": "x"}
    assert server.client.post("/setup", json=body).json() == {"model_version": "tiny-1"}
    without = body | {"schema": "<View><Text name='t' value='$t'/></View>"}
    assert server.client.post("/setup", json=without).status_code == 400
    assert server.client.get("/versions", params={"project": "1.17"}).json() == {"versions": ["tiny-1"]}
    # Events hold brush masks, which are long lists of numbers.
    result = [{"value": {"rle": [255] * 300_000}} for _ in range(3)]
    event = {"action": "ANNOTATION_CREATED", "project": {"id": 1}, "annotation": {"result": result}}
    assert server.client.post("/webhook", json=event).status_code == 201


@pytest.mark.parametrize(
    "value",
    ["/data/upload/3/0a1b-a%20car.jpg", "/data/local-files/?d=upload/3/0a1b-a%20car.jpg", "data"],
)
def test_a_task_gets_a_brush_mask(server, photo_file, value):
    content = photo_file.read_bytes()
    if value == "data":
        value = "data:image/jpeg;base64," + base64.b64encode(content).decode()
    (found,) = predict(server, value)["results"]
    (region,) = found["result"]
    assert (region["from_name"], region["to_name"], region["type"]) == ("areas", "picture", "brushlabels")
    assert region["value"]["brushlabels"] == ["Car body"]
    size = region["original_height"], region["original_width"]
    mask = read_mask("mask", content=server.client.post("/v1/cut?output=mask", files={"image": content}).content)
    np.testing.assert_array_equal(unpacked(region["value"]["rle"], size) > 0, mask)
    assert 0 <= found["score"] <= 1


@pytest.mark.parametrize(
    "value",
    [
        "/data/local-files/?d=../secret.jpg",
        "/data/upload/../../secret.jpg",
        "/data/upload/3/none.jpg",
        "",
        "data:;base64,!!",
        "data:;base64,\u00e9",
        "http://[::/data/upload/3/none.jpg",
    ],
)
def test_a_task_whose_picture_is_not_in_the_folder_gets_nothing(server, value):
    (found,) = predict(server, value)["results"]
    assert found["result"] == []
    assert "secret" not in found["error"]


def test_a_picture_that_has_gone_since_the_folder_was_listed_costs_its_own_task(server, tmp_path):
    name = "0a1b-a car.jpg"
    assert predict(server, f"/data/upload/3/{name}")["results"][0]["result"]
    (tmp_path / "media" / "upload" / "3" / name).unlink()
    (found,) = predict(server, f"/data/upload/3/{name}")["results"]
    assert found["result"] == []
    assert found["error"] == "task: the picture cannot be read: No such file or directory"
