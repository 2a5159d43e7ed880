"""What a client sends, read within bounds: forms, JSON, numbers, photos."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from carmask.errors import OutputError, PhotoError, UsageError
from carmask.images import PhotoFile
from carmask.server.limits import Limits
from carmask.server.requests import Decode, Response
from carmask.server.signatures import suffix_of
from carmask.server.worker_pool import WorkerPool

#: Fields of a form that are no files, at most, and how long each may be.
FIELDS, FIELD_BYTES = 60, 100_000
#: Content types of forms.
FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")
#: Lists and objects in JSON, and values, at most: many small ones take long to parse, and much memory. A brush mask of
#: Label Studio is a list of some ten thousand numbers.
JSON_LISTS, JSON_VALUES = 100_000, 4_000_000
#: Bytes at the end of a form in which its last boundary stands; a boundary has 70 at most.
_END = 400
#: Seconds between questions whether the client is still there.
_POLL = 1.0


class Form(NamedTuple):
    """A form's fields, and its files by field."""

    fields: dict[str, str]
    files: dict[str, list[UploadFile]]

    def check_files(self, *names: str) -> None:
        """Refuse files under other names: they would be passed over, and nobody would know.

        Args:
            names: under which files are taken.

        Raises:
            UsageError: if there is another one, or text under one of these names.
        """
        self.check_text(*names)
        for name, files in self.files.items():
            if name not in names and any(file.filename or file.size for file in files):
                raise UsageError(f"{name[:100]}: no file is taken under this name; there are {', '.join(names)}")

    def check_text(self, *names: str) -> None:
        """Refuse text where a file is expected.

        Raises:
            UsageError: if there is some; empty text is as if it were not there.
        """
        for name in names:
            if self.fields.get(name):
                raise UsageError(f"{name}: came as text; send it as a file, such as curl -F {name}=@car.jpg does")


class _Heard(Request):
    """A request that remembers how its body ended."""

    end = b""

    async def stream(self) -> AsyncGenerator[bytes, None]:
        async with contextlib.aclosing(super().stream()) as whole:
            async for part in whole:
                self.end = (self.end + part[-_END:])[-_END:]
                yield part

    def check_whole(self) -> None:
        """Refuse a form that ends before its last boundary: what was to follow is not in it."""
        kind, options = parse_options_header(self.headers.get("content-type"))
        if kind == b"multipart/form-data" and b"--" + options.get(b"boundary", b"") + b"--" not in self.end:
            raise UsageError("the form ends before its last part does: send it again")


@contextlib.asynccontextmanager
async def read_form(request: Request, *, files: int, field_bytes: int = FIELD_BYTES) -> AsyncIterator[Form]:
    """Read a form; its files lie in temporary files that are gone afterwards.

    Args:
        request: with multipart or URL-encoded content.
        files: how many it may have at most.
        field_bytes: how long a field that is no file may be.

    Yields:
        What is in it; a field that comes twice has its last value.

    Raises:
        UsageError: if it is none, is cut off, has too many parts, or text that is not UTF-8: some of Python's codecs
            take very long.
        OutputError: if there is no room for its files.
    """
    kind = request.headers.get("content-type", "").lower()
    media = kind.partition(";")[0].strip()
    if media and media not in FORMS:  # its options would be passed over, and nobody would know
        raise UsageError(f"send a form ({' or '.join(FORMS)}), not {media[:100]}")
    _, _, charset = kind.partition("charset=")
    if charset and charset.strip("\"' ").partition(";")[0].strip("\"' ") not in {"utf-8", "utf8", "us-ascii"}:
        raise UsageError("the form must be UTF-8")
    heard = _Heard(request.scope, request.receive)
    try:
        form = await heard.form(max_files=files, max_fields=FIELDS, max_part_size=field_bytes)
    except HTTPException as error:
        raise UsageError(_why(error.detail, files, field_bytes)) from error
    except OSError as error:
        raise OutputError(f"the server cannot keep what is sent: {error.strerror}; try again later") from error
    try:
        heard.check_whole()
        fields: dict[str, str] = {}
        found: dict[str, list[UploadFile]] = {}
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                found.setdefault(name, []).append(value)
            else:
                fields[name] = value
        yield Form(fields, found)
    finally:
        await form.close()


