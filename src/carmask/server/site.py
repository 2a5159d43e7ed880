"""The pages' files: read once, served from memory by name, so that no path of a client reaches the disk."""

from __future__ import annotations

import hashlib
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

_TYPES = {
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


class Site:
    """The files below ``static``."""

    def __init__(self) -> None:
        """Read them."""
        self._files: dict[str, tuple[bytes, str]] = {}
        for file in files("carmask.server").joinpath("static").iterdir():
            suffix = file.name.rpartition(".")[2]
            if suffix in _TYPES:
                self._files[file.name] = (file.read_bytes(), _TYPES[suffix])

    def page(self, name: str) -> Response:
        """A page; the address may be another."""
        content, kind = self._files[name]
        return Response(content, headers={"content-type": kind})

    async def file(self, request: Request) -> Response:
        """A file by name."""
        found = self._files.get(request.path_params["name"])
        if found is None:
            return Response("not found", 404, media_type="text/plain")
        etag = f'"{hashlib.sha256(found[0]).hexdigest()[:16]}"'
        headers = {"content-type": found[1], "etag": etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        return Response(found[0], headers=headers)
