"""Label Studio's ML backend: it sends tasks, and brush masks come back.

The requests are those that Label Studio sends (``label_studio/ml/api_connector.py`` in its source), the results what
its brush tool reads: https://labelstud.io/guide/ml_create.html. Pictures are taken from the request (``data:``), or
from a folder that the server was given; nothing is fetched from an address.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from carmask.batch.outputs import OutputSpec
from carmask.errors import CarmaskError, PhotoError, UsageError
from carmask.formats import label_studio_rle
from carmask.images import read_mask
from carmask.server.limits import Limits
from carmask.server.requests import Cut, CutPhoto
from carmask.server.responses import LossyJSONResponse, answering
from carmask.server.signatures import suffix_of
from carmask.server.uploads import read_object, wait_for
from carmask.server.worker_pool import WorkerPool

#: Tasks in a request, and characters of a project's labels, at most.
TASKS, CONFIG = 50, 100_000
#: Seconds for which the list of a folder's files is used before it is made anew for a name that is not in it.
_FRESH = 5.0


class FileIndex:
    """The files of a folder by their relative names: a client's text is looked up in it, and opens nothing itself."""

    def __init__(self, folder: Path) -> None:
        """Take a folder; it is listed when it is first asked."""
        self._folder, self._lock = folder, threading.Lock()
        self._files: dict[str, Path] = {}
        self._listed = 0.0

    def find(self, name: str) -> Path | None:
        """The file of this name, or None."""
        with self._lock:
            if name not in self._files and time.monotonic() - self._listed > _FRESH:
                self._files = dict(self._list())
                self._listed = time.monotonic()
            return self._files.get(name)

    def _list(self) -> list[tuple[str, Path]]:
        return [
            (Path(place, file).relative_to(self._folder).as_posix(), Path(place, file))
            for place, _, files in os.walk(self._folder)
            for file in files
        ]


