"""Render a data set in the challenge's own form: photos, masks, tables and, if wanted, part labels.

A set is a function of its request: car i of seed s is the same whoever asks for it, and however many others with it.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from carmask.arrays import Mask, Photo
from carmask.errors import DataError, OutputError, UnknownNameError, UsageError
from carmask.formats.coco import write_file
from carmask.formats.labels import read_labels, write_labels
from carmask.formats.picture import split_labels
from carmask.formats.rle import rle_encode
from carmask.formats.rle_csv import write_rle_csv
from carmask.formats.writing import Loaded
from carmask.geometry import Size
from carmask.images import make_folder, read_mask, remove_leftovers, write_atomically, write_mask
from carmask.locking import only_run
from carmask.studio.build import build_car, by_material, with_labels
from carmask.studio.car import BODIES, HARD, Car, draw_car
from carmask.studio.parts import PARTS
from carmask.studio.photograph import photograph
from carmask.studio.renderer import Labeller, Renderer, check_installed
from carmask.studio.scene import VIEWS, Studio, draw_studio, materials, room

#: Written beside the data; says what was asked for.
REQUEST_FILE = "render.json"
#: Held by the run that writes the set: another one would remove the files that it is writing.
LOCK_FILE = "render.lock"
#: Smaller photos show no car worth cutting; larger ones do not fit a frame of the renderer.
SIDES = (32, 8192)
#: Rays for each pixel, before denoising.
SAMPLES = 8
JPEG_QUALITY = 90
#: Generous: a photo takes about a third of this, for each pixel.
_BYTES_PER_PIXEL = 1.0


@dataclass(frozen=True)
class Request:
    """What is to be rendered.

    Attributes:
        cars: how many.
        size: (height, width) of the photos.
        seed: of everything.
        hard: hard cases, names from ``HARD``; the cars take them in turn.
        parts: whether to write part labels too.
        views: how many photos of each car, evenly spaced; a divisor of ``VIEWS``.
    """

    cars: int
    size: Size = (1280, 1918)
    seed: int = 0
    hard: tuple[str, ...] = ()
    parts: bool = False
    views: int = VIEWS

    def check(self) -> None:
        """Refuse what cannot be rendered.

        Raises:
            UsageError: if the number of cars or views, the seed or the size is out of range.
            UnknownNameError: if there is no such hard case.
        """
        if self.cars < 1:
            raise UsageError(f"{self.cars} cars cannot be rendered; ask for one or more")
        if self.seed < 0:
            raise UsageError(f"the seed {self.seed} is negative; give 0 or more")
        if not all(SIDES[0] <= side <= SIDES[1] for side in self.size):
            raise UsageError(
                f"{self.size[1]}x{self.size[0]} cannot be rendered; both sides must be {SIDES[0]} to {SIDES[1]} pixels"
            )
        divisors = [number for number in range(1, VIEWS + 1) if VIEWS % number == 0]
        if self.views not in divisors:
            raise UsageError(
                f"{self.views} views cannot be spaced evenly on a turntable of {VIEWS} steps; ask for "
                f"{', '.join(map(str, divisors[:-1]))} or {VIEWS}"
            )
        for name in self.hard:
            if name not in HARD:
                raise UnknownNameError(f"no hard case is named {name!r}; there are {', '.join(HARD)}")


@dataclass(frozen=True)
class PhotoSession:
    """One car, and the studio that all of its photos are taken in.

    Attributes:
        name: 12 hexadecimal digits, as the challenge names cars.
        car: its measures.
        studio: its light.
        hard: the hard case that it was made for, or ''.
        key: where the chance of its photos comes from.
    """

    name: str
    car: Car
    studio: Studio
    hard: str
    key: tuple[int, int]


def draw_session(seed: int, index: int, hard: Sequence[str] = ()) -> PhotoSession:
    """Draw car ``index`` of a set; body types take turns, and so do the hard cases.

    Raises:
        UnknownNameError: if there is no such hard case.
    """
    rng = np.random.default_rng([seed, index])
    case = hard[index % len(hard)] if hard else ""
    # A full round of the bodies for each hard case, also where their numbers have a common divisor.
    turn = index // len(hard) if hard else index
    car = draw_car(rng, body=list(BODIES)[turn % len(BODIES)], hard=[case] if case else [])
    name = hashlib.sha256(f"carmask {seed} {index} {case}".encode()).hexdigest()[:12]
    return PhotoSession(name, car, draw_studio(rng), case, (seed, index))


class SessionRenderer:
    """Renders the photos and labels of one session, view by view. The car is built at the start."""

    def __init__(self, session: PhotoSession) -> None:
        self.session = session
        pieces = build_car(session.car)
        self._labeller = Labeller(*with_labels(pieces))
        self._renderer = Renderer(by_material(pieces), materials(session.car), room(session.studio))

    def labels(self, view: int, size: Size) -> NDArray[np.uint8]:
        """Part labels of a view.

        Args:
            view: 1 to ``VIEWS``; the first shows the car from the front.
            size: (height, width).

        Returns:
            uint8 (height, width); 0 is background, others as ``parts.PARTS``.
        """
        return self._labeller.label(self.session.studio.camera, turn_of(view), size)

    def photo(self, view: int, size: Size, *, samples: int = SAMPLES) -> Photo:
        """The photo of a view.

        Args:
            view: 1 to ``VIEWS``.
            size: (height, width).
            samples: rays for each pixel.

        Returns:
            uint8 (height, width, 3), RGB.
        """
        camera = self.session.studio.camera
        light = self._renderer.photo(camera, turn_of(view), size, samples=samples, seed=view)
        return photograph(light, np.random.default_rng([*self.session.key, view]))


def views_of(index: int, count: int) -> range:
    """The views that car ``index`` is seen from where there are ``count`` of each: evenly spaced.

    The first is another one from car to car, so that many cars are seen from all sides.
    """
    step = VIEWS // count
    return range(1 + index % step, VIEWS + 1, step)


def turn_of(view: int) -> float:
    """By how many degrees the turntable stands at a view, from 1."""
    return -360.0 / VIEWS * (view - 1)


def render_set(
    request: Request, out: Path, *, progress: Callable[[int, int], None] | None = None
) -> list[PhotoSession]:
    """Render a data set into a folder; what is there already is kept, so an interrupted run goes on.

    Args:
        request: what to render.
        out: the folder; holds ``train/``, ``train_masks/``, ``train_masks.csv``, ``metadata.csv`` and, with parts,
            ``parts/`` and ``parts.json`` (COCO) afterwards.
        progress: called with the number of photos done and their total.

    Returns:
        The sessions, in order.

    Raises:
        UsageError: if the request is impossible, or the folder holds something else.
        StudioError: if the renderer is not installed.
        OutputError: if there is no space, a file cannot be written, or another process renders into the folder.
    """
    request.check()
    check_installed()
    _refuse_other(out, request)
    make_folder(out)
    with only_run(out / LOCK_FILE, "another rendering runs"):
        return _render(request, out, progress or _ignore)


def _render(request: Request, out: Path, step: Callable[[int, int], None]) -> list[PhotoSession]:
    _claim(out, request)
    sessions = [draw_session(request.seed, index, request.hard) for index in range(request.cars)]
    names = [
        (session, view, f"{session.name}_{view:02d}")
        for index, session in enumerate(sessions)
        for view in views_of(index, request.views)
    ]
    lacking = [name for _, _, name in names if not _is_done(out, name, parts=request.parts)]
    _check_space(out, len(lacking) * request.size[0] * request.size[1] * _BYTES_PER_PIXEL)
    remove_leftovers(out, None)
    for folder in ("train", "train_masks", *(["parts"] if request.parts else [])):
        make_folder(out / folder)
        remove_leftovers(out / folder, None)
    total, done = len(names), len(names) - len(lacking)
    step(done, total)
    renderer: SessionRenderer | None = None
    for session, view, name in names:
        if _is_done(out, name, parts=request.parts):
            continue
        if renderer is None or renderer.session is not session:
            renderer = SessionRenderer(session)
        labels = renderer.labels(view, request.size)
        write_mask(out / "train_masks" / f"{name}_mask.png", labels > 0)
        if request.parts:
            write_labels(out / "parts" / f"{name}.png", labels)
        # Last: a photo that is there has everything else.
        write_jpeg(out / "train" / f"{name}.jpg", renderer.photo(view, request.size))
        done += 1
        step(done, total)
    _write_tables(out, sessions, [name for _, _, name in names], parts=request.parts)
    return sessions


def _ignore(done: int, total: int) -> None:
    del done, total


def write_jpeg(path: Path, photo: Photo, quality: int = JPEG_QUALITY) -> None:
    """Write a photo as JPEG.

    Raises:
        OutputError: if it cannot be written.
    """
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "JPEG", quality=quality)
    write_atomically(path, buffer.getvalue())


def _is_done(out: Path, name: str, *, parts: bool) -> bool:
    files = [out / "train" / f"{name}.jpg", out / "train_masks" / f"{name}_mask.png"]
    return all(file.is_file() for file in [*files, *([out / "parts" / f"{name}.png"] if parts else [])])


def _claim(out: Path, request: Request) -> None:
    """Leave the request in the folder, in place of one that is the same but for the number of cars."""
    _refuse_other(out, request)
    write_atomically(out / REQUEST_FILE, (json.dumps(asdict(request), indent=1) + "\n").encode())


def _refuse_other(out: Path, request: Request) -> None:
    """See that a request in the folder is the same but for the number of cars."""
    file = out / REQUEST_FILE
    asked = json.loads(json.dumps(asdict(request)))
    try:
        before = json.loads(file.read_text()) if file.is_file() else None
    except (OSError, ValueError) as error:
        raise DataError(f"{file}: cannot be read ({error}); render into another folder") from error
    if before is None:
        if any((out / name).exists() for name in ("train", "train_masks", "train_masks.csv", "metadata.csv")):
            raise UsageError(f"{out}: holds a data set that was not rendered; choose another folder")
    else:
        fields = {"size": "size", "seed": "seed", "hard": "hard", "views": "number of views"}
        same = before if isinstance(before, dict) else {}
        other = [words for name, words in fields.items() if same.get(name) != asked[name]]
        if other:
            raise UsageError(
                f"{out}: was rendered with another {' and '.join(other)} (see {file.name}); ask for that, or take "
                "another folder"
            )


def _check_space(out: Path, needed: float) -> None:
    free = shutil.disk_usage(out).free
    if free < needed:
        raise OutputError(
            f"{out}: {needed / 1e9:.1f} GB may be needed and {free / 1e9:.1f} GB are free; make space or ask for less"
        )


def _write_tables(out: Path, sessions: Sequence[PhotoSession], names: Sequence[str], *, parts: bool) -> None:
    def rows() -> Iterator[tuple[str, str]]:
        for name in names:
            yield f"{name}.jpg", rle_encode(_mask(out, name))

    write_rle_csv(out / "train_masks.csv", rows())
    lines = ['"id","year","make","model","trim1","trim2"']
    lines += [f'"{s.name}","2026","carmask","{s.car.body}","{s.car.paint}","{s.hard}"' for s in sessions]
    write_atomically(out / "metadata.csv", ("\n".join(lines) + "\n").encode())
    if parts:
        write_file(out / "parts.json", map(partial(_parts, out), names), PARTS)


def _parts(out: Path, name: str) -> Loaded:
    file = out / "parts" / f"{name}.png"
    labels = read_labels(file)
    return Loaded(f"{name}.jpg", (labels.shape[0], labels.shape[1]), split_labels(labels, PARTS, file))


def _mask(out: Path, name: str) -> Mask:
    return read_mask(out / "train_masks" / f"{name}_mask.png")
