"""What the API takes and gives, as OpenAPI 3.1 (https://spec.openapis.org/oas/v3.1.0)."""

from __future__ import annotations

from typing import Any

from carmask import __version__
from carmask.server.limits import Limits
from carmask.server.options import CutOptions

_BINARY = {"type": "string", "format": "binary"}
_TEXT = {"type": "string"}
_NUMBER = {"type": "number"}
_OBJECT = {"type": "object"}


def document(limits: Limits, *, token: bool) -> dict[str, Any]:
    """The document: every address that is for other programs; those of the review page are not.

    Args:
        limits: named in descriptions.
        token: whether clients must show one.
    """
    paths = _photo_paths(limits) | _job_paths(limits) | _result_paths() | _paths_of_others() | _own_paths()
    found: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "carmask", "version": __version__, "description": "Takes the car out of a photo."},
        "paths": paths,
        "components": {"schemas": {"Cut": _CUT, "Error": {"type": "object", "properties": {"error": _TEXT}}}},
    }
    if token:
        found["components"]["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        }
        found["security"] = [{"token": []}, {"key": []}]
    return found


def _photo_paths(limits: Limits) -> dict[str, Any]:
    """One photo in, one answer out."""
    picture = {"type": "boolean", "description": "with output=json: the picture too, in base64"}
    form = {"image": _BINARY, "output": {"enum": ["picture", "json", "mask"]}, "picture": picture, **_options()}
    return {
        "/v1/cut": {
            "post": _operation(
                "Cut the car out of one photo",
                "A picture comes back, the mask alone (output=mask), or JSON with mask, confidence and box "
                f"(output=json, or Accept: application/json). At most {limits.photo_bytes / 1e6:g} MB and "
                f"{limits.pixels / 1e6:g} megapixels. The photo may also be the body itself, with a Content-Type "
                "such as image/jpeg, and options in the address.",
                {"content": {**_form(form, ["image"])["content"], "image/*": {}}},
                {"200": _pictures("The picture, or JSON.", "Cut")},
            )
        }
    }


def _job_paths(limits: Limits) -> dict[str, Any]:
    """Many photos: a job is made, filled, started, asked about and deleted."""
    options = _options()
    keep = {"type": "boolean", "description": "take the background_file that was sent before"}
    return {
        "/v1/jobs": {
            "get": _operation("List the latest jobs", "", None, {"200": _json("The jobs.", _OBJECT)}),
            "post": _operation(
                "Make a job of many photos",
                f"With photos it starts at once; without, add them one by one, then start it. At most "
                f"{limits.job_photos} photos. A job is deleted after {limits.keep_hours:g} hours.",
                _form({"photos": {"type": "array", "items": _BINARY}, **options}, []),
                {"202": _json("The job's id, and what was refused.", _OBJECT)},
            ),
        },
        "/v1/jobs/{job}": {
            "parameters": [_JOB],
            "get": _operation("What became of a job's photos", "", None, {"200": _json("The job.", _OBJECT)}),
            "delete": _operation(
                "Delete a job with all its files", "Not while it runs.", None, {"204": {"description": "Deleted."}}
            ),
        },
        "/v1/jobs/{job}/photos": {
            "parameters": [_JOB],
            "post": _operation(
                "Add a photo", "", _form({"photo": _BINARY}, ["photo"]), {"201": _json("Its number.", _OBJECT)}
            ),
        },
        "/v1/jobs/{job}/start": {
            "parameters": [_JOB],
            "post": _operation(
                "Start a job, or render it again with other options",
                "Corrections by hand are kept.",
                _form({**options, "keep_background": keep}, []),
                {"202": _json("It runs.", _OBJECT)},
            ),
        },
        "/v1/jobs/{job}/cancel": {
            "parameters": [_JOB],
            "post": _operation(
                "Work on no further photo of a job",
                "Results stay. The state is running until the photos that are being worked on are done, then "
                "cancelled; start goes on with the others.",
                None,
                {"202": _json("Its id and state.", _OBJECT)},
            ),
        },
        "/v1/jobs/{job}/events": {
            "parameters": [_JOB],
            "get": _operation(
                "Follow a job",
                "Server-sent events: total, photo for each photo, end with the state at the end; the state is new if "
                "the job is not started within a minute after the last photo was added.",
                None,
                {"200": _content("The events.", "text/event-stream")},
            ),
        },
    }


def _result_paths() -> dict[str, Any]:
    """What was made of a job's photos, and the photos themselves."""
    one = [_JOB, _path("number", "integer")]
    side = {"name": "side", "in": "query", "description": "of the longer side, in pixels", "schema": {
        "type": "integer", "minimum": 32, "maximum": 4000, "default": 1600}}  # fmt: skip
    small = side | {"schema": {"type": "integer", "minimum": 32, "maximum": 4000}}
    return {
        "/v1/jobs/{job}/zip": {
            "parameters": [_JOB],
            "get": _operation("All results in one archive", "", None, {"200": _content("A ZIP.", "application/zip")}),
        },
        "/v1/jobs/{job}/photos/{number}/image": {
            "parameters": [*one, side],
            "get": _operation("A photo as it was sent, small", "", None, {"200": _content("A JPEG.", "image/jpeg")}),
        },
        "/v1/jobs/{job}/photos/{number}/output/{output}": {
            "parameters": [*one, _path("output", "integer"), small],
            "get": _operation(
                "One file that was made of a photo",
                "With side, a small WebP of it.",
                None,
                {"200": _pictures("The file.", None)},
            ),
        },
    }


def _paths_of_others() -> dict[str, Any]:
    """Addresses in the form of rembg, remove.bg and Label Studio, for clients that know those."""
    flag = {"type": "boolean"}
    texts = ("image_file_b64", "size", "format", "bg_color", "crop_margin", "scale", "position")
    removebg = {
        "image_file": _BINARY,
        "bg_image_file": _BINARY,
        "channels": {"enum": ["rgba", "alpha"]},
        "crop": flag,
        "add_shadow": flag,
        **dict.fromkeys(texts, _TEXT),
    }
    tasks = {"type": "object", "properties": {"tasks": {"type": "array"}, "label_config": _TEXT}}
    return {
        "/api/remove": {
            "post": _operation(
                "As rembg's server takes it",
                "om asks for the mask alone, bgc for a background (r,g,b,a). Nothing is fetched from an address.",
                _form({"file": _BINARY, "om": flag, "bgc": _TEXT}, ["file"]),
                {"200": _pictures("A PNG.", None)},
            )
        },
        "/v1.0/removebg": {
            "post": _operation(
                "As remove.bg takes it",
                "image_url and bg_image_url are refused: nothing is fetched.",
                _form(removebg, []),
                {"200": _pictures("The picture, or JSON with result_b64.", None)},
            )
        },
        "/predict": {
            "post": _operation(
                "Label Studio: masks for tasks",
                "Brush results.",
                {"content": {"application/json": {"schema": tasks}}},
                {"200": _json("The predictions.", _OBJECT)},
            )
        },
    }


def _own_paths() -> dict[str, Any]:
    """The server itself."""
    profiles = (
        "Their names are values of profile. Each has a description and the options that it states. Where its "
        "background is its own name, it has a picture, which may be named so without the profile, too."
    )
    return {
        "/v1/profiles": {"get": _operation("The profiles", profiles, None, {"200": _json("The profiles.", _OBJECT)})},
        "/healthz": {"get": _operation("Whether the server runs", "", None, {"200": _json("It does.", _OBJECT)})},
        "/metrics": {"get": _operation("Figures for Prometheus", "", None, {"200": _content("Text.", "text/plain")})},
    }


_CUT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "width": {"type": "integer"},
        "height": {"type": "integer"},
        "confidence": {
            **_NUMBER,
            "description": "0 to 1: the Dice score to expect, times the probability that the scene is one whole car; "
            "0: no car was found",
        },
        "expected_error_px": {"type": ["number", "null"], "description": "of the contour, in pixels of the photo"},
        "review": {"type": "boolean", "description": "a person should look at it"},
        "area": {**_NUMBER, "description": "fraction of the photo that is car"},
        "note": {**_TEXT, "description": "what is remarkable about the mask, or empty"},
        "box": {"type": ["array", "null"], "items": {"type": "integer"}, "description": "left, top, right, bottom"},
        "view": {"type": ["integer", "null"], "description": "1 to 16, as a turntable's photos are numbered"},
        "view_name": {**_TEXT, "description": "front, front left …, or other: no whole car"},
        "view_confidence": {"type": ["number", "null"], "description": "0 to 1"},
        "checks": {"type": "array", "items": _TEXT, "description": "what is wrong with the photo"},
        "take_again": {"type": "boolean", "description": "another photo would help"},
        "plate": {"type": ["string", "null"], "description": "none, found or doubtful, of plates that are hidden"},
        "mask_rle": {**_TEXT, "description": "start length …, pixels numbered from 1 row by row"},
        "mask_png": {**_TEXT, "description": "base64 of a one-bit PNG"},
        "picture": {**_TEXT, "description": "base64 of the picture, if it was asked for"},
        "picture_type": {**_TEXT, "description": "its media type"},
        "seconds": {**_NUMBER, "description": "from the request to the answer"},
        "seconds_computing": {**_NUMBER, "description": "of these, in the process that cut the photo"},
    },
}


