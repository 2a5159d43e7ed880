"""Triangle meshes in numpy: exact cuts along a field's zero line, offsets and walls.

Lengths are metres; x points to the car's front, y to its left, z up. Faces wind counter-clockwise seen from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: float64 (n, 3) points.
Points = NDArray[np.float64]
#: Of n points, float64 (n,): negative inside, positive outside, in metres or nearly so.
Field = Callable[[Points], NDArray[np.float64]]


@dataclass(frozen=True)
class Mesh:
    """A triangle mesh.

    Attributes:
        vertices: float64 (n, 3).
        normals: float64 (n, 3), of length 1.
        faces: int64 (m, 3), indices of vertices.
    """

    vertices: Points
    normals: Points
    faces: NDArray[np.int64]

    @property
    def area(self) -> float:
        """The surface, in square metres."""
        return float(np.linalg.norm(self._crosses(), axis=1).sum() / 2)

    def _crosses(self) -> Points:
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        return np.cross(b - a, c - a)

    def moved(self, offset: Sequence[float]) -> Mesh:
        """Shift by (x, y, z)."""
        return Mesh(self.vertices + np.asarray(offset, np.float64), self.normals, self.faces)

    def turned(self, degrees: float, axis: int = 2) -> Mesh:
        """Turn about the axis x (0), y (1) or z (2) through the origin, counter-clockwise seen from its tip."""
        angle = np.deg2rad(degrees)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        return Mesh(self.vertices @ turn.T, self.normals @ turn.T, self.faces)

    def mirrored(self) -> Mesh:
        """Mirror left and right."""
        flip = np.array([1.0, -1.0, 1.0])
        return Mesh(self.vertices * flip, self.normals * flip, self.faces[:, ::-1])

    def inverted(self) -> Mesh:
        """The same surface seen from the other side."""
        return Mesh(self.vertices, -self.normals, self.faces[:, ::-1])

    def offset(self, distance: float) -> Mesh:
        """Move every vertex along its normal, outwards where positive."""
        return Mesh(self.vertices + distance * self.normals, self.normals, self.faces)


EMPTY = Mesh(np.zeros((0, 3)), np.zeros((0, 3)), np.zeros((0, 3), np.int64))


def merge(meshes: Sequence[Mesh]) -> Mesh:
    """Put meshes into one, without joining their vertices."""
    if not meshes:
        return EMPTY
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.normals for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts[:-1], strict=True)]),
    )


def split(mesh: Mesh, field: Field) -> tuple[Mesh, Mesh]:
    """Cut a mesh along the zero line of a field, which is taken as linear within each triangle.

    Args:
        mesh: what to cut.
        field: negative where the first part is to be.

    Returns:
        The part inside and the part outside; together they are the mesh, and they share only the cut.
    """
    if not len(mesh.faces):
        return mesh, mesh
    values = field(mesh.vertices)
    inside = values < 0
    count = inside[mesh.faces].sum(axis=1)
    if not (mixed := (count % 3) > 0).any():
        return _take(mesh, mesh.faces[count == 3]), _take(mesh, mesh.faces[count == 0])
    faces = mesh.faces[mixed]
    lone_inside = count[mixed] == 1
    # Turn each cut face so that the vertex that is alone on its side comes first.
    lone = np.argmax(inside[faces] == lone_inside[:, None], axis=1)
    rows = np.arange(len(faces))
    a, b, c = (faces[rows, (lone + i) % 3] for i in range(3))
    # Each cut edge gets one new vertex, shared by the faces on both of its sides.
    ends = np.sort(np.concatenate([np.stack([a, b], 1), np.stack([a, c], 1)]), axis=1)
    edges, which = np.unique(ends, axis=0, return_inverse=True)
    first, second = edges.T
    share = (values[first] / (values[first] - values[second]))[:, None]
    points = mesh.vertices[first] * (1 - share) + mesh.vertices[second] * share
    normals = mesh.normals[first] * (1 - share) + mesh.normals[second] * share
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    new = len(mesh.vertices) + which.reshape(-1)
    ab, ac = new[: len(faces)], new[len(faces) :]
    corner = np.stack([a, ab, ac], 1)
    rest = np.concatenate([np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)])
    both = np.concatenate([lone_inside, lone_inside])
    whole = Mesh(np.concatenate([mesh.vertices, points]), np.concatenate([mesh.normals, normals]), mesh.faces)
    return (
        _take(whole, np.concatenate([mesh.faces[count == 3], corner[lone_inside], rest[~both]])),
        _take(whole, np.concatenate([mesh.faces[count == 0], corner[~lone_inside], rest[both]])),
    )


def _take(mesh: Mesh, faces: NDArray[np.int64]) -> Mesh:
    used, renamed = np.unique(faces, return_inverse=True)
    return Mesh(mesh.vertices[used], mesh.normals[used], renamed.reshape(-1, 3))


def wall(mesh: Mesh, depth: float) -> Mesh:
    """Walls from the open edges of a mesh down to where ``mesh.offset(-depth)`` has them: the sides of a recess.

    Args:
        mesh: an open surface.
        depth: how deep, along the normals.

    Returns:
        Two triangles for each open edge, facing into the recess.
    """
    halves = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]])
    _, where, count = np.unique(np.sort(halves, axis=1), axis=0, return_index=True, return_counts=True)
    a, b = halves[where[count == 1]].T
    top_a, top_b = mesh.vertices[a], mesh.vertices[b]
    low_a, low_b = top_a - depth * mesh.normals[a], top_b - depth * mesh.normals[b]
    normal = np.cross(top_b - top_a, mesh.normals[a])
    normal /= -np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    n = len(a)
    i = np.arange(n)
    faces = np.concatenate([np.stack([i, i + n, i + 2 * n], 1), np.stack([i + n, i + 3 * n, i + 2 * n], 1)])
    return Mesh(np.concatenate([top_a, top_b, low_a, low_b]), np.tile(normal, (4, 1)), faces)


def grid_faces(rows: int, columns: int, *, closed: bool = False) -> NDArray[np.int64]:
    """Triangles over a grid of vertices numbered row by row; ``closed`` joins the last column to the first."""
    wide = columns if closed else columns - 1
    row, column = np.mgrid[0 : rows - 1, 0:wide]
    after = (column + 1) % columns
    a, b = row * columns + column, row * columns + after
    c, d = a + columns, b + columns
    return np.concatenate([np.stack([a, c, b], -1).reshape(-1, 3), np.stack([b, c, d], -1).reshape(-1, 3)])


def with_normals(vertices: Points, faces: NDArray[np.int64]) -> Mesh:
    """A smooth mesh: normals are area-weighted means of the faces'; coincident vertices count as one."""
    corners = [vertices[faces[:, i]] for i in range(3)]
    crosses = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    _, same = np.unique(vertices.round(7), axis=0, return_inverse=True)
    same = same.reshape(-1)
    normals = np.zeros((same.max() + 1, 3))
    for i in range(3):
        np.add.at(normals, same[faces[:, i]], crosses)
    normals = normals[same]
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return Mesh(vertices, normals, faces)


def flat(mesh: Mesh) -> Mesh:
    """The same triangles with hard edges: no vertex shared, each with its face's own normal."""
    crosses = mesh._crosses()
    crosses /= np.maximum(np.linalg.norm(crosses, axis=1, keepdims=True), 1e-12)
    faces = np.arange(3 * len(mesh.faces)).reshape(-1, 3)
    return Mesh(mesh.vertices[mesh.faces.reshape(-1)], np.repeat(crosses, 3, axis=0), faces)
