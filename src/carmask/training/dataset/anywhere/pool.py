"""The photos, backgrounds and localisation network that scenes for any place are drawn with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from carmask.data.table import Example
from carmask.geometry import Size
from carmask.model.network import Network
from carmask.training.dataset.anywhere.epoch import ScenePhotos
from carmask.training.dataset.anywhere.generator import BASE, SceneGenerator
from carmask.training.dataset.anywhere.store import PhotoStore
from carmask.training.recipe import StageSettings
from carmask.training.scene_settings import SceneSettings


@dataclass(frozen=True)
class ScenePool:
    """What a training with scenes draws from, in place of a ``Mixture``.

    Attributes:
        main: the main data set.
        extra: extra data sets, each with its share.
        backgrounds: pictures without cars, or None.
        settings: how often what is drawn.
        locating: a localisation network, for networks that are guided by it.
    """

    main: PhotoStore
    extra: Sequence[tuple[PhotoStore, float]]
    backgrounds: PhotoStore | None
    settings: SceneSettings
    locating: Network | None = None

    #: Masks hold no labels.
    labels = False

    def __len__(self) -> int:
        """Photos of the main data set."""
        return len(self.main)

    def epoch(self, stage: StageSettings, length: int, *, seed: tuple[int, ...]) -> ScenePhotos:
        """The scenes of an epoch.

        Args:
            stage: its height is the scenes', its window or size what the network is shown.
            length: how many.
            seed: numbers that the scenes follow from.
        """
        scale = stage.height / BASE[0]
        generator = SceneGenerator(self.main, self.extra, self.backgrounds, self.settings, scale=scale)
        crops = stage.window is not None
        return ScenePhotos(generator, stage.shown, length, seed=seed, locating=self.locating, crops=crops)


def build_pool(
    main: Sequence[Example],
    extra: Sequence[tuple[str, Sequence[Example], float]],
    backgrounds: Sequence[Example],
    settings: SceneSettings,
    limit: Size,
    folder: Path,
    *,
    locating: Network | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ScenePool:
    """Decode all that scenes are drawn from.

    Args:
        main: photos of the main data set.
        extra: extra data sets: name, photos, share.
        backgrounds: pictures without cars.
        settings: how often what is drawn.
        limit: (height, width) of the largest stage.
        folder: where decoded photos are kept.
        locating: a localisation network, for networks that are guided by it.
        progress: called with the number done and of all, for each set.

    Returns:
        The pool.

    Raises:
        DataError: if a mask has another size than its photo.
        PhotoError: if a photo or mask cannot be read.
        OutputError: if the folder cannot be written.
    """
    # Photos of the main set are read at half their size for small scenes, and cut out: twice the scene is of use.
    limit = min(2 * limit[0], max(limit[0], 896)), min(2 * limit[1], max(limit[1], 1344))
    first = PhotoStore("main", main, limit, folder)
    others = [(PhotoStore(name, examples, limit, folder), share) for name, examples, share in extra]
    pictures = PhotoStore("backgrounds", backgrounds, limit, folder) if backgrounds else None
    for store in (first, *(one for one, _ in others), *([] if pictures is None else [pictures])):
        store.fill(progress)
    return ScenePool(first, others, pictures, settings, locating)
