"""Requests to the editor's API, as its page sends them."""

from __future__ import annotations

from carmask.review import runs

SIZE = (160, 240)


def items(client, **query):
    return client.get("/queue", params={"filter": "all", **query}).json()["items"]


def photo(client, name="car_03"):
    return next(item for item in items(client) if item["name"] == name)


def mask_of(client, one, kind="current", **query):
    response = client.get(f"/photos/{one['id']}/mask", params={"kind": kind, **query})
    assert response.status_code == 200
    return runs.from_bytes(response.content, SIZE)


def decide(client, one, decision="corrected", mask=None, revision=0, author="Anna", **query):
    content = None if mask is None else runs.to_bytes(mask)
    query = {"decision": decision, "revision": revision, "author": author, **query}
    return client.post(f"/photos/{one['id']}/decision", params=query, content=content)
