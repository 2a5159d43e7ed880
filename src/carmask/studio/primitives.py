"""Rounded blocks, tubes and turned solids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from carmask.studio.mesh import Mesh, Points, flat, grid_faces, with_normals


def box(size: Sequence[float], centre: Sequence[float] = (0.0, 0.0, 0.0), *, power: float = 8.0) -> Mesh:
    """A rounded block: a superellipsoid with exponent ``power`` (2 is an ellipsoid, 12 nearly a box)."""
    around, up = 48, 25
    turn, rise = np.meshgrid(np.linspace(0, 2 * np.pi, around, endpoint=False), np.linspace(-np.pi / 2, np.pi / 2, up))
    ray = np.stack([np.cos(rise) * np.cos(turn), np.cos(rise) * np.sin(turn), np.sin(rise)], -1).reshape(-1, 3)
    ray /= (np.abs(ray) ** power).sum(axis=1, keepdims=True) ** (1 / power)
    faces = grid_faces(up, around, closed=True)[:, ::-1]
    half = np.asarray(size, np.float64) / 2
    normals = np.sign(ray) * np.abs(ray) ** (power - 1) / half
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return Mesh(ray * half + np.asarray(centre, np.float64), normals, faces)


def tube(path: Sequence[Sequence[float]] | Sequence[Points] | Points, radius: float | Sequence[float]) -> Mesh:
    """A round tube along a line of points, closed at both ends; ``radius`` may differ from point to point."""
    line = np.asarray(path, np.float64)
    radii = np.broadcast_to(np.asarray(radius, np.float64), len(line))
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    aside = np.cross(along, [0.0, 0.0, 1.0] if abs(along[:, 2]).max() < 0.95 else [0.0, 1.0, 0.0])
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    up = np.cross(aside, along)
    angle = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    ring = np.cos(angle)[None, :, None] * aside[:, None] + np.sin(angle)[None, :, None] * up[:, None]
    points = line[:, None] + ring * radii[:, None, None]
    vertices = np.concatenate([points.reshape(-1, 3), line[:1], line[-1:]])
    i = np.arange(16)
    last = (len(line) - 1) * 16
    first_cap = np.stack([np.full(16, len(vertices) - 2), i, (i + 1) % 16], 1)
    last_cap = np.stack([np.full(16, len(vertices) - 1), last + (i + 1) % 16, last + i], 1)
    return _outwards(
        with_normals(vertices, np.concatenate([grid_faces(len(line), 16, closed=True), first_cap, last_cap]))
    )


def lathe(profile: Sequence[Sequence[float]], *, around: int = 96, smooth: bool = True) -> Mesh:
    """Turn a profile of (radius, y) points about the y axis; closed profiles give solids, wound to face outwards."""
    line = np.asarray(profile, np.float64)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    points = np.stack(
        [
            line[:, :1] * np.cos(angle),
            np.repeat(line[:, 1:], around, axis=1),
            line[:, :1] * np.sin(angle),
        ],
        -1,
    )
    mesh = with_normals(points.reshape(-1, 3), grid_faces(len(line), around, closed=True))
    return mesh if smooth else flat(mesh)


def _outwards(mesh: Mesh) -> Mesh:
    """Turn a closed mesh the right way out: its signed volume is positive."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return mesh if np.einsum("ij,ij->", a, np.cross(b, c)) > 0 else mesh.inverted()
