from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from carmask.batch.outputs import OutputSpec
from carmask.batch.plan import plan_run
from carmask.batch.storage import Stores, local_only, location, need_state
from carmask.errors import OutputError, PhotoError, UsageError

needs_arrow = pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow comes with [cluster]")


def in_memory():
    """A store that lasts as long as it is held, and keeps folders as object stores do not."""
    from datetime import UTC, datetime

    from pyarrow.fs import _MockFileSystem

    files = _MockFileSystem(datetime.now(UTC))
    return lambda text: (files, text.split("://", 1)[1])


def test_locations_are_told_from_paths():
    assert location("photos/") == Path("photos")
    assert location("file:///a/b%20c") == Path("/a/b c")
    assert location("s3://bucket/photos/") == "s3://bucket/photos"
    assert local_only([Path("a"), Path("b")]) == [Path("a"), Path("b")]
    with pytest.raises(UsageError, match="s3://bucket/x: object stores are read and written with engine='ray'"):
        local_only([Path("a"), "s3://bucket/x"])


def test_the_manifest_of_a_store_needs_a_local_folder():
    assert need_state(Path("out"), None) == Path("out")
    assert need_state("s3://bucket/out", Path("state")) == Path("state")
    with pytest.raises(UsageError, match="state=…"):
        need_state("s3://bucket/out", None)


@needs_arrow
@pytest.mark.parametrize("scheme", ["s3", "hdfs"])
def test_what_is_written_can_be_read(scheme, tmp_path):
    resolve = in_memory()
    stores = Stores(resolve)
    resolve("x://")[0].create_dir("bucket/deep", recursive=True)
    stores.write(f"{scheme}://bucket/deep/a.png", b"content")
    assert stores.read(f"{scheme}://bucket/deep/a.png") == (b"content", "")
    stores.write(tmp_path / "deep" / "b.png", b"local")
    assert stores.read(tmp_path / "deep" / "b.png")[0] == b"local"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["b.png"]


@needs_arrow
def test_photos_are_found_as_in_folders(monkeypatch):
    resolve = in_memory()
    stores = Stores(resolve)
    resolve("x://")[0].create_dir("b/p/deep", recursive=True)
    resolve("x://")[0].create_dir("b/p/.hidden", recursive=True)
    for name in ("2.jpg", "1.PNG", "deep/3.webp", "notes.txt", ".4.jpg", ".hidden/5.jpg"):
        stores.write(f"s3://b/p/{name}", b"x")
    assert stores.find("s3://b/p") == {"s3://b/p/1.PNG": "1", "s3://b/p/2.jpg": "2"}
    assert list(stores.find("s3://b/p", recursive=True).values()) == ["1", "2", "deep/3"]
    assert stores.by_stem("s3://b/p") == {"1": "s3://b/p/1.PNG", "2": "s3://b/p/2.jpg"}
    monkeypatch.setattr("carmask.batch.plan.Stores", lambda: stores)
    jobs = plan_run(["s3://b/p"], "s3://b/out", OutputSpec(mask=True), recursive=True).jobs
    assert [job.outputs for job in jobs][-1] == ("s3://b/out/deep/3_mask.png",)
    stores.write("s3://b/p/2.jpeg", b"x")
    with pytest.raises(UsageError, match="differ only in their suffix"):
        stores.by_stem("s3://b/p")
    (twin,) = plan_run(["s3://b/p"], "s3://b/out", OutputSpec(mask=True)).failed
    assert twin.reason == "s3://b/p/2.jpg: s3://b/p/2.jpeg has the same name in the output folder; rename one of them"


@needs_arrow
def test_what_is_not_there_is_named():
    stores = Stores(in_memory())
    with pytest.raises(PhotoError, match=r"s3://b/missing\.jpg: cannot be read"):
        stores.read("s3://b/missing.jpg")
    with pytest.raises(UsageError, match="s3://b/missing: cannot be listed"):
        stores.find("s3://b/missing")
    with pytest.raises(OutputError, match=r"s3://b/missing/x\.png: cannot be written"):
        stores.write("s3://b/missing/x.png", b"")
    with pytest.raises(UsageError, match="nothing://x: no such store can be reached"):
        Stores().find("nothing://x")
