"""All views of a car in one: an animated picture, and a page on which it can be turned."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carmask.errors import OutputError, PhotoError, UsageError
from carmask.failures import Failure, describe_failure
from carmask.images import (
    encode_picture,
    is_folder,
    is_there,
    make_folder,
    read_layered,
    search_photos,
    write_atomically,
)
from carmask.words import counted

#: The number of a view at the end of a name: CAR_01, IMG_1021, DSC01021, 0007, car (3).
_VIEWS = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"(?P<car>.+)_(?P<view>\d{1,9})",
        r"(?P<car>\D*)(?P<view>\d{3,9})",
        r"(?P<car>.+?) ?\((?P<view>\d{1,9})\)",
    )
)
#: Views may differ this much in the ratio of their sides: what rounding makes of one shape.
_SAME_SHAPE = 0.02


def view_of(name: str) -> tuple[str, int] | None:
    """Read the car and the number of the view from a picture's name.

    Where views of cars are asked for, pictures that a camera numbered one after the other are views of one car, too.

    Args:
        name: without suffix; folders before it, with ``/``, belong to the car.

    Returns:
        What stands before the number, which may be nothing but folders, and the number; None without a number.
    """
    folder, slash, stem = name.rpartition("/")
    for pattern in _VIEWS:
        if found := pattern.fullmatch(stem):
            return folder + slash + found["car"].rstrip("_- "), int(found["view"])
    return None


def find_views(folder: Path, alone: list[Path] | None = None) -> dict[str, list[Path]]:
    """Find the views of each car in a folder.

    Args:
        folder: pictures named ``CAR_VIEW``, or as a camera numbers them; others, such as masks and layers, are left
            alone. The car of pictures that have nothing but numbers is called as the folder is.
        alone: gets the pictures that are the only view of their car.

    Returns:
        The pictures of each car with more than one view, in the order of the views.

    Raises:
        UsageError: if there is no folder, or there are no two views of a car in it, or one twice.
    """
    if not is_folder(folder):
        raise UsageError(f"{folder}: there is no such folder")
    cars: dict[str, dict[int, Path]] = {}
    for path in search_photos(folder).photos:
        found = view_of(path.stem)
        if found is None:
            continue
        views = cars.setdefault(found[0] or folder.resolve().name or "car", {})
        other = views.setdefault(found[1], path)
        if other is not path:
            raise UsageError(f"{other} and {path.name} are the same view of a car; remove one of them")
    series = {car: [views[number] for number in sorted(views)] for car, views in cars.items() if len(views) > 1}
    if alone is not None:
        alone += [path for views in cars.values() if len(views) == 1 for path in views.values()]
    if not series and cars:
        only = next(path for views in cars.values() for path in views.values())
        raise UsageError(f"{folder}: no car has two views in this folder; {only.name} is the only one of its car")
    if not series:
        raise UsageError(
            f"{folder}: no views of a car in this folder; name them CAR_01.png, CAR_02.png … or as a camera does"
        )
    return series


class Turntable(NamedTuple):
    """What was written of a car: its name, how many views, the page and the animation."""

    car: str
    views: int
    page: Path
    film: Path


def make_turntables(
    folder: Path,
    out: Path,
    *,
    width: int = 960,
    seconds: float = 4.0,
    quality: int = 80,
    alone: list[Path] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Turntable], list[Failure]]:
    """Write a page and an animation of each car in a folder.

    Args:
        folder: see ``find_views``.
        out: the folder to write to; made if it is missing.
        width: of the pictures, in pixels.
        seconds: for one turn of the animation.
        quality: of the pictures, 1 to 100.
        alone: gets the pictures that are the only view of their car, which is not written.
        progress: called with the number of cars done and of all.

    Returns:
        What was written, and the failures: a view that cannot be read is left out; a car of which fewer than two views
        are left, or whose views differ in shape, is not written.

    Raises:
        UsageError: if there is no folder, or there are no views in it, or one twice; or ``out`` is this folder, in
            which an animation would be taken for a photo, or has a picture that would be overwritten.
        OutputError: if something cannot be written.
    """
    cars = find_views(folder, alone)
    _check_place(folder, out, cars)
    made: list[Turntable] = []
    failures: list[Failure] = []
    for done, (car, files) in enumerate(cars.items(), 1):
        try:
            views = read_views(files, width, failures)
            page, film = write_turntable(out, car, views, seconds=seconds, quality=quality)
        except OutputError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever one car raises, the others go on
            failures.append(describe_failure(car, error))
        else:
            made.append(Turntable(car, len(views), page, film))
        if progress is not None:
            progress(done, len(cars))
    return made, failures


def _check_place(folder: Path, out: Path, cars: Iterable[str]) -> None:
    """Refuse to write among the photos, or over a picture that is of no turntable: one has its page beside it."""
    if is_folder(out) and out.samefile(folder):
        raise UsageError(
            f"{out}: the folder of the views; name another one, here animations would be taken for photos",
            argument="out",
        )
    for car in cars:
        if is_there(out / f"{car}.webp") and not is_there(out / f"{car}.html"):
            raise UsageError(
                f"{out / f'{car}.webp'}: a picture would be overwritten; name another folder", argument="out"
            )


def read_views(files: Sequence[Path], width: int, failures: list[Failure] | None = None) -> list[NDArray[np.uint8]]:
    """Read pictures and bring them to one size.

    Args:
        files: the views of one car.
        width: of the result, in pixels; never more than the narrowest picture has.
        failures: gets the views that cannot be read, which are left out; None to raise their error.

    Returns:
        uint8 (height, width, 3), RGB, or, if any is transparent, all (height, width, 4), RGBA; all of one size.

    Raises:
        UsageError: if their shapes differ, so that the car would jump.
        PhotoError: if one cannot be read and there are no ``failures``, or fewer than two are left.
    """
    views: list[NDArray[np.uint8]] = []
    first: tuple[int, ...] = ()
    whose = ""
    for file in files:
        try:
            view = read_layered(file)
        except Exception as error:  # whatever one view raises, the others go on
            if failures is None:
                raise
            failures.append(describe_failure(file.name, error))
            continue
        if not first:
            first, whose = view.shape, file.name
        if abs(np.log(view.shape[1] / view.shape[0] * first[0] / first[1])) > _SAME_SHAPE:
            raise UsageError(
                f"{file} is {view.shape[1]}x{view.shape[0]} and {whose} {first[1]}x{first[0]}: views of one "
                "car need one shape; cutting them with one size gives it to them"
            )
        # Reduced at once: 16 views at full size are a lot of memory.
        if view.shape[1] > width:
            view = _scaled(view, (round(view.shape[0] * width / view.shape[1]), width))
        views.append(view)
    if len(views) < 2 <= len(files):
        raise PhotoError(f"{len(views)} of {counted(len(files), 'view')} can be read; a turntable needs two")
    least = min(views, key=lambda view: view.shape[1])
    size = (least.shape[0], least.shape[1])
    if any(view.shape[2] == 4 for view in views):
        views = [
            view if view.shape[2] == 4 else np.dstack([view, np.full(view.shape[:2], 255, np.uint8)]) for view in views
        ]
    return [view if view.shape[:2] == size else _scaled(view, size) for view in views]


def write_turntable(
    out: Path, car: str, views: Sequence[NDArray[np.uint8]], *, seconds: float, quality: int
) -> tuple[Path, Path]:
    """Write ``CAR.html`` and ``CAR.webp``.

    Args:
        out: the folder; made if it is missing.
        car: its name.
        views: from ``read_views``.
        seconds: for one turn of the animation.
        quality: of the pictures, 1 to 100.

    Returns:
        The paths of page and animation.

    Raises:
        OutputError: if they cannot be written.
    """
    make_folder(out)
    page, film = out / f"{car}.html", out / f"{car}.webp"
    write_atomically(page, spin_page(car, views, quality).encode(errors="replace"))
    write_atomically(film, animation(views, seconds, quality))
    return page, film


def animation(views: Sequence[NDArray[np.uint8]], seconds: float, quality: int) -> bytes:
    """An animated WebP that turns for ever.

    Args:
        views: uint8 (height, width, 3 or 4), all of one size.
        seconds: for one turn.
        quality: 1 to 100.

    Returns:
        The file's content.
    """
    frames = [Image.fromarray(view) for view in views]
    buffer = io.BytesIO()
    frames[0].save(
        buffer,
        "WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=round(seconds * 1000 / len(frames)),
        loop=0,
        quality=quality,
        method=2,
    )
    return buffer.getvalue()


def spin_page(car: str, views: Sequence[NDArray[np.uint8]], quality: int) -> str:
    """A page that holds the views and turns them, by mouse, finger, wheel or arrow keys. It loads nothing.

    Args:
        car: its name.
        views: uint8 (height, width, 3 or 4), all of one size.
        quality: of the pictures, 1 to 100.

    Returns:
        HTML.
    """
    pictures = [base64.b64encode(encode_picture(view, format="webp", quality=quality)).decode() for view in views]
    height, width = views[0].shape[:2]
    tags = "\n".join(
        f'<img src="data:image/webp;base64,{picture}" alt="" draggable="false"{" class=on" * (number == 0)}>'
        for number, picture in enumerate(pictures)
    )
    filled = {"TITLE": html.escape(car), "RATIO": f"{width} / {height}", "WIDTH": str(width), "VIEWS": tags}
    return re.sub("@([A-Z]+)@", lambda found: filled[found[1]], _PAGE)


def _scaled(view: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if view.shape[2] == 3:
        return cv2.resize(view, size[::-1], interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    # Colours count by their opacity: what is transparent is black, and must not get into the edge.
    share = view[..., 3].astype(np.float32)
    colours = cv2.resize(view[..., :3] * share[..., None], size[::-1], interpolation=cv2.INTER_AREA)
    share = cv2.resize(share, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32, copy=False)
    rgba = np.dstack([colours / np.maximum(share, 1e-3)[..., None], share])
    return np.clip(rgba + 0.5, 0, 255).astype(np.uint8)


_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>@TITLE@</title>
<style>
html, body { margin: 0; height: 100%; background: #fff; color: #555; font: 14px/1.4 system-ui, sans-serif }
body { display: flex; flex-direction: column; align-items: center; justify-content: center }
#car { position: relative; width: min(100vw, @WIDTH@px, calc((100vh - 3rem) * @RATIO@)); aspect-ratio: @RATIO@;
  cursor: grab; touch-action: pan-y; user-select: none; outline-offset: 2px }
#car:active { cursor: grabbing }
#car img { position: absolute; inset: 0; width: 100%; height: 100%; visibility: hidden }
#car img.on { visibility: visible }
p { margin: .5rem; height: 1.4rem }
</style>
<div id="car" role="slider" tabindex="0" aria-label="@TITLE@, seen from all sides" aria-valuemin="1" aria-valuenow="1">
@VIEWS@
</div>
<p>Drag to turn</p>
<script>
const car = document.getElementById("car"), views = [...car.querySelectorAll("img")];
const hint = document.querySelector("p");
let now = 0, from = null, start = 0;
car.setAttribute("aria-valuemax", views.length);
function show(view) {
  view = ((view % views.length) + views.length) % views.length;
  if (view === now) return;
  views[now].classList.remove("on");
  views[view].classList.add("on");
  now = view;
  car.setAttribute("aria-valuenow", now + 1);
  hint.textContent = "";
}
car.addEventListener("pointerdown", e => { from = e.clientX; start = now; car.setPointerCapture(e.pointerId) });
car.addEventListener("pointermove", e => {
  // Across the whole picture is once around.
  if (from !== null) show(start + Math.round((e.clientX - from) / car.clientWidth * views.length));
});
for (const end of ["pointerup", "pointercancel"]) car.addEventListener(end, () => { from = null });
car.addEventListener("wheel", e => {
  e.preventDefault();
  show(now + Math.sign(e.deltaY || e.deltaX));
}, { passive: false });
car.addEventListener("keydown", e => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
  if (step) { e.preventDefault(); show(now + step) }
});
const asked = parseInt(location.hash.slice(1));
if (asked) show(asked - 1);
</script>
</html>
"""
