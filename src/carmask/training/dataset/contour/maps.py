"""A model's probabilities of photos that are trained on, computed once and kept."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from carmask.arrays import Probability
from carmask.errors import DataError
from carmask.images import ReducedPhoto, make_folder, write_atomically
from carmask.model.network import Network
from carmask.prediction.stages import predict_map
from carmask.training.dataset.anywhere.store import PhotoStore

#: Levels of a logit's unit; logits are kept within ± 7.9.
_LEVELS, _MOST = 16, 7.9


class CoarseMaps:
    """What a model gives for the photos of a store, at the model's resolution."""

    def __init__(self, store: PhotoStore, base: Network, key: str, folder: Path) -> None:
        """Describe the maps; ``fill`` makes their files.

        Args:
            store: the photos.
            base: the model.
            key: tells its maps from other models'.
            folder: where files are kept.
        """
        self._store, self._base, self._folder = store, base, folder
        self._files = [folder / f"{store.file(index).stem}-{key}.npz" for index in range(len(store))]

    def fill(self, progress: Callable[[int, int], None] | None = None) -> None:
        """Predict what is not there yet; the store's own files must be there.

        Args:
            progress: called with the number done and of all.

        Raises:
            DataError: if a decoded photo is missing.
            OutputError: if the folder cannot be written.
        """
        make_folder(self._folder)
        for index, file in enumerate(self._files):
            if not file.exists():
                photo, mask = self._store.read(index)
                found = predict_map(self._base, ReducedPhoto(photo, (mask.shape[0], mask.shape[1])))
                crop = found.crop
                buffer = io.BytesIO()
                np.savez_compressed(
                    buffer,
                    logits=_to_levels(found.probability),
                    crop=np.array([crop.top, crop.left, *crop.size, *crop.photo], np.int32),
                )
                write_atomically(file, buffer.getvalue())
            if progress is not None:
                progress(index + 1, len(self._files))

    def read(self, index: int) -> Probability:
        """The map of a whole photo: float32 (height, width) in [0, 1], at the model's resolution; 0 beyond its crop.

        Raises:
            DataError: if the file is missing or damaged.
        """
        file = self._files[index]
        try:
            with np.load(file, allow_pickle=False) as kept:
                part, crop = _from_levels(kept["logits"]), [int(one) for one in kept["crop"]]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DataError(f"{file}: a map is missing or damaged; delete the folder, and train again") from error
        top, left, tall, wide, height, width = crop
        down, across = part.shape[0] / tall, part.shape[1] / wide
        size = max(2, round(height * down)), max(2, round(width * across))
        # From the pixels of the whole map to those of the crop's, through the photo; centres lie at halves.
        step_y, step_x = height / size[0] * down, width / size[1] * across
        matrix = np.array(
            [[step_x, 0, 0.5 * step_x - left * across - 0.5], [0, step_y, 0.5 * step_y - top * down - 0.5]]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(part, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_CONSTANT).astype(np.float32)


def _to_levels(probability: Probability) -> NDArray[np.uint8]:
    certain = np.clip(probability, 1e-6, 1 - 1e-6)
    logits = np.log(certain / (1 - certain)).clip(-_MOST, _MOST)
    levels: NDArray[np.uint8] = np.rint(logits * _LEVELS + 128).astype(np.uint8)
    return levels


def _from_levels(levels: NDArray[np.uint8]) -> Probability:
    logits = (levels.astype(np.float32) - 128) / _LEVELS
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)
