import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carmask.studio.mesh import EMPTY, Mesh, flat, merge, split, wall
from carmask.studio.primitives import box, lathe, tube

BALL = box((2.0, 2.0, 2.0), power=2.0)  # a ball of radius 1


def volume(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return np.einsum("ij,ij->", a, np.cross(b, c)) / 6


def open_edges(mesh):
    _, joined = np.unique(mesh.vertices.round(9), axis=0, return_inverse=True)
    faces = joined.reshape(-1)[mesh.faces]
    faces = faces[(faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])]
    halves = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    return (np.unique(halves, axis=0, return_counts=True)[1] != 2).sum()


@given(st.tuples(*[st.floats(-1, 1)] * 3).filter(lambda v: np.linalg.norm(v) > 0.1), st.floats(-0.9, 0.9))
@settings(max_examples=40, deadline=None)
def test_a_cut_loses_and_doubles_nothing(direction, level):
    normal = np.array(direction) / np.linalg.norm(direction)
    inside, outside = split(BALL, lambda p: p @ normal - level)
    assert inside.area + outside.area == pytest.approx(BALL.area, rel=1e-9)
    assert volume(inside) + volume(outside) == pytest.approx(volume(BALL), rel=1e-9)
    if len(inside.faces):
        assert (inside.vertices @ normal).max() <= level + 1e-12
    if len(outside.faces):
        assert (outside.vertices @ normal).min() >= level - 1e-12
    assert np.allclose(np.linalg.norm(inside.normals, axis=1), 1)


def test_a_cap_has_the_area_that_archimedes_found():
    cap, _ = split(BALL, lambda p: 0.4 - p[:, 2])
    assert cap.area == pytest.approx(2 * np.pi * 0.6, rel=0.02)  # 2 pi r h; a mesh of 2400 triangles is a bit smaller


def test_a_cut_closes_the_edge_that_both_sides_share():
    inside, outside = split(BALL, lambda p: p[:, 0] - 0.123)
    assert open_edges(merge([inside, outside])) == 0


def test_cuts_that_miss():
    inside, outside = split(BALL, lambda p: p[:, 0] - 5)
    assert (len(inside.faces), len(outside.faces)) == (len(BALL.faces), 0)
    assert split(EMPTY, lambda p: p[:, 0]) == (EMPTY, EMPTY)


@pytest.mark.parametrize(
    ("mesh", "expected"),
    [
        (box((2, 4, 6), power=2.0), 4 / 3 * np.pi * 1 * 2 * 3),
        (tube([(0, 0, 0), (0, 0, 1), (0, 0, 2)], 0.5), np.pi * 0.25 * 2),
        (tube([(0, 0, 0), (3, 0, 0)], 0.1), np.pi * 0.01 * 3),
    ],
)
def test_solids_face_outwards_and_have_their_volume(mesh, expected):
    assert volume(mesh) == pytest.approx(expected, rel=0.04)
    centre = mesh.vertices.mean(axis=0)
    assert (np.einsum("ij,ij->i", mesh.vertices - centre, mesh.normals) > -1e-6).mean() > 0.99


def test_a_turned_cylinder_has_its_area():
    assert lathe([(0.5, 0.0), (0.5, 2.0)]).area == pytest.approx(2 * np.pi * 0.5 * 2, rel=0.01)


def test_turning_mirroring_moving():
    point = Mesh(np.array([[1.0, 0, 0]]), np.array([[1.0, 0, 0]]), np.zeros((0, 3), np.int64))
    assert np.allclose(point.turned(90).vertices, [[0, 1, 0]])
    assert np.allclose(point.turned(90, axis=1).vertices, [[0, 0, -1]])
    assert np.allclose(point.moved((1, 2, 3)).offset(0.5).vertices, [[2.5, 2, 3]])
    assert volume(BALL.mirrored()) == pytest.approx(volume(BALL))
    assert volume(BALL.inverted()) == pytest.approx(-volume(BALL))
    assert flat(BALL).area == pytest.approx(BALL.area)


def test_walls_of_a_recess():
    square = Mesh(
        np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), np.tile([0.0, 0, 1], (4, 1)),
        np.array([[0, 1, 2], [0, 2, 3]]),
    )  # fmt: skip
    sides = wall(square, 0.5)
    assert sides.area == pytest.approx(4 * 0.5)
    # They face into the recess: towards its middle.
    assert (np.einsum("ij,ij->i", sides.vertices - [0.5, 0.5, 0], sides.normals) < 0).all()
    assert open_edges(merge([square, sides])) == 4  # the bottom is open, the top closed
