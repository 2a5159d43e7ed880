"""One photo in, one answer out, as clients of remove.bg ask: https://www.remove.bg/api."""

from __future__ import annotations

import base64
import io
import zipfile
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from carmask.batch.outputs import OutputSpec
from carmask.errors import CarmaskError, UsageError
from carmask.images import PhotoFile, picture_size
from carmask.server.cut_api import MEDIA, NO_ADDRESSES, CutApi
from carmask.server.limits import Limits
from carmask.server.options import CutOptions, parse
from carmask.server.refusals import REMOVEBG
from carmask.server.requests import CutPhoto
from carmask.server.responses import answering, error_response
from carmask.server.signatures import suffix_of
from carmask.server.uploads import background_picture, flag_in, one_photo, read_form, read_object
from carmask.server.worker_pool import BusyError, WorkerPool

#: The sizes that may be asked for, in pixels of the result.
_SIZES = {
    "preview": 250_000,
    "small": 250_000,
    "regular": 250_000,
    "medium": 1_500_000,
    "hd": 4_000_000,
    "4k": 10_000_000,
    "full": None,
    "auto": None,
    "50MP": None,
}


class RemovebgApi:
    """The handler."""

    def __init__(self, cut: CutApi, pool: WorkerPool, limits: Limits) -> None:
        """Keep what it needs.

        Args:
            cut: cuts the photo.
            pool: does the work.
            limits: what clients may ask.
        """
        self._cut, self._pool, self._limits = cut, pool, limits

    def routes(self) -> list[Route]:
        """The one there is."""
        return [Route(REMOVEBG, answering(self.removebg), methods=["POST"])]

    async def removebg(self, request: Request) -> Response:
        """``POST /v1.0/removebg``, as remove.bg takes it: errors come in its form, too."""
        try:
            return await self._removebg(request)
        except CarmaskError as error:
            answer = error_response(error)
            title = str(error) if isinstance(error, UsageError) else _text(answer)
            status = 429 if isinstance(error, BusyError) else (answer.status_code if answer.status_code > 400 else 400)
            code = {429: "rate_limit_exceeded", 422: "unknown_foreground"}.get(status, "invalid_parameter")
            headers = {"retry-after": str(error.after)} if isinstance(error, BusyError) else None
            return JSONResponse({"errors": [{"title": title, "code": code}]}, 400 if status == 422 else status, headers)

    async def _removebg(self, request: Request) -> Response:
        if request.headers.get("content-type", "").startswith("application/json"):
            given = await read_object(request)
            fields = {str(name): _plain(value) for name, value in given.items() if value is not None}
            content, picture = _image_of(fields), None
        else:
            async with read_form(request, files=2, field_bytes=self._limits.photo_bytes) as form:
                form.check_text("image_file")
                fields = form.fields
                content = await one_photo(form, "image_file") if "image_file" in form.files else _image_of(fields)
                picture = await background_picture(request, form, "bg_image_file", self._pool, self._limits)
        spec, most = _options(fields, picture)
        done = await self._cut.run(request, content, spec, most)
        return _answer(request, fields, spec, done)


def _text(answer: JSONResponse) -> str:
    import json

    return str(json.loads(bytes(answer.body))["error"])


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _image_of(fields: dict[str, str]) -> bytes:
    """A picture that came as text, in base64."""
    if fields.get("image_url"):
        raise UsageError(f"image_url: {NO_ADDRESSES} as image_file or image_file_b64")
    text = fields.get("image_file_b64", "")
    if not text:
        raise UsageError("send a picture as image_file or image_file_b64")
    try:
        content = base64.b64decode(text.rpartition(",")[2] if text.startswith("data:") else text, validate=True)
    except ValueError as error:  # also of letters outside of ASCII
        raise UsageError("image_file_b64: not base64") from error
    suffix_of(content)
    return content


def _options(fields: dict[str, str], picture: PhotoFile | None) -> tuple[OutputSpec, int | None]:
    """What remove.bg's options mean here, and the most pixels of the result."""
    for name in ("bg_image_url", "roi"):
        if fields.get(name):
            raise UsageError(f"{name}: {NO_ADDRESSES}" if name == "bg_image_url" else f"{name}: not supported")
    if fields.get("position", "original") not in {"original", "center"}:
        raise UsageError("position: original or center")
    size = fields.get("size") or "auto"
    if size not in _SIZES:
        raise UsageError(f"size: one of {', '.join(_SIZES)}")
    form = fields.get("format") or "auto"
    if form not in {"auto", "png", "jpg", "zip", "webp"}:
        raise UsageError("format: auto, png, jpg, webp or zip")
    colour = fields.get("bg_color", "")
    if colour and len(colour) in {3, 4, 6, 8} and all(letter in "0123456789abcdefABCDEF" for letter in colour):
        colour = f"#{colour}"
    options: dict[str, Any] = {"background": colour}
    if flag_in(fields, "crop"):
        margin = fields.get("crop_margin", "0").split()[0] if fields.get("crop_margin", "0").split() else "0"
        if margin not in {"0", "0px"} and not margin.endswith("%"):
            raise UsageError("crop_margin: one share such as 10%")
        options["crop"] = margin.rstrip("%px") and str(float(_number(margin)) / 100)
    if fields.get("scale", "original") != "original":
        options |= {"place": "centre", "scale": str(_number(fields["scale"]) / 100)}
    elif fields.get("position") == "center":
        options["place"] = "centre"
    if flag_in(fields, "add_shadow"):
        options["shadow"] = "make"
    opaque = bool(colour or picture)
    if form == "jpg" and not opaque:
        options["background"] = "white"
    options["format"] = {"auto": "jpg" if opaque else "png", "zip": "png"}.get(form, form)
    chosen: CutOptions = parse(options)
    alone = fields.get("channels") == "alpha"
    return chosen.spec(picture, layers=alone or form == "zip"), _SIZES[size]


def _number(text: str) -> float:
    try:
        return float(text.rstrip("%px"))
    except ValueError as error:
        raise UsageError(f"{text!r} is not a share such as 80%") from error


def _answer(request: Request, fields: dict[str, str], spec: OutputSpec, done: CutPhoto) -> Response:
    names = spec.outputs("")
    content, media = done.outputs[-1], MEDIA[spec.format]
    if fields.get("format") == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("color.png", done.outputs[names.index("_foreground.png")])
            archive.writestr("alpha.png", done.outputs[names.index("_alpha.png")])
        content, media = buffer.getvalue(), "application/zip"
    elif fields.get("channels") == "alpha":
        content, media = done.outputs[names.index("_alpha.png")], "image/png"
    high, wide = done.size if media == "application/zip" else picture_size("picture", content)
    placing = spec.style.placing
    # Of a picture that was made smaller, not of one in which the car was moved.
    scale = wide / done.size[1] if placing.rule == "photo" and placing.crop is None else 1.0
    left, top, right, bottom = (round(scale * side) for side in done.result.box or (0, 0, 0, 0))
    facts = {
        "foreground_top": top,
        "foreground_left": left,
        "foreground_width": right - left,
        "foreground_height": bottom - top,
    }
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"data": {"result_b64": base64.b64encode(content).decode(), **facts}})
    headers = {f"x-{name.replace('_', '-')}": str(value) for name, value in facts.items()}
    headers |= {"x-type": "car", "x-credits-charged": "0", "x-width": str(wide), "x-height": str(high)}
    return Response(content, media_type=media, headers=headers)
