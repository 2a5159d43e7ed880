"""One photo in, one answer out: carmask's own form, rembg's, and remove.bg's."""

from __future__ import annotations

import base64
import binascii
import io
import time
import zipfile
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from carmask.batch.outputs import OutputSpec
from carmask.errors import CarmaskError, PhotoError, UsageError
from carmask.images import PhotoFile, picture_size
from carmask.server.crew import BusyError, Crew
from carmask.server.limits import Limits
from carmask.server.options import CutOptions, background, parse
from carmask.server.requests import Cut, Done
from carmask.server.responses import answering, error_response
from carmask.server.signatures import suffix_of
from carmask.server.uploads import background_picture, one_photo, read_form, wait_for

MEDIA = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
_NO_ADDRESSES = "this server fetches nothing from addresses; send the picture itself"
#: remove.bg's sizes, in pixels of the result.
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


class CutApi:
    """The handlers."""

    def __init__(self, crew: Crew, limits: Limits, *, review_below: float) -> None:
        """Keep what they need.

        Args:
            crew: does the work.
            limits: what clients may ask.
            review_below: confidence below which a person should look.
        """
        self._crew, self._limits, self._below = crew, limits, review_below

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/v1/cut", answering(self.cut), methods=["POST"]),
            Route("/api/remove", answering(self.remove), methods=["POST"]),
            Route("/api/remove", answering(self.refuse), methods=["GET"]),
            Route("/v1.0/removebg", self.removebg, methods=["POST"]),
        ]

    async def run(self, request: Request, content: bytes, spec: OutputSpec, most: int | None = None) -> Done:
        """Cut one photo.

        Args:
            request: whose client is waiting.
            content: the photo.
            spec: what to make of it.
            most: pixels of the picture; None for the photo's own.

        Raises:
            CarmaskError: if that failed.
        """
        found = await wait_for(request, self._crew.ask(Cut(content, spec, self._limits.pixels, most)))
        if not isinstance(found, Done):
            raise PhotoError("photo: no response")
        return found

    async def cut(self, request: Request) -> Response:
        """``POST /v1/cut``: a picture, or JSON with the mask."""
        started = time.perf_counter()
        if request.headers.get("content-type", "").startswith("image/"):
            content, fields, picture = await request.body(), dict(request.query_params), None
            suffix_of(content)
        else:
            async with read_form(request, files=2) as form:
                content, fields = await one_photo(form, "image"), dict(request.query_params) | form.fields
                picture = await background_picture(request, form, "background_file", self._crew, self._limits)
        kind = fields.pop("output", "")
        if not kind:
            kind = "json" if "application/json" in request.headers.get("accept", "") else "picture"
        if kind not in {"picture", "json", "mask"}:
            raise UsageError("output: picture, json or mask")
        with_picture = fields.pop("picture", "") in {"1", "true", "yes"}
        options = parse(fields)
        spec = options.spec(picture)
        if kind != "picture" and not (kind == "json" and with_picture):
            spec = OutputSpec(mask=True, runs=True)
        elif kind == "json":
            spec = options.spec(picture, layers=True, runs=True)
        done = await self.run(request, content, spec)
        return self._answer(kind, done, spec, time.perf_counter() - started)

    def _answer(self, kind: str, done: Done, spec: OutputSpec, seconds: float) -> Response:
        if kind != "json":
            media = "image/png" if kind == "mask" else MEDIA[spec.format]
            return Response(done.outputs[-1], media_type=media, headers=self._headers(done, seconds))
        result, (height, width) = done.result, done.size
        body: dict[str, Any] = {
            "width": width,
            "height": height,
            "confidence": result.confidence,
            "expected_error_px": result.error,
            "review": result.confidence is None or result.confidence < self._below,
            "area": result.area,
            "box": done.result.box,
            "note": result.reason,
            "seconds": round(seconds, 4),
            "seconds_computing": round(result.seconds, 4),
            "mask_rle": result.runs,
            "mask_png": base64.b64encode(done.outputs[0]).decode(),
        }
        if len(done.outputs) > 1:
            body["picture"] = base64.b64encode(done.outputs[-1]).decode()
            body["picture_type"] = MEDIA[spec.format]
        return JSONResponse(body)

    def _headers(self, done: Done, seconds: float) -> dict[str, str]:
        result = done.result
        headers = {
            "x-carmask-confidence": f"{result.confidence or 0:.4f}",
            "x-carmask-review": "yes" if (result.confidence or 0) < self._below else "no",
            "server-timing": f"total;dur={1e3 * seconds:.1f}, computing;dur={1e3 * result.seconds:.1f}",
        }
        if result.error is not None:
            headers["x-carmask-expected-error-px"] = f"{result.error:.2f}"
        if done.result.box is not None:
            headers["x-carmask-box"] = " ".join(map(str, done.result.box))
        return headers

    async def refuse(self, _: Request) -> Response:
        """``GET /api/remove?url=``: rembg fetches the address, this server does not."""
        raise UsageError(_NO_ADDRESSES + " with POST, as the file 'file'")

    async def remove(self, request: Request) -> Response:
        """``POST /api/remove``, as ``rembg s`` takes it; a PNG comes back.

        ``om`` asks for the mask alone, ``bgc`` (``r,g,b,a``) for a background. ``model`` and what tunes rembg's own
        matting (``a``, ``af``, ``ab``, ``ae``, ``ppm``, ``extras``) have no meaning here and are passed over.
        """
        async with read_form(request, files=1) as form:
            content = await one_photo(form, "file")
            fields = dict(request.query_params) | form.fields
        if fields.get("om", "").lower() in {"1", "true", "yes", "on"}:
            spec = OutputSpec(layers=True)
            done = await self.run(request, content, spec)
            return Response(done.outputs[spec.outputs("").index("_alpha.png")], media_type="image/png")
        spec = OutputSpec(background=background(_rembg_colour(fields.get("bgc", "")), "cover"))
        done = await self.run(request, content, spec)
        return Response(done.outputs[-1], media_type="image/png", headers=self._headers(done, done.result.seconds))

    async def removebg(self, request: Request) -> Response:
        """``POST /v1.0/removebg``, as remove.bg takes it: errors come in its form, too."""
        try:
            return await self._removebg(request)
        except (CarmaskError, LookupError) as error:
            answer = error_response(error)
            title = str(error) if isinstance(error, UsageError) else _text(answer)
            status = 429 if isinstance(error, BusyError) else (answer.status_code if answer.status_code > 400 else 400)
            code = {429: "rate_limit_exceeded", 422: "unknown_foreground"}.get(status, "invalid_parameter")
            headers = {"retry-after": str(error.after)} if isinstance(error, BusyError) else None
            return JSONResponse({"errors": [{"title": title, "code": code}]}, 400 if status == 422 else status, headers)

    async def _removebg(self, request: Request) -> Response:
        if request.headers.get("content-type", "").startswith("application/json"):
            try:
                given = await request.json()
            except (ValueError, RecursionError) as error:
                raise UsageError("the body is not JSON") from error
            if not isinstance(given, dict):
                raise UsageError("the body is not a JSON object")
            fields = {str(name): _plain(value) for name, value in given.items() if value is not None}
            content, picture = _image_of(fields), None
        else:
            async with read_form(request, files=2, field_bytes=self._limits.photo_bytes) as form:
                fields = form.fields
                content = await one_photo(form, "image_file") if "image_file" in form.files else _image_of(fields)
                picture = await background_picture(request, form, "bg_image_file", self._crew, self._limits)
        spec, most = _removebg_options(fields, picture)
        done = await self.run(request, content, spec, most)
        return _removebg_answer(request, fields, spec, done)


