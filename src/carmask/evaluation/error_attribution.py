"""Attribute the wrong pixels of a photo to causes: each cluster of them gets a tag, by rules measured on the photo.

Wrong pixels within ``RIM`` of the true contour are the roughness of the contour and get no tag, except on thin parts.
The others form clusters (``error_clusters``), and the first rule that fits names each (``error_rules``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from carmask.arrays import Mask, Photo
from carmask.evaluation.error_clusters import find_clusters
from carmask.evaluation.error_rules import Kind, Tag, find_cause, share_in
from carmask.evaluation.error_scene import Scene, measure_scene
from carmask.geometry import Box, box_of
from carmask.words import counted

#: A tag is given to a photo if its clusters have this fraction of the wrong pixels.
MIN_SHARE = 0.12
#: Pixels around the car and the wrong pixels that are measured with them.
AROUND = 40


class ErrorCluster(NamedTuple):
    """A cluster of wrong pixels.

    Attributes:
        tags: the cause first.
        kind: extra pixels are predicted and not true, missed ones the other way round.
        pixels: how many.
        centre: row and column of its centre in the photo.
        box: in pixels of the photo.
        evidence: what was measured, in words.
    """

    tags: tuple[Tag, ...]
    kind: Kind
    pixels: int
    centre: tuple[float, float]
    box: Box
    evidence: str


class Attribution(NamedTuple):
    """The causes of the wrong pixels of a photo.

    Attributes:
        tags: the tag with the most pixels first.
        clusters: the clusters, largest first.
        wrong: wrong pixels in all.
        rim: how many of them are the contour's roughness.
    """

    tags: tuple[Tag, ...]
    clusters: tuple[ErrorCluster, ...]
    wrong: int
    rim: int


def attribute_errors(photo: Photo, prediction: Mask, truth: Mask) -> Attribution:
    """Attribute the wrong pixels of a photo to causes.

    Args:
        photo: uint8 (height, width, 3), RGB.
        prediction: bool (height, width).
        truth: bool (height, width), of the same size.

    Returns:
        The clusters of wrong pixels and their tags; no tags if nothing is wrong.
    """
    wrong = prediction ^ truth
    count = int(np.count_nonzero(wrong))
    if not count:
        return Attribution((), (), 0, 0)
    around = box_of(wrong | truth)
    assert around is not None  # a pixel is wrong
    where = around.slices(AROUND)
    scene = measure_scene(photo, prediction, truth, where)
    clusters: list[ErrorCluster] = []
    kinds: tuple[tuple[Kind, Mask], ...] = (
        ("extra", scene.prediction & ~scene.truth),
        ("missed", scene.truth & ~scene.prediction),
    )
    top, left = where[0].start, where[1].start
    for kind, wrong_of_kind in kinds:
        for mask in find_clusters(wrong_of_kind, scene):
            cluster = _attribute(mask, kind, scene)
            centre = cluster.centre[0] + top, cluster.centre[1] + left
            clusters.append(cluster._replace(centre=centre, box=cluster.box.moved(top, left)))
    clusters.sort(key=lambda cluster: -cluster.pixels)
    rim = count - sum(cluster.pixels for cluster in clusters)
    return Attribution(_tags(clusters, count, rim), tuple(clusters), count, rim)


def _tags(clusters: Sequence[ErrorCluster], wrong: int, rim: int) -> tuple[Tag, ...]:
    pixels: dict[Tag, int] = defaultdict(int)
    for cluster in clusters:
        for tag in cluster.tags:
            pixels[tag] += cluster.pixels
    kept = sorted((tag for tag in pixels if pixels[tag] >= MIN_SHARE * wrong), key=lambda tag: -pixels[tag])
    if rim > wrong / 2 or not kept:
        # Roughness is the greater part, but a cluster that has a name says more: it comes first if it is large.
        return (*kept, "contour") if kept and pixels[kept[0]] > wrong / 4 else ("contour", *kept)
    return tuple(kept)


def _attribute(mask: Mask, kind: Kind, scene: Scene) -> ErrorCluster:
    """Measure and name one cluster, in the scene's own coordinates."""
    pixels, box = int(np.count_nonzero(mask)), box_of(mask)
    assert box is not None  # a cluster has pixels
    ys, xs = np.nonzero(mask)
    height = (float(ys.mean()) + 0.5 - scene.box.top) / (scene.box.bottom - scene.box.top)
    tag, why = find_cause(mask, kind, scene, height, (int(box.bottom - box.top), int(box.right - box.left)))
    tags: tuple[Tag, ...] = (tag,)
    if kind == "missed" and share_in(scene.holes, mask) > 0.5 and tag in {"glass", "colour of the background"}:
        tags, why = (tag, "hole inside"), f"{why}; enclosed by the prediction"
    evidence = f"{counted(pixels, f'{kind} pixel', thousands=True)} at height {height:.2f}; {why}"
    return ErrorCluster(tags, kind, pixels, (float(ys.mean()), float(xs.mean())), box, evidence)
