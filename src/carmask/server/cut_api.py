"""One photo in, one answer out: carmask's own form, and rembg's."""

from __future__ import annotations

import base64
import time
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from carmask.batch.checks import with_checks
from carmask.batch.outputs import OutputSpec
from carmask.errors import PhotoError, UsageError
from carmask.prediction.checks import CheckSettings
from carmask.server.limits import Limits
from carmask.server.options import background
from carmask.server.profiles import Profiles
from carmask.server.requests import Cut, CutPhoto
from carmask.server.responses import answering
from carmask.server.signatures import suffix_of
from carmask.server.uploads import background_picture, flag_in, one_photo, read_form, wait_for
from carmask.server.worker_pool import WorkerPool

MEDIA = {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}
NO_ADDRESSES = "this server fetches nothing from addresses; send the picture itself"


class CutApi:
    """The handlers."""

    def __init__(self, pool: WorkerPool, limits: Limits, profiles: Profiles, *, review_below: float) -> None:
        """Keep what they need.

        Args:
            pool: does the work.
            limits: what clients may ask.
            profiles: that they may name.
            review_below: confidence below which a person should look.
        """
        self._pool, self._limits, self._below = pool, limits, review_below
        self._profiles = profiles

    def routes(self) -> list[Route]:
        """All of them."""
        return [
            Route("/v1/cut", answering(self.cut), methods=["POST"]),
            Route("/v1/profiles", answering(self.profiles), methods=["GET"]),
            Route("/api/remove", answering(self.remove), methods=["POST"]),
            Route("/api/remove", answering(self.refuse), methods=["GET"]),
        ]

    async def profiles(self, _: Request) -> Response:
        """``GET /v1/profiles``: values of the option ``profile``."""
        return JSONResponse({"profiles": self._profiles.describe()})

    async def run(
        self, request: Request, content: bytes, spec: OutputSpec, most: int | None = None, *, facts: bool = False
    ) -> CutPhoto:
        """Cut one photo.

        Args:
            request: whose client is waiting.
            content: the photo.
            spec: what to make of it.
            most: pixels of the picture; None for the photo's own.
            facts: find view and measurements, too.

        Raises:
            CarmaskError: if that failed.
        """
        found = await wait_for(request, self._pool.ask(Cut(content, spec, self._limits.pixels, most, facts)))
        if not isinstance(found, CutPhoto):
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
                form.check_files("image", "background_file")
                content, fields = await one_photo(form, "image"), dict(request.query_params) | form.fields
                picture = await background_picture(request, form, "background_file", self._pool, self._limits)
        kind = fields.pop("output", "")
        if not kind:
            kind = "json" if "application/json" in request.headers.get("accept", "") else "picture"
        if kind not in {"picture", "json", "mask"}:
            raise UsageError("output: picture, json or mask")
        with_picture = flag_in(fields, "picture")
        fields.pop("picture", None)
        options, picture = self._profiles.parse(fields, picture)
        spec = options.spec(picture)
        if kind != "picture" and not (kind == "json" and with_picture):
            spec = OutputSpec(mask=True, runs=True)
        elif kind == "json":
            spec = options.spec(picture, layers=True, runs=True)
        done = await self.run(request, content, spec, facts=kind == "json")
        return self._answer(kind, done, spec, time.perf_counter() - started)

    def _answer(self, kind: str, done: CutPhoto, spec: OutputSpec, seconds: float) -> Response:
        if kind != "json":
            media = "image/png" if kind == "mask" else MEDIA[spec.format]
            return Response(done.outputs[-1], media_type=media, headers=self._headers(done, seconds))
        (_, checked), (height, width) = with_checks([(done.result.photo, done.result)], CheckSettings())[0], done.size
        result = checked or done.result
        body: dict[str, Any] = {
            "width": width,
            "height": height,
            "confidence": result.confidence,
            "expected_error_px": result.error,
            "review": result.confidence is None or result.confidence < self._below,
            "area": result.area,
            "box": done.result.box,
            "note": result.reason,
            **{name: result.facts[name] for name in ("view", "view_name", "view_confidence")},
            "checks": str(result.facts["checks"]).split("; ") if result.facts["checks"] else [],
            "take_again": result.facts["take_again"] == "yes",
            "plate": result.facts.get("plate"),
            "seconds": round(seconds, 4),
            "seconds_computing": round(result.seconds, 4),
            "mask_rle": result.runs,
            "mask_png": base64.b64encode(done.outputs[0]).decode(),
        }
        if len(done.outputs) > 1:
            body["picture"] = base64.b64encode(done.outputs[-1]).decode()
            body["picture_type"] = MEDIA[spec.format]
        return JSONResponse(body)

    def _headers(self, done: CutPhoto, seconds: float) -> dict[str, str]:
        result = done.result
        headers = {
            "x-carmask-confidence": f"{result.confidence or 0:.4f}",
            "x-carmask-review": "yes" if (result.confidence or 0) < self._below else "no",
            "server-timing": f"total;dur={1e3 * seconds:.1f}, computing;dur={1e3 * result.seconds:.1f}",
        }
        if result.error is not None:
            headers["x-carmask-expected-error-px"] = f"{result.error:.2f}"
        if "plate" in result.facts:
            headers["x-carmask-plate"] = str(result.facts["plate"])
        if done.result.box is not None:
            headers["x-carmask-box"] = " ".join(map(str, done.result.box))
        return headers

    async def refuse(self, _: Request) -> Response:
        """``GET /api/remove?url=``: rembg fetches the address, this server does not."""
        raise UsageError(NO_ADDRESSES + " with POST, as the file 'file'")

    async def remove(self, request: Request) -> Response:
        """``POST /api/remove``, as ``rembg s`` takes it; a PNG comes back.

        ``om`` asks for the mask alone, ``bgc`` (``r,g,b,a``) for a background. ``model`` and what tunes rembg's own
        matting (``a``, ``af``, ``ab``, ``ae``, ``ppm``, ``extras``) have no meaning here and are passed over.
        """
        async with read_form(request, files=1) as form:
            content = await one_photo(form, "file")
            fields = dict(request.query_params) | form.fields
        if flag_in(fields, "om"):
            spec = OutputSpec(layers=True)
            done = await self.run(request, content, spec)
            return Response(done.outputs[spec.outputs("").index("_alpha.png")], media_type="image/png")
        spec = OutputSpec(background=background(_rembg_colour(fields.get("bgc", "")), "cover"))
        done = await self.run(request, content, spec)
        return Response(done.outputs[-1], media_type="image/png", headers=self._headers(done, done.result.seconds))


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