def _text(answer: JSONResponse) -> str:
    import json

    return str(json.loads(bytes(answer.body))["error"])


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _image_of(fields: dict[str, str]) -> bytes:
    """A picture that came as text, in base64."""
    if fields.get("image_url"):
        raise UsageError(f"image_url: {_NO_ADDRESSES} as image_file or image_file_b64")
    text = fields.get("image_file_b64", "")
    if not text:
        raise UsageError("send a picture as image_file or image_file_b64")
    try:
        content = base64.b64decode(text.rpartition(",")[2] if text.startswith("data:") else text, validate=True)
    except binascii.Error as error:
        raise UsageError("image_file_b64: not base64") from error
    suffix_of(content)
    return content


def _rembg_colour(text: str) -> str:
    """Rembg's ``r,g,b,a`` as a colour; transparent is none."""
    if not text:
        return ""
    try:
        red, green, blue, alpha = (int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError("bgc: four numbers, r,g,b,a") from error
    if not all(0 <= part <= 255 for part in (red, green, blue, alpha)) or alpha not in {0, 255}:
        raise UsageError("bgc: 0 to 255 each, and the last one 0 (transparent) or 255")
    return f"#{red:02x}{green:02x}{blue:02x}" if alpha else ""


def _removebg_options(fields: dict[str, str], picture: PhotoFile | None) -> tuple[OutputSpec, int | None]:
    """What remove.bg's options mean here, and the most pixels of the result."""
    for name in ("bg_image_url", "roi"):
        if fields.get(name):
            raise UsageError(f"{name}: {_NO_ADDRESSES}" if name == "bg_image_url" else f"{name}: not supported")
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
    if fields.get("crop", "") in {"true", "1"}:
        margin = fields.get("crop_margin", "0").split()[0] if fields.get("crop_margin", "0").split() else "0"
        if margin not in {"0", "0px"} and not margin.endswith("%"):
            raise UsageError("crop_margin: one share such as 10%")
        options["crop"] = margin.rstrip("%px") and str(float(_number(margin)) / 100)
    if fields.get("scale", "original") != "original":
        options |= {"place": "centre", "scale": str(_number(fields["scale"]) / 100)}
    elif fields.get("position") == "center":
        options["place"] = "centre"
    if fields.get("add_shadow", "") in {"true", "1"}:
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


def _removebg_answer(request: Request, fields: dict[str, str], spec: OutputSpec, done: Done) -> Response:
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