def _options() -> dict[str, Any]:
    properties = CutOptions.model_json_schema()["properties"]
    for one in properties.values():
        one.pop("title", None)
    picture = {**_BINARY, "description": "a picture as background"}
    profile = {**_TEXT, "description": "options of a profile, as GET /v1/profiles lists them; others are over these"}
    return {"profile": profile, **properties, "background_file": picture}


def _operation(summary: str, text: str, body: dict[str, Any] | None, responses: dict[str, Any]) -> dict[str, Any]:
    error = {"description": "One line that says what is wrong.", "content": {"application/json": {
        "schema": {"$ref": "#/components/schemas/Error"}}}}  # fmt: skip
    found: dict[str, Any] = {"summary": summary, "responses": {**responses, "default": error}}
    if text:
        found["description"] = text
    if body is not None:
        found["requestBody"] = body
    return found


def _form(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    return {"content": {"multipart/form-data": {"schema": schema}}}


def _json(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _pictures(text: str, schema: str | None) -> dict[str, Any]:
    content: dict[str, Any] = {kind: {} for kind in ("image/png", "image/webp", "image/jpeg")}
    if schema is not None:
        content["application/json"] = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"description": text, "content": content}


def _content(text: str, media: str) -> dict[str, Any]:
    return {"description": text, "content": {media: {}}}


def _path(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": kind}}


_JOB = _path("job", "string")