def _why(said: str, files: int, field_bytes: int) -> str:
    """Why Starlette does not read a form."""
    if said.startswith("Too many files"):
        return f"at most {files} files are taken in one request; send the others in further requests"
    if said.startswith("Too many fields"):
        return f"at most {FIELDS} fields that are no files are taken in one request"
    if said.startswith("Part exceeded"):
        return f"a field that is no file takes {field_bytes} bytes at most; send photos as files"
    return f"the form cannot be read: {said.rstrip('.')}"


async def read_object(request: Request) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UsageError: if the body is none, or has too many values.
    """
    body = await request.body()
    if body.count(b"[") + body.count(b"{") > JSON_LISTS or body.count(b",") > JSON_VALUES:
        raise UsageError(f"the body has too many values: {JSON_VALUES} at most, {JSON_LISTS} lists and objects")
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UsageError("the body is not JSON") from error
    if not isinstance(given, dict):
        raise UsageError("the body is not a JSON object")
    return given


def number_in(fields: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """A number of a request within its bounds.

    Args:
        fields: of the request, such as its query.
        name: of the number.
        default: where it is not given; the least if that is more.
        least: the least that is accepted.
        most: the most that is accepted.

    Raises:
        UsageError: if it is no number, or out of bounds.
    """
    text = fields.get(name)
    if text is None:
        return max(default, least)
    if not (text.isascii() and text.isdigit()) or len(text) > 12 or not least <= int(text) <= most:
        raise UsageError(f"{name}: a number from {least} to {most}")
    return int(text)


def flag_in(fields: Mapping[str, str], name: str) -> bool:
    """Whether a request's field is set: programs send ``true``, ``True``, ``on`` or ``1``.

    Args:
        fields: of the request.
        name: of the field; without it, or if it is empty, it is not set.

    Raises:
        UsageError: if its value is none of those: what was asked for would silently not be done.
    """
    text = fields.get(name, "").strip().lower()
    if text in {"1", "true", "yes", "on"}:
        return True
    if text not in {"", "0", "false", "no", "off"}:
        raise UsageError(f"{name}: give true or false")
    return False


async def one_photo(form: Form, name: str) -> bytes:
    """The content of the only file of a field.

    Raises:
        UsageError: if there is none, or several.
        PhotoError: if it is no picture by its content.
    """
    form.check_text(name)
    files = form.files.get(name, [])
    if len(files) != 1:
        raise UsageError(f"send one photo as the file {name!r}" + (f"; {len(files)} came" if files else ""))
    content = await files[0].read()
    suffix_of(content)
    return content


async def wait_for(request: Request, future: Future[Response]) -> Response:
    """Wait for a worker's response; give it up if the client goes away before its turn.

    Raises:
        ClientDisconnect: if it did.
        CarmaskError: if that is the response.
    """
    waiting = asyncio.wrap_future(future)
    while not waiting.done():
        await asyncio.wait([waiting], timeout=_POLL)
        if not waiting.done() and await request.is_disconnected():
            waiting.cancel()
            raise ClientDisconnect
    found = waiting.result()
    if isinstance(found, Exception):
        raise found
    return found


async def background_picture(
    request: Request, form: Form, name: str, pool: WorkerPool, limits: Limits
) -> PhotoFile | None:
    """A background that was sent as a file, decoded by a worker; None if there is none.

    Args:
        request: whose client is waiting.
        form: of the request.
        name: of the file's field.
        pool: decodes it.
        limits: how many pixels it may have.

    Raises:
        UsageError: if several were sent, or text.
        CarmaskError: if it is no picture, or cannot be decoded.
    """
    form.check_text(name)
    if not any(file.filename or file.size for file in form.files.get(name, [])):
        return None  # a browser sends a field that was left empty, too
    try:
        found = await wait_for(request, pool.ask(Decode(await one_photo(form, name), limits.pixels)))
    except PhotoError as error:  # it speaks of a photo, of which another one was sent
        raise PhotoError(f"{name}: {str(error).removeprefix('photo: ')}") from error
    if not isinstance(found, PhotoFile):
        raise PhotoError(f"{name}: cannot be read")
    return found
