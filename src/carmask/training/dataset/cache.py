"""Photos and masks decoded once, at the size training needs, in memory-mapped files.

Decoding a photo of 1918x1280 costs 20 to 40 ms, several times a training step of the small networks for it; reading
it back at 512x768 costs under 1 ms. The arrays stay on disk, so memory does not grow with the data set.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from carmask.arrays import Photo
from carmask.data.annotated import PartsExample
from carmask.data.table import Example
from carmask.data.warp import SoftMask
from carmask.errors import OutputError
from carmask.geometry import Letterbox, Size, fit_letterbox, letterbox, resize
from carmask.images import flush_file, make_folder, open_reduced, remove_leftovers, write_atomically
from carmask.machine import available_cores

_Decode = partial[tuple[Photo, SoftMask]]

#: The arrays of a cache.
PHOTOS, MASKS = "photos.npy", "masks.npy"
#: Seconds of waiting for another training that are not mentioned.
_SILENT = 2.0
#: So few photos are decoded sooner than a process starts.
_FEW = 16


_logger = logging.getLogger("carmask.training")


class PhotoCache:
    """Decoded examples: ``cache[i]`` is the i-th one's photo and soft mask, read from disk."""

    def __init__(self, photos: NDArray[np.uint8], masks: NDArray[np.uint8], *, labels: bool = False) -> None:
        self._photos = photos
        self._masks = masks
        #: The masks hold labels, between which nothing can be averaged.
        self.labels = labels

    def __len__(self) -> int:
        return len(self._photos)

    def masks(self) -> Iterator[SoftMask]:
        """All masks or labels, at the cache's size."""
        return (np.array(mask) for mask in self._masks)

    def read(self, index: int, size: Size) -> tuple[Photo, SoftMask]:
        """Read one example, made smaller by area averaging if ``size`` is not the cache's.

        Args:
            index: 0 to ``len(self) - 1``.
            size: (height, width), at most the cache's.

        Returns:
            uint8 (height, width, 3) RGB, and uint8 (height, width), 255 times the fraction that is car, or labels.
        """
        photo, mask = self._photos[index], self._masks[index]
        if mask.shape == size:
            return np.array(photo), np.array(mask)
        return resize(photo, size), _resize_labels(mask, size) if self.labels else resize(mask, size)