class LabelStudioApi:
    """The handlers. The model is loaded before the server listens, as Label Studio waits only seconds for it."""

    def __init__(self, pool: WorkerPool, limits: Limits, *, model_version: str, files: Path | None) -> None:
        """Keep what they need.

        Args:
            pool: does the work.
            limits: what clients may ask.
            model_version: shown with each prediction.
            files: Label Studio's folder of files, or None.
        """
        self._pool, self._limits, self._version = pool, limits, model_version
        self._files = None if files is None else FileIndex(files)

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/health", answering(self.health)),
            Route("/versions", answering(self.versions)),
            Route("/setup", answering(self.setup), methods=["POST"]),
            Route("/predict", answering(self.predict), methods=["POST"]),
            Route("/webhook", answering(self.webhook), methods=["POST"]),
        ]

    async def health(self, _: Request) -> Response:
        """Whether the model is loaded: it is, or nothing would listen."""
        return JSONResponse({"status": "UP", "model_class": "carmask", "model_dir": None})

    async def versions(self, _: Request) -> Response:
        """The versions to choose from: there is one."""
        return JSONResponse({"versions": [self._version]})

    async def setup(self, request: Request) -> Response:
        """A project is connected: its labels must have a brush."""
        given = await read_object(request)
        if given.get("schema"):
            _tags(str(given["schema"]))
        return JSONResponse({"model_version": self._version})

    async def webhook(self, request: Request) -> Response:
        """Events of a project: nothing is learnt from them here."""
        action = (await read_object(request)).get("action")
        return LossyJSONResponse(
            {"status": "ok", "action": action if isinstance(action, str) else None, "result": None}, 201
        )

    async def predict(self, request: Request) -> Response:
        """Masks for tasks, in their order; a task that cannot be read gets an empty result."""
        given = await read_object(request)
        tasks = given.get("tasks")
        if not isinstance(tasks, list) or not all(isinstance(task, dict) for task in tasks):
            raise UsageError("tasks: a list of tasks")
        if len(tasks) > TASKS:
            raise UsageError(f"tasks: {TASKS} at most")
        names = _tags(str(given.get("label_config") or ""))
        return LossyJSONResponse(
            {
                "results": [await self._one(request, task, names) for task in tasks],
                "model_version": self._version,
            }
        )

    async def _one(self, request: Request, task: dict[str, Any], names: tuple[str, str, str, str]) -> dict[str, Any]:
        brush, picture, field, label = names
        try:
            data = task.get("data")
            value = str(data.get(field, "")) if isinstance(data, dict) else ""
            content = await run_in_threadpool(self._content, value)
            spec = OutputSpec(mask=True, runs=True)
            found = await wait_for(request, self._pool.ask(Cut(content, spec, self._limits.pixels)))
            if not isinstance(found, CutPhoto):
                raise PhotoError("photo: no response")
        except CarmaskError as error:
            if not isinstance(error, PhotoError | UsageError):
                raise
            return {"result": [], "score": 0.0, "model_version": self._version, "error": str(error)}
        height, width = found.size
        score = found.result.confidence or 0.0
        if not found.result.runs:
            return {"result": [], "score": score, "model_version": self._version}
        region = {
            "id": f"carmask-{task.get('id', 0)}"[:40],
            "type": "brushlabels",
            "from_name": brush,
            "to_name": picture,
            "original_width": width,
            "original_height": height,
            "image_rotation": 0,
            "value": {
                "format": "rle",
                "rle": list(label_studio_rle.encode(read_mask("mask", content=found.outputs[0]))),
                "brushlabels": [label],
            },
            "score": score,
        }
        return {"result": [region], "score": score, "model_version": self._version}

    def _content(self, value: str) -> bytes:
        if value.startswith("data:"):
            try:
                content = base64.b64decode(value.partition(",")[2], validate=True)
            except ValueError as error:  # also of letters outside of ASCII
                raise PhotoError("task: not base64") from error
        else:
            content = self._from_folder(value)
        if len(content) > self._limits.photo_bytes:
            raise PhotoError(f"task: at most {self._limits.photo_bytes} bytes")
        suffix_of(content)
        return content

    def _from_folder(self, value: str) -> bytes:
        if self._files is None:
            raise PhotoError("task: the picture is neither in the request nor in a folder of this server")
        try:
            address = urlsplit(value)
        except ValueError as error:  # such as half an IPv6 address
            raise PhotoError("task: the picture's address cannot be read") from error
        name = unquote(address.path)
        if name.endswith("/data/local-files/") or name == "/data/local-files":
            name = parse_qs(address.query).get("d", [""])[0]
        elif "/data/" in name:
            name = name.partition("/data/")[2]
        path = self._files.find(name.lstrip("/")) or self._files.find(name.removeprefix("upload/"))
        if path is None:
            raise PhotoError("task: there is no such picture in this server's folder")
        try:
            with path.open("rb") as stream:
                return stream.read(self._limits.photo_bytes + 1)  # more than may be is refused by the caller
        except OSError as error:
            raise PhotoError(f"task: the picture cannot be read: {error.strerror}") from error


def _tags(config: str) -> tuple[str, str, str, str]:
    """The names of brush and picture, the field of a task that holds the picture, and the label for cars.

    Raises:
        UsageError: if a project's labels have no brush for a picture.
    """
    if not config:
        return "tag", "image", "image", "Car"
    if len(config) > CONFIG:
        raise UsageError(f"label_config: at most {CONFIG} characters")
    if "<!DOCTYPE" in config or "<!ENTITY" in config:
        raise UsageError("label_config: no document types")
    try:
        root = ElementTree.fromstring(config)  # noqa: S314  # entities are refused above
    except (ElementTree.ParseError, ValueError) as error:  # also of half a surrogate pair
        raise UsageError("label_config: not XML") from error
    images = {one.get("name", ""): one for one in root.iter("Image")}
    for brush in root.iter("BrushLabels"):
        image = images.get(brush.get("toName", ""))
        if image is not None:
            labels = [one.get("value", "") for one in brush.iter("Label")] or ["Car"]
            label = next((one for one in labels if "car" in one.casefold()), labels[0])
            return brush.get("name", ""), image.get("name", ""), image.get("value", "").lstrip("$"), label
    raise UsageError("label_config: no <BrushLabels> for an <Image>")
