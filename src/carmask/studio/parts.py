"""The parts that a car's pixels are labelled with, and the pieces that a car is put together from."""

from __future__ import annotations

from dataclasses import dataclass

from carmask.studio.mesh import Mesh

#: Part names by label; label 0 is the background. Left and right are the driver's. The first 18 are those of the DSMLR
#: car parts data set (Pasupa et al. 2021), in its order; the rest is what that leaves unlabelled.
PARTS: tuple[str, ...] = (
    "back_bumper",
    "back_glass",
    "back_left_door",
    "back_left_light",
    "back_right_door",
    "back_right_light",
    "front_bumper",
    "front_glass",
    "front_left_door",
    "front_left_light",
    "front_right_door",
    "front_right_light",
    "hood",
    "left_mirror",
    "right_mirror",
    "tailgate",
    "trunk",
    "wheel",
    "body",
    "side_glass",
    "roof_glass",
    "plate",
    "antenna",
    "roof_rack",
)


@dataclass(frozen=True)
class Piece:
    """A mesh, what it is made of and the part of the car that it belongs to."""

    part: str
    material: str
    mesh: Mesh

    def mirrored(self) -> Piece:
        """The same on the other side of the car."""
        swapped = self.part.replace("left", "\0").replace("right", "left").replace("\0", "right")
        return Piece(swapped, self.material, self.mesh.mirrored())


def label_of(part: str) -> int:
    """The label of a part, from 1.

    Raises:
        ValueError: if there is no such part.
    """
    return PARTS.index(part) + 1