def build_cache(
    examples: Sequence[Example],
    size: Size,
    folder: Path,
    *,
    whole: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> PhotoCache:
    """Decode all examples, or open what an earlier call has decoded.

    Args:
        examples: what to decode, in this order.
        size: (height, width) to bring photos and masks to, by area averaging.
        whole: place photos of another shape in ``size`` whole, beside bars, as prediction does; else stretch them.
        folder: where caches are kept; each data set and size has its own folder in it.
        progress: called with the number done and the number of all.

    Returns:
        The cache, memory-mapped.

    Raises:
        DataError: if a mask has another size than its photo.
        PhotoError: if a photo or mask cannot be read.
        OutputError: if the disk has not enough room, cannot be written, or what was decoded is damaged.
    """
    labels = isinstance(examples[0], PartsExample)
    height, width = size
    home = folder / f"{_fingerprint(examples)}-{width}x{height}{'-whole' * whole}"
    done_file = home / "done.json"
    make_folder(folder)
    # Another training that needs the same photos waits for the one that decodes them.
    with _locked(folder / f"{home.name}.lock"):
        if not done_file.exists():
            make_folder(home)
            remove_leftovers(home, None)
            need = len(examples) * height * width * 4
            if shutil.disk_usage(home).free < need * 1.05:
                raise OutputError(f"{home}: decoding {len(examples)} photos needs {need / 1e9:.1f} GB of disk")
            try:
                _fill(examples, partial(_decode, size=size, whole=whole), home, progress)
                # What says that they are whole must not reach the disk before them.
                for file in (PHOTOS, MASKS):
                    flush_file(home / file)
            except BaseException:
                shutil.rmtree(home, ignore_errors=True)
                raise
            write_atomically(done_file, json.dumps([example.name for example in examples]).encode())
    try:
        return PhotoCache(np.load(home / PHOTOS, mmap_mode="r"), np.load(home / MASKS, mmap_mode="r"), labels=labels)
    except (OSError, ValueError, EOFError) as error:
        raise OutputError(f"{home}: the decoded photos are damaged; remove this folder to decode them again") from error


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    lock = FileLock(file)
    try:
        try:
            lock.acquire(timeout=_SILENT)
        except Timeout:  # a process that has ended holds none any more
            _logger.info("another training decodes the same photos: waiting for it (%s)", file)
            lock.acquire()
    except OSError as error:
        raise OutputError(f"{file}: cannot be written ({error.strerror})") from error
    try:
        yield
    finally:
        # Who waits for it finds the photos decoded, or the same fault.
        file.unlink(missing_ok=True)
        lock.release()


def _fill(
    examples: Sequence[Example], decode: _Decode, home: Path, progress: Callable[[int, int], None] | None
) -> None:
    size: Size = decode.keywords["size"]
    for file, shape in ((PHOTOS, (len(examples), *size, 3)), (MASKS, (len(examples), *size))):
        np.lib.format.open_memmap(home / file, "w+", np.uint8, shape).flush()
    for done, _ in enumerate(_decode_all(examples, decode, home), 1):
        if progress is not None:
            progress(done, len(examples))


def _decode_all(examples: Sequence[Example], decode: _Decode, home: Path) -> Iterator[None]:
    put = partial(_put, decode=decode, home=home)
    if len(examples) <= _FEW:
        yield from map(put, range(len(examples)), examples)
        return
    # Spawned, not forked: this process may hold threads of torch and OpenCV already.
    threads = partial(cv2.setNumThreads, 1)
    with ProcessPoolExecutor(available_cores(), mp_context=get_context("spawn"), initializer=threads) as pool:
        yield from pool.map(put, range(len(examples)), examples, chunksize=8)


def _put(index: int, example: Example, *, decode: _Decode, home: Path) -> None:
    """Write one example where it belongs: sent to the first process, photos would pile up there."""
    photo, mask = decode(example)
    for file, pixels in ((PHOTOS, photo), (MASKS, mask)):
        array = np.load(home / file, mmap_mode="r+")
        array[index] = pixels


def _decode(example: Example, size: Size, *, whole: bool) -> tuple[Photo, SoftMask]:
    def place(photo: Size) -> Letterbox:
        return fit_letterbox(photo, size) if whole else Letterbox(size, 0, 0, size)

    photo, whole_size = open_reduced(example.photo, lambda photo: place(photo).inner)
    if isinstance(example, PartsExample):
        labels = example.read_labels()
        example.check_size(labels, whole_size)
        return resize(photo, size), _resize_labels(labels, size)
    mask, frame = example.read_mask_of(whole_size), place(whole_size)
    framed = np.zeros(size, np.uint8)
    # What lies beside the photo is not car.
    rows, columns = slice(frame.top, frame.top + frame.inner[0]), slice(frame.left, frame.left + frame.inner[1])
    framed[rows, columns] = resize(mask.view(np.uint8) * np.uint8(255), frame.inner)
    return letterbox(photo, frame) if whole else resize(photo, size), framed


def _resize_labels(labels: NDArray[np.uint8], size: Size) -> NDArray[np.uint8]:
    """By nearest neighbour, pixel centres at halves as everywhere: INTER_NEAREST_EXACT, not INTER_NEAREST."""
    resized = cv2.resize(labels, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT)
    return resized.astype(np.uint8, copy=False)


def _fingerprint(examples: Sequence[Example]) -> str:
    digest = hashlib.sha256()
    for example in examples:
        stat = example.photo.stat()
        line = f"{example.photo.resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{example.fingerprint()}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:16]
