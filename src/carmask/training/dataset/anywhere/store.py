"""Photos with masks, each at its own shape, decoded once and kept as JPEG and PNG at the size that training needs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from carmask.arrays import Photo
from carmask.data.table import Example
from carmask.data.warp import SoftMask
from carmask.errors import DataError
from carmask.geometry import Size, resize
from carmask.images import make_folder, open_reduced, write_atomically

#: Quality of the kept photos.
QUALITY = 95


class PhotoStore:
    """Photos and soft masks of one data set, read from disk when they are asked for.

    Attributes:
        name: of the data set.
    """

    def __init__(self, name: str, examples: Sequence[Example], limit: Size, folder: Path) -> None:
        """Describe the store; ``fill`` makes its files.

        Args:
            name: of the data set.
            examples: the photos; the mask of one without runs is empty.
            limit: (height, width) that larger photos are made to fit into.
            folder: where files are kept, shared by stores.
        """
        self.name, self._examples, self._limit, self._folder = name, examples, limit, folder
        self._files = [folder / f"{_fingerprint(one, limit)}.jpg" for one in examples]

    def __len__(self) -> int:
        return len(self._examples)

    def file(self, index: int) -> Path:
        """Where the decoded photo of an example is kept."""
        return self._files[index]

    def fill(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Decode what is not there yet.

        Args:
            progress: called with the number done and of all.

        Raises:
            DataError: if a mask has another size than its photo.
            PhotoError: if a photo or mask cannot be read.
            OutputError: if the folder cannot be written.
        """
        make_folder(self._folder)
        for done, (example, file) in enumerate(zip(self._examples, self._files, strict=True), 1):
            # The photo comes last: where it is, the mask is.
            if not file.exists():
                photo, mask = self._decode(example)
                _write(file.with_suffix(".png"), cv2.imencode(".png", mask, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])
                encoded = cv2.imencode(".jpg", photo[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
                _write(file, encoded)
            if progress is not None:
                progress(done, len(self._files))

    def read(self, index: int, *, half: bool = False) -> tuple[Photo, SoftMask]:
        """Read one example.

        Args:
            index: 0 to ``len(self) - 1``.
            half: at half its size, in a third of the time.

        Returns:
            uint8 (height, width, 3) RGB, and uint8 (height, width), 255 times the fraction that is car.

        Raises:
            DataError: if its decoded photo is missing or damaged.
        """
        file = self._files[index]
        photo = cv2.imread(str(file), cv2.IMREAD_REDUCED_COLOR_2 if half else cv2.IMREAD_COLOR)
        mask = cv2.imread(str(file.with_suffix(".png")), cv2.IMREAD_GRAYSCALE)
        if photo is None or mask is None:
            raise DataError(f"{file}: a decoded photo is missing or damaged; delete the folder, and train again")
        if half:
            mask = cv2.resize(mask, photo.shape[1::-1], interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(photo[..., ::-1]), mask.astype(np.uint8, copy=False)

    def _decode(self, example: Example) -> tuple[Photo, SoftMask]:
        def fitting(size: Size) -> Size:
            scale = min(1.0, *(most / side for most, side in zip(self._limit, size, strict=True)))
            return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))

        photo, size = open_reduced(example.photo, fitting)
        photo = resize(photo, fitting(size))
        mask = example.read_mask_of(size)
        return photo, resize(mask.view(np.uint8) * np.uint8(255), fitting(size))


def _write(file: Path, content: np.ndarray) -> None:
    write_atomically(file, content.tobytes())


def _fingerprint(example: Example, limit: Size) -> str:
    stat = example.photo.stat()
    text = f"{example.photo.resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{example.fingerprint()}:{limit}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]
